"""Thrift structs without any IDL, as the recorded wire cases write them: trees to bytes, and random ones.

A struct is a list of ``[field id, type, value]``; a list or set is ``{"of", "items"}``, a map
``{"key", "value", "pairs"}``; bytes that are not UTF-8 are ``{"hex"}``, and the doubles
that JSON lacks ``{"double"}``.
"""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

CODES = {
    "bool": 2,
    "i8": 3,
    "double": 4,
    "i16": 6,
    "i32": 8,
    "i64": 10,
    "string": 11,
    "struct": 12,
    "map": 13,
    "set": 14,
    "list": 15,
}
NAMES = {code: name for name, code in CODES.items()}
NUMBERS = {"bool": ">?", "i8": ">b", "double": ">d", "i16": ">h", "i32": ">i", "i64": ">q"}
# Go's NaN, which is not Python's.
DOUBLES = {"NaN": 0x7FF8000000000001, "Inf": 0x7FF0000000000000, "-Inf": 0xFFF0000000000000, "-0": 1 << 63}

Tree = list[Any]


def encode(tree: Tree) -> bytes:
    """The bytes of a struct, its fields in the tree's own order."""
    fields = (struct.pack(">Bh", CODES[kind], number) + encode_value(kind, value) for number, kind, value in tree)
    return b"".join(fields) + b"\0"


def encode_value(kind: str, value: Any) -> bytes:
    if kind == "double" and isinstance(value, dict):
        return struct.pack(">Q", DOUBLES[value["double"]])
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value)
    if kind == "string":
        text = bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()
        return struct.pack(">i", len(text)) + text
    if kind == "struct":
        return encode(value)
    if kind == "map":
        head = struct.pack(">BBi", code_of(value["key"]), code_of(value["value"]), len(value["pairs"]))
        return head + b"".join(
            encode_value(value["key"], k) + encode_value(value["value"], v) for k, v in value["pairs"]
        )
    head = struct.pack(">Bi", code_of(value["of"]), len(value["items"]))
    return head + b"".join(encode_value(value["of"], item) for item in value["items"])


def code_of(kind: str) -> int:
    """An empty container may name no type at all, which is written as 0."""
    return CODES.get(kind, 0)


scalars: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "i8": st.integers(-(2**7), 2**7 - 1),
    "i16": st.integers(-(2**15), 2**15 - 1),
    "i32": st.integers(-(2**31), 2**31 - 1),
    "i64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text("aé漢😀\0", max_size=12) | st.binary(max_size=12).map(lambda b: {"hex": b.hex()}),
}


@st.composite
def values(draw: st.DrawFn, depth: int) -> tuple[str, Any]:
    """A type and a value of it, at most ``depth`` levels of structs and containers deep."""
    kinds = list(scalars) + (["struct", "list", "set", "map"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    return kind, draw(value_of(kind, depth))


@st.composite
def value_of(draw: st.DrawFn, kind: str, depth: int) -> Any:
    if kind in scalars:
        return draw(scalars[kind])
    if kind == "struct":
        return draw(trees(depth=depth - 1))
    kinds = list(scalars) + (["struct", "list", "set", "map"] if depth > 1 else [])
    first, second = draw(st.sampled_from(kinds)), draw(st.sampled_from(kinds))
    if kind == "map":
        pair = st.tuples(value_of(first, depth - 1), value_of(second, depth - 1))
        return {"key": first, "value": second, "pairs": draw(st.lists(pair, max_size=3))}
    return {"of": first, "items": draw(st.lists(value_of(first, depth - 1), max_size=3))}


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Tree:
    """Random structs."""
    fields = draw(st.lists(st.tuples(st.integers(-(2**15), 2**15 - 1), values(depth)), max_size=5))
    return [[number, kind, value] for number, (kind, value) in fields]
