"""A request becomes part of its client's trace, or begins one, and is recorded with what came of it."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.mapped import service_of
from txgateway.core.errors import NoInstance, ValidationFailed
from txgateway.core.message import Request, Response
from txgateway.core.trace_context import TraceContext, received
from txgateway.filters.tracing import Tracing

ROUTE = service_of('struct A {} service S { void get(1: A a) (api.get="/book") }', "book").routes[0]
PARENT = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True, "a=1")
OK = Response(200)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def spans():
    return []


def tracing(clock, spans, share=1.0):
    return Tracing(clock.seconds, Random(1), share, spans.append)


def asked(parent: TraceContext | None = PARENT) -> Request:
    headers = () if parent is None else ((b"traceparent", parent.parent.encode()), (b"tracestate", b"a=1"))
    return Request("GET", b"/book?secret", headers, client="10.1.2.3", id="f00d-1", route=ROUTE)


def test_the_request_goes_on_with_our_span_in_the_trace_of_its_client(clock, spans):
    def handler(request):
        clock.advance(0.25)
        return succeed(OK)

    request = asked()
    tracing(clock, spans)(request, handler)
    (span,) = spans
    assert span.context == received(request)
    assert (span.context.trace_id, span.context.state) == (PARENT.trace_id, "a=1")
    assert span.context.span_id != PARENT.span_id
    assert span.parent == PARENT
    assert (span.name, span.is_client, span.began, span.ended, span.error) == ("GET /book", False, 0.0, 0.25, "")
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/book",
        "http.response.status_code": 200,
        "client.address": "10.1.2.3",
        "tgw.request_id": "f00d-1",
    }


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (Response(503), 503, "503"),
        (ValidationFailed("secret"), 400, ""),
        (NoInstance(), 503, "no-instance"),
        (RuntimeError("secret"), 500, "gateway-error"),
    ],
)
@pytest.mark.parametrize("is_raised", [True, False])
def test_failures_are_recorded_and_pass_through(clock, spans, outcome, status, error, is_raised):
    def handler(request):
        if isinstance(outcome, Response):
            return succeed(outcome)
        if is_raised and not isinstance(outcome, RuntimeError):
            raise outcome
        return fail(outcome)

    came = []
    try:
        tracing(clock, spans)(asked(), handler).addBoth(came.append)
    except NoInstance as raised:
        came.append(Failure(raised))
    except ValidationFailed as raised:
        came.append(Failure(raised))
    assert came[0] is outcome or came[0].value is outcome
    (span,) = spans
    assert (span.attributes["http.response.status_code"], span.error) == (status, error)
    assert "secret" not in str(span)


def test_a_client_that_leaves_is_recorded(clock, spans):
    answer = tracing(clock, spans)(asked(), lambda request: Deferred())
    answer.addErrback(lambda failure: None)
    answer.cancel()
    assert [span.attributes["http.response.status_code"] for span in spans] == [499]


def test_a_client_decides_whether_its_trace_is_recorded(clock, spans):
    request = asked(PARENT._replace(sampled=False))
    tracing(clock, spans)(request, lambda request: succeed(OK))
    assert spans == []
    assert received(request).trace_id == PARENT.trace_id
    assert not received(request).sampled
    tracing(clock, spans, share=0.0)(asked(), lambda request: succeed(OK))
    assert len(spans) == 1


def test_a_request_without_a_trace_begins_one(clock, spans):
    tracing(clock, spans)(asked(None), lambda request: succeed(OK))
    (span,) = spans
    assert span.parent is None
    assert tracing(clock, spans, share=0.0)(asked(None), lambda request: succeed(OK)).result is OK
    assert len(spans) == 1
