"""Where settings stand in a TOML document, however it is written."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.toml_lines import line_of, lines_of_names


@pytest.mark.parametrize(
    ("toml", "lines"),
    [
        ("", {}),
        ("a = 1", {"a": 1}),
        ("# [x]\n\na = 1 # b = 2\n", {"a": 3}),
        ("[t]\r\na = 1\r\n", {"t": 1, "t.a": 2}),
        ("[t]\na = [\n  1, # ]\n  2,\n]\nb = 3", {"t": 1, "t.a": 2, "t.b": 6}),
        ('a = """\nb = 1\n[t]\n"""\nc = 2', {"a": 1, "c": 5}),
        ('a = """x\\""" ""y"""""\nc = 2', {"a": 1, "c": 2}),
        ("a = '''\n\\'''\nb = '[\\'\nc = 2", {"a": 1, "b": 3, "c": 4}),
        ('a = "[\\"["\nb = 2', {"a": 1, "b": 2}),
        ('[p."a.b"]\nr = 1\n["q"]\n', {"p.a.b": 1, "p.a.b.r": 2, "q": 3}),
        ("a.b = 1\n  c = { d = 1, e = { f = 2 } }", {"a": 1, "a.b": 1, "c": 2, "c.d": 2, "c.e": 2, "c.e.f": 2}),
        ("[[l]]\na = 1\n[[l]]\na = 2\n[[l.m]]\n", {"l": 1, "l.a": 2, "l.m": 5}),
    ],
)
def test_names_have_the_line_where_they_first_stand(toml, lines):
    tomllib.loads(toml)
    assert lines_of_names(toml) == lines


values = st.sampled_from(["1", "true", '"""\n[x]\n#"""', "'''\n\"'''", '"#["', "[\n1,\n# ]\n]", "{ x = '}' }", '"\\""'])


@given(st.lists(st.tuples(st.booleans(), values), max_size=20))
def test_each_statement_is_found_where_it_was_written(statements):
    toml, expected, table = "", {}, ""
    for number, (is_table, value) in enumerate(statements):
        name = f"n{number}" if is_table else f"{table}n{number}"
        expected[name] = toml.count("\n") + 1
        table = f"{name}." if is_table else table
        toml += f"[n{number}]\n" if is_table else f"n{number} = {value} # '\n"
    found = lines_of_names(toml)
    assert {name: line for name, line in found.items() if not name.endswith(".x")} == expected


def test_what_has_no_line_of_its_own_has_that_of_its_table():
    lines = lines_of_names("[policy]\nmethods.book = { retries = 1 }")
    assert line_of("policy.methods.book.retries", lines) == 2
    assert line_of("policy.methods.book.retries.x", lines) == 2
    assert line_of("policy.timeout", lines) == 1
    assert line_of("http.listen", lines) == 0
