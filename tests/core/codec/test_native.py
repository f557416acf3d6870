"""The native codec beside the plain one: both say the same of whatever comes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.codecs import outcome
from tests.core.codec.any_idl import idls, replies, requests, selections
from tests.core.idl_schemas import SCALE
from tests.mapped import Mapped, answer, request, schema_of
from tests.recorded.http import read_struct
from txgateway.core import native_requests, native_steps
from txgateway.core.codec import native
from txgateway.core.codec.binary import encode
from txgateway.core.errors import BadRequest, IdlError, UnusableReply
from txgateway.core.mapping import MappingSettings, compile_service
from txgateway.core.message import Request, Response
from txgateway.core.plan import Codecs, Plan
from txgateway.core.reply_steps import ReplySteps

pytestmark = pytest.mark.skipif(not native.IS_BUILT, reason="the native codec is not built")

# To shrink such an example takes minutes, and what it says of the two codecs is mostly clear.
slowly = settings(
    max_examples=80 * SCALE,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@cache
def plans_of(idl: str, codec: str) -> tuple[Plan, Plan]:
    """The plan of the only method's route, and that of its JSON calls; raises IdlError."""
    service = compile_service("any", schema_of(idl), MappingSettings(codec=codec, selects=True))
    return service.routes[0].plan, service.calls["f"][0]


def pairs_of(idl: str) -> list[tuple[Plan, Plan]]:
    """For route and JSON calls the native plan and the plain one; none if the IDL is refused, as by both it must be."""
    try:
        theirs = plans_of(idl, native.PLAIN)
    except IdlError:
        with pytest.raises(IdlError):
            plans_of(idl, native.NATIVE)
        return []
    return list(zip(plans_of(idl, native.NATIVE), theirs, strict=True))


def sent(plan: Plan, asked: Request, path: dict[str, bytes]) -> Any:
    """The arguments that a request becomes."""
    arguments = plan.bind(asked, path)
    plan.validate(arguments)
    return read_struct(plan.encode(arguments))


@slowly
@given(idls(), st.data())
def test_requests_become_the_same_arguments(idl, data):
    for wrong in (0, 0, 5, 30):
        asked, path = data.draw(requests(schema_of(idl), wrong))
        for ours, theirs in pairs_of(idl):
            assert outcome(sent, ours, asked, path) == outcome(sent, theirs, asked, path)


@slowly
@given(idls(), st.data())
def test_replies_get_the_same_answers(idl, data):
    for wrong in (0, 0, 5, 30):
        payload = data.draw(replies(schema_of(idl), wrong))
        for ours, theirs in pairs_of(idl):
            assert outcome(answer, ours, payload) == outcome(answer, theirs, payload)
            if ours.select is not None and theirs.select is not None:
                asked = request("GET", f"/f?fields={data.draw(selections)}")
                assert outcome(chosen, ours, asked, payload) == outcome(chosen, theirs, asked, payload)


def chosen(plan: Plan, asked: Request, payload: bytes) -> Response:
    """The answer to a request that asks for some fields."""
    assert plan.select is not None
    return answer(plan.select(asked), payload)


# What the native codec must not leave to the plain one, for that would cost as much as if it were not there


USUAL = """
    enum Kind { A = 1, B = 2 }
    struct Point { 1: i32 x, 2: i32 y }
    union Either { 1: i32 n, 2: string s }
    exception Gone { 1: i32 code = 404 (api.http_code=""), 2: string why }
    struct Part {
        1: required string id, 2: optional double price = 1.5, 3: i64 sold (api.js_conv=""), 4: Kind kind, 5: bool ok
        6: binary blob, 7: list<string> names = ["x"], 8: set<Point> points, 9: map<string, i64> counts
        10: map<i32, string> by_number, 11: map<bool, double> by_flag, 12: map<double, i8> by_double
        13: map<binary, bool> by_text, 14: map<Kind, Part> by_kind, 15: map<Point, i32> by_point
        16: optional Part more, 17: list<list<Point>> grid, 18: Either either, 19: set<double> set_of_doubles
        20: map<i64, map<string, Point>> deep (api.js_conv=""), 21: string hidden (api.none="")
        22: string named (go.tag='json:"other,omitempty"'), 300: i16 far
    }
    struct Inner { 1: i32 n (api.query="n"), 2: string s (api.header="x-s") }
    struct Ask {
        1: i32 num (api.query="num", api.vd="$ < 100"), 2: string id (api.path="id")
        3: string agent (api.header="User-Agent"), 4: string session (api.cookie="sid")
        5: list<i64> ids (api.query="ids"), 6: set<string> tags (api.query="tag")
        7: Part part (api.body="part"), 8: string word (api.form="word"), 9: double plain, 10: list<Part> parts
        11: Inner inner (api.no_body_struct=""), 12: string text (api.vd="len($) < 50 && $ != (id)$")
        13: map<string, i32> limits (api.query="limits"), 14: string target (api.raw_uri=""), 15: optional bool flag
        16: list<Rule> rules
    }
    struct Rule { 1: string name (api.vd="len($) > 0"), 2: i32 level }
    struct Got {
        1: i32 status (api.http_code=""), 2: list<string> tags (api.header="X-Tags"), 3: string sid (api.cookie="sid")
        4: Part part, 5: string both (api.header="X-Both", api.body="both")
    }
    struct Raw { 1: binary body (api.raw_body="") }
    service Usual {
        Got get(1: Ask ask) throws (1: Gone gone) (api.post="/get/:id")
        Part part(1: Part part) (api.post="/part")
        list<Part> many(1: list<Part> parts) (api.post="/many")
        map<string, Part> value(1: i64 number (api.query="n")) (api.post="/value")
        Raw raw(1: Ask ask) (api.post="/raw")
        void nothing() (api.post="/nothing")
        oneway void forget(1: Point point) (api.post="/forget")
    }
"""
PART = {
    "id": 'a"\\é\n😀', "price": -0.0, "sold": "9007199254740993", "kind": 2, "ok": True, "blob": "AAEC", "names": [],
    "points": [{"y": 1, "x": 2}, {"x": 1, "y": 3}], "counts": {"é": 1, 'q"': -1}, "by_number": {"-7": "x", "8": ""},
    "by_flag": {"true": 1.5, "false": 1e300}, "by_double": {"0.5": 1, "1e3": 2}, "by_text": {"k": False},
    "by_kind": {"1": {"id": "b"}}, "by_point": [[{"x": 1, "y": 2}, 3], [{"x": 5, "y": 6}, 7]],
    "more": {"id": "c", "more": {"id": "d", "far": -5}}, "grid": [[], [{"x": 1}]], "either": {"s": "x"},
    "set_of_doubles": [1, 2.5], "deep": {"5": {"k": {}}}, "other": "o", "unknown": [{"a": [1e10, None, "x\\u0041"]}],
}  # fmt: skip
QUERY = "num=7&ids=1,2&ids=3&tag=a&tag=b%20c&limits=%7B%22a%22:+1%7D&n=5"
HEADERS = {"user-agent": "me", "cookie": 'a=b; sid="s"', "x-s": "s", "content-type": "application/json"}


@pytest.fixture(scope="module")
def alone():
    """The plans of the service, with no plain codec behind the native one."""

    def refuse(*arguments):
        pytest.fail("left to the plain codec")

    made = native_steps.native_replies
    nobody = ReplySteps(native.PLAIN, refuse, refuse, lambda rows: nobody)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_requests, "_plain_bind", lambda *arguments: refuse)
        patch.setattr(native_steps, "native_replies", lambda plain, *rest: made(nobody, *rest))
        yield Mapped.of(USUAL)


def body_of(value: Any) -> str:
    """JSON with escapes, as many clients write it, and with blanks."""
    return json.dumps(value, indent=1)


def test_each_kind_of_method_is_served(alone):
    assert {route.plan.codecs for route in alone.mapping.routes} == {Codecs(native.NATIVE, native.NATIVE)}
    calls = [alone.mapping.generic("svc", method.name).codecs for method in alone.schema.services[0].methods]
    assert set(calls) == {Codecs(native.NATIVE, native.NATIVE)}


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        (f"/get/a%2Fb?{QUERY}", HEADERS, body_of({"part": PART, "parts": [PART, PART], "text": "long"})),
        (f"/get/7?{QUERY}", HEADERS, body_of({"rules": [{"name": "r", "level": 1}], "flag": None, "plain": 5})),
        ("/get/x?num=%2B7", {}, ""),
        ("/get/x", {"content-type": "application/x-www-form-urlencoded"}, "word=a+b%21&plain=1.5"),
        ("/get/x", {"content-type": "application/json; charset=utf-8"}, "null"),
        ("/part", {}, body_of(PART)),
        ("/many", {}, body_of([PART])),
        ("/value?n=-7", {}, ""),
        ("/nothing", {}, "whatever"),
        ("/forget", {}, '{"x": 1, "y": -0}'),
    ],
)
def test_a_usual_request_is_bound(alone, target, headers, body):
    assert alone.sent("POST", target, headers, body) is not None


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("part", body_of(PART | {"far": "12"})),
        ("get", body_of({"num": "7", "part": PART, "rules": [{"name": "x"}], "text": "t"})),
        ("many", body_of([PART, PART])),
        ("value", "7"),
        ("value", '"7"'),
        ("nothing", ""),
        ("nothing", '{"biz_params": "{}"}'),
        ("part", json.dumps({"biz_params": body_of(PART)})),
    ],
)
def test_a_usual_json_call_is_bound(alone, method, body):
    assert alone.called(method, body) is not None


@pytest.mark.parametrize("body", ['{"id": "a", "id": "b"}', '{"id": "\\ud800"}', '{"id": 1}', "{"])
def test_what_is_wrong_or_odd_is_left_to_the_plain_codec(alone, body):
    with pytest.raises(pytest.fail.Exception, match="left to the plain codec"):
        alone.called("part", body)


def part_of(mapped: Mapped, **more: Any) -> Any:
    new = mapped.new
    point, other = new("Point", x=1, y=2), new("Point", x=3, y=4)
    return new(
        "Part", id="ä\"\\\x01", price=2.5, sold=2**60, kind=1, ok=True, blob=b"\xff\0", names=["a", "b"],
        points=[point, other], counts={"a": 1, "b": 2}, by_number={1: "x", -1: "y"}, by_flag={True: 1.0, False: -0.0},
        by_double={0.5: 1, 1e22: 2}, by_text={b"k": True}, by_kind={2: new("Part", id="k")},
        by_point={point: 1, other: 2}, grid=[[point], []], either=new("Either", n=5), set_of_doubles=[0.0, 1e-7],
        deep={5: {"k": point}}, hidden="h", named="n", far=-3, **more,
    )  # fmt: skip


def test_a_usual_reply_is_answered(alone):
    part = part_of(alone, more=part_of(alone))
    assert alone.answer("part", success=part).status == 200
    got = alone.new("Got", status=201, tags=["a", "b"], sid="s", part=part, both="x")
    assert alone.answer("get", success=got).status == 201
    assert alone.answer("get", gone=alone.new("Gone", why="so")).status == 404
    assert alone.answer("many", success=[part, part]).body.startswith(b"[{")
    assert alone.answer("value", success={"k": part}).body.startswith(b'{"k":{')
    assert alone.answer("raw", success=alone.new("Raw", body=b"\xff")).body == b"\xff"
    assert alone.answer("nothing").body == b"{}"
    assert alone.answer_call("get", success=got).status == 200
    assert alone.answer_call("nothing").body == b"null"


# Bounds


def test_what_is_made_is_not_much_larger_than_what_came():
    default = "x" * 5000
    idl = f"""
        struct Item {{ 1: string s = "{default}" }}
        struct Box {{ 1: list<Item> items, 2: optional Item one }}
        service S {{ Box f(1: Box box) (api.post="/f") }}
    """
    mapped = Mapped.of(idl)
    assert len(mapped.sent("POST", "/f", {}, '{"items": [{}, {}]}')["1:struct"]["1:list<struct>"]) == 2
    error = mapped.refused("POST", "/f", {}, f'{{"items": [{", ".join(["{}"] * 1000)}]}}')
    assert error.status == 400
    assert error.detail.endswith("with the IDL's defaults they have more than 1048576 bytes")
    with pytest.raises(UnusableReply, match="with the IDL's defaults it has more than 1048576 bytes"):
        mapped.answer("f", success=mapped.new("Box", items=[mapped.new("Item", s=None)] * 1000))


def test_the_most_that_is_made_is_a_setting():
    idl = 'struct Box { 1: string s }\nservice S { Box f(1: Box box) (api.post="/f") }'
    for codec in (native.NATIVE, native.PLAIN):
        service = compile_service("svc", schema_of(idl), MappingSettings(codec=codec, max_output=1 << 20))
        plan = service.routes[0].plan
        asked = request("POST", "/f", {}, json.dumps({"s": "x" * (1 << 20)}))
        with pytest.raises(BadRequest, match="more than 1048576 bytes"):
            plan.encode(plan.bind(asked, {}))
        payload = encode(
            Mapped.of(idl).structs.result(plan.method)(success=Mapped.of(idl).new("Box", s="x" * (1 << 20)))
        )
        with pytest.raises(UnusableReply, match="more than 1048576 bytes"):
            answer(plan, payload)
