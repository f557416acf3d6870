"""A second call beside a slow one; the first answer counts."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from tests.policies.scripted import CALL, REPLY, Behind, outcome
from txgateway.core.errors import ConnectionClosed, NoInstance
from txgateway.core.policy import Policy
from txgateway.core.retrying import Budget
from txgateway.policies import compose
from txgateway.policies.backup import backup

POLICY = Policy(backup_after=0.1, idempotent=True)


@pytest.fixture
def clock():
    return Clock()


def sending(behind, share=1.0):
    return compose([backup(POLICY, Budget(share), behind.clock)], behind)


def test_a_quick_call_is_sent_once(clock):
    behind = Behind(clock)
    sent = sending(behind)(CALL)
    clock.advance(0.09)
    behind.end(REPLY)
    clock.advance(1)
    assert outcome(sent) is REPLY
    assert len(behind.calls) == 1
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("winner", [0, 1])
def test_a_slow_one_is_sent_twice_and_the_loser_given_up(clock, winner):
    behind = Behind(clock)
    sent = sending(behind)(CALL)
    clock.advance(0.1)
    assert behind.times == [0.0, 0.1]
    behind.running.insert(0, behind.running.pop(winner))
    behind.end(REPLY)
    assert outcome(sent) is REPLY
    assert (behind.cancelled, behind.running) == (1, [])


def test_an_error_that_comes_first_counts_too(clock):
    behind = Behind(clock)
    sent = sending(behind)(CALL)
    clock.advance(0.1)
    behind.end(ConnectionClosed())
    assert isinstance(outcome(sent), ConnectionClosed)
    assert behind.cancelled == 1


def test_what_fails_at_once_has_no_second(clock):
    behind = Behind(clock, NoInstance())
    assert isinstance(outcome(sending(behind)(CALL)), NoInstance)
    assert clock.getDelayedCalls() == []


def test_cancelling_ends_both(clock):
    behind = Behind(clock)
    sent = sending(behind)(CALL)
    clock.advance(0.1)
    sent.cancel()
    assert isinstance(outcome(sent), CancelledError)
    assert (behind.cancelled, behind.running) == (2, [])


def test_cancelling_early_leaves_no_alarm(clock):
    behind = Behind(clock)
    sending(behind)(CALL).addErrback(lambda _: None).cancel()
    assert clock.getDelayedCalls() == []


def test_none_is_sent_when_the_deadline_comes_first(clock):
    behind = Behind(clock)
    sending(behind)(CALL.replace(deadline=0.05))
    assert clock.getDelayedCalls() == []


def test_the_budget_bounds_second_calls(clock):
    behind = Behind(clock)
    send = sending(behind, share=0.1)
    for _ in range(100):
        send(CALL)
    clock.advance(0.1)
    # 100 first calls and 12 more are 10.7 % repetitions: none is sent once a tenth is reached.
    assert len(behind.calls) == 112
