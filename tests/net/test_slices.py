"""Long work leaves the reactor its turns, and is done once for all who ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from txgateway.net.slices import FEW, SLICE, Shared, before_many, in_slices, made_in_slices


class Work:
    """Each step takes a third of a slice, and a little."""

    def __init__(self, steps: int) -> None:
        self.time = 0.0
        self.done: list[int] = []
        self._steps = steps

    def now(self) -> float:
        return self.time

    def __iter__(self):
        for step in range(self._steps):
            self.time += SLICE / 3 + 0.0001
            self.done.append(step)
            yield


class Turns:
    """Keeps what is to be called in the reactor's next turn."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def callLater(self, delay: float, function: Callable[[], None]) -> None:
        assert delay == 0
        self.waiting.append(function)


def test_a_slice_ends_when_its_time_has_passed_and_the_next_comes_with_the_next_turn():
    turns, work = Turns(), Work(8)
    finished: list[None] = []
    in_slices(turns, iter(work), work.now).addCallback(finished.append)
    done = [len(work.done)]
    while turns.waiting:
        assert not finished
        turns.waiting.pop()()
        done.append(len(work.done))
    assert done == [3, 6, 8]
    assert finished == [None]


def test_a_long_step_is_the_first_of_its_turn_and_the_end_is_told_with_what_was_made():
    turns, made, steps = Turns(), [], []

    def work():
        steps.append("short")
        yield from before_many(range(FEW))
        steps.append("short too")
        yield from before_many(range(FEW + 1))
        steps.append("long")
        return "made"

    made_in_slices(turns, work()).addCallback(made.append)
    assert (steps, made) == (["short", "short too"], [])
    turns.waiting.pop()()
    assert (steps, made, turns.waiting) == (["short", "short too", "long"], ["made"], [])


def test_a_failure_ends_it():
    def work():
        yield
        raise ValueError("broken")

    failures = []
    in_slices(Clock(), work()).addErrback(failures.append)
    assert failures[0].check(ValueError)


def test_all_who_ask_meanwhile_get_the_same():
    made: list[Deferred[str]] = []
    shared = Shared(lambda: made.append(Deferred()) or made[-1])
    got: list[str] = []
    for _ in range(3):
        shared().addCallback(got.append)
    assert len(made) == 1
    made[0].callback("first")
    assert got == ["first"] * 3
    shared().addCallback(got.append)
    made[1].callback("second")
    assert got[3:] == ["second"]


def test_one_who_goes_does_not_end_it_for_the_others():
    made: list[Deferred[str]] = []
    shared = Shared(lambda: made.append(Deferred()) or made[-1])
    gone, got = shared(), []
    gone.addErrback(lambda failure: failure.trap(CancelledError) and None)
    gone.cancel()
    shared().addCallback(got.append)
    made[0].callback("made")
    assert (len(made), got) == (1, ["made"])


def test_a_failure_reaches_all():
    made: Deferred[str] = Deferred()
    shared = Shared(lambda: made)
    failures: list = []
    for _ in range(2):
        shared().addErrback(failures.append)
    made.errback(ValueError("broken"))
    assert [failure.check(ValueError) for failure in failures] == [ValueError] * 2


def test_what_is_made_at_once_is_given_at_once():
    with pytest.raises(AttributeError):
        Shared(lambda: Deferred())().result  # noqa: B018
    made: Deferred[str] = Deferred()
    made.callback("now")
    assert Shared(lambda: made)().result == "now"
