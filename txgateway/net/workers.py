"""Several processes on one port: owns the sockets, starts the workers, replaces those that end.

The sockets listen here as long as the service runs, so whatever becomes of the workers, no
connection is refused: it waits for the next that accepts. A worker is told by its standard
input what it serves and what is asked of it, a line of JSON each, and learns by the end of it
that it is alone. It answers by the lines of another pipe.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks, succeed
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from .listening import Listening

log = Logger()

Page = dict[str, Any]

# Descriptors in a worker.
ANSWERS = 3
FIRST_SOCKET = 4
# Seconds that a worker has to load its IDL and to listen.
START_WITHIN = 60.0
# ... to answer for an admin page.
ANSWER_WITHIN = 1.0
# A worker that ends is replaced at once, then after twice as long each time, up to this;
# one that has run as long as this counts as well again.
LONGEST_PAUSE = 30.0
FIRST_PAUSE = 0.1
# Bytes of a line from a worker, at most: the page of many services.
LONGEST_LINE = 16 * 1024 * 1024


@frozen
class WorkerCommand:
    """How workers are run.

    :ivar job: what each serves; a value for JSON.
    :ivar stop_within: seconds that one gets to end what runs.
    """

    job: Page
    count: int
    stop_within: float
    arguments: Sequence[str] = (sys.executable, "-m", "txgateway.worker")


class Worker(ProcessProtocol):
    """One process.

    :ivar pid: its process id.
    :ivar ready: fires once it listens; fails if it ends before.
    :ivar ended: fires once it is gone.
    """

    # Twisted's type has no word of children's descriptors.
    transport: Any

    def __init__(self, job: Page, clock: Any, ended: Callable[[Worker], None]) -> None:
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.began = clock.seconds()
        self.is_ready = False
        # Told to end: whatever it does then is no surprise.
        self.leaving = False
        self._job = job
        self._clock = clock
        self._tell_ended = ended
        self._answers = b""
        self._asked: dict[int, Deferred[Page | None]] = {}
        self._number = 0
        self._output = b""
        self.pid = 0

    def ask(self, page: str, within: float = ANSWER_WITHIN) -> Deferred[Page | None]:
        """What it says; None if it does not in time."""
        self._number += 1
        number = self._number
        asked: Deferred[Page | None] = Deferred(lambda _: self._forget(number))
        self._asked[number] = asked
        self._say({"id": number, "page": page})
        return asked.addTimeout(within, self._clock).addErrback(lambda failure: None)

    def _forget(self, number: int) -> None:
        self._asked.pop(number, None)

    def stop(self, within: float) -> Deferred[None]:
        """End it in an orderly way, or after so many seconds in any."""
        self.leaving = True
        self.signal("TERM")
        timer = self._clock.callLater(within, self.signal, "KILL")
        return self.ended.addCallback(lambda _: timer.cancel() if timer.active() else None)

    def connectionMade(self) -> None:
        self.pid = self.transport.pid
        self._say(self._job)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD != ANSWERS:
            self._log(data)
            return
        self._answers += data
        *lines, self._answers = self._answers.split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        if len(self._answers) > LONGEST_LINE:
            self.signal("KILL")

    def childConnectionLost(self, childFD: int) -> None:
        """Its process ends soon, or has."""

    def processEnded(self, reason: Failure) -> None:
        self._log(b"\n" if self._output else b"")
        for asked in list(self._asked.values()):
            asked.cancel()
        if not self.is_ready:
            self.ready.errback(reason)
            self.ready.addErrback(lambda failure: None)
        self._tell_ended(self)
        self.ended.callback(None)

    def _say(self, message: Page) -> None:
        self.transport.writeToChild(0, json.dumps(message).encode() + b"\n")

    def _hear(self, message: Page) -> None:
        if "id" in message:
            asked = self._asked.pop(message["id"], None)
            if asked is not None:
                asked.callback(message["page"])
        elif not self.is_ready:
            self.is_ready = True
            self.ready.callback(None)

    def signal(self, name: str | int) -> None:
        try:
            self.transport.signalProcess(name)
        except Exception as error:
            log.debug("{pid}: {error}", pid=self.pid, error=error)

    def _log(self, data: bytes) -> None:
        """Its lines go into our log, as many at once as came."""
        whole, _, self._output = (self._output + data).rpartition(b"\n")
        if whole:
            log.info("worker {pid}: {text}", pid=self.pid, text=whole.decode("utf-8", "replace"))
        self._output = self._output[:LONGEST_LINE]


class Workers(Service):
    """So many workers on these sockets, from start to stop.

    :ivar workers: all processes, those that are leaving among them.
    :ivar told: told of what happens to them, and whether that is bad.
    :ivar restarts: how many ended unasked.
    """

    name = "workers"

    def __init__(self, reactor: Any, command: WorkerCommand, sockets: Sequence[Listening]) -> None:
        self.told: Callable[[str, bool], None] = lambda what, is_bad: None
        self.workers: list[Worker] = []
        self.restarts = 0
        self._reactor = reactor
        self._command = command
        self._sockets = sockets
        self._pause = 0.0
        self._timers: list[Any] = []
        self._replacing = DeferredLock()

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._start_all)

    def _start_all(self) -> None:
        for _ in range(self._command.count):
            self._start()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Fires when every worker has ended; those that run requests get their time."""
        super().stopService()
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        # At once: who connects where nobody accepts any more would wait for nothing.
        for each in self._sockets:
            each.close()
        yield DeferredList([worker.stop(self._command.stop_within) for worker in self.workers])

    def replace(self, command: WorkerCommand) -> Deferred[bool]:
        """One worker after the other: a new one listens before an old one leaves.

        If a new one does not get so far, the old ones stay, and others go on being run as they were.
        Fires with whether all are new.
        """
        return self._replacing.run(self._replace_all, command)

    @inlineCallbacks
    def _replace_all(self, command: WorkerCommand) -> Any:
        before, self._command = self._command, command
        old = [worker for worker in self.workers if not worker.leaving]
        for number in range(max(command.count, len(old))):
            if not self.running:
                return False
            if number < command.count:
                new = self._start()
                try:
                    yield new.ready.addTimeout(START_WITHIN, self._reactor)
                except Exception as error:
                    log.error("a new worker does not serve, the old ones stay: {error}", error=error)
                    self.told("a new worker does not serve, the old ones stay", True)
                    new.stop(command.stop_within)
                    self._command = before
                    return False
            if number < len(old):
                yield old[number].stop(before.stop_within)
        log.info("every worker is replaced")
        self.told("every worker is replaced", False)
        return True

    def ask(self, page: str, within: float = ANSWER_WITHIN) -> Deferred[dict[int, Page | None]]:
        """What each worker says, by its process id; None for one that does not in time."""
        asked = [(worker.pid, worker.ask(page, within)) for worker in self.workers if not worker.leaving]
        if not asked:
            return succeed({})
        answers: Any = DeferredList([answer for _, answer in asked])
        return answers.addCallback(
            lambda results: {pid: page for (pid, _), (_, page) in zip(asked, results, strict=True)}
        )

    def reopen_logs(self) -> None:
        """Have each of them open its log file anew."""
        for worker in self.workers:
            if worker.is_ready:
                worker.signal(signal.SIGUSR1)

    def ask_one(self, page: str, within: float) -> Deferred[Page | None]:
        """What one of them says, of those that serve; None if it does not in time, or there is none."""
        serving = [worker for worker in self.workers if worker.is_ready and not worker.leaving]
        return serving[0].ask(page, within) if serving else succeed(None)

    def _start(self) -> Worker:
        worker = Worker(self._job(), self._reactor, self._ended)
        descriptors: dict[int, Any] = {0: "w", 1: "r", 2: "r", ANSWERS: "r"}
        for number, each in enumerate(self._sockets, FIRST_SOCKET):
            descriptors[number] = each.socket.fileno()
        arguments = self._command.arguments
        self.workers.append(worker)
        self._reactor.spawnProcess(worker, arguments[0], arguments, env=None, childFDs=descriptors)
        worker.ready.addCallback(lambda _: self._serves(worker))
        return worker

    def _serves(self, worker: Worker) -> None:
        log.info("worker {pid} serves", pid=worker.pid)
        self.told(f"worker {worker.pid} serves", False)

    def _job(self) -> Page:
        sockets = [{"text": each.text, "descriptor": number} for number, each in enumerate(self._sockets, FIRST_SOCKET)]
        return {**self._command.job, "listen": sockets}

    def _ended(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if worker.leaving or not self.running:
            return
        self.restarts += 1
        lasted = self._reactor.seconds() - worker.began
        well = worker.is_ready and lasted >= LONGEST_PAUSE
        self._pause = 0.0 if well else min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        log.error(
            "worker {pid} ended after {lasted:.1f} seconds; the next one starts in {pause:.1f}",
            pid=worker.pid,
            lasted=lasted,
            pause=self._pause,
        )
        self.told(f"worker {worker.pid} ended after {lasted:.1f} seconds", True)
        self._timers = [timer for timer in self._timers if timer.active()]
        self._timers.append(self._reactor.callLater(self._pause, self._start))
