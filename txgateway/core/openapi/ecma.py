r"""Patterns of rules in the dialect of JSON Schema: RE2's own where both mean the same, else nothing.

What is written anew means the same in every dialect that we know of: ``\d`` becomes ``[0-9]``, since elsewhere it
takes the digits of all scripts, and ``.`` becomes ``[^\n]``, since ECMA's takes no other line ends either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..expression.pattern_shape import TOKEN

# What these stand for, without brackets; RE2's ``\s`` has no vertical tab.
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-\/:-@\[-`\{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROLS = dict(zip("afnrtv", "\a\f\n\r\t\v", strict=True))
# ECMA takes a backslash before these alone.
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_SHOWN = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\f": r"\f", "\v": r"\v"}

_CODE = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|([0-7]{1,3}))", re.ASCII)
_PART = re.compile(r"\[:(\^?)(\w+):\]|(\\(?:[pPx]\{[^}]*\}|[pP].|x[0-9A-Fa-f]{2}|[0-7]{1,3}|.))|(.)", re.DOTALL)


class _Differs(Exception):
    """The pattern has something that ECMA has not, or means otherwise."""


def ecma(pattern: str) -> str | None:
    """A pattern for JSON Schema that is found in the same texts; None if there is none that we know of.

    :param pattern: one that RE2 takes.
    """
    try:
        return "".join(_written(pattern))
    except _Differs:
        return None


def literal(text: str) -> str:
    """A pattern that this text alone has."""
    return "".join(map(_character, text))


def _written(pattern: str) -> Iterator[str]:
    is_assertion = False
    for match in TOKEN.finditer(pattern):
        kind, text = match.lastgroup or "literal", match[0]
        if match["least"] is not None or kind == "repeat":
            if is_assertion:
                raise _Differs
            yield text
            continue
        is_assertion = kind in ("start", "end")
        match kind:
            case "quoted":
                yield literal(text.removeprefix(r"\Q").removesuffix(r"\E"))
            case "start":
                yield "^"
            case "end":
                yield "$"
            case "escape":
                yield _escape(text)
            case "class":
                yield _class(text)
            case "flags" | "boundary":
                raise _Differs  # The boundaries of words are other ones where letters are not only ASCII's.
            case "open":
                yield _open(text)
            case "literal":
                yield r"[^\n]" if text == "." else _character(text)
            case _:
                yield text


def _open(text: str) -> str:
    if text == "(":
        return text
    if text == "(?:" or text.endswith(">"):
        return "(?:"
    raise _Differs  # It sets flags.


def _escape(text: str) -> str:
    name = text[1]
    if name.lower() in _CLASSES:
        return f"[{'^' if name.isupper() else ''}{_CLASSES[name.lower()]}]"
    return _character(_meant(text))


def _meant(text: str) -> str:
    """The character that an escape stands for."""
    code = _CODE.fullmatch(text)
    if code:
        return chr(int(code[3], 8) if code[3] else int(code[1] or code[2], 16))
    name = text[1]
    if name in _CONTROLS:
        return _CONTROLS[name]
    if len(text) > 2 or name.isalnum():
        raise _Differs  # Scripts and other properties: what they hold depends on the edition of Unicode.
    return name


def _class(text: str) -> str:
    negated = text.startswith("[^")
    inside = text[2:-1] if negated else text[1:-1]
    return f"[{'^' if negated else ''}{''.join(_items(list(_PART.finditer(inside))))}]"


def _items(parts: list[re.Match[str]]) -> Iterator[str]:
    """What stands in a class; a ``-`` that makes no range is one itself, wherever it stands."""
    while parts:
        part = parts.pop(0)
        many = _set(part)
        if many:
            yield many
        elif len(parts) > 1 and parts[0][0] == "-":
            _, last = parts.pop(0), parts.pop(0)
            yield f"{_in_class(part)}-{_in_class(last)}"
        else:
            yield _in_class(part)


def _set(part: re.Match[str]) -> str:
    """What a name for many characters stands for; empty if it is a single one."""
    negation, posix, escape, _ = part.groups()
    if posix:
        if negation or posix not in _POSIX:
            raise _Differs
        return _POSIX[posix]
    if escape and escape[1].lower() in _CLASSES:
        if escape[1].isupper():
            raise _Differs
        return _CLASSES[escape[1]]
    return ""


def _in_class(part: re.Match[str]) -> str:
    character = _meant(part[3]) if part[3] else part[0]
    if character in "&~":
        return _code(ord(character))  # Some dialects cut and subtract classes by them.
    return f"\\{character}" if character in "^\\]-[" else _visible(character)


def _character(character: str) -> str:
    return f"\\{character}" if character in _SYNTAX else _visible(character)


def _visible(character: str) -> str:
    if character in _SHOWN:
        return _SHOWN[character]
    is_plain = character.isprintable() and character < "\U00010000"
    return character if is_plain else _code(ord(character))


def _code(code: int) -> str:
    if code > 0xFFFF:
        raise _Differs  # One character with the flag u, two without.
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
