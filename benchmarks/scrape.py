"""How long a scrape of /metrics holds the reactor up: in all, and at once. ``python -m benchmarks.scrape [METHODS]``

One process, no sockets: all methods have been called, and requests go on being counted while the text is written.
Figures are of processor time, the best of several scrapes.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from txgateway.core.instances import Instance
from txgateway.core.linker import load
from txgateway.core.mapping import compile_service
from txgateway.core.message import Call, Request, Response, Try
from txgateway.core.metrics.requests import RequestCounts
from txgateway.net.metrics import Metrics, of_process

SCRAPES = 10


class Turns:
    """A reactor that does nothing but what is to be done next; measures each of its turns."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.total = 0.0
        self._waiting: deque[Callable[[], Any]] = deque()

    def callLater(self, delay: float, function: Callable[[], Any]) -> None:
        self._waiting.append(function)

    def run(self, between: Callable[[], None]) -> None:
        while self._waiting:
            self.measure(self._waiting.popleft())
            between()

    def measure(self, function: Callable[[], Any]) -> Any:
        began = time.thread_time()
        result = function()
        took = time.thread_time() - began
        self.longest, self.total = max(self.longest, took), self.total + took
        return result


def requests(methods: int) -> tuple[RequestCounts, list[Request]]:
    """Counts of a service with so many methods, and a request for each."""
    routes = "\n".join(f'A m{number}(1: A a) (api.get="/m{number}")' for number in range(methods))
    text = f"struct A {{}}\nservice Many {{ {routes} }}"
    service = compile_service("many", load("many.thrift", {"many.thrift": text}.__getitem__).schema)
    counts = RequestCounts()
    counts.serve({"many": service})
    instance = Instance("127.0.0.1", 9001)
    asked = [Request("GET", route.path.encode(), route=route) for route in service.routes]
    for request in asked:
        request.call = Call("many", request.route.plan.wire_name, b"", tries=[Try(instance, 1.0, 1.001)])
    return counts, asked


def main() -> None:
    methods = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    counts, asked = requests(methods)
    answer = Response(200)

    def load() -> None:
        for request in asked[:20]:
            counts(request, answer, None, 0.0012)

    for request in asked:
        counts(request, answer, None, 0.0012)
    best = (float("inf"), float("inf"), 0)
    for _ in range(SCRAPES):
        turns = Turns()
        written: list[bytes] = []
        metrics = Metrics(turns, [counts.samples, of_process])
        turns.measure(metrics.text).addCallback(written.append)
        turns.run(load)
        best = min(best, (turns.total, turns.longest, len(written[0])))
    total, longest, size = best
    print(
        f"{methods} methods, {size / 1e6:.1f} MB: {total * 1e3:.1f} ms in all, {longest * 1e3:.1f} ms at once at most"
    )


if __name__ == "__main__":
    main()
