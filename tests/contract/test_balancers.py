"""What holds for every balancer: only live instances, none that is excluded, and none where there is none."""

from __future__ import annotations

import gc
from random import Random
from weakref import ref

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import cases, outcome
from txgateway.core.balancing import BuildBalancer, Memory, balancers, unspent
from txgateway.core.balancing.slow_start import slow_start
from txgateway.core.balancing.subsets import subsets
from txgateway.core.balancing.tiers import tiered
from txgateway.core.instances import Instance
from txgateway.core.message import Call

balancers.load()

CALL = Call("book", b"queryBook", b"\0")
WEIGHTS = st.lists(st.integers(-2, 40), max_size=12)


def instances(weights: list[int]) -> list[Instance]:
    return [Instance(f"10.0.0.{number}", 9000, weight) for number, weight in enumerate(weights)]


@pytest.mark.parametrize("case", list(cases("balancing")), ids=lambda case: case.id)
def test_decides_as_kitex_does(case):
    assert outcome(case) is None


@pytest.mark.parametrize("name", list(balancers))
@given(weights=WEIGHTS, random=st.randoms(use_true_random=False), data=st.data())
def test_picks_what_is_live_and_not_excluded(name, weights, random, data):
    all_of_them = instances(weights)
    excluded = data.draw(st.sets(st.sampled_from(all_of_them))) if all_of_them else set()
    left = {instance for instance in all_of_them if instance.weight > 0} - excluded
    balancer = balancers[name](all_of_them, random, Memory())
    for exclude in (excluded, tuple(excluded)):
        picked = balancer.pick(CALL, exclude)
        assert picked in left if left else picked is None


@pytest.mark.parametrize("name", list(balancers))
@given(
    steps=st.lists(st.tuples(WEIGHTS, st.lists(st.booleans(), max_size=8)), max_size=8),
    random=st.randoms(use_true_random=False),
)
def test_calls_may_outlive_the_set_that_they_began_in(name, steps, random):
    memory, running, now = Memory(), [], 0.0
    for weights, events in steps:
        members = instances(weights)
        memory.keep({each.address for each in members})
        balancer = balancers[name](members, random, memory)
        for begins in events:
            now += 0.1
            picked = balancer.pick(CALL, (), now)
            if begins and picked is not None:
                balancer.began(picked)
                running.append((balancer, picked))
            elif running:
                earlier, instance = running.pop(0)
                earlier.ended(instance, now, 0.1)
    for earlier, instance in running:
        earlier.ended(instance, now, None)
    for load in memory.instances.values():
        assert load.active == 0


ZONES = [{"zone": "a"}, {"zone": "b"}, {}]
# As calls go: the key, the subset, the weights' places of those that are excluded, and whether the call stays open.
CALLS = st.lists(
    st.tuples(
        st.sampled_from([b"", b"k", b"l"]), st.sampled_from(["", "a"]), st.sets(st.integers(0, 11)), st.booleans()
    )
)


def wrapped(name: str, wraps: bool) -> BuildBalancer:
    """The balancer, or all that may stand around one."""
    build = balancers[name]
    if not wraps:
        return build
    slow = slow_start(build, {"10.0.0.0:9000": 3})
    return subsets(tiered(slow, {"10.0.0.1:9000"}, "a"), ("zone",), fall_back=True)


@pytest.mark.parametrize("wraps", [False, True], ids=["alone", "wrapped"])
@pytest.mark.parametrize("name", list(balancers))
@given(weights=WEIGHTS, calls=CALLS, seed=st.integers(0, 9))
def test_a_peek_is_the_next_pick_and_moves_nothing(name, wraps, weights, calls, seed):
    members = [evolve(each, tags=ZONES[number % 3]) for number, each in enumerate(instances(weights))]
    build = wrapped(name, wraps)
    chance = Random(seed)
    looked_at, left_alone = build(members, chance, Memory()), build(members, Random(seed), Memory())
    running: list[Instance] = []
    for number, (key, subset, places, ends) in enumerate(calls):
        now = 0.3 * number
        call = CALL.replace(hash_key=key, subset=subset)
        exclude = [each for place, each in enumerate(members) if place in places]
        peeks = []
        for others in (exclude, (), exclude):
            with unspent(chance):
                peeks.append(looked_at.peek(call, others, now))
        picked = looked_at.pick(call, exclude, now)
        assert peeks[0] == peeks[2] == picked
        assert left_alone.pick(call, exclude, now) == picked
        if picked is not None:
            running.append(picked)
            for balancer in (looked_at, left_alone):
                balancer.began(picked)
        if ends and running:
            ended = running.pop(0)
            for balancer in (looked_at, left_alone):
                balancer.ended(ended, now + 0.2, 0.1 * (number % 4))


@pytest.mark.parametrize("name", list(balancers))
def test_every_live_instance_has_its_turn(name):
    weights = [3, 0, 1, 2]
    balancer = balancers[name](instances(weights), Random(3), Memory())
    picked = set()
    for _ in range(200):
        picked.add(instance := balancer.pick(CALL))
        balancer.began(instance)
    assert picked == {i for i in instances(weights) if i.weight > 0}


@pytest.mark.parametrize("name", list(balancers))
def test_one_that_is_replaced_half_way_is_gone_at_once(name):
    """The garbage collector would stop everything to look through thousands of instances."""
    members, memory = instances([10 + number for number in range(200)]), Memory()
    balancer = balancers[name](members, Random(1), memory)
    balancer.pick(CALL)
    balancer.pick(CALL, members[:1])
    next(balancer.work(), None)
    gone, enabled = ref(balancer), gc.isenabled()
    gc.disable()
    try:
        balancer = balancers[name](members, Random(1), memory)
        assert gone() is None
    finally:
        if enabled:
            gc.enable()
