"""What a rule compares with: a literal, ``$field``, or a function such as ``@len($field)``."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

from attrs import frozen
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from ..expression import RuleError
from ..expression.number_text import parse_number
from ..expression.shapes import (
    LONG,
    BinaryShape,
    Composite,
    ContainerShape,
    FieldShape,
    ListShape,
    MapShape,
    ScalarShape,
    StructShape,
    as_list,
    as_map,
    utf8,
)
from ..expression.sprintf import read_format
from ..idl_words import nearest

INTEGER = re.compile(r"[-+]?(0[xX](_?[0-9a-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+|0(_?[0-7])*|[1-9](_?[0-9])*)")
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}

# The kinds of values that a source may have.
WHOLE, DOUBLE, BOOLEAN, TEXT, OCTETS, CONTAINER = "whole number", "number", "boolean", "text", "binary", "container"


@frozen
class Source:
    """Where a value comes from.

    :ivar read: from the struct's object to the value; None if that is an optional field that is not set, or if the
        function has no result.
    :ivar constant: whether it is the same for every object.
    """

    kind: str
    read: Callable[[Any], Any]
    constant: bool = False

    @property
    def is_number(self) -> bool:
        return self.kind in (WHOLE, DOUBLE)


def literal(kind: str, value: Any) -> Source:
    return Source(kind, lambda struct: value, constant=True)


# Literals


def whole_number(text: str) -> int:
    """As Go reads an integer of any base: ``0x1F``, ``010``, ``1_000``; of 64 bits."""
    if not INTEGER.fullmatch(text):
        raise RuleError(f"`{text}` is no whole number", 0)
    digits = text.replace("_", "")
    # A leading zero means octal to Go, and nothing to Python.
    octal = re.sub(r"^([-+]?)0([0-7]+)$", r"\g<1>0o\2", digits)
    number = int(octal, 0)
    if not -(2**63) <= number < 2**63:
        raise RuleError(f"{text} does not fit into 64 bits", 0)
    return number


def double_number(text: str) -> float:
    number, ok = parse_number(text)
    if not ok or not math.isfinite(number):
        raise RuleError(f"`{text}` is no number", 0)
    return number


def boolean(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise RuleError(f"`{text}` is neither true nor false", 0)
    return text in _TRUE


_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_ESCAPED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


def go_literal(text: str) -> str:
    r"""The text that it is between the quotes of Go source, where the plugin puts it: ``\\d`` there is ``\d`` here.

    An escape that Go does not know stays as it is. The plugin's code would not compile, but nobody means anything else.
    """
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    simple, hexadecimal, octal, *unicode = match.groups()
    if simple:
        return _ESCAPED.get(simple, simple)
    code = int(octal, 8) if octal else int(hexadecimal or unicode[0] or unicode[1], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else match[0]


# Fields and functions


class Sources:
    """Reads the values of the rules of one struct.

    :param now: gives the time in nanoseconds since 1970, for ``@now_unix_nano()``.
    """

    def __init__(self, shape: StructShape, now: Callable[[], int]) -> None:
        self.shape = shape
        self.now = now

    def find(self, text: str) -> Source | None:
        """The field or function that an annotation's value names; None if it is a literal."""
        if text.startswith("$"):
            return self._field(text[1:], 0)
        # Anything else that begins with @ is a text to the plugin, after a warning.
        if re.match(r"@[A-Za-z_][A-Za-z0-9_.]*\s*\(", text):
            return self._function(_parsed(text))
        return None

    def _field(self, name: str, offset: int) -> Source:
        found = next((each for each in self.shape.fields if each.name == name), None)
        if found is None:
            near = nearest(name, [each.name for each in self.shape.fields])
            hint = f"did you mean ${near}?" if near else "a field of the same struct is meant, in the IDL's spelling"
            raise RuleError(f"there is no field `{name}`", offset, hint)
        return Source(_kind(found), _reader(found))

    def _argument(self, node: Any) -> Source:
        if isinstance(node, Tree):
            return self._function(node)
        assert isinstance(node, Token)
        if node.type == "FIELD":
            return self._field(node[1:], node.start_pos or 0)
        if node.type == "DOUBLE":
            return literal(DOUBLE, float(node))
        if node.type == "INTEGER":
            return literal(WHOLE, _at(node.start_pos or 0, whole_number, str(node)))
        return literal(TEXT, go_literal(node[1:-1]))

    def _function(self, tree: Tree[Token]) -> Source:
        name, *nodes = tree.children
        assert isinstance(name, Token)
        offset = name.start_pos or 0
        build: Callable[[list[Source], int], Source] | None = getattr(self, f"_function_{name}", None)
        if build is None:
            raise RuleError(f"there is no function `{name}`", offset, _known_functions(str(name)))
        return build([self._argument(node) for node in nodes], offset)

    def _function_len(self, arguments: list[Source], offset: int) -> Source:
        (argument,) = _checked("len", arguments, 1, offset, TEXT, OCTETS, CONTAINER)

        def read(struct: Any) -> int:
            value = argument.read(struct)
            return len(utf8(value)) if isinstance(value, str) else len(value or ())

        return Source(WHOLE, read, argument.constant)

    def _function_sprintf(self, arguments: list[Source], offset: int) -> Source:
        if not arguments or arguments[0].kind != TEXT or not arguments[0].constant:
            raise RuleError("the first argument of sprintf is its format, a text in quotes", offset)
        form = read_format(arguments[0].read(None), len(arguments) - 1)
        rest = arguments[1:]
        return Source(TEXT, lambda struct: form(*[_printable(argument, struct) for argument in rest]))

    def _function_now_unix_nano(self, arguments: list[Source], offset: int) -> Source:
        _checked("now_unix_nano", arguments, 0, offset)
        return Source(WHOLE, lambda struct: self.now())

    def _function_equal(self, arguments: list[Source], offset: int) -> Source:
        left, right = _checked("equal", arguments, 2, offset, WHOLE, DOUBLE, BOOLEAN, TEXT, OCTETS)
        if left.kind != right.kind and not (left.is_number and right.is_number):
            raise RuleError(f"equal compares a {left.kind} with a {right.kind}", offset)
        return Source(BOOLEAN, lambda struct: left.read(struct) == right.read(struct))

    def _function_mod(self, arguments: list[Source], offset: int) -> Source:
        left, right = _checked("mod", arguments, 2, offset, WHOLE)

        def read(struct: Any) -> int | None:
            dividend, divisor = left.read(struct), right.read(struct)
            if dividend is None or not divisor:
                # The plugin's code panics.
                return None
            rest = int(abs(dividend) % abs(divisor))
            return -rest if dividend < 0 else rest

        return Source(WHOLE, read)

    def _function_add(self, arguments: list[Source], offset: int) -> Source:
        left, right = _checked("add", arguments, 2, offset, WHOLE, DOUBLE, TEXT)
        if (left.kind == TEXT) != (right.kind == TEXT):
            raise RuleError(f"add joins a {left.kind} with a {right.kind}", offset)
        kind = DOUBLE if DOUBLE in (left.kind, right.kind) else left.kind

        def read(struct: Any) -> Any:
            one, other = left.read(struct), right.read(struct)
            if one is None or other is None:
                return None
            return wrapped(one + other, 64) if kind == WHOLE else one + other

        return Source(kind, read)


def _printable(argument: Source, struct: Any) -> Any:
    """An argument of sprintf: a whole number is one here, and no binary64 as in ``api.vd``."""
    value = argument.read(struct)
    return Composite(value, LONG) if argument.kind == WHOLE and value is not None else value


def wrapped(number: int, bits: int) -> int:
    """What remains of an integer in so many bits."""
    half = 1 << (bits - 1)
    return (number + half) % (1 << bits) - half


def _checked(function: str, arguments: list[Source], count: int, offset: int, *kinds: str) -> list[Source]:
    if len(arguments) != count:
        wanted = {0: "no arguments", 1: "one argument", 2: "two arguments"}[count]
        raise RuleError(f"{function} takes {wanted}, not {len(arguments)}", offset)
    for argument in arguments:
        if argument.kind not in kinds:
            raise RuleError(f"{function} takes no {argument.kind}", offset)
    return arguments


def _known_functions(name: str) -> str:
    known = [each.removeprefix("_function_") for each in dir(Sources) if each.startswith("_function_")]
    if near := nearest(name, known):
        return f"did you mean @{near}(...)?"
    return "functions of one's own are Go templates of the plugin, and known to it alone"


def _kind(found: FieldShape) -> str:
    match found.shape:
        case ScalarShape(exact=exact):
            return {int: WHOLE, float: DOUBLE, bool: BOOLEAN, str: TEXT}[exact]
        case BinaryShape():
            return OCTETS
        case ContainerShape():
            return CONTAINER
    return "struct"


def _reader(found: FieldShape) -> Callable[[Any], Any]:
    """From a struct's object to the value of one of its fields."""
    shape = found.shape

    def read(struct: Any) -> Any:
        value = shape.read(found.raw(struct))
        if isinstance(value, Composite) and not isinstance(shape, StructShape):
            return container(value.raw, shape)
        return value

    return read


def container(raw: Any, shape: Any) -> Any:
    """The elements of a container, none if it is not set."""
    if isinstance(shape, ListShape):
        return as_list(raw) or ()
    if isinstance(shape, MapShape):
        return as_map(raw) or {}
    return raw or b""


@functools.cache
def _grammar() -> Lark:
    return Lark.open_from_package("txgateway.core", "vt.lark", parser="lalr", propagate_positions=True)


def _parsed(text: str) -> Tree[Token]:
    try:
        return _grammar().parse(text)
    except UnexpectedInput as error:
        is_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        offset = len(text) if is_end else error.pos_in_stream or 0
        rest = text[offset : offset + 20]
        found = f"`{rest}` can not stand here" if rest else "a `)` is missing"
        raise RuleError(found, offset, 'a function is written @len($field) or @sprintf("%s-", $field)') from None


def _at(offset: int, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except RuleError as error:
        raise RuleError(error.message, offset, error.hint) from None
