"""The walk over a request, and what the recorded cases say of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.recorded import vd
from txgateway.core.descriptor import Field, Schema, Struct, StructType, TypeName
from txgateway.core.errors import Diagnostic, IdlError, Severity
from txgateway.core.expression.meter import BUDGET
from txgateway.core.linker import load
from txgateway.core.validation import Failure, Validator, compile_validator, in_turn, joined

RECORDED = Path(__file__).parents[1] / "vectors" / "vd"


def access(struct: Struct, field: Field) -> Callable[[dict[str, Any]], Any]:
    """Objects of these tests are dictionaries."""
    return lambda value: value.get(field.name)


def schema_of(idl: str) -> Schema:
    return load("r.thrift", lambda path: idl).schema


def validator_of(idl: str, struct: str = "R") -> Validator | None:
    return compile_validator(schema_of(idl), TypeName("r.thrift", struct), access)


def validator(idl: str, struct: str = "R") -> Validator:
    compiled = validator_of(idl, struct)
    assert compiled is not None
    return compiled


def refused(idl: str) -> tuple[Diagnostic, ...]:
    schema, lines = schema_of(idl), idl.split("\n")
    with pytest.raises(IdlError) as error:
        compile_validator(schema, TypeName("r.thrift", "R"), access, lines=lambda file, line: lines[line - 1])
    return error.value.diagnostics


@pytest.mark.parametrize("group", sorted(file.stem for file in RECORDED.glob("*.json")))
def test_recorded_cases(group: str) -> None:
    cases = json.loads((RECORDED / f"{group}.json").read_text("utf-8"))["cases"]
    mismatches = {case["id"]: mismatch for case in cases if (mismatch := vd.run(case)) is not None}
    assert cases
    assert mismatches == {}


def test_a_recorded_case_can_fail() -> None:
    case = {
        "id": "x",
        "root": "R",
        "structs": {"R": [{"name": "v", "type": "i32", "vd": "$>0"}]},
        "value": {"v": 1},
        "expect": {"outcome": "invalid"},
    }
    assert vd.run(case) is not None


# The book rule, and what is seen of values


def test_the_book_rule() -> None:
    book = validator("""struct R { 1: i32 num (api.query="num", api.vd="$<100; msg:'num must less than 100'") }""")
    assert book({"num": 99}) is None
    assert book({}) is None
    assert book({"num": 100}) == Failure("num", "num must less than 100", "$<100; msg:'num must less than 100'")


def test_any_object_will_do_that_the_getters_know() -> None:
    schema = schema_of('struct R { 1: i32 n (api.vd="$<10"), 2: R next }')
    compiled = compile_validator(schema, TypeName("r.thrift", "R"), lambda struct, field: attrgetter(field.name))
    assert compiled is not None
    inner = SimpleNamespace(n=10, next=None)
    assert compiled(SimpleNamespace(n=1, next=inner)) == Failure("next.n", "invalid parameter: next.n", "$<10")


def test_a_struct_that_is_not_in_the_schema_can_be_the_root() -> None:
    schema = schema_of('struct R { 1: i32 n (api.vd="$<10") }')
    arguments = Struct(TypeName("r.thrift", "call_args"), (Field(1, "req", StructType(TypeName("r.thrift", "R"))),))
    compiled = compile_validator(schema, arguments, access)
    assert compiled is not None
    failure = compiled({"req": {"n": 10}})
    assert failure is not None
    assert failure.path == "req.n"


def test_no_rule_no_validator() -> None:
    assert validator_of("struct R { 1: i32 n, 2: list<I> l } struct I { 1: i32 x }") is None
    assert validator_of("""struct R { 1: i32 n (api.vd="msg:'never seen'") }""") is None
    assert validator_of("struct R { 1: I i (api.vd='-') } struct I { 1: i32 x (api.vd='$>0') }") is None


def test_no_request_at_all() -> None:
    compiled = validator('struct R { 1: i32 n (api.vd="$>0") }')
    assert compiled(None) == Failure("", "unsupport data: nil", "")
    assert len(compiled.all(None)) == 1


def test_what_was_not_sent_holds_its_default_or_zero() -> None:
    idl = """struct R {
      1: i32 a (api.vd="$==0") 2: i32 b = 7 (api.vd="$==7") 3: string c = "x" (api.vd="$=='x'")
      4: bool d (api.vd="$==false") 5: double e = 1.5 (api.vd="$==1.5") 6: required string f (api.vd="$==''")
      7: optional i32 g (api.vd="$==nil") 8: list<i32> h (api.vd="$==nil") 9: optional string i = "y" (api.vd="$==nil")
    }"""
    assert validator(idl).all({}) == ()


def test_empty_is_not_unset() -> None:
    compiled = validator('struct R { 1: optional list<i32> l (api.vd="$!=nil"), 2: binary b (api.vd="$!=nil") }')
    assert [failure.path for failure in compiled.all({})] == ["l", "b"]
    assert compiled.all({"l": [], "b": b""}) == ()


def test_names_are_the_idls_own_then_gos() -> None:
    compiled = validator(
        """struct R { 1: i32 user_id, 2: i32 UserID, 3: i32 http_url
          4: bool a (api.vd="(user_id)$==1") 5: bool b (api.vd="(UserID)$==2") 6: bool c (api.vd="(HTTPURL)$==3")
          7: I in_ner 8: bool d (api.vd="(InNer.XML)$==4 && (in_ner)$['xml']==4 && (in_ner)$['XML']==4")
        } struct I { 1: i32 xml }"""
    )
    assert compiled.all({"user_id": 1, "UserID": 2, "http_url": 3, "in_ner": {"xml": 4}}) == ()


def test_values_outside_of_the_model_raise_nothing() -> None:
    compiled = validator(
        """struct R { 1: i32 n (api.vd="$*2+1>0&&$%2==0") 2: string s (api.vd="len($)>0&&regexp('a')&&$>'a'")
          3: bool b (api.vd="$") 4: double d (api.vd="$/2>=0") 5: list<i32> l (api.vd="range($,#k<1)")
          6: map<string,i32> m (api.vd="len($)>0") 7: binary x (api.vd="$[0]>0") }"""
    )
    for odd in (None, "x", 5, 1.5, b"\xff", [], {}, object(), True, float("nan"), 2**80, "1" * 500):
        compiled.all(dict.fromkeys("nsbdlmx", odd))


# Paths and order

NESTED = """
struct Leaf { 1: i32 x (api.vd="$>0"), 2: i32 y (api.vd="$>0") }
struct Mid { 1: list<Leaf> leaves, 2: i32 p (api.vd="$>0"), 3: Leaf leaf }
struct R {
  1: list<Mid> mids, 2: Mid mid, 3: map<i32,list<Leaf>> m, 4: i32 z (api.vd="$>0"), 5: set<Leaf> s
  6: map<Leaf,i32> keyed, 7: list<map<string,Leaf>> lm, 8: map<double,Leaf> dm, 9: map<binary,Leaf> bm
}
"""
GOOD = {"x": 1, "y": 1}


class Hashable(dict):  # type: ignore[type-arg]
    """A struct's object that can be a map's key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


def paths(value: dict[str, Any]) -> list[str]:
    return [failure.path for failure in validator(NESTED).all({"z": 1, **value})]


def test_own_fields_and_nested_structs_come_first_then_the_containers() -> None:
    bad = {"leaves": [{}], "leaf": {"x": 1}}
    assert paths({"z": 0, "mid": bad, "mids": [bad, {"p": 1}]}) == [
        "mid.p",
        "mid.leaf.y",
        "z",
        "mids[0].p",
        "mids[0].leaf.y",
        "mids[0].leaves[0].x",
        "mids[0].leaves[0].y",
        "mid.leaves[0].x",
        "mid.leaves[0].y",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"m": {7: [GOOD, {"x": 1}]}}, ["m{v for k=7}[1].y"]),
        ({"m": {1: [{"y": 1}], -2: [{"y": 1}]}}, ["m{v for k=1}[0].x", "m{v for k=-2}[0].x"]),
        ({"s": [{"x": 1}, GOOD]}, ["s[0].y"]),
        ({"keyed": {Hashable(x=1): 5}}, ["keyed{k}.y"]),
        ({"lm": [{}, {"a b": {"x": 1}}]}, ["lm[1]{v for k=a b}.y"]),
        ({"dm": {1e6: {"x": 1}}}, ["dm{v for k=1e+06}.y"]),
        ({"bm": {b"k\xff": {"x": 1}}}, ["bm{v for k=k\ufffd}.y"]),
        ({"m": {1: [None]}}, ["m{v for k=1}[0].x", "m{v for k=1}[0].y"]),
        ({"mid": None, "mids": None, "m": {1: None}}, []),
    ],
)
def test_paths(value: dict[str, Any], expected: list[str]) -> None:
    assert paths(value) == expected


def test_recursion_at_every_level_and_through_containers() -> None:
    compiled = validator('struct R { 1: R next, 2: i32 v (api.vd="$>0"), 3: list<R> kids, 4: map<string,R> named }')
    tree = {"v": 1, "next": {"v": 1, "next": {"v": 0, "kids": [{"v": 1, "named": {"a": {"v": 0}}}]}}}
    assert [failure.path for failure in compiled.all(tree)] == [
        "next.next.v",
        "next.next.kids[0].named{v for k=a}.v",
    ]


def test_structs_too_deep_to_be_walked_are_refused() -> None:
    compiled = validator('struct R { 1: R next, 2: i32 v (api.vd="$>0") }')
    value: dict[str, Any] = {"v": 1}
    for _ in range(5000):
        value = {"v": 1, "next": value}
    assert compiled(value) == Failure("", "the request is nested too deeply", "")
    assert compiled.all(value)[-1].message == "the request is nested too deeply"


def test_null_elements_are_checked_unless_the_container_says_otherwise() -> None:
    idl = """struct I { 1: i32 x (api.vd="$>0; msg:sprintf('x is %v',$)"), 2: D d } struct D { 1: i32 z (api.vd="$>0") }
      struct R { 1: list<I> strict, 2: list<I> lenient (api.vd="?"), 3: map<string,list<I>> deep (api.vd="?") }"""
    compiled = validator(idl)
    assert compiled.all({"strict": [None]}) == (
        Failure("strict[0].x", "x is <nil>", compiled.all({"strict": [None]})[0].rule),
    )
    assert compiled.all({"lenient": [None], "deep": {"a": [None]}}) == ()
    assert [failure.path for failure in compiled.all({"lenient": [{}]})] == ["lenient[0].x"]


def test_a_hidden_field_is_seen_by_no_selector() -> None:
    compiled = validator('struct R { 1: i32 hidden (api.vd="-"), 2: i32 n (api.vd="(hidden)$==nil") }')
    assert compiled({"hidden": 5}) is None


def test_a_hundred_failures_are_enough() -> None:
    compiled = validator(
        """struct I { 1: i32 x (api.vd="$>0") } struct M { 1: list<I> l }
        struct R { 1: list<M> m, 2: i32 n (api.vd="$>0") }"""
    )
    failures = compiled.all({"m": [{"l": [{}] * 30}] * 1000})
    assert len(failures) == 100
    assert [failure.path for failure in failures[:2]] == ["n", "m[999].l[29].x"]
    assert failures[-1].path == "m[996].l[21].x"


def test_validators_in_turn() -> None:
    a = validator("struct R { 1: i32 n (api.vd=\"$>0; msg:'a'\") }")
    b = validator("struct R { 1: i32 n (api.vd=\"$>1; msg:'b'\") }")
    both = in_turn(a, None, b)
    assert both is not None
    assert [getattr(both({"n": n}), "message", None) for n in (0, 1, 2)] == ["a", "b", None]
    assert joined(both.all({"n": 0})) == "a\tb"
    assert in_turn(None, a) is a
    assert in_turn(None, None) is None


# Messages


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("$>9; msg:'n='+$", "n=5"),
        ("$>9; msg:sprintf('%d of %v',$,(other)$)", "5 of x"),
        ("$>9; msg:(other)$", "x"),
        ("$>9; msg:$", "invalid parameter: v"),
        ("$>9; msg:''", "invalid parameter: v"),
        ("$>9; msg:nil", "invalid parameter: v"),
        ("email((other)$)", "email format is incorrect"),
        ("(email((other)$))", "email format is incorrect"),
        ("email((other)$); msg:'no mail'", "no mail"),
        ("email((other)$)&&true", "invalid parameter: v"),
        ("phone((other)$)", "the phone number supplied is not a number"),
    ],
)
def test_messages(rule: str, message: str) -> None:
    compiled = validator(f'struct R {{ 1: i32 v (api.vd="{rule}"), 2: string other }}')
    failure = compiled({"v": 5, "other": "x"})
    assert failure == Failure("v", message, rule)


def test_no_bytes_that_are_no_utf8_reach_a_message() -> None:
    compiled = validator("""struct R { 1: string s (api.vd="len($)<2; msg:'got '+$") }""")
    failure = compiled({"s": b"a\xff\xe4\xb8\xad"})
    assert failure is not None
    assert failure.message == "got a\ufffd中"


# What is refused


def test_a_refusal_stands_at_its_place_in_the_file() -> None:
    idl = """
struct R {
  1: i32 n (api.query = "n", api.vd = "$>1 && lenn($)>2")
  2: string s (api.vd = 'regexp(\\'a\\', $) && "x"')
  3: string t (api.vd = "$!='\\"' &&
    &&")
  4: list<I> l
}
struct I { 1: i32 x (api.vd="$>>1; msg:'m'") }
"""
    first, second, third, fourth = refused(idl)
    assert str(first) == (
        "r.thrift:3:47: error: the rule of R.n: there is no function `lenn`\n"
        '      1: i32 n (api.query = "n", api.vd = "$>1 && lenn($)>2")\n'
        "                                                  ^\n"
        "    did you mean `len(...)`?"
    )
    # Both quotes of the pattern lost a backslash on the way.
    assert (second.position.line, second.position.column) == (4, idl.split("\n")[3].index('"x"') + 1)
    assert second.message == 'the rule of R.s: `"` can not stand here'
    assert (third.position.line, third.position.column) == (6, 5)
    assert (fourth.position.line, fourth.message) == (9, "the rule of I.x: `>1; msg:'m'` can not stand after `>`")
    assert {each.severity for each in (first, second, third, fourth)} == {Severity.ERROR}


def test_containers_nest_to_a_limit() -> None:
    idl = 'struct R {{ 1: {}I{} l }} struct I {{ 1: i32 x (api.vd="$>0") }}'
    value: Any = {"x": 0}
    for _ in range(16):
        value = [value]
    failure = validator(idl.format("list<" * 16, ">" * 16))({"l": value})
    assert failure is not None
    assert failure.path == "l" + "[0]" * 16 + ".x"
    (diagnostic,) = refused(idl.format("list<" * 17, ">" * 17))
    assert diagnostic.message == "the type of R.l has more than 16 containers in one another"


def test_rules_below_a_hidden_field_are_not_read() -> None:
    assert validator_of('struct R { 1: I i (api.vd="-") } struct I { 1: i32 x (api.vd="*1") }') is None


def test_a_rule_escaped_for_a_go_struct_tag_is_read() -> None:
    compiled = validator(r"""struct R { 1: string s (api.vd="$=='it\\'s'") }""")
    assert compiled({"s": "it's"}) is None


# What a check may cost


def test_a_loop_in_a_loop_ends_with_its_budget() -> None:
    compiled = validator('struct R { 1: list<i32> l (api.vd="range($,range((l)$,#v>0))"), 2: i32 n (api.vd="$>0") }')
    small, large = [1] * 20, [1] * BUDGET
    assert compiled({"l": small, "n": 1}) is None
    assert [failure.message for failure in compiled.all({"l": large, "n": 0})] == [
        "l holds too much to be checked",
        "invalid parameter: n",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "range($,sprintf('%v',(l)$)!='')",
        "range($,(l)$==(l)$)",
        "range($,in((l)$,(l)$))",
        "range($,regexp('x',(s)$)||true)",
        "range($,1+(s)$>0||true)",
        "range($,sprintf('%4096d',#v)!='')",
        "range($,(s)$+(s)$!='')",
        "range($,phone(#v)||true)",
        "range($,range((t)$[0],#v==1))",
        "range($,range((t)$[0],#v==1||#k>5||##<0))",
    ],
)
def test_dear_work_in_a_loop_is_paid_for(rule: str) -> None:
    compiled = validator(f'struct R {{ 1: list<i32> l (api.vd="{rule}"), 2: string s, 3: list<list<i32>> t }}')
    value = {"l": [1] * 5000, "s": "1" * 5000, "t": [[1] * 1000]}
    failure = compiled(value)
    assert failure is not None
    assert failure.message == "l holds too much to be checked"
    assert compiled({**value, "l": [1] * 2}) is None


def test_a_message_that_is_too_dear_is_left_out() -> None:
    compiled = validator(
        "struct R { 1: list<i32> l (api.vd=\"len($)<1; msg:sprintf('%v',range($,range((l)$,#v>0)))\") }"
    )
    assert compiled({"l": [1, 2]}) == Failure("l", "[[true true] [true true]]", compiled.all({"l": [1]})[0].rule)
    failure = compiled({"l": [1] * BUDGET})
    assert failure is not None
    assert failure.message == "invalid parameter: l"


def test_a_plain_loop_over_much_is_free() -> None:
    compiled = validator('struct R { 1: list<i32> l (api.vd="range($,#v>0)") }')
    assert compiled({"l": [1] * (4 * BUDGET)}) is None


def test_matching_each_of_many_texts_is_allowed_at_any_depth() -> None:
    compiled = validator(
        """struct R { 1: list<string> l (api.vd="range($,regexp('^a+$'))||range($,regexp('^a+$',#v))")
          2: list<list<string>> t (api.vd="range($,range(#v,regexp('^a+$',#v)))") }"""
    )
    assert compiled({"l": ["a"] * BUDGET, "t": [["a"] * 100] * (BUDGET // 100)}) is None


def test_binary_values_come_as_bytes() -> None:
    compiled = validator('struct R { 1: binary b (api.vd="len($)==2&&$[0]==1&&range($,#v<3)") }')
    assert compiled({"b": base64.b64decode("AQI=")}) is None
    assert compiled({"b": b"\x01\x03"}) is not None
