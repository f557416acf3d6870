"""Buffered, as recorded and as attacked."""

from __future__ import annotations

import pytest

from txgateway.core.errors import WireError
from txgateway.core.framing import BrokenMessage, Message
from txgateway.core.framing.buffered import Buffered
from txgateway.core.message import MessageType

PING = Message(MessageType.CALL, b"ping", 7, b"\0")


def test_as_recorded() -> None:
    assert Buffered().frame(PING).hex() == "800100010000000470696e670000000700"
    assert list(Buffered().feed(bytes.fromhex("800100010000000470696e670000000700"))) == [PING]


def test_a_peer_that_sends_frames_is_told_apart() -> None:
    with pytest.raises(WireError, match="the peer seems to speak framed Thrift"):
        list(Buffered().feed(bytes.fromhex("00000011800100010000000470696e670000000700")))


def test_a_broken_struct_keeps_its_header() -> None:
    """So the sender can be told which of its messages it was."""
    broken = PING._replace(payload=b"\x0b\0\1\xff\xff\xff\xff")
    found = Buffered().feed(Buffered().frame(PING) + Buffered().frame(broken))
    assert next(found) == PING
    with pytest.raises(BrokenMessage, match="announces a length of -1") as caught:
        next(found)
    assert caught.value.header[:3] == (MessageType.CALL, b"ping", 7)


def test_two_gigabytes_are_not_waited_for() -> None:
    with pytest.raises(WireError, match="2147483671 bytes or more, above the limit of 16777216"):
        list(Buffered().feed(Buffered().frame(PING._replace(payload=b"\x0b\0\1\x7f\xff\xff\xffab"))))
