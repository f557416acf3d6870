"""``sprintf`` as Go's fmt has it, for the values that rules know.

A format is read once, with its rule: how many arguments follow is known by then. Numbers
arrive as binary64; elements of lists and maps have the types that the IDL gives them.

Three things differ from Go. ``%d`` prints the digits of an integral binary64, where Go
complains. A width or precision beyond LIMIT is malformed (Go's own limit is a million).
And what Go prints as an address, a struct inside of something, is printed as a struct.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from .number_text import digits_of
from .results import Problem, Results, is_number
from .shapes import BYTE, BinaryShape, Composite, ListShape, MapShape, ScalarShape, Shape, StructShape, utf8

LIMIT = 4096
# So many characters, and one element more, come of a container whose elements are padded.
ROOM = 65536


@frozen
class Flags:
    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    # %+v and %#v are formats of their own, and take the flag away.
    plus_v: bool = False
    sharp_v: bool = False


_PLAIN = Flags()
_FLAGS = {"-": "minus", "+": "plus", "#": "sharp", " ": "space", "0": "zero"}


@frozen
class Verb:
    """One ``%...`` that prints an argument.

    :ivar digits: whether ``%d`` may print a binary64: not with a sign flag, nor after a ``*``.
    """

    letter: str
    flags: Flags
    argument: int
    digits: bool = True

    def __call__(self, arguments: tuple[Any, ...]) -> str:
        value = arguments[self.argument]
        if self.letter == "d" and self.digits and is_number(value) and float(value).is_integer():
            return _integer(int(value), "d", self.flags)
        return _argument(value, self.letter, self.flags)


@frozen
class Extra:
    """The arguments that no verb has asked for."""

    first: int

    def __call__(self, arguments: tuple[Any, ...]) -> str:
        return f"%!(EXTRA {', '.join(map(_named, arguments[self.first :]))})"


def _named(value: Any) -> str:
    return "<nil>" if value is None else f"{_go_type(value)}={_argument(value, 'v', _PLAIN)}"


@frozen
class Format:
    """A format with its number of arguments, read."""

    parts: tuple[str | Verb | Extra, ...]

    def __call__(self, *arguments: Any) -> str:
        return "".join([part if part.__class__ is str else part(arguments) for part in self.parts])  # type: ignore[operator]


def plain_text(value: Any) -> str:
    """A container as text: what ``'' + $`` makes of it."""
    text = _argument(value, "v", _PLAIN)
    # The reference looks through the pointer to a struct.
    return text[1:] if text.startswith("&") else text


# Reading a format


def read_format(text: str, count: int) -> Format:
    """The format, for that many arguments. Mistakes in it become text, as in Go."""
    return Format(tuple(_Reader(text, count).parts()))


class _Reader:
    """Follows Go's reader step by step, for what it makes of a malformed verb can be seen."""

    def __init__(self, text: str, count: int) -> None:
        self.text = text
        self.at = 0
        self.count = count
        self.argument = 0
        self.reordered = False

    def parts(self) -> list[str | Verb | Extra]:
        parts: list[str | Verb | Extra] = []
        while self.at < len(self.text):
            if self.text[self.at] == "%":
                self.at += 1
                parts += self._verb()
            else:
                end = self.text.find("%", self.at)
                end = len(self.text) if end < 0 else end
                parts.append(self.text[self.at : end])
                self.at = end
        if not self.reordered and self.argument < self.count:
            parts.append(Extra(self.argument))
        return parts

    def _verb(self) -> list[str | Verb | Extra]:
        before: list[str | Verb | Extra] = []
        flags: dict[str, Any] = {}
        while self._next() in _FLAGS and self._next():
            flags[_FLAGS[self._take()]] = True
        self.good = True
        starred = False
        indexed = self._index()
        if self._next() == "*":
            before.append(self._star("%!(BADWIDTH)"))
            indexed, starred = False, True
        else:
            flags["width"] = self._number()
            self.good = self.good and not (indexed and flags["width"] is not None)
        if self._next() == "." and self.at + 1 < len(self.text):
            self.at += 1
            self.good = self.good and not indexed
            indexed = self._index()
            if self._next() == "*":
                before.append(self._star("%!(BADPREC)"))
                indexed = False
            else:
                flags["precision"] = self._number() or 0
        if not indexed:
            self._index()
        if self.at >= len(self.text):
            return [*before, "%!(NOVERB)"]
        return [*before, self._finished(self._take(), flags, starred)]

    def _finished(self, letter: str, flags: dict[str, Any], starred: bool) -> str | Verb:
        if letter == "%":
            return "%"
        if not self.good:
            return f"%!{letter}(BADINDEX)"
        if self.argument >= self.count:
            return f"%!{letter}(MISSING)"
        if letter in "vw":
            flags["sharp_v"], flags["plus_v"] = flags.pop("sharp", False), flags.pop("plus", False)
        digits = not (starred or flags.get("plus") or flags.get("space"))
        self.argument += 1
        return Verb(letter, Flags(**flags), self.argument - 1, digits)

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def _star(self, mistake: str) -> str:
        """A width that an argument gives: numbers are binary64 here, so none ever serves."""
        self.at += 1
        self.argument += self.argument < self.count
        return mistake

    def _number(self) -> int | None:
        match = re.compile("[0-9]+").match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        if len(match[0]) > 9 or int(match[0]) > LIMIT:
            self.at = len(self.text)
            return None
        return int(match[0])

    def _index(self) -> bool:
        """``[2]``: the argument that comes next; whether there was one."""
        if self._next() != "[":
            return False
        self.reordered = True
        close = self.text.find("]", self.at)
        if close < 0 or len(self.text) - self.at < 3:
            self.good = False
            self.at += 1
            return False
        inside = self.text[self.at + 1 : close]
        self.at = close + 1
        if not re.fullmatch("[0-9]{1,7}", inside):
            self.good = False
            return False
        if 1 <= int(inside) <= self.count:
            self.argument = int(inside) - 1
        else:
            self.good = False
        return True


# Printing


def _go_type(value: Any) -> str:
    if value.__class__ is Composite:
        return str(value.shape.go_type)
    if isinstance(value, str):
        return "string"
    if value.__class__ is bool:
        return "bool"
    if value.__class__ is Results:
        return "[]interface {}"
    return "*errors.errorString" if value.__class__ is Problem else "float64"


def _argument(value: Any, letter: str, flags: Flags) -> str:
    """An argument of sprintf, or an element of a ``range`` result."""
    if value is None:
        return _pad("<nil>", flags) if letter in "Tv" else f"%!{letter}(<nil>)"
    if letter == "T":
        return _pad(_cut(_go_type(value), flags), flags)
    if value.__class__ is bool:
        return _boolean(value, letter, flags)
    if is_number(value):
        return _float(float(value), letter, flags)
    if isinstance(value, str):
        return _string(value, letter, flags)
    if letter == "w" and not (value.__class__ is Composite and isinstance(value.shape, BinaryShape)):
        return _mistaken(letter, _go_type(value), _argument(value, "v", flags))
    if value.__class__ is Composite:
        return _top_composite(value, letter, flags)
    if value.__class__ is Results:
        return _results(value, letter, flags)
    return _problem(value.text, letter, flags)


def _top_composite(value: Composite, letter: str, flags: Flags) -> str:
    if isinstance(value.shape, BinaryShape) and letter in "vd" and flags.sharp_v:
        # At the top Go says byte, further down uint8.
        return _binary(value.raw, letter, flags).replace("uint8", "byte", 1)
    return _shaped(value.raw, value.shape, letter, flags)


def _shaped(raw: Any, shape: Shape, letter: str, flags: Flags) -> str:
    """A raw value of a known type."""
    match shape:
        case ScalarShape():
            return _scalar(shape.read(raw), shape.go_type, letter, flags)
        case BinaryShape():
            return _binary(raw, letter, flags)
        case ListShape(element=element):
            return _listed(_elements(raw or (), element, letter, flags), shape.go_type, flags, raw is None)
        case MapShape():
            return _map(raw, shape, letter, flags)
        case StructShape():
            return _struct(raw, shape, letter, flags)
    return ""


def _elements(raw: Iterable[Any], shape: Shape, letter: str, flags: Flags) -> list[str]:
    """The elements of a list, each printed; where they are padded, no more than there is room for."""
    if isinstance(shape, ScalarShape) and flags == _PLAIN:
        # Long lists in plain formats are what people print.
        if shape.exact is int and letter in "vd":
            return [str(item if item.__class__ is int else shape.read(item)) for item in raw]
        if shape.exact is str and letter in "vs":
            return [item if item.__class__ is str else shape.read(item) for item in raw]
    items = []
    room = ROOM if flags.width or flags.precision else math.inf
    for item in raw:
        items.append(_shaped(item, shape, letter, flags))
        room -= len(items[-1])
        if room < 0:
            break
    return items


def _scalar(value: Any, go_type: str, letter: str, flags: Flags) -> str:
    if value is None:
        return "<nil>" if letter == "v" else f"%!{letter}(*{go_type}=<nil>)"
    if value.__class__ is int:
        return _integer(value, letter, flags, go_type)
    return _argument(value, letter, flags)


def _listed(items: list[str], go_type: str, flags: Flags, unset: bool) -> str:
    if flags.sharp_v:
        return f"{go_type}(nil)" if unset else f"{go_type}{{{', '.join(items)}}}"
    return f"[{' '.join(items)}]"


def _results(value: Results, letter: str, flags: Flags) -> str:
    nil = "interface {}(nil)" if flags.sharp_v else "<nil>"
    items = [nil if item is None else _argument(item, letter, flags) for item in value.items]
    return _listed(items, "[]interface {}", flags, unset=False)


def _map(raw: Any, shape: MapShape, letter: str, flags: Flags) -> str:
    entries = list((raw or {}).items())
    if isinstance(shape.key, ScalarShape):
        entries.sort(key=lambda entry: _sort_key(shape.key.read(entry[0])))
    keys = _elements([key for key, _ in entries], shape.key, letter, flags)
    items = list(map("{}:{}".format, keys, _elements([value for _, value in entries], shape.value, letter, flags)))
    if flags.sharp_v:
        return f"{shape.go_type}(nil)" if raw is None else f"{shape.go_type}{{{', '.join(items)}}}"
    return f"map[{' '.join(items)}]"


def _sort_key(key: Any) -> Any:
    if key != key:
        return -math.inf
    return utf8(key) if isinstance(key, str) else key


def _struct(raw: Any, shape: StructShape, letter: str, flags: Flags) -> str:
    if raw is None:
        if flags.sharp_v:
            return f"({shape.go_type})(nil)"
        return "<nil>" if letter == "v" else f"%!{letter}({shape.go_type}=<nil>)"
    named = flags.plus_v or flags.sharp_v
    items = [
        (f"{field.go_name}:" if named else "") + _shaped(field.raw(raw), field.shape, letter, flags)
        for field in shape.fields
    ]
    if flags.sharp_v:
        return f"&{shape.go_type[1:]}{{{', '.join(items)}}}"
    return f"&{{{' '.join(items)}}}"


def _problem(text: str, letter: str, flags: Flags) -> str:
    if flags.sharp_v:
        return f"&errors.errorString{{s:{_string(text, 'v', flags)}}}"
    return _string(text, letter, flags) if letter in "vsxXq" else f"&{{{_string(text, letter, flags)}}}"


def _pad(text: str, flags: Flags) -> str:
    if not flags.width:
        return text
    if flags.minus:
        return text.ljust(flags.width)
    return text.rjust(flags.width, "0" if flags.zero else " ")


def _unpadded_zeros(flags: Flags) -> Flags:
    return evolve(flags, zero=False) if flags.zero else flags


def _cut(text: str, flags: Flags) -> str:
    return text if flags.precision is None else text[: flags.precision]


def _mistaken(letter: str, go_type: str, shown: str) -> str:
    return f"%!{letter}({go_type}={shown})"


def _boolean(value: bool, letter: str, flags: Flags) -> str:
    text = _pad("true" if value else "false", flags)
    return text if letter in "tv" else _mistaken(letter, "bool", text)


def _string(value: str, letter: str, flags: Flags) -> str:
    if letter == "s" or (letter == "v" and not flags.sharp_v):
        return _pad(_cut(value, flags), flags)
    if letter in "xX":
        return _hexadecimal(utf8(value), letter, flags)
    if letter in "qv":
        return _pad(_quoted(_cut(value, flags), flags), flags)
    return _mistaken(letter, "string", _string(value, "v", flags))


def _hexadecimal(octets: bytes, letter: str, flags: Flags) -> str:
    octets = octets if flags.precision is None else octets[: flags.precision]
    lead = "0x" if flags.sharp else ""
    if flags.space:
        text = " ".join([f"{lead}{octet:02x}" for octet in octets])
    else:
        text = lead + octets.hex() if octets else ""
    return _pad(text.upper() if letter == "X" else text, flags)


_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}


def _quoted(value: str, flags: Flags) -> str:
    if flags.sharp and not re.search("[\x00-\x08\x0a-\x1f\x7f`\ufeff\ud800-\udfff]", value):
        return f"`{value}`"
    return '"' + "".join([_escaped(c, '"', flags) for c in value]) + '"'


def _escaped(character: str, quote: str, flags: Flags) -> str:
    code = ord(character)
    if character in (quote, "\\"):
        return "\\" + character
    if character in _ESCAPES:
        return _ESCAPES[character]
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that is no UTF-8.
        return f"\\x{code - 0xDC00:02x}"
    if 0x20 <= code < 0x7F or (code > 0x7F and character.isprintable() and not flags.plus):
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _binary(raw: bytes | None, letter: str, flags: Flags) -> str:
    octets = raw or b""
    if letter == "s":
        return _pad(_cut(_readable(octets), flags), flags)
    if letter in "xX":
        return _hexadecimal(octets, letter, flags)
    if letter == "q":
        return _pad(_quoted(_cut(_readable(octets), flags), flags), flags)
    if flags.sharp_v:
        octets_shown = [_integer(octet, "x", evolve(flags, sharp=True)) for octet in octets]
        return _listed(octets_shown, "[]uint8", flags, raw is None)
    return _listed(_elements(octets, BYTE, letter, flags), "", flags, unset=False)


def _readable(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


# Numbers

_BASES = {"b": "b", "d": "d", "v": "d", "o": "o", "O": "o", "x": "x", "X": "X"}
_LEADS = {"b": "0b", "o": "0", "O": "0", "x": "0x", "X": "0X"}


def _integer(value: int, letter: str, flags: Flags, go_type: str = "float64") -> str:
    if letter in "cqU":
        return _character(value, letter, flags)
    if letter not in _BASES:
        return _mistaken(letter, go_type, _integer(value, "v", flags))
    if flags.precision == 0 and value == 0:
        return " " * (flags.width or 0)
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    digits = format(abs(value), _BASES[letter])
    if flags.precision is not None:
        digits = digits.rjust(flags.precision, "0")
    elif flags.zero and not flags.minus and flags.width:
        digits = digits.rjust(flags.width - len(sign), "0")
    lead = _LEADS.get(letter, "") if flags.sharp else ""
    if letter in "oO" and digits.startswith("0"):
        lead = ""
    if letter == "O":
        lead = "0o" + lead
    return _pad(sign + lead + digits, _unpadded_zeros(flags))


def _character(value: int, letter: str, flags: Flags) -> str:
    character = chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
    if letter == "c":
        return _pad(character, flags)
    if letter == "q":
        return _pad(f"'{_escaped(character, chr(39), flags)}'", flags)
    code = format(value % 2**64, "X").rjust(max(4, flags.precision or 0), "0")
    shown = f" '{character}'" if flags.sharp and 0 <= value < 0x110000 and character.isprintable() else ""
    return _pad(f"U+{code}{shown}", _unpadded_zeros(flags))


def _float(value: float, letter: str, flags: Flags) -> str:
    if letter not in "vbgGxXfFeE":
        return _mistaken(letter, "float64", _float(value, "v", flags))
    sign = "-" if math.copysign(1, value) < 0 else "+" if flags.plus or not flags.space else " "
    if not math.isfinite(value):
        return _not_finite(value, sign, flags)
    digits = _float_digits(abs(value), letter, flags.precision)
    if flags.sharp and letter != "b":
        digits = _with_point(digits, letter, flags.precision)
    if sign == "+" and not flags.plus:
        sign = ""
    if sign and flags.zero and not flags.minus and flags.width:
        return sign + digits.rjust(flags.width - 1, "0")
    return _pad(sign + digits, flags)


def _not_finite(value: float, sign: str, flags: Flags) -> str:
    if value == value:
        return _pad(f"{sign}Inf", _unpadded_zeros(flags))
    sign = "+" if flags.plus else " " if flags.space else ""
    return _pad(f"{sign}NaN", _unpadded_zeros(flags))


def _float_digits(value: float, letter: str, precision: int | None) -> str:
    match letter:
        case "v" | "g" | "G" if precision is None:
            text = _shortest(value)
        case "v" | "g" | "G":
            text = f"{value:.{precision or 1}g}"
        case "b":
            return _binary_exponent(value)
        case "x" | "X":
            text = _hexadecimal_float(value, precision)
        case _:
            text = f"{value:.{6 if precision is None else precision}{letter.lower()}}"
    return text.upper() if letter in "GXE" else text


def _shortest(value: float) -> str:
    digits, point = digits_of(value)
    if digits and not -4 <= point - 1 < 6:
        return digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1:+03d}"
    return f"{value:.{max(len(digits) - point, 0)}f}"


def _mantissa(value: float) -> tuple[int, int]:
    """``(m, e)`` with m * 2**e the value and m of 53 bits, or fewer for the smallest."""
    fraction, exponent = math.frexp(value)
    mantissa, exponent = int(fraction * 2.0**53), exponent - 53
    if mantissa and exponent < -1074:
        mantissa, exponent = mantissa >> (-1074 - exponent), -1074
    return mantissa, exponent if mantissa else -1074


def _binary_exponent(value: float) -> str:
    mantissa, exponent = _mantissa(value)
    return f"{mantissa}p{exponent:+d}"


def _hexadecimal_float(value: float, precision: int | None) -> str:
    mantissa, exponent = _mantissa(value)
    if not mantissa:
        return "0x0" + ("." + "0" * precision if precision else "") + "p+00"
    shift = 53 - mantissa.bit_length()
    mantissa, exponent = mantissa << shift, exponent - shift + 52
    if precision is not None and precision < 13:
        # Half to even, as everywhere.
        unit = 1 << (52 - 4 * precision)
        rest = mantissa & (unit - 1)
        mantissa -= rest
        if rest * 2 > unit or (rest * 2 == unit and mantissa & unit):
            mantissa += unit
        if mantissa >> 53:
            mantissa, exponent = mantissa >> 1, exponent + 1
    fraction = format(mantissa & ((1 << 52) - 1), "013x")
    fraction = fraction.rstrip("0") if precision is None else fraction.ljust(precision, "0")[:precision]
    return "0x1" + ("." + fraction if fraction else "") + f"p{exponent:+03d}"


def _with_point(number: str, letter: str, precision: int | None) -> str:
    """The sharp flag: a decimal point always, and no zeros stripped."""
    wanted = 0
    if letter in "vgGx":
        wanted = 6 if precision is None else precision
    body, mark, exponent = number, "", ""
    for mark in "pP" if letter in "xX" else "eE":
        if mark in number:
            body, _, exponent = number.partition(mark)
            exponent = mark + exponent
            break
    # As in Go, where the x of a hexadecimal number counts as well.
    significant = len(body.replace(".", "").lstrip("0"))
    if "." not in body:
        if body == "0":
            significant += 1
        body += "."
    return body + "0" * max(wanted - significant, 0) + exponent
