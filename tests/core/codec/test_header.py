"""A header survives the trip; what is none is told apart from what is not complete yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.codec import header
from txgateway.core.codec.bounds import Incomplete
from txgateway.core.errors import WireError
from txgateway.core.message import MessageType

types = st.sampled_from(MessageType)
names = st.binary(max_size=40)
sequences = st.integers(-(2**31), 2**31 - 1)


@given(types, names, sequences, st.binary(max_size=5), st.binary(max_size=5))
def test_parse_undoes_build(type_: MessageType, name: bytes, sequence: int, before: bytes, after: bytes) -> None:
    built = header.build(type_, name, sequence)
    parsed = header.parse(before + built + after, len(before))
    assert parsed == (type_, name, sequence, len(before) + len(built))


@given(types, names, sequences)
def test_any_part_is_incomplete(type_: MessageType, name: bytes, sequence: int) -> None:
    built = header.build(type_, name, sequence)
    for cut in range(len(built)):
        with pytest.raises(Incomplete) as caught:
            header.parse(built[:cut])
        assert cut < caught.value.needed <= len(built)


def test_as_recorded() -> None:
    assert header.build(MessageType.CALL, b"ping", 7).hex() == "800100010000000470696e6700000007"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("0000000470696e67010000000700", "not a message of the strict binary protocol"),
        ("8221070470696e6700", "not a message of the strict binary protocol"),
        ("800100090000000470696e670000000700", "message type 9 does not exist"),
        ("800100000000000470696e670000000700", "message type 0 does not exist"),
        ("80010001ffffffff0000000000000000", "a method name of 4294967295 bytes"),
        ("80010001000004010000000000000000", "a method name of 1025 bytes"),
    ],
)
def test_what_is_no_header(data: str, words: str) -> None:
    with pytest.raises(WireError) as caught:
        header.parse(bytes.fromhex(data))
    assert str(caught.value) == words
    assert not isinstance(caught.value, Incomplete)
