"""Server-sent events: who looks at a page gets the parts of it that have changed, once a second at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

log = Logger()

# Who comes when so many listen is told to come later.
LISTENERS = 32
EVERY = 1.0
# Whoever has taken nothing for so many turns is dropped; its browser comes again by itself.
PATIENCE = 15
# After so many turns without news a comment is sent, so that nothing on the way takes the connection for dead.
QUIET = 15
# Milliseconds until a browser that was cut off comes again.
RETRY = 2000

# A page and its argument.
Subject = tuple[str, str]
Parts = Mapping[str, str]


class Live:
    """:param clock: an IReactorTime.

    :param look: gives the parts of a page as they are now, drawn, by their names.
    """

    def __init__(self, clock: Any, look: Callable[[Subject], Deferred[Parts]]) -> None:
        self._look = look
        self._listeners: dict[Subject, list[Listener]] = {}
        # Pages that are being drawn.
        self._drawing: set[Subject] = set()
        self._turns = LoopingCall(self._turn)
        self._turns.clock = clock

    @property
    def count(self) -> int:
        return sum(map(len, self._listeners.values()))

    def listen(self, request: Any, subject: Subject) -> Deferred[bytes] | None:
        """Send events as the answer to this request. Fires with the last of it; None: too many listen.

        It is cancelled when the browser leaves.
        """
        if self.count >= LISTENERS:
            return None
        listener = Listener(request, lambda: self._forget(subject, listener))
        self._listeners.setdefault(subject, []).append(listener)
        listener.begin()
        if not self._turns.running:
            self._turns.start(EVERY, now=False).addErrback(lambda failure: log.failure("events end", failure))
        self._draw(subject)
        return listener.over

    def stop(self) -> None:
        """End every stream."""
        for listener in [each for listeners in self._listeners.values() for each in listeners]:
            listener.end()

    def _forget(self, subject: Subject, listener: Listener) -> None:
        self._listeners[subject].remove(listener)
        if not self._listeners[subject]:
            del self._listeners[subject]
        if not self._listeners and self._turns.running:
            self._turns.stop()

    def _turn(self) -> None:
        for subject in list(self._listeners):
            self._draw(subject)

    def _draw(self, subject: Subject) -> None:
        """One drawing for all who look at the page; none while the one before is not done."""
        if subject in self._drawing:
            return
        self._drawing.add(subject)
        self._look(subject).addCallbacks(self._tell, self._failed, callbackArgs=(subject,), errbackArgs=(subject,))

    def _tell(self, parts: Parts, subject: Subject) -> None:
        self._drawing.discard(subject)
        for listener in list(self._listeners.get(subject, ())):
            listener.tell(parts)

    def _failed(self, failure: Failure, subject: Subject) -> None:
        self._drawing.discard(subject)
        log.failure("the page {page} cannot be drawn", failure, page=subject[0])


@implementer(IPushProducer)
class Listener:
    """One browser that looks at one page.

    :param left: called once it does so no more.
    :ivar over: fires then, unless it is cancelled.
    """

    def __init__(self, request: Any, left: Callable[[], None]) -> None:
        self.over: Deferred[bytes] = Deferred(lambda _: self._leave())
        self._left = left
        self._gone = False
        self._request = request
        self._sent: dict[str, str] = {}
        self._paused = False
        # Turns without anything taken, and without anything to say.
        self._waited = self._quiet = 0

    def begin(self) -> None:
        self._request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        self._request.setHeader(b"cache-control", b"no-store")
        # Asks proxies in front to pass on what comes as it comes.
        self._request.setHeader(b"x-accel-buffering", b"no")
        self._request.registerProducer(self, True)
        self._request.write(b"retry: %d\n\n" % RETRY)

    def tell(self, parts: Parts) -> None:
        """Send what it has not seen; nothing while it does not take what was sent: it gets the newest then."""
        if self._gone:
            return
        if self._paused:
            self._wait()
            return
        self._waited = 0
        news = {name: part for name, part in parts.items() if self._sent.get(name) != part}
        if news:
            self._quiet = 0
            self._sent.update(news)
            self._request.write(b"event: parts\ndata: %b\n\n" % orjson.dumps({"parts": news}))
            return
        self._quiet += 1
        if self._quiet >= QUIET:
            self._quiet = 0
            self._request.write(b":\n\n")

    def end(self) -> None:
        if not self._gone:
            self._leave()
            self._request.unregisterProducer()
            self.over.callback(b"")

    def _leave(self) -> None:
        self._gone = True
        self._left()

    def _wait(self) -> None:
        self._waited += 1
        if self._waited >= PATIENCE:
            channel = self._request.channel
            # A stream of HTTP/2 can be cut by itself, else the connection is.
            (channel if hasattr(channel, "abortConnection") else channel.transport).abortConnection()

    # IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        """The connection is lost; whoever gave us the request cancels what waits for us."""
        self._gone = True
