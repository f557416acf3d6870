"""Tag subsets and tiers: balancers made of balancers."""

from __future__ import annotations

from random import Random

import pytest

from txgateway.core.balancing import Memory, balancers
from txgateway.core.balancing.subsets import subsets
from txgateway.core.balancing.tiers import build_tiers
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
    balancer = subsets(balancers[name], "lane")(EVERYBODY, Random(1), Memory())
    assert picked(balancer, "blue") == {BLUE, BLUE_TOO}
    assert picked(balancer, "green") == {GREEN}
    assert picked(balancer) == {PLAIN}
    assert picked(balancer, "red") == {None}
    assert picked(balancer, "green", {GREEN}) == {None}


def test_with_a_fallback_an_empty_subset_is_everybody():
    balancer = subsets(balancers["p2c"], "lane", fall_back=True)(EVERYBODY, Random(1), Memory())
    assert picked(balancer, "red") == set(EVERYBODY)
    assert picked(balancer, "green") == {GREEN}
    assert GREEN not in picked(balancer, "green", {GREEN})


def test_subsets_nest():
    canary = Instance("10.0.0.5", 9000, tags={"lane": "blue", "canary": ""})
    both = subsets(subsets(balancers["wrr"], "lane"), "lane")([*EVERYBODY, canary], Random(1), Memory())
    assert picked(both, "blue") == {BLUE, BLUE_TOO, canary}


def test_a_subset_and_everybody_see_the_same_load():
    balancer = subsets(balancers["p2c"], "lane", fall_back=True)(EVERYBODY, Random(1), Memory())
    for each in (BLUE, BLUE_TOO, PLAIN):
        balancer.began(each)
    assert picked(balancer, "red", {PLAIN, BLUE}) == {GREEN}


def test_a_later_tier_waits_for_the_earlier_ones_to_be_tried():
    balancer = build_tiers([[BLUE, BLUE_TOO], [], [GREEN]], Random(1), Memory(), balancers["wrr"])
    assert picked(balancer) == {BLUE, BLUE_TOO}
    assert picked(balancer, exclude={BLUE}) == {BLUE_TOO}
    assert picked(balancer, exclude={BLUE, BLUE_TOO}) == {GREEN}
    assert picked(balancer, exclude={BLUE, BLUE_TOO, GREEN}) == {None}


def test_an_instance_takes_its_load_along_into_another_tier():
    memory = Memory()
    balancer = build_tiers([[BLUE, BLUE_TOO], [GREEN]], Random(1), memory, balancers["p2c"])
    balancer.began(GREEN)
    after = build_tiers([[BLUE, BLUE_TOO, GREEN]], Random(1), memory, balancers["p2c"])
    assert GREEN not in picked(after)
    balancer.ended(GREEN, 1.0, 0.1)
    assert GREEN in picked(after)


def test_one_tier_is_no_more_than_its_balancer():
    one = build_tiers([[], [BLUE]], Random(1), Memory(), balancers["wrr"])
    assert type(one) is type(balancers["wrr"]([BLUE], Random(1), Memory()))
    assert build_tiers([], Random(1), Memory(), balancers["wrr"]).pick(call()) is None
