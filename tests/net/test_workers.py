"""Workers as their owner sees them: started, asked, replaced one by one, and not too often."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from txgateway.net.workers import (
    ANSWER_WITHIN,
    ANSWERS,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    START_WITHIN,
    WorkerCommand,
    Workers,
)


class Process:
    """A process that a test plays."""

    def __init__(self, pid, worker):
        self.pid = pid
        self.worker = worker
        self.heard = []
        self.signals = []

    def writeToChild(self, descriptor, data):
        assert descriptor == 0
        self.heard.append(json.loads(data))

    def signalProcess(self, name):
        self.signals.append(name)

    def says(self, message):
        self.worker.childDataReceived(ANSWERS, json.dumps(message).encode() + b"\n")

    def ends(self):
        self.worker.processEnded(Failure(RuntimeError("ended")))


class Reactor(Clock):
    def __init__(self):
        super().__init__()
        self.processes = []

    def callWhenRunning(self, function):
        function()

    def spawnProcess(self, worker, executable, arguments, env, childFDs):
        process = Process(100 + len(self.processes), worker)
        self.processes.append(process)
        worker.makeConnection(process)
        return process


@pytest.fixture
def reactor():
    return Reactor()


def command(count=2, **settings):
    return WorkerCommand({"settings": settings}, count, 10.0, ["worker"])


def outcome(deferred):
    """A list that gets it once it is there."""
    outcomes = []
    deferred.addCallback(outcomes.append)
    return outcomes


@pytest.fixture
def workers(reactor):
    workers = Workers(reactor, command(), [])
    workers.startService()
    return workers


def test_each_is_told_what_to_serve(reactor, workers):
    assert [process.heard for process in reactor.processes] == [[{"settings": {}, "listen": []}]] * 2


def test_pages_come_from_all_or_not_in_time(reactor, workers):
    one, two = reactor.processes
    answers = []
    workers.ask("health").addCallback(answers.append)
    assert one.heard[-1] == {"id": 1, "page": "health"}
    data = json.dumps({"id": 1, "page": {"status": "ok"}}).encode() + b"\n"
    for at in range(len(data)):
        one.worker.childDataReceived(ANSWERS, data[at : at + 1])
    assert not answers
    reactor.advance(ANSWER_WITHIN)
    assert answers == [{100: {"status": "ok"}, 101: None}]
    # An answer that comes too late is nobody's.
    two.says({"id": 1, "page": {}})


def test_one_that_ends_is_replaced_ever_more_slowly(reactor, workers):
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE):
        count = len(reactor.processes)
        reactor.processes[-1].ends()
        reactor.advance(pause * 0.99)
        assert len(reactor.processes) == count
        reactor.advance(pause * 0.02)
        assert len(reactor.processes) == count + 1
    for _ in range(20):
        reactor.processes[-1].ends()
        reactor.advance(LONGEST_PAUSE)
    assert len(reactor.processes) == 25
    # One that has served for long is replaced at once.
    reactor.processes[-1].says({"serves": True})
    reactor.advance(LONGEST_PAUSE)
    reactor.processes[-1].ends()
    reactor.advance(0)
    assert len(reactor.processes) == 26


def test_replacing_starts_a_new_one_before_an_old_one_leaves(reactor, workers):
    old = list(reactor.processes)
    for process in old:
        process.says({"serves": True})
    done = outcome(workers.replace(command(http=1)))
    assert len(reactor.processes) == 3
    assert old[0].signals == []
    assert reactor.processes[2].heard == [{"settings": {"http": 1}, "listen": []}]
    reactor.processes[2].says({"serves": True})
    assert (old[0].signals, old[1].signals) == (["TERM"], [])
    assert len(reactor.processes) == 3
    old[0].ends()
    reactor.processes[3].says({"serves": True})
    assert old[1].signals == ["TERM"]
    assert done == []
    old[1].ends()
    assert [worker.pid for worker in workers.workers] == [102, 103]
    assert done == [True]


def started(reactor, first=0):
    """Have all processes from this one on serve, as they come."""
    for process in reactor.processes[first:]:
        process.says({"serves": True})


@pytest.mark.parametrize(("count", "stay"), [(1, [102]), (3, [102, 103, 104])])
def test_other_settings_may_want_more_or_fewer(reactor, workers, count, stay):
    started(reactor)
    old = list(reactor.processes)
    done = outcome(workers.replace(command(count)))
    for number in range(max(count, 2)):
        started(reactor, 2)
        if number < 2:
            old[number].ends()
    assert done == [True]
    assert [worker.pid for worker in workers.workers] == stay


def test_who_is_asked_to_replace_while_it_does_does_so_again(reactor, workers):
    started(reactor)
    first, second = (outcome(workers.replace(command(1, a=a))) for a in (1, 2))
    old = list(reactor.processes)
    started(reactor, 2)
    old[0].ends()
    assert first == []
    old[1].ends()
    assert (first, second) == ([True], [])
    assert reactor.processes[3].heard[0]["settings"] == {"a": 2}
    started(reactor, 3)
    reactor.processes[2].ends()
    assert second == [True]


@pytest.mark.parametrize("how", ["ends", "hangs"])
def test_if_a_new_one_does_not_serve_the_old_ones_stay(reactor, workers, how):
    old = list(reactor.processes)
    for process in old:
        process.says({"serves": True})
    done = outcome(workers.replace(command(http="bad")))
    if how == "ends":
        reactor.processes[2].ends()
    else:
        reactor.advance(START_WITHIN)
        assert reactor.processes[2].signals == ["TERM"]
    assert old[0].signals == old[1].signals == []
    assert done == [False]
    # Nor is one that dies replaced by one that would not serve.
    old[0].ends()
    reactor.advance(FIRST_PAUSE)
    assert reactor.processes[-1].heard == [{"settings": {}, "listen": []}]


def test_stopping_waits_for_all_and_kills_those_that_do_not_end(reactor, workers):
    stopped = []
    workers.stopService().addCallback(stopped.append)
    one, two = reactor.processes
    assert one.signals == two.signals == ["TERM"]
    one.ends()
    reactor.advance(10)
    assert (one.signals, two.signals) == (["TERM"], ["TERM", "KILL"])
    assert not stopped
    two.ends()
    assert stopped
    assert len(reactor.processes) == 2
    assert reactor.getDelayedCalls() == []
