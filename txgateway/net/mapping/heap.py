"""Keeps what is served out of the garbage collector's sight, and gives back what is no longer."""

from __future__ import annotations

import ctypes
import gc
import operator
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

# Two functions of Python's C interface, of which ``gc`` has no equal: out of the collector's
# lists, and into the list of the youngest. What they do is as safe as any collection.
_untrack, _track = ctypes.pythonapi.PyObject_GC_UnTrack, ctypes.pythonapi.PyObject_GC_Track
for _function in (_untrack, _track):
    _function.argtypes, _function.restype = [ctypes.py_object], None

# Objects that a method and a route take, about; they need not be exact.
METHOD, ROUTE = 400, 8


class Heap:
    """Hides the parts of mappings from the garbage collector as long as they are held.

    The collector looks through everything that lives long now and then, for 0.3 µs an object in which all
    else waits: a method has 400, so 2,000 methods make half a second. Nor can it be done without: each class is
    a circle, so a replaced version goes only when the collector has seen it.

    ``gc.freeze`` hides all that there is at a moment, for good. So it is called while little is seen but a new
    part, whatever is not of that part is shown again at once, and what the part was made of is shown again
    when nobody holds it any more: part by part, so that no collection has much to look through.

    :param breathe: called between two pieces of work.
    """

    # Parts are hidden once so many objects wait for it. The collector looks through them in 2 ms.
    ENOUGH = 5000
    # As many are moved at a time, in 0.4 ms.
    AT_ONCE = 1000

    def __init__(self, breathe: Callable[[], None] = lambda: None) -> None:
        self._breathe = breathe
        # Parts that are in sight, and whether they have circles.
        self._waiting: list[tuple[weakref.ref[Any], bool]] = []
        self._size = 0
        # How much was in sight besides the last time, which is looked through at every hiding.
        self._others = 0
        self._dropped: deque[list[Any]] = deque()

    def settle(self) -> None:
        """Whatever was imported and made so far stays: for the time before requests come, and parts change."""
        if self._waiting:
            self._hide()
        gc.collect()
        gc.freeze()
        self._others = 0

    def keep(self, part: object, objects: int, *, circles: bool) -> None:
        """Hide this, once there is enough to be hidden, until nobody holds it any more; see ``core.loading.Keep``.

        :param part: nothing that it holds may hold it.
        """
        self._waiting.append((weakref.ref(part), circles))
        self._size += objects
        if self._size >= max(self.ENOUGH, self._others):
            self._hide()

    @property
    def has_garbage(self) -> bool:
        return bool(self._dropped)

    def collect(self) -> None:
        """Give back what one part was made of that nobody holds any more."""
        if self._dropped:
            self._show(self._dropped.popleft())
            gc.collect(0)

    def _hide(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        parts = [(part, circles) for reference, circles in waiting if (part := reference()) is not None]
        # In one step: what another thread made in between would be hidden, and never shown.
        steps: tuple[Callable[[], Any], ...] = (gc.get_objects, gc.freeze)
        seen, _ = map(operator.call, steps)
        left = {id(each): each for each in seen}
        del seen
        for part, circles in parts:
            left.pop(id(part), None)
            hidden = [*self._made_of(part, left)]
            if circles:
                # Or the collector would look at all that it holds.
                _untrack(hidden)
                weakref.finalize(part, self._dropped.append, hidden).atexit = False
        others = list(left.values())
        self._others = len(others)
        del left
        self._show(others)
        del others
        # What making the parts has left behind is among them; whatever it holds could not be given back before it.
        gc.collect(0)

    def _made_of(self, part: object, left: dict[int, Any]) -> Iterator[Any]:
        """Takes what the part holds, and what that holds, out of what is left."""
        found: list[Any] = [part]
        while found:
            # Each class is known to the one that it is derived from by a weak reference, which the part does not hold.
            weak = chain.from_iterable(weakref.getweakrefs(each) for each in found if isinstance(each, type))
            reached = chain(gc.get_referents(*found), weak)
            found = [each for each in reached if left.pop(id(each), None) is not None]
            yield from found
            self._breathe()

    def _show(self, objects: Sequence[Any]) -> None:
        for start in range(0, len(objects), self.AT_ONCE):
            some = objects[start : start + self.AT_ONCE]
            # In one step as well: a dictionary that gets a value in between would be tracked twice, which is fatal.
            deque(chain(map(_untrack, some), map(_track, some)), maxlen=0)
            self._breathe()
