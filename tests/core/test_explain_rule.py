"""A rule at work, part by part."""

from __future__ import annotations

from typing import Any

import pytest

from txgateway.core.explain_rule import explain_rule
from txgateway.core.expression import RuleError


def parts(rule: str, value: Any, **more: Any) -> list[tuple[int, str, str]]:
    return [(part.depth, part.text, part.value) for part in explain_rule(rule, value, **more).parts]


def test_each_part_with_its_value() -> None:
    rule = "len($)>2 && $!='abc'; msg:sprintf('%v!',$)"
    assert parts(rule, "abc") == [
        (0, "len($)>2 && $!='abc'", "false"),
        (1, "len($)>2", "true"),
        (2, "len($)", "3"),
        (3, "$", "'abc'"),
        (1, "$!='abc'", "false"),
        (2, "$", "'abc'"),
        (0, "sprintf('%v!',$)", "'abc!'"),
        (1, "$", "'abc'"),
    ]
    failure = explain_rule(rule, "abc").failure
    assert failure is not None
    assert failure.message == "abc!"


def test_the_body_of_a_loop_has_a_value_for_each_round() -> None:
    assert parts("range($, range(#v, #v>1))", [[1, 2], [3]]) == [
        (0, "range($, range(#v, #v>1))", "[[false, true], [true]]"),
        (1, "$", "[[1 2] [3]]"),
        (1, "range(#v, #v>1)", "[[false, true], [true]]"),
        (2, "#v", "[[1 2], [3]]"),
        (2, "#v>1", "[[false, true], [true]]"),
        (3, "#v", "[[1, 2], [3]]"),
    ]


def test_other_fields_and_structs() -> None:
    assert parts("$<(hi)$ && (o.x)$==$['y']", {"y": 1}, siblings={"hi": 7, "o": {"x": 1}}) == [
        (0, "$<(hi)$ && (o.x)$==$['y']", "false"),
        (1, "$<(hi)$", "false"),
        (2, "$", "{1}"),
        (2, "(hi)$", "7"),
        (1, "(o.x)$==$['y']", "true"),
        (2, "(o.x)$", "1"),
        (2, "$['y']", "1"),
    ]


@pytest.mark.parametrize(
    ("value", "type", "shown"),
    [
        (None, "", "nil"),
        (None, "list<i32>", "[]"),
        (True, "", "true"),
        (1234567, "", "1.234567e+06"),
        (2.5, "", "2.5"),
        ("it's", "", r"'it\'s'"),
        ([], "", "[]"),
        ({}, "", "{}"),
        ({"b": 1, "a": 2}, "map<string,i64>", "map[a:2 b:1]"),
        ([1, 2], "set<i32>", "[1 2]"),
        ("ab", "binary", "[97 98]"),
    ],
)
def test_values_and_types(value: Any, type: str, shown: str) -> None:
    assert parts("$", value, type=type) == [(0, "$", shown)]


def test_errors_are_shown_as_such() -> None:
    assert parts("email($)", "x")[0] == (0, "email($)", "error: email format is incorrect")
    assert parts("range($,range((value)$,true))", [1] * 5000)[0][2] == "too much to be computed"


def test_mistakes() -> None:
    with pytest.raises(RuleError, match="something is missing"):
        explain_rule("$>", 5)
    with pytest.raises(RuleError, match="no type that is known here"):
        explain_rule("$", 5, type="list<Book>")
