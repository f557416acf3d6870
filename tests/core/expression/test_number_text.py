"""Numbers as Go writes and reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.expression.number_text import decimal_text, digits_of, number_text, parse_number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1, "1"),
        (-17.0, "-17"),
        (999999, "999999"),
        (1000000, "1e+06"),
        (1234567, "1.234567e+06"),
        (-1234567.5, "-1.2345675e+06"),
        (123456.789, "123456.789"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e21, "1e+21"),
        (1e308, "1e+308"),
        (5e-324, "5e-324"),
        (2**63, "9.223372036854776e+18"),
        (9007199254740993, "9.007199254740992e+15"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers_print_like_percent_v(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_reads_back_as_itself(number: float) -> None:
    assert parse_number(number_text(number)) == (number, True)
    assert parse_number(decimal_text(number)) == (number, True)


@given(st.floats(min_value=5e-324, allow_infinity=False))
def test_digits_have_no_zeros_at_their_ends(number: float) -> None:
    digits, point = digits_of(number)
    assert digits == digits.strip("0")
    assert float(f"0.{digits}e{point}") == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("-1.5", -1.5),
        ("+5", 5),
        (".5", 0.5),
        ("5.", 5),
        ("1e3", 1000),
        ("1E-3", 0.001),
        ("1_000", 1000),
        ("1_0.0_1", 10.01),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("+INF", math.inf),
        ("0x10p0", 16),
        ("0x1.8p1", 3),
        ("0X_1p-2", 0.25),
        ("00017", 17),
        ("1e-400", 0),
    ],
)
def test_texts_that_are_numbers(text: str, number: float) -> None:
    assert parse_number(text) == (number, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1__0",
        "_1",
        "1_",
        "1._5",
        "1_e5",
        "e5",
        ".",
        "+",
        "0x10",
        "0x",
        "0xp1",
        "1,0",
        "１",
        "+nan",
        "infin",
        "1e",
        "--1",
        "1\n",
        "0b1",
        "1_000_x",
    ],
)
def test_texts_that_are_none(text: str) -> None:
    assert parse_number(text) == (0.0, False)


def test_nan_has_no_sign() -> None:
    number, ok = parse_number("NaN")
    assert math.isnan(number)
    assert ok


@pytest.mark.parametrize(("text", "number"), [("1e400", math.inf), ("-1e400", -math.inf), ("0x1p9999", math.inf)])
def test_a_number_out_of_range_is_infinite_and_counts_as_none(text: str, number: float) -> None:
    assert parse_number(text) == (number, False)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1e6, "1000000"), (1e-7, "0.0000001"), (-1234567.5, "-1234567.5"), (0.0, "0"), (math.inf, "+Inf")],
)
def test_numbers_as_people_write_them(number: float, text: str) -> None:
    assert decimal_text(number) == text
