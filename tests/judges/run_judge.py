#!/usr/bin/env python3
"""Runs an independent judge on a .tflite model and prints its outputs.

    run_judge.py [--judge tflite-micro|ai-edge-litert] [--bits] MODEL.tflite INPUTS.csv

INPUTS.csv has one row an inference: the elements of all inputs of the model, one input after the other,
as real numbers (no header; "-" is standard input). An input that is an integer tensor is quantized with
its own scale and zero point. Prints one line a row: the elements of all outputs, separated by commas.
An integer output is printed as its integers. float32 is printed with 9 digits, which read back to the
same bits; with --bits as 8 hexadecimal digits.

tflite-micro runs the reference kernels, so an engine that is bit-exact prints the same lines. One
process runs one model: a model that makes a judge crash takes only this process with it.
Status: 0 done, 1 the judge refuses the model, 2 wrong arguments or inputs.
"""
import argparse
import csv
import struct
import sys

import numpy as np


class TfliteMicro:
    def __init__(self, path):
        from tflite_micro import runtime

        self.interpreter = runtime.Interpreter.from_file(path, arena_size=8 << 20)
        self.inputs = self._details(self.interpreter.get_input_details)
        self.outputs = self._details(self.interpreter.get_output_details)

    @staticmethod
    def _details(get):
        found = []
        while True:
            try:
                detail = get(len(found))
            except (IndexError, ValueError, RuntimeError):
                return found
            parameters = detail["quantization_parameters"]
            scales = parameters["scales"]
            zero_points = parameters["zero_points"]
            found.append(
                (
                    tuple(detail["shape"]),
                    np.dtype(detail["dtype"]),
                    float(scales[0]) if len(scales) else 0.0,
                    int(zero_points[0]) if len(zero_points) else 0,
                )
            )

    def run(self, values):
        for i, value in enumerate(values):
            self.interpreter.set_input(value, i)
        self.interpreter.invoke()
        return [self.interpreter.get_output(i) for i in range(len(self.outputs))]


class Litert:
    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_path=path, num_threads=1)
        self.interpreter.allocate_tensors()
        self.inputs = [self._detail(d) for d in self.interpreter.get_input_details()]
        self.outputs = [self._detail(d) for d in self.interpreter.get_output_details()]

    @staticmethod
    def _detail(detail):
        scale, zero_point = detail["quantization"]
        return tuple(detail["shape"]), np.dtype(detail["dtype"]), float(scale), int(zero_point)

    def run(self, values):
        details = self.interpreter.get_input_details()
        for detail, value in zip(details, values):
            self.interpreter.set_tensor(detail["index"], value)
        self.interpreter.invoke()
        details = self.interpreter.get_output_details()
        return [self.interpreter.get_tensor(detail["index"]) for detail in details]


JUDGES = {"tflite-micro": TfliteMicro, "ai-edge-litert": Litert}


def to_tensor(reals, shape, dtype, scale, zero_point):
    """Real numbers as one input tensor; halves are rounded away from zero."""
    reals = np.array(reals, dtype=np.float32)
    if dtype != np.float32:
        quotient = (reals / np.float32(scale or 1.0)).astype(np.float64)
        rounded = np.trunc(quotient + np.copysign(0.5, quotient)) + zero_point
        info = np.iinfo(dtype)
        reals = np.clip(rounded, info.min, info.max)
    return reals.astype(dtype).reshape(shape)


def split_row(row, inputs):
    values, at = [], 0
    for shape, dtype, scale, zero_point in inputs:
        count = int(np.prod(shape, dtype=np.int64))
        values.append(to_tensor(row[at : at + count], shape, dtype, scale, zero_point))
        at += count
    return values


def text(value, bits):
    if isinstance(value, np.floating):
        return struct.pack(">f", value).hex() if bits else f"{value:.9g}"
    return str(int(value))


def main():
    parser = argparse.ArgumentParser(description="Prints the outputs of an independent judge.")
    parser.add_argument("--judge", choices=sorted(JUDGES), default="tflite-micro")
    parser.add_argument("--bits", action="store_true", help="print float32 as hexadecimal bits")
    parser.add_argument("model")
    parser.add_argument("inputs")
    arguments = parser.parse_args()

    try:
        judge = JUDGES[arguments.judge](arguments.model)
    except (RuntimeError, ValueError) as error:
        print(f"{arguments.model}: {arguments.judge} refuses it: {error}", file=sys.stderr)
        return 1
    width = sum(int(np.prod(shape, dtype=np.int64)) for shape, _, _, _ in judge.inputs)

    source = sys.stdin if arguments.inputs == "-" else open(arguments.inputs, newline="")
    with source:
        for number, row in enumerate(csv.reader(source), start=1):
            if len(row) != width:
                print(
                    f"{arguments.inputs}:{number}: {len(row)} values, the model takes {width}",
                    file=sys.stderr,
                )
                return 2
            try:
                reals = [float(field) for field in row]
            except ValueError as error:
                print(f"{arguments.inputs}:{number}: {error}", file=sys.stderr)
                return 2
            outputs = judge.run(split_row(reals, judge.inputs))
            print(",".join(text(v, arguments.bits) for o in outputs for v in o.reshape(-1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
