"""Count the requests that are running, and say when there are none: draining waits for it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

from ..core.message import Request, Response
from . import Handler


class InFlight:
    """:ivar running: requests that have begun and not ended, in whatever way they end.

    :ivar begun: all that have begun, ever.
    """

    def __init__(self) -> None:
        self.running = 0
        self.begun = 0
        self._waiting: list[Deferred[None]] = []

    def __call__(self, request: Request, handler: Handler) -> Deferred[Response]:
        self.running += 1
        self.begun += 1
        try:
            answer = handler(request)
        except BaseException:
            self._end(None)
            raise
        return answer.addBoth(self._end)

    def none(self) -> Deferred[None]:
        """Fires once nothing is running."""
        if not self.running:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def _end(self, outcome: Any) -> Any:
        self.running -= 1
        if not self.running:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)
        return outcome
