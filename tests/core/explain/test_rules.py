"""Each rule with the values of its parts, and whether it holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.explain.told import CLOCKS, told
from tests.mapped import JSON, request, schema_of
from txgateway.core.annotations import Surroundings
from txgateway.core.explain import Served, explain
from txgateway.core.explain.rules import MOST_RULES
from txgateway.core.explain.story import RuleStory
from txgateway.core.mapping import MappingSettings, compile_service, join


def rules(fields: str, body: str, *, more: str = "", method: str = "") -> tuple[RuleStory, ...]:
    return explanation(fields, body, more=more, method=method).rules


def explanation(fields: str, body: str, *, more: str = "", method: str = "") -> Any:
    idl = f'{more} struct Req {{ {fields} }} service S {{ void ask(1: Req r) (api.post = "/ask"{method}) }}'
    return told(idl, "POST", "/ask", JSON, body)


def verdicts(stories: tuple[RuleStory, ...]) -> list[tuple[str, bool, str]]:
    return [(story.path, story.holds, story.message) for story in stories]


def parts(story: RuleStory) -> list[tuple[int, str, str]]:
    return [(part.depth, part.text, part.value) for part in story.parts]


def test_every_rule_is_told_of_although_the_first_that_fails_refuses():
    found = explanation(
        """1: i32 a (api.vd = "$>0 && $<(b)$; msg:sprintf('a is %v', $)")
           2: i32 b (api.vd = "$<5") 3: i32 c (api.vd = "$==0")""",
        '{"a": 9, "b": 7}',
    )
    assert verdicts(found.rules) == [("a", False, "a is 9"), ("b", False, "invalid parameter: b"), ("c", True, "")]
    assert parts(found.rules[0]) == [
        (0, "$>0 && $<(b)$", "false"),
        (1, "$>0", "true"),
        (2, "$", "9"),
        (1, "$<(b)$", "false"),
        (2, "$", "9"),
        (2, "(b)$", "7"),
        (0, "sprintf('a is %v', $)", "'a is 9'"),
        (1, "$", "9"),
    ]
    assert found.outcome.says == "Validation failed: a is 9"


INNER = 'struct Inner { 1: i32 x (api.vd = "$>0") 2: list<Inner> more } '


def test_rules_inside_of_structs_lists_and_maps():
    fields = "1: Inner one 2: list<Inner> many 3: map<string, Inner> named"
    body = '{"one": {"x": 1}, "many": [{"x": 0}, {"x": 2, "more": [{"x": -1}]}], "named": {"k": {"x": 0}}}'
    assert {(story.path, story.holds) for story in rules(fields, body, more=INNER)} == {
        ("one.x", True),
        ("many[0].x", False),
        ("many[1].x", True),
        ("many[1].more[0].x", False),
        ("named{v for k=k}.x", False),
    }


def test_an_element_that_fails_is_told_of_wherever_it_stands():
    body = '{"many": [' + '{"x": 1},' * 9 + '{"x": 0}]}'
    stories = rules("1: list<Inner> many", body, more=INNER)
    assert [(story.path, story.holds) for story in stories] == [
        ("many[0].x", True),
        ("many[1].x", True),
        ("many[2].x", True),
        ("many[9].x", False),
    ]
    assert stories[-1].parts == ()


def test_below_a_field_that_is_ignored_there_are_no_rules():
    assert rules('1: Inner one (api.vd = "-")', '{"one": {"x": 0}}', more=INNER) == ()


def test_there_are_no_rules_where_there_is_no_request():
    assert rules('1: i32 a (api.vd = "$>0")', '{"a": "x"}') == ()


def test_no_more_than_anybody_reads():
    fields = " ".join(f'{n}: i32 f{n} (api.vd = "$>0")' for n in range(1, 150))
    found = rules(fields, "{}")
    assert len([story for story in found if story.parts]) == MOST_RULES


@pytest.mark.parametrize(
    ("mode", "status"),
    [('tgw.validate = "all"', 400), ('tgw.validate = "observe"', None), ('tgw.validate = "first"', 400)],
)
def test_what_becomes_of_a_request_that_fails(mode, status):
    found = explanation('1: i32 a (api.vd = "$>0") 2: i32 b (api.vd = "$>0")', "{}", method=f", {mode}")
    assert [story.holds for story in found.rules] == [False, False]
    assert found.outcome.status == status
    assert found.validate == mode.partition('"')[2].strip('"')


def test_to_explain_an_observed_rule_does_not_count_it():
    counted: list[Any] = []
    schema = schema_of(
        'struct Req { 1: i32 a (api.vd = "$>0") }'
        'service S { void ask(1: Req r) (api.get = "/ask", tgw.validate = "observe") }'
    )
    surroundings = Surroundings(observed=lambda *what: counted.append(what))
    service = compile_service("svc", schema, MappingSettings(), surroundings)
    mapping, _ = join([service])
    explained = explain(request("GET", "/ask"), Served(mapping, {"svc": service}), CLOCKS)
    assert explained.call is not None
    assert counted == []
    plan = explained.plan
    assert plan is not None
    plan.validate(plan.bind(request("GET", "/ask"), {}))
    assert len(counted) == 1


# vt


def test_rules_of_vt_with_what_they_compare():
    found = rules(
        """1: i32 a (vt.gt = "0", vt.le = "$b") 2: i32 b
           3: list<string> tags (vt.max_size = "2", vt.elem.min_size = "@add($b, 1)")""",
        '{"a": 9, "b": 2, "tags": ["long", "x"]}',
    )
    assert [(story.path, story.rule, story.holds) for story in found] == [
        ("a", 'vt.gt = "0"', True),
        ("a", 'vt.le = "$b"', False),
        ("tags", 'vt.max_size = "2"', True),
        ("tags", 'vt.elem.min_size = "@add($b, 1)"', False),
    ]
    assert parts(found[1]) == [(0, "a", "9"), (0, "$b", "2")]
    assert parts(found[3]) == [(0, "tags", "[long x]"), (0, "@add($b, 1)", "3"), (1, "$b", "2")]
    assert found[1].message == "field A le rule failed, current value: 9"


def test_the_assertion_of_a_struct_and_a_set_of_members():
    more = 'struct Pair { 1: i32 x (vt.in = "1", vt.in = "2") 2: i32 y } (vt.assert = "@equal($x, $y)") '
    found = rules("1: Pair p", '{"p": {"x": 3, "y": 4}}', more=more)
    assert [(story.path, story.rule, story.holds) for story in found] == [
        ("p.x", 'vt.in = "1", vt.in = "2"', False),
        ("p", 'vt.assert = "@equal($x, $y)"', False),
    ]
    assert parts(found[1]) == [(0, "@equal($x, $y)", "false"), (1, "$x", "3"), (1, "$y", "4")]
