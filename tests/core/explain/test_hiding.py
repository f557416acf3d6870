"""What a field with tgw.sensitive holds stands nowhere in an explanation."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.core.explain.told import explained, field
from tests.mapped import FORM, JSON
from txgateway.core.explain import page_of, with_answer
from txgateway.core.message import Request, Response

SECRET = "4111-1111-1111"
# The texts as the explanation of bytes would have them.
TRACES = [SECRET, SECRET.encode().hex(), SECRET.encode().hex(" ")]

PIN = 'string pin (tgw.sensitive = "true"'


def idl(fields: str, more: str = "", method: str = "") -> str:
    return f'{more} struct Req {{ {fields} }} service S {{ void ask(1: Req r) (api.any = "/ask/:p"{method}) }}'


def page_text(*asked: Any) -> str:
    return orjson.dumps(page_of(explained(*asked).explanation)).decode()


def assert_hidden(*asked: Any) -> None:
    text = page_text(*asked)
    found = [trace for trace in TRACES if trace in text]
    assert not found, text
    assert "***" in text


CARD = f"struct Card {{ 1: {PIN}) 2: string owner }} "


@pytest.mark.parametrize(
    ("fields", "more", "target", "headers", "body"),
    [
        (f"1: {PIN}, api.query = 'q')", "", f"/ask/x?q={SECRET}&r=1", None, b""),
        (f"1: {PIN}, api.path = 'p')", "", f"/ask/{SECRET}", None, b""),
        (f"1: {PIN}, api.header = 'X-Pin')", "", "/ask/x", {"X-Pin": SECRET}, b""),
        (f"1: {PIN}, api.cookie = 'pin')", "", "/ask/x", {"Cookie": f"pin={SECRET}"}, b""),
        (f"1: {PIN}, api.form = 'f')", "", "/ask/x", FORM, f"f={SECRET}"),
        (f"1: {PIN}, api.form = 'f')", "", f"/ask/x?f={SECRET}", None, b""),
        (f"1: {PIN})", "", "/ask/x", JSON, f'{{"pin": "{SECRET}"}}'),
        ("1: Card card", CARD, "/ask/x", JSON, f'{{"card": {{"pin": "{SECRET}", "owner": "me"}}}}'),
        ("1: list<Card> cards", CARD, "/ask/x", JSON, f'{{"cards": [{{"pin": "{SECRET}"}}]}}'),
        ("1: map<string, Card> cards", CARD, "/ask/x", JSON, f'{{"cards": {{"k": {{"pin": "{SECRET}"}}}}}}'),
        ("1: Owner card (tgw.sensitive = 'true')", "struct Owner { 1: string name } ", "/ask/x", JSON,
         f'{{"card": {{"name": "{SECRET}"}}}}'),
        ("1: map<string, i32> pins (tgw.sensitive = 'true')", "", "/ask/x", JSON, f'{{"pins": {{"{SECRET}": 1}}}}'),
        (f"1: {PIN}, api.query = 'q') 2: string all (api.raw_uri = '')", "", f"/ask/x?q={SECRET}", None, b""),
        (f"1: {PIN}) 2: string all (api.raw_body = '')", "", "/ask/x", JSON, f'{{"pin": "{SECRET}"}}'),
    ],
)  # fmt: skip
def test_wherever_it_comes_from(fields, more, target, headers, body):
    asked = (idl(fields, more), "POST" if body else "GET", target, headers, body)
    assert explained(*asked).call is not None
    assert_hidden(*asked)
    if headers in (JSON, None) and body and "raw" not in fields:
        assert_hidden(idl(fields, more), "POST", "/gateway/svc/ask", None, body)


@pytest.mark.parametrize(
    "rule",
    [
        """api.vd = "$=='x'; msg:sprintf('not %v', $)" """,
        """api.vd = "len($)<3" """,
        """vt.const = "x" """,
        """vt.prefix = "$other" """,
    ],
)
def test_in_a_rule_of_its_own(rule):
    asked = (idl(f"1: {PIN}, {rule}) 2: string other"), "POST", "/ask/x", JSON, f'{{"pin": "{SECRET}", "other": "o"}}')
    assert explained(*asked).explanation.outcome.kind == "validation-failed"
    assert_hidden(*asked)


@pytest.mark.parametrize(
    "rule",
    [
        """api.vd = "$==(pin)$; msg:sprintf('not %v', (pin)$)" """,
        """api.vd = "range((pins)$, #v=='x')" """,
        """vt.const = "$pin" """,
        """vt.const = "@sprintf(\\"%s!\\", $pin)" """,
    ],
)
def test_in_the_rule_of_another_field(rule):
    fields = f"1: {PIN}) 2: string other ({rule}) 3: list<string> pins (tgw.sensitive = 'true')"
    body = f'{{"pin": "{SECRET}", "other": "o", "pins": ["{SECRET}"]}}'
    asked = (idl(fields), "POST", "/ask/x", JSON, body)
    assert explained(*asked).explanation.rules
    assert_hidden(*asked)


@pytest.mark.parametrize("rule", ["sprintf('%v', $)=='x'", "$['pin']!='x'", "(card.pin)$!='x'"])
def test_in_the_rule_of_a_field_that_holds_it(rule):
    asked = (
        idl(f'1: Card card (api.vd = "{rule}")', CARD),
        "POST",
        "/ask/x",
        JSON,
        f'{{"card": {{"pin": "{SECRET}"}}}}',
    )
    assert explained(*asked).explanation.rules
    assert_hidden(*asked)


@pytest.mark.parametrize(
    "body", [f'{{"pin": {{"x": "{SECRET}"}}}}', f'{{"pin": ["{SECRET}"]}}', f'{{"number": "{SECRET}", "pin": "x"}}']
)
def test_where_it_does_not_fit(body):
    fields = f"1: {PIN}) 2: i32 number (tgw.sensitive = 'true')"
    assert explained(idl(fields), "POST", "/ask/x", JSON, body).explanation.outcome.status == 400
    assert_hidden(idl(fields), "POST", "/ask/x", JSON, body)


def test_as_the_key_by_which_an_instance_is_picked():
    fields = f"1: {PIN}, api.query = 'q')"
    text = idl(fields, method=', tgw.hash_key = "arg:pin", tgw.tag = "lane=query:q"')
    call = explained(text, "GET", f"/ask/x?q={SECRET}").explanation.call
    assert call is not None
    assert (call.hash_key, call.subset) == ("***", "***")
    assert_hidden(text, "GET", f"/ask/x?q={SECRET}")


def test_all_else_is_shown():
    text = idl(f"1: {PIN}, api.query = 'q') 2: string name (api.query = 'n') 3: string p (api.path = 'p')")
    explanation = explained(text, "GET", f"/ask/x?q={SECRET}&n=Emma").explanation
    assert explanation.target == "/ask/x?q=***&n=Emma"
    assert explanation.route is not None
    assert explanation.route.parameters == {"p": "x"}
    assert field(explanation, "name").value == '"Emma"'
    assert explanation.call is not None
    assert "**" in explanation.call.hex
    assert '2 name: string = "Emma" (4 bytes)' in [line.text for line in explanation.call.dump]
    assert "1 pin: string, not shown" in [line.text for line in explanation.call.dump]


def test_what_the_service_answers_is_hidden_where_its_result_has_such_a_field():
    more = f"struct Card {{ 1: {PIN}) }} struct Got {{ 1: list<Card> cards }} struct Open {{ 1: string name }} "
    for result, shown in (("Got", "***"), ("Open", SECRET)):
        text = f'{more} struct Req {{}} service S {{ {result} ask(1: Req r) (api.get = "/ask") }}'
        answered = with_answer(
            explained(text, "GET", "/ask"), Request("GET", b"/ask"), Response(200, (), SECRET.encode()), 0.001
        )
        assert (answered.outcome.status, answered.outcome.body) == (200, shown)
