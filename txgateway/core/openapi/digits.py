"""The texts of the integers of a range, as a pattern: JSON Schema bounds numbers, but not the digits of a text."""

from __future__ import annotations

from collections.abc import Iterator

# Matches no text at all.
NONE = r"[^\s\S]"


def integers(low: int, high: int) -> str:
    """An anchored pattern of every decimal text from ``low`` to ``high``, with any sign and leading zeros."""
    parts = []
    if low <= 0 <= high:
        parts.append("[+-]?0+")
    if max(low, 1) <= high:
        parts.append(f"\\+?0*{_group(max(low, 1), high)}")
    if low <= min(high, -1):
        parts.append(f"-0*{_group(max(-high, 1), -low)}")
    return f"^({'|'.join(parts)})$" if parts else NONE


def _group(low: int, high: int) -> str:
    return f"({'|'.join(_naturals(str(low), str(high)))})"


def _naturals(low: str, high: str) -> Iterator[str]:
    """Patterns of the numbers between two, neither of which begins with a zero."""
    shortest, longest = len(low), len(high)
    if shortest == longest:
        yield from _of_length(low, high)
        return
    yield from _of_length(low, "9" * shortest)
    if longest - shortest > 1:
        yield "[1-9]" + _any(shortest, longest - 2)
    yield from _of_length("1" + "0" * (longest - 1), high)


def _of_length(low: str, high: str) -> Iterator[str]:
    """Patterns of the texts between two of the same length."""
    count = len(low) - 1
    if low[1:] == "0" * count and high[1:] == "9" * count:
        yield _digit(low[0], high[0]) + _any(count, count)
    elif low[0] == high[0]:
        yield from (low[0] + rest for rest in _of_length(low[1:], high[1:]))
    elif low[1:] != "0" * count:
        yield from _of_length(low, low[0] + "9" * count)
        yield from _of_length(chr(ord(low[0]) + 1) + "0" * count, high)
    else:
        yield from _of_length(low, chr(ord(high[0]) - 1) + "9" * count)
        yield from _of_length(high[0] + "0" * count, high)


def _digit(first: str, last: str) -> str:
    return first if first == last else f"[{first}-{last}]"


def _any(least: int, most: int) -> str:
    if not most:
        return ""
    times = "" if most == 1 else f"{{{most}}}" if least == most else f"{{{least},{most}}}"
    return "[0-9]" + times
