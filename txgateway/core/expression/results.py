"""The values of rules at run time.

nil is None; booleans and texts are Python's; a number is an int as long as it comes
straight from a field or a literal, and a float once arithmetic has touched it. Containers
and structs are Composite, of the shapes. What functions yield beside has a class here.
"""

from __future__ import annotations

from typing import Any

Value = Any


class Problem:
    """What a failed ``email`` or ``phone`` yields: false, and the text of the failure if nothing else is said."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Problem({self.text!r})"


class Results:
    """What ``range`` yields: a value for each element, true if all of them are."""

    __slots__ = ("items",)

    def __init__(self, items: list[Value]) -> None:
        self.items = items

    def __bool__(self) -> bool:
        return all(self.items)

    def __repr__(self) -> str:
        return f"Results({self.items!r})"


def is_number(value: Value) -> bool:
    return value.__class__ is int or value.__class__ is float
