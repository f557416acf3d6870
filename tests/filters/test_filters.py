"""Each filter lets answers, failures and cancellation through; and does its own part."""

from __future__ import annotations

import orjson
import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from txgateway.core.errors import GatewayError, NoInstance
from txgateway.core.message import Request, Response
from txgateway.filters import compose
from txgateway.filters.access_log import FLUSH_AFTER, MOST_LINES, AccessLog
from txgateway.filters.deadline import deadline
from txgateway.filters.in_flight import InFlight
from txgateway.filters.rescue import rescue

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


FILTERS = {
    "access_log": lambda: AccessLog(Clock()),
    "in_flight": InFlight,
    "deadline": lambda: deadline(Clock().seconds, 5),
}


@pytest.fixture(params=FILTERS)
def wrap(request):
    return FILTERS[request.param]()


def test_an_answer_passes_through(wrap):
    assert result_of(wrap(REQUEST, lambda request: succeed(OK))) is OK


def test_a_failure_passes_through(wrap):
    error = NoInstance("none")
    assert result_of(wrap(REQUEST, lambda request: fail(error))).value is error


def test_cancelling_reaches_the_handler(wrap):
    cancelled = []
    answer = wrap(REQUEST, lambda request: Deferred(cancelled.append))
    answer.cancel()
    assert len(cancelled) == 1
    assert result_of(answer).check(CancelledError)


def test_filters_stand_in_the_order_of_the_list():
    order = []

    def named(name):
        def wrap(request, handler):
            order.append(name)
            return handler(request)

        return wrap

    result_of(compose([named("outer"), named("inner")], lambda request: succeed(OK))(REQUEST))
    assert order == ["outer", "inner"]


def test_rescue_makes_a_problem_document_of_a_failure_we_name():
    response = result_of(rescue(REQUEST, lambda request: fail(NoInstance("No instance of 'book'", service="book"))))
    assert response.status == 503
    assert dict(response.headers)[b"content-type"] == b"application/problem+json"
    assert dict(response.headers)[b"retry-after"] == b"1"
    document = orjson.loads(response.body)
    assert document["status"] == 503
    assert document["detail"] == "No instance of 'book'"
    assert document["service"] == "book"


def test_rescue_hides_the_words_of_a_fault_of_ours_and_logs_them(logged):
    def broken(request):
        raise RuntimeError("secret 10.0.0.1")

    response = result_of(rescue(REQUEST, broken))
    assert response.status == 500
    assert b"secret" not in response.body
    assert [event["log_failure"].value.args for event in logged if event["log_level"] is LogLevel.critical] == [
        ("secret 10.0.0.1",)
    ]


def test_rescue_answers_a_client_that_left_with_499_and_without_a_traceback(logged):
    answer = rescue(REQUEST, lambda request: Deferred())
    answer.cancel()
    assert result_of(answer).status == 499
    assert not [event for event in logged if event["log_level"] is LogLevel.critical]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(OK, 200), (NoInstance(), 503), (GatewayError(), 500), (RuntimeError(), 500), (CancelledError(), 499)],
)
def test_the_access_log_has_one_line_with_the_status_and_without_the_query(logged, outcome, status):
    def handler(request):
        return succeed(outcome) if isinstance(outcome, Response) else fail(outcome)

    clock = Clock()
    result_of(AccessLog(clock)(REQUEST, handler))
    clock.advance(FLUSH_AFTER)
    (line,) = [line for event in logged for line in event.get("requests", ())]
    assert (line.status, line.path) == (status, "/book/query")
    assert str(line).startswith(f" GET /book/query {status} 0.0ms ")


def test_lines_are_gathered_into_few_events(logged):
    clock = Clock()
    access_log = AccessLog(clock)
    for _ in range(MOST_LINES + 2):
        result_of(access_log(REQUEST, lambda request: succeed(OK)))
    assert [len(event["requests"]) for event in logged] == [MOST_LINES]
    clock.advance(FLUSH_AFTER)
    assert [len(event["requests"]) for event in logged] == [MOST_LINES, 2]
    result_of(access_log(REQUEST, lambda request: succeed(OK)))
    access_log.flush()
    assert len(logged) == 3
    assert clock.getDelayedCalls() == []


def test_the_deadline_counts_from_now():
    clock, request = Clock(), Request("GET", b"/")
    clock.advance(100)
    seen = []
    deadline(clock.seconds, 2.5)(request, lambda request: succeed(seen.append(request.deadline)))
    assert seen == [102.5]


def test_in_flight_counts_what_runs_and_fires_when_none_does():
    in_flight, answers = InFlight(), [Deferred(), Deferred()]
    for answer in answers:
        in_flight(REQUEST, lambda request, answer=answer: answer)
    assert in_flight.running == 2
    idle = in_flight.none()
    answers[0].callback(OK)
    assert not idle.called
    answers[1].callback(OK)
    assert idle.called
    assert in_flight.running == 0
    assert in_flight.none().called


def test_in_flight_forgets_a_request_whose_handler_raises():
    in_flight = InFlight()

    def broken(request):
        raise NoInstance

    with pytest.raises(NoInstance):
        in_flight(REQUEST, broken)
    assert in_flight.running == 0


def test_giving_up_the_wait_for_idleness_leaves_the_others():
    in_flight, answer = InFlight(), Deferred()
    in_flight(REQUEST, lambda request: answer)
    given_up, kept = in_flight.none(), in_flight.none()
    given_up.addErrback(lambda failure: failure.trap(CancelledError))
    given_up.cancel()
    answer.callback(OK)
    assert kept.called
