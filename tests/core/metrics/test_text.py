"""The text that Prometheus reads: as prometheus-client reads and writes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from txgateway.core.metrics import COUNTER, GAUGE, HISTOGRAM, Family
from txgateway.core.metrics.text import text_of

COUNT = Family("a_total", COUNTER, 'Has \\ and "quotes"\nand lines', ("one", "two"))
LEVEL = Family("b", GAUGE, "No labels")
TIMES = Family("c_seconds", HISTOGRAM, "Times", ("one",), bounds=(0.5, 1.0))
UNSEEN = Family("d", GAUGE, "Never seen")
FAMILIES = (COUNT, LEVEL, TIMES, UNSEEN)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(0, 2**40) | st.floats(allow_nan=False, width=32)


class Theirs:
    """The same, as prometheus-client has it."""

    def __init__(self, counts, level, times) -> None:
        self._counts, self._level, self._times = counts, level, times

    def collect(self):
        counts = CounterMetricFamily("a", COUNT.help, labels=COUNT.labels)
        for labels, value in self._counts:
            counts.add_metric(labels, value)
        level = GaugeMetricFamily("b", LEVEL.help, value=self._level)
        times = HistogramMetricFamily("c_seconds", TIMES.help, labels=TIMES.labels)
        for labels, (total, *buckets) in self._times:
            sums = [sum(buckets[: i + 1]) for i in range(3)]
            times.add_metric(labels, list(zip(("0.5", "1.0", "+Inf"), map(float, sums), strict=True)), total)
        yield from (each for each in (counts, level, times) if each.samples)


def read(text: str) -> list[Metric]:
    return [(each.name, each.type, each.documentation, each.samples) for each in text_string_to_metric_families(text)]


@given(
    st.lists(st.tuples(st.tuples(texts, texts), numbers), max_size=3),
    numbers,
    st.lists(st.tuples(st.tuples(texts), st.lists(st.integers(0, 9), min_size=4, max_size=4)), max_size=3),
)
def test_it_says_what_prometheus_client_says(counts, level, times):
    snapshot = {COUNT.name: counts, LEVEL.name: [((), level)], TIMES.name: times, "unknown": [((), 1)]}
    registry = CollectorRegistry()
    registry.register(Theirs(counts, level, times))
    assert read("".join(text_of(snapshot, FAMILIES))) == read(generate_latest(registry).decode())


def test_it_looks_so():
    snapshot = {COUNT.name: [(("x", 'a"b\\c\n'), 3)], TIMES.name: [(("x",), [2.5, 1, 0, 2])], LEVEL.name: [((), 0.5)]}
    assert "".join(text_of(snapshot, FAMILIES)).splitlines() == [
        '# HELP a_total Has \\\\ and "quotes"\\nand lines',
        "# TYPE a_total counter",
        'a_total{one="x",two="a\\"b\\\\c\\n"} 3',
        "# HELP b No labels",
        "# TYPE b gauge",
        "b 0.5",
        "# HELP c_seconds Times",
        "# TYPE c_seconds histogram",
        'c_seconds_bucket{one="x",le="0.5"} 1',
        'c_seconds_bucket{one="x",le="1.0"} 1',
        'c_seconds_bucket{one="x",le="+Inf"} 3',
        'c_seconds_count{one="x"} 3',
        'c_seconds_sum{one="x"} 2.5',
    ]
