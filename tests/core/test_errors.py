"""Diagnostics point at their place, and failures carry what their answers need."""

from __future__ import annotations

from txgateway.core.descriptor import Position
from txgateway.core.errors import BadRequest, Diagnostic, ServiceUnavailable, VerbNotAllowed


def test_a_diagnostic_shows_the_line_with_a_caret_under_the_place():
    diagnostic = Diagnostic("no type Bok", Position("a.thrift", 3, 8), source="\t1: Bok b", hint="did you mean Book?")
    assert str(diagnostic).splitlines() == [
        "a.thrift:3:8: error: no type Bok",
        "    \t1: Bok b",
        "    \t      ^",
        "    did you mean Book?",
    ]


def test_members_without_a_value_are_left_out():
    assert BadRequest("no", field="num", rule=None).members == {"field": "num"}


def test_failures_carry_their_headers():
    assert VerbNotAllowed(("GET", "HEAD")).headers == ((b"allow", b"GET, HEAD"),)
    assert ServiceUnavailable(retry_after=3).headers == ((b"retry-after", b"3"),)
