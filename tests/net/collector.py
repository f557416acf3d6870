"""A collector of traces for tests: takes OTLP over HTTP, as protobuf."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site


class Collector(Resource):
    """Listens on a free port of 127.0.0.1 from the start.

    :ivar batches: what came so far.
    :ivar status: what it answers; None: never.
    """

    isLeaf = True

    def __init__(self, status: int | None = 200) -> None:
        super().__init__()
        self.batches: list[ExportTraceServiceRequest] = []
        self.status = status
        self._awaited: list[Deferred[None]] = []
        self._silent: list[Request] = []
        # twisted.web's own log writes a line for each request.
        self._site = Site(self)
        self._site.noisy = False
        self._port: Any = reactor.listenTCP(0, self._site, interface="127.0.0.1")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port.getHost().port}/v1/traces"

    @property
    def spans(self) -> list[Span]:
        scopes = [scope for batch in self.batches for each in batch.resource_spans for scope in each.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def next(self) -> Deferred[None]:
        """Fires when the next batch has come."""
        self._awaited.append(Deferred())
        return self._awaited[-1]

    def stop(self) -> Deferred[None]:
        for request in self._silent:
            request.loseConnection()
        return self._port.stopListening()

    def render_POST(self, request: Request) -> bytes | int:
        assert request.uri == b"/v1/traces"
        assert request.getHeader("content-type") == "application/x-protobuf"
        self.batches.append(ExportTraceServiceRequest.FromString(request.content.read()))
        awaited, self._awaited = self._awaited, []
        for each in awaited:
            reactor.callLater(0, each.callback, None)
        if self.status is None:
            self._silent.append(request)
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        return b""


def attributes(span: Span) -> dict[str, str | int]:
    """A span's attributes as plain values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
