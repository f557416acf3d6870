"""Work in a thread of its own that leaves the reactor its time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")

# While the thread works, the reactor gets the interpreter after so long, should a piece of work be longer. Python's
# own 5 ms would pass at every system call of the reactor: each gives the interpreter up. After 0.1 ms, the two would
# take turns so often that a load took three times its processor time, and requests as much longer.
SWITCH_AFTER = 0.001
# The thread pauses after so much work, and then so much longer than it worked. At full speed the slowest hundredth of
# requests took 1.25 times as long while 20 services changed over and over as else, and all were served after 0.56 s;
# with pauses twice as long as the work 1.2 times and after 0.64 s, with some as long as it 1.6 times and after 0.51 s.
WORK = 0.0005
PAUSE_TIMES = 1.5
# Whole pauses are made where the others have work for so much of the time, shorter ones where they have less:
# they wait for requests then, and the next one is to find no more than a piece of work before it.
BUSY = 0.4
SHORTEST = 0.00005
# Pieces that took longer are no measure for a pause.
LONGEST = 0.05


class Background:
    """One thread; what is given to it runs in turn."""

    def __init__(self, reactor: Any, name: str = "mapping") -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=1, name=name)
        # Whether something runs in the thread, and since when it has not paused, in its own processor time.
        self._works = False
        self._hurries = False
        self._since = 0.0
        # When the last pause began, on the clock and in the processor time of all others in this process.
        self._paused, self._others = 0.0, 0.0

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        """Blocks until what runs has ended, which pauses no more."""
        self._hurries = True
        self._pool.stop()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        def beside() -> T:
            self._works, self._since = True, time.thread_time()
            self._paused, self._others = time.perf_counter(), time.process_time() - self._since
            try:
                with considerate():
                    return work()
            finally:
                self._works = False

        return deferToThreadPool(self._reactor, self._pool, beside)

    def soon(self, what: Callable[[], None]) -> None:
        """Call something in the reactor's next turn."""
        self._reactor.callLater(0, what)

    def breathe(self) -> None:
        """Called by the work between two of its pieces: pauses if it has worked long enough.

        Work that runs where the reactor does, before that begins, pauses never.
        """
        if not self._works or self._hurries:
            return
        now = time.thread_time()
        worked = now - self._since
        if worked >= WORK:
            pause = min(worked, LONGEST) * PAUSE_TIMES
            time.sleep(max(SHORTEST, pause * min(1.0, self._busy(now) / BUSY)))
            self._since = time.thread_time()

    def _busy(self, now: float) -> float:
        """For how much of the time since the last pause began the others worked.

        :param now: the processor time of this thread.
        """
        before, others_before = self._paused, self._others
        self._paused, self._others = time.perf_counter(), time.process_time() - now
        return (self._others - others_before) / max(WORK, self._paused - before)


class _Considerate:
    """What several threads want at a time, which may end in another order than they began."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted = 0
        self._before = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """For work beside a reactor that has requests to serve."""
        with self._lock:
            if not self._wanted:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before, SWITCH_AFTER))
            self._wanted += 1
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1
                if not self._wanted:
                    sys.setswitchinterval(self._before)


considerate = _Considerate()
