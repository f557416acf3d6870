"""Numbers as Go writes them (``%v``) and reads them (``ParseFloat``)."""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:inf|infinity)|(?i:nan)")
# A hexadecimal number is one with a binary exponent only.
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?=\.?[0-9A-Fa-f])[0-9A-Fa-f]*\.?[0-9A-Fa-f]*[pP][+-]?[0-9]+")
# An underscore stands between digits; the prefix of a hexadecimal number counts as one.
_MISPLACED = re.compile(r"(?<![0-9A-Fa-f])(?<!0[xX])_|_(?![0-9A-Fa-f])|[eEpP]_|_[eEpP]")


def parse_number(text: str) -> tuple[float, bool]:
    """The number that a text says, and whether it says one.

    As in Go, a number out of range is infinite and counts as none: arithmetic uses it, a comparison does not.
    """
    if "_" in text:
        if _MISPLACED.search(text):
            return 0.0, False
        text = text.replace("_", "")
    if _DECIMAL.fullmatch(text):
        value = float(text)
        return value, not math.isinf(value) or text.lstrip("+-")[0] in "iI"
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text), True
        except OverflowError:
            return math.copysign(math.inf, -1 if text[0] == "-" else 1), False
    return 0.0, False


def digits_of(value: float) -> tuple[str, int]:
    """The fewest digits that say a finite number exactly, and where the point stands among them.

    ``(d, p)`` means 0.d times ten to the power of p; zero has no digits.
    """
    if not value:
        return "", 0
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return digits.rstrip("0"), point


def number_text(value: float) -> str:
    """As ``%v`` prints it: ``999999``, ``1e+06``, ``1.5``, ``-0``, ``NaN``, ``+Inf``."""
    if -1e6 < value < 1e6 and value == int(value) and value:
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    digits, point = digits_of(value)
    exponent = point - 1
    if digits and not -4 <= exponent < 6:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{exponent:+03d}"
    else:
        text = _positional(digits, point)
    return "-" + text if math.copysign(1, value) < 0 else text


def decimal_text(value: float) -> str:
    """As people write it, never with an exponent: ``1000000``, ``0.00001``."""
    value = float(value)
    if not math.isfinite(value):
        return number_text(value)
    text = _positional(*digits_of(value))
    return "-" + text if math.copysign(1, value) < 0 else text


def _positional(digits: str, point: int) -> str:
    if not digits:
        return "0"
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return digits[:point] + "." + digits[point:]
