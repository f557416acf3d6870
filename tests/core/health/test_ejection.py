"""Who is left out, for how long, and never too many."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.errors import (
    CallRefused,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    NoInstance,
    Overloaded,
    UnusableReply,
)
from txgateway.core.health import Outcome, outcome_of
from txgateway.core.health.ejection import Ejection, EjectionSettings
from txgateway.core.instances import Instance

SETTINGS = EjectionSettings()


def watched(count: int, settings: EjectionSettings = SETTINGS) -> tuple[Ejection, list[str]]:
    instances = [Instance(f"10.0.0.{number}", 9000) for number in range(count)]
    ejection = Ejection(settings)
    ejection.keep(instances)
    return ejection, [instance.address for instance in instances]


def fail(ejection: Ejection, address: str, times: int, now: float = 0.0, outcome: Outcome = Outcome.TIMED_OUT) -> bool:
    return [ejection.record(address, outcome, now) for _ in range(times)][-1]


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.BROKEN, Outcome.UNREACHABLE, Outcome.EXCEPTION])
def test_five_failures_in_a_row_eject(outcome):
    ejection, (one, *_) = watched(10)
    assert not fail(ejection, one, 4, outcome=outcome)
    assert fail(ejection, one, 1, outcome=outcome)
    assert ejection.out == {one}


def test_a_success_starts_the_count_anew():
    ejection, (one, *_) = watched(10)
    fail(ejection, one, 4)
    ejection.record(one, Outcome.ANSWERED, 0.0)
    assert not fail(ejection, one, 4)


def test_a_call_that_was_given_up_says_nothing():
    ejection, (one, *_) = watched(10)
    fail(ejection, one, 4)
    assert not fail(ejection, one, 3, outcome=Outcome.UNKNOWN)
    assert fail(ejection, one, 1)


def test_unanswered_calls_can_be_counted_apart():
    ejection, (one, *_) = watched(10, evolve(SETTINGS, consecutive=0, consecutive_unanswered=3))
    fail(ejection, one, 2)
    assert not fail(ejection, one, 9, outcome=Outcome.EXCEPTION)
    assert fail(ejection, one, 3)


def test_an_instance_comes_back_at_the_end_of_an_interval_and_is_new():
    ejection, (one, *_) = watched(10)
    fail(ejection, one, 5, now=1.0)
    assert [ejection.end_interval(now) for now in (10.0, 20.0, 30.0)] == [False] * 3
    assert ejection.end_interval(40.0)
    assert ejection.out == set()
    assert not fail(ejection, one, 4, now=41.0)
    assert fail(ejection, one, 1, now=41.0)


def out_for(ejection: Ejection, now: float) -> tuple[float, float]:
    """When the only one that is out comes back, and how long that took."""
    began = now
    while ejection.out:
        now += 10
        ejection.end_interval(now)
    return now, now - began


def test_each_time_it_is_out_for_longer_and_good_intervals_are_forgiven():
    ejection, (one, *_) = watched(10)
    now, lengths = 0.0, []
    for _ in range(12):
        fail(ejection, one, 5, now=now)
        now, length = out_for(ejection, now)
        lengths.append(length)
    assert lengths == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]
    for _ in range(20):
        now += 10
        ejection.end_interval(now)
    fail(ejection, one, 5, now=now)
    assert out_for(ejection, now)[1] == 30


def test_the_one_that_succeeds_least_goes_at_the_end_of_an_interval():
    ejection, addresses = watched(20)
    for number, address in enumerate(addresses):
        for call in range(100):
            failed = call % 5 == 0 and number == 7
            ejection.record(address, Outcome.TIMED_OUT if failed else Outcome.ANSWERED, 5.0)
    assert ejection.end_interval(10.0)
    assert ejection.out == {addresses[7]}


@pytest.mark.parametrize(("count", "calls"), [(4, 100), (20, 99)])
def test_too_few_calls_or_instances_prove_nothing(count, calls):
    ejection, addresses = watched(count)
    for number, address in enumerate(addresses):
        for call in range(calls):
            failed = call % 2 == 0 and number == 0
            ejection.record(address, Outcome.TIMED_OUT if failed else Outcome.ANSWERED, 5.0)
    assert not ejection.end_interval(10.0)


def test_those_that_nearly_always_fail_can_be_ejected_too():
    ejection, addresses = watched(20, evolve(SETTINGS, consecutive=0, deviations=0.0, failure_share=0.85))
    for address in addresses:
        for call in range(50):
            answered = call % 10 == 0 or address not in addresses[:5]
            ejection.record(address, Outcome.ANSWERED if answered else Outcome.BROKEN, 5.0)
    assert ejection.end_interval(10.0)
    assert len(ejection.out) == 2
    assert ejection.out < set(addresses[:5])


@given(
    count=st.integers(1, 40),
    steps=st.lists(
        st.one_of(st.tuples(st.integers(0, 39), st.sampled_from(Outcome)), st.just("interval")), max_size=300
    ),
)
def test_at_most_a_tenth_is_out_but_one_may_always_go(count, steps):
    ejection, addresses = watched(
        count, evolve(SETTINGS, consecutive=2, min_calls=2, failure_share=0.5, min_instances=1)
    )
    now = 0.0
    for step in steps:
        now += 1
        if step == "interval":
            ejection.end_interval(now)
        else:
            ejection.record(addresses[step[0] % count], step[1], now)
        assert len(ejection.out) <= max(1, count // 10)


def test_an_instance_that_leaves_loses_its_record():
    ejection, (one, *_) = watched(10)
    fail(ejection, one, 5)
    ejection.keep([Instance("10.0.0.1", 9000)])
    assert ejection.out == set()
    assert not ejection.record(one, Outcome.TIMED_OUT, 1.0)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (DeadlineExceeded(), Outcome.TIMED_OUT),
        (ConnectionClosed(), Outcome.BROKEN),
        (UnusableReply(), Outcome.BROKEN),
        (ConnectFailed(), Outcome.UNREACHABLE),
        (CallRefused(), Outcome.UNKNOWN),
        (Overloaded(), Outcome.UNKNOWN),
        (NoInstance(), Outcome.UNKNOWN),
        (RuntimeError(), Outcome.UNKNOWN),
    ],
)
def test_what_an_error_says_of_the_instance(error, outcome):
    assert outcome_of(error) is outcome
