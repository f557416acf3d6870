"""Keeps what is served out of the garbage collector's sight, and gives back what is no longer."""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, filterfalse
from operator import attrgetter, itemgetter
from types import BuiltinMethodType, CellType, FunctionType, MappingProxyType, MethodType
from typing import Any

from twisted.logger import Logger

log = Logger()


def _c_function(name: str) -> Callable[[Any], None]:
    """A function of Python's C interface that takes an object; ``gc`` and ``sys`` have none of those below."""
    function = getattr(ctypes.pythonapi, name)
    function.argtypes, function.restype = [ctypes.py_object], None
    found: Callable[[Any], None] = function
    return found


# Out of the collector's lists, and into that of the youngest.
_untrack, _track = _c_function("PyObject_GC_UnTrack"), _c_function("PyObject_GC_Track")
_hold, _let_go = _c_function("Py_IncRef"), _c_function("Py_DecRef")

# What a mapping is made of, besides what `core` has classes for: the part ends where anything else begins.
_CORE = "txgateway.core."
_PLAIN = frozenset(
    {
        *(tuple, list, dict, set, frozenset, MappingProxyType, staticmethod, itemgetter, attrgetter, partial),
        *(FunctionType, MethodType, BuiltinMethodType, CellType, weakref.ref),
    }
)


class Heap:
    """Hides the parts of mappings from the garbage collector as long as they are held.

    The collector looks through everything that lives long now and then, for a microsecond an object in which all
    else waits: a method has 500, so 2,000 methods took 1.2 s, and hidden 7 ms. Nor can it be done without: each class
    is a circle, so a replaced version goes only when the collector has seen it, and what is frozen it never sees.

    So a part is walked through once and taken out of the collector's lists, and put back when nobody holds it
    any more: part by part, so that no collection has much to look through. Meanwhile everything that is hidden is
    held here, for what is freed has to be in those lists. Whatever a hidden object refers to from without stays
    as it is, and to the collector it is in use.

    :param breathe: called between two pieces of work.
    """

    # As many are moved at a time, in 0.2 ms.
    AT_ONCE = 1000
    # A part of more objects holds what is none of its own, and is left alone.
    MOST = 2_000_000

    def __init__(self, breathe: Callable[[], None] = lambda: None) -> None:
        self._breathe = breathe
        # What parts were made of that nobody holds any more; those without circles hold others, so they come first.
        self._straight: deque[list[Any]] = deque()
        self._circular: deque[list[Any]] = deque()
        # The addresses of the modules' dictionaries, for so many modules.
        self._modules, self._globals = 0, frozenset[int]()

    def settle(self) -> None:
        """Whatever was imported and made so far stays: for the time before requests come."""
        gc.collect()
        gc.freeze()

    def keep(self, part: object, *, circles: bool) -> None:
        """Hide this until nobody holds it any more; see ``core.loading.Keep``.

        :param part: nothing that it holds may hold it.
        """
        hidden = self._made_of(part)
        dropped = self._circular if circles else self._straight
        # The list itself as well, or the collector would look at all that it holds. It is held once more, so
        # that nothing of it is freed when the process ends, in whatever order.
        _hold(hidden)
        _untrack(hidden)
        for some in self._pieces(hidden):
            deque(map(_untrack, some), maxlen=0)
        weakref.finalize(part, dropped.append, hidden).atexit = False

    @property
    def garbage(self) -> int:
        """How many parts are to be given back."""
        return len(self._straight) + len(self._circular)

    @property
    def has_garbage(self) -> bool:
        return self.garbage > 0

    def collect(self) -> None:
        """Give back what one part was made of that nobody holds any more."""
        if self.has_garbage:
            hidden = (self._straight or self._circular).popleft()
            self._show(hidden)
            _let_go(hidden)
            del hidden
            gc.collect(0)

    def _made_of(self, part: object) -> list[Any]:
        """What the part holds, and what that holds, as far as the collector sees it."""
        found, known, kinds = [part], {id(part), *self._globals_of_modules()}, _Kinds()
        begin = 0
        while begin < len(found):
            some = found[begin : begin + self.AT_ONCE]
            begin += len(some)
            found += _unknown(_held_by(some), known, kinds)
            if len(found) > self.MOST:
                log.warn("a part of the mapping holds more than {most} objects, and is not hidden", most=self.MOST)
                return []
            self._breathe()
        return found[1:]

    def _globals_of_modules(self) -> frozenset[int]:
        modules = list(sys.modules.values())
        if len(modules) != self._modules:
            self._modules, self._globals = len(modules), frozenset(id(vars(module)) for module in modules)
        return self._globals

    def _show(self, objects: Sequence[Any]) -> None:
        for some in self._pieces(objects):
            # A dictionary that got a value has put itself back; no other thread comes in between here.
            deque(map(_track, filterfalse(gc.is_tracked, some)), maxlen=0)

    def _pieces(self, objects: Sequence[Any]) -> Iterator[Sequence[Any]]:
        for start in range(0, len(objects), self.AT_ONCE):
            yield objects[start : start + self.AT_ONCE]
            self._breathe()


def _held_by(objects: Sequence[Any]) -> Iterable[Any]:
    # Each class is known to the one that it is derived from by a weak reference, which it does not hold.
    weak = chain.from_iterable(weakref.getweakrefs(each) for each in objects if isinstance(each, type))
    return chain(gc.get_referents(*objects), weak)


def _unknown(objects: Iterable[Any], known: set[int], kinds: _Kinds) -> list[Any]:
    """Those that may be part of a mapping, and are not known by their address; they are from then on."""
    found = {id(each): each for each in filter(gc.is_tracked, objects)}
    for address in known.intersection(found):
        del found[address]
    known.update(found)
    return [each for each in found.values() if (may_be := kinds[type(each)]) is True or (may_be and may_be(each))]


class _Kinds(dict[type, "bool | Callable[[Any], bool]"]):
    """Whether things of a class may be part of a mapping, or what says so of each; found out once for a class."""

    def __missing__(self, kind: type) -> bool | Callable[[Any], bool]:
        found: bool | Callable[[Any], bool]
        if issubclass(kind, type):
            found = _is_made
        elif kind is weakref.ref:
            # The collector takes one that calls back from one of its lists to another.
            found = _is_silent
        else:
            found = kind in _PLAIN or kind.__module__.startswith(_CORE) or _is_made(kind)
        self[kind] = found
        return found


def _is_silent(reference: weakref.ref[Any]) -> bool:
    return reference.__callback__ is None


def _is_made(kind: type) -> bool:
    """Whether nobody wrote this class: it was made of an IDL, and no module knows it."""
    return getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind
