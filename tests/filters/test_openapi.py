"""The public port's document, where it is offered."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from tests.mapped import request
from txgateway.core.message import Request, Response
from txgateway.filters.openapi import openapi


def handler(asked: Request) -> Deferred[Response]:
    return succeed(Response(299))


@pytest.mark.parametrize(
    ("verb", "target", "body"),
    [
        ("GET", "/openapi.json", b"of all"),
        ("HEAD", "/openapi.json", b"of all"),
        ("GET", "/openapi.json?x=1&service=book&service=other", b"of book"),
        ("GET", "/openapi.json?service=%62ook", b"of book"),
    ],
)
def test_the_document_is_answered(verb, target, body):
    wrap = openapi(lambda service: succeed(b"of " + (service or "all").encode()))
    answers: list[Response] = []
    wrap(request(verb, target), handler).addCallback(answers.append)
    assert answers == [Response(200, ((b"content-type", b"application/json"),), body)]


@pytest.mark.parametrize(("verb", "target"), [("POST", "/openapi.json"), ("GET", "/openapi.jso"), ("GET", "/x")])
def test_all_else_is_handed_on(verb, target):
    answers: list[Response] = []
    openapi(lambda service: succeed(b""))(request(verb, target), handler).addCallback(answers.append)
    assert answers == [Response(299)]
