"""Work in a thread of its own that leaves the reactor its time."""

from __future__ import annotations

import gc
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

# While the thread works, the reactor gets the interpreter after so long. Python's own 5 ms would pass at
# every system call of the reactor: each gives the interpreter up.
SWITCH_AFTER = 0.0001
# The thread pauses after so much work, and then three times as long as it worked: what a request
# meets of a load is then a millisecond or two.
WORK = 0.001
PAUSE_TIMES = 3
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

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        """Blocks until what runs has ended, which pauses no more."""
        self._hurries = True
        self._pool.stop()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        def beside() -> T:
            self._works, self._since = True, time.thread_time()
            try:
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
        worked = time.thread_time() - self._since
        if worked >= WORK:
            time.sleep(min(worked, LONGEST) * PAUSE_TIMES)
            self._since = time.thread_time()


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


class Heap:
    """Keeps the garbage collector from looking through a large mapping while requests wait.

    What lives long is frozen, which takes it out of the collector's sight, for ever. So a version that is
    frozen and then replaced stays in memory, until everything is thawed and looked through once: at a moment
    when no request runs, if one comes in time. Sizes are counted in methods, some 600 objects each.

    :param is_quiet: whether a pause would be noticed by nobody.
    """

    # The collector looks through so many in 20 ms.
    YOUNG = 50

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self._is_quiet = is_quiet
        self._garbage = 0
        # By service: its version, and how many methods that has.
        self._live: dict[str, tuple[object, int]] = {}
        self._frozen: set[str] = set()

    def start(self) -> None:
        """Whatever was imported stays."""
        gc.collect()
        gc.freeze()

    def pause(self) -> None:
        """While a mapping grows the collector would look through it again and again, 0.5 s for 2,000 methods."""
        gc.disable()

    def resume(self) -> None:
        """What has grown is served, and frozen if it is large, or dropped."""
        gc.enable()

    def serves(self, services: dict[str, tuple[object, int]]) -> None:
        """These versions live from now on: by service, with the number of their methods."""
        for name in [name for name in self._frozen if self._live[name][0] is not services.get(name, (None, 0))[0]]:
            self._frozen.discard(name)
            self._garbage += self._live[name][1]
        self._live = services
        if sum(methods for name, (_, methods) in services.items() if name not in self._frozen) > self.YOUNG:
            gc.freeze()
            self._frozen = set(services)
        self.tidy()

    def tidy(self) -> None:
        """Give back what replaced versions take, if that is much, or this is a good moment."""
        size = max(self.YOUNG, sum(methods for _, methods in self._live.values()))
        if self._garbage > 5 * size or (self._garbage >= size and self._is_quiet()):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._frozen, self._garbage = set(self._live), 0
