"""What a field with ``tgw.sensitive`` holds is in nothing that is said of a request."""

from __future__ import annotations

import json

import pytest

from tests.mapped import JSON, Mapped, schema_of
from txgateway.core.annotations import Surroundings
from txgateway.core.mapping import compile_service, join

IDL = """
struct Card { 1: i64 number, 2: string owner (api.vd="len($)<5; msg:sprintf('too long: %v', $)") }
struct Login {
    1: i32 pin (api.query="pin", tgw.sensitive="true")
    2: i32 num (api.query="num", api.vd="$<100; msg:sprintf('%v is too much', $)")
    3: map<string, Card> cards (tgw.sensitive="true")
    4: list<Card> open_cards
    5: string password (api.header="X-Password", tgw.sensitive="true", api.vd="len($)>3; msg:sprintf('bad: %v', $)")
    6: i32 limit (api.vd="$==0||$<(pin)$; msg:'limit ' + sprintf('%v', (pin)$)")
    7: i32 small (vt.lt="5", tgw.sensitive="true")
    8: i32 large (vt.lt="1000")
    9: string token (tgw.sensitive="true", api.vd="$==''||len($)>9; msg:'too short a token'")
}
service S {
    void login(1: Login login) (api.post="/login")
    void alone(1: i64 pin (tgw.sensitive="true")) (api.post="/alone")
    void plain(1: Card card) (api.post="/plain")
}
"""
MAPPED = Mapped.of(IDL)
GOOD = {"X-Password": "long enough"}


def refused(target: str = "/login", body: object = None, headers: dict[str, str] = GOOD):
    error = MAPPED.refused("POST", target, {**JSON, **headers}, json.dumps({} if body is None else body))
    return error.members.get("field"), error.detail


@pytest.mark.parametrize(
    ("target", "body", "field", "detail"),
    [
        ("/login?pin=12a4", {}, "pin", "query parameter 'pin': expected an i32 (-2147483648 to 2147483647)"),
        (
            "/login?num=12a4",
            {},
            "num",
            "query parameter 'num': expected an i32 (-2147483648 to 2147483647), got '12a4'",
        ),
        ("/login", {"cards": 4711}, "cards", "field cards: expected an object"),
        ("/login", {"cards": {"4711.x": {"number": "17"}}}, "cards", "field cards: expected an i64"),
        ("/login", {"open_cards": [{"number": "17"}]}, "open_cards[0].number", None),
        ("/alone", "12a4", "pin", "field pin: expected an i64 (-9223372036854775808 to 9223372036854775807)"),
    ],
)
def test_a_value_that_does_not_fit_is_not_repeated(target, body, field, detail):
    found, said = refused(target, body)
    assert found == field
    if detail is None:
        assert said.endswith("got the text '17'")
    else:
        assert said.startswith(detail)
        assert ("got" in said) is (found == "num")
    assert "4711" not in said


@pytest.mark.parametrize(
    ("target", "body", "headers", "field", "detail"),
    [
        ("/login?num=700", {}, GOOD, "num", "700 is too much"),
        ("/login", {}, {"X-Password": "psw"}, "password", "invalid parameter: password"),
        ("/login", {"cards": {"4711": {"owner": "Somebody"}}}, GOOD, "cards", "invalid parameter: cards"),
        ("/login", {"open_cards": [{"owner": "Somebody"}]}, GOOD, "open_cards[0].owner", "too long: Somebody"),
        ("/login?pin=4711", {"limit": 5000}, GOOD, "limit", "invalid parameter: limit"),
        ("/login", {"small": 4711}, GOOD, "small", "field Small lt rule failed"),
        ("/login", {"large": 4711}, GOOD, "large", "field Large lt rule failed, current value: 4711"),
        ("/login", {"token": "4711"}, GOOD, "token", "too short a token"),
    ],
)
def test_a_rule_that_refuses_a_value_does_not_repeat_it(target, body, headers, field, detail):
    found, said = refused(target, body, headers)
    assert found == field
    assert said == detail


def test_every_failure_of_a_list_is_kept_clean():
    mapped = Mapped.of(IDL.replace('(api.post="/login")', '(api.post="/login", tgw.validate="all")'))
    error = mapped.refused("POST", "/login?num=700", {**JSON, "X-Password": "psw"}, '{"small": 4711, "token": "4711"}')
    assert [(each["field"], each["detail"]) for each in error.members["errors"]] == [
        ("num", "700 is too much"),
        ("password", "invalid parameter: password"),
        ("token", "too short a token"),
        ("small", "field Small lt rule failed"),
    ]
    assert "psw" not in str(error.members)


def test_what_is_only_observed_is_told_without_values():
    told = []
    observed = Surroundings(observed=lambda service, method, failure: told.append(failure))
    idl = IDL.replace('(api.post="/login")', '(api.post="/login", tgw.validate="observe")')
    mapping, _ = join([compile_service("svc", schema_of(idl), surroundings=observed)])
    Mapped(mapping, schema_of(idl)).sent(
        "POST", "/login", {**JSON, **GOOD}, '{"cards": {"4711": {"owner": "Somebody"}}}'
    )
    assert [(each.path, each.message) for each in told] == [("cards", "invalid parameter: cards")]


def test_json_calls_are_treated_alike():
    error = MAPPED.refused_call("login", '{"pin": "12a4", "num": "12a4"}')
    assert error.detail == "field pin: expected an i32 (-2147483648 to 2147483647)"


def test_a_method_without_such_fields_pays_nothing():
    # What is compiled has no such name.
    steps = {name: getattr(MAPPED.plan(name).bind, "__qualname__", "") for name in ("login", "alone", "plain")}
    assert steps["login"] == steps["alone"] == "Sensitive.around.<locals>.run"
    assert "Sensitive" not in steps["plain"]


def test_a_mark_that_seems_to_switch_it_off_is_warned_of():
    service = compile_service("svc", schema_of(IDL.replace('sensitive="true"', 'sensitive="false"')))
    assert "tgw.sensitive is on whatever its value" in service.warnings[0].message
