"""Thrift's type numbers in the binary protocol, and the least that each takes on the wire."""

from __future__ import annotations

from typing import Final

STOP: Final = 0
BOOL: Final = 2
I8: Final = 3
DOUBLE: Final = 4
I16: Final = 6
I32: Final = 8
I64: Final = 10
STRING: Final = 11
STRUCT: Final = 12
MAP: Final = 13
SET: Final = 14
LIST: Final = 15

# thriftpy2's own number for a STRING that is bytes, not text; never on the wire.
BINARY: Final = 18

# Bytes of a value whose width its type fixes.
WIDTHS: Final = {BOOL: 1, I8: 1, DOUBLE: 8, I16: 2, I32: 4, I64: 8}
