"""What JSON Schema says of rules, against what becomes of values that are held against them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapped import Mapped, schema_of
from tests.test_rules_page import ROWS
from txgateway.core.descriptor import Field
from txgateway.core.errors import GatewayError
from txgateway.core.explain_rule import explain_rule, parse_type
from txgateway.core.expression import parse
from txgateway.core.openapi.rules import HELD, NOT_HELD, Held, Rules, inside
from txgateway.core.openapi.vd_schema import EMAIL, said_by


def said(rule: str, type: str) -> Any:
    return said_by(parse(rule).check, Field(1, "v", parse_type(type)), raw=True)


def is_valid(schema: Any, value: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)


def holds(rule: str, type: str, value: Any) -> bool:
    return explain_rule(rule, value, name="v", type=type).failure is None


@pytest.mark.parametrize(
    ("rule", "type", "schema"),
    [
        ("$<100; msg:'num must less than 100'", "i32", {"exclusiveMaximum": 100}),
        ("$>=-5 && $<=5.5", "double", {"minimum": -5, "maximum": 5.5}),
        ("5<$", "i64", {"exclusiveMinimum": 5}),
        ("$==nil || ($>0 && $<200)", "i64", {"exclusiveMinimum": 0, "exclusiveMaximum": 200}),
        ("$==3", "i8", {"const": 3}),
        ("$!=3", "i8", {"not": {"const": 3}}),
        ("!($>3)", "i8", {"not": {"exclusiveMinimum": 3}}),
        ("$%5==0", "i32", {"multipleOf": 5}),
        ("$", "bool", {"const": True}),
        ("$!=nil", "string", {}),
        ("$!=''", "string", {"not": {"const": ""}}),
        ("len($)>0", "string", {"minLength": 1}),
        ("mblen($)>=2 && mblen($)<5", "string", {"minLength": 2, "maxLength": 4}),
        ("in($,'a','b',nil,'a')", "string", {"enum": ["a", "b"]}),
        ("in($,1,-2)", "i32", {"enum": [1, -2]}),
        (r"regexp('^\d+$')", "string", {"pattern": "^[0-9]+$"}),
        ("email($)", "string", {"format": "email", "pattern": EMAIL}),
        ("$=='a' || mblen($)>3", "string", {"anyOf": [{"const": "a"}, {"minLength": 4}]}),
        ("len($)>0 && len($)<=3", "list<i32>", {"minItems": 1, "maxItems": 3}),
        ("range($, #v>0 && #v<9)", "list<i32>", {"items": {"exclusiveMinimum": 0, "exclusiveMaximum": 9}}),
        ("range($, range(#v, #v>0))", "list<list<i32>>", {"items": {"items": {"exclusiveMinimum": 0}}}),
        (
            "range($, len(#k)>0 && #v>0) && len($)<3",
            "map<string,i32>",
            {"propertyNames": {"minLength": 1}, "additionalProperties": {"exclusiveMinimum": 0}, "maxProperties": 2},
        ),
    ],
)
def test_a_rule_as_a_schema(rule, type, schema):
    found = said(rule, type)
    assert (found.schema, found.exact) == (schema, True)


@pytest.mark.parametrize(
    ("rule", "type", "schema"),
    [
        ("$>(low)$ && $<9", "i32", {"exclusiveMaximum": 9}),
        ("len($)<=9", "string", {"maxLength": 9}),
        ("len($)>=9", "string", {"minLength": 3}),
        ("$>'a'", "string", {}),
        ("phone($)", "string", {}),
        ("regexp('(?i)a')", "string", {}),
        ("$>1 || phone($)", "string", {}),
        ("$+1>2", "i32", {}),
        ("range($, #k<2)", "list<i32>", {}),
        ("len($)>=3 && len($)<5", "set<i32>", {"minItems": 3}),
    ],
)
def test_of_what_no_schema_says_it_says_what_it_can(rule, type, schema):
    found = said(rule, type)
    assert (found.schema, found.exact) == (schema, False)


@pytest.mark.parametrize(("rule", "type", "value", "outcome"), ROWS)
def test_every_rule_of_the_rules_page_is_told_truly(rule, type, value, outcome):
    given_value = json.loads(value)
    if given_value is None:
        return
    found = said(rule, type)
    if outcome == "passes":
        assert is_valid(found.schema, given_value)
    elif found.exact:
        assert not is_valid(found.schema, given_value)


_numbers = st.sampled_from(["0", "1", "2", "3", "-1", "2.5"])
_operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


def _comparisons(subject: str) -> st.SearchStrategy[str]:
    plain = st.tuples(_operators, _numbers)
    return st.one_of(
        plain.map(lambda pair: f"{subject}{pair[0]}{pair[1]}"), plain.map(lambda pair: f"{pair[1]}{pair[0]}{subject}")
    )


def _rules(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({''.join(parts)})"),
            inner.map(lambda rule: f"!({rule})"),
        ),
        max_leaves=4,
    )


_OF_NUMBERS = _rules(_comparisons("$") | st.sampled_from(["$", "in($,1,2)", "$%2==0", "$==nil", "true", "(x)$>1"]))
_OF_TEXTS = _rules(
    _comparisons("len($)")
    | _comparisons("mblen($)")
    | st.sampled_from(["$", "$=='a'", "$!='图'", "in($,'a','bc')", "regexp('^a')", "email($)", "$>'a'", "$==nil"])
)
_OF_LISTS = _rules(
    _comparisons("len($)")
    | _OF_NUMBERS.map(lambda rule: f"range($, {rule.replace('$', '#v')})")
    | _OF_NUMBERS.map(lambda rule: f"!range($, {rule.replace('$', '#v')})")
)
_VALUES = {
    "i32": (_OF_NUMBERS, st.integers(-3, 5)),
    "double": (_OF_NUMBERS, st.sampled_from([-1.0, 0.0, 0.5, 2.0, 2.5, 3.0])),
    "string": (_OF_TEXTS, st.text(st.sampled_from("ab图\n"), max_size=4)),
    "list<i32>": (_OF_LISTS, st.lists(st.integers(-1, 3), max_size=4)),
    "set<i32>": (_OF_LISTS, st.lists(st.integers(-1, 3), max_size=4, unique=True)),
}


@pytest.mark.parametrize("type", list(_VALUES))
@given(data=st.data())
def test_a_schema_takes_whatever_the_rule_takes_and_an_exact_one_nothing_else(type, data):
    rules, values = _VALUES[type]
    rule = data.draw(rules.filter(lambda rule: "(x)#v" not in rule))
    found = said(rule, type)
    for value in data.draw(st.lists(values, min_size=1, max_size=6)):
        if holds(rule, type, value):
            assert is_valid(found.schema, value), (rule, found, value)
        elif found.exact:
            assert not is_valid(found.schema, value), (rule, found, value)


FIELDS = """
enum Color { RED = 1, GREEN = 2 }
struct In { 1: i32 x (api.vd="$>0") }
struct Req {
    1: optional i32 a (api.vd="$>0")
    2: i32 b (api.vd="$>0")
    3: i32 c = 5 (api.vd="$>0")
    4: optional i32 d (api.vd="$==nil||$>0")
    5: optional i32 e (vt.gt="0")
    6: i32 f (vt.gt="0")
    7: list<i32> g (vt.min_size="1", vt.elem.gt="0")
    8: optional list<i32> h (api.vd="len($)<3")
    9: Color i (vt.defined_only="true")
    10: optional In j (vt.not_nil="true")
    11: optional In k (api.vd="$!=nil")
    12: optional string l (vt.not_nil="true")
    13: optional i32 m (api.vd="$>(d)$")
    14: map<string, i32> n (vt.min_size="1")
    15: In o
    17: map<string, In> q (vt.no_sparse="true")
    16: optional i32 p (api.vd="$>0 && $<(b)$")
}
"""


def test_a_field_is_demanded_if_its_rule_refuses_a_request_without_it():
    """By trying: a request that has all fields but one."""
    mapped = Mapped.of(f'{FIELDS}service S {{ void f(1: Req r) (api.post="/f") }}')
    rules = Rules(mapped.schema)
    struct = next(each for name, each in mapped.schema.structs.items() if name.name == "Req")
    demanded = {field.name for field in struct.fields if rules.of(field, HELD).demanded}
    assert demanded == set("abfgiklnj")
    body = {"a": 1, "b": 9, "c": 1, "d": 1, "e": 1, "f": 1, "g": [1], "h": [1], "i": 1, "j": {"x": 1}, "k": {"x": 1}}
    body |= {"l": "x", "m": 2, "n": {"a": 1}, "o": {"x": 1}, "p": 1}
    refused = set()
    for name in body:
        try:
            mapped.sent("POST", "/f", None, json.dumps({key: value for key, value in body.items() if key != name}))
        except GatewayError:
            refused.add(name)
    # Without `d` the rule of `m` compares with nil, and what depends on other fields no document says.
    assert refused - demanded <= set("dmp")
    assert demanded <= refused


@pytest.mark.parametrize(
    ("type", "rules", "schema", "exact"),
    [
        ("i32", 'vt.gt="0", vt.le="0x0F"', {"exclusiveMinimum": 0, "maximum": 15}, True),
        ("i32", 'vt.in="1", vt.in="2", vt.not_in="2"', {"enum": [1, 2], "not": {"enum": [2]}}, True),
        ("double", 'vt.const="1.5"', {"const": 1.5}, True),
        ("bool", 'vt.const="true"', {"const": True}, True),
        ("string", 'vt.min_size="5"', {"minLength": 2}, False),
        ("string", 'vt.min_rune_size="5", vt.max_rune_size="6"', {"minLength": 5, "maxLength": 6}, True),
        ("string", r'vt.prefix="a.", vt.pattern="\\d$"', {"pattern": r"^a\.", "allOf": [{"pattern": "[0-9]$"}]}, True),
        ("string", 'vt.suffix="z", vt.not_contains="q"', {"pattern": "z$", "not": {"pattern": "q"}}, True),
        ("string", 'vt.prefix="$other"', {}, False),
        ("Color", 'vt.in="Color.RED"', {"enum": [1]}, True),
        ("Color", 'vt.defined_only="true"', {"enum": [1, 2]}, True),
        ("list<i32>", 'vt.max_size="2", vt.elem.gt="1"', {"maxItems": 2, "items": {"exclusiveMinimum": 1}}, True),
        (
            "map<string,i32>",
            'vt.key.max_rune_size="2", vt.value.lt="5"',
            {"propertyNames": {"maxLength": 2}, "additionalProperties": {"exclusiveMaximum": 5}},
            True,
        ),
        ("i32", 'vt.lt="@len($other)"', {}, False),
    ],
)
def test_a_vt_rule_as_a_schema(type, rules, schema, exact):
    idl = f"enum Color {{ RED = 1, GREEN = 2 }}\nstruct Req {{ 1: {type} v ({rules}), 2: string other }}"
    declared = schema_of(idl)
    (struct,) = declared.structs.values()
    found = Rules(declared).of(struct.fields[0], HELD)
    assert (found.schema, all(line["in_schema"] for line in found.written)) == (schema, exact)


def test_where_rules_hold_depends_on_the_way():
    declared = schema_of(
        """
        struct In { 1: i32 x (api.vd="$>0", vt.gt="0") }
        struct Req {
            1: In plain
            2: In hidden (api.vd="-")
            3: In skipped (vt.skip="true")
            4: list<In> many
            5: list<In> entered (vt.elem.skip="false")
        }
        """
    )
    req = next(each for each in declared.structs.values() if each.name.name == "Req")
    held = {field.name: inside(field, HELD) for field in req.fields}
    assert held == {
        "plain": HELD,
        "hidden": Held(vd=False),
        "skipped": Held(vt=False),
        "many": Held(vt=False),
        "entered": HELD,
    }
    assert all(inside(field, NOT_HELD) == NOT_HELD for field in req.fields)
