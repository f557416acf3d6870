"""What is served is out of the garbage collector's sight, all else is in it, and what is replaced goes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.reloading import METHODS, idl
from txgateway.core.loading import OBJECTS_OF_METHOD, Loader, Root
from txgateway.net.mapping.heap import Heap


class Ring:
    """Goes only when the collector has seen it."""

    def __init__(self) -> None:
        self.ring = self


class Part:
    """Holds circles, and is in none."""

    def __init__(self) -> None:
        self.ring = Ring()
        self.own: Any = type("Own", (), {"ring": Ring()})


@pytest.fixture
def heap() -> Iterator[Heap]:
    heap = Heap()
    heap.settle()
    yield heap
    gc.unfreeze()


def is_seen(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


def keep(heap: Heap, part: object) -> None:
    """Hides it at once."""
    heap.keep(part, 10_000_000, circles=True)


def test_a_part_is_hidden_with_all_that_it_holds_and_nothing_else_is(heap):
    other, part = Ring(), Part()
    keep(heap, part)
    assert not any(is_seen(each) for each in (part.ring, part.own, part.own.ring))
    assert is_seen(other)


def test_what_a_part_was_made_of_goes_once_nobody_holds_it(heap):
    part, stays = Part(), Part()
    keep(heap, part)
    keep(heap, stays)
    gone = [weakref.ref(each) for each in (part.ring, part.own, part.own.ring)]
    del part
    assert heap.has_garbage
    # The collector does not see it, so without the heap it would stay for ever.
    gc.collect()
    assert all(each() is not None for each in gone)
    heap.collect()
    assert all(each() is None for each in gone)
    assert not heap.has_garbage
    assert not is_seen(stays.ring)


def test_what_is_still_in_use_stays_until_it_is_not(heap):
    part = Part()
    keep(heap, part)
    in_use, ring = part.own, weakref.ref(part.own.ring)
    del part
    heap.collect()
    assert in_use.ring is ring()
    assert is_seen(in_use)
    del in_use
    gc.collect()
    assert ring() is None


def test_what_has_no_circles_goes_at_once(heap):
    part = Part()
    part.ring, part.own = {1}, None
    heap.keep(part, 10_000_000, circles=False)
    gone = weakref.ref(part.ring)
    del part
    assert gone() is None
    assert not heap.has_garbage


def test_nothing_is_hidden_before_it_is_worth_it(heap):
    first, second = Part(), Part()
    heap.keep(first, heap.ENOUGH - 1, circles=True)
    assert is_seen(first.ring)
    keep(heap, second)
    assert not is_seen(first.ring)
    assert not is_seen(second.ring)


def test_a_part_that_is_gone_before_it_is_hidden_is_no_matter(heap):
    part = Part()
    heap.keep(part, 1, circles=True)
    del part
    keep(heap, Part())
    heap.collect()
    assert not heap.has_garbage


def test_settling_hides_everything(heap):
    ring = Ring()
    heap.settle()
    assert not is_seen(ring)


class World:
    """A loader whose services all change at a time, and whoever serves its mapping."""

    def __init__(self, heap: Heap, services: int) -> None:
        self.loader = Loader(keep=heap.keep)
        self.heap = heap
        self.services = services

    def serve(self, version: int) -> None:
        texts = {f"s{number}.thrift": idl(number, version) for number in range(self.services)}
        self.loaded = self.loader.load([Root(path, texts.__getitem__) for path in texts])
        self.loader.served(self.loaded)

    def tidy(self) -> None:
        while self.heap.has_garbage:
            self.heap.collect()


def test_mappings_come_and_go_and_leave_nothing_in_sight_or_out_of_it(heap):
    world = World(heap, 4)
    world.serve(0)
    heap.settle()
    heap.ENOUGH = OBJECTS_OF_METHOD
    every, seen = [], []
    for version in range(1, 5):
        old = [weakref.ref(plan) for service in world.loaded.services.values() for plan, _ in service.calls.values()]
        world.serve(version)
        world.tidy()
        assert all(plan() is None for plan in old)
        seen.append(len(gc.get_objects()))
        every.append(seen[-1] + gc.get_freeze_count())
    assert max(every) - min(every) < OBJECTS_OF_METHOD
    assert max(seen) < world.services * METHODS * OBJECTS_OF_METHOD / 4


def test_a_part_is_made_of_no_more_than_is_thought(heap):
    """Or it holds something that is none of its own, and hides that as well."""
    world = World(heap, 3)
    world.serve(0)
    heap.settle()
    world.serve(1)
    services = list(map(len, heap._dropped))
    assert len(services) == 3
    assert all(METHODS * OBJECTS_OF_METHOD / 3 < size < METHODS * OBJECTS_OF_METHOD * 3 for size in services)
