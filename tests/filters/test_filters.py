"""Each filter lets answers, failures and cancellation through; and does its own part."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from txgateway.core.errors import ClientGone, GatewayError, NoInstance
from txgateway.core.message import Request, Response
from txgateway.filters import compose
from txgateway.filters.access_log import FLUSH_AFTER, MOST_LINES, AccessLog
from txgateway.filters.deadline import deadline

REQUEST = Request("GET", b"/book/query?num=7")
OK = Response(200, (), b"{}")


def result_of(deferred):
    """The result or failure that a Deferred holds already."""
    results = []
    deferred.addBoth(results.append)
    assert results, "still waiting"
    return results[0]


@pytest.fixture
def logged():
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def test_filters_stand_in_the_order_of_the_list():
    order = []

    def named(name):
        def wrap(request, handler):
            order.append(name)
            return handler(request)

        return wrap

    result_of(compose([named("outer"), named("inner")], lambda request: succeed(OK))(REQUEST))
    assert order == ["outer", "inner"]


def ended(access_log, error=None):
    response = OK if error is None else Response(error.status)
    access_log(REQUEST, response, error, 0.0123)


@pytest.mark.parametrize(
    ("error", "status"), [(None, 200), (NoInstance(), 503), (GatewayError(), 500), (ClientGone(), 499)]
)
def test_the_access_log_has_one_line_with_the_status_and_without_the_query(logged, error, status):
    clock = Clock()
    ended(AccessLog(clock), error)
    clock.advance(FLUSH_AFTER)
    (line,) = [line for event in logged for line in event.get("requests", ())]
    assert (line.status, line.path) == (status, "/book/query")
    assert str(line).startswith(f" GET /book/query {status} 12.3ms ")


def test_lines_are_gathered_into_few_events(logged):
    clock = Clock()
    access_log = AccessLog(clock)
    for _ in range(MOST_LINES + 2):
        ended(access_log)
    assert [len(event["requests"]) for event in logged] == [MOST_LINES]
    clock.advance(FLUSH_AFTER)
    assert [len(event["requests"]) for event in logged] == [MOST_LINES, 2]
    ended(access_log)
    access_log.flush()
    assert len(logged) == 3
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("outcome", [OK, NoInstance(), Deferred()])
def test_the_deadline_counts_from_the_beginning_and_lets_everything_through(outcome):
    request = Request("GET", b"/", began=100.0)
    answer = fail(outcome) if isinstance(outcome, Exception) else outcome
    seen = []
    passed = deadline(2.5)(request, lambda request: seen.append(request.deadline) or answer)
    assert (seen, passed is answer) == ([102.5], True)
    passed.addErrback(lambda _: None) if isinstance(passed, Deferred) else None
