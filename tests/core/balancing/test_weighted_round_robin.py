"""Smooth weighted round robin: Kitex's recorded picks, and what holds for any weights."""

from __future__ import annotations

from collections import Counter
from math import gcd
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import cases, outcome
from txgateway.core.balancing import balancers
from txgateway.core.balancing.weighted_round_robin import MAX_SLOTS_KEPT, SmoothWeighted
from txgateway.core.instances import Instance
from txgateway.core.message import Call

CALL = Call("book", b"queryBook", b"\0")
WEIGHTS = st.lists(st.integers(-2, 40), min_size=1, max_size=12)


def instances(weights: list[int]) -> list[Instance]:
    return [Instance(f"10.0.0.{number}", 9000, weight) for number, weight in enumerate(weights)]


@pytest.mark.parametrize(
    "case", [c for c in cases("balancing") if c.id.startswith(("wrr/", "rebalance"))], ids=lambda case: case.id
)
def test_picks_as_kitex_does(case):
    assert outcome(case) is None


@given(WEIGHTS, st.randoms())
def test_one_period_holds_each_instance_as_often_as_its_weight_says(weights, random):
    live = [weight for weight in weights if weight > 0]
    if not live:
        assert balancers["wrr"](instances(weights), random).pick(CALL) is None
        return
    balancer = balancers["wrr"](instances(weights), random)
    divisor = gcd(*live)
    period = sum(live) // divisor
    for _ in range(2):
        counts = Counter(balancer.pick(CALL) for _ in range(period))
        assert counts == {i: i.weight // divisor for i in instances(weights) if i.weight > 0}


@given(WEIGHTS, st.randoms(), st.data())
def test_never_picks_what_is_excluded_and_finds_whatever_is_left(weights, random, data):
    all_of_them = instances(weights)
    excluded = data.draw(st.sets(st.sampled_from(all_of_them)))
    left = {i for i in all_of_them if i.weight > 0} - excluded
    picked = balancers["wrr"](all_of_them, random).pick(CALL, excluded)
    assert picked in left if left else picked is None


def test_a_period_too_long_to_keep_goes_on_in_the_same_order():
    weights = [MAX_SLOTS_KEPT, 3, 1]
    balancer = SmoothWeighted(instances(weights), 0)
    counts = Counter(balancer.pick(CALL) for _ in range(sum(weights)))
    assert counts == dict(zip(instances(weights), weights, strict=True))


def test_gateways_start_at_different_places():
    first = {balancers["wrr"](instances([5, 5, 5, 5]), Random(seed)).pick(CALL) for seed in range(40)}
    assert len(first) == 4
