"""The less loaded of two: by the number of calls, or by what they are expected to take."""

from __future__ import annotations

from collections import Counter
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.balancing import Memory, balancers
from txgateway.core.balancing.peak_ewma import TAU, Cost
from txgateway.core.instances import Instance
from txgateway.core.message import Call

balancers.load()

CALL = Call("book", b"queryBook", b"\0")
ONE, OTHER = Instance("10.0.0.1", 9000), Instance("10.0.0.2", 9000)


def built(name: str, *instances: Instance, memory: Memory | None = None, seed: int = 1):
    return balancers[name](instances, Random(seed), memory or Memory())


def test_p2c_takes_the_one_with_fewer_calls():
    balancer = built("p2c", ONE, OTHER)
    balancer.began(ONE)
    assert {balancer.pick(CALL) for _ in range(50)} == {OTHER}
    balancer.ended(ONE, 1.0, 0.1)
    assert {balancer.pick(CALL) for _ in range(50)} == {ONE, OTHER}


def test_p2c_gives_a_heavier_instance_more():
    heavy = Instance("10.0.0.3", 9000, 30)
    balancer = built("p2c", ONE, heavy)
    for _ in range(400):
        balancer.began(balancer.pick(CALL))
    assert (balancer.active(ONE), balancer.active(heavy)) == (100, 300)


@pytest.mark.parametrize("name", ["p2c", "ewma"])
def test_what_is_known_of_an_instance_stays_when_others_come_and_go(name):
    memory = Memory()
    first = built(name, ONE, OTHER, memory=memory)
    first.began(ONE)
    newcomer = Instance("10.0.0.3", 9000)
    memory.keep({ONE.address, newcomer.address})
    second = built(name, ONE, newcomer, memory=memory)
    assert {second.pick(CALL, (), 1.0) for _ in range(20)} == {newcomer}
    first.ended(ONE, 1.0, 0.0)
    assert second.active(ONE) == 0


def test_an_instance_that_left_and_came_back_is_a_new_one():
    memory = Memory()
    first = built("p2c", ONE, OTHER, memory=memory)
    first.began(ONE)
    memory.keep({OTHER.address})
    built("p2c", OTHER, memory=memory)
    again = built("p2c", ONE, OTHER, memory=memory)
    assert again.active(ONE) == 0
    first.ended(ONE, 1.0, 0.1)
    assert again.active(ONE) == 0


def test_ewma_takes_the_faster():
    balancer = built("ewma", ONE, OTHER)
    for instance, seconds in ((ONE, 0.2), (OTHER, 0.1)):
        balancer.began(instance)
        balancer.ended(instance, 1.0, seconds)
    assert {balancer.pick(CALL, (), 1.0) for _ in range(50)} == {OTHER}
    assert balancer.cost(ONE) == pytest.approx(0.2)
    # Twice as many calls at half the price: even.
    balancer.began(OTHER)
    assert {balancer.pick(CALL, (), 1.0) for _ in range(50)} == {ONE, OTHER}


def test_ewma_sends_an_unmeasured_instance_one_call_and_no_second():
    balancer = built("ewma", ONE, OTHER)
    balancer.began(ONE)
    balancer.ended(ONE, 1.0, 0.5)
    assert {balancer.pick(CALL, (), 1.0) for _ in range(50)} == {OTHER}
    balancer.began(OTHER)
    assert {balancer.pick(CALL, (), 1.0) for _ in range(50)} == {ONE}


def test_ewma_learns_nothing_from_a_caller_that_gave_up():
    balancer = built("ewma", ONE, OTHER)
    balancer.began(ONE)
    balancer.ended(ONE, 9.0, None)
    assert (balancer.active(ONE), balancer.cost(ONE)) == (0, 0)


def test_a_cost_rises_at_once_and_falls_by_the_time_constant():
    cost = Cost()
    cost.observe(1.0, 0.0)
    cost.observe(0.0, TAU)
    assert cost.seconds == pytest.approx(exp(-1))
    cost.observe(2.0, TAU)
    assert cost.seconds == 2.0
    cost.observe(1.0, 2 * TAU)
    assert cost.seconds == pytest.approx(2 * exp(-1) + 1 * (1 - exp(-1)))


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1, 1e6)), max_size=50))
def test_a_cost_is_never_negative_nor_above_the_peak(observed):
    cost, peak = Cost(), 0.0
    for latency, now in observed:
        cost.observe(latency, now)
        peak = max(peak, latency)
        assert 0 <= cost.seconds <= peak * (1 + 1e-9)


def test_all_draws_are_equally_likely():
    members = [Instance(f"10.0.0.{n}", 9000) for n in range(5)]
    balancer = built("p2c", *members, seed=3)
    counts = Counter(balancer.pick(CALL) for _ in range(10_000))
    assert all(1850 < counts[each] < 2150 for each in members)
