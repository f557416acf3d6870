"""Server-sent events: who looks, what they get and when they are dropped; time is a Clock's."""

from __future__ import annotations

import orjson
import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from txgateway.net.admin.live import EVERY, LISTENERS, PATIENCE, QUIET, Live

OVERVIEW = ("overview", "{}")


class Transport:
    def __init__(self):
        self.aborted = False

    def abortConnection(self):
        self.aborted = True


class Channel:
    def __init__(self):
        self.transport = Transport()


class Request:
    """What a listener needs of a request of twisted.web."""

    def __init__(self):
        self.headers = {}
        self.written = []
        self.producer = None
        self.channel = Channel()

    def setHeader(self, name, value):
        self.headers[name] = value

    def write(self, data):
        self.written.append(data)

    def registerProducer(self, producer, streaming):
        assert streaming
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    @property
    def parts(self):
        """What each event brought."""
        events = [data for data in self.written if data.startswith(b"event: parts\ndata: ")]
        return [orjson.loads(data.removeprefix(b"event: parts\ndata: "))["parts"] for data in events]


class World:
    def __init__(self):
        self.clock = Clock()
        self.now = {"status": "ok", "services": "two"}
        self.looked = []
        self.live = Live(self.clock, self.look)

    def look(self, subject):
        self.looked.append(subject)
        return succeed(dict(self.now))

    def listen(self, subject=OVERVIEW):
        request = Request()
        over = self.live.listen(request, subject)
        return request, over


@pytest.fixture
def world():
    return World()


def test_everything_comes_at_once_and_then_what_has_changed(world):
    request, _ = world.listen()
    assert request.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert request.parts == [world.now]
    world.clock.advance(EVERY)
    assert len(request.parts) == 1
    world.now["services"] = "three"
    world.clock.advance(EVERY)
    assert request.parts[1:] == [{"services": "three"}]


def test_one_look_does_for_all_who_see_the_same(world):
    first, second, other = world.listen()[0], world.listen()[0], world.listen(("log", ""))[0]
    world.looked.clear()
    world.now["status"] = "degraded"
    world.clock.advance(EVERY)
    assert world.looked == [OVERVIEW, ("log", "")]
    assert [each.parts[-1] for each in (first, second, other)] == [{"status": "degraded"}] * 3


def test_no_look_begins_before_the_last_has_ended(world):
    slow = Deferred()
    world.live = Live(world.clock, lambda subject: world.looked.append(subject) or slow)
    request, _ = world.listen()
    world.clock.pump([EVERY] * 3)
    assert len(world.looked) == 1
    slow.callback({"status": "ok"})
    assert request.parts == [{"status": "ok"}]


def test_who_has_left_gets_nothing_and_nobody_looks_for_nobody(world):
    request, over = world.listen()
    over.addErrback(lambda failure: None)
    over.cancel()
    world.looked.clear()
    world.now["status"] = "degraded"
    world.clock.advance(EVERY)
    assert len(request.parts) == 1
    assert world.looked == []
    assert world.clock.getDelayedCalls() == []
    assert world.live.count == 0


def test_who_is_slow_gets_the_newest_later_and_not_what_was_in_between(world):
    request, _ = world.listen()
    request.producer.pauseProducing()
    for status in ("one", "two", "three"):
        world.now["status"] = status
        world.clock.advance(EVERY)
    assert len(request.parts) == 1
    request.producer.resumeProducing()
    world.clock.advance(EVERY)
    assert request.parts[1:] == [{"status": "three"}]
    assert not request.channel.transport.aborted


def test_who_takes_nothing_for_long_is_dropped(world):
    request, _ = world.listen()
    request.producer.pauseProducing()
    world.clock.pump([EVERY] * (PATIENCE - 1))
    assert not request.channel.transport.aborted
    world.clock.advance(EVERY)
    assert request.channel.transport.aborted


def test_in_quiet_times_a_comment_keeps_the_connection(world):
    request, _ = world.listen()
    world.clock.pump([EVERY] * QUIET)
    assert request.written[-1] == b":\n\n"
    assert request.written.count(b":\n\n") == 1


def test_no_more_listen_than_there_is_room_for(world):
    all_of_them = [world.listen() for _ in range(LISTENERS)]
    assert world.live.listen(Request(), OVERVIEW) is None
    _, over = all_of_them[0]
    over.addErrback(lambda failure: None)
    over.cancel()
    assert world.live.listen(Request(), OVERVIEW) is not None


def test_a_stop_ends_every_stream(world):
    (first, over), (second, _) = world.listen(), world.listen(("log", ""))
    ended = []
    over.addCallback(ended.append)
    world.live.stop()
    assert ended == [b""]
    assert first.producer is second.producer is None
    assert world.clock.getDelayedCalls() == []


def test_a_look_that_fails_is_logged_and_the_next_one_comes(world):
    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        world.live = Live(world.clock, lambda subject: fail(ValueError("no")))
        request, _ = world.listen()
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert [event["page"] for event in events if "log_failure" in event] == ["overview"]
    world.live._look = world.look
    world.clock.advance(EVERY)
    assert request.parts == [world.now]
