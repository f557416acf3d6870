"""JSON a piece at a time: two megabytes in one go would hold everything up for ten milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

# Items of an array that are one piece.
ITEMS = 50
# Objects are taken apart as deep as this: what a page is made of, by kind and by name.
DEPTH = 3


def json_pieces(value: Any, *, indented: bool = False) -> Iterator[bytes]:
    """What orjson writes; together the pieces are that.

    :param value: its large arrays have small items.
    :param indented: by two blanks; else all is one line.
    """
    return _pieces(value, indented, 0)


def _pieces(value: Any, indented: bool, depth: int) -> Iterator[bytes]:
    inside, outside = (b"\n" + b"  " * (depth + 1), b"\n" + b"  " * depth) if indented else (b"", b"")
    if isinstance(value, dict) and value and depth < DEPTH:
        before, colon = b"{" + inside, b": " if indented else b":"
        for name, member in value.items():
            yield before + orjson.dumps(name) + colon
            yield from _pieces(member, indented, depth + 1)
            before = b"," + inside
        yield outside + b"}"
    elif isinstance(value, list) and len(value) > ITEMS:
        before = b"["
        for start in range(0, len(value), ITEMS):
            # Without the brackets around them, nor the end of the line before the last.
            items = _dumps(value[start : start + ITEMS], indented, outside)[1:-1]
            yield before + items[: len(items) - len(outside)]
            before = b","
        yield outside + b"]"
    else:
        yield _dumps(value, indented, outside)


def _dumps(value: Any, indented: bool, margin: bytes) -> bytes:
    # A line that ends inside of a text is written as two characters.
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", margin) if indented else orjson.dumps(value)
