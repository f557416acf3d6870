"""What is counted of requests, method by method."""

from __future__ import annotations

import pytest

from tests.mapped import service_of
from txgateway.core.errors import (
    Answered,
    CallRefused,
    CircuitOpen,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    NotFound,
    UnusableReply,
    ValidationFailed,
)
from txgateway.core.instances import Instance
from txgateway.core.message import Call, Request, Response, Try
from txgateway.core.metrics import Snapshot, put
from txgateway.core.metrics.families import CALLS, DURATIONS, FAILURES, REFUSALS, REQUESTS, TRIES, UPSTREAM_SECONDS
from txgateway.core.metrics.requests import LONGEST_RULE, RequestCounts

BOOK = service_of('struct A {} service S { void get(1: A a) (api.get="/book"), void put(1: A a) }', "book")
ROUTE = BOOK.routes[0]
ONE, TWO = Instance("10.0.0.1", 1), Instance("10.0.0.2", 1)
OK = Response(200)


@pytest.fixture
def counts():
    counts = RequestCounts()
    counts.serve({"book": BOOK})
    return counts


def snapshot(counts: RequestCounts) -> dict:
    taken: Snapshot = {}
    for sample in filter(None, counts.samples()):
        put(taken, sample)
    return {name: dict(samples) for name, samples in taken.items()}


def routed(*tries: Try) -> Request:
    request = Request("GET", b"/book", route=ROUTE)
    if tries:
        request.call = Call("book", b"get", b"", tries=list(tries))
    return request


def answered(began: float = 1.0, ended: float = 1.25, instance: Instance = ONE) -> Try:
    return Try(instance, began, ended)


def test_nothing_is_shown_of_what_nobody_asked_for(counts):
    assert snapshot(counts) == {}


def test_what_comes_about_for_the_first_time_while_it_is_gathered_ends_nothing(counts):
    kinds = [ConnectFailed, DeadlineExceeded, NotFound, CircuitOpen, ConnectionClosed, CallRefused, UnusableReply]

    def come_about(number: int) -> None:
        error = kinds[number % len(kinds)]()
        failed = answered()
        failed.error = error
        counts(routed(failed), Response(200 + number), error, 0.1)
        counts(routed(), Response(400), ValidationFailed("no", field="A", rule=f"$>{number}"), 0.1)

    come_about(0)
    come_about(1)
    for number, _ in enumerate(counts.samples(), 2):
        come_about(number)
    assert number > 10


def test_whoever_gathers_comes_to_breathe_after_each_service_though_nobody_asked_it_for_anything():
    counts = RequestCounts()
    counts.serve({f"book{number}": BOOK for number in range(1_000)})
    assert list(counts.samples()) == [None] * 1_000


def test_an_answer_is_counted_with_its_duration_and_its_call(counts):
    for seconds in (0.0005, 0.001, 0.3, 60.0):
        counts(routed(answered()), OK, None, seconds)
    method = ("book", "get")
    taken = snapshot(counts)
    buckets = [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert len(buckets) == len(DURATIONS.bounds) + 1
    assert taken == {
        REQUESTS.name: {(*method, "200"): 4},
        DURATIONS.name: {method: [pytest.approx(60.3015), *buckets]},
        UPSTREAM_SECONDS.name: {method: 1.0},
        CALLS.name: {(*method, "answered"): 4},
        TRIES.name: {(*method, "answered"): 4},
    }


def test_each_try_is_counted_by_what_came_of_it(counts):
    tries = [Try(ONE, 1.0, 1.5, ConnectFailed()), Try(ONE, 1.5, 1.5, RuntimeError()), answered(1.5, 2.0, TWO)]
    counts(routed(*tries), OK, None, 1.0)
    counts(routed(Try(ONE, 3.0, 4.0, DeadlineExceeded())), Response(504), DeadlineExceeded(), 1.0)
    taken = snapshot(counts)
    assert taken[CALLS.name] == {("book", "get", "answered"): 1, ("book", "get", "deadline-exceeded"): 1}
    assert taken[TRIES.name] == {
        ("book", "get", "answered"): 1,
        ("book", "get", "connect-failed"): 1,
        ("book", "get", "cancelled"): 1,
        ("book", "get", "deadline-exceeded"): 1,
    }
    assert taken[UPSTREAM_SECONDS.name] == {("book", "get"): 2.0}
    assert taken[FAILURES.name] == {("book", "get", "deadline-exceeded", "upstream"): 1}
    assert taken[REQUESTS.name] == {("book", "get", "200"): 1, ("book", "get", "504"): 1}


def test_a_try_that_was_refused_before_it_began_takes_no_time(counts):
    counts(routed(Try(ONE, 5.0, 0.0, ConnectFailed())), Response(503), ConnectFailed(), 0.1)
    assert snapshot(counts)[UPSTREAM_SECONDS.name] == {("book", "get"): 0.0}


def test_json_calls_are_counted_with_their_method(counts):
    request = Request("POST", b"/gateway/book/put", call=Call("book", b"put", b"", tries=[answered()]))
    counts(request, OK, None, 0.1)
    assert snapshot(counts)[REQUESTS.name] == {("book", "put", "200"): 1}


def test_refusals_are_counted_by_rule_and_not_by_what_the_client_sent(counts):
    for path in ("A['x']", "A['y']"):
        counts(routed(), Response(400), ValidationFailed("no", field=path, rule="$>1"), 0.1)
    errors = [{"field": "A", "rule": "$>1", "detail": ""}, {"field": "B", "rule": "len($)>1", "detail": ""}]
    counts(routed(), Response(400), ValidationFailed("no", field="A", rule="$>1", errors=errors), 0.1)
    counts(routed(), Response(400), ValidationFailed("no", field="A", rule="x" * 1000), 0.1)
    taken = snapshot(counts)
    assert taken[REFUSALS.name] == {
        ("book", "get", "$>1"): 3,
        ("book", "get", "len($)>1"): 1,
        ("book", "get", "x" * LONGEST_RULE): 1,
    }
    assert taken[FAILURES.name] == {("book", "get", "validation-failed", "client"): 4}
    assert CALLS.name not in taken


def test_what_no_route_fits_is_counted_without_a_method_and_redirects_are_no_failures(counts):
    counts(Request("GET", b"/nowhere"), Response(404), NotFound(), 0.1)
    counts(Request("GET", b"/book/"), Response(301), Answered(Response(301)), 0.1)
    taken = snapshot(counts)
    assert taken[REQUESTS.name] == {("", "", "404"): 1, ("", "", "301"): 1}
    assert taken[FAILURES.name] == {("", "", "not-found", "client"): 1}


def test_a_hundred_thousand_paths_and_header_values_make_no_further_series(counts):
    for number in range(100_000):
        request = Request("GET", b"/%d" % number, ((b"x-%d" % number, b"%d" % number),), id=str(number))
        counts(request, Response(404), NotFound(f"nothing at {number}"), 0.1)
    taken = snapshot(counts)
    assert {name: len(samples) for name, samples in taken.items()} == {
        REQUESTS.name: 1,
        DURATIONS.name: 1,
        FAILURES.name: 1,
    }


def test_methods_that_stay_go_on_being_counted_and_those_that_leave_are_forgotten(counts):
    counts(routed(answered()), OK, None, 0.1)
    other = service_of("struct A {} service S { void get(1: A a), void more(1: A a) }", "book")
    counts.serve({"book": other, "more": service_of("struct A {} service S { void x(1: A a) }", "more")})
    counts(routed(answered()), OK, None, 0.1)
    assert snapshot(counts)[REQUESTS.name] == {("book", "get", "200"): 2}
    counts.serve({})
    # Its request had begun before.
    counts(routed(answered()), OK, None, 0.1)
    assert snapshot(counts)[REQUESTS.name] == {("", "", "200"): 1}
