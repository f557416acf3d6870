"""One log line per request: who asked for what, what came of it, and how long it took.

A log event costs ten times what the rest of the line does, and one that is written out to a
file or a terminal more than the whole request. So lines are gathered, and many make one event:
a tenth of a second later at most. They are written at once, for a request that waits for its
line would keep its body, and all that it was, in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import random
from typing import Any

from twisted.logger import Logger

from ..core.errors import GatewayError
from ..core.log_line import Form
from ..core.message import Request, Response

log = Logger()

# Seconds that a line waits for others, and how many may wait.
FLUSH_AFTER = 0.1
MOST_LINES = 500


class AccessLog:
    """Is told of every request that has ended.

    Its events have the lines as ``text``, and their number as ``lines``.

    :param clock: an IReactorTime.
    :param form: how a line is written.
    :param sample: the share of the requests without a failure that get a line.
    :param log: where the events go.
    """

    def __init__(
        self,
        clock: Any,
        form: Form,
        sample: float = 1.0,
        log: Logger = log,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random,
    ) -> None:
        self._clock = clock
        self._form = form
        self._sample = sample
        self._log = log
        self._wall_clock = wall_clock
        self._random = random
        self._lines: list[str] = []
        # When the clock was at 0, in seconds since 1970, as it seemed at the first of these lines.
        self._epoch = 0.0
        self._timer: Any = None

    def __call__(self, request: Request, response: Response, error: GatewayError | None, seconds: float) -> None:
        if self._sample < 1.0 and response.status < 400 and self._random() >= self._sample:
            return
        lines = self._lines
        if not lines:
            self._epoch = self._wall_clock() - self._clock.seconds()
            self._timer = self._clock.callLater(FLUSH_AFTER, self.flush)
        lines.append(self._form(request, response, error, seconds, self._epoch))
        if len(lines) >= MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._log.info("{text}", text="\n".join(lines), lines=len(lines))
