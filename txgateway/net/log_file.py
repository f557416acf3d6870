"""A log file of its own: written by a thread, so that a slow disk holds nobody up, and opened anew when it is asked."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer  # type: ignore[import-untyped]

log = Logger()

# Bytes that may wait for the disk; what comes then is dropped, and counted.
MOST_WAITING = 8 * 1024 * 1024


@implementer(ILogObserver)
class LogFile:
    """Appends the ``text`` of each event, which has as many lines as its ``lines`` says.

    Several processes may append to one file: what is written at once stays together.

    :ivar dropped: lines that never came into the file.
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self.dropped = 0
        self._path = path
        self._reactor = reactor
        self._thread = ThreadPool(minthreads=0, maxthreads=1, name="log file")
        # What the thread is to do, and the bytes and lines in it.
        self._waiting: deque[tuple[Callable[[], None], int, int]] = deque()
        self._size = 0
        self._works = False
        self._is_failing = False
        self._idle: list[Deferred[None]] = []
        # The thread's own once it runs.
        self._descriptor: int | None = None
        # Whether the file ends with a part of a line: the disk took no more of it.
        self._is_torn = False

    def start(self) -> None:
        """Raises OSError if the file cannot be opened."""
        self._open()
        self._thread.start()

    def stop(self) -> Deferred[None]:
        """Fires when all that waits is written, and the file is closed."""
        return self.idle().addCallback(self._end)

    def reopen(self) -> None:
        """Write on into whatever has the path now: the file may have been moved away."""
        self._do(self._open, 0, 0)

    def __call__(self, event: LogEvent) -> None:
        data = f"{event['text']}\n".encode("utf-8", "replace")
        if self._size + len(data) > MOST_WAITING:
            self.dropped += event["lines"]
        else:
            self._do(lambda: self._append(data), len(data), event["lines"])

    def _do(self, work: Callable[[], None], size: int, lines: int) -> None:
        self._waiting.append((work, size, lines))
        self._size += size
        self._do_next()

    def _do_next(self) -> None:
        if self._waiting and not self._works:
            work, size, lines = self._waiting.popleft()
            self._size -= size
            self._works = True
            working = deferToThreadPool(self._reactor, self._thread, work)
            working.addCallbacks(self._succeeded, self._failed, errbackArgs=(lines,)).addCallback(self._worked)

    def _succeeded(self, _: None) -> None:
        self._is_failing = False

    def _failed(self, failure: Failure, lines: int) -> None:
        self.dropped += lines
        if not self._is_failing:
            self._is_failing = True
            reason = getattr(failure.value, "strerror", None) or failure.getErrorMessage()
            log.error("{path} cannot be written: {reason}", path=self._path, reason=reason)

    def _worked(self, _: None) -> None:
        self._works = False
        self._do_next()
        if not self._works:
            idle, self._idle = self._idle, []
            for each in idle:
                each.callback(None)

    def idle(self) -> Deferred[None]:
        """Fires when nothing waits to be written."""
        if not self._works:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        return idle

    def _end(self, _: None) -> None:
        self._thread.stop()
        self._close()

    # In the thread.

    def _open(self) -> None:
        self._close()
        self._is_torn = False
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None
        if self._is_torn:
            data = b"\n" + data
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, memoryview(data)[written:])
        finally:
            if written:
                self._is_torn = data[written - 1 : written] != b"\n"
