"""Paths of small drawings: inside of their frame, with gaps where there is nothing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.pages.sparkline import EDGE, HEIGHT, WIDTH, bars, line


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+) ([\d.]+)", path)]


def test_a_line_goes_through_its_values_from_left_to_right():
    assert line([0, 5, 10], 10) == f"M0.0 {HEIGHT - EDGE:.1f}L60.0 12.0L120.0 {EDGE:.1f}"


def test_a_line_is_broken_where_there_is_no_value():
    assert line([None, 1, 1, None, 1, 1], 1).count("M") == 2
    assert line([None, None], 1) == ""


def test_a_value_that_stands_alone_can_be_seen():
    assert line([None, 1, None], 1) == "M60.0 2.0h30.0"
    assert line([None, None, 1], 1) == "M120.0 2.0h-30.0"


def test_only_values_above_zero_have_a_bar():
    assert bars([0, 0], 0) == ""
    assert bars([0, 3, 0, 1], 3).count("z") == 2


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=60))
def test_nothing_leaves_the_frame(values):
    top = max((value for value in values if value is not None), default=0)
    for x, y in points(line(values, top)):
        assert 0 <= x <= WIDTH
        assert EDGE <= y <= HEIGHT - EDGE
