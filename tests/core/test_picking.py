"""One service's balancers: one for each choice, and what they know stays."""

from __future__ import annotations

from collections import Counter
from random import Random

from txgateway.core.balancing import balancers
from txgateway.core.instances import Instance
from txgateway.core.message import Call
from txgateway.core.picking import Pickers
from txgateway.core.policy import Choice

balancers.load()

CALL = Call("svc", b"get", b"")
MEMBERS = [Instance(f"10.0.0.{number}", 9000, tags={"lane": "blue"} if number < 2 else {}) for number in range(4)]


def pickers(*choices: Choice) -> Pickers:
    made = Pickers(Random(1))
    made.keep(choices)
    made.rebuild(MEMBERS, (), {})
    return made


def test_equal_choices_share_a_balancer():
    made = pickers(Choice("p2c"))
    assert made[Choice("p2c")] is made[Choice("p2c")]
    assert made[Choice("p2c")] is not made[Choice("p2c", ("lane",))]


def test_without_instances_nobody_is_picked():
    assert Pickers(Random(1))[Choice("wrr")].pick(CALL) is None


def test_what_is_ejected_comes_last():
    made = pickers(Choice("wrr"))
    made.rebuild(MEMBERS, {MEMBERS[0].address}, {})
    balancer = made[Choice("wrr")]
    assert {balancer.pick(CALL) for _ in range(20)} == set(MEMBERS[1:])
    assert balancer.pick(CALL, MEMBERS[1:]) == MEMBERS[0]


def test_a_subset_is_left_for_nobody_better():
    made = pickers(Choice("wrr", ("lane",)))
    made.rebuild(MEMBERS, {MEMBERS[0].address, MEMBERS[1].address}, {})
    blue = Call("svc", b"get", b"", subset="blue")
    assert {made[Choice("wrr", ("lane",))].pick(blue) for _ in range(20)} == set(MEMBERS[:2])


def test_a_slow_start_weighs_less_but_not_on_a_ring():
    made = pickers(Choice("wrr"), Choice("hash"))
    made.rebuild(MEMBERS, (), {MEMBERS[0].address: 1})
    counts = Counter(made[Choice("wrr")].pick(CALL).address for _ in range(31))
    assert counts[MEMBERS[0].address] == 1
    assert made[Choice("hash")].pick(Call("svc", b"get", b"", hash_key=b"k")) in MEMBERS


def test_what_a_balancer_knows_outlives_a_change():
    made = pickers(Choice("ewma"))
    balancer = made[Choice("ewma")]
    balancer.began(MEMBERS[0])
    balancer.ended(MEMBERS[0], 1.0, 0.5)
    made.rebuild(MEMBERS[:2], (), {})
    assert made.cost(MEMBERS[0]) == 0.5
    made.keep([Choice("wrr")])
    made.keep([Choice("ewma")])
    assert made.cost(MEMBERS[0]) == 0.0


def test_who_comes_back_from_an_ejection_is_new():
    made = pickers(Choice("ewma"))
    balancer, first = made[Choice("ewma")], MEMBERS[0]
    for each in MEMBERS:
        balancer.began(each)
        balancer.ended(each, 1.0, 5.0 if each == first else 0.001)
    made.rebuild(MEMBERS, {first.address}, {})
    assert made.cost(first) == 5.0
    made.rebuild(MEMBERS, (), {})
    assert made.cost(first) == 0.0
    assert [made.cost(each) for each in MEMBERS[1:]] == [0.001] * 3


def test_there_is_work_for_a_big_ring_alone():
    assert list(pickers(Choice("wrr"), Choice("hash")).work()) == []
    made = pickers(Choice("hash"))
    made.rebuild([Instance(f"10.0.1.{number}", 9000) for number in range(50)], (), {})
    assert len(list(made.work())) > 50
