"""A reply to a response: status, headers, cookies, bodies, exceptions, and how failures are told."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapped import Mapped, answer
from tests.wire_trees import encode as tree_bytes
from tests.wire_trees import trees
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.codec.exception import encode as encode_exception
from txgateway.core.errors import (
    BadRequest,
    GatewayError,
    NoInstance,
    ServiceFailed,
    UnusableReply,
    ValidationFailed,
    VerbNotAllowed,
)
from txgateway.core.message import MessageType, Reply
from txgateway.core.rendering import business_status, render_enveloped_failure, render_failure

IDL = """
enum K { A = 1 }
struct In {
    1: optional string t (go.tag='json:"tag"'), 2: optional i64 j (api.js_conv="true")
    3: optional string none (api.none="true"), 4: optional string key (api.key="kk")
    5: optional string h (api.header="H"), 6: optional binary y
}
struct Plain { 1: optional string s, 2: optional i64 n, 3: optional Plain next, 4: optional list<Plain> kids }
struct Full {
    1: optional i32 code (api.http_code="true"), 2: optional string h (api.header="X-H")
    3: optional list<i32> hl (api.header="X-L"), 4: optional In hi (api.header="X-In")
    5: optional double hd (api.header="X-D")
    6: optional bool hb (api.header="X-B"), 7: optional map<string, i32> hm (api.header="X-M")
    8: optional string c (api.cookie="ck"), 9: optional string both (api.header="X-Both", api.body="both_")
    10: optional string type (api.header="Content-Type")
    11: optional string named (api.body="renamed")
    12: optional string hidden (api.none="true"), 13: optional i64 j (api.js_conv="true")
    14: optional list<map<string, i64>> jl (api.js_conv="true"), 15: optional i32 j32 (api.js_conv="true")
    16: optional binary y, 17: optional list<binary> yl
    18: optional map<i64, string> mi, 19: optional map<bool, i32> mb
    20: optional map<double, i32> md, 21: optional map<K, i32> mk, 22: optional map<binary, i32> my
    23: optional map<In, i32> mp, 24: optional set<string> ss, 25: optional double d, 26: optional In inner
    27: optional string q (api.query="q"), 28: optional string p (api.path="p"), 29: optional string f (api.form="f")
    30: optional binary hy (api.header="X-Y"), 31: optional string length (api.header="Content-Length")
    32: optional string thrift_spec, 33: optional string dunder (go.tag='json:"__class__"')
}
struct Raw { 1: optional string raw (api.raw_body="true"), 2: optional string other }
struct RawBytes { 1: optional binary raw (api.raw_body="true"), 2: optional string type (api.header="Content-Type") }
struct RawList { 1: optional list<i8> raw (api.raw_body="true") }
struct Defaults {
    1: string a = "dflt", 2: required i32 n, 3: optional i64 t = 5 (api.js_conv="true"), 4: i32 z
    5: string hd = "hv" (api.header="X-Def"), 6: optional i32 code = 201 (api.http_code="true")
    7: list<In> l = [{"t": "x"}]
}
struct Code { 1: optional string code (api.http_code="true") }
struct Nested { 1: optional list<Needs> l }
struct Needs { 1: required i32 must }
union U { 1: i32 n, 2: string s = "x" }
exception Oops { 1: optional i32 code, 2: optional string msg }
exception Gone {
    1: i32 status = 410 (api.http_code="true"), 2: optional string why
    3: optional string h (api.header="X-Why")
}
service S {
    Full full() (api.get="/full")
    Plain plain() (api.get="/plain")
    Raw raw() (api.get="/raw"), RawBytes rawbytes() (api.get="/rawbytes"), RawList rawlist() (api.get="/rawlist")
    Defaults defaults() (api.get="/defaults"), Code code() (api.get="/code"), Nested nested() (api.get="/nested")
    U either() (api.get="/either")
    Plain fails() throws (1: Oops oops, 2: Gone gone, 5: Oops success) (api.get="/fails")
    string text() (api.get="/text"), i64 number() (api.get="/number"), double real() (api.get="/real")
    binary bytes() (api.get="/bytes"), list<In> several() (api.get="/several")
    map<i32, binary> table() (api.get="/table")
    void nothing() throws (1: Oops oops) (api.get="/nothing"), oneway void fire() (api.get="/fire")
}
"""
MAPPED = Mapped.of(IDL)
new = MAPPED.new
HEAD = {b"content-type": b"application/json"}


def head_and_body(response):
    return response.status, dict(response.headers), json.loads(response.body) if response.body else None


def full(**fields):
    return head_and_body(MAPPED.answer("full", success=new("Full", **fields)))


def unusable(method, **fields):
    with pytest.raises(UnusableReply) as refused:
        MAPPED.answer(method, **fields)
    return refused.value.detail


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"h": "hv"}, {b"x-h": b"hv"}),
        ({"h": "é"}, {b"x-h": "é".encode()}),
        ({"hl": [1, 2, 3]}, {b"x-l": b"1,2,3"}),
        ({"hi": {"t": "x", "j": 5}}, {b"x-in": b'{"tag":"x","j":"5"}'}),
        ({"hd": 2.5, "hb": True}, {b"x-d": b"2.5", b"x-b": b"true"}),
        ({"hd": 3.0}, {b"x-d": b"3"}),
        ({"hm": {"a": 1}}, {b"x-m": b'{"a":1}'}),
        ({"hy": b"\xff\xfe"}, {b"x-y": b"\xff\xfe"}),
        ({"c": "v"}, {b"set-cookie": b"ck=v"}),
        ({"c": "a b,c"}, {b"set-cookie": b'ck="a b,c"'}),
        ({"type": "text/x"}, {b"content-type": b"text/x"}),
    ],
)
def test_fields_go_into_headers(fields, headers):
    if "hi" in fields:
        fields = {"hi": new("In", **fields["hi"])}
    assert full(**fields) == (200, HEAD | headers, {})


def test_a_field_may_be_in_head_and_body():
    assert full(both="v") == (200, HEAD | {b"x-both": b"v"}, {"both_": "v"})


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"named": "v", "hidden": "h"}, {"renamed": "v"}),
        ({"j": 9007199254740993, "j32": 5}, {"j": "9007199254740993", "j32": 5}),
        ({"jl": [{"a": 1}]}, {"jl": [{"a": "1"}]}),
        ({"y": b"\xff", "yl": [b"hi"]}, {"y": "/w==", "yl": ["aGk="]}),
        ({"mi": {-2: "b"}, "mb": {True: 1}}, {"mi": {"-2": "b"}, "mb": {"true": 1}}),
        ({"md": {1.5: 1, 3.0: 2}}, {"md": {"1.5": 1, "3": 2}}),
        ({"mk": {7: 1}, "my": {b"k": 1}}, {"mk": {"7": 1}, "my": {"k": 1}}),
        ({"ss": ["b", "a"], "d": 3.0}, {"ss": ["b", "a"], "d": 3.0}),
        ({"q": "1", "p": "2", "f": "3"}, {"q": "1", "p": "2", "f": "3"}),
        ({"length": "5"}, {"length": "5"}),
        ({"thrift_spec_": "x", "dunder": "y"}, {"thrift_spec": "x", "__class__": "y"}),
    ],
)
def test_fields_go_into_the_body(fields, body):
    assert full(**fields) == (200, HEAD, body)


def test_inside_a_struct_only_keys_and_forms_count():
    inner = new("In", t="1", j=2, none="3", key="4", h="5", y=b"6")
    body = {"tag": "1", "j": "2", "kk": "4", "h": "5", "y": "Ng=="}
    assert full(inner=inner) == (200, HEAD, {"inner": body})
    assert full(mp={inner: 1}) == (200, HEAD, {"mp": [[body, 1]]})
    assert json.loads(MAPPED.answer("several", success=[inner, inner]).body) == [body, body]


def test_an_i64_is_exact():
    plain = new("Plain", s="x", n=-(2**63), next=new("Plain", n=2**63 - 1), kids=[new("Plain", n=2**53 + 1)])
    assert head_and_body(MAPPED.answer("plain", success=plain)) == (
        200,
        HEAD,
        {"s": "x", "n": -(2**63), "next": {"n": 2**63 - 1}, "kids": [{"n": 2**53 + 1}]},
    )


@pytest.mark.parametrize(
    ("method", "value", "status", "headers", "body"),
    [
        ("raw", ("Raw", {"raw": "<p>", "other": "x"}), 200, {b"content-type": b"text/plain; charset=utf-8"}, b"<p>"),
        ("raw", ("Raw", {"other": "x"}), 200, HEAD, b'{"other":"x"}'),
        ("rawbytes", ("RawBytes", {"raw": b"\xff"}), 200, {b"content-type": b"application/octet-stream"}, b"\xff"),
        ("rawbytes", ("RawBytes", {"raw": b"GIF", "type": "image/gif"}), 200, {b"content-type": b"image/gif"}, b"GIF"),
        ("rawlist", ("RawList", {"raw": [0, -1]}), 200, {b"content-type": b"application/octet-stream"}, b"\x00\xff"),
    ],
)
def test_a_raw_body_is_the_body(method, value, status, headers, body):
    response = MAPPED.answer(method, success=new(value[0], **value[1]))
    assert (response.status, dict(response.headers), response.body) == (status, headers, body)


@pytest.mark.parametrize(
    ("code", "status"), [("404", 404), ("0", 200), ("200", 200), ("599", 599), ("204", 204), ("304", 304)]
)
def test_a_field_is_the_status(code, status):
    response = MAPPED.answer("code", success=new("Code", code=code))
    assert response.status == status
    assert response.body == (b"" if status in (204, 304) else b"{}")
    assert full(code=404, named="x") == (404, HEAD, {"renamed": "x"})


@pytest.mark.parametrize("code", ["abc", "", "99", "600", "1000", "-1", "100", "101", "+200", "2.0", "２００"])
def test_what_is_no_status_is_unusable(code):
    assert unusable("code", success=new("Code", code=code)) == "The field for the HTTP status holds no status"


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7fb"])
def test_no_line_break_gets_into_a_header(text):
    assert "X-H has a line break" in unusable("full", success=new("Full", h=text))
    assert "cookie ck" in unusable("full", success=new("Full", c=text))


@pytest.mark.parametrize("text", ["a;Path=/", 'a"b', "a\\b"])
def test_no_attribute_gets_into_a_cookie(text):
    assert "cookie ck" in unusable("full", success=new("Full", c=text))


def test_defaults_fill_what_the_service_left_out():
    raw = tree_bytes([[0, "struct", [[2, "i32", 1]]]])
    assert head_and_body(answer(MAPPED.plan("defaults"), raw)) == (
        201,
        HEAD | {b"x-def": b"hv"},
        {"a": "dflt", "n": 1, "t": "5", "l": [{"tag": "x"}]},
    )


def test_a_union_is_what_the_service_set():
    assert head_and_body(MAPPED.answer("either", success=new("U", n=1)))[2] == {"n": 1}
    raw = tree_bytes([[0, "struct", [[1, "i32", 5], [2, "string", "s"]]]])
    assert head_and_body(answer(MAPPED.plan("either"), raw))[2] == {"n": 5, "s": "s"}
    assert head_and_body(answer(MAPPED.plan("either"), tree_bytes([[0, "struct", []]])))[2] == {}


@pytest.mark.parametrize(
    ("method", "value", "body"),
    [
        ("text", "hi", "hi"),
        ("number", 2**63 - 1, 2**63 - 1),
        ("real", 1.5, 1.5),
        ("bytes", b"\xff", "/w=="),
        ("several", [], []),
        ("table", {5: b"hi"}, {"5": "aGk="}),
    ],
)
def test_a_result_need_be_no_struct(method, value, body):
    assert head_and_body(MAPPED.answer(method, success=value)) == (200, HEAD, body)


def test_void_and_oneway_are_an_empty_object():
    assert head_and_body(MAPPED.answer("nothing")) == (200, HEAD, {})
    assert head_and_body(MAPPED.answer("fire")) == (200, HEAD, {})
    assert head_and_body(MAPPED.answer_call("nothing")) == (200, HEAD, None)


def test_a_declared_exception_is_no_success():
    oops = MAPPED.answer("fails", oops=new("Oops", code=7, msg="bad"))
    assert head_and_body(oops) == (500, HEAD | {b"x-thrift-exception": b"Oops"}, {"code": 7, "msg": "bad"})
    gone = MAPPED.answer("fails", gone=new("Gone", why="sold", h="w"))
    assert head_and_body(gone) == (410, HEAD | {b"x-thrift-exception": b"Gone", b"x-why": b"w"}, {"why": "sold"})
    assert MAPPED.answer("fails", success_=new("Oops", code=1)).status == 500
    assert MAPPED.answer("nothing", oops=new("Oops", code=7)).status == 500


def test_a_json_call_shows_every_field():
    fields = {"code": 404, "h": "hv", "hidden": "x", "named": "v", "j": 5, "y": b"hi", "c": "ck"}
    response = MAPPED.answer_call("full", success=new("Full", **fields))
    assert head_and_body(response) == (
        200,
        HEAD,
        {"code": 404, "h": "hv", "named": "v", "j": "5", "y": "aGk=", "c": "ck"},
    )
    gone = MAPPED.answer_call("fails", gone=new("Gone", why="sold", h="w"))
    assert head_and_body(gone)[::2] == (500, {"status": 410, "why": "sold", "h": "w"})
    assert MAPPED.answer_call("text", success="hi").body == b'"hi"'


def enveloped(method, **result):
    plan = MAPPED.mapping._call_plans("svc", method)[1]
    return head_and_body(answer(plan, MAPPED.result(method, **result)))


def test_the_old_form_is_answered_in_its_own():
    assert enveloped("plain", success=new("Plain", s="x")) == (
        200,
        HEAD,
        {"s": "x", "err_code": 0, "err_msg": "success"},
    )
    assert enveloped("plain", success=new("Plain"))[2] == {"err_code": 0, "err_msg": "success"}
    assert enveloped("number", success=5)[2] == {"result": 5, "err_code": 0, "err_msg": "success"}
    assert enveloped("nothing")[2] == {"result": None, "err_code": 0, "err_msg": "success"}
    status, _, body = enveloped("fails", oops=new("Oops", code=7))
    assert (status, body["code"], body["err_code"]) == (500, 7, 500)
    failure = head_and_body(render_enveloped_failure(NoInstance("None is there")))
    assert failure == (503, HEAD | {b"retry-after": b"1"}, {"err_code": 503, "err_msg": "None is there"})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_is_unusable(number):
    assert "not finite" in unusable("full", success=new("Full", d=number))
    assert "not finite" in unusable("real", success=number)


def test_a_text_that_says_null_is_no_number():
    assert full(d=1.5, named="null", q="[null]")[2] == {"d": 1.5, "renamed": "null", "q": "[null]"}


def test_a_text_that_is_not_utf_8_is_unusable():
    assert "not UTF-8" in unusable("plain", success=new("Plain", s=b"\xff\xfe"))
    assert "not UTF-8" in unusable("text", success=b"\xff")
    assert "not UTF-8" in unusable("full", success=new("Full", ss=["a", b"\xff"]))
    assert "not UTF-8" in unusable("full", success=new("Full", my={b"\xff": 1}))


@pytest.mark.parametrize(
    ("method", "tree", "detail"),
    [
        ("plain", [], "neither a result nor an exception"),
        ("plain", [[9, "struct", []]], "neither a result nor an exception"),
        ("plain", [[0, "i32", 5]], "does not fit the IDL: field 0"),
        ("plain", [[0, "struct", [[1, "i32", 5]]]], "does not fit the IDL: field 1"),
        ("several", [[0, "list", {"of": "i32", "items": [1]}]], "does not fit the IDL"),
        ("defaults", [[0, "struct", []]], "the required field success.n is missing"),
        ("nested", [[0, "struct", [[1, "list", {"of": "struct", "items": [[]]}]]]], r"success.l[0].must is missing"),
    ],
)
def test_a_reply_that_the_idl_does_not_allow_is_unusable(method, tree, detail):
    with pytest.raises(UnusableReply) as refused:
        answer(MAPPED.plan(method), tree_bytes(tree))
    assert detail in refused.value.detail
    assert refused.value.members == {"service": "svc", "method": method}


@given(st.sampled_from([route.plan for route in MAPPED.mapping.routes]), trees() | st.binary(max_size=40))
def test_any_reply_is_rendered_or_unusable(plan, payload):
    data = payload if isinstance(payload, bytes) else tree_bytes(payload)
    with suppress(GatewayError):
        response = answer(plan, data)
        assert 200 <= response.status <= 599


def test_a_reply_nested_too_deeply_is_unusable():
    data = b"\x0c\0\0" + b"\x0c\0\x03" * 300 + b"\0" * 302
    with pytest.raises(UnusableReply, match="64 levels"):
        answer(MAPPED.plan("plain"), data)


@pytest.mark.parametrize("kind", [0, 1, 6, 7, 20, 99])
def test_what_a_service_fails_with_is_for_the_log_alone(kind):
    payload = encode_exception(ApplicationError(kind, "panic at /home/x.go:12"))
    with pytest.raises(ServiceFailed) as failed:
        MAPPED.plan("plain").decode(Reply(MessageType.EXCEPTION, b"plain", payload))
    assert "panic at /home/x.go:12" in str(failed.value)
    assert b"panic" not in render_failure(failed.value).body
    with pytest.raises(UnusableReply):
        MAPPED.plan("plain").decode(Reply(MessageType.EXCEPTION, b"plain", b"rubbish"))


def test_a_business_status_reaches_the_client():
    info = {"biz-status": "1001", "biz-message": "no stock", "biz-extra": '{"sku": "7"}'}
    plan = MAPPED.plan("plain")
    status, _, body = head_and_body(plan.render(plan.decode(Reply(MessageType.REPLY, b"plain", b"\0", info))))
    assert (status, body["code"], body["message"], body["extra"]) == (500, 1001, "no stock", {"sku": "7"})
    call, old = MAPPED.mapping._call_plans("svc", "plain")
    assert head_and_body(call.render(call.decode(Reply(MessageType.REPLY, b"", b"\0", info))))[2]["code"] == 1001
    in_envelope = head_and_body(old.render(old.decode(Reply(MessageType.REPLY, b"", b"\0", info))))
    assert in_envelope[2] == {"extra": {"sku": "7"}, "err_code": 1001, "err_msg": "no stock"}


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ({}, None),
        ({"biz-status": "0"}, None),
        ({"biz-status": "x"}, None),
        ({"biz-status": "-5"}, -5),
        ({"biz-status": "7", "biz-extra": "{"}, 7),
        ({"biz-status": "9" * 50}, None),
    ],
)
def test_only_a_number_is_a_business_status(info, code):
    status = business_status(info)
    assert (status and status.code) == code


@pytest.mark.parametrize(
    ("error", "document"),
    [
        (
            BadRequest("field n: is required", field="n"),
            {"type": "urn:txgateway:problem:bad-request", "title": "Bad request", "status": 400}
            | {"detail": "field n: is required", "field": "n", "retryable": False},
        ),
        (
            ValidationFailed("too big", field="n", rule="$<5"),
            {"type": "urn:txgateway:problem:validation-failed", "title": "Validation failed", "status": 400}
            | {"detail": "too big", "field": "n", "rule": "$<5", "retryable": False},
        ),
        (
            NoInstance(),
            {"type": "urn:txgateway:problem:no-instance", "title": "Service unavailable", "status": 503}
            | {"detail": "Service unavailable", "retryable": True},
        ),
    ],
)
def test_a_failure_is_a_problem_document(error, document):
    response = render_failure(error)
    assert json.loads(response.body) == document
    assert (response.status, response.headers[0]) == (
        document["status"],
        (b"content-type", b"application/problem+json"),
    )


def test_a_failure_brings_its_headers_along():
    assert (b"allow", b"GET, POST") in render_failure(VerbNotAllowed(("GET", "POST"))).headers
    assert (b"retry-after", b"1") in render_failure(NoInstance()).headers


def test_a_failure_names_the_request_where_that_is_known():
    assert json.loads(render_failure(NoInstance(), "f00d-1").body)["request_id"] == "f00d-1"
    assert "request_id" not in json.loads(render_failure(NoInstance()).body)
