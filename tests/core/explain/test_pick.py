"""Whom a call goes to, foretold from what is known of a service's instances."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from txgateway.core.balancing import balancers
from txgateway.core.balancing.subsets import BETWEEN_TAGS
from txgateway.core.explain.pick import MOST_INSTANCES, Seen, hints, tell_pick
from txgateway.core.explain.story import PickStory
from txgateway.core.health.standing import Governance
from txgateway.core.instances import Instance
from txgateway.core.message import Call
from txgateway.core.picking import Pickers
from txgateway.core.policy import Choice, Policy

balancers.load()

LIVE = {"state": "live", "breaker": None, "last_error": None, "in_flight": 0}


def call(balancer: str = "wrr", key: bytes = b"", subset: str = "", **choice: Any) -> Call:
    return Call("book", b"ask", b"\0", policy=Policy(choice=Choice(balancer, **choice)), hash_key=key, subset=subset)


def instance(number: int, weight: int = 10, **tags: str) -> Instance:
    return Instance(f"10.0.0.{number}", 9000, weight, tags)


def excluded(pick: PickStory) -> dict[str, str]:
    return {each.address.partition(":")[0]: each.excluded for each in pick.candidates if each.excluded}


def shares(pick: PickStory) -> list[float | None]:
    return [each.share for each in pick.candidates]


@pytest.mark.parametrize("balancer", ["wrr", "iwrr", "random", "alias"])
def test_shares_are_those_of_the_weights(balancer):
    pick = tell_pick(call(balancer), Seen([instance(1, 30), instance(2, 10)]))
    assert shares(pick) == [0.75, 0.25]
    assert (pick.chosen, pick.available) == ("", True)
    assert pick.why.endswith(", among 2 instances")


@pytest.mark.parametrize("balancer", ["p2c", "ewma"])
def test_what_depends_on_load_has_no_share(balancer):
    pick = tell_pick(call(balancer), Seen([instance(1), instance(2)]))
    assert shares(pick) == [None, None]
    assert pick.why.startswith("of two drawn by chance")


def test_a_balancer_from_elsewhere_is_named():
    assert tell_pick(call("mine"), Seen([instance(1), instance(2)])).why == "by the balancer mine, among 2 instances"


def test_the_only_instance_is_the_one():
    pick = tell_pick(call("ewma"), Seen([instance(1)]))
    assert (pick.chosen, shares(pick)) == ("10.0.0.1:9000", [1.0])
    assert pick.why.endswith("it is the only one")


@settings(max_examples=30)
@given(some.binary(min_size=1, max_size=8), some.lists(some.integers(1, 5), min_size=1, max_size=6))
def test_the_owner_of_a_key_is_whom_the_balancer_picks(key: bytes, weights: list[int]) -> None:
    instances = [instance(number, weight) for number, weight in enumerate(weights)]
    pickers = Pickers(Random(1))
    pickers.rebuild(instances, (), {})
    balancer = pickers[Choice("hash")]
    for _ in balancer.work():
        pass
    picked = balancer.pick(call("hash", key))
    assert picked is not None
    assert tell_pick(call("hash", key), Seen(instances)).chosen == picked.address


def test_a_call_without_a_key_goes_by_load():
    pick = tell_pick(call("hash"), Seen([instance(1), instance(2)]))
    assert pick.chosen == ""
    assert pick.why.startswith("the call has no key")


def test_tags_divide():
    instances = [instance(1, lane="blue"), instance(2, lane="green"), instance(3)]
    pick = tell_pick(call(subset="blue", tags=("lane",)), Seen(instances))
    assert pick.chosen == "10.0.0.1:9000"
    assert excluded(pick) == {"10.0.0.2": "it has not lane=blue", "10.0.0.3": "it has not lane=blue"}


def test_without_an_instance_of_the_subset_there_is_none_unless_any_will_do():
    instances = [instance(1, lane="blue")]
    wanted = BETWEEN_TAGS.join(("red", "b"))
    none = tell_pick(call(subset=wanted, tags=("lane", "zone")), Seen(instances))
    assert (none.available, none.why) == (False, "no instance has lane=red and zone=b")
    any_will_do = tell_pick(call(subset=wanted, tags=("lane", "zone"), tag_fallback=True), Seen(instances))
    assert any_will_do.available
    assert any_will_do.why.endswith("no instance has lane=red and zone=b, so any may take the call")


def test_who_is_ejected_suspect_or_elsewhere_comes_later():
    instances = [
        instance(1, zone="a"),
        instance(2, zone="b"),
        Instance("10.0.0.3", 9000, suspect=True),
        instance(4, zone="a"),
    ]
    error = {"what": "timed out", "seconds_ago": 3.2}
    standing = {"10.0.0.4:9000": {**LIVE, "state": "ejected", "last_error": error}}
    pick = tell_pick(call(), Seen(instances, standing, Governance(zone="a", panic=0.1)))
    # Half of our zone is out, so zones do not count.
    assert excluded(pick) == {
        "10.0.0.3": "its registration is in doubt: picked only if no better is left",
        "10.0.0.4": "ejected: picked only if no other is left",
    }
    assert [each.last_error for each in pick.candidates if each.state == "ejected"] == ["timed out, 3.2 s ago"]
    zoned = tell_pick(call(), Seen(instances[:2], {}, Governance(zone="a")))
    assert zoned.chosen == "10.0.0.1:9000"
    assert excluded(zoned) == {"10.0.0.2": "it is not in the zone 'a', but in 'b'"}


def test_where_too_many_are_ejected_ejections_do_not_count():
    standing = {f"10.0.0.{number}:9000": {**LIVE, "state": "ejected"} for number in (1, 2)}
    pick = tell_pick(call(), Seen([instance(1), instance(2), instance(3)], standing, Governance(panic=0.5)))
    assert excluded(pick) == {}
    assert pick.why.endswith("so many are ejected that ejections do not count")


def test_an_open_circuit_is_told_of():
    standing = {"10.0.0.1:9000": {**LIVE, "breaker": "open"}}
    pick = tell_pick(call(), Seen([instance(1), instance(2)], standing))
    assert excluded(pick) == {"10.0.0.1": "its circuit is open, so another is taken when it is picked"}
    assert pick.available


@pytest.mark.parametrize("balancer", ["wrr", "p2c", "hash"])
def test_the_next_is_told_of_and_shares_stay(balancer):
    members = [instance(1, 30), instance(2, 10)]
    told = tell_pick(call(balancer), Seen(members, next="10.0.0.2:9000"))
    assert told.chosen == "10.0.0.2:9000"
    assert told.why.endswith("among 2 instances; it is the next, if no other call comes first")
    assert shares(told) == shares(tell_pick(call(balancer), Seen(members)))


def test_an_owner_is_certain_and_no_turn_is_spoken_of():
    told = tell_pick(call("hash", b"key"), Seen([instance(1)], next="10.0.0.1:9000"))
    assert (told.chosen, "next" in told.why) == ("10.0.0.1:9000", False)


def test_a_next_one_with_an_open_circuit_or_that_left_is_not_promised():
    standing = {"10.0.0.1:9000": {**LIVE, "breaker": "open"}}
    for who in ("10.0.0.1:9000", "10.0.0.9:9000"):
        told = tell_pick(call(), Seen([instance(1), instance(2)], standing, next=who))
        assert (told.chosen, "next" in told.why) == ("", False)


def test_who_may_be_picked_comes_first_and_no_more_than_anybody_reads():
    instances = [instance(number) for number in range(100)]
    standing = {"10.0.0.0:9000": {**LIVE, "state": "ejected"}}
    pick = tell_pick(call(), Seen(instances, standing))
    assert len(pick.candidates) == MOST_INSTANCES
    assert pick.more == 50
    assert pick.candidates[0].address == "10.0.0.1:9000"


def test_no_instance_at_all():
    pick = tell_pick(call(), Seen([], hints=("look there",)))
    assert (pick.available, pick.chosen, pick.why, pick.hints) == (False, "", "there is no instance", ("look there",))


@pytest.mark.parametrize(
    ("known", "registries", "said"),
    [
        (["bok"], [], ["there are instances of 'bok'; a service's name is that of its IDL file, or its tgw.name"]),
        (["alpha", "zeta"], [], ["there are instances of alpha and zeta"]),
        ([], [], ["no service has an instance"]),
        (["book"], [], ["no service has an instance"]),
        (
            [],
            [{"kind": "etcd", "ready": False}],
            ["the registry etcd has not been read yet", "no service has an instance"],
        ),
        (
            [],
            [{"kind": "etcd", "ready": True, "prefixes": [{"trouble": "connection refused"}]}],
            ["the registry etcd is in trouble: connection refused", "no service has an instance"],
        ),
    ],
)
def test_what_may_be_wrong_where_there_is_none(known, registries, said):
    assert list(hints("book", known, registries)) == said


def test_of_very_many_services_a_few_are_named():
    (said,) = hints("book", [f"other{number:03}" for number in range(100)], [])
    assert said.endswith("other009 and 90 more")
