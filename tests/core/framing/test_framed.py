"""Framed, as recorded and as attacked."""

from __future__ import annotations

import pytest

from txgateway.core.errors import WireError
from txgateway.core.framing import Message
from txgateway.core.framing.framed import Framed
from txgateway.core.message import MessageType

PING = Message(MessageType.CALL, b"ping", 7, b"\0")
FRAME = bytes.fromhex("00000011800100010000000470696e670000000700")


def test_as_recorded() -> None:
    assert Framed().frame(PING) == FRAME
    assert list(Framed().feed(FRAME)) == [PING]


def test_a_tail_in_the_frame_stays_in_its_frame() -> None:
    tailed = bytes.fromhex("00000016800100010000000470696e6700000007006578747261")
    assert list(Framed().feed(tailed + FRAME)) == [PING._replace(payload=b"\0extra"), PING]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("ffffffff800100010000000470696e67", "above the limit of 16777216; the peer seems to speak framed Thrift"),
        ("7fffffff800100010000000470696e67", "a frame of 2147483647 bytes, above the limit"),
        ("0000000a800100010000000470696e670000000700", "a frame of 10 bytes, too short for the message in it"),
        ("0000000a800100010000000470696e", "a frame of 10 bytes, too short for the message in it"),
        ("00000000800100010000000470696e670000000700", "a frame of 0 bytes, too short"),
        ("0000000e0000000470696e67010000000700", "not a message of the strict binary protocol"),
        ("800100010000000470696e670000000700", r"the peer seems to speak Thrift without frames \(buffered\)"),
    ],
)
def test_what_is_no_frame(data: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        list(Framed().feed(bytes.fromhex(data)))
