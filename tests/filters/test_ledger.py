"""The ledger lets nothing out but responses, counts what runs, and tells of each end once."""

from __future__ import annotations

from itertools import count

import orjson
import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from txgateway.core.errors import BadRequest, ClientGone, GatewayError, NoInstance
from txgateway.core.message import Request, Response
from txgateway.filters.ledger import Ledger

OK = Response(200, (), b"{}")


def result_of(deferred):
    """The result that a Deferred holds already."""
    results = []
    deferred.addBoth(results.append)
    assert results, "still waiting"
    return results[0]


def a_request():
    return Request("GET", b"/book/query?num=7", ((b"x", b"y"),))


class Books:
    """A ledger, and what it tells."""

    def __init__(self):
        self.clock = Clock()
        self.told = []
        numbers = count(1)
        self.ledger = Ledger(self.clock.seconds, lambda headers: f"r{next(numbers)}", [self.observe])

    def observe(self, request, response, error, seconds):
        self.told.append((request.id, response.status, type(error), seconds))


@pytest.fixture
def books():
    return Books()


@pytest.fixture
def logged():
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def test_a_request_has_an_id_and_a_beginning_before_it_is_handled(books):
    books.clock.advance(100)
    request, seen = a_request(), []
    result_of(books.ledger(request, lambda request: succeed(seen.append((request.id, request.began)) or OK)))
    assert seen == [("r1", 100)]


def test_an_answer_passes_through_and_is_told_of(books):
    answer = Deferred()
    passed = books.ledger(a_request(), lambda request: answer)
    books.clock.advance(0.25)
    answer.callback(OK)
    assert result_of(passed) is OK
    assert books.told == [("r1", 200, type(None), 0.25)]


@pytest.mark.parametrize("raised", [True, False])
def test_a_failure_we_name_becomes_a_problem_document(books, raised):
    error = NoInstance("No instance of 'book'", service="book")

    def handler(request):
        if raised:
            raise error
        return fail(error)

    response = result_of(books.ledger(a_request(), handler))
    assert response.status == 503
    assert dict(response.headers)[b"content-type"] == b"application/problem+json"
    assert dict(response.headers)[b"retry-after"] == b"1"
    document = orjson.loads(response.body)
    assert (document["status"], document["detail"]) == (503, "No instance of 'book'")
    assert (document["service"], document["request_id"]) == ("book", "r1")
    assert books.told == [("r1", 503, NoInstance, 0.0)]


@pytest.mark.parametrize("raised", [True, False])
def test_the_words_of_a_fault_of_ours_are_hidden_and_logged(books, logged, raised):
    def broken(request):
        error = RuntimeError("secret 10.0.0.1")
        if raised:
            raise error
        return fail(error)

    response = result_of(books.ledger(a_request(), broken))
    assert response.status == 500
    assert b"secret" not in response.body
    assert [event["log_failure"].value.args for event in logged if event["log_level"] is LogLevel.critical] == [
        ("secret 10.0.0.1",)
    ]
    assert books.told == [("r1", 500, GatewayError, 0.0)]


def test_a_client_that_left_is_told_of_with_499_and_without_a_traceback(books, logged):
    cancelled = []
    answer = books.ledger(a_request(), lambda request: Deferred(cancelled.append))
    answer.cancel()
    assert len(cancelled) == 1
    assert result_of(answer).status == 499
    assert books.told == [("r1", 499, ClientGone, 0.0)]
    assert logged == []


@pytest.mark.parametrize(("error", "lines"), [(NoInstance(), 1), (BadRequest("num"), 0)])
def test_the_log_hears_of_failures_that_are_not_the_clients(books, logged, error, lines):
    result_of(books.ledger(a_request(), lambda request: fail(error)))
    assert len(logged) == lines
    assert all(event["id"] == "r1" and event["path"] == "/book/query" for event in logged)


def test_what_runs_is_counted_and_the_end_of_it_fires(books):
    answers = [Deferred(), Deferred()]
    for answer in answers:
        books.ledger(a_request(), lambda request, answer=answer: answer)
    idle = books.ledger.none()
    answers[0].callback(OK)
    assert (books.ledger.running, idle.called) == (1, False)
    answers[1].errback(NoInstance())
    assert (books.ledger.running, books.ledger.begun, idle.called) == (0, 2, True)
    assert books.ledger.none().called


def test_giving_up_the_wait_for_idleness_leaves_the_others(books):
    answer = Deferred()
    books.ledger(a_request(), lambda request: answer)
    given_up, kept = books.ledger.none(), books.ledger.none()
    given_up.addErrback(lambda failure: failure.trap(CancelledError))
    given_up.cancel()
    answer.callback(OK)
    assert kept.called


def test_an_observer_that_fails_costs_nobody_an_answer(books, logged):
    def broken(request, response, error, seconds):
        raise RuntimeError("full")

    told = []
    ledger = Ledger(books.clock.seconds, observers=[broken, lambda *end: told.append(end)])
    assert result_of(ledger(a_request(), lambda request: succeed(OK))) is OK
    assert (ledger.running, len(told)) == (0, 1)
    assert [event["log_failure"].value.args for event in logged] == [("full",)]
