"""What is served is out of the garbage collector's sight, all else is in it, and what is replaced goes."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest

from benchmarks.reloading import METHODS, idl
from txgateway.core.loading import Loader, Root
from txgateway.net.mapping.heap import Heap


def ring() -> Any:
    """Something that only the collector can free: one of a class that was made while the program runs, as an IDL's."""
    made = type("Made", (), {})()
    made.ring = made
    return made


class Part:
    """Holds circles, and is in none."""

    def __init__(self) -> None:
        self.ring = ring()
        self.own: Any = type("Own", (), {"ring": ring()})


@pytest.fixture
def heap() -> Heap:
    heap = Heap()
    heap.settle()
    gc.unfreeze()
    return heap


def is_seen(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


def test_a_part_is_hidden_with_all_that_it_holds_and_nothing_else_is(heap):
    other, part = ring(), Part()
    heap.keep(part, circles=True)
    assert not any(is_seen(each) for each in (part.ring, part.own, part.own.ring))
    assert is_seen(other)
    assert is_seen(Part)


def test_what_a_part_was_made_of_goes_once_nobody_holds_it(heap):
    part, stays = Part(), Part()
    heap.keep(part, circles=True)
    heap.keep(stays, circles=True)
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
    heap.keep(part, circles=True)
    in_use, ring = part.own, weakref.ref(part.own.ring)
    del part
    heap.collect()
    assert in_use.ring is ring()
    assert is_seen(in_use)
    del in_use
    gc.collect()
    assert ring() is None


def test_what_two_parts_hold_outlives_the_first_of_them(heap):
    one, two = Part(), Part()
    one.ring.both = two.ring.both = ring()
    both = weakref.ref(one.ring.both)
    heap.keep(one, circles=True)
    heap.keep(two, circles=True)
    del one
    heap.collect()
    gc.collect()
    assert two.ring.both is both()
    del two
    heap.collect()
    gc.collect()
    assert both() is None


def test_what_changes_while_it_is_hidden_is_given_back_like_the_rest(heap):
    part = Part()
    part.own.table = {}
    heap.keep(part, circles=True)
    # Python itself puts a dictionary into the collector's sight that is given such a value.
    part.own.table["ring"] = part.own.later = ring()
    gone = [weakref.ref(each) for each in (part.own, part.own.later)]
    del part
    heap.collect()
    gc.collect()
    assert all(each() is None for each in gone)


def test_a_weak_reference_of_a_part_calls_back_when_something_else_goes(heap):
    """The collector takes such references from list to list, so none may be hidden."""
    part, other, called = Part(), ring(), []
    part.ring.watched = weakref.ref(other, called.append)
    heap.keep(part, circles=True)
    del other
    gc.collect()
    assert called == [part.ring.watched]


def test_what_holds_others_is_given_back_before_them(heap):
    part, holder = Part(), Part()
    own = weakref.ref(part.own)
    holder.own, holder.ring = [[part.own, part.ring]], None
    heap.keep(part, circles=True)
    heap.keep(holder, circles=False)
    assert not is_seen(holder.own)
    del part
    del holder
    while heap.has_garbage:
        heap.collect()
    assert own() is None


def test_what_is_too_large_to_be_a_part_is_left_alone(heap):
    heap.MOST = 3
    part = Part()
    heap.keep(part, circles=True)
    assert is_seen(part.ring)
    del part
    heap.collect()


def test_settling_hides_everything():
    part = Part()
    Heap().settle()
    assert not is_seen(part)
    gc.unfreeze()


def _printed_by(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_process_ends_well_with_parts_hidden():
    """Python frees what is left in an order of its own, which must not hit what is in no list of the collector's."""
    program = """
import gc, sys, tests.net.mapping.test_heap as here
heap = here.Heap()
heap.settle()
parts = [here.Part() for _ in range(100)]
for part in parts:
    part.function = lambda: part
    heap.keep(part, circles=True)
del parts[50:], part
heap.collect()
print("well")
"""
    assert _printed_by(program) == "well\n"


class World:
    """A loader whose services all change at a time, and whoever serves its mapping."""

    def __init__(self, heap: Heap, services: int) -> None:
        self.sizes: list[int] = []
        self.loader = Loader(keep=self._keep)
        self.heap = heap
        self.services = services

    def _keep(self, part: object, *, circles: bool) -> None:
        before = len(gc.get_objects())
        self.heap.keep(part, circles=circles)
        self.sizes.append(before - len(gc.get_objects()))

    def serve(self, version: int) -> None:
        texts = {f"s{number}.thrift": idl(number, version) for number in range(self.services)}
        self.loaded = self.loader.load([Root(path, texts.__getitem__) for path in texts])
        self.loader.served(self.loaded)

    def tidy(self) -> None:
        while self.heap.has_garbage:
            self.heap.collect()


def test_mappings_come_and_go_and_leave_nothing_behind():
    """In a process of its own: what else runs in this one makes and frees some dozen objects at times of its own."""
    program = """
import gc, weakref, tests.net.mapping.test_heap as here
world = here.World(here.Heap(), 4)
# What is made once, such as a parser, is there then.
world.serve(0)
world.heap.settle()
for version in range(1, 9):
    plans = [weakref.ref(plan) for service in world.loaded.services.values() for plan, _ in service.calls.values()]
    world.serve(version)
    world.tidy()
    gc.collect()
    print(sum(plan() is not None for plan in plans), len(gc.get_objects()))
"""
    lines = [tuple(map(int, line.split())) for line in _printed_by(program).splitlines()]
    assert [plans for plans, _ in lines] == [0] * 8
    objects = [count for _, count in lines]
    # Policies that did not change are handed on from one version to the next, so every other one has its own to hide.
    # One object that each of the four files left would be 24 from the first to the last.
    assert abs(objects[6] - objects[0]) < 8
    assert abs(objects[7] - objects[1]) < 8


def test_a_part_of_a_mapping_holds_nothing_that_is_none_of_its_own(heap):
    world = World(heap, 3)
    world.serve(0)
    world.sizes.clear()
    heap.settle()
    gc.disable()
    world.serve(1)
    gc.enable()
    gc.unfreeze()
    *services, mapping = world.sizes
    assert len(services) == 3
    assert all(METHODS * 200 < size < METHODS * 1000 for size in services)
    assert METHODS < mapping < METHODS * 100
