"""Pick and call, and another instance where one has certainly seen nothing."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import fail, succeed
from twisted.internet.task import Clock

from tests.policies.scripted import CALL, REPLY, Behind, outcome
from txgateway.core.errors import CallRefused, ConnectFailed, ConnectionClosed, DeadlineExceeded, NoInstance
from txgateway.core.instances import Instance
from txgateway.policies import compose
from txgateway.policies.next_instance import next_instance
from txgateway.policies.try_timeout import try_timeout

MEMBERS = [Instance(f"10.0.0.{number}", 9000) for number in range(9)]


class Service:
    """Picks in order; each instance comes to what is said of it."""

    def __init__(self, *outcomes):
        self.outcomes = dict(zip(MEMBERS, outcomes, strict=False))
        self.called: list[Instance] = []

    def pick(self, call, exclude, avoid):
        for members in (avoid, exclude):
            for instance in self.outcomes:
                if instance not in members:
                    return instance
        raise NoInstance

    def call(self, instance, call):
        self.called.append(instance)
        outcome = self.outcomes[instance]
        return fail(outcome) if isinstance(outcome, Exception) else succeed(outcome)


@pytest.mark.parametrize("error", [ConnectFailed(), CallRefused()])
def test_an_instance_that_saw_nothing_is_passed_over(error):
    service = Service(error, error, REPLY)
    tried: list[Instance] = []
    assert outcome(next_instance(service)(CALL, tried)) is REPLY
    assert service.called == tried == MEMBERS[:3]


@pytest.mark.parametrize("error", [ConnectionClosed(), DeadlineExceeded(), RuntimeError()])
def test_one_that_may_have_seen_it_is_not(error):
    service = Service(error, REPLY)
    assert outcome(next_instance(service)(CALL, [])) is error
    assert len(service.called) == 1


def test_six_are_tried_and_no_more():
    service = Service(*[ConnectFailed()] * 9)
    assert isinstance(outcome(next_instance(service)(CALL, [])), ConnectFailed)
    assert len(service.called) == 6


def test_a_second_try_avoids_the_first_one_while_there_are_others():
    service = Service(REPLY, REPLY)
    tried: list[Instance] = []
    for _ in range(3):
        next_instance(service)(CALL, tried)
    assert service.called == [MEMBERS[0], MEMBERS[1], MEMBERS[0]]


@pytest.mark.parametrize(("deadline", "due"), [(10.0, 3.0), (2.0, 2.0)])
def test_a_try_has_its_own_time_within_the_deadline(deadline, due):
    clock = Clock()
    clock.advance(1.0)
    behind = Behind(clock, REPLY)
    compose([try_timeout(2.0, clock.seconds)], behind)(evolve(CALL, deadline=deadline), [])
    assert behind.calls[0][1].deadline == due
