"""What the pages of the admin port cost the reactor. ``python -m benchmarks.pages [SERVICES [ROUTES [INSTANCES]]]``

A gateway of so many services, routes in all, and instances: one for each service, and the rest for one of them. Each
page is asked for by a client in another thread, after the first time, for which things are made that are then kept.
Figures are of the reactor's own processor time: in all, and the longest of its turns, of the best of several goes;
beside them the longest time from one turn to the next as the clock has it, in which others may have had the processor.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.threads import deferToThread

from txgateway.config import Settings, merge
from txgateway.net import reactor as lean

GOES = 5
# Seconds of a stream that are looked at.
WATCHED = 6.0


class Turns:
    """Looks at the processor time of the reactor's thread once a turn."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._looking: Any = None
        self.begin()

    def begin(self) -> None:
        self.longest = self.total = self.gap = 0.0
        self._spent, self._at = time.thread_time(), time.perf_counter()
        if self._looking is None:
            self._look()

    def end(self) -> tuple[float, float, float]:
        self._looking.cancel()
        self._looking = None
        return self.total, self.longest, self.gap

    def _look(self) -> None:
        spent, at = time.thread_time(), time.perf_counter()
        took = spent - self._spent
        # A turn with nothing to do takes some 20 us, which is not the page's.
        if took > 1e-4:
            self.total += took
        self.longest, self.gap = max(self.longest, took), max(self.gap, at - self._at)
        self._spent, self._at = spent, at
        self._looking = self._reactor.callLater(0, self._look)


def write_idl(folder: Path, services: int, routes: int) -> None:
    each = max(1, routes // services)
    for number in range(services):
        methods = "\n".join(
            f"  /** Says what number {route} of service {number} is. */\n"
            f'  Answer ask{route}(1: Question q) (api.get="/s{number}/m{route}/:id")'
            for route in range(each)
        )
        folder.joinpath(f"service{number}.thrift").write_text(
            'struct Question { 1: i64 id (api.path="id", api.vd="$>0"), 2: optional string name (api.query="name") }\n'
            f"struct Answer {{ 1: string text }}\nservice Svc {{\n{methods}\n}}\n"
        )


def static(services: int, instances: int) -> list[str]:
    one_each = [f"service{number}=10.0.{number // 250}.{number % 250}:9000" for number in range(services)]
    rest = range(max(0, instances - services))
    return one_each + [f"service0=10.1.{number // 250}.{number % 250}:9000" for number in rest]


def get(port: int, target: str) -> int:
    """Blocks; the bytes of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", target, headers={"Connection": "close"})
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    assert answer.status == 200, (target, answer.status)
    return size


def watch(port: int, target: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", target)
    answer, size, until = connection.getresponse(), 0, time.monotonic() + WATCHED
    while time.monotonic() < until:
        size += len(answer.read1(65536))
    connection.close()
    return size


PAGES = (
    *("/healthz", "/readyz", "/services", "/routes", "/metrics", "/openapi.json?service=service1"),
    *("/ui/", "/ui/?find=service9&page=1", "/ui/service?name=service1", "/ui/service?name=service0", "/ui/log"),
)
STREAMS = (
    "/ui/events?page=overview&argument=%7B%22find%22%3A%22%22%2C%22page%22%3A0%7D",
    "/ui/events?page=service&argument=service0",
)


async def measure(reactor: Any, port: int) -> None:
    turns = Turns(reactor)

    async def go(what: Callable[[int, str], int], target: str) -> tuple[tuple[float, float, float], int]:
        turns.begin()
        size = await deferToThread(what, port, target)
        return turns.end(), size

    print(f"{'':34} {'ms in all':>9} {'at once':>8} {'by clock':>9} {'kB':>7}")

    def tell(name: str, figures: tuple[float, float, float], size: int) -> None:
        total, longest, gap = (1e3 * each for each in figures)
        print(f"{name:34} {total:9.1f} {longest:8.1f} {gap:9.1f} {size / 1e3:7.0f}", flush=True)

    turns.end()
    turns.begin()
    await deferToThread(time.sleep, WATCHED)
    tell(f"nobody asks, {WATCHED:g} s", turns.end(), 0)
    for page in PAGES:
        first, size = await go(get, page)
        best = min([await go(get, page) for _ in range(GOES)], key=lambda each: each[0][1])[0]
        tell(page, best, size)
        if first[1] > 2 * best[1] and first[1] > 0.003:
            tell("  the first time", first, size)
    for stream in STREAMS:
        figures, size = await go(watch, stream)
        tell(f"{stream.partition('&')[0]}, {WATCHED:g} s", figures, size)


def main() -> None:
    given = [int(each) for each in sys.argv[1:]]
    services, routes, instances = (*given, *(1_000, 10_000, 1_000)[len(given) :])
    lean.install()
    from twisted.internet import reactor as installed

    from txgateway.wiring import build_gateway

    reactor: Any = installed
    with tempfile.TemporaryDirectory() as folder:
        write_idl(Path(folder), services, routes)
        free = ["tcp:0:interface=127.0.0.1"]
        tables = {
            "http": {"listen": free, "admin": free},
            "mapping": {"idl": [folder], "watch": "off"},
            "discovery": {"static": static(services, instances)},
        }
        gateway = build_gateway(merge(Settings(), tables), reactor)

        async def run() -> None:
            began = time.perf_counter()
            gateway.startService()
            took = time.perf_counter() - began
            print(f"{services} services, {routes} routes, {instances} instances; {took:.0f} s to load")
            # What a start leaves to be done in idle time.
            await deferToThread(time.sleep, 3)
            await measure(reactor, gateway.admin_addresses[0].port)
            await gateway.stopService()

        reactor.callWhenRunning(
            lambda: (
                defer.ensureDeferred(run())
                .addErrback(lambda failure: failure.printTraceback())
                .addBoth(lambda _: reactor.stop())
            )
        )
        reactor.run()


if __name__ == "__main__":
    main()
