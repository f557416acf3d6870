"""Spans reach a collector as OpenTelemetry has them, and a collector that is away holds nobody up."""

from __future__ import annotations

import threading

import pytest
import pytest_twisted
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Told
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from twisted.internet import reactor
from twisted.logger import globalLogPublisher

from tests.net.collector import Collector, attributes
from txgateway.core.span import Span
from txgateway.core.trace_context import TraceContext
from txgateway.net import tracing
from txgateway.net.tracing import sender
from txgateway.testing import free_port

CONTEXT = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True, "a=1,b=2")
PARENT = CONTEXT._replace(span_id="00000000000000ff")


def span(name: str = "GET /book", **more) -> Span:
    now = reactor.seconds()
    plain = Span(
        name, False, CONTEXT, PARENT, now - 0.5, now, {"http.route": "/book", "http.response.status_code": 200}
    )
    return plain._replace(**more)


@pytest_twisted.async_yield_fixture
async def collector():
    collector = Collector()
    yield collector
    await collector.stop()


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(tracing, "SEND_AFTER", 0.01)


@pytest_twisted.ensureDeferred
async def test_a_span_arrives_as_it_was(collector, soon):
    send = sender(reactor, collector.endpoint, "front", "1.2")
    send.start()
    arrived = collector.next()
    send(span())
    send(span("book/queryBook", is_client=True, parent=CONTEXT, context=PARENT, error="deadline-exceeded"))
    await arrived
    await send.stop()
    (resource,) = [each.resource for batch in collector.batches for each in batch.resource_spans]
    told = {each.key: each.value.string_value for each in resource.attributes}
    assert (told["service.name"], told["service.version"]) == ("front", "1.2")
    request, call = collector.spans
    assert (request.trace_id.hex(), request.span_id.hex()) == (CONTEXT.trace_id, CONTEXT.span_id)
    assert (request.parent_span_id.hex(), request.trace_state) == (PARENT.span_id, "a=1,b=2")
    assert (request.name, request.kind, request.status.code) == (
        "GET /book",
        Told.SPAN_KIND_SERVER,
        Status.STATUS_CODE_UNSET,
    )
    assert attributes(request) == {"http.route": "/book", "http.response.status_code": 200}
    assert request.end_time_unix_nano - request.start_time_unix_nano == pytest.approx(5e8, abs=1e4)
    assert (call.kind, call.status.code, call.parent_span_id) == (
        Told.SPAN_KIND_CLIENT,
        Status.STATUS_CODE_ERROR,
        request.span_id,
    )
    assert attributes(call)["error.type"] == "deadline-exceeded"
    assert send.dropped == 0


@pytest_twisted.ensureDeferred
async def test_what_waits_is_sent_at_the_end(collector, monkeypatch):
    monkeypatch.setattr(tracing, "BATCH", 2)
    send = sender(reactor, collector.endpoint, "front", "1")
    send.start()
    for number in range(5):
        send(span(str(number)))
    await send.stop()
    assert [each.name for each in collector.spans] == ["0", "1", "2", "3", "4"]
    assert [len(batch.resource_spans[0].scope_spans[0].spans) for batch in collector.batches] == [2, 2, 1]


@pytest_twisted.ensureDeferred
async def test_spans_that_cannot_be_sent_are_counted_and_complained_of_once(monkeypatch, logged):
    monkeypatch.setattr(tracing, "BATCH", 1)
    monkeypatch.setattr(tracing, "SEND_WITHIN", 0.05)
    send = sender(reactor, f"http://127.0.0.1:{free_port()}/v1/traces", "front", "1")
    send.start()
    for _ in range(3):
        send(span())
    await send.stop()
    assert send.dropped == 3
    assert [each["log_format"] for each in logged if "tracing" in str(each.get("log_format"))] == [
        "tracing: the collector does not take spans; they are dropped"
    ]


@pytest_twisted.ensureDeferred
async def test_what_comes_while_too_many_wait_is_dropped(collector, monkeypatch):
    monkeypatch.setattr(tracing, "BATCH", 1)
    monkeypatch.setattr(tracing, "MOST_WAITING", 2)
    monkeypatch.setattr(tracing, "SEND_WITHIN", 0.2)
    collector.status = None
    send = sender(reactor, collector.endpoint, "front", "1")
    send.start()
    arrived = collector.next()
    # One is on its way, two wait.
    for _ in range(5):
        send(span())
    assert send.dropped == 2
    await arrived
    await send.stop()
    assert send.dropped == 5


@pytest.fixture
def logged():
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest_twisted.ensureDeferred
async def test_the_thread_may_pause_behind_each_span(collector, monkeypatch):
    """A batch takes it long enough for requests to notice."""
    send = sender(reactor, collector.endpoint, "front", "1")
    breaths = []
    monkeypatch.setattr(send._thread, "breathe", lambda: breaths.append(threading.current_thread()))
    send.start()
    for number in range(3):
        send(span(str(number)))
    await send.stop()
    assert [each.name for each in collector.spans] == ["0", "1", "2"]
    assert len(breaths) == 3
    assert threading.current_thread() not in breaths
