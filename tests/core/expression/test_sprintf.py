"""sprintf against what Go's fmt printed (Go 1.26)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.descriptor import Scalar
from txgateway.core.expression.results import Problem, Results
from txgateway.core.expression.shapes import (
    BINARY,
    BOOL,
    DOUBLE,
    TEXT,
    Composite,
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    as_int,
)
from txgateway.core.expression.sprintf import LIMIT, ROOM, read_format

I32 = ScalarShape("int32", as_int, int, 0)


def sprintf(text: str, *arguments: Any) -> str:
    return read_format(text, len(arguments))(*arguments)


def a_list(element: Shape, *items: Any) -> Composite:
    return Composite(list(items), ListShape(element, is_set=False))


@pytest.mark.parametrize(
    ("form", "arguments", "text"),
    [
        # Numbers
        ("%v|%s|%d|%t", (1.0, 1.0, 5.0, 1.0), "1|%!s(float64=1)|5|%!t(float64=1)"),
        ("%d|%d|%05d|%-5d|", (-7.0, 1.5, 7.0, 7.0), "-7|%!d(float64=1.5)|00007|7    |"),
        ("%+d|% d", (5.0, 5.0), "%!d(float64=+5)|%!d(float64= 5)"),
        ("%f|%.2f|%.0f|%5.1f|%-8.2f|", (1.5, 1 / 3, 2.5, 3.14159, 2.5), "1.500000|0.33|2|  3.1|2.50    |"),
        ("%+.1f|%08.3f", (2.0, -3.14159), "+2.0|-003.142"),
        ("%e|%E|%.1e", (1234.5678, 0.5, 1e10), "1.234568e+03|5.000000E-01|1.0e+10"),
        ("%g|%G|%.3g|%g", (1e6, 1e-7, 1234567.0, 100000.0), "1e+06|1E-07|1.23e+06|100000"),
        ("%x|%X|%b|%.2x", (255.0, -1.5, 5.0, 1.999), "0x1.fep+07|-0X1.8P+00|5629499534213120p-50|0x1.00p+01"),
        ("%#g|%#.3g|%#x|% f", (1.0, 100000.0, 3.0, 2.0), "1.00000|1.00e+05|0x1.8000p+01| 2.000000"),
        (
            "%v|%v|%v|%5v|%05v|%+v",
            (math.nan, math.inf, -math.inf, math.nan, math.inf, 1.0),
            "NaN|+Inf|-Inf|  NaN| +Inf|1",
        ),
        ("%v|%v", (5e-324, -0.0), "5e-324|-0"),
        ("%c|%o|%U|%q", (65.0, 8.0, 65.0, 65.0), "%!c(float64=65)|%!o(float64=8)|%!U(float64=65)|%!q(float64=65)"),
        # Texts
        ("%s|%v|%6v|%-6v|%.3v|%06v", ("a", "b", "ab", "ab", "abcdef", "ab"), "a|b|    ab|ab    |abc|0000ab"),
        ("%q|%+q|%#q", ('a"b', "世", "a\\b"), '"a\\"b"|"\\u4e16"|`a\\b`'),
        ("%q", ("\x00\n\u200b\U0001f389",), '"\\x00\\n\\u200b🎉"'),
        ("%x|%X|% x|%#x|%# x|%.1x", ("hi", "hi", "hi", "hi", "hi", "hi"), "6869|6869|68 69|0x6869|0x68 0x69|68"),
        ("%5s|%.2s|%d", ("世", "世界人", "x"), "    世|世界|%!d(string=x)"),
        ("%#v|%T|%T|%T", ("a", 1.0, "a", True), '"a"|float64|string|bool'),
        # nil and booleans
        ("%v|%d|%s|%T|%6v|", (None, None, None, None, None), "<nil>|%!d(<nil>)|%!s(<nil>)|<nil>| <nil>|"),
        ("%t|%v|%s|%6t|", (True, False, True, True), "true|false|%!s(bool=true)|  true|"),
        # Arguments
        ("%%|%", (), "%|%!(NOVERB)"),
        ("%v %v", (1.0,), "1 %!v(MISSING)"),
        ("%v", (1.0, "b", None), "1%!(EXTRA string=b, <nil>)"),
        ("%[2]v %[1]v|%[3]v|%[x]v|%[2]*v", (1.0, 2.0), "2 1|%!v(BADINDEX)|%!v(BADINDEX)|%!(BADWIDTH)%!v(MISSING)"),
        ("%*d|%.*f", (5.0, 1.0, 2.0, 3.0), "%!(BADWIDTH)%!d(float64=1)|%!(BADPREC)3.000000"),
        ("%z|%!|%é", (1.0, 2.0, 3.0), "%!z(float64=1)|%!!(float64=2)|%!é(float64=3)"),
    ],
)
def test_go_printed_the_same(form: str, arguments: tuple[Any, ...], text: str) -> None:
    assert sprintf(form, *arguments) == text


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("%v", a_list(I32, 1, -2), "[1 -2]"),
        ("%s", a_list(I32, 1), "[%!s(int32=1)]"),
        ("%3d|", a_list(I32, 1, -2), "[  1  -2]|"),
        ("%x", a_list(I32, 255, -1), "[ff -1]"),
        ("%c%U", a_list(I32, 65), "[A]%!U(MISSING)"),
        ("%#v", a_list(I32, 1, 2), "[]int32{1, 2}"),
        ("%q", a_list(TEXT, "a", "b c"), '["a" "b c"]'),
        ("%v", a_list(DOUBLE, 1.0, 2.5, 1e6), "[1 2.5 1e+06]"),
        ("%d", a_list(DOUBLE, 1.0), "[%!d(float64=1)]"),
        ("%t", a_list(BOOL, True), "[true]"),
        ("%v", a_list(ListShape(I32, is_set=False), [1], []), "[[1] []]"),
        ("%T", a_list(ListShape(I32, is_set=False)), "[][]int32"),
        ("%w", a_list(I32, 1), "%!w([]int32=[1])"),
        ("%v", Composite(None, ListShape(I32, is_set=False)), "[]"),
        ("%#v", Composite(None, ListShape(I32, is_set=False)), "[]int32(nil)"),
        ("%v", Composite({"b": 1, "a": 2}, MapShape(TEXT, I32)), "map[a:2 b:1]"),
        ("%s", Composite({10: "x", -2: "y"}, MapShape(I32, TEXT)), "map[%!s(int32=-2):y %!s(int32=10):x]"),
        ("%#v", Composite({"a": 1}, MapShape(TEXT, I32)), 'map[string]int32{"a":1}'),
        ("%v", Composite(b"hi", BINARY), "[104 105]"),
        ("%s|%v", Composite(b"hi", BINARY), "hi|%!v(MISSING)"),
        ("%x", Composite(b"hi", BINARY), "6869"),
        ("%#v", Composite(b"\x01\x02", BINARY), "[]byte{0x1, 0x2}"),
        ("%v", Problem("email format is incorrect"), "email format is incorrect"),
        ("%v", Results([True, None, 1.5, "a"]), "[true <nil> 1.5 a]"),
        ("%T", Results([]), "[]interface {}"),
    ],
)
def test_go_printed_containers_the_same(form: str, value: Any, text: str) -> None:
    assert sprintf(form, value) == text


def test_a_width_beyond_the_limit_is_malformed() -> None:
    assert len(sprintf(f"%{LIMIT}d", 1.0)) == LIMIT
    assert sprintf(f"%{LIMIT + 1}d", 1.0) == "%!(NOVERB)%!(EXTRA float64=1)"
    assert sprintf("%999999999999d", 1.0) == "%!(NOVERB)%!(EXTRA float64=1)"


def test_padding_does_not_multiply_a_list() -> None:
    assert len(sprintf(f"%{LIMIT}d", a_list(I32, *[1] * 10_000))) < ROOM + 3 * LIMIT


_VALUES = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(), st.lists(st.integers(-5, 5)).map(lambda x: a_list(I32, *x))
)


@given(st.text("%vsdfgxXqtTbcoOUeEGpw0123456789+-# .*[]é", max_size=30), st.lists(_VALUES, max_size=4))
def test_no_format_fails(form: str, arguments: list[Any]) -> None:
    assert isinstance(sprintf(form, *arguments), str)


def test_every_scalar_type_has_a_shape() -> None:
    from txgateway.core.expression import shapes

    assert set(shapes._SCALARS) == set(Scalar)
