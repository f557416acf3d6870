"""What every annotation keeps: an example of each, a place in one order of sources, and no surprise with odd values."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from tests.mapped import ACK, FORM, JSON, Mapped, request
from txgateway.core import annotations
from txgateway.core.annotations import JSON_RANK, Head, Source, keys, marks, sources, targets, verbs
from txgateway.core.descriptor import Scalar, ScalarType
from txgateway.core.errors import BadRequest, GatewayError, UnusableReply
from txgateway.core.inputs import Inputs

annotations.load()

# A request that gives "v" by each source, under the key "k".
SOURCES = {
    "api.path": ("/x/v", {}, b""),
    "api.query": ("/x/p?k=v", {}, b""),
    "api.form": ("/x/p", FORM, b"k=v"),
    "api.body": ("/x/p", FORM, b"k=v"),
    "api.header": ("/x/p", {"k": "v"}, b""),
    "api.cookie": ("/x/p", {"cookie": "k=v"}, b""),
    "api.raw_body": ("/x/p", {"content-type": "text/plain"}, b"v"),
    "api.raw_uri": ("/x/p", {}, b""),
    "agw.source.header": ("/x/p", {"k": "v"}, b""),
    "agw.source.cookie": ("/x/p", {"cookie": "k=v"}, b""),
    "agw.source.raw_body": ("/x/p", {"content-type": "text/plain"}, b"v"),
}
# What each target makes of "200", under the key "k".
TARGETS = {
    "api.header": Head(headers=[(b"k", b"200")]),
    "api.cookie": Head(headers=[(b"set-cookie", b"k=200")]),
    "api.http_code": Head(status=200),
    "api.raw_body": Head(body=b"200", media_type=b"text/plain; charset=utf-8"),
    "agw.target.header": Head(headers=[(b"k", b"200")]),
    "agw.target.cookie": Head(headers=[(b"set-cookie", b"k=200")]),
}
# A value of each annotation that gives a key, and the key.
KEYS = {"api.body": ("k", "k"), "api.key": ("k", "k"), "go.tag": ('json:"k,omitempty"', "k")}
STRING = ScalarType(Scalar.STRING)


def test_every_annotation_is_tried_here():
    assert set(sources) == set(SOURCES)
    assert set(targets) == set(TARGETS)
    assert set(keys) == set(KEYS)


@pytest.mark.parametrize("key", sorted(SOURCES))
def test_a_source_gives_its_text(key):
    target, headers, body = SOURCES[key]
    idl = f"""{ACK}struct R {{ 1: optional string f ({key}="{"p" if key == "api.path" else "k"}") }}
    service S {{ Ack m(1: R r) (api.post="/x/:p") }}"""
    wanted = target if key == "api.raw_uri" else "v"
    assert Mapped.of(idl).sent("POST", target, headers, body) == {"1:struct": {"1:string": wanted}}


@pytest.mark.parametrize("key", sorted(set(SOURCES) - {"api.raw_uri"}))
def test_a_source_that_is_not_there_gives_nothing(key):
    source = sources[key]("k")
    assert isinstance(source, Source)
    assert source.occurrences(Inputs(request("GET", "/x"), {})) is None
    assert str(source).startswith(source.place)


def test_the_order_of_sources_is_the_documented_one():
    order = sorted((key for key in sources if key.startswith("api.")), key=lambda key: sources[key].rank)
    assert order == [
        "api.path",
        "api.body",
        "api.form",
        "api.query",
        "api.cookie",
        "api.header",
        "api.raw_body",
        "api.raw_uri",
    ]
    assert [key for key in order if sources[key].rank < JSON_RANK] == order[:6]


@pytest.mark.parametrize("key", sorted(SOURCES))
@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"a,b", b"[", b"\0", b"%zz", b'"', b";=&"])
@pytest.mark.parametrize(
    "declared", ["string", "i32", "bool", "double", "binary", "list<i32>", "map<string, i32>", "K"]
)
def test_no_value_of_a_source_is_more_than_refused(key, value, declared):
    idl = f"""{ACK}enum K {{ A }}\nstruct R {{ 1: optional {declared} f ({key}="k") }}
    service S {{ Ack m(1: R r) (api.post="/x/:k") }}"""
    asked = request("POST", b"/x?k=" + value, {"k": value, "cookie": b"k=" + value} | FORM, b"k=" + value)
    plan = Mapped.of(idl).plan("m")
    with suppress(BadRequest):
        plan.encode(plan.bind(asked, {"k": value}))


@pytest.mark.parametrize("key", sorted(TARGETS))
def test_a_target_carries_its_value(key):
    head = Head()
    targets[key]("k", STRING, lambda value: json.dumps(value).encode()).put("200", head)
    assert head == TARGETS[key]


@pytest.mark.parametrize("key", sorted(TARGETS))
@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "\0"])
def test_no_target_lets_a_line_break_into_the_head(key, text):
    head = Head()
    with suppress(UnusableReply):
        targets[key]("k", STRING, lambda value: b"").put(text, head)
    assert not any(b"\n" in value or b"\0" in value for _, value in head.headers)


@pytest.mark.parametrize("key", sorted(KEYS))
def test_a_key_names_the_field_both_ways(key):
    value, name = KEYS[key]
    idl = f"""struct R {{ 1: optional string f ({key}='{value}') }}\nservice S {{ R m(1: R r) (api.post="/x") }}"""
    mapped = Mapped.of(idl)
    assert mapped.sent("POST", "/x", JSON, json.dumps({name: "v"})) == {"1:struct": {"1:string": "v"}}
    assert json.loads(mapped.answer("m", success=mapped.new("R", f="v")).body) == {name: "v"}


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ('json:"k"', "k"),
        ('xml:"x" json:"k,omitempty"', "k"),
        ('json:"-"', None),
        ('json:"-,"', "-"),
        ('json:",omitempty"', ""),
        ('xml:"x"', ""),
        ('notjson:"x"', ""),
        ("", ""),
    ],
)
def test_go_tags_are_read_as_go_reads_them(tag, key):
    assert keys["go.tag"](tag) == key


@pytest.mark.parametrize("mark", sorted(marks))
@pytest.mark.parametrize("value", ["true", "false", "", "no"])
def test_a_mark_is_on_whatever_its_value(mark, value):
    idl = f"""{ACK}struct In {{ 1: optional i32 n }}
    struct R {{ 1: optional string f ({mark}="{value}"), 2: optional In s ({mark}="{value}") }}
    service S {{ Ack m(1: R r) (api.post="/x") }}"""
    on = idl.replace(f'="{value}"', '="true"')
    asked = ("POST", "/x", JSON, '{"f": "1", "s": {"n": 1}}')
    assert _outcome(Mapped.of(idl), asked) == _outcome(Mapped.of(on), asked)


def _outcome(mapped, asked):
    try:
        return mapped.sent(*asked)
    except GatewayError as error:
        return error.detail


@pytest.mark.parametrize("key", sorted(verbs))
def test_a_verb_makes_a_route(key):
    mapped = Mapped.of(f'{ACK}service S {{ Ack m() ({key}="/x") }}')
    (route,) = mapped.mapping.routes
    verb = "PURGE" if route.verb == "ANY" else route.verb
    assert mapped.mapping.route(request(verb, "/x"))[0] is route
