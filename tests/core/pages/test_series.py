"""Seconds of counters: what is kept of them, joined of several processes, and drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.metrics.requests import MethodCounts
from txgateway.core.pages.series import SECONDS, STEP, Sampler, Totals, joined, totals_of, trend


def test_methods_add_up_and_statuses_say_whose_fault_it_was():
    one, other = MethodCounts(), MethodCounts()
    one.codes, one.seconds = {200: 5, 400: 2, 404: 1, 503: 3}, 1.5
    other.codes, other.seconds = {200: 1}, 0.5
    assert totals_of([one, other]) == Totals(requests=12, errors=3, refused=3, seconds=2.0)


def test_only_what_grew_in_a_second_is_kept():
    sampler = Sampler()
    sampler.sample(100, {"book": Totals(2, 1, 0, 0.5)})
    sampler.sample(101, {"book": Totals(2, 1, 0, 0.5)})
    sampler.sample(102, {"book": Totals(5, 1, 2, 0.75)})
    assert sampler.of("book", 102) == [[100, 2, 1, 0, 500.0], [102, 3, 0, 2, 250.0]]
    assert sampler.of("unheard-of", 102) == []


def test_what_is_old_is_not_told_and_who_is_gone_is_forgotten():
    sampler = Sampler()
    sampler.sample(100, {"book": Totals(1)})
    assert sampler.of("book", 99 + SECONDS) == [[100, 1, 0, 0, 0.0]]
    assert sampler.of("book", 100 + SECONDS) == []
    sampler.sample(101, {})
    sampler.sample(102, {"book": Totals(7)})
    assert sampler.of("book", 102) == [[102, 7, 0, 0, 0.0]]


def test_counters_that_went_back_began_anew():
    sampler = Sampler()
    sampler.sample(1, {"book": Totals(9, 9, 9, 9.0)})
    sampler.sample(2, {"book": Totals(1, 1, 0, 0.1)})
    sampler.sample(3, {"book": Totals(3, 1, 0, 0.2)})
    assert [sample[:3] for sample in sampler.of("book", 3)] == [[1, 9, 9], [3, 2, 0]]


def test_processes_are_joined_second_by_second():
    assert joined([[[1, 2, 0, 0, 5.0], [3, 1, 1, 0, 2.0]], [[3, 4, 0, 1, 8.0]], []]) == [
        [1, 2, 0, 0, 5.0],
        [3, 5, 1, 1, 10.0],
    ]


def test_a_trend_is_of_the_last_two_minutes_with_its_newest_point_last():
    now = 1000
    told = trend([[now - SECONDS, 9, 9, 9, 9.0], [now - 3, 4, 1, 2, 100.0], [now, 6, 0, 0, 30.0]], now)
    assert (told.rate, told.milliseconds, told.failed, told.refused, told.slowest) == (1.0, 13.0, 1, 2, 25.0)
    assert len(told.rates) == len(told.failures) == len(told.latencies) == SECONDS // STEP
    assert told.rates[-2:] == (2.0, 3.0)
    assert told.failures[-2:] == (1, 0)
    assert told.latencies[-3:] == (None, 25.0, 5.0)


def test_without_a_request_there_is_no_latency():
    told = trend([], 5)
    assert (told.rate, told.milliseconds, told.slowest) == (0.0, None, None)
    assert set(told.latencies) == {None}


@given(st.lists(st.tuples(st.integers(881, 1000), st.integers(1, 50)), max_size=30))
def test_every_request_of_the_time_is_in_some_point(ended):
    samples = [[second, requests, 0, 0, 0.0] for second, requests in ended]
    assert sum(trend(samples, 1000).rates) * STEP == pytest.approx(sum(requests for _, requests in ended))
