"""One log line per request: who asked for what, what came of it, and how long it took.

A log event costs ten times what the rest of the line does, and one that is written out to a
file or a terminal more than the whole request. So lines are gathered, and many make one
event: a tenth of a second later at most.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted.logger import Logger

from ..core.errors import GatewayError
from ..core.message import Request, Response

log = Logger()

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
    """An observer of the ledger.

    Its events have the lines once more as ``requests``, for those who read events and not text.

    :param clock: an IReactorTime.
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._lines: list[Line] = []
        self._timer: Any = None

    def __call__(self, request: Request, response: Response, error: GatewayError | None, seconds: float) -> None:
        path = request.path.decode("ascii", "backslashreplace")
        reason = "-" if error is None else type(error).__name__
        self._lines.append(Line(request.client, request.verb, path, response.status, seconds * 1000, reason))
        if len(self._lines) >= MOST_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            log.info("{text}", text="\n".join(map(str, lines)), requests=lines)
