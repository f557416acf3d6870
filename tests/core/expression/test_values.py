"""What the operators do with values of any kind; much of it the recorded cases hold."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from txgateway.core.expression.results import Problem, Results
from txgateway.core.expression.shapes import BINARY, TEXT, Composite, ListShape, MapShape, Octets, ScalarShape, as_int
from txgateway.core.expression.values import (
    add,
    code_points,
    contained,
    divide,
    entries,
    equal,
    greater,
    greater_or_equal,
    identical,
    is_nil,
    length,
    less,
    less_or_equal,
    negate,
    number,
    pick,
    remainder,
    text,
)

I32 = ScalarShape("int32", as_int, int, 0)
I64 = ScalarShape("int64", as_int, int, 0)
INTS = ListShape(I32, is_set=False)
ORDER = {"<": less, "<=": less_or_equal, ">": greater, ">=": greater_or_equal}
SOME = [None, True, False, 0, 1, 2**53 + 1, 0.5, math.nan, math.inf, "", "1", "é", Octets(b"\xff")]
SOME += [Composite([1], INTS), Composite(None, INTS), Composite(b"a", BINARY), Composite({"a": 1}, MapShape(TEXT, I32))]
SOME += [Problem("p"), Results([1, None])]


def test_nothing_raises_whatever_meets() -> None:
    for left, right in itertools.product(SOME, repeat=2):
        for order in ORDER.values():
            assert isinstance(order(left, right), bool)
        assert isinstance(equal(left, right), bool)
        assert isinstance(identical(left, right), bool)
        add(left, right)
        pick(left, (right,))
        pick(left, (right, right))
        assert isinstance(text(left) + text(right), str)
        assert isinstance(divide(number(left), number(right)), float)
        assert isinstance(remainder(number(left), number(right)), float)
    for value in SOME:
        negate(value)
        list(entries(value))
        assert length(value) >= 0
        assert code_points(value) >= 0


def test_integers_are_exact_until_arithmetic_touches_them() -> None:
    assert not equal(2**53 + 1, 2**53)
    assert equal(2**53 + 1, 2.0**53)
    assert ORDER["<"](2**53, 2**53 + 1)
    assert equal(add(2**53, 1), 2**53)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, "1.0", True),
        ("1.0", 1, False),
        ("1234567", 1234567, True),
        ("1.234567e+06", 1234567, True),
        ("true", True, True),
        (True, 1, False),
        ("", None, False),
        (0, None, False),
        (None, Composite(None, INTS), True),
        (None, Composite([], INTS), False),
        (math.nan, math.nan, False),
        (Composite([1, 2], INTS), Composite((1, 2), INTS), True),
        (Composite([1], INTS), Composite([1], ListShape(I64, is_set=False)), False),
        (Composite([math.nan], ListShape(ScalarShape("float64", float, float, 0.0), False)),) * 2 + (False,),
        (Composite([2, 1], ListShape(I32, True)), Composite({1, 2}, ListShape(I32, True)), True),
        (Composite({"a": [1]}, MapShape(TEXT, INTS)), Composite({"a": [1]}, MapShape(TEXT, INTS)), True),
        (Composite([1], INTS), "[1]", False),
        (Problem("x"), Problem("x"), False),
    ],
)
def test_equality(left: Any, right: Any, same: bool) -> None:
    assert equal(left, right) is same


def test_order_goes_by_the_left_side() -> None:
    less = ORDER["<"]
    assert less("10", 9)
    assert not less(10, "9")
    assert less("Z", "a")
    assert not less(None, 1)
    assert not less(False, True)
    assert not less("a", Composite([1], INTS))
    assert not less(1, "1e400")


def test_texts_that_are_no_utf8_keep_their_bytes() -> None:
    odd = Octets(b"a\xff")
    assert length(odd) == 2
    assert code_points(odd) == 2
    assert pick(odd, (1,)) == 255
    assert ORDER[">"](odd, "aÿ")
    assert ORDER["<"]("aÿ", odd)
    assert length("\ud800") == 3


def test_remainders_are_cut_to_integers() -> None:
    assert remainder(-7, 3) == -1
    assert remainder(7.9, 3) == 1
    assert str(remainder(-2, -2)) == "0.0"
    assert math.isnan(remainder(5, 0.5))
    assert math.isnan(remainder(5, 0))
    # As Go on amd64: what no int64 holds is the smallest one.
    assert remainder(math.nan, 5) == -3


def test_parts() -> None:
    table = Composite([[1, 2], [3]], ListShape(INTS, is_set=False))
    assert pick(table, (1, 0)) == 3
    assert pick(table, (1.9, 0.5)) == 3
    assert pick(table, (-0.5, 0)) == 1
    assert pick(table, (-1, 0)) is None
    assert pick(table, (0, True)) is None
    assert pick(5, (0,)) == 5
    assert pick(5, (0, 0)) is None
    by_id = Composite({7: "x"}, MapShape(I32, TEXT))
    assert pick(by_id, (7.9,)) == "x"
    assert pick(by_id, ("7",)) is None
    assert pick(by_id, (True,)) is None
    flags = Composite({True: "y"}, MapShape(ScalarShape("bool", bool, bool, False), TEXT))
    assert pick(flags, (True,)) == "y"
    assert pick(flags, (1,)) is None


def test_in_converts_nothing() -> None:
    assert contained("1", ("1",))
    assert not contained("1", (1,))
    assert contained(1.0, (1,))
    assert not contained(math.nan, (math.nan,))
    assert contained(None, (None,))
    assert is_nil(Composite(None, INTS))
