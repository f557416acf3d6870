"""Calls that are written in one turn of the reactor: on real sockets, which may turn out to be dead when it ends."""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tests.net.misbehaving import reset
from tests.net.waiting import until
from txgateway.core.errors import ConnectionClosed
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import Mux
from txgateway.core.instances import Instance
from txgateway.core.message import Call, MessageType
from txgateway.net.pool import Pool
from txgateway.net.writing import Turn

VOID = b"\0"


class Service:
    """A server whose connections the test answers and cuts by hand."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(10)
        self.instance = Instance(*self._listening.getsockname())
        self._sockets: list[socket.socket] = []

    def accept(self) -> socket.socket:
        connection, _ = self._listening.accept()
        connection.settimeout(10)
        self._sockets.append(connection)
        return connection

    def close(self) -> None:
        for each in (self._listening, *self._sockets):
            each.close()


def answer(connection: socket.socket, framing: type[Framed | Mux], calls: int = 1) -> None:
    """Read so many calls and answer each."""
    reading = framing()
    answered = 0
    while answered < calls:
        for message in reading.feed(connection.recv(65536)):
            connection.sendall(reading.frame(message._replace(type=MessageType.REPLY, payload=VOID)))
            answered += 1


def call(oneway: bool = False) -> Call:
    return Call("desk", b"ping", VOID, oneway, reactor.seconds() + 10)  # type: ignore[attr-defined]


@pytest.fixture
def service() -> Generator[Service, None, None]:
    service = Service()
    yield service
    service.close()


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    turn = Turn()
    monkeypatch.setattr(reactor, "turn", turn, raising=False)
    return turn


@pytest.fixture(params=[Framed, Mux])
def framing(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def pool(service: Service, turn: Turn, framing: type[Framed | Mux]) -> Generator[Pool, None, None]:
    pool = Pool(reactor, service.instance, framing=framing)
    yield pool
    pytest_twisted.blockon(pool.close())


@pytest_twisted.inlineCallbacks
def connected(pool: Pool, service: Service, framing: type[Framed | Mux]) -> Any:
    """The service's end of a connection that has carried a call."""
    reply = pool.call(call())
    yield Deferred.fromCoroutine(until(lambda: pool.busy))
    connection = service.accept()
    answer(connection, framing)
    yield reply
    return connection


@pytest_twisted.inlineCallbacks
def kept(pool: Pool, service: Service, turn: Turn, framing: type[Framed | Mux]) -> Any:
    """The service's end of a connection, and the reply to a call that was written to it in a turn which goes on."""
    connection = yield connected(pool, service, framing)
    turn.is_on = True
    return connection, pool.call(call())


@pytest_twisted.inlineCallbacks
def carried(pool: Pool, service: Service, framing: type[Framed | Mux], reply: Deferred[Any]) -> Any:
    """See that another connection carries the call."""
    yield Deferred.fromCoroutine(until(lambda: pool.busy))
    answer(service.accept(), framing)
    assert (yield reply).payload == VOID


@pytest_twisted.inlineCallbacks
def test_a_call_leaves_when_the_events_are_handled(
    pool: Pool, service: Service, turn: Turn, framing: type[Framed | Mux]
) -> Any:
    connection, reply = yield kept(pool, service, turn, framing)
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    connection.settimeout(10)
    turn.end()
    answer(connection, framing)
    assert (yield reply).payload == VOID


@pytest_twisted.inlineCallbacks
def test_what_a_dead_connection_could_not_take_another_one_carries(
    pool: Pool, service: Service, turn: Turn, framing: type[Framed | Mux]
) -> Any:
    dead, reply = yield kept(pool, service, turn, framing)
    reset(dead)
    turn.end()
    yield carried(pool, service, framing, reply)
    assert pool.in_flight == 0


@pytest_twisted.inlineCallbacks
def test_a_connection_that_ends_before_the_call_leaves_costs_nobody_anything(
    pool: Pool, service: Service, turn: Turn, framing: type[Framed | Mux]
) -> Any:
    """The end of the connection is another event of the same turn."""
    ended, reply = yield kept(pool, service, turn, framing)
    (client,) = pool._clients
    ended.close()
    client.transport.connectionLost(Failure(ConnectionLost()))
    turn.end()
    yield carried(pool, service, framing, reply)


@pytest_twisted.inlineCallbacks
def test_calls_that_had_left_before_are_not_repeated(service: Service, turn: Turn) -> Any:
    pool = Pool(reactor, service.instance, framing=Mux)
    connection = yield connected(pool, service, Mux)
    sent = pool.call(call()).addErrback(lambda failure: failure.value)
    turn.is_on = True
    late = pool.call(call())
    reset(connection)
    turn.end()
    assert type((yield sent)) is ConnectionClosed
    yield carried(pool, service, Mux, late)
    yield pool.close()


@pytest_twisted.inlineCallbacks
def test_a_call_that_is_given_up_meanwhile_is_not_carried_elsewhere(
    pool: Pool, service: Service, turn: Turn, framing: type[Framed | Mux]
) -> Any:
    dead, reply = yield kept(pool, service, turn, framing)
    reply.addErrback(lambda failure: failure.value)
    reset(dead)
    reply.cancel()
    turn.end()
    yield reply
    yield Deferred.fromCoroutine(until(lambda: not (pool.busy or pool._leaving)))
    assert repr(pool) == f"<Pool {service.instance.address}: 0 busy, 0 idle, 0 connecting, 0 waiting>"


@pytest_twisted.inlineCallbacks
def test_a_oneway_call_is_over_when_it_has_left(pool: Pool, service: Service, turn: Turn, framing: Any) -> Any:
    connection = yield connected(pool, service, framing)
    turn.is_on = True
    reply = pool.call(call(oneway=True))
    if framing is Framed:
        # It has taken a connection that was idle.
        assert connection.recv(4) == b"\0\0\0\x11"
    assert (yield reply).payload == VOID
    turn.end()
