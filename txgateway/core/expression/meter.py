"""What the evaluation of rules may cost: loops in loops are paid for, and end when the budget does."""

from __future__ import annotations

from typing import Any

from .shapes import Composite
from .values import Results

# In steps of a few hundred nanoseconds at worst: some milliseconds for a whole request.
BUDGET = 20_000
# A step looks at so many characters of a text.
CHARACTERS = 32


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

    def loop(self, items: Any, count: int, weight: int) -> Any:
        """The items of a loop, paid for: so many rounds, each of that weight."""
        self.pay(count * weight)
        return items

    def read(self, value: Any) -> Any:
        """The same value, paid for by its size: something is about to look at all of it."""
        if isinstance(value, str):
            self.pay(len(value) // CHARACTERS)
        elif value.__class__ is Composite or value.__class__ is Results:
            self.pay(size(value, self.left))
        return value


def size(value: Any, limit: int) -> int:
    """How much there is to look at in a value, counted up to the limit."""
    if isinstance(value, str | bytes):
        return 1 + len(value) // CHARACTERS
    if value.__class__ is Composite:
        return size(value.raw, limit)
    parts: Any = ()
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
