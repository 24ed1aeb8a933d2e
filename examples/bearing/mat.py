"""Reads the numeric arrays of a MATLAB level 5 .mat file. Standard library only.

Layout (MathWorks, "MAT-File Format"): a header of 128 bytes, then elements, each a tag (type,
bytes) and its data, padded to 8 bytes; an element of up to 4 bytes sits in its own tag. An array is
an element of type miMATRIX that holds four: flags with the class, dimensions, name, real part. A
compressed element (miCOMPRESSED) holds one of these, deflated."""

import array
import struct
import zlib

MATRIX, COMPRESSED = 14, 15
TYPES = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}


def elements(data, order):
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # a small element: bytes and type share the first word
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            at += 8
        else:
            start = at + 8
            at = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(data):
            raise ValueError(f"an element of {size} bytes passes the end of the file")
        yield kind, data[start:start + size]


def numbers(kind, data, order):
    if kind not in TYPES:
        raise ValueError(f"numbers of type {kind} are not known")
    values = array.array(TYPES[kind])
    values.frombytes(data)
    if order == ">":
        values.byteswap()
    return values


def read(path):
    """{name: array} of all real numeric arrays in the file."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
        raise ValueError(f"{path} is no MATLAB level 5 file")
    order = "<" if data[126:128] == b"IM" else ">"
    found = {}
    for kind, body in elements(data[128:], order):
        if kind == COMPRESSED:
            kind, body = next(elements(zlib.decompress(body), order))
        if kind == MATRIX:
            parts = list(elements(body, order))
            if len(parts) >= 4 and parts[3][0] in TYPES:
                found[parts[2][1].decode("ascii")] = numbers(*parts[3], order)
    return found
