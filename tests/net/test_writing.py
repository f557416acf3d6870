"""Bytes leave at once where nothing waits, in their order always, and a dead peer is told apart from a slow one."""

from __future__ import annotations

import socket
import struct
from collections.abc import Generator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport

from txgateway.net.writing import writer


class Link:
    """One of our transports, and the plain socket at its other end."""

    def __init__(self, ours: Any, theirs: socket.socket) -> None:
        self.ours = ours
        self.theirs = theirs

    def heard(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (part := self.theirs.recv(size - len(data))):
            data += part
        return data


@pytest.fixture
def link() -> Generator[Link, None, None]:
    listening = socket.create_server(("127.0.0.1", 0))
    endpoint: Any = TCP4ClientEndpoint(reactor, *listening.getsockname())
    ours = pytest_twisted.blockon(endpoint.connect(Factory.forProtocol(Protocol))).transport
    theirs, _ = listening.accept()
    theirs.settimeout(10)
    yield Link(ours, theirs)
    ours.abortConnection()
    theirs.close()
    listening.close()


def test_leaves_without_a_turn_of_the_reactor(link: Link) -> None:
    assert writer(link.ours)(b"ping")
    assert link.heard(4) == b"ping"


@pytest_twisted.inlineCallbacks
def test_what_the_socket_does_not_take_follows_in_order(link: Link) -> Any:
    write = writer(link.ours)
    parts = [bytes([n]) * 700_000 for n in range(8)]
    assert all([write(part) for part in parts])  # noqa: C419 - every one is to be written
    sent = b"".join(parts)
    link.theirs.setblocking(False)
    heard = b""
    while len(heard) < len(sent):
        try:
            heard += link.theirs.recv(1 << 20)
        except BlockingIOError:
            yield deferLater(reactor, 0)
    assert heard == sent


@pytest_twisted.inlineCallbacks
def test_says_so_if_the_peer_is_gone_and_nothing_was_taken(link: Link) -> Any:
    write = writer(link.ours)
    # Closing with unread bytes and no patience sends a reset.
    link.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.theirs.close()
    assert not write(b"ping") or not write(b"ping")
    yield deferLater(reactor, 0)


def test_any_other_transport_is_written_to_as_usual() -> None:
    transport = StringTransport()
    assert writer(transport)(b"ping")
    assert transport.value() == b"ping"
