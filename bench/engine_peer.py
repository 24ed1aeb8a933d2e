#!/usr/bin/env python3
"""engine_peer.py MODEL.tflite ROWS SECONDS: microseconds an inference takes in tflite-micro.

ROWS is bench_engine's. `us` is invoke() alone, what Python adds to a call included; `us_whole` has the
copies in and out as well. Prints JSON."""
import importlib.metadata
import json
import sys
import time

import numpy as np
from tflite_micro import runtime


def main():
    interpreter = runtime.Interpreter.from_file(sys.argv[1])
    shape = interpreter.get_input_details(0)["shape"]
    rows = np.fromfile(sys.argv[2], np.float32).reshape(-1, *shape)
    limit = float(sys.argv[3])

    runs, start = 0, time.process_time()
    interpreter.set_input(rows[0], 0)
    while time.process_time() - start < limit:
        for _ in range(1000):
            interpreter.invoke()
        runs += 1000
    alone = (time.process_time() - start) / runs

    runs, total, start = 0, 0.0, time.process_time()
    while time.process_time() - start < limit:
        for row in rows:
            interpreter.set_input(row, 0)
            interpreter.invoke()
            total += float(interpreter.get_output(0).reshape(-1)[0])
        runs += len(rows)
    whole = (time.process_time() - start) / runs
    print(json.dumps({"us": alone * 1e6, "us_whole": whole * 1e6, "mean": total / runs,
                      "version": importlib.metadata.version("tflite-micro")}))


if __name__ == "__main__":
    main()
