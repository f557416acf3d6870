"""Ended requests become lines at once, and many lines one event a little later."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger

from txgateway.core.errors import ClientGone, NoInstance
from txgateway.core.message import Request, Response
from txgateway.filters.access_log import FLUSH_AFTER, MOST_LINES, AccessLog

OK = Response(200)


def form(request, response, error, seconds, epoch):
    return f"{request.id} {response.status} {epoch + request.began}"


@pytest.fixture
def clock():
    clock = Clock()
    clock.advance(5)
    return clock


@pytest.fixture
def events():
    return []


@pytest.fixture
def make(clock, events):
    def make(**more):
        log = Logger("access", observer=events.append)
        return AccessLog(clock, form, log=log, wall_clock=lambda: clock.seconds() + 1000, **more)

    return make


def end(access_log, id="1", error=None):
    response = OK if error is None else Response(error.status)
    access_log(Request("GET", b"/", id=id, began=5.0), response, error, 0.1)


def test_lines_wait_for_each_other(make, clock, events):
    access_log = make()
    for number in ("1", "2"):
        end(access_log, number)
    assert events == []
    clock.advance(FLUSH_AFTER)
    assert [(event["text"], event["lines"]) for event in events] == [("1 200 1005.0\n2 200 1005.0", 2)]
    assert clock.getDelayedCalls() == []


def test_a_line_that_waits_keeps_no_request(make, clock):
    gone = []

    class Body(bytes):
        def __del__(self) -> None:
            gone.append(len(self))

    access_log = make()
    request, response = Request("GET", b"/", id="1", body=Body(1000)), Response(200, body=Body(2000))
    access_log(request, response, None, 0.1)
    del request, response
    assert sorted(gone) == [1000, 2000]
    access_log.flush()


def test_so_many_are_written_at_once(make, clock, events):
    access_log = make()
    for _ in range(MOST_LINES + 2):
        end(access_log)
    assert [event["lines"] for event in events] == [MOST_LINES]
    clock.advance(FLUSH_AFTER)
    assert [event["lines"] for event in events] == [MOST_LINES, 2]


def test_what_waits_is_written_at_the_end(make, clock, events):
    access_log = make()
    end(access_log)
    access_log.flush()
    assert [event["lines"] for event in events] == [1]
    assert clock.getDelayedCalls() == []
    access_log.flush()
    assert len(events) == 1


def test_of_successes_a_share_is_written_and_of_failures_all(make, events):
    chances = iter([0.0, 0.24, 0.25, 0.99])
    access_log = make(sample=0.25, random=lambda: next(chances))
    for number in "abcd":
        end(access_log, number)
    for error in (NoInstance(), ClientGone()):
        end(access_log, "e", error)
    access_log.flush()
    assert [line[:5] for line in events[0]["text"].splitlines()] == ["a 200", "b 200", "e 503", "e 499"]
