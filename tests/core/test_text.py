"""Text to scalars: one written rule for each type, whatever Python itself would read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.descriptor import Scalar
from txgateway.core.misfit import Misfit
from txgateway.core.text import RANGES, boolean, double, integer, shortest, string, written

INTEGERS = [Scalar.I8, Scalar.I16, Scalar.I32, Scalar.I64]


@pytest.mark.parametrize("scalar", INTEGERS)
def test_an_integer_is_read_within_its_range_and_no_further(scalar):
    read = integer(scalar)
    low, high = RANGES[scalar]
    assert [read(b"%d" % low), read(b"%d" % high), read(b"+7"), read(b"-0"), read(b"007")] == [low, high, 7, 0, 7]
    for beyond in (low - 1, high + 1, 10**30):
        with pytest.raises(Misfit):
            read(b"%d" % beyond)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "0x10", "1e2", "7.0", " 7", "7 ", "1_0", "７", "٧", "true", "+", "--1", "1\n", "9" * 5000],
)
def test_nothing_else_is_an_integer(text):
    with pytest.raises(Misfit) as misfit:
        integer(Scalar.I32)(text.encode())
    assert str(misfit.value).startswith("expected an i32 (-2147483648 to 2147483647), got '")
    assert len(str(misfit.value)) < 120


@given(st.binary(max_size=8))
def test_any_bytes_are_an_integer_or_refused(data):
    try:
        value = integer(Scalar.I64)(data)
    except Misfit:
        return
    assert value == int(data.decode("ascii"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("1e-3", 0.001),
        ("+2E2", 200.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1_0.5e0_1", 105.0),
        ("0x1p-2", 0.25),
        ("-0X_1.8P+3", -12.0),
        ("0x.8p0", 0.5),
        ("0x1p-9999", 0.0),
    ],
)
def test_a_double_is_read(text, value):
    assert double(text.encode()) == value


def test_nan_is_a_double():
    assert math.isnan(double(b"NaN"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "1e999", "-1e999", " 1", "1,5", ".", "e5", "1" * 2000, "infin", "-NaN", "+nan", "１", "0b1"),
        *("_1", "1_", "1__0", "1_.5", "1._5", "0x1", "0xp1", "0x1.5", "00x1p0", "1p5", "0x1p9999"),
    ],
)
def test_nothing_else_is_a_double(text):
    with pytest.raises(Misfit):
        double(text.encode())


@given(st.floats())
def test_the_shortest_text_gives_the_same_double_again(number):
    read = double(shortest(number).encode())
    assert read == number or (math.isnan(read) and math.isnan(number))


def test_a_whole_double_is_written_without_a_fraction():
    assert [shortest(3.0), shortest(2.5), shortest(-0.0)] == ["3", "2.5", "-0"]


def test_a_double_is_written_without_an_exponent():
    assert [shortest(1e21), shortest(-1.5e-7)] == ["1" + "0" * 21, "-0.00000015"]


def test_bools_are_those_of_go():
    assert {boolean(text) for text in (b"1", b"t", b"T", b"true", b"True", b"TRUE")} == {True}
    assert {boolean(text) for text in (b"0", b"f", b"F", b"false", b"False", b"FALSE")} == {False}
    for text in (b"yes", b"", b"tRUE", b"2"):
        with pytest.raises(Misfit):
            boolean(text)


def test_a_string_keeps_what_is_not_utf_8():
    assert string("é".encode()) == "é"
    assert string(b"\xff\xfe") == b"\xff\xfe"


def test_scalars_are_written_as_text():
    assert [written(each) for each in (True, False, 7, 2.0, "é", b"\xff")] == [
        b"true",
        b"false",
        b"7",
        b"2",
        "é".encode(),
        b"\xff",
    ]
