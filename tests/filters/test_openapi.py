"""The public port's document, where it is offered."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from tests.mapped import request
from txgateway.core.message import Request, Response
from txgateway.core.tagged import Tagged
from txgateway.filters.openapi import openapi

ALWAYS = ((b"etag", b'"tag"'), (b"cache-control", b"no-cache"))


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
    wrap = openapi(lambda service: succeed(Tagged(b"of " + (service or "all").encode(), "tag")))
    answers: list[Response] = []
    wrap(request(verb, target), handler).addCallback(answers.append)
    assert answers == [Response(200, ((b"content-type", b"application/json"), *ALWAYS), body)]


def test_who_has_it_is_not_sent_it_again():
    asked = request("GET", "/openapi.json").replace(headers=((b"if-none-match", b'"tag"'),))
    answers: list[Response] = []
    openapi(lambda service: succeed(Tagged(b"{}", "tag")))(asked, handler).addCallback(answers.append)
    assert answers == [Response(304, ALWAYS)]


@pytest.mark.parametrize(("verb", "target"), [("POST", "/openapi.json"), ("GET", "/openapi.jso"), ("GET", "/x")])
def test_all_else_is_handed_on(verb, target):
    answers: list[Response] = []
    openapi(lambda service: succeed(Tagged(b"", "")))(request(verb, target), handler).addCallback(answers.append)
    assert answers == [Response(299)]
