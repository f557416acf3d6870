"""One log line per request: who asked for what, what came of it, and how long it took.

A log event costs ten times what the rest of the line does, and one that is written out to a
file or a terminal more than the whole request. So lines are gathered, and many make one
event: a tenth of a second later at most.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..core.errors import ClientGone, GatewayError
from ..core.message import Request, Response
from . import Handler

log = Logger()

Outcome = TypeVar("Outcome", bound=Response | Failure)

# Seconds that a line waits for others, and how many may wait.
FLUSH_AFTER = 0.1
MOST_LINES = 1000


class Line(NamedTuple):
    """What became of one request.

    :ivar path: without the query, which may hold what no log should.
    """

    client: str
    verb: str
    path: str
    status: int
    milliseconds: float
    reason: str

    def __str__(self) -> str:
        return f"{self.client} {self.verb} {self.path} {self.status} {self.milliseconds:.1f}ms {self.reason}"


class AccessLog:
    """Stands inside ``rescue``, where a failure is still an error with its reason.

    Its events have the lines once more as ``requests``, for those who read events and not text.

    :param clock: an IReactorTime.
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._lines: list[Line] = []
        self._timer: Any = None

    def __call__(self, request: Request, handler: Handler) -> Deferred[Response]:
        began = self._clock.seconds()
        try:
            answer = handler(request)
        except Exception:
            answer = fail()
        return answer.addBoth(self._ended, request, began)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            log.info("{text}", text="\n".join(map(str, lines)), requests=lines)

    def _ended(self, outcome: Outcome, request: Request, began: float) -> Outcome:
        path = request.path.decode("ascii", "backslashreplace")
        took = (self._clock.seconds() - began) * 1000
        self._lines.append(Line(request.client, request.verb, path, _status(outcome), took, _reason(outcome)))
        if len(self._lines) >= MOST_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(FLUSH_AFTER, self.flush)
        return outcome


def _status(outcome: Response | Failure) -> int:
    if isinstance(outcome, Response):
        return outcome.status
    if outcome.check(CancelledError):
        return ClientGone.status
    return outcome.value.status if isinstance(outcome.value, GatewayError) else GatewayError.status


def _reason(outcome: Response | Failure) -> str:
    if isinstance(outcome, Response):
        return "-"
    return type(outcome.value).__name__
