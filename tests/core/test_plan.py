"""A plan: its steps in order, the rules of a request, and what a rule sees of a field that nobody gave."""

from __future__ import annotations

import json

import pytest

from tests.mapped import ACK, JSON, Mapped, answer, request
from tests.recorded.http import read_struct
from txgateway.core.errors import BadRequest, ValidationFailed

BOOK = Mapped.of(
    """
    struct QueryBookReq { 1: i32 Num (api.query="num", api.vd="$<100; msg:'num must less than 100'") }
    struct QueryBookResp { 1: string ID, 2: string Title }
    exception BookNotFound { 1: i32 Status = 404 (api.http_code="true"), 2: string Msg }
    service BookSvc {
        QueryBookResp queryBook(1: QueryBookReq req) throws (1: BookNotFound missing) (api.get="book/query")
        oneway void forget(1: QueryBookReq req) (api.post="/book/forget")
    }
    """
)


def test_a_request_goes_through_every_step():
    asked = request("GET", "/book/query?num=7")
    route, path = BOOK.mapping.route(asked)
    plan = route.plan
    arguments = plan.bind(asked, path)
    plan.validate(arguments)
    assert plan.encode(arguments) == bytes.fromhex("0c0001 080001 00000007 00 00")
    assert (plan.service, plan.idl_service, plan.wire_name, plan.oneway) == ("svc", "BookSvc", b"queryBook", False)
    found = BOOK.result("queryBook", success=BOOK.new("QueryBookResp", ID="7", Title="T"))
    response = answer(plan, found)
    assert (response.status, json.loads(response.body)) == (200, {"ID": "7", "Title": "T"})


def test_a_declared_exception_has_its_own_status():
    response = BOOK.answer("queryBook", missing=BOOK.new("BookNotFound", Msg="no such book"))
    assert (response.status, json.loads(response.body)) == (404, {"Msg": "no such book"})


def test_a_oneway_method_is_known_as_one():
    assert BOOK.plan("forget").oneway


def test_a_rule_is_enforced_by_every_door():
    for error in (
        BOOK.refused("GET", "/book/query?num=100"),
        BOOK.refused_call("queryBook", '{"Num": 100}'),
        BOOK.refused_call("queryBook", json.dumps({"biz_params": '{"Num": 100}'})),
    ):
        assert isinstance(error, ValidationFailed)
        assert (error.status, error.detail) == (400, "num must less than 100")
        assert error.members == {"field": "Num", "rule": "$<100; msg:'num must less than 100'"}
    assert BOOK.sent("GET", "/book/query?num=99") == {"1:struct": {"1:i32": 99}}


RULES = Mapped.of(
    f"""{ACK}
    struct In {{ 1: i32 n (api.vd="$>0") }}
    struct R {{
        1: i32 d (api.vd="$==0||$==5"), 2: optional i32 o (api.vd="$==nil"), 3: i32 dd = 500 (api.vd="$==500")
        4: list<i32> l (api.vd="$==nil||len($)>0"), 5: In inner, 6: optional In other
        7: list<string> ld = ["a"] (api.vd="len($)==1"), 8: string s (api.vd="$==''||regexp('^.$')")
        9: optional i32 od = 3 (api.vd="$==nil"), 10: list<string> ls (api.vd="range($, len(#v)>0)")
        11: map<string, i32> m (api.vd="$==nil"), 12: binary y (api.vd="len($)<3")
    }}
    service S {{ Ack f(1: R r) (api.post="/x", api.get="/x"), Ack scalar(1: i32 n) (api.get="/n") }}"""
)


def test_a_rule_sees_what_will_be_sent_but_no_container_that_nobody_gave():
    RULES.sent("POST", "/x", JSON, "{}")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"d": 1}', "d"),
        ('{"o": 1}', "o"),
        ('{"dd": 1}', "dd"),
        ('{"l": []}', "l"),
        ('{"inner": {}}', "inner.n"),
        ('{"other": {"n": 0}}', "other.n"),
        ('{"ld": []}', "ld"),
        ('{"s": "xy"}', "s"),
        ('{"ls": ["a", ""]}', "ls"),
        ('{"m": {}}', "m"),
        ('{"y": "AAEC"}', "y"),
    ],
)
def test_a_rule_sees_what_was_given(body, field):
    error = RULES.refused("POST", "/x", JSON, body)
    assert isinstance(error, ValidationFailed)
    assert error.members["field"] == field


@pytest.mark.parametrize("query", ["s=%FF", "ls=%FF,a", "s=%FF%FE", "y=%FF"])
def test_a_rule_bears_text_that_is_not_utf_8(query):
    error = None
    try:
        RULES.sent("GET", f"/x?{query}")
    except BadRequest as refused:
        error = refused
    assert error is None or isinstance(error, ValidationFailed)


def test_both_kinds_of_rules_hold_and_the_first_kind_speaks_first():
    fields = """1: i32 n (vt.gt="0", api.vd="$<100; msg:'too big'")"""
    both = Mapped.of(f'{ACK}struct R {{ {fields} }}\nservice S {{ Ack f(1: R r) (api.post="/x") }}')
    assert both.refused("POST", "/x", JSON, '{"n": 100}').detail == "too big"
    assert "gt rule failed" in both.refused("POST", "/x", JSON, '{"n": 0}').detail
    assert "gt rule failed" in both.refused_call("f", '{"n": 0}').detail
    assert both.sent("POST", "/x", JSON, '{"n": 1}') == {"1:struct": {"1:i32": 1}}


def test_an_argument_without_fields_has_no_rules():
    assert RULES.sent("GET", "/n?n=7") == {"1:i32": 7}


def test_arguments_may_be_encoded_again_for_another_try():
    asked = request("GET", "/book/query?num=7")
    route, path = BOOK.mapping.route(asked)
    plan = route.plan
    arguments = plan.bind(asked, path)
    assert plan.encode(arguments) == plan.encode(arguments)


def test_requests_share_nothing():
    mapped = Mapped.of(
        f'{ACK}struct R {{ 1: list<i32> l = [1], 2: i32 n }}\nservice S {{ Ack f(1: R r) (api.post="/x") }}'
    )
    plan = mapped.plan("f")
    first = plan.bind(request("POST", "/x", JSON, '{"n": 1}'), {})
    second = plan.bind(request("POST", "/x", JSON, '{"l": [2]}'), {})
    assert plan.encode(first) != plan.encode(second)
    third = plan.bind(request("POST", "/x", JSON, "{}"), {})
    assert read_struct(plan.encode(third)) == {"1:struct": {"1:list<i32>": [1], "2:i32": 0}}
