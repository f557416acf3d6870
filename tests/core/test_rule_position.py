"""Places inside of an annotation's value."""

from __future__ import annotations

import pytest

from txgateway.core.descriptor import Annotation, Position
from txgateway.core.rule_position import place_in_value


def place(value: str, offset: int, line: str = "") -> tuple[int, int]:
    annotation = Annotation("api.vd", value, value_position=Position("f", 3, 11))
    found = place_in_value(annotation, offset, lambda file, number: line)
    return found.line, found.column


@pytest.mark.parametrize(
    ("value", "offset", "line", "expected"),
    [
        ("abc", 0, "", (3, 11)),
        ("abc", 2, "", (3, 13)),
        # In the file each of these quotes has a backslash, which the value has lost.
        ('a"b"c', 4, 'x (api.vd="a\\"b\\"c"', (3, 17)),
        ("a'b'c", 4, "x (api.vd='a\\'b\\'c'"[1:], (3, 17)),
        ("a'b'c", 4, "", (3, 15)),
        ("a\nbc", 2, "", (4, 1)),
        ("a\nb\ncd", 5, "", (5, 2)),
    ],
)
def test_places(value: str, offset: int, line: str, expected: tuple[int, int]) -> None:
    # The value begins in column 11, its quote stands in column 10.
    assert place(value, offset, line and line.rjust(len(line))) == expected
