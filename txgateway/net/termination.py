"""End with status 0 when asked to by SIGTERM: an orderly stop is no failure."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning


def exit_cleanly_on_sigterm(reactor: Any) -> None:
    """For a program of its own, not for a library: replaces Twisted's handler once the reactor runs.

    Twisted stops everything in order too, but ``twistd`` then ends itself by the same
    signal, which supervisors and orchestrators report as a crash.
    """

    def stop() -> None:
        # Asked again while it stops, it says that it does not run.
        with suppress(ReactorNotRunning):
            reactor.stop()

    reactor.callWhenRunning(signal.signal, signal.SIGTERM, lambda number, frame: reactor.callFromThread(stop))
