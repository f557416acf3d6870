"""Which connection a call gets, how many there are, and how each of them ends."""

from __future__ import annotations

import socket
from random import Random
from types import NoneType
from typing import Any

import pytest
from twisted.internet import reactor, tcp
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from tests.net.memory import Network, outcome
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.errors import ConnectFailed, ConnectionClosed, DeadlineExceeded, NoInstance, Overloaded
from txgateway.core.framing import Message, framings
from txgateway.core.framing.ttheader import Mux
from txgateway.core.instances import Instance
from txgateway.core.message import Call, Reply
from txgateway.core.policy import Policy
from txgateway.net.pool import endpoint_of
from txgateway.net.writing import Writer
from txgateway.testing import Conduct, ScriptedServer

framings.load()

VOID = b"\0"


def call(method: bytes = b"ping", deadline: float = 10.0, oneway: bool = False) -> Call:
    return Call("book", method, b"\0", oneway, deadline)


def dead_writer() -> Writer:
    """One whose connection turns out to be no more."""
    ours, theirs = socket.socketpair()
    transport: Any = tcp.Connection(ours, Protocol(), reactor)
    transport.connected = True
    for each in (ours, theirs):
        each.close()
    return Writer(transport)


@pytest.fixture
def waiting() -> list[Deferred[Any]]:
    """The calls of ``slow``, to be answered by the test."""
    return []


@pytest.fixture
def network(waiting: list[Deferred[Any]]) -> Network:
    def slow(message: Message) -> Deferred[Any]:
        waiting.append(Deferred())
        return waiting[-1]

    return Network(ScriptedServer({"ping": VOID, "slow": slow, "gone": Conduct.CLOSE}))


def test_the_connection_that_became_idle_last_is_used_first(network: Network) -> None:
    pool = network.pool()
    for _ in range(3):
        pool.call(call())
    network.pump()
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 3 idle, 0 connecting, 0 waiting>"
    used = []
    for _ in range(3):
        pool.call(call())
        used.append([c.transport for c in pool._clients if c.in_flight])
        network.pump()
    assert used[0] == used[1] == used[2]
    assert (pool.calls, network.attempts) == (6, 3)


def test_no_more_connections_than_allowed_and_the_rest_waits_in_order(
    network: Network, waiting: list[Deferred[Any]]
) -> None:
    pool = network.pool(connections=2)
    replies = [pool.call(call(b"slow")) for _ in range(5)]
    network.pump()
    assert repr(pool) == "<Pool 192.0.2.1:9001: 2 busy, 0 idle, 0 connecting, 3 waiting>"
    assert pool.in_flight == 5
    for number in range(5):
        waiting[number].callback(VOID)
        network.pump()
        assert [outcome(reply) is not None for reply in replies] == [n <= number for n in range(5)]
    assert network.attempts == 2


def test_the_line_is_bounded(network: Network) -> None:
    pool = network.pool(connections=1, queue=2)
    replies = [pool.call(call(b"slow")) for _ in range(4)]
    network.pump()
    assert isinstance(outcome(replies[3]), Overloaded)
    assert outcome(replies[3]).not_sent
    assert len(pool._line) == 2


def test_who_waits_in_line_has_a_deadline_and_may_leave(network: Network) -> None:
    pool = network.pool(connections=1)
    pool.call(call(b"slow", deadline=100.0))
    late, left, stays = (pool.call(call(deadline=d)) for d in (1.0, 50.0, 50.0))
    network.pump()
    left.cancel()
    network.pump(1)
    assert isinstance(outcome(late), DeadlineExceeded)
    assert isinstance(outcome(left), CancelledError)
    assert outcome(stays) is None
    assert len(pool._line) == 1
    network.pump(49)
    assert isinstance(outcome(stays), DeadlineExceeded)
    assert len(network.server.received) == 1


def test_a_refused_connect_says_that_nothing_was_sent(network: Network) -> None:
    network.mood = "refuse"
    pool = network.pool()
    error = outcome(pool.call(call()))
    assert type(error) is ConnectFailed
    assert error.not_sent
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 0 idle, 0 connecting, 0 waiting>"


def test_the_connect_timeout_ends_everybodys_wait(network: Network) -> None:
    network.mood = "hang"
    pool = network.pool(connections=1, connect_timeout=0.5)
    replies = [pool.call(call()) for _ in range(3)]
    network.pump(0.49)
    assert [outcome(reply) for reply in replies] == [None] * 3
    network.pump(0.01)
    assert [type(outcome(reply)) for reply in replies] == [ConnectFailed] * 3
    assert (network.attempts, network.cancelled) == (1, 1)


def test_a_method_with_less_patience_waits_less_for_a_connection_and_no_other_does(network: Network) -> None:
    network.mood = "hang"
    pool = network.pool(connect_timeout=0.5)
    hasty = call().replace(policy=Policy(connect_timeout=0.1))
    replies = [pool.call(each) for each in (call(), hasty, call())]
    network.pump(0.1)
    assert [type(outcome(reply)) for reply in replies] == [NoneType, ConnectFailed, NoneType]
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 0 idle, 3 connecting, 2 waiting>"
    for _ in range(3):
        network.arrive()
    network.pump()
    assert [outcome(replies[number]).payload for number in (0, 2)] == [VOID, VOID]
    assert pool.idle == 3


def test_for_a_connection_that_is_busy_it_waits_as_long_as_any_other(
    network: Network, waiting: list[Deferred[Any]]
) -> None:
    pool = network.pool(connections=1)
    pool.call(call(b"slow"))
    network.pump()
    reply = pool.call(call().replace(policy=Policy(connect_timeout=0.1)))
    network.pump(1)
    assert outcome(reply) is None
    waiting[0].callback(VOID)
    network.pump()
    assert outcome(reply).payload == VOID


def test_a_failed_connect_costs_one_call_where_others_are_served(
    network: Network, waiting: list[Deferred[Any]]
) -> None:
    pool = network.pool(connections=2)
    first = pool.call(call(b"slow"))
    network.pump()
    network.mood = "hang"
    second, third = pool.call(call()), pool.call(call())
    network.mood = "refuse"
    network.pump(0.5)
    assert [type(outcome(d)) for d in (second, third)] == [ConnectFailed, ConnectFailed]
    waiting[0].callback(VOID)
    network.pump()
    assert outcome(first).payload == VOID


def test_a_call_whose_time_is_up_before_the_connection_leaves_it_to_the_next(network: Network) -> None:
    network.mood = "hang"
    pool = network.pool(connect_timeout=5)
    late = pool.call(call(deadline=1.0))
    network.pump(1)
    assert isinstance(outcome(late), DeadlineExceeded)
    network.arrive()
    assert (pool.idle, network.server.received) == (1, [])
    following = pool.call(call())
    network.pump()
    assert outcome(following).payload == VOID
    assert network.attempts == 1


def test_a_connect_that_fails_for_a_call_that_has_ended_costs_nobody_anything(network: Network) -> None:
    network.mood = "hang"
    pool = network.pool(connect_timeout=0.5)
    gone = pool.call(call())
    network.pump(0.3)
    reply = pool.call(call())
    gone.cancel()
    assert isinstance(outcome(gone), CancelledError)
    network.pump(0.3)
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 0 idle, 1 connecting, 1 waiting>"
    network.arrive()
    network.pump()
    assert outcome(reply).payload == VOID


def test_idle_connections_are_given_up_oldest_first(network: Network, waiting: list[Deferred[Any]]) -> None:
    pool = network.pool(idle_timeout=30)
    for _ in range(2):
        pool.call(call(b"slow", deadline=100.0))
    network.pump()
    waiting[0].callback(VOID)
    network.pump(10)
    waiting[1].callback(VOID)
    network.pump()
    assert pool.idle == 2
    network.pump(20)
    assert pool.idle == 1
    network.pump(9.9)
    assert pool.idle == 1
    network.pump(0.1)
    assert (pool.idle, network.server.connections) == (0, [])


def test_a_used_connection_is_young_again(network: Network) -> None:
    pool = network.pool(idle_timeout=30)
    for _ in range(4):
        pool.call(call(deadline=network.clock.seconds() + 1))
        network.pump(20)
    assert (pool.idle, network.attempts) == (1, 1)


def test_an_idle_connection_that_the_peer_closes_is_dropped_at_once(network: Network) -> None:
    pool = network.pool()
    pool.call(call())
    network.pump()
    network.server.drop()
    network.pump()
    assert pool.idle == 0
    reply = pool.call(call())
    network.pump()
    assert outcome(reply).payload == VOID
    assert network.attempts == 2


def test_a_connection_found_dead_before_a_byte_left_costs_nobody_anything(network: Network) -> None:
    pool = network.pool()
    for _ in range(2):
        pool.call(call())
    network.pump()
    for client in pool._clients:
        client._writer = dead_writer()
    reply = pool.call(call())
    network.pump()
    assert outcome(reply).payload == VOID
    assert network.attempts == 3
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 1 idle, 0 connecting, 0 waiting>"


def test_after_an_error_that_kitex_closes_behind_the_connection_is_not_used_again(network: Network) -> None:
    network.server.script["nope"] = ApplicationError(20, "unknown service , method nope")
    pool = network.pool()
    pool.call(call(b"nope"))
    network.pump()
    assert (pool.idle, network.server.connections) == (0, [])


def test_a_connection_that_carried_oneway_carries_nothing_else(network: Network, waiting: list[Deferred[Any]]) -> None:
    """The server may be busy with it for long, and what is sent behind it would wait."""
    pool = network.pool()
    for _ in range(3):
        pool.call(call(b"fire", oneway=True))
        network.pump()
    assert network.attempts == 1
    reply = pool.call(call())
    network.pump()
    assert network.attempts == 2
    assert outcome(reply).payload == VOID
    pool.call(call(b"fire", oneway=True))
    assert network.attempts == 2


def test_oneway_connections_give_way_where_the_limit_is_reached(network: Network) -> None:
    pool = network.pool(connections=1)
    pool.call(call(b"fire", oneway=True))
    network.pump()
    reply = pool.call(call())
    network.pump()
    assert outcome(reply).payload == VOID
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 1 idle, 0 connecting, 0 waiting>"


def test_a_peer_that_takes_nothing_more_gets_no_further_oneway_calls(network: Network) -> None:
    pool = network.pool()
    pool.call(call(b"fire", oneway=True))
    (client,) = pool._clients
    client.pauseProducing()
    pool.call(call(b"fire", oneway=True))
    network.pump()
    pool.call(call(b"fire", oneway=True))
    assert network.attempts == 2


def test_drain_closes_what_is_idle_now_and_the_rest_after_its_reply(
    network: Network, waiting: list[Deferred[Any]]
) -> None:
    pool = network.pool(connections=2)
    replies = [pool.call(call(b"slow")) for _ in range(3)]
    idle = network.pool()
    idle.call(call())
    network.pump()
    for each in (pool, idle):
        each.drain()
    network.pump()
    assert len(network.server.connections) == 2
    for number in range(3):
        waiting[number].callback(VOID)
        network.pump()
    assert [outcome(reply).payload for reply in replies] == [VOID] * 3
    assert network.server.connections == []
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 0 idle, 0 connecting, 0 waiting>"


def test_a_call_that_was_on_its_way_at_the_drain_is_served(network: Network) -> None:
    pool = network.pool()
    pool.drain()
    reply = pool.call(call())
    network.pump()
    assert outcome(reply).payload == VOID
    assert network.server.connections == []


def test_close_ends_everything(network: Network) -> None:
    pool = network.pool(connections=2)
    running = pool.call(call(b"slow"))
    network.pump()
    network.mood = "hang"
    waits = [pool.call(call()) for _ in range(2)]
    closed = pool.close()
    assert not closed.called
    assert [type(outcome(reply)) for reply in waits] == [NoInstance] * 2
    network.pump()
    assert type(outcome(running)) is ConnectionClosed
    assert closed.called
    assert network.cancelled == 1
    assert type(outcome(pool.call(call()))) is NoInstance
    assert pool.close().called
    assert network.clock.getDelayedCalls() == []


def test_a_thousand_callers_who_leave_leave_nothing_behind(network: Network) -> None:
    pool = network.pool(connections=8, queue=2000)
    replies = [pool.call(call(b"slow")) for _ in range(1000)]
    network.pump()
    for reply in replies:
        reply.cancel()
        reply.addErrback(lambda failure: failure.trap(CancelledError))
    network.pump()
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 0 idle, 0 connecting, 0 waiting>"
    assert (pool.in_flight, network.server.connections) == (0, [])
    # The line's own, which finds nothing to do.
    assert len(network.clock.getDelayedCalls()) == 1


@pytest.mark.parametrize("name", list(framings))
@pytest.mark.parametrize("limits", [{"connections": 8}, {"connections": 4, "depth": 5, "mux_connections": 4}])
@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_gets_the_reply_of_another(name: str, limits: dict[str, int], seed: int) -> None:
    """Calls that are late, given up or cut off, in any order, on connections that are shared and used again."""
    random = Random(seed)

    def answer(message: Message) -> Deferred[Any]:
        return deferLater(network.clock, random.choice([0, 0, 0.1, 0.4, 0.9]), lambda: message.payload)

    network = Network(ScriptedServer({"echo": answer}, framings[name]))
    pool = network.pool(**limits)
    calls: list[tuple[bytes, Deferred[Any]]] = []
    for number in range(500):
        payload = b"\x08\0\1" + number.to_bytes(4, "big") + b"\0"
        deadline = network.clock.seconds() + random.choice([0.3, 0.5, 5])
        calls.append((payload, pool.call(Call("book", b"echo", payload, deadline=deadline))))
        if random.random() < 0.1:
            random.choice(calls)[1].cancel()
        if random.random() < 0.02:
            network.server.drop()
        network.pump(random.choice([0, 0, 0.05, 0.2]))
    network.pump(5)
    outcomes = [(payload, outcome(deferred)) for payload, deferred in calls]
    answered = [(payload, reply.payload) for payload, reply in outcomes if isinstance(reply, Reply)]
    assert all(sent == heard for sent, heard in answered)
    assert 150 < len(answered) < 490
    assert {type(error) for _, error in outcomes if not isinstance(error, Reply)} == {
        DeadlineExceeded,
        CancelledError,
        ConnectionClosed,
    }
    assert pool.in_flight == 0


def test_a_long_line_of_oneway_calls_is_written_without_a_deep_stack(network: Network) -> None:
    network.mood = "hang"
    pool = network.pool(connections=1, queue=5000, connect_timeout=5)
    replies = [pool.call(call(b"fire", oneway=True)) for _ in range(5000)]
    network.arrive()
    network.pump()
    assert all(outcome(reply).payload == VOID for reply in replies)
    assert len(network.server.received) == 5000


def test_multiplexed_calls_share_few_connections(network: Network, waiting: list[Deferred[Any]]) -> None:
    network.server.framing = Mux
    pool = network.pool(mux_connections=2)
    for _ in range(10):
        pool.call(call(b"slow"))
        network.pump()
    assert network.attempts == 2
    assert sorted(client.load for client in pool._clients) == [5, 5]
    for answer in waiting:
        answer.callback(VOID)
    network.pump()
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 2 idle, 0 connecting, 0 waiting>"


@pytest.mark.parametrize(
    ("instance", "kind"),
    [
        (Instance("127.0.0.1", 1), "TCP4ClientEndpoint"),
        (Instance("::1", 1), "TCP6ClientEndpoint"),
        (Instance("book.example", 1), "HostnameEndpoint"),
        (Instance("/run/book.sock", 0, network="unix"), "UNIXClientEndpoint"),
    ],
)
def test_only_a_name_is_looked_up(instance: Instance, kind: str) -> None:
    from twisted.internet import reactor

    assert type(endpoint_of(reactor, instance)).__name__ == kind
