"""Tag subsets and tiers: balancers made of balancers."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from attrs import evolve

from txgateway.core.balancing import Memory, balancers
from txgateway.core.balancing.slow_start import slow_start, step_at
from txgateway.core.balancing.subsets import subsets
from txgateway.core.balancing.tiers import tiered, tiers_of
from txgateway.core.instances import Instance
from txgateway.core.message import Call

balancers.load()


def call(subset: str = "") -> Call:
    return Call("book", b"queryBook", b"\0", subset=subset)


BLUE, BLUE_TOO = (Instance(f"10.0.0.{n}", 9000, tags={"lane": "blue"}) for n in (1, 2))
GREEN, PLAIN = Instance("10.0.0.3", 9000, tags={"lane": "green"}), Instance("10.0.0.4", 9000)
EVERYBODY = [BLUE, BLUE_TOO, GREEN, PLAIN]


def picked(balancer, subset="", exclude=(), times=40):
    return {balancer.pick(call(subset), exclude) for _ in range(times)}


@pytest.mark.parametrize("name", ["wrr", "p2c", "hash", "random"])
def test_a_call_stays_in_its_subset(name):
    balancer = subsets(balancers[name], ["lane"])(EVERYBODY, Random(1), Memory())
    assert picked(balancer, "blue") == {BLUE, BLUE_TOO}
    assert picked(balancer, "green") == {GREEN}
    assert picked(balancer) == {PLAIN}
    assert picked(balancer, "red") == {None}
    assert picked(balancer, "green", {GREEN}) == {None}


def test_with_a_fallback_an_empty_subset_is_everybody():
    balancer = subsets(balancers["p2c"], ["lane"], fall_back=True)(EVERYBODY, Random(1), Memory())
    assert picked(balancer, "red") == set(EVERYBODY)
    assert picked(balancer, "green") == {GREEN}
    assert GREEN not in picked(balancer, "green", {GREEN})


def test_subsets_nest():
    canary = Instance("10.0.0.5", 9000, tags={"lane": "blue", "canary": ""})
    both = subsets(subsets(balancers["wrr"], ["lane"]), ["lane"])([*EVERYBODY, canary], Random(1), Memory())
    assert picked(both, "blue") == {BLUE, BLUE_TOO, canary}


def test_several_tags_must_all_be_as_the_call_wants_them():
    canary, other = (evolve(each, tags={"lane": "blue", "ring": "canary"}) for each in (PLAIN, GREEN))
    plain = [canary, evolve(other, tags={"ring": "canary"}), BLUE]
    by_both = subsets(balancers["wrr"], ["lane", "ring"])(plain, Random(1), Memory())
    wanted = {"blue\0canary": plain[0], "\0canary": plain[1], "blue\0": plain[2]}
    assert {subset: picked(by_both, subset) for subset in (*wanted, "blue", "\0")} == {
        **{subset: {instance} for subset, instance in wanted.items()},
        "blue": {None},
        "\0": {None},
    }
    assert picked(subsets(balancers["wrr"], ["lane", "ring"], fall_back=True)(plain, Random(1), Memory()), "\0") == set(
        plain
    )


def test_a_subset_and_everybody_see_the_same_load():
    balancer = subsets(balancers["p2c"], ["lane"], fall_back=True)(EVERYBODY, Random(1), Memory())
    for each in (BLUE, BLUE_TOO, PLAIN):
        balancer.began(each)
    assert picked(balancer, "red", {PLAIN, BLUE}) == {GREEN}


def test_a_later_tier_waits_for_the_earlier_ones_to_be_tried():
    balancer = tiered(balancers["wrr"], ejected={GREEN.address})([BLUE, GREEN, BLUE_TOO], Random(1), Memory())
    assert picked(balancer) == {BLUE, BLUE_TOO}
    assert picked(balancer, exclude={BLUE}) == {BLUE_TOO}
    assert picked(balancer, exclude={BLUE, BLUE_TOO}) == {GREEN}
    assert picked(balancer, exclude={BLUE, BLUE_TOO, GREEN}) == {None}


def test_an_instance_takes_its_load_along_into_another_tier():
    memory = Memory()
    balancer = tiered(balancers["p2c"], ejected={GREEN.address})([BLUE, BLUE_TOO, GREEN], Random(1), memory)
    balancer.began(GREEN)
    after = tiered(balancers["p2c"])([BLUE, BLUE_TOO, GREEN], Random(1), memory)
    assert GREEN not in picked(after)
    balancer.ended(GREEN, 1.0, 0.1)
    assert GREEN in picked(after)


def test_one_tier_is_no_more_than_its_balancer():
    one = tiered(balancers["wrr"])([BLUE], Random(1), Memory())
    assert type(one) is type(balancers["wrr"]([BLUE], Random(1), Memory()))
    assert tiered(balancers["wrr"])([], Random(1), Memory()).pick(call()) is None


def zoned(zone: str, *numbers: int) -> list[Instance]:
    return [Instance(f"10.1.0.{number}", 9000, tags={"zone": zone} if zone else {}) for number in numbers]


def test_the_order_is_our_zone_then_others_then_suspects_then_those_ejected():
    near, far, none = zoned("a", *range(10)), zoned("b", 10, 11), zoned("", 12)
    doubtful = [evolve(each, suspect=True) for each in zoned("a", 13)]
    everybody = [*far, *near, *doubtful, *none]
    tiers = tiers_of(everybody, {near[0].address, far[0].address}, "a")
    assert tiers == [near[1:], [far[1], *none], doubtful, [far[0], near[0]]]
    assert tiers_of(everybody, (), "") == [[*far, *near, *none], doubtful]


@pytest.mark.parametrize(("out", "prefers"), [(3, True), (4, False)])
def test_a_zone_counts_while_seven_tenths_of_it_are_usable(out, prefers):
    near, far = zoned("a", *range(10)), zoned("b", 10)
    tiers = tiers_of([*near, *far], {each.address for each in near[:out]}, "a")
    assert (tiers[0] == near[out:]) is prefers


def test_where_nobody_is_of_our_zone_zones_do_not_count():
    assert tiers_of(zoned("b", 1, 2), (), "a") == [zoned("b", 1, 2)]


def test_a_new_instance_gets_its_share_in_steps():
    new, old = Instance("10.0.0.1", 9000, 10), Instance("10.0.0.2", 9000, 10)
    balancer = slow_start(balancers["wrr"], {new.address: 1})([new, old], Random(1), Memory())
    counts = Counter(balancer.pick(call()).address for _ in range(110))
    assert counts == {new.address: 10, old.address: 100}
    assert slow_start(balancers["wrr"], {}) is balancers["wrr"]


@pytest.mark.parametrize(("age", "step"), [(0, 1), (2.9, 1), (6, 2), (29.9, 9), (30, 10), (99, 10)])
def test_the_steps_of_a_slow_start(age, step):
    assert step_at(age, 30) == step
