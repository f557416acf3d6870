"""Send spans to a collector, by OTLP over HTTP, in a thread. Needs the extra ``otel``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.span import Span
from ..core.trace_context import TraceContext
from .background import Background

log = Logger()
# It says much, and again and again; what has to be said we say once.
logging.getLogger("opentelemetry").addHandler(logging.NullHandler())

# Seconds that a span waits for others, and how many go at once.
SEND_AFTER = 1.0
BATCH = 512
# What comes while so many wait is dropped, and counted.
MOST_WAITING = 8192
# Seconds for one batch, all attempts of the exporter together.
SEND_WITHIN = 5.0

_UNSET = Status(StatusCode.UNSET)


class SpanSender:
    """Takes spans in the reactor's thread, and turns them into OpenTelemetry's in another.

    :param clock: an IReactorTime and IReactorThreads, whose seconds are those of the spans.
    :ivar dropped: spans that the collector did not get.
    """

    def __init__(
        self, clock: Any, exporter: SpanExporter, resource: Resource, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.dropped = 0
        self._clock = clock
        self._exporter = exporter
        self._resource = resource
        self._scope = InstrumentationScope("txgateway")
        self._wall_clock = wall_clock
        self._thread = Background(clock, "traces")
        self._waiting: list[Span] = []
        self._timer: Any = None
        self._sending: Deferred[None] | None = None
        self._is_failing = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Deferred[None]:
        """Fires when what waits is sent, or could not be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._send_all().addBoth(self._end)

    def __call__(self, span: Span) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._send()
        elif self._timer is None:
            self._timer = self._clock.callLater(SEND_AFTER, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._send()

    def _send(self) -> None:
        """Send a batch, unless one is on its way; behind that the next one goes."""
        if self._sending is not None or not self._waiting:
            return
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        epoch = self._wall_clock() - self._clock.seconds()
        self._sending = self._thread.run(lambda: self._export(batch, epoch)).addBoth(self._sent, len(batch))

    def _sent(self, result: SpanExportResult | Failure, spans: int) -> None:
        self._sending = None
        failed = result is not SpanExportResult.SUCCESS
        if failed:
            self.dropped += spans
        if failed and not self._is_failing:
            log.warn("tracing: the collector does not take spans; they are dropped")
        self._is_failing = failed
        if len(self._waiting) >= BATCH:
            self._send()
        elif self._waiting and self._timer is None:
            self._timer = self._clock.callLater(SEND_AFTER, self._ring)

    def _send_all(self) -> Deferred[None]:
        if self._is_failing:
            # Each batch would have its time to fail in.
            self.dropped += len(self._waiting)
            self._waiting.clear()
        self._send()
        if self._sending is None:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._sending.addCallback(lambda _: self._send_all().chainDeferred(done))
        return done

    def _end(self, _: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._exporter.shutdown()
        self._thread.stop()

    # In the thread.

    def _export(self, batch: Sequence[Span], epoch: float) -> SpanExportResult:
        # What a span is made of here takes some 40 us, and a request is not to wait for 512 of them.
        return self._exporter.export(_OneByOne(batch, lambda span: self._readable(span, epoch), self._thread.breathe))

    def _readable(self, span: Span, epoch: float) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.context),
            parent=None if span.parent is None else _context(span.parent, is_remote=not span.is_client),
            resource=self._resource,
            attributes={**span.attributes, "error.type": span.error} if span.error else span.attributes,
            kind=SpanKind.CLIENT if span.is_client else SpanKind.SERVER,
            status=Status(StatusCode.ERROR) if span.error else _UNSET,
            start_time=int((epoch + span.began) * 1e9),
            end_time=int((epoch + span.ended) * 1e9),
            instrumentation_scope=self._scope,
        )


class _OneByOne(Sequence[ReadableSpan]):
    """Spans as OpenTelemetry has them, each made when it is its turn.

    :param between: called after each.
    """

    def __init__(
        self, spans: Sequence[Span], make: Callable[[Span], ReadableSpan], between: Callable[[], None]
    ) -> None:
        self._spans = spans
        self._make = make
        self._between = between

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, at: Any) -> Any:
        found = self._spans[at]
        return [self._make(each) for each in found] if isinstance(at, slice) else self._make(found)

    def __iter__(self) -> Iterator[ReadableSpan]:
        for span in self._spans:
            yield self._make(span)
            self._between()


def _context(context: TraceContext, *, is_remote: bool = False) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    state = TraceState.from_header([context.state]) if context.state else None
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote, flags, state)


def sender(reactor: Any, endpoint: str, service: str, version: str) -> SpanSender:
    """Sends to an OTLP endpoint. Its own variables, ``OTEL_EXPORTER_OTLP_HEADERS`` and the like, hold for the rest."""
    resource = Resource.create({"service.name": service, "service.version": version})
    return SpanSender(reactor, OTLPSpanExporter(endpoint, timeout=SEND_WITHIN), _Resource.of(resource))


class _Resource(Resource):
    """The exporter asks for its hash with each span; OpenTelemetry's own works it out of JSON each time, in 9 us."""

    _hash: int

    @classmethod
    def of(cls, resource: Resource) -> _Resource:
        same = cls(resource.attributes, resource.schema_url)
        same._hash = hash(resource)
        return same

    def __hash__(self) -> int:
        return self._hash
