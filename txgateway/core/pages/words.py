"""Numbers and times as people read them at a glance."""

from __future__ import annotations

from datetime import UTC, datetime

# Between two figures or words that belong together.
NARROW = "\u202f"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def number(value: float) -> str:
    """A whole number, in groups of three."""
    return f"{value:,.0f}".replace(",", NARROW)


def rate(per_second: float) -> str:
    """Two figures where they matter: ``0``, ``0.3``, ``12``, ``1 234``."""
    return f"{per_second:.1f}" if 0 < per_second < 9.95 else number(per_second)


def milliseconds(value: float | None) -> str:
    """With its unit: ``0.42 ms``, ``12 ms``, ``3.1 s``; a dash where there is none."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value / 1000:.1f}{NARROW}s"
    return f"{value:.0f}{NARROW}ms" if value >= 9.95 else f"{value:.2g}{NARROW}ms"


def duration(seconds: float | None) -> str:
    """In its largest unit or two: ``4 s``, ``3 min``, ``2 h 05 min``, ``6 d 3 h``; a dash where there is none."""
    if seconds is None:
        return "–"
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}{NARROW}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}{NARROW}min"
    if whole < _DAY:
        return f"{whole // _HOUR}{NARROW}h {whole % _HOUR // _MINUTE:02d}{NARROW}min"
    return f"{whole // _DAY}{NARROW}d {whole % _DAY // _HOUR}{NARROW}h"


def percent(part: float, whole: float) -> str:
    """``75 %``; a dash where there is no whole."""
    if not whole:
        return "–"
    share = 100 * part / whole
    # What is little is not nothing, and what is nearly all is not all.
    text = "<1" if 0 < share < 0.5 else ">99" if 99.5 <= share < 100 else f"{share:.0f}"
    return f"{text}{NARROW}%"


def clock(seconds: float) -> str:
    """A time of day in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def day(seconds: float) -> str:
    """A date in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def iso(seconds: float) -> str:
    """Date and time for machines."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def many(count: int, noun: str, nouns: str = "") -> str:
    """``1 route``, ``2 routes``; :param nouns: the plural, where it is not made by an s."""
    return f"{number(count)}{NARROW}{noun if count == 1 else nouns or f'{noun}s'}"
