"""What reloads cost those who are served meanwhile: how long the reactor is held, and what piles up.

Run ``python -m benchmarks.reloading [SERVICES [RELOADS]]``: a gateway in this process, a folder of as many services
with ten methods each. First the whole folder changes, then one file over and over.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater

from txgateway.config import Settings, merge
from txgateway.wiring import GatewayService, build_gateway

reactor: Any = installed
TICK = 0.001
METHODS = 10


def idl(number: int, version: int) -> str:
    """A service whose methods take some fields each, one of them with a rule."""
    types = "struct Item { 1: string name, 2: i64 id, 3: list<string> tags }\n"
    for method in range(METHODS):
        types += f"""struct R{method} {{
    1: i32 num (api.path="num", api.vd="$<100"), 2: string a (api.query="a"), 3: optional Item item
}}
struct P{method} {{ 1: list<Item> items, 2: string msg }}
"""
    methods = "".join(f'P{m} m{m}(1: R{m} r) (api.get="/s{number}/m{m}/:num")\n' for m in range(METHODS))
    return f"// {version}\n{types}service S{number} {{ {methods} }}\n"


class Holds:
    """Notes how late the reactor is."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = time.perf_counter()
        self._loop = LoopingCall(self._tick)

    def start(self) -> None:
        self._last, self.late = time.perf_counter(), []
        self._loop.start(TICK, now=False)

    def stop(self) -> str:
        self._loop.stop()
        late = sorted(self.late)
        worst, often = late[-1] * 1e3, sum(each > 0.02 for each in late)
        usual = late[len(late) * 99 // 100] * 1e3
        return f"reactor held at most {worst:.1f} ms, {often} times over 20 ms, 99% at most {usual:.1f} ms"

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._last - TICK))
        self._last = now


def figures() -> str:
    with open("/proc/self/status", encoding="ascii") as status:
        resident = next(line for line in status if line.startswith("VmRSS")).split()[1]
    files, timers = len(os.listdir("/proc/self/fd")), len(reactor.getDelayedCalls())
    return f"{int(resident) // 1024} MiB, {files} files, {threading.active_count()} threads, {timers} timers"


async def until(what: Callable[[], bool], seconds: float = 300.0) -> float:
    began = time.perf_counter()
    while not what():
        if time.perf_counter() > began + seconds:
            raise SystemExit("it takes too long")
        await deferLater(reactor, 0.005)
    return time.perf_counter() - began


async def measure(folder: Path, service: GatewayService, services: int, reloads: int) -> None:
    holds = Holds()
    live = service._live
    print(f"{services} services are served: {figures()}")
    for round_ in (1, 2):
        holds.start()
        before = live.loaded.digest
        for number in range(services):
            (folder / f"s{number}.thrift").write_text(idl(number, round_))
        took = await until(lambda before=before: live.loaded.digest != before and not live._loading)
        await deferLater(reactor, 0.5)
        print(f"all of them again in {took:.1f} s: {holds.stop()}; {figures()}")
    holds.start()
    for number in range(reloads):
        before = live.loaded.digest
        live._sources[-1]._settling._quiet = 0.005
        (folder / "s0.thrift").write_text(idl(0, 100 + number))
        await until(lambda before=before: live.loaded.digest != before)
        if number % max(1, reloads // 10) == 0:
            print(f"  {number} reloads of one: {figures()}, {gc.get_freeze_count()} frozen")
    print(f"{reloads} reloads of one: {holds.stop()}; {figures()}")


def main() -> None:
    services, reloads = (int(sys.argv[n]) if len(sys.argv) > n else d for n, d in ((1, 200), (2, 2000)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(services):
            (folder / f"s{number}.thrift").write_text(idl(number, 0))
        tables = {"http": {"listen": ["tcp:0:interface=127.0.0.1"]}, "mapping": {"idl": [name], "on_breaking": "serve"}}
        service = build_gateway(merge(Settings(), tables), reactor)
        began = time.perf_counter()
        service.startService()
        print(f"loaded in {time.perf_counter() - began:.1f} s")
        measuring = Deferred.fromCoroutine(measure(folder, service, services, reloads))
        measuring.addErrback(lambda failure: print(failure.getTraceback()))
        measuring.addBoth(lambda _: service.stopService())
        measuring.addBoth(lambda _: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    main()
