"""What holds for every balancer: only live instances, none that is excluded, and none where there is none."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import cases, outcome
from txgateway.core.balancing import balancers
from txgateway.core.instances import Instance
from txgateway.core.message import Call

balancers.load()

CALL = Call("book", b"queryBook", b"\0")
WEIGHTS = st.lists(st.integers(-2, 40), max_size=12)
RECORDED = ("wrr/", "iwrr/", "rebalance", "random/", "random_alias/", "alias_tables/")

CASES = [case for case in cases("balancing") if case.id.startswith(RECORDED)]


def instances(weights: list[int]) -> list[Instance]:
    return [Instance(f"10.0.0.{number}", 9000, weight) for number, weight in enumerate(weights)]


@pytest.mark.parametrize(
    "case", [case for case in cases("balancing") if case.id.startswith(RECORDED)], ids=lambda case: case.id
)
def test_picks_as_kitex_does(case):
    assert outcome(case) is None


@pytest.mark.parametrize("name", list(balancers))
@given(weights=WEIGHTS, random=st.randoms(use_true_random=False), data=st.data())
def test_picks_what_is_live_and_not_excluded(name, weights, random, data):
    all_of_them = instances(weights)
    excluded = data.draw(st.sets(st.sampled_from(all_of_them))) if all_of_them else set()
    left = {instance for instance in all_of_them if instance.weight > 0} - excluded
    balancer = balancers[name](all_of_them, random)
    for exclude in (excluded, tuple(excluded)):
        picked = balancer.pick(CALL, exclude)
        assert picked in left if left else picked is None


@pytest.mark.parametrize("name", list(balancers))
def test_every_live_instance_has_its_turn(name):
    weights = [3, 0, 1, 2]
    balancer = balancers[name](instances(weights), Random(3))
    assert {balancer.pick(CALL) for _ in range(200)} == {i for i in instances(weights) if i.weight > 0}
