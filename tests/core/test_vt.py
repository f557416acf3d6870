"""The rules of ``vt``: against what the code of thrift-gen-validator did, and by values."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.recorded import vd
from tests.recorded.vd import value_of
from txgateway.core.descriptor import Annotation, Annotations, Field, Requiredness, Schema, Struct, StructType, TypeName
from txgateway.core.errors import IdlError
from txgateway.core.linker import load
from txgateway.core.validation import Validator
from txgateway.core.vt import compile_validator

RECORDED = Path(__file__).parents[1] / "vectors_vt"
NOW = 1_700_000_000_000_000_000


def schema_of(idl: str) -> Schema:
    return load("case.thrift", lambda path: idl).schema


def access(struct: Struct, field: Field) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value.get(field.name)


def validator(schema: Schema, struct: str) -> Validator | None:
    return compile_validator(schema, TypeName("case.thrift", struct), access, lambda: NOW)


def recorded(group: str) -> dict[str, Any]:
    return json.loads((RECORDED / f"{group}.json").read_text("utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("group", ["numbers", "texts", "containers", "structs", "values", "odd"])
def test_values_that_the_generated_code_has_judged(group: str) -> None:
    vectors = recorded(group)
    schema = schema_of(vectors["idl"])
    wrong = {}
    for case in vectors["cases"]:
        name = TypeName("case.thrift", case["struct"])
        value = value_of(case["value"], StructType(name), schema)
        judge = validator(schema, case["struct"])
        failure = judge and judge(value)
        got, want = failure and failure.message, case["here"] if "here" in case else case["expect"]
        if got != want:
            wrong[case["id"]] = (want, got)
    assert vectors["cases"]
    assert wrong == {}


@pytest.mark.parametrize("case", recorded("refused")["cases"], ids=lambda case: case["id"])
def test_idl_that_the_plugin_refuses(case: dict[str, Any]) -> None:
    schema = schema_of(case["idl"])
    with pytest.raises(IdlError):
        validator(schema, "R")


def only(idl: str) -> Validator:
    compiled = validator(schema_of(idl), "R")
    assert compiled is not None
    return compiled


def test_failures_have_the_path_that_messages_lack() -> None:
    compiled = only(
        """struct I { 1: i32 x_y (vt.gt = "0") }
        struct R { 1: I in, 2: list<list<i32>> l (vt.elem.elem.lt = "5"), 3: map<string,I> m (vt.value.skip = "false")
          4: map<i32,i32> k (vt.key.gt = "0"), 5: list<I> unseen } (vt.assert = "@equal(1, 2)")"""
    )
    value = {"in": {}, "l": [[1], [1, 7]], "m": {"a": {"x_y": 1}, "b": {}}, "k": {0: 1}, "unseen": [{}]}
    assert [(failure.path, failure.message, failure.rule) for failure in compiled.all(value)] == [
        ("in.x_y", "field In not valid, field XY gt rule failed, current value: 0", 'vt.gt = "0"'),
        ("l[1][1]", "field _elem1 lt rule failed, current value: 7", 'vt.elem.elem.lt = "5"'),
        ("m{v for k=b}.x_y", "field v not valid, field XY gt rule failed, current value: 0", 'vt.gt = "0"'),
        ("k{k}", "field k gt rule failed, current value: 0", 'vt.key.gt = "0"'),
        ("", "struct assertion failed", 'vt.assert = "@equal(1, 2)"'),
    ]
    assert compiled(value) == compiled.all(value)[0]


def test_no_rule_no_validator() -> None:
    assert validator(schema_of("struct I { 1: i32 x } struct R { 1: I i, 2: list<I> l }"), "R") is None
    # Elements of lists are not entered without being told to.
    assert validator(schema_of('struct I { 1: i32 x (vt.gt = "0") } struct R { 1: list<I> l }'), "R") is None


def test_the_time_is_asked_for_at_every_request() -> None:
    times = iter([5, 6, 7])
    schema = schema_of('struct R { 1: i64 t (vt.lt = "@now_unix_nano()") }')
    compiled = compile_validator(schema, TypeName("case.thrift", "R"), access, lambda: next(times))
    assert compiled is not None
    assert [compiled({"t": 6}) is None for _ in range(3)] == [False, False, True]


def test_recursion_and_its_end() -> None:
    compiled = only('struct R { 1: i32 v (vt.gt = "0"), 2: R next }')
    assert compiled({"v": 1, "next": {"v": 1, "next": {"v": 0}}}) is not None
    deep: dict[str, Any] = {"v": 1}
    for _ in range(3000):
        deep = {"v": 1, "next": deep}
    failure = compiled(deep)
    assert failure is not None
    assert failure.message == "the request is nested too deeply"


def test_every_wrong_rule_is_told_at_its_place() -> None:
    idl = 'struct R {\n  1: i32 n (vt.gt = "1", vt.lt = "@add($n, $m)")\n  2: string s (vt.min_sise = "1")\n}'
    with pytest.raises(IdlError) as error:
        compile_validator(
            schema_of(idl),
            TypeName("case.thrift", "R"),
            access,
            lambda: NOW,
            lines=lambda file, n: idl.split("\n")[n - 1],
        )
    assert str(error.value) == (
        "case.thrift:2:44: error: the rule vt.lt of R.n: there is no field `m`\n"
        '      1: i32 n (vt.gt = "1", vt.lt = "@add($n, $m)")\n'
        "                                               ^\n"
        "    a field of the same struct is meant, in the IDL's spelling\n"
        "case.thrift:3:16: error: the rule vt.min_sise of R.s: a text has no rule `min_sise`\n"
        '      2: string s (vt.min_sise = "1")\n'
        "                   ^\n"
        "    did you mean `min_size`?"
    )


def test_values_outside_of_the_model_raise_nothing() -> None:
    compiled = only(
        """struct I { 1: i32 x (vt.gt = "0") }
        struct R { 1: i32 n (vt.gt = "$m"), 2: i64 m, 3: string s (vt.prefix = "$t", vt.max_rune_size = "3")
          4: string t, 5: list<string> l (vt.elem.pattern = "a"), 6: map<string,I> o (vt.value.skip = "false")
          7: double d (vt.le = "1"), 8: binary b (vt.contains = "x"), 9: bool f (vt.const = "true") }
          (vt.assert = "@equal(@mod($m, $n), 0)")"""
    )
    for odd in (None, "x", b"\xff", 5, 2.5, float("nan"), [], {}, True, 2**80):
        compiled.all({**dict.fromkeys("nmstdbf", odd), "l": [odd] if not isinstance(odd, list | dict) else [], "o": {}})


FITTING = {
    "i8": "const lt le gt ge in not_in not_nil",
    "i64": "const lt le gt ge in not_in",
    "double": "const lt le gt ge in not_in",
    "bool": "const not_nil",
    "string": "min_size max_rune_size const prefix suffix contains not_contains pattern in not_in",
    "binary": "min_size max_rune_size const prefix contains pattern in not_nil",
    "enum": "const in not_in defined_only",
    "list<i32>": "min_size max_size elem.gt elem.in elem.const",
    "list<string>": "min_size elem.pattern elem.prefix elem.in elem.min_rune_size",
    "set<I>": "max_size elem.skip elem.not_nil",
    "map<string,i32>": "min_size max_size key.pattern key.in value.ge",
    "map<i32,I>": "no_sparse value.skip value.not_nil key.lt",
    "I": "skip not_nil",
    "list<list<double>>": "elem.min_size elem.elem.le max_size",
    "map<enum,binary>": "no_sparse key.defined_only key.in value.contains value.min_size",
}
KEYS = ["const", "lt", "in", "not_nil", "min_size", "pattern", "defined_only", "elem", "key", "no_sparse", "skip"]
KEYS += ["assert", "", "elem.elem.gt", "nope", "value.skip", "key.pattern"]
VALUES = ["", "1", "-5", "0x1F", "1.5", "NaN", "1e999", "true", "F", "abc", "$", "$f", "$n", "$s", "$l", "$nope", "@"]
VALUES += ["@len($f)", "@len($l)", "@len(", "@len($s) x", "@own(1)", "@add($n, 1)", "@mod($n, 0)", "@equal($n, 1.5)"]
VALUES += [
    "@sprintf('%d', $n)",
    "@now_unix_nano()",
    "(",
    "\\d",
    "enum.RED",
    "RED",
    "a" * 300,
    "世",
    "\x00",
    "@equal($l,$l)",
]


def test_any_rule_on_any_type_is_refused_or_runs() -> None:
    rules = random.Random(7)
    refused = ran = 0
    for _ in range(6000):
        type = rules.choice(list(FITTING))
        keys = FITTING[type].split() if rules.random() < 0.85 else KEYS
        annotations = tuple(
            Annotation(f"vt.{rules.choice(keys)}", rules.choice(VALUES)) for _ in range(rules.choice([1, 1, 2]))
        )
        schema = with_rules(type, annotations, rules.choice(list(Requiredness)))
        try:
            compiled = compile_validator(schema, TypeName(vd.FILE, "R"), access, lambda: NOW)
        except IdlError:
            refused += 1
            continue
        for value in VALUES_OF[type]:
            for failure in compiled.all({"f": value, "n": 2, "s": "x", "l": [1]}) if compiled else ():
                failure.message.encode("utf-8")
        ran += 1
    assert min(refused, ran) > 500


VALUES_OF: dict[str, list[Any]] = {
    "i8": [None, 0, 1, -5],
    "i64": [None, 0, 31, 2**63 - 1],
    "double": [None, 0.0, 1.5, float("nan"), float("inf")],
    "bool": [None, True, False],
    "string": [None, "", "abc", "世", b"\xff", "\ud800"],
    "binary": [None, b"", b"a\xff"],
    "enum": [None, 0, 1, 9],
    "list<i32>": [None, [], [0, 1]],
    "list<string>": [None, [], ["", "abc", b"\xff"]],
    "set<I>": [None, [], [{"x": 1}, None]],
    "map<string,i32>": [None, {}, {"": 0, "abc": 1, b"\xff": 2}],
    "map<i32,I>": [None, {}, {1: {"x": 1}, 2: None}],
    "I": [None, {}, {"x": 1}],
    "list<list<double>>": [None, [], [[], [1.5, float("nan")]]],
    "map<enum,binary>": [None, {}, {1: b"a", 9: None}],
}


def with_rules(type: str, annotations: tuple[Annotation, ...], requiredness: Requiredness) -> Schema:
    """The struct R with a field `f` of that type that carries the annotations."""
    fields = [{"name": "f", "type": type}, {"name": "n", "type": "i64"}, {"name": "s", "type": "string"}]
    schema = vd.schema_of({"R": [*fields, {"name": "l", "type": "list<i32>"}], "I": [{"name": "x", "type": "i32"}]})
    root = schema.structs[TypeName(vd.FILE, "R")]
    ruled = evolve(root.fields[0], annotations=Annotations(annotations), requiredness=requiredness)
    of_struct = annotations if annotations[0].key == "vt.assert" else ()
    struct = evolve(root, fields=(ruled, *root.fields[1:]), annotations=Annotations(of_struct))
    return evolve(schema, structs={**schema.structs, root.name: struct})
