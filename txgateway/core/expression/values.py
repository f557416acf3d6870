"""What the operators of rules do with values.

Nothing in this module raises, whatever values it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .number_text import decimal_text, number_text, parse_number
from .results import Problem, Results, Value, is_number
from .shapes import Composite, utf8
from .sprintf import plain_text


def is_nil(value: Value) -> bool:
    """Whether the value equals nil: unset containers do, though their text is ``[]``."""
    return value is None or (value.__class__ is Composite and value.raw is None)


def passes(value: Value) -> bool:
    """Whether a check with this result is met: nil passes, by the reference's rule."""
    return value is None or bool(value)


# Conversions


def number(value: Value) -> float:
    """As arithmetic takes it: what is neither a number nor the text of one counts as 0."""
    if is_number(value):
        return float(value)
    return parse_number(value)[0] if isinstance(value, str) else 0.0


def text(value: Value) -> str:
    """As the right side of a text operator takes it; nil adds nothing."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if is_number(value):
        return number_text(value)
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is Problem:
        # The reference prints the error's own struct here.
        return "{" + value.text + "}"
    return plain_text(value)


# Arithmetic


def add(left: Value, right: Value) -> Value:
    if is_number(left):
        return float(left) + number(right)
    if isinstance(left, str):
        return left + text(right)
    return left


def divide(left: float, right: float) -> float:
    """A division by zero gives NaN, never an infinity."""
    return left / right if right else math.nan


def remainder(left: float, right: float) -> float:
    """Of both sides cut to 64-bit integers, with the sign of the left one."""
    dividend, divisor = _int64(left), _int64(right)
    if not divisor:
        return math.nan
    result = abs(dividend) % abs(divisor)
    return float(-result if dividend < 0 else result)


def _int64(value: float) -> int:
    """What Go on amd64 makes of it: everything out of range becomes the smallest integer."""
    return int(value) if -(2.0**63) <= value < 2.0**63 else -(2**63)


def negate(value: Value) -> Value:
    if is_number(value):
        return -float(value)
    if value.__class__ is Results:
        return Results([negate(item) for item in value.items])
    return value


# Comparison


def equal(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return is_nil(left) and is_nil(right)
    if is_number(left):
        return _number_equals(left, right)
    if left.__class__ is bool:
        return left is right
    if isinstance(left, str):
        return _text_equals(left, right)
    if left.__class__ is Composite:
        return right.__class__ is Composite and left.equals(right)
    if left.__class__ is Results:
        return right.__class__ is Results and same_items(left.items, right.items)
    return False


def _number_equals(left: float, right: Value) -> bool:
    if left.__class__ is int and right.__class__ is int:
        return left == right
    if is_number(right):
        return float(left) == float(right)
    if isinstance(right, str):
        value, ok = parse_number(right)
        return ok and float(left) == value
    return False


def _text_equals(left: str, right: Value) -> bool:
    if isinstance(right, str):
        return left == right
    if is_number(right):
        # Both spellings of a large number count: that of %v, and the one that people write.
        return left == number_text(right) or left == decimal_text(right)
    if right.__class__ is bool or right.__class__ is Problem:
        return left == text(right)
    return False


def same_items(left: list[Value], right: list[Value]) -> bool:
    return len(left) == len(right) and all(map(identical, left, right))


def identical(left: Value, right: Value) -> bool:
    """Equality without conversion, as ``in`` has it: 1 is not ``'1'``."""
    if is_number(left):
        return is_number(right) and _number_equals(left, right)
    if isinstance(left, str):
        return isinstance(right, str) and left == right
    return equal(left, right)


def _comparable(left: Value, right: Value) -> tuple[Any, Any] | None:
    """Both sides as two numbers or as two texts, as the left one decides; None where no order exists."""
    if is_number(left):
        if is_number(right):
            if left.__class__ is right.__class__:
                return left, right
            return float(left), float(right)
        value, ok = parse_number(right) if isinstance(right, str) else (0.0, False)
        return (float(left), value) if ok else None
    if isinstance(left, str) and right is not None and right.__class__ not in (Composite, Results):
        return left, text(right)
    return None


def less(left: Value, right: Value) -> bool:
    pair = _comparable(left, right)
    return pair is not None and bool(pair[0] < pair[1])


def less_or_equal(left: Value, right: Value) -> bool:
    pair = _comparable(left, right)
    return pair is not None and bool(pair[0] <= pair[1])


def greater(left: Value, right: Value) -> bool:
    pair = _comparable(left, right)
    return pair is not None and bool(pair[0] > pair[1])


def greater_or_equal(left: Value, right: Value) -> bool:
    pair = _comparable(left, right)
    return pair is not None and bool(pair[0] >= pair[1])


# Parts


def pick(value: Value, keys: tuple[Value, ...]) -> Value:
    """``$[a][b]``: one part after the other; a scalar ignores an index, but only the last one."""
    for place, key in enumerate(keys):
        if isinstance(value, str):
            value = _byte_at(value, key)
        elif value.__class__ is Composite:
            value = value.shape.part(value.raw, key)
        elif place < len(keys) - 1:
            return None
        if value is None:
            return None
    return value


def _byte_at(value: str, key: Value) -> int | None:
    position = index_of(key)
    octets = utf8(value)
    return octets[position] if position is not None and position < len(octets) else None


def index_of(key: Value) -> int | None:
    """A number as an index, cut to an integer; None if it can not be one."""
    return int(key) if is_number(key) and -1 < key < 2.0**63 else None


def length(value: Value) -> int:
    """Bytes of a text, elements of a container, 0 of anything else."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(utf8(value))
    return count(value)


def code_points(value: Value) -> int:
    return len(value) if isinstance(value, str) else count(value)


def count(value: Value) -> int:
    """Elements of a container, 0 of anything else."""
    if value.__class__ is Composite:
        return int(value.shape.count(value.raw))
    return len(value.items) if value.__class__ is Results else 0


def entries(value: Value) -> Iterable[tuple[Value, Value]]:
    """Keys and values of what ``range`` can walk; of anything else nothing."""
    if value.__class__ is Composite:
        return value.shape.entries(value.raw)
    return enumerate(value.items) if value.__class__ is Results else ()


def contained(value: Value, items: tuple[Value, ...]) -> bool:
    return any(identical(value, item) for item in items)
