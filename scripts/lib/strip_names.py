"""Removes the names of functions from a wasm file, in place.

usage: strip_names.py FILE

worker-build keeps them (wasm-opt --debuginfo); they are a tenth of the gzipped size. A panic is told with its
file and line all the same.
"""

import pathlib
import sys


def leb128(data, at):
    """An unsigned LEB128 number (WebAssembly core specification, 5.2.2) and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def without_names(data):
    kept, at = bytearray(data[:8]), 8
    while at < len(data):
        size, body = leb128(data, at + 1)
        end = body + size
        length, name = leb128(data, body) if data[at] == 0 else (0, body)
        if data[at] != 0 or data[name : name + length] != b"name":
            kept += data[at:end]
        at = end
    return bytes(kept)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    file = pathlib.Path(sys.argv[1])
    file.write_bytes(without_names(file.read_bytes()))
