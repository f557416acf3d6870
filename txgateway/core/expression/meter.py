"""What a validation may cost: dear work within loops is paid for, and ends when the budget does.

Rules are linear in what the request holds, and reading the request has cost more. Two
things are not: a loop that looks at the same things once for each round of another, and a
loop over a function that looks at all of a long text or list each time. A loop that looks
at everything once has an allowance for each round, enough for a match of a short text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .results import Results
from .shapes import Composite, ListShape, ScalarShape, Shape

# A step is some 0.2 microseconds, so this is some 4 milliseconds: 20,000 rounds of an inner
# loop that compares numbers, or 380 telephone numbers.
BUDGET = 20_000
ALLOWANCE = 8
# What a call costs by itself, in steps.
PRICES = {"regexp": 8, "sprintf": 12, "email": 4, "phone": 60}
# In one step so many characters of a text are looked at.
_CHARACTERS = 64


class Exhausted(Exception):
    """The budget is spent. It never leaves the validator."""


class Meter:
    """Counts the steps of one validation."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = BUDGET

    def pay(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Exhausted

    def allow(self, items: Any, count: int) -> Any:
        """The items of a loop that looks at each once; its rounds bring their allowance."""
        self.left += count * ALLOWANCE
        return items

    def loop(self, items: Any, count: int, weight: int) -> Any:
        """The items of a loop, paid for: so many rounds, each of that weight."""
        self.pay(count * weight)
        return items

    def read(self, value: Any, price: int = 2) -> Any:
        """The same value, paid for by its size and by what is done with it: something looks at all of it."""
        if isinstance(value, str):
            self.pay(price + len(value) // _CHARACTERS)
        elif value.__class__ is Composite or value.__class__ is Results:
            self.pay(price + size(value, self.left))
        else:
            self.pay(price)
        return value


def size(value: Any, limit: int) -> int:
    """How much there is to look at in a value, counted up to about the limit."""
    if value.__class__ is Composite:
        return _composite_size(value.raw, value.shape, limit)
    if isinstance(value, str | bytes):
        return 1 + len(value) // _CHARACTERS
    parts: Iterable[Any] = ()
    if value.__class__ is Results:
        parts = value.items
    elif isinstance(value, dict):
        parts = (part for entry in value.items() for part in entry)
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    total = 1
    for part in parts:
        total += size(part, limit - total)
        if total > limit:
            break
    return total


def _composite_size(raw: Any, shape: Shape, limit: int) -> int:
    if isinstance(shape, ListShape) and isinstance(shape.element, ScalarShape) and shape.element.exact is not str:
        return 1 + len(raw or ())
    return size(raw, limit)
