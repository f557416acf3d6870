"""A server looks at each request anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.errors import WireError
from txgateway.core.framing import BrokenMessage, Framing, Message
from txgateway.core.framing.buffered import Buffered
from txgateway.core.framing.compact import BufferedCompact, FramedCompact
from txgateway.core.framing.detecting import Accepting, Detecting
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import TTHeader, TTHeaderUnframed
from txgateway.core.message import MessageType

PING = Message(MessageType.CALL, b"ping", 7, b"\0")


BINARY = [Buffered, Framed, TTHeader, TTHeaderUnframed]


@pytest.mark.parametrize(
    ("detects", "known"), [(Detecting, BINARY), (Accepting, [*BINARY, BufferedCompact, FramedCompact])]
)
@given(st.data(), st.integers(1, 30))
def test_one_connection_may_mix_them_however_it_is_cut(
    detects: type[Detecting], known: list[type[Framing]], drawn: st.DataObject, size: int
) -> None:
    kinds = drawn.draw(st.lists(st.sampled_from(known), min_size=1, max_size=6))
    data = b"".join(kind().frame(PING) for kind in kinds)
    reader = detects()
    found = []
    for at in range(0, len(data), size):
        for message in reader.feed(data[at : at + size]):
            assert message[:4] == PING[:4]
            found.append(type(reader.found))
            assert reader.frame(message) == reader.found.frame(message)
    assert found == kinds


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc", "TLS"),
        (bytes.fromhex("8221070470696e6700"), "Thrift's compact protocol"),
        (bytes.fromhex("0000000e0000000470696e67010000000700"), "Thrift's old binary protocol"),
        (bytes.fromhex("0000001f0fff00000000000700010000"), "the header transport of Apache Thrift"),
        (b'[1,"ping",1,7,{}]', "Thrift's JSON protocol"),
    ],
)
def test_names_what_it_cannot_answer(data: bytes, words: str) -> None:
    with pytest.raises(WireError, match=f"a message of no known transport: the peer seems to speak {words}"):
        list(Detecting().feed(data))


def test_a_mesh_header_is_passed_over_and_its_message_answered_in_kind() -> None:
    reader = Detecting()
    frame = Framed().frame(PING)
    assert list(reader.feed(bytes.fromhex("ffaf0002 0000") + frame + Buffered().frame(PING))) == [PING, PING]
    (message,) = Detecting().feed(bytes.fromhex("ffaf000a 0001 0001 61 0001 62 0000") + frame)
    assert message == PING
    assert list(Detecting().feed(b"\xff\xaf\0")) == []


@pytest.mark.parametrize("head", ["", "0000000a"], ids=["unframed", "framed"])
def test_a_broken_message_of_the_compact_protocol_can_be_answered(head: str) -> None:
    """Its only field is of a type that does not exist."""
    reader = Accepting()
    with pytest.raises(BrokenMessage, match="type 14") as broken:
        list(reader.feed(bytes.fromhex(head + "8221070470696e67 1e00")))
    assert broken.value.header[:3] == (MessageType.CALL, b"ping", 7)
    answer = reader.found.frame(Message(MessageType.EXCEPTION, b"ping", 7, b"\0"))
    assert answer[-9:] == bytes.fromhex("8261070470696e6700")


def test_few_bytes_are_waited_for() -> None:
    assert list(Detecting().feed(b"\0\0\0\x11\x80")) == []
    with pytest.raises(WireError):
        list(Detecting().feed(b"\0\0\0\x11\x80\0"))
