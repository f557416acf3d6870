"""Bytes leave at once where nothing waits, in their order always, and a dead peer is told apart from a slow one."""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, tcp
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher

from tests.net.misbehaving import reset
from txgateway.net.writing import Turn, Writer


class Link:
    """One of our transports, and the plain socket at its other end.

    :ivar unsent: the tickets of what could not be sent when its time came.
    """

    def __init__(self, ours: Any, theirs: socket.socket) -> None:
        self.ours = ours
        self.theirs = theirs
        self.unsent: list[Any] = []

    def writer(self) -> Writer:
        return Writer(self.ours, self.unsent.extend)

    def reset(self) -> None:
        reset(self.theirs)

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


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """That of a reactor which handles events just now."""
    turn = Turn()
    turn.is_on = True
    monkeypatch.setattr(reactor, "turn", turn, raising=False)
    return turn


def test_leaves_without_a_turn_of_the_reactor(link: Link) -> None:
    assert link.writer().write(b"ping", None)
    assert link.heard(4) == b"ping"


@pytest_twisted.inlineCallbacks
def test_what_the_socket_does_not_take_follows_in_order(link: Link) -> Any:
    writer = link.writer()
    parts = [bytes([n]) * 700_000 for n in range(8)]
    assert all([writer.write(part, None) for part in parts])  # noqa: C419 - every one is to be written
    yield hears(link, b"".join(parts))


@pytest_twisted.inlineCallbacks
def test_what_is_kept_and_not_taken_follows_in_order(link: Link, turn: Turn) -> Any:
    writer = link.writer()
    parts = [bytes([n]) * 700_000 for n in range(8)]
    for part in parts[:4]:
        writer.write(part, None)
    turn.end()
    for part in parts[4:]:
        writer.write(part, None)
    yield hears(link, b"".join(parts))


@pytest_twisted.inlineCallbacks
def hears(link: Link, sent: bytes) -> Any:
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
    writer = link.writer()
    link.reset()
    assert not writer.write(b"ping", 1) or not writer.write(b"ping", 2)
    assert link.unsent == []
    yield deferLater(reactor, 0)


def test_any_other_transport_is_written_to_as_usual() -> None:
    transport = StringTransport()
    assert Writer(transport, list).write(b"ping", None)
    assert transport.value() == b"ping"


def test_nothing_leaves_while_events_are_handled_and_all_of_it_when_they_are(link: Link, turn: Turn) -> None:
    writer = link.writer()
    assert writer.write(b"ping", None)
    assert writer.write(b"pong", None)
    link.theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        link.theirs.recv(1)
    link.theirs.settimeout(10)
    turn.end()
    assert link.heard(8) == b"pingpong"
    writer.write(b"late", None)
    assert link.heard(4) == b"late"


def test_what_must_leave_at_once_does_not_overtake_what_is_kept(link: Link, turn: Turn) -> None:
    writer = link.writer()
    writer.write(b"first", None)
    assert writer.write_now(b"second")
    assert link.heard(11) == b"firstsecond"
    turn.end()
    writer.write(b"third", None)
    assert link.heard(5) == b"third"


@pytest_twisted.inlineCallbacks
def test_the_tickets_of_what_could_not_be_sent_come_back(link: Link, turn: Turn) -> Any:
    writer = link.writer()
    link.reset()
    for ticket in ("a", "b"):
        assert writer.write(b"ping", ticket)
    turn.flush()
    if not link.unsent:
        # The first send may be what makes the kernel look.
        assert writer.write(b"ping", "a")
        assert writer.write(b"ping", "b")
        turn.flush()
    assert link.unsent == ["a", "b"]
    yield deferLater(reactor, 0)


@pytest_twisted.inlineCallbacks
def test_a_connection_that_is_torn_down_sends_nothing_more(link: Link, turn: Turn) -> Any:
    writer = link.writer()
    writer.write(b"ping", "a")
    link.ours.abortConnection()
    turn.end()
    yield deferLater(reactor, 0)
    with pytest.raises(ConnectionResetError):
        link.theirs.recv(4)
    assert link.unsent == []


def test_one_that_fails_does_not_hold_up_the_others(turn: Turn) -> None:
    class Broken:
        def send(self, data: bytes) -> int:
            raise ZeroDivisionError

    here, there = socket.socketpair()
    broken, transport = (tcp.Connection(here, Protocol(), reactor) for _ in range(2))
    broken.socket = Broken()
    broken.connected = transport.connected = True
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    for each in (broken, transport):
        Writer(each, list).write(b"ping", None)
    turn.end()
    globalLogPublisher.removeObserver(events.append)
    assert there.recv(4) == b"ping"
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]
    here.close()
    there.close()
