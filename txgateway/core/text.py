"""Text to Thrift's scalars and back: what path, query, form, cookie and header hold.

Python's own ``int`` and ``float`` read other texts than they should: blanks, ``1_000`` as
an integer, digits of other scripts. So the form is checked before they see a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .descriptor import EnumType, Scalar, ScalarType, Type
from .misfit import Misfit, text

TextReader = Callable[[bytes], Any]

RANGES = {
    Scalar.I8: (-(2**7), 2**7 - 1),
    Scalar.I16: (-(2**15), 2**15 - 1),
    Scalar.I32: (-(2**31), 2**31 - 1),
    Scalar.I64: (-(2**63), 2**63 - 1),
}

_INTEGER = re.compile(rb"[+-]?[0-9]+").fullmatch
# Go's syntax of a float: digits may be parted by single underscores, hexadecimal ones need
# a binary exponent, and only infinity has a sign, not NaN.
_D, _H = rb"[0-9](?:_?[0-9])*", rb"[0-9a-f](?:_?[0-9a-f])*"
_DECIMAL = re.compile(rb"[+-]?(?:%b(?:\.(?:%b)?)?|\.%b)(?:e[+-]?%b)?" % (_D, _D, _D, _D), re.IGNORECASE).fullmatch
_HEXADECIMAL = re.compile(rb"[+-]?0x(?:_?%b(?:\.(?:%b)?)?|\.%b)p[+-]?%b" % (_H, _H, _H, _D), re.IGNORECASE).fullmatch
_NOT_FINITE = re.compile(rb"[+-]?inf(?:inity)?|nan", re.IGNORECASE).fullmatch
_BOOLS = dict.fromkeys((b"1", b"t", b"T", b"true", b"True", b"TRUE"), True) | dict.fromkeys(
    (b"0", b"f", b"F", b"false", b"False", b"FALSE"), False
)
# More digits than any double needs; the conversion takes more than linear time.
_MOST_DIGITS = 1000


def integer(scalar: Scalar, name: str = "") -> TextReader:
    """Reads decimal digits with an optional sign."""
    low, high = RANGES[scalar]
    expected = f"{_article(name or scalar.value)} ({low} to {high})"

    def read(value: bytes) -> int:
        if _INTEGER(value) and len(value) <= _MOST_DIGITS:
            number = int(value)
            if low <= number <= high:
                return number
        raise Misfit(expected, text(value))

    return read


def double(value: bytes) -> float:
    """Reads what Go's strconv knows: digits with an optional exponent, ``0x1p-2``, ``inf`` and ``NaN``."""
    if _NOT_FINITE(value):
        return float(value)
    if len(value) <= _MOST_DIGITS:
        number = _finite(value)
        if not math.isinf(number):
            return number
    raise Misfit("a double", text(value))


def _finite(value: bytes) -> float:
    """Infinity for a number that is too large, and for a text that is none."""
    if _DECIMAL(value):
        return float(value)
    if not _HEXADECIMAL(value):
        return math.inf
    try:
        return float.fromhex(value.replace(b"_", b"").decode())
    except OverflowError:
        return math.inf


def boolean(value: bytes) -> bool:
    """Reads what Go's strconv knows."""
    found = _BOOLS.get(value)
    if found is None:
        raise Misfit("a bool (true or false, t or f, 1 or 0)", text(value))
    return found


def string(value: bytes) -> str | bytes:
    """The text; bytes that are not UTF-8 pass as they are, for Thrift does not mind."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def binary(value: bytes) -> bytes:
    return value


def scalar_reader(declared: Type) -> TextReader | None:
    """What reads a text for this type; None if the type is no scalar."""
    match declared:
        case EnumType(name):
            return integer(Scalar.I32, f"number of {name}")
        case ScalarType(Scalar.DOUBLE):
            return double
        case ScalarType(Scalar.BOOL):
            return boolean
        case ScalarType(Scalar.STRING):
            return string
        case ScalarType(Scalar.BINARY):
            return binary
        case ScalarType(scalar) if scalar in RANGES:
            return integer(scalar)
    return None


def takes_empty(declared: Type) -> bool:
    """Whether an empty text is a value of this type, and not the absence of one."""
    return isinstance(declared, ScalarType) and declared.scalar is Scalar.STRING


def shortest(number: float) -> str:
    """The fewest digits that give the same double again, with no exponent and no needless ``.0``."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    digits = repr(number)
    return f"{Decimal(digits):f}" if "e" in digits else digits.removesuffix(".0")


def written(value: object) -> bytes:
    """A scalar of Thrift as the text of a header or of a map's key in JSON."""
    match value:
        case bool():
            return b"true" if value else b"false"
        case bytes():
            return value
        case float():
            return shortest(value).encode()
    return str(value).encode()


def _article(name: str) -> str:
    return f"an {name}" if name[0] == "i" else f"a {name}"
