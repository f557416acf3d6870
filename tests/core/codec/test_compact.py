"""The compact protocol is spelled as Apache Thrift spells it, and what is no struct in it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.transport.TTransport import TMemoryBuffer

from tests.wire_trees import CODES, encode, trees
from txgateway.core.codec.bounds import DEPTH, Incomplete, walk
from txgateway.core.codec.compact import Reader, from_binary, read_varint, varint
from txgateway.core.errors import WireError

LIMIT = 1 << 20


def by_apache(tree: list[Any]) -> bytes:
    """The struct as Apache's own codec writes it."""
    buffer = TMemoryBuffer()
    write_struct(TCompactProtocol(buffer), tree)
    written: bytes = buffer.getvalue()
    return written


def write_struct(out: Any, tree: list[Any]) -> None:
    out.writeStructBegin("")
    for number, kind, value in tree:
        out.writeFieldBegin("", CODES[kind], number)
        write(out, kind, value)
        out.writeFieldEnd()
    out.writeFieldStop()
    out.writeStructEnd()


def write(out: Any, kind: str, value: Any) -> None:
    match kind:
        case "struct":
            write_struct(out, value)
        case "map":
            out.writeMapBegin(CODES[value["key"]], CODES[value["value"]], len(value["pairs"]))
            for key, item in value["pairs"]:
                write(out, value["key"], key)
                write(out, value["value"], item)
            out.writeMapEnd()
        case "list" | "set":
            out.writeCollectionBegin(CODES[value["of"]], len(value["items"]))
            for item in value["items"]:
                write(out, value["of"], item)
            out.writeCollectionEnd()
        case "string":
            out.writeBinary(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode())
        case "i8":
            out.writeByte(value)
        case _:
            getattr(out, f"write{kind.capitalize()}")(value)


def read(data: bytes, limit: int = LIMIT) -> bytes:
    reader = Reader(0, limit)
    assert reader.resume(data) == len(data)
    return bytes(reader.out)


@given(trees())
def test_spelled_as_apache_does(tree: list[Any]) -> None:
    compact = by_apache(tree)
    assert from_binary(encode(tree)) == compact
    binary = read(compact)
    # An empty map loses its types on the way, so what comes back is compared in compact.
    assert from_binary(binary) == compact
    assert walk(binary) == len(binary)


@given(trees(), st.lists(st.integers(0, 200), max_size=5))
def test_any_cut_gives_the_same(tree: list[Any], cuts: list[int]) -> None:
    data = from_binary(encode(tree))
    reader, end = Reader(0, LIMIT), None
    for cut in [*sorted(cuts), len(data)]:
        if end is None:
            try:
                end = reader.resume(data[:cut])
            except Incomplete as short:
                assert cut < short.needed <= len(data)  # noqa: PT017
    assert end == len(data)
    assert bytes(reader.out) == read(data)


@given(st.binary(max_size=60))
def test_no_bytes_get_through_that_are_no_struct(data: bytes) -> None:
    reader = Reader(0, LIMIT)
    try:
        end = reader.resume(data)
    except WireError:
        return
    assert end <= len(data)
    assert walk(bytes(reader.out)) == len(reader.out) <= 8 * end


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("1d00", "type 13"),
        ("190d00", "type 13 before"),
        ("191d00", "type 13 before"),
        ("19100000", "type 0 before"),
        ("1b01d30000", "type 13 before"),
        ("18ffffffff7f00", "a length of 34359738367"),
        ("18ffffffffff7f00", "more than 5 bytes"),
        ("18ffffffff0700", "more than the bytes left"),
        ("19f5ffffffff07", "more than the bytes left"),
        ("19f1ffffffff07", "more than the bytes left"),
        ("1bffffffff0755", "more than the bytes left"),
        ("15ffffffffffffffffff7f00", "too large"),
        ("16ffffffffffffffffffff7f00", "more than 10 bytes"),
        ("1480800800", "too large"),
        ("0580800802", "too large"),
        ("", "bytes end"),
        ("1501", "bytes end"),
    ],
)
def test_what_is_no_struct_is_refused_by_a_word(data: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        Reader(0, LIMIT).resume(bytes.fromhex(data))


def test_ids_stay_in_their_range() -> None:
    highest = from_binary(encode([[32767, "bool", True]]))
    assert read(highest) == encode([[32767, "bool", True]])
    with pytest.raises(WireError, match="field id 32768"):
        read(highest[:-1] + b"\x11\0")


def test_levels_are_bounded() -> None:
    assert read(b"\x1c" * (DEPTH - 1) + b"\0" * DEPTH)
    with pytest.raises(WireError, match=f"more than {DEPTH} levels"):
        read(b"\x1c" * DEPTH + b"\0" * (DEPTH + 1))


def test_what_grows_in_binary_is_bounded() -> None:
    longs = b"\x19\xf6" + varint(1000) + bytes(1000) + b"\0"
    assert len(read(longs)) == 8009
    with pytest.raises(WireError, match="above the limit of 5000"):
        read(longs, limit=5000)


@given(st.integers(0, 2**64 - 1))
def test_numbers_survive(number: int) -> None:
    data = varint(number)
    assert read_varint(b"x" + data + b"y", 1) == (number, 1 + len(data))
