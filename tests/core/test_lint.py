"""Rules that cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recorded import vd
from txgateway.core.errors import Severity
from txgateway.core.linker import load
from txgateway.core.lint import lint

RECORDED = Path(__file__).parents[1] / "vectors" / "vd"
TYPES = "enum Color { RED = 1 }\nstruct I { 1: i32 x, 2: optional string s }\n"


def messages(type: str, rule: str, rest: str = "") -> list[str]:
    """What is said of a rule, without the name of its field."""
    idl = f'{TYPES}struct R {{ 1: {type} f (api.vd="{rule}") {rest} }}'
    found = lint(load("r.thrift", lambda path: idl).schema)
    return [warning.message.removeprefix("the rule of R.f: ") for warning in found]


NEVER, ALWAYS = "no value can meet this rule", "every value meets this rule"


@pytest.mark.parametrize(
    ("type", "rule", "expected"),
    [
        ("i32", "$>5&&$<3", [NEVER]),
        ("i32", "$>=0||$<0", [ALWAYS]),
        ("i8", "$<1000", [ALWAYS]),
        ("double", "$>0.25&&$<0.25", [NEVER]),
        ("string", "mblen($)<=4&&len($)>16", [NEVER]),
        ("list<i32>", "len($)>3&&len($)<=3", [NEVER]),
        ("i32", "in($,1,2)&&$!=1&&$!=2", [NEVER]),
        ("i32", "true", [ALWAYS]),
        ("i32", "false; msg:'no'", [NEVER]),
        ("i32", "regexp('a')&&!regexp('a')&&false", [NEVER]),
        ("i32", "$<24*60*60||$>=86400", [ALWAYS]),
        ("i32", "$==nil||$>0", ["this compares a number that is never nil with nil"]),
        ("string", "$>5", ["this compares a text with a number"]),
        ("i32", "$=='5'", ["this compares a number with a text"]),
        ("Color", "$=='RED'", ["this compares a number with a text", NEVER]),
        ("bool", "$==1", ["this compares a boolean with a number", NEVER]),
        ("list<i32>", "$>1", ["a list has no order: this is always false", NEVER]),
        ("map<string,i32>", "$==''", ["this compares a map with a text", NEVER]),
        ("string", "regexp('a^b')", ["this pattern can not match any text"]),
        ("i32", "msg:'x'", ["there is no check, so it never refuses anything"]),
        ("i32", "foo:$>1; @:$>2", ["only the check and `msg` are ever looked at"]),
        ("i32", "$>1; msg:5", ["the message is a number, and only a text is ever shown"]),
        ("i32", "$>1; msg:$>1", ["the message is a boolean, and only a text is ever shown"]),
        ("i32", "#v==nil", ["#v has a value only within range, here it is nil", ALWAYS]),
        ("string", "len($,1)==0", ["len with 2 arguments is always 0", ALWAYS]),
        ("string", "email($,1)", ["email with 2 arguments always fails"]),
        ("i32", "in($)", ["in with 1 arguments is always false", NEVER]),
        ("i32", "(g)$!=nil", ["there is no field `g` in R: it is nil", NEVER]),
    ],
)
def test_warnings(type: str, rule: str, expected: list[str]) -> None:
    assert messages(type, rule) == expected


@pytest.mark.parametrize(
    ("type", "rule"),
    [
        ("i32", "$<100; msg:'num must less than 100'"),
        ("optional i64", "$==nil||($>0&&$<200)"),
        ("double", "$>0||$<=0"),
        ("double", "$>0.25&&$<0.3"),
        ("string", "mblen($)<=4&&len($)>12"),
        ("string", "len($)>5000"),
        ("string", "$>'m'&&$<'n'"),
        ("list<string>", "len($)>0 && len($)<=3 && range($, len(#v)>0 && mblen(#v)<=4); msg:'bad tags'"),
        ("list<i32>", "len(range($, #v>0))==2"),
        ("i32", "$%60==0 && $ <= (24*60*60)"),
        ("I", "$!=nil; msg:'needed'"),
        ("I", "(f.s)$!=nil"),
        ("string", "$==''||email($)"),
        ("i32", "!true||$>0; msg:sprintf('%v',$)"),
        ("i32", "$*3==21"),
        ("string", "regexp('^a|b$')"),
    ],
)
def test_rules_that_are_fine(type: str, rule: str) -> None:
    assert messages(type, rule) == []


def test_a_warning_has_a_place_and_a_way_out() -> None:
    idl = f'{TYPES}struct R {{\n  1: i32 min,\n  2: i32 max (api.vd="$>0 && $>(minn)$")\n}}'
    (unknown, order, never) = lint(
        load("r.thrift", lambda path: idl).schema, lines=lambda file, line: idl.split("\n")[line - 1]
    )
    assert str(unknown) == (
        "r.thrift:5:32: warning: the rule of R.max: there is no field `minn` in R: it is nil\n"
        '      2: i32 max (api.vd="$>0 && $>(minn)$")\n'
        "                                   ^\n"
        "    did you mean (min)$?"
    )
    assert (order.position.column, never.position.column) == (30, 23)
    assert {each.severity for each in (unknown, order, never)} == {Severity.WARNING}


def test_a_refused_rule_is_not_for_the_lint() -> None:
    assert messages("i32", "$>") == []


@pytest.mark.parametrize("group", sorted(file.stem for file in RECORDED.glob("*.json")))
def test_no_recorded_case_contradicts_a_warning(group: str) -> None:
    contradicted = []
    for case in json.loads((RECORDED / f"{group}.json").read_text("utf-8"))["cases"]:
        outcome = (case.get("expected_here") or case.get("expect") or case["expect_any"][0])["outcome"]
        rules = [field["vd"] for fields in case["structs"].values() for field in fields if field.get("vd")]
        for warning in lint(vd.schema_of(case["structs"])):
            says = {"valid": NEVER, "invalid": ALWAYS}.get(outcome)
            if len(rules) == 1 and says and warning.message.endswith(says):
                contradicted.append((case["id"], rules[0], warning.message))
    assert contradicted == []
