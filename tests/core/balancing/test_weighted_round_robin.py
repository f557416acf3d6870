"""Round robin by weights, smooth and interleaved: what holds for any weights."""

from __future__ import annotations

from collections import Counter
from math import gcd
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.balancing import Memory, balancers
from txgateway.core.balancing.weighted_round_robin import MAX_SLOTS_KEPT, SmoothWeighted
from txgateway.core.instances import Instance
from txgateway.core.message import Call

balancers.load()

CALL = Call("book", b"queryBook", b"\0")
WEIGHTS = st.lists(st.integers(-2, 40), min_size=1, max_size=12)


def instances(weights: list[int]) -> list[Instance]:
    return [Instance(f"10.0.0.{number}", 9000, weight) for number, weight in enumerate(weights)]


@pytest.mark.parametrize("name", ["wrr", "iwrr"])
@given(weights=WEIGHTS, random=st.randoms(use_true_random=False))
def test_one_period_holds_each_instance_as_often_as_its_weight_says(name, weights, random):
    live = [weight for weight in weights if weight > 0]
    if not live:
        assert balancers[name](instances(weights), random, Memory()).pick(CALL) is None
        return
    balancer = balancers[name](instances(weights), random, Memory())
    divisor = gcd(*live)
    period = sum(live) // divisor
    for _ in range(2):
        counts = Counter(balancer.pick(CALL) for _ in range(period))
        assert counts == {i: i.weight // divisor for i in instances(weights) if i.weight > 0}


def test_a_period_too_long_to_keep_goes_on_in_the_same_order():
    weights = [MAX_SLOTS_KEPT, 3, 1]
    balancer = SmoothWeighted(instances(weights), 0, Random(1))
    counts = Counter(balancer.pick(CALL) for _ in range(sum(weights)))
    assert counts == dict(zip(instances(weights), weights, strict=True))


def test_gateways_start_at_different_places():
    first = {balancers["wrr"](instances([5, 5, 5, 5]), Random(seed), Memory()).pick(CALL) for seed in range(40)}
    assert len(first) == 4


@pytest.mark.parametrize("name", ["wrr", "iwrr"])
@pytest.mark.parametrize("weights", [[1, 1], [3, 2, 1]])
def test_repeated_calls_leave_the_order_of_first_calls_alone(name, weights):
    members = instances(weights)
    balancer = balancers[name](members, Random(1), Memory())
    first = []
    for _ in range(sum(weights)):
        first.append(balancer.pick(CALL))
        assert balancer.pick(CALL, [first[-1]]) != first[-1]
    assert Counter(first) == {each: each.weight for each in members}
