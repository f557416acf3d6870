"""A value in pieces is what it is in one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from txgateway.core.json_pieces import ITEMS, json_pieces

SCALARS = some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.text()
VALUES = some.recursive(SCALARS, lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner), max_leaves=20)
LONG = some.tuples(some.lists(VALUES, min_size=1, max_size=3), some.integers(1, 2 * ITEMS)).map(
    lambda of: of[0] * of[1]
)


@given(VALUES | some.dictionaries(some.text(), LONG | some.dictionaries(some.text(), LONG)))
def test_pieces_are_the_whole(value: Any) -> None:
    assert b"".join(json_pieces(value)) == orjson.dumps(value)
    assert b"".join(json_pieces(value, indented=True)) == orjson.dumps(value, option=orjson.OPT_INDENT_2)


@pytest.mark.parametrize("indented", [False, True])
def test_none_of_them_is_large(indented: bool) -> None:
    lines = [{"address": "10.0.0.1:9000", "tags": {"zone": "a\nb"}, "calls": number} for number in range(1_000)]
    page = {"services": {f"service{number}": lines for number in range(20)}, "routes": lines}
    pieces = list(json_pieces(page, indented=indented))
    assert max(map(len, pieces)) < 10_000
    assert orjson.loads(b"".join(pieces)) == page
