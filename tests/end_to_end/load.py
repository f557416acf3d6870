"""A small load: some clients with kept-alive connections that ask one thing over and over."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Load:
    """Runs in threads from entering to leaving the context.

    :param is_right: whether this is the body of a right answer.
    :ivar outcomes: how often each status came; 0 stands for no answer at all, -1 for one that is not right.
    """

    def __init__(
        self, port: int, target: str, clients: int = 8, is_right: Callable[[bytes], bool] = lambda body: True
    ) -> None:
        self.outcomes: Counter[int] = Counter()
        self._is_right = is_right
        self._port = port
        self._target = target
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    @property
    def sent(self) -> int:
        return self.outcomes.total()

    @property
    def failed(self) -> dict[int, int]:
        with self._lock:
            return {status: count for status, count in self.outcomes.items() if status != 200}

    def wait_for(self, more: int, timeout: float = 30.0) -> None:
        """Wait until so many more requests have ended."""
        target, deadline = self.sent + more, time.monotonic() + timeout
        while self.sent < target:
            assert time.monotonic() < deadline, f"only {self.outcomes} of {target}"
            time.sleep(0.005)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for(50)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stopping.is_set():
            status = self._once(connection)
            with self._lock:
                self.outcomes[status] += 1
        connection.close()

    def _once(self, connection: http.client.HTTPConnection) -> int:
        try:
            connection.request("GET", self._target)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status if answer.status != 200 or self._is_right(body) else -1
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0
