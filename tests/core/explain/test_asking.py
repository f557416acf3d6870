"""What may be asked: JSON to a request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from txgateway.core.explain.asking import MAX_ASKED, MAX_HEADERS, MAX_TARGET, NotAsked, read_asked
from txgateway.core.message import Request

MANY = orjson.dumps({f"h{number}": "" for number in range(MAX_HEADERS + 1)}).decode()


def asked(**said: Any) -> Request:
    return read_asked(orjson.dumps({"target": "/a", **said})).request


def refusal(text: str | bytes) -> str:
    with pytest.raises(NotAsked) as raised:
        read_asked(text)
    return str(raised.value)


def test_a_request_as_it_would_come():
    said = {
        "verb": "put",
        "target": "/a/b?c=d",
        "headers": {"X-A": " 1 ", "Cookie": "ü"},
        "body": "é",
        "client": "10.0.0.9",
        "call": True,
    }
    found = read_asked(orjson.dumps(said))
    request = found.request
    assert (request.verb, request.path, request.query, request.body) == ("PUT", b"/a/b", b"c=d", "é".encode())
    assert request.headers == ((b"x-a", b"1"), (b"cookie", "ü".encode()))
    assert request.client == "10.0.0.9"
    assert found.calls


def test_all_but_the_target_may_be_left_out():
    found = read_asked('{"target": "/a"}')
    request = found.request
    assert (request.verb, request.headers, request.body, found.calls) == ("GET", (), b"", False)
    assert asked(body="x").verb == "POST"


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        ("http://host:8080/a?b", b"/a?b"),
        ("HTTPS://host", b"/"),
        ("https://host?x=1", b"/?x=1"),
        ("/a#part", b"/a"),
        ("/é?ü=%20", b"/%C3%A9?%C3%BC=%20"),
    ],
)
def test_targets(target, taken):
    assert asked(target=target).target == taken


def test_pairs_of_headers_keep_their_order_and_may_repeat():
    assert asked(headers=[["A", "1"], ["B", "2"], ["a", "3"]]).headers == ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))


def test_a_body_of_any_bytes():
    assert asked(body_base64="AP8=").body == b"\x00\xff"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{", "the question has to be JSON"),
        ("[]", 'the question has to be an object with a "target" at least'),
        ('{"target": 1}', 'the question has to be an object with a "target" at least'),
        ('{"target": "a"}', '"target" has to be a path'),
        ('{"target": "/a b"}', '"target" has a blank'),
        (r'{"target": "/a\nb"}', '"target" has a blank or a control character'),
        ('{"target": "/a", "verbs": 1}', "there is no 'verbs' in a question; there are verb, target"),
        ('{"target": "/a", "verb": "G T"}', '"verb" has to be one of HTTP'),
        ('{"target": "/a", "verb": 1}', '"verb" has to be one of HTTP'),
        ('{"target": "/a", "headers": 1}', '"headers" has to be an object'),
        ('{"target": "/a", "headers": {"A B": "x"}}', '"headers" has something that is no name with a text'),
        (r'{"target": "/a", "headers": {"A": "x\r\nB: y"}}', '"headers" has something that is no name with a text'),
        ('{"target": "/a", "headers": [["A"]]}', '"headers" has something that is no name with a text'),
        ('{"target": "/a", "body": 1}', '"body" has to be a text'),
        ('{"target": "/a", "body": "", "body_base64": ""}', "two ways"),
        ('{"target": "/a", "body_base64": "!"}', '"body_base64" is no base64'),
        ('{"target": "/a", "call": 1}', '"call" has to be true or false'),
        ('{"target": "/' + "a" * MAX_TARGET + '"}', f'"target" may have {MAX_TARGET} bytes'),
        (f'{{"target": "/a", "headers": {MANY}}}', "of them at most"),
        (" " * (MAX_ASKED + 1), f"the question may have {MAX_ASKED} bytes"),
    ],
)  # fmt: skip
def test_what_is_no_question(said, why):
    assert why in refusal(said)


json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=5,
)


@given(
    some.dictionaries(some.sampled_from(["verb", "target", "headers", "body", "body_base64", "client", "call"]), json)
)
def test_anything_is_a_question_or_is_refused(said: dict[str, Any]) -> None:
    try:
        request = read_asked(orjson.dumps({"target": "/", **said}, option=orjson.OPT_PASSTHROUGH_SUBCLASS)).request
    except (NotAsked, orjson.JSONEncodeError):
        return
    assert request.target.startswith(b"/")
