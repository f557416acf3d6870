"""Texts for people: shortened, printable, listed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Of a text or a value so much is shown, in characters.
SHOWN = 200
# Longer names are not compared with others.
_LONGEST_NAME = 64


def shortened(text: str, most: int = SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def printable(data: bytes, most: int = SHOWN) -> str:
    """Bytes of a request as a text, shortened."""
    return shortened(data[: most * 4].decode("utf-8", "backslashreplace"), most)


def count_of(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def listed(texts: Iterable[str]) -> str:
    """``a, b and c``."""
    *front, last = texts
    return f"{', '.join(front)} and {last}" if front else last


def similar(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or nothing; more generous than for an IDL, for here it is only a hint."""
    lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower()[:_LONGEST_NAME], lower, n=1, cutoff=0.6)
    return lower[close[0]] if close else ""
