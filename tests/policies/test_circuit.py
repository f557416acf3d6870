"""The breaker of a method: what counts, and what is refused."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.policies.scripted import CALL, EXCEPTION, REPLY, Behind, outcome
from txgateway.core.errors import CircuitOpen, ConnectFailed, ConnectionClosed, DeadlineExceeded, NoInstance, Overloaded
from txgateway.core.health.breaker import Breaker, BreakerSettings
from txgateway.policies import compose
from txgateway.policies.circuit import circuit


@pytest.fixture
def clock():
    return Clock()


def sending(behind, min_calls=4):
    guarded = compose([circuit(Breaker(BreakerSettings(0.5, min_calls)), behind.clock)], behind)

    def send():
        try:
            return outcome(guarded(CALL))
        except CircuitOpen as error:
            return error

    return send


@pytest.mark.parametrize("bad", [ConnectionClosed(), DeadlineExceeded(), ConnectFailed(), EXCEPTION])
def test_it_opens_when_half_of_the_calls_fail_and_closes_when_they_do_not(clock, bad):
    send = sending(Behind(clock, REPLY, REPLY, bad, bad, *[REPLY] * 10))
    for _ in range(4):
        assert not isinstance(send(), CircuitOpen)
    refused = send()
    assert isinstance(refused, CircuitOpen)
    assert dict(refused.headers)[b"retry-after"] == b"5"
    clock.advance(5)
    assert [isinstance(send(), CircuitOpen) for _ in range(3)] == [False, True, True]
    clock.advance(0.2)
    assert [isinstance(send(), CircuitOpen) for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("neutral", [NoInstance(), Overloaded(), RuntimeError()])
def test_what_says_nothing_of_the_service_does_not_count(clock, neutral):
    send = sending(Behind(clock, *[neutral] * 20))
    assert [send() for _ in range(20)] == [neutral] * 20
