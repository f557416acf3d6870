"""Work beside the reactor leaves it its turns, and ends when it is told to."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as global_reactor

from txgateway.net.background import BUSY, PAUSE_TIMES, SHORTEST, SWITCH_AFTER, Background

reactor: Any = global_reactor
# The pause after a millisecond, in seconds, if others are busy.
WHOLE = 0.001 * PAUSE_TIMES


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background(reactor)
    background.start()
    yield background
    background.stop()


@pytest_twisted.ensureDeferred
async def test_the_reactor_has_its_turns_while_the_work_breathes(background: Background) -> None:
    turned = threading.Event()
    reactor.callLater(0, turned.set)

    def work() -> str:
        while not turned.is_set():
            background.breathe()
        return "done"

    assert await background.run(work) == "done"


@pytest_twisted.ensureDeferred
async def test_one_thing_runs_at_a_time_in_turn_and_what_fails_says_so(background: Background) -> None:
    ran: list[str] = []
    first, second = background.run(lambda: ran.append("first")), background.run(lambda: 1 // 0)
    third = background.run(lambda: ran.append("third"))
    await first
    with pytest.raises(ZeroDivisionError):
        await second
    await third
    assert ran == ["first", "third"]


@pytest_twisted.ensureDeferred
async def test_whoever_waits_for_the_interpreter_has_it_soon_meanwhile(background: Background) -> None:
    before = sys.getswitchinterval()
    assert await background.run(sys.getswitchinterval) == pytest.approx(min(before, SWITCH_AFTER))
    assert sys.getswitchinterval() == before


def test_work_that_is_not_done_there_never_pauses(background: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first load blocks whoever starts the gateway, and is to be over soon."""
    monkeypatch.setattr("txgateway.net.background.WORK", 0.0)
    monkeypatch.setattr("txgateway.net.background.time.sleep", lambda seconds: pytest.fail("it slept"))
    background.breathe()


class Machine:
    """Time, as the work sees it: it works for 1 ms between two breaths, and others do for some part of the time."""

    def __init__(self, others: float) -> None:
        self.others = others
        self.now = self.worked = 0.0
        self.pauses: list[float] = []

    def work(self) -> None:
        self.now += 0.001
        self.worked += 0.001

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def thread_time(self) -> float:
        return self.worked

    def process_time(self) -> float:
        return self.worked + self.others * self.now

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize(("others", "pause"), [(0.0, SHORTEST), (0.1, WHOLE * 0.1 / BUSY), (BUSY, WHOLE), (0.6, WHOLE)])
@pytest_twisted.ensureDeferred
async def test_pauses_are_as_long_as_others_are_busy(
    background: Background, monkeypatch: pytest.MonkeyPatch, others: float, pause: float
) -> None:
    machine = Machine(others)
    monkeypatch.setattr("txgateway.net.background.time", machine)

    def work() -> None:
        for _ in range(3):
            machine.work()
            background.breathe()

    await background.run(work)
    assert machine.pauses == pytest.approx([pause] * 3)


@pytest_twisted.ensureDeferred
async def test_it_stops_when_what_runs_has_ended() -> None:
    background, ended = Background(reactor), list[bool]()
    background.start()
    running = background.run(lambda: ended.append(True))
    background.stop()
    assert ended == [True]
    await running
