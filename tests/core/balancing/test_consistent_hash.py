"""Consistent hashing: stable, and a change moves only what it must."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.balancing import Memory
from txgateway.core.balancing.consistent_hash import (
    MAX_VIRTUAL_NODES,
    Hashes,
    RingBuilder,
    consistent_hash,
    stable_hash,
    virtual_nodes,
)
from txgateway.core.instances import Instance
from txgateway.core.message import Call

KEYS = [b"user-%d" % number for number in range(200)]


def call(key: bytes) -> Call:
    return Call("book", b"queryBook", b"\0", hash_key=key)


def members(count: int, weight: int = 10) -> list[Instance]:
    return [Instance(f"10.0.{number >> 8}.{number & 255}", 9000, weight) for number in range(count)]


def finished(instances, memory=None):
    balancer = consistent_hash(instances, Random(1), memory or Memory())
    for _ in balancer.work():
        pass
    return balancer


def picks(balancer, exclude=()):
    return [balancer.pick(call(key), exclude) for key in KEYS]


def test_the_hash_is_the_same_in_every_process():
    assert stable_hash(b"10.0.0.1:8888#0") == 0x7A3F4D82F1D0661A
    picked = picks(finished(members(5)))[:6]
    assert [each.host[-1] for each in picked] == ["1", "4", "1", "1", "2", "4"]


@given(count=st.integers(2, 12), data=st.data())
def test_a_change_moves_only_what_it_must(count, data):
    everybody = members(count)
    before = picks(finished(everybody))
    gone = data.draw(st.sampled_from(everybody))
    after = picks(finished([each for each in everybody if each != gone]))
    assert all(one == other for one, other in zip(before, after, strict=True) if one != gone)
    more = picks(finished([*everybody, Instance("10.9.9.9", 9000)]))
    assert all(one == other or other.host == "10.9.9.9" for one, other in zip(before, more, strict=True))


@given(count=st.integers(2, 12), data=st.data())
def test_an_excluded_instance_hands_on_its_keys_as_if_it_had_left(count, data):
    everybody = members(count)
    gone = data.draw(st.sampled_from(everybody))
    without = finished([each for each in everybody if each != gone])
    assert picks(finished(everybody), (gone,)) == picks(without)


def test_without_a_key_calls_are_spread():
    balancer = finished(members(3))
    assert {balancer.pick(call(b"")) for _ in range(100)} == set(members(3))
    balancer.began(members(3)[0])
    balancer.ended(members(3)[0], 1.0, 0.1)


def test_while_a_big_ring_is_made_the_one_before_serves():
    memory = Memory()
    before = picks(finished(members(100), memory))
    fewer = members(100)[:-1]
    unfinished = consistent_hash(fewer, Random(1), memory)
    during = picks(unfinished)
    slices = sum(1 for _ in unfinished.work())
    assert slices > 256
    assert picks(unfinished) == during
    assert [a for a, b in zip(before, during, strict=True) if a != b] == [a for a in before if a not in fewer]


def test_the_first_big_ring_is_preceded_by_chance():
    balancer = consistent_hash(members(100), Random(1), Memory())
    assert len({balancer.pick(call(b"one key")) for _ in range(50)}) > 10
    for _ in balancer.work():
        pass
    assert len({balancer.pick(call(b"one key")) for _ in range(50)}) == 1


def test_a_ring_has_an_end_whatever_the_weights():
    weighty = [Instance(f"10.0.0.{n}", 9000, weight) for n, weight in enumerate((1, 9_999_991, 10_000_019))]
    counts = virtual_nodes(weighty)
    assert sum(counts.values()) <= MAX_VIRTUAL_NODES + len(weighty)
    assert min(counts.values()) == 1


def test_known_hashes_are_not_computed_again():
    hashes: Hashes = {}
    for _ in RingBuilder({"a": 300}, hashes).slices():
        pass
    first = list(hashes["a"])
    for _ in RingBuilder({"a": 500}, hashes).slices():
        pass
    assert list(hashes["a"][:300]) == first
    assert len(hashes["a"]) == 500
