"""Thrift's own error struct, in any shape that peers send it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire_trees import encode as encode_tree
from txgateway.core.codec import exception
from txgateway.core.codec.exception import ApplicationError, Kind
from txgateway.core.errors import WireError


@given(st.integers(-(2**31), 2**31 - 1), st.text("aé漢😀"))
def test_decode_undoes_encode(kind: int, message: str) -> None:
    error = ApplicationError(kind, message)
    assert exception.decode(exception.encode(error)) == error


def test_as_recorded() -> None:
    assert exception.encode(ApplicationError(6, "oops")).hex() == "0b0001000000046f6f70730800020000000600"


@pytest.mark.parametrize(
    ("tree", "kind", "message"),
    [
        ([], 0, ""),
        ([[2, "i32", 7]], 7, ""),
        ([[1, "string", "x"]], 0, "x"),
        ([[2, "i32", 20], [9, "list", {"of": "i8", "items": [1]}], [1, "string", "x"]], 20, "x"),
        ([[1, "i32", 5], [2, "string", "x"]], 0, ""),
        ([[1, "string", {"hex": "61ff62"}]], 0, "a\ufffdb"),
        ([[2, "i32", 99]], 99, ""),
    ],
)
def test_any_order_and_any_absence(tree: list[object], kind: int, message: str) -> None:
    assert exception.decode(encode_tree(tree)) == ApplicationError(kind, message)


def test_the_numbers_have_names() -> None:
    assert ApplicationError(20).kind == Kind.UNKNOWN_SERVICE


@pytest.mark.parametrize("data", [b"", b"\x0b\0\1\0\0\0\x40ab", b"\x08\0\2\0"])
def test_bytes_that_are_no_struct(data: bytes) -> None:
    with pytest.raises(WireError):
        exception.decode(data)
