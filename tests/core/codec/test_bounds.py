"""The walk lets every struct through, finds its end however its bytes are cut, and nothing else passes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire_trees import encode, trees
from txgateway.core.codec.bounds import Incomplete, Walk, walk
from txgateway.core.errors import WireError

structs = trees().map(encode)


@given(structs, st.binary(max_size=9), st.binary(max_size=9))
def test_ends_where_the_struct_does(data: bytes, before: bytes, after: bytes) -> None:
    assert walk(before + data + after, len(before)) == len(before) + len(data)


@given(structs, st.data())
def test_a_part_of_a_struct_is_incomplete_and_says_what_it_lacks(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data) - 1))
    with pytest.raises(Incomplete) as caught:
        walk(data[:cut])
    assert cut < caught.value.needed <= len(data)


@given(structs)
def test_goes_on_where_the_bytes_ended(data: bytes) -> None:
    one_by_one = Walk()
    for size in range(len(data)):
        with pytest.raises(Incomplete):
            one_by_one.resume(data[:size])
    assert one_by_one.resume(data) == len(data)


@given(structs, st.data())
def test_damage_is_refused_or_harmless(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    damaged = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    with contextlib.suppress(WireError):
        assert 0 < walk(damaged) <= len(damaged)


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_or_harmless(data: bytes) -> None:
    with contextlib.suppress(WireError):
        assert 0 < walk(data) <= len(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("0b0001ffffffff00", "the string at byte 3 announces a length of -1"),
        ("0f000108ffffffff00", "the list at byte 3 announces a length of -1"),
        ("0e00010880000000 00", "the set at byte 3 announces a length of -2147483648"),
        ("0d00010808ffffffff00", "the map at byte 3 announces a length of -1"),
        ("0f0063017fffffff00", "the list at byte 3 holds a type that does not exist"),
        ("0f0063007fffffff00", "the list at byte 3 holds a type that does not exist"),
        ("0d006300007fffffff00", "the map at byte 3 holds a type that does not exist"),
        ("0d00630b0100000001 00000000 00", "the map at byte 3 holds a type that does not exist"),
        ("0f0001630000000000", "the empty list at byte 3 is of a type that does not exist"),
        ("6300050000", "type 99 at byte 3 does not exist"),
        ("0100050000", "type 1 at byte 3 does not exist"),
        ("100001 00000000000000000000000000000000 00", "type 16 at byte 3 does not exist"),
    ],
)
def test_what_no_further_byte_can_mend(data: str, words: str) -> None:
    with pytest.raises(WireError) as caught:
        walk(bytes.fromhex(data))
    assert str(caught.value) == words
    assert not isinstance(caught.value, Incomplete)


@pytest.mark.parametrize(
    ("data", "needed"),
    [
        ("", 1),
        ("08000100", 8),
        ("0b0001 00000040 6162", 72),
        ("0b0001 7fffffff 6162 00", 2**31 + 7),
        # A container says at once how much it needs at the least, whatever it holds.
        ("0f0001 08 7fffffff 00000001 00", 8 + 4 * (2**31 - 1)),
        ("0f0001 0b 7fffffff 00000000 00", 8 + 4 * (2**31 - 1)),
        ("0f0001 0c 00000003 00", 11),
        ("0d0001 0b0a 00000100 00", 9 + 256 * 12),
    ],
)
def test_a_length_beyond_the_bytes_left_is_no_reason_to_wait_for_little(data: str, needed: int) -> None:
    with pytest.raises(Incomplete) as caught:
        walk(bytes.fromhex(data))
    assert caught.value.needed == needed


def test_empty_containers_may_name_no_type() -> None:
    data = bytes.fromhex("0d0001000000000000 0f00020000000000 00")
    assert walk(data) == len(data)


def nested_structs(levels: int) -> bytes:
    return b"\x0c\0\1" * (levels - 1) + b"\0" * levels


def nested_lists(levels: int) -> bytes:
    return b"\x0f\0\1" + b"\x0f\0\0\0\1" * (levels - 2) + b"\x08\0\0\0\0" + b"\0"


@pytest.mark.parametrize("nested", [nested_structs, nested_lists])
def test_depth_is_bounded(nested: Callable[[int], bytes]) -> None:
    assert walk(nested(64)) == len(nested(64))
    for levels in (65, 1_000_000):
        with pytest.raises(WireError, match="more than 64 levels"):
            walk(nested(levels))


def test_depth_is_a_parameter() -> None:
    assert walk(b"\x0c\0\1\0\0", depth=2) == 5
    with pytest.raises(WireError, match="more than 1 levels"):
        walk(b"\x0c\0\1\0\0", depth=1)
