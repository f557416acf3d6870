"""Patterns: RE2 as Go has it."""

from __future__ import annotations

import pytest

from txgateway.core.expression.pattern import PatternError, compile_pattern, foreign_pattern_found
from txgateway.core.expression.pattern_shape import can_match


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\d", "a1b", True),
        (r"^\d+$", "12\n", False),
        ("^.$", "世", True),
        ("^.$", "\n", False),
        ("(?s)^.$", "\n", True),
        (r"^\w*$", "é", False),
        (r"^\p{Han}+$", "图书", True),
        (r"\bfoo\b", "afoo", False),
        (r"^\Qa.b\E$", "a.b", True),
        ("", "", True),
        ("^.$", "\ud800", True),
        (r"\\C", "\\C", True),
    ],
)
def test_search(pattern: str, text: str, found: bool) -> None:
    assert compile_pattern(pattern)(text) is found


@pytest.mark.parametrize(
    ("pattern", "reason", "hint"),
    [
        ("(?<=a)b", "it has no `(?<=`", "RE2 has no look-around"),
        (r"(a)\1", r"it has no `\1`", "RE2 has no back-references"),
        ("a++", "`++` repeats a repetition", "RE2 has no possessive or atomic groups; it never backtracks"),
        (r"a\Z", r"it has no `\Z`", r"the end of the text is \z"),
        (r"\u4e00", r"it has no `\u`", r"a code point is written \x{4E00}"),
        ("[", "a `]` is missing", ""),
        ("a{1001}", "`{1001}` is no number of repetitions, of which there are at most 1000", ""),
        ("*a", "nothing stands before the `*`", ""),
        (r"\C", r"it has no `\C`", ""),
        (r"\pL{1000}", "it is too large; repeat less", ""),
    ],
)
def test_what_re2_refuses(pattern: str, reason: str, hint: str) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(pattern)
    assert (str(refused.value), refused.value.hint) == (reason, hint)


def test_a_foreign_pattern_is_bounded_and_never_refused() -> None:
    assert foreign_pattern_found("^a+$", "aaa")
    assert not foreign_pattern_found("(", "(")
    assert not foreign_pattern_found("a" * 257, "a" * 257)
    assert not foreign_pattern_found(r"\pL{1000}", "a" * 1000)
    assert foreign_pattern_found("[01]{900}", "1" * 1000)
    assert not foreign_pattern_found("[01]{900}", "1" * 10_000)


@pytest.mark.parametrize(
    "pattern",
    ["a^b", "$a", r"[^\s\S]", "(a^)|($b)", "a$b", "x*$y", r"a\z.", "^(a^)+$", "(^a){2}", "(a|b)^", "a{2}^b", r"\Qa\E^"],
)
def test_patterns_that_match_nothing(pattern: str) -> None:
    assert not can_match(pattern)
    found = compile_pattern(pattern)
    assert not any(found(text) for text in ("", "a", "b", "ab", "aa", "aab", "a\nb", "xy", "aba"))


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a",
        "^$",
        "^a$",
        "a|b^c",
        "(a^)*",
        "(^a|b)$",
        "a*^b",
        "^^a$$",
        "[$^]a",
        r"\^a\$b",
        "(?m)a$^b",
        "a{0}^b",
        "(a|)^c",
        "[^]a]b",
        "a$|b",
        "(a$)?b",
    ],
)
def test_patterns_that_may_match(pattern: str) -> None:
    assert can_match(pattern)
