"""Long work in the reactor's thread, a slice in each of its turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sized
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

# The longest that a slice may take, in seconds.
SLICE = 0.002
# To look at so many things in one step takes less than half a millisecond.
FEW = 200


class Pause:
    """What work gives whose next step takes as long as a slice: that is the first of the next turn."""


PAUSE = Pause()


def before_many(things: Sized) -> Iterator[Pause]:
    """For work whose next step looks at all of these."""
    if len(things) > FEW:
        yield PAUSE


def in_slices(clock: Any, work: Iterator[Any], now: Callable[[], float] = time.perf_counter) -> Deferred[None]:
    """Exhaust an iterator, whose steps are short; fires when it is, or fails as it does.

    :param clock: an IReactorTime.
    """
    done: Deferred[None] = Deferred()

    def go_on() -> None:
        until = now() + SLICE
        try:
            for step in work:
                if step is PAUSE or now() >= until:
                    clock.callLater(0, go_on)
                    return
        except Exception:
            done.errback()
        else:
            done.callback(None)

    go_on()
    return done


def made_in_slices(clock: Any, work: Generator[Any, None, T]) -> Deferred[T]:
    """The same; fires with what the work returns."""
    made: list[T] = []

    def keep() -> Iterator[Any]:
        made.append((yield from work))

    return in_slices(clock, keep()).addCallback(lambda _: made[0])


def joined_in_slices(clock: Any, pieces: Iterator[bytes]) -> Deferred[bytes]:
    """The same; fires with all pieces as one."""
    made: list[bytes] = []
    return in_slices(clock, map(made.append, pieces)).addCallback(lambda _: b"".join(made))


class Shared(Generic[T]):
    """Makes something once for all who ask for it while it is being made."""

    def __init__(self, make: Callable[[], Deferred[T]]) -> None:
        self._make = make
        self._waiting: list[Deferred[T]] = []

    def __call__(self) -> Deferred[T]:
        waiting: Deferred[T] = Deferred(self._waiting_no_more)
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            self._make().addBoth(self._tell)
        return waiting

    def _waiting_no_more(self, waiting: Deferred[T]) -> None:
        if waiting in self._waiting:
            self._waiting[self._waiting.index(waiting)] = Deferred()

    def _tell(self, made: T | Failure) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(made)
