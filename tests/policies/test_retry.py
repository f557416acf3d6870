"""What is sent again, when, and what never is."""

from __future__ import annotations

from random import Random

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from tests.policies.scripted import CALL, EXCEPTION, REPLY, Behind, outcome
from txgateway.core.errors import (
    BadRequest,
    CircuitOpen,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    NoInstance,
    Overloaded,
    UnusableReply,
)
from txgateway.core.policy import Policy
from txgateway.core.retrying import Budget
from txgateway.policies import compose
from txgateway.policies.retry import retry

SAFE = Policy(retries=2, idempotent=True)
UNSAFE = evolve(SAFE, idempotent=False)
ALL = frozenset({"unavailable", "timeout", "closed", "exception"})


@pytest.fixture
def clock():
    return Clock()


def sending(policy, behind, share=1.0):
    return compose([retry(policy, Budget(share), behind.clock, Random(1))], behind)


@pytest.mark.parametrize("error", [ConnectFailed(), NoInstance(), ConnectionClosed(), DeadlineExceeded()])
def test_a_safe_call_is_sent_again(clock, error):
    behind = Behind(clock, error, error, REPLY)
    assert outcome(sending(SAFE, behind)(CALL)) is REPLY
    assert [call.payload for _, call in behind.calls] == [CALL.payload] * 3


@pytest.mark.parametrize("error", [ConnectFailed(), NoInstance()])
def test_what_was_never_sent_is_repeated_whatever_the_method_does(clock, error):
    behind = Behind(clock, error, REPLY)
    assert outcome(sending(UNSAFE, behind)(CALL)) is REPLY


@pytest.mark.parametrize("error", [ConnectionClosed(), DeadlineExceeded(), UnusableReply()])
def test_what_may_have_run_is_not_repeated(clock, error):
    behind = Behind(clock, error, REPLY)
    assert outcome(sending(evolve(UNSAFE, retry_on=ALL), behind)(CALL)) is error
    assert len(behind.calls) == 1


@pytest.mark.parametrize("error", [Overloaded(), CircuitOpen(), BadRequest("no"), RuntimeError()])
def test_what_will_not_get_better_is_not_repeated(clock, error):
    behind = Behind(clock, error, REPLY)
    assert outcome(sending(evolve(SAFE, retry_on=ALL), behind)(CALL)) is error
    assert len(behind.calls) == 1


def test_no_more_often_than_allowed(clock):
    behind = Behind(clock, *[ConnectionClosed()] * 5)
    assert isinstance(outcome(sending(SAFE, behind)(CALL)), ConnectionClosed)
    assert len(behind.calls) == 3


def test_an_undeclared_exception_is_an_answer_unless_it_is_named(clock):
    behind = Behind(clock, EXCEPTION, REPLY)
    assert outcome(sending(SAFE, behind)(CALL)) is EXCEPTION
    behind = Behind(clock, EXCEPTION, REPLY)
    assert outcome(sending(evolve(SAFE, retry_on=ALL), behind)(CALL)) is REPLY
    behind = Behind(clock, EXCEPTION, REPLY)
    assert outcome(sending(evolve(UNSAFE, retry_on=ALL), behind)(CALL)) is EXCEPTION


def test_only_for_the_reasons_named(clock):
    behind = Behind(clock, ConnectionClosed(), REPLY)
    policy = evolve(SAFE, retry_on=frozenset({"timeout"}))
    assert isinstance(outcome(sending(policy, behind)(CALL)), ConnectionClosed)


def test_it_waits_before_it_repeats(clock):
    behind = Behind(clock, ConnectionClosed(), ConnectionClosed(), REPLY)
    sent = sending(evolve(SAFE, backoff=(0.5, 0.5)), behind)(CALL)
    clock.pump([0.4, 0.1, 0.4, 0.1])
    assert outcome(sent) is REPLY
    assert behind.times == [0.0, 0.5, 1.0]


def test_the_wait_is_by_chance_within_its_bounds(clock):
    policy = evolve(SAFE, retries=1, backoff=(0.2, 0.8))
    waits = set()
    for seed in range(20):
        behind = Behind(Clock(), ConnectionClosed(), REPLY)
        compose([retry(policy, Budget(1.0), behind.clock, Random(seed))], behind)(CALL)
        behind.clock.pump([0.01] * 100)
        waits.add(behind.times[1])
    assert len(waits) > 10
    assert min(waits) >= 0.2
    assert max(waits) <= 0.81


def test_no_wait_ends_after_the_deadline(clock):
    behind = Behind(clock, ConnectionClosed(), REPLY)
    sent = sending(evolve(SAFE, backoff=(10.0, 10.0)), behind)(CALL)
    assert isinstance(outcome(sent), ConnectionClosed)
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("backing_off", [True, False])
def test_cancelling_ends_it_wherever_it_is(clock, backing_off):
    behind = Behind(clock, ConnectionClosed())
    sent = sending(evolve(SAFE, backoff=(0.5, 0.5)), behind)(CALL)
    if not backing_off:
        clock.advance(0.5)
        assert len(behind.running) == 1
    sent.cancel()
    assert isinstance(outcome(sent), CancelledError)
    assert clock.getDelayedCalls() == []
    assert (len(behind.calls), behind.cancelled) == ((1, 0) if backing_off else (2, 1))


def test_the_budget_bounds_repetitions_to_its_share_of_calls(clock):
    behind = Behind(clock, *[ConnectionClosed()] * 10_000)
    send = sending(SAFE, behind, share=0.1)
    for _ in range(1000):
        clock.advance(0.001)
        outcome(send(CALL))
    repeated = len(behind.calls) - 1000
    # A tenth of all, first calls and repetitions; below ten calls in the window there is no share yet.
    assert 100 <= repeated <= 1111 / 10 + 10


def test_the_budget_is_for_ten_seconds(clock):
    budget = Budget(0.1)
    for _ in range(100):
        budget.first(0.0)
    spent = sum(budget.spend(1.0) for _ in range(100))
    assert spent == 12
    assert not budget.spend(5.0)
    assert budget.spend(12.0)
