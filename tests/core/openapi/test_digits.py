"""Patterns of the texts of integers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.openapi.digits import NONE, integers
from txgateway.core.text import RANGES

bounds = st.integers(-(10**6), 10**6) | st.sampled_from([-(2**63), 2**63 - 1, 0, 9, 10, 99, 100, -1])


@given(bounds, bounds, st.integers(-(2**64), 2**64) | bounds, st.sampled_from(["", "+", "-"]), st.integers(0, 3))
def test_a_pattern_takes_the_texts_of_its_range(low, high, number, sign, zeros):
    low, high = sorted((low, high))
    text = f"{sign}{'0' * zeros}{abs(number)}"
    assert bool(re.search(integers(low, high), text)) == (low <= int(text) <= high)


@pytest.mark.parametrize("edge", [0, -1, 1])
@pytest.mark.parametrize("bounds", RANGES.values())
def test_the_edges_of_each_type(bounds, edge):
    low, high = bounds
    assert bool(re.search(integers(low, high), str(high + edge))) == (edge <= 0)
    assert bool(re.search(integers(low, high), str(low + edge))) == (edge >= 0)


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "--1", "+", "\u0661"])
def test_what_is_no_integer_is_none_here(text):
    assert not re.search(integers(-(2**63), 2**63 - 1), text)


def test_an_empty_range_has_no_text():
    assert integers(5, 3) == NONE
    assert not re.search(NONE, "5")
