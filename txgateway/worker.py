"""One worker of several, as ``net/workers.py`` runs it: told by its standard input what to serve."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, cast

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import connectionDone
from twisted.logger import FileLogObserver, ILogObserver, LogEvent, formatEventAsClassicLogText, globalLogBeginner
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from .core.json_pieces import json_pieces
from .net.slices import joined_in_slices


class Control(LineReceiver):
    """The first line says what to serve; each further one asks for an admin page; the end says that it is over."""

    delimiter = b"\n"
    # A request that is tried is the longest; see ``net/admin/public.py``.
    MAX_LENGTH = 1024 * 1024

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._service: Any = None

    def lineReceived(self, line: bytes) -> None:
        message = json.loads(line)
        if self._service is None:
            self._serve(message)
        else:
            self._answer(message["id"], *message["page"].split(" ", 1))

    def _answer(self, number: int, page: str, *name: str) -> None:
        """A page by its name, or an action or a view: its name, a blank, and what it is about."""
        pages = self._service.pages
        asked = (
            maybeDeferred({**pages.actions, **pages.views}[page], *name)
            if name
            else maybeDeferred(getattr(pages, page))
        )
        asked.addErrback(lambda failure: {"error": failure.getErrorMessage()})
        asked.addCallback(lambda answer: self._say({"id": number, "page": answer}))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        stop(self._reactor)

    def _serve(self, job: dict[str, Any]) -> None:
        from .config import Settings, merge
        from .net.listening import Adopted
        from .wiring import build_gateway

        endpoints = [Adopted(self._reactor, each["text"], each["descriptor"]) for each in job["listen"]]
        self._service = build_gateway(merge(Settings(), job["settings"]), self._reactor, endpoints)
        try:
            self._service.startService()
        except SystemExit as error:
            print(error, flush=True)
            os._exit(1)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._service.stopService)
        self._say({"serves": True})

    def _say(self, message: dict[str, Any]) -> None:
        joined_in_slices(self._reactor, json_pieces(message)).addCallback(self.sendLine)


def stop(reactor: Any) -> None:
    # Asked again while it stops, it says that it does not run.
    with suppress(ReactorNotRunning):
        reactor.stop()


def main() -> None:
    if sys.platform.startswith("linux"):
        from .net.reactor import install

        install()
    from twisted.internet import reactor as installed
    from twisted.internet.stdio import StandardIO

    from .net.workers import ANSWERS

    reactor: Any = installed

    def text(event: LogEvent) -> str | None:
        # The process that reads this adds the time and our number.
        return formatEventAsClassicLogText(event, lambda _: "-")

    globalLogBeginner.beginLoggingTo([cast(ILogObserver, FileLogObserver(sys.stdout, text))], redirectStandardIO=False)
    # Control-C and its end reach all processes of a terminal; the one that owns us says when to stop.
    for number in (signal.SIGINT, signal.SIGHUP):
        reactor.callWhenRunning(signal.signal, number, signal.SIG_IGN)
    reactor.callWhenRunning(signal.signal, signal.SIGTERM, lambda number, frame: reactor.callFromThread(stop, reactor))
    reactor.callWhenRunning(StandardIO, Control(reactor), 0, ANSWERS)
    reactor.run()


if __name__ == "__main__":
    main()
