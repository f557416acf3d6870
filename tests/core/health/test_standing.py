"""All that is known of a service's instances, together."""

from __future__ import annotations

import pytest
from attrs import evolve

from txgateway.core.health import Outcome
from txgateway.core.health.breaker import BreakerSettings
from txgateway.core.health.ejection import EjectionSettings
from txgateway.core.health.standing import Governance, Standing
from txgateway.core.instances import Instance

MEMBERS = [Instance(f"10.0.0.{number}", 9000) for number in range(4)]
FIRST = MEMBERS[0].address
EJECTING = Governance(ejection=EjectionSettings(consecutive=1, share=1.0, base=10.0))


def standing(governance: Governance, count: int = 4) -> Standing:
    made = Standing(governance)
    made.keep(MEMBERS[:count], 0.0)
    return made


def test_without_governance_nobody_is_ever_out():
    made = standing(Governance())
    assert not any(made.learn(FIRST, outcome, 0.0) for outcome in Outcome for _ in range(100))
    assert made.allows(FIRST, 0.0)
    assert (made.ejected(), made.interval, made.end_interval(10.0)) == (frozenset(), None, False)


def test_with_fewer_than_half_usable_nobody_is_left_out():
    made = standing(EJECTING)
    out = []
    for each in MEMBERS[:3]:
        assert made.learn(each.address, Outcome.BROKEN, 0.0)
        out.append(len(made.ejected()))
    assert out == [1, 2, 0]
    assert [made.describe(each, 0.0)["state"] for each in MEMBERS] == ["ejected"] * 3 + ["live"]
    assert made.end_interval(10.0)
    assert made.ejected() == frozenset()


def test_the_only_instance_is_used_whatever_it_does():
    made = standing(EJECTING, 1)
    made.learn(FIRST, Outcome.TIMED_OUT, 0.0)
    assert made.ejected() == frozenset()


BREAKING = Governance(breaker=BreakerSettings(0.5, 4))


def failing(made: Standing, *members: Instance) -> None:
    for each in members:
        for _ in range(4):
            made.learn(each.address, Outcome.UNREACHABLE, 0.0)


def test_the_circuit_of_an_instance_opens_by_connects_that_fail_and_nothing_else():
    made = standing(BREAKING)
    for outcome in (Outcome.BROKEN, Outcome.TIMED_OUT, Outcome.EXCEPTION, Outcome.ANSWERED, Outcome.UNKNOWN):
        for _ in range(20):
            made.learn(FIRST, outcome, 0.0)
    assert made.allows(FIRST, 0.0)
    failing(made, MEMBERS[1])
    assert [made.allows(each.address, 1.0) for each in MEMBERS[:2]] == [True, False]
    assert made.describe(MEMBERS[1], 1.0)["breaker"] == "open"
    assert [made.allows(MEMBERS[1].address, at) for at in (5.0, 5.1, 5.2)] == [True, False, True]


def test_an_open_circuit_does_not_count_when_most_are_open():
    made = standing(BREAKING)
    failing(made, *MEMBERS[:2])
    assert not made.allows(FIRST, 1.0)
    failing(made, MEMBERS[2])
    assert made.allows(FIRST, 1.0)


def test_an_instance_that_leaves_loses_its_breaker_and_its_error():
    made = standing(BREAKING)
    failing(made, MEMBERS[0])
    made.keep(MEMBERS[1:], 1.0)
    made.keep(MEMBERS, 1.0)
    assert made.allows(FIRST, 1.0)
    assert made.describe(MEMBERS[0], 1.0)["last_error"] is None


def test_the_last_error_and_its_age():
    made = standing(Governance())
    made.learn(FIRST, Outcome.TIMED_OUT, 1.0)
    made.learn(FIRST, Outcome.ANSWERED, 2.0)
    assert made.describe(MEMBERS[0], 3.54)["last_error"] == {"what": "timed out", "seconds_ago": 2.5}


@pytest.mark.parametrize("suspect", [True, False])
def test_a_suspect_is_shown_as_one(suspect):
    made = standing(Governance())
    assert made.describe(evolve(MEMBERS[0], suspect=suspect), 0.0)["state"] == ("suspect" if suspect else "live")


def test_who_is_there_from_the_start_is_not_new():
    made = standing(Governance(slow_start=30.0), 2)
    assert made.steps(0.0) == {}
    made.keep(MEMBERS[:3], 100.0)
    assert made.steps(100.0) == {MEMBERS[2].address: 1}
    made.keep(MEMBERS, 109.0)
    assert made.steps(109.0) == {MEMBERS[2].address: 3, MEMBERS[3].address: 1}
    made.keep(MEMBERS[:3], 110.0)
    assert made.steps(127.1) == {MEMBERS[2].address: 9}
    assert made.steps(130.0) == {}


def test_who_fails_three_checks_is_out_until_one_passes():
    made = standing(Governance())
    assert [made.check(FIRST, False, 1.0) for _ in range(4)] == [False, False, True, False]
    assert made.ejected() == {FIRST}
    assert made.describe(MEMBERS[0], 1.0)["state"] == "ejected"
    assert made.describe(MEMBERS[0], 1.0)["last_error"]["what"] == "check failed"
    assert made.check(FIRST, True, 2.0)
    assert not made.check(FIRST, True, 3.0)
    assert made.ejected() == frozenset()


def test_failed_checks_do_not_count_when_most_fail():
    made = standing(Governance())
    for each in MEMBERS[:3]:
        for _ in range(3):
            made.check(each.address, False, 1.0)
    assert made.ejected() == frozenset()
