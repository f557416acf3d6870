"""The old names: what they are rewritten to, and that without the switch they mean nothing."""

from __future__ import annotations

import json

import pytest

from tests.mapped import ACK, FORM, JSON, Mapped, schema_of
from txgateway.core.annotations.agw import modernise, to_lower_camel_case, to_snake
from txgateway.core.mapping import MappingSettings, compile_service

IDL = f"""{ACK}
struct NB {{ 1: optional string q2 (agw.source="query"), 2: optional i32 h2 (agw.source="header", agw.key="H-Two") }}
struct Req {{
    1: optional string q (agw.source="query"), 2: optional string h (janus.source="header", janus.key="X-H")
    3: optional string c (agw.source="cookie"), 4: optional string p (agw.source="path")
    5: optional string f (agw.source="post"), 6: optional string b (agw.source="body", agw.key="bb")
    7: optional string u (agw.source="raw_uri"), 8: optional binary raw (agw.source="raw_body")
    9: optional NB nb (agw.source="not_body_struct"), 10: optional i64 j (agw.js_conv="")
    11: optional string k (agw.key="kk"), 12: optional string d (agw.body_dynamic="true")
}}
struct Resp {{
    1: optional string h (agw.target="header", agw.key="X-H"), 2: optional string c (agw.target="cookie")
    3: optional i32 code (agw.target="http_code"), 4: optional string b (agw.target="body", agw.key="bb")
    5: optional string gone (agw.target="ignore"), 6: optional string d (agw.body_dynamic="true")
    7: optional string req (agw.source="header"), 8: optional i64 j (janus.js_conv="true")
}}
service S {{ Resp f(1: Req r) (api.post="/x/:p") }}
"""


def test_every_old_name_has_its_meaning():
    body = {"bb": "B", "j": "7", "kk": "K", "d": {"a": [1]}}
    headers = JSON | {"x-h": "H", "cookie": "c=C", "h-two": "5"}
    sent = Mapped.of(IDL, legacy=True).sent("POST", "/x/P?q=Q&q2=Q2", headers, json.dumps(body))
    assert sent["1:struct"] == {
        "1:string": "Q",
        "2:string": "H",
        "3:string": "C",
        "4:string": "P",
        "6:string": "B",
        "7:string": "/x/P?q=Q&q2=Q2",
        "8:string": json.dumps(body),
        "9:struct": {"1:string": "Q2", "2:i32": 5},
        "10:i64": "7",
        "11:string": "K",
        "12:string": '{"a":[1]}',
    }


def test_post_is_a_form():
    sent = Mapped.of(IDL, legacy=True).sent("POST", "/x/P", FORM, "f=F")
    assert sent["1:struct"]["5:string"] == "F"


def test_targets_are_of_the_response_alone():
    mapped = Mapped.of(IDL, legacy=True)
    resp = mapped.new("Resp", h="H", c="C", code=404, b="B", gone="x", d='{"a": [1]}', req="R", j=7)
    response = mapped.answer("f", success=resp)
    assert response.status == 404
    assert dict(response.headers) == {b"content-type": b"application/json", b"x-h": b"H", b"set-cookie": b"c=C"}
    assert json.loads(response.body) == {"bb": "B", "d": {"a": [1]}, "req": "R", "j": "7"}


def test_text_that_is_no_json_stands_for_itself():
    mapped = Mapped.of(IDL, legacy=True)
    assert json.loads(mapped.answer("f", success=mapped.new("Resp", d="not json")).body) == {"d": "not json"}
    sent = mapped.sent("POST", "/x/P", JSON, '{"d": "not json"}')
    assert sent["1:struct"]["12:string"] == "not json"


def test_without_the_switch_they_mean_nothing():
    sent = Mapped.of(IDL).sent("POST", "/x/P?q=Q", JSON | {"x-h": "H"}, '{"q": "body", "kk": "K", "d": "text"}')
    assert sent["1:struct"] == {"1:string": "body", "12:string": "text"}


@pytest.mark.parametrize(
    ("name", "snake", "camel"),
    [
        ("someName", "some_name", "someName"),
        ("SomeHTTPName", "some_http_name", "someHTTPName"),
        ("some_name", "some_name", "someName"),
        ("id2Name", "id2_name", "id2Name"),
        ("x", "x", "x"),
        ("_lead", "_lead", "lead"),
    ],
)
def test_names_are_converted(name, snake, camel):
    assert (to_snake(name), to_lower_camel_case(name)) == (snake, camel)


CASES = """
struct Inner {{ 1: optional string innerName }}
struct Req {{
    1: optional string someName {field}, 2: optional Inner inner, 3: optional string keyed (api.key="own")
}} {struct}
service S {{ Req f(1: Req r) (api.post="/x"{method}) }} {service}
"""


@pytest.mark.parametrize(
    ("where", "outer", "inner"),
    [
        ({}, "someName", "innerName"),
        ({"field": '(agw.to_snake="true")'}, "some_name", "innerName"),
        ({"struct": '(agw.to_snake="true")'}, "some_name", "innerName"),
        ({"method": ', agw.to_snake="true"'}, "some_name", "inner_name"),
        ({"service": '(agw.to_snake="true")'}, "some_name", "inner_name"),
        (
            {"field": '(agw.to_lower_camel_case="true")', "service": '(agw.to_snake="true")'},
            "someName",
            "inner_name",
        ),
    ],
)
def test_the_innermost_conversion_gives_the_key(where, outer, inner):
    places = {place: where.get(place, "") for place in ("field", "struct", "method", "service")}
    mapped = Mapped.of(CASES.format(**places), legacy=True)
    body = {outer: "a", "inner": {inner: "b"}, "own": "c"}
    sent = mapped.sent("POST", "/x", JSON, json.dumps(body))["1:struct"]
    assert sent == {"1:string": "a", "2:struct": {"1:string": "b"}, "3:string": "c"}
    made = mapped.new("Req", someName="a", inner=mapped.new("Inner", innerName="b"), keyed="c")
    assert json.loads(mapped.answer("f", success=made).body) == body


def test_an_unknown_source_changes_nothing():
    schema = schema_of(
        'struct R { 1: optional string s (agw.source="moon") }\nservice S { void f(1: R r) (api.get="/x") }'
    )
    (field,) = next(iter(modernise(schema).structs.values())).fields
    assert len(field.annotations) == 0
    compile_service("svc", schema, MappingSettings(legacy=True))
