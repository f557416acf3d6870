"""What ``/metrics`` is gathered from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..core.metrics import Sample, families
from ..net.mapping.live import LiveMapping
from ..net.metrics import Collect, of_breakers, of_discoveries, of_mapping, of_process, of_rules, of_upstreams
from ..net.registry.etcd import EtcdRegistry
from .following import Following
from .observing import Observing

if TYPE_CHECKING:
    from ..net.tracing import SpanSender


def collectors(
    reactor: Any,
    server: str,
    live: LiveMapping,
    following: Following,
    etcd: EtcdRegistry | None,
    observing: Observing,
    spans: SpanSender | None,
) -> list[Collect]:
    """:param server: the name of the HTTP server."""
    counts = observing.counts
    return [
        lambda: _of_requests(server, observing, spans),
        *([] if counts is None else [counts.samples]),
        lambda: of_rules(observing.rules),
        lambda: of_upstreams(following.upstreams),
        lambda: of_breakers(following.breakers),
        lambda: of_discoveries(etcd.discoveries if etcd else (), reactor.seconds()),
        lambda: of_mapping(live),
        of_process,
    ]


def _of_requests(server: str, observing: Observing, spans: SpanSender | None) -> Iterator[Sample]:
    yield families.INFO, (__version__, server), 1
    yield families.IN_FLIGHT, (), observing.ledger.running
    for reason, number in list(observing.refused.items()):
        yield families.HTTP_REFUSED, (reason,), number
    if observing.lines_dropped is not None:
        yield families.LINES_DROPPED, (), observing.lines_dropped
    if spans is not None:
        yield families.SPANS_DROPPED, (), spans.dropped
