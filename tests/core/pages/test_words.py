"""Numbers and times at a glance."""

from __future__ import annotations

import pytest

from txgateway.core.pages import words

N = words.NARROW


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (words.number(1234567), f"1{N}234{N}567"),
        (words.rate(0), "0"),
        (words.rate(0.25), "0.2"),
        (words.rate(12.6), "13"),
        (words.milliseconds(None), "–"),
        (words.milliseconds(0.4242), f"0.42{N}ms"),
        (words.milliseconds(0), f"0{N}ms"),
        (words.milliseconds(9.96), f"10{N}ms"),
        (words.milliseconds(3123), f"3.1{N}s"),
        (words.duration(None), "–"),
        (words.duration(-1), f"0{N}s"),
        (words.duration(59.9), f"59{N}s"),
        (words.duration(200), f"3{N}min"),
        (words.duration(2 * 3600 + 5 * 60), f"2{N}h 05{N}min"),
        (words.duration(6 * 86400 + 3 * 3600), f"6{N}d 3{N}h"),
        (words.percent(0, 0), "–"),
        (words.percent(3, 4), f"75{N}%"),
        (words.percent(1, 1000), f"<1{N}%"),
        (words.percent(999, 1000), f">99{N}%"),
        (words.percent(0, 5), f"0{N}%"),
        (words.clock(86399), "23:59:59"),
        (words.day(86400), "1970-01-02"),
        (words.iso(0), "1970-01-01T00:00:00Z"),
        (words.many(1, "route"), f"1{N}route"),
        (words.many(2, "route"), f"2{N}routes"),
        (words.many(2, "entry", "entries"), f"2{N}entries"),
    ],
)
def test_it_reads(told, wanted):
    assert told == wanted
