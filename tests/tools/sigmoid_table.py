#!/usr/bin/env python3
"""Writes core/model/sigmoid_table.h: the logistic function at i/24 for i = 0..255, in 1/65536.

    python3 tests/tools/sigmoid_table.py > core/model/sigmoid_table.h

i/24 is the grid of the int16 sigmoids of TensorFlow Lite Micro. The kernels interpolate linearly, and a
chord lies below a concave curve by up to h^2 |f''| / 8. As in the reference's table, each value is
raised by half of that, so that the error of the interpolation has both signs: f + h^2 |f''| / 16,
rounded to nearest; the last value is 65535, where the kernels saturate. The result was compared with the reference over all 65,536
inputs of LOGISTIC and TANH.
"""
from decimal import Decimal, ROUND_HALF_UP, getcontext

getcontext().prec = 40

SIZE = 256
STEP = Decimal(1) / 24


def value(i):
    f = 1 / (1 + (-Decimal(i) * STEP).exp())
    curvature = f * (1 - f) * (2 * f - 1)
    raised = 65536 * (f + STEP * STEP * curvature / 16)
    return 65535 if i == SIZE - 1 else int(raised.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def main():
    print("/* sigmoid_table.h - written by tests/tools/sigmoid_table.py: do not edit.")
    print(" *")
    print(" * The logistic function at i / 24 in 1/65536, raised by half of the error of interpolation. */")
    print("#ifndef MW_CORE_MODEL_SIGMOID_TABLE_H")
    print("#define MW_CORE_MODEL_SIGMOID_TABLE_H")
    print()
    print("#include <stdint.h>")
    print()
    print(f"#define MW_SIGMOID_TABLE_SIZE {SIZE}")
    print()
    print("/* clang-format off */")
    print("static const uint16_t mw_sigmoid_table[MW_SIGMOID_TABLE_SIZE] = {")
    for row in range(0, SIZE, 12):
        print("    " + ", ".join(str(value(i)) for i in range(row, min(row + 12, SIZE))) + ",")
    print("};")
    print("/* clang-format on */")
    print()
    print("#endif")


if __name__ == "__main__":
    main()
