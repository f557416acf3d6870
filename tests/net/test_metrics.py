"""What is gathered from the parts, how several processes are one, and Prometheus's conventions."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from txgateway.core.discovery import Discovery
from txgateway.core.etcd import Snapshot as EtcdSnapshot
from txgateway.core.health.breaker import Breaker, BreakerSettings
from txgateway.core.metrics import COUNTER, HISTOGRAM, Sample, families
from txgateway.net.metrics import FAMILIES, JoinedMetrics, Metrics, of_breakers, of_discoveries, of_process


def plain(samples: Iterator[Sample]) -> dict[tuple[str, ...], Any]:
    return {(family.name, *labels): value for family, labels, value in samples}


def read(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def finished(clock: Clock, waiting: Deferred) -> Any:
    got: list[Any] = []
    waiting.addBoth(got.append)
    for _ in range(1000):
        if got:
            break
        clock.advance(0)
    return got[0]


def test_breakers_are_counted_by_service_and_state():
    closed, other, opened = (Breaker(BreakerSettings(0.5, 1)) for _ in range(3))
    opened.record(0.0, failed=True)
    assert plain(of_breakers({("a", "x"): closed, ("a", "y"): other, ("a", "z"): opened, ("b", "x"): opened})) == {
        ("tgw_breakers", "a", "method", "closed"): 2,
        ("tgw_breakers", "a", "method", "open"): 1,
        ("tgw_breakers", "b", "method", "open"): 1,
    }


def test_a_discovery_says_how_old_it_is():
    discovery = Discovery("p")
    assert ("tgw_discovery_age_seconds", "p") not in plain(of_discoveries([discovery], 1.0))
    discovery.begin()
    discovery.snapshot(EtcdSnapshot(1, 42, ()), 10.0)
    discovery.alive_at = 12.0
    assert plain(of_discoveries([discovery], 15.5)) == {
        ("tgw_discovery_connected", "p"): 0,
        ("tgw_discovery_revision", "p"): 42,
        ("tgw_discovery_age_seconds", "p"): 3.5,
        ("tgw_discovery_reconnects_total", "p"): 0,
        ("tgw_discovery_snapshots_total", "p"): 1,
    }


def test_all_that_is_gathered_is_written():
    clock = Clock()

    def samples() -> Iterator[Sample]:
        yield families.IN_FLIGHT, (), 3
        yield families.REQUESTS, ("book", "get", "200"), 7

    text = finished(clock, Metrics(clock, [samples, of_process]).text())
    shown = read(text)
    assert shown["tgw_requests_in_flight",] == 3
    assert shown["tgw_requests_total", "book", "get", "200"] == 7
    assert shown["process_resident_memory_bytes",] > 1e6
    assert text.index(b"tgw_requests_total") < text.index(b"process_")


def counting(number: int) -> Metrics:
    def samples() -> Iterator[Sample]:
        yield families.REQUESTS, ("book", "get", "200"), number
        yield families.IN_FLIGHT, (), 1

    return Metrics(Clock(), [samples])


def test_processes_are_shown_as_one_with_their_owner():
    clock = Clock()
    said = {1: counting(5).page("all").result, 2: counting(6).page("all").result, 3: None, 4: {"error": "not yet"}}
    joined = JoinedMetrics(clock, lambda: succeed(said), [lambda: [(families.WORKERS, (), 4)]])
    assert read(finished(clock, joined.text())) == {
        ("tgw_requests_total", "book", "get", "200"): 11,
        ("tgw_requests_in_flight",): 2,
        ("tgw_workers",): 4,
    }
    del said[1]
    assert read(finished(clock, joined.text())) == {
        ("tgw_requests_total", "book", "get", "200"): 11,
        ("tgw_requests_in_flight",): 1,
        ("tgw_workers",): 4,
    }


# What promtool holds against a family, less what only samples show.
_UNITS = re.compile(r"(?:^|_)(?:milliseconds|ms|minutes|hours|kilobytes|kb|percent|bits)(?:_|$)")


@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
def test_names_keep_to_the_conventions(family):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
    assert (family.kind == COUNTER) is family.name.endswith("_total")
    assert not re.search(r"(?:^|_)(?:counter|gauge|histogram|summary|count|sum|bucket)(?:_|$)", family.name)
    assert not _UNITS.search(family.name)
    assert family.help
    assert not family.help.endswith(".")
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in family.labels)
    # Prometheus itself sets the others.
    assert not {"le", "instance", "job"} & set(family.labels)
    assert (family.kind == HISTOGRAM) is bool(family.bounds)
    assert family.bounds == tuple(sorted(set(family.bounds)))


def test_no_two_families_have_one_name():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
def test_promtool_has_nothing_to_complain_of():
    clock = Clock()

    def samples() -> Iterator[Sample]:
        for family in FAMILIES:
            value = [1.0, *([1] * (len(family.bounds) + 1))] if family.kind == HISTOGRAM else 1
            yield family, tuple("x" for _ in family.labels), value

    text = finished(clock, Metrics(clock, [samples]).text())
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=20, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
