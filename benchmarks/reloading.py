"""What reloads cost those who are served meanwhile: how long the reactor is held, and what piles up.

    python -m benchmarks.reloading [--services 200] [--alls 3] [--ones 2000] [--traffic] [--http klein]

A gateway in this process, which follows a folder of so many services with ten methods each, while a tick every
5 ms notes how late it is. All files change, ``--alls`` times, and it is waited until what was replaced is given back;
then one file changes, over and over. With ``--traffic``, wrk asks for it all the while over 4 connections.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater

from txgateway.config import Settings, merge
from txgateway.net.thrift_server import ThriftService, load_interface
from txgateway.wiring import GatewayService, build_gateway

reactor: Any = installed
TICK = 0.005
METHODS = 10


def idl(number: int, version: int) -> str:
    """A service whose methods take some fields each, one of them with a rule; the wire changes with the version."""
    types = f"struct Item {{ 1: string name, 2: i64 id, 3: list<string> tags, {4 + version % 9}: string more }}\n"
    for method in range(METHODS):
        types += f"""struct R{method} {{
    1: i32 num (api.path="num", api.vd="$<100"), 2: string a (api.query="a"), 3: optional Item item
}}
struct P{method} {{ 1: list<Item> items, 2: string msg }}
"""
    methods = "".join(f'P{m} m{m}(1: R{m} r) (api.get="/s{number}/m{m}/:num")\n' for m in range(METHODS))
    return f"// {version}\n{types}service S{number} {{ {methods} }}\n"


def write(folder: Path, version: int, services: int) -> None:
    for number in range(services):
        (folder / f"s{number}.thrift").write_text(idl(number, version))


class Writer:
    """Writes in a process of its own: whatever takes time here is to be the gateway's doing."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.version = 0
        self._process = process

    def write(self, services: int) -> None:
        self.version += 1
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self.version} {services}\n")
        self._process.stdin.flush()

    @staticmethod
    def run(folder: Path) -> None:
        with suppress(KeyboardInterrupt):
            for line in sys.stdin:
                write(folder, *map(int, line.split()))


class Holds:
    """Notes how late the reactor is.

    No tick counts as later than this process has worked since the one before: other work on the machine is not ours.
    """

    def __init__(self) -> None:
        self._late: list[float] = []
        self._last, self._worked = time.perf_counter(), time.process_time()
        self._loop = LoopingCall(self._tick)
        self._loop.start(TICK)

    def told(self) -> str:
        """Since the last time."""
        late, self._late = sorted(self._late), []
        usual, over = late[len(late) * 99 // 100] * 1e3, sum(each > 0.02 for each in late)
        return f"held at most {late[-1] * 1e3:.1f} ms, {over} times over 20 ms, 99% at most {usual:.1f} ms"

    def _tick(self) -> None:
        now, worked = time.perf_counter(), time.process_time()
        self._late.append(max(0.0, min(now - self._last - TICK, worked - self._worked)))
        self._last, self._worked = now, worked


def figures() -> str:
    status = Path("/proc/self/status").read_text("ascii")
    resident = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) // 1024
    files, timers = len(os.listdir("/proc/self/fd")), len(reactor.getDelayedCalls())
    return f"{resident} MiB, {files} files, {threading.active_count()} threads, {timers} timers"


async def until(what: Callable[[], bool], seconds: float = 300.0) -> float:
    began = time.perf_counter()
    while not what():
        if time.perf_counter() > began + seconds:
            raise SystemExit("it takes too long")
        await deferLater(reactor, 0.005)
    return time.perf_counter() - began


def is_served(service: GatewayService, version: int) -> bool:
    """Whether every service is served in this version."""
    compiled = service._live.loaded.compiled
    return all(each.sources[each.path].startswith(f"// {version}\n") for each in compiled)


async def measure(writer: Writer, service: GatewayService, options: argparse.Namespace) -> None:
    live, holds = service._live, Holds()
    await deferLater(reactor, 2.0)
    print(f"{options.services} services are served: {holds.told()}; {figures()}", flush=True)
    for _ in range(options.alls):
        writer.write(options.services)
        took = await until(lambda: is_served(service, writer.version))
        print(f"all of them again in {took:.1f} s: {holds.told()}; {figures()}", flush=True)
        took = await until(lambda: not service._heap.has_garbage)
        print(f"    what was replaced is given back in {took:.1f} s: {holds.told()}; {figures()}", flush=True)
    taken = []
    for number in range(options.ones):
        before = live.generation
        writer.write(1)
        taken.append(await until(lambda before=before: live.generation > before))
        if number % max(1, options.ones // 10) == 0:
            print(f"{number + 1} reloads of one: {holds.told()}; {figures()}", flush=True)
    if taken:
        taken.sort()
        print(f"one is served within {taken[len(taken) // 2]:.2f} s, at most {taken[-1]:.2f} s", flush=True)
        await until(lambda: not service._heap.has_garbage)
        print(f"{options.ones} reloads of one: {holds.told()}; {figures()}")


def serve(file: str) -> None:
    """A service that answers nothing much, in a process of its own."""
    interface = load_interface(file)
    answer = interface.types.P0(msg="found")
    handler = type("Handler", (), {f"m{m}": staticmethod(lambda r: answer) for m in range(METHODS)})()
    service = ThriftService(reactor, interface, handler, "tcp:0:interface=127.0.0.1")
    service.startService()
    print(service.instance.port, flush=True)
    reactor.run()


def beside(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.reloading", *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def settings_for(folder: Path, upstream: str, server: str) -> Settings:
    return merge(
        Settings(),
        {
            "http": {"listen": ["tcp:0:interface=127.0.0.1"], "server": server},
            "log": {"access": "off"},
            "mapping": {"idl": [str(folder)], "on_breaking": "serve"},
            "discovery": {"static": [f"s0={upstream}"]},
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--alls", type=int, default=3, help="how often all files change")
    parser.add_argument("--ones", type=int, default=2000, help="how often one file changes")
    parser.add_argument("--traffic", action="store_true", help="needs wrk")
    parser.add_argument("--http", default="httptools", help="which HTTP server")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.write:
        Writer.run(Path(options.write))
    else:
        run(options)


def run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        write(folder, 0, options.services)
        upstream = stack.enter_context(ended(beside("--serve", str(folder / "s0.thrift"))))
        writer = Writer(stack.enter_context(ended(beside("--write", name))))
        assert upstream.stdout is not None
        address = f"127.0.0.1:{upstream.stdout.readline().strip()}"
        service = build_gateway(settings_for(folder, address, options.http), reactor)
        began = time.perf_counter()
        service.startService()
        print(f"loaded in {time.perf_counter() - began:.1f} s", flush=True)
        # What a file waits for is not measured here.
        service._live._sources[-1]._settling._quiet = 0.02
        if options.traffic:
            target = f"http://127.0.0.1:{service.public.addresses[0].port}/s0/m0/7"
            wrk = ["wrk", "-t1", "-c4", "-d86400", target]
            stack.enter_context(ended(subprocess.Popen(wrk, stdout=subprocess.PIPE, text=True)))
        measuring = Deferred.fromCoroutine(measure(writer, service, options))
        measuring.addErrback(lambda failure: print(failure.getTraceback()))
        measuring.addBoth(lambda _: service.stopService())
        measuring.addBoth(lambda _: reactor.stop())
        reactor.run()


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """wrk tells what it has seen when it is interrupted."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
        print(said, end="")


if __name__ == "__main__":
    main()
