"""One connection: replies, deadlines, callers who leave, and peers that end it or break the protocol."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.net.memory import Network, outcome
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.errors import BadRequest, CallRefused, ConnectionClosed, DeadlineExceeded, UnusableReply
from txgateway.core.framing import Message
from txgateway.core.framing.ttheader import Mux
from txgateway.core.message import Call, MessageType, Reply
from txgateway.net.pool import Pool
from txgateway.testing import Answer, Conduct, Raw, ScriptedServer

VOID = b"\0"


def call(method: bytes = b"ping", deadline: float = 10.0, oneway: bool = False) -> Call:
    return Call("book", method, b"\0", oneway, deadline)


class Later:
    """Answers that the test gives when it likes."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Any]] = []

    def __call__(self, message: Message) -> Deferred[Any]:
        self.waiting.append(Deferred())
        return self.waiting[-1]


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def network(later: Later) -> Network:
    return Network(ScriptedServer({"ping": VOID, "slow": later, "gone": Conduct.CLOSE}))


def answers(network: Network, method: str, answer: Answer) -> None:
    network.server.script[method] = answer


def test_a_call_and_its_reply(network: Network) -> None:
    pool = network.pool()
    reply = pool.call(call())
    network.pump()
    assert outcome(reply) == Reply(MessageType.REPLY, b"ping", VOID)
    assert [(m.type, m.method, m.payload) for m in network.server.received] == [(MessageType.CALL, b"ping", b"\0")]


def test_an_exception_is_a_reply(network: Network) -> None:
    answers(network, "fail", ApplicationError(6, "oops"))
    reply = network.pool().call(call(b"fail"))
    network.pump()
    assert outcome(reply).type is MessageType.EXCEPTION


def test_a_deadline_ends_the_call_and_its_connection(network: Network, later: Later) -> None:
    pool = network.pool()
    reply = pool.call(call(b"slow", deadline=1.0))
    network.pump(0.999)
    assert outcome(reply) is None
    network.pump(0.001)
    assert isinstance(outcome(reply), DeadlineExceeded)
    assert network.server.connections == []
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 0 idle, 0 connecting, 0 waiting>"
    assert network.clock.getDelayedCalls() == []


def test_many_calls_in_time_cost_one_timer(network: Network) -> None:
    pool = network.pool()
    for _ in range(5):
        pool.call(call(deadline=network.clock.seconds() + 3))
        network.pump(1)
    # The deadlines of the calls, and the idle connection's end.
    assert len(network.clock.getDelayedCalls()) == 2


def test_an_earlier_deadline_is_kept_behind_a_later_one(network: Network, later: Later) -> None:
    pool = network.pool()
    pool.call(call(deadline=100.0))
    network.pump()
    reply = pool.call(call(b"slow", deadline=1.0))
    network.pump(1)
    assert isinstance(outcome(reply), DeadlineExceeded)


def test_a_late_reply_reaches_nobody(network: Network, later: Later) -> None:
    pool = network.pool()
    late = pool.call(call(b"slow", deadline=1.0))
    network.pump(1)
    assert isinstance(outcome(late), DeadlineExceeded)
    following = pool.call(call(b"slow", deadline=5.0))
    network.pump()
    later.waiting[0].callback(b"\x03\0\0\1\0")
    network.pump()
    assert outcome(following) is None
    later.waiting[1].callback(b"\x03\0\0\2\0")
    network.pump()
    assert outcome(following).payload == b"\x03\0\0\2\0"


def test_a_caller_who_leaves_takes_everything_along(network: Network, later: Later) -> None:
    pool = network.pool()
    reply = pool.call(call(b"slow"))
    network.pump()
    reply.cancel()
    network.pump()
    assert isinstance(outcome(reply), CancelledError)
    assert (pool.in_flight, pool.idle, network.server.connections) == (0, 0, [])
    network.pump(10)
    assert network.clock.getDelayedCalls() == []


def test_a_close_without_an_answer(network: Network) -> None:
    reply = network.pool().call(call(b"gone"))
    network.pump()
    error = outcome(reply)
    assert type(error) is ConnectionClosed
    assert not error.not_sent


@pytest.mark.parametrize(
    "rubbish",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 30, bytes(8), b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"],
)
def test_a_peer_that_speaks_something_else(network: Network, rubbish: bytes) -> None:
    answers(network, "rubbish", Raw(rubbish))
    pool = network.pool()
    reply = pool.call(call(b"rubbish"))
    network.pump()
    error = outcome(reply)
    assert type(error) is UnusableReply
    assert str(error) == "The service broke the Thrift protocol"
    assert network.server.connections == []
    assert pool.in_flight == 0


def test_words_to_nobody_close_an_idle_connection(network: Network) -> None:
    pool = network.pool()
    pool.call(call())
    network.pump()
    network.server.connections[0].transport.write(b"\0\0\0\x01\0")
    network.pump()
    assert (pool.idle, network.server.connections) == (0, [])


def test_oneway_is_answered_when_it_is_written(network: Network) -> None:
    pool = network.pool()
    reply = pool.call(call(b"fire", oneway=True))
    assert outcome(reply) == Reply(MessageType.REPLY, b"fire", VOID)
    network.pump()
    assert [m.type for m in network.server.received] == [MessageType.ONEWAY]
    assert pool.in_flight == 0


def carried_along(pool: Pool, *calls: Call) -> list[Deferred[Reply]]:
    return [pool.call(c) for c in calls]


def test_pipelined_calls_share_a_connection_and_are_matched(network: Network, later: Later) -> None:
    pool = network.pool(connections=1, depth=3)
    replies = carried_along(pool, call(b"slow"), call(b"slow"), call(b"slow"), call())
    network.pump()
    assert network.attempts == 1
    assert len(network.server.received) == 3
    for number in (2, 0, 1):
        later.waiting[number].callback(bytes([3, 0, 0, number, 0]))
    network.pump()
    assert [outcome(r).payload for r in replies] == [b"\x03\0\0\0\0", b"\x03\0\0\1\0", b"\x03\0\0\2\0", VOID]


def test_a_pipelined_caller_who_leaves_disturbs_nobody(network: Network, later: Later) -> None:
    pool = network.pool(connections=1, depth=2)
    left, stayed = carried_along(pool, call(b"slow"), call())
    waiting = pool.call(call())
    left.cancel()
    assert isinstance(outcome(left), CancelledError)
    network.pump()
    assert outcome(stayed).payload == VOID
    # The server still works on what was given up; the place behind it was free already.
    assert outcome(waiting).payload == VOID
    later.waiting[0].callback(b"\x03\0\0\1\0")
    network.pump()
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 1 idle, 0 connecting, 0 waiting>"


def test_a_pipelined_connection_with_a_late_call_ends_with_the_others(network: Network, later: Later) -> None:
    pool = network.pool(connections=1, depth=3)
    late, other = carried_along(pool, call(b"slow", deadline=1.0), call(b"slow", deadline=5.0))
    network.pump(1)
    assert isinstance(outcome(late), DeadlineExceeded)
    following = pool.call(call(deadline=5.0))
    network.pump()
    assert outcome(following) is None  # Not behind a server that seems to be stuck.
    later.waiting[1].callback(VOID)
    network.pump()
    assert outcome(other).payload == VOID
    assert outcome(following).payload == VOID
    assert network.attempts == 2


@pytest.fixture
def mux(later: Later) -> Network:
    return Network(ScriptedServer({"ping": VOID, "slow": later}, Mux))


def test_multiplexed_calls_do_not_wait_for_each_other(mux: Network, later: Later) -> None:
    pool = mux.pool(mux_connections=1)
    slow = [pool.call(call(b"slow")) for _ in range(3)]
    quick = pool.call(call())
    mux.pump()
    assert mux.attempts == 1
    assert outcome(quick).payload == VOID
    for number in (2, 0, 1):
        later.waiting[number].callback(bytes([3, 0, 0, number, 0]))
    mux.pump()
    assert [outcome(r).payload[3] for r in slow] == [0, 1, 2]


def test_multiplexed_who_gives_up_or_is_late_disturbs_nobody(mux: Network, later: Later) -> None:
    pool = mux.pool(mux_connections=1)
    left, late = pool.call(call(b"slow")), pool.call(call(b"slow", deadline=1.0))
    mux.pump()
    left.cancel()
    pool.call(call())
    mux.pump(1)
    assert isinstance(outcome(left), CancelledError)
    assert isinstance(outcome(late), DeadlineExceeded)
    assert repr(pool) == "<Pool 192.0.2.1:9001: 0 busy, 1 idle, 0 connecting, 0 waiting>"
    for answer in later.waiting:
        answer.callback(VOID)
    mux.pump()
    reply = pool.call(call())
    mux.pump()
    assert outcome(reply).payload == VOID
    assert mux.attempts == 1


def test_a_multiplexed_connection_on_which_nothing_is_heard_is_given_up(mux: Network, later: Later) -> None:
    pool = mux.pool(mux_connections=1)
    first, second = pool.call(call(b"slow", deadline=1.0)), pool.call(call(b"slow", deadline=2.0))
    mux.pump(1)
    assert isinstance(outcome(first), DeadlineExceeded)
    third = pool.call(call())
    mux.pump()
    assert (mux.attempts, outcome(third)) == (1, None)
    mux.pump(1)
    assert isinstance(outcome(second), DeadlineExceeded)
    mux.pump()
    assert outcome(third).payload == VOID
    assert mux.attempts == 2


def test_a_farewell_on_an_idle_connection_closes_it(mux: Network) -> None:
    pool = mux.pool()
    pool.call(call())
    mux.pump()
    farewell = "0000002b10000000000000000004000001000100056372727374000131008001000200000004 6e6f6e65 00000000 00"
    mux.server.connections[0].transport.write(bytes.fromhex(farewell))
    mux.pump()
    assert (pool.idle, mux.server.connections) == (0, [])


def test_what_the_transport_cannot_carry_fails_that_call_alone(mux: Network) -> None:
    pool = mux.pool()
    bad = pool.call(Call("book", b"ping", b"\0", deadline=9.0, info={"a": "x" * 70_000}))
    good = pool.call(call())
    mux.pump()
    assert type(outcome(bad)) is BadRequest
    assert outcome(good).payload == VOID
    assert pool.idle == 1


def test_calls_behind_a_kitex_refusal_may_be_sent_again(network: Network) -> None:
    answers(network, "nope", ApplicationError(20, "unknown service , method nope"))
    pool = network.pool(connections=1, depth=3)
    first, behind = carried_along(pool, call(b"nope"), call(b"gone"))
    network.pump()
    assert outcome(first).type is MessageType.EXCEPTION
    assert type(outcome(behind)) is CallRefused
    assert outcome(behind).not_sent
