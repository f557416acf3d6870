"""A steady load: ``python -m tests.end_to_end.steady_load PORT TARGET RATE``; at SIGTERM it prints what came of it.

Requests begin when their time has come, whatever became of those before: a gateway that stands still meets all the
requests of that time when it goes on.
"""

from __future__ import annotations

import http.client
import json
import signal
import sys
import threading
import time
from typing import Any

CLIENTS = 10


class Steady:
    def __init__(self, port: int, target: str, rate: float) -> None:
        self._port = port
        self._target = target
        self._pause = CLIENTS / rate
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.sent = 0
        self.slowest = 0.0
        # When a request failed, in seconds from the start, and how.
        self.failed: list[tuple[float, str]] = []

    def run(self) -> dict[str, Any]:
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        self._stopping.wait()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - self._began
        return {"sent": self.sent, "failed": self.failed, "slowest": self.slowest, "rate": self.sent / seconds}

    def stop(self) -> None:
        self._stopping.set()

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        due = self._began + number * self._pause / CLIENTS
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            began = time.monotonic()
            how = self._once(connection)
            with self._lock:
                self.sent += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                if how != "200":
                    self.failed.append((round(began - self._began, 2), how))
        connection.close()

    def _once(self, connection: http.client.HTTPConnection) -> str:
        try:
            connection.request("GET", self._target)
            answer = connection.getresponse()
            answer.read()
            return str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return repr(error)


if __name__ == "__main__":
    load = Steady(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
    signal.signal(signal.SIGTERM, lambda *_: load.stop())
    print("begins", flush=True)
    print(json.dumps(load.run()), flush=True)
