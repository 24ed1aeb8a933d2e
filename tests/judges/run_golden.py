#!/usr/bin/env python3
"""Asks tflite-micro again for the answers in golden files.

    run_golden.py FILE.golden=MODEL.tflite ...

Prints one line a file: its name, a tab, and "equal" or what differs. make_golden.py tells the format. The
answers of the judge have to be the recorded bits, also of the float32 operators with an exponential.
"""
import pathlib
import struct
import sys

import numpy as np

from run_judge import TfliteMicro


def check(golden, model):
    data = pathlib.Path(golden).read_bytes()
    (rows,) = struct.unpack_from("<I", data)
    at = 4
    judge = TfliteMicro(model)

    def take(shape, dtype):
        nonlocal at
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
        return values

    for row in range(rows):
        inputs = [take(shape, dtype) for shape, dtype, _, _ in judge.inputs]
        for answer in judge.run(inputs):
            recorded = take(answer.shape, answer.dtype)
            if answer.tobytes() != recorded.tobytes():
                return f"row {row} differs"
    return "equal" if at == len(data) else f"{len(data) - at} bytes are left over"


def main():
    for pair in sys.argv[1:]:
        golden, model = pair.split("=", 1)
        print(golden, check(golden, model), sep="\t", flush=True)


if __name__ == "__main__":
    main()
