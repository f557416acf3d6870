"""A gateway at full speed while its IDL changes and breaks: what fails, what is mixed, and what it costs in latency.

    python -m benchmarks.reload_drill [--rounds 5] [--ones 40] [--alls 10] [--services 20] [--options "--http klein"]
    python -m benchmarks.reload_drill --endurance 2000 [--rate 200]

Each round first measures with nothing going on, then while one file changes ``ones`` times and all of them
``alls`` times, each as soon as the one before is served; every tenth change leaves a file broken. wrk asks
over 32 connections as fast as it gets answers, and looks at each: was it served by one version of the
IDL, wholly? Ends with status 1 if anything failed or was mixed, or p99 rose to twice what it was. The gateway has
a core alone, if there are two (``--shared``: it has not). Needs wrk.

With ``--endurance``, so many changes under a steady load, of which every twentieth is one of all files: what does the
gateway hold, at the beginning, now and then, and at the end?
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from attrs import frozen

from tests.end_to_end.kitex import Program
from tests.end_to_end.twistd import GatewayProcess
from tests.end_to_end.versions import QUERY, TOLD_APART, Echo, idl

CONNECTIONS = 32
# A new route has to be served within this, in seconds from the write.
VISIBLE_WITHIN = 1.0
# p99 during reloads may be so many times that before.
SLOWER = 2.0
METHODS = 5

SCRIPT = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() mixed = 0 end
function response(status, headers, body)
    local version, bound = body:match('^{"text_v(%%d+)":"(%%d+)"}$')
    if status ~= 200 or not version or version %% %d ~= tonumber(bound) then mixed = mixed + 1 end
end
function done(summary, latency, requests)
    local errors, bad = summary.errors, 0
    for _, thread in ipairs(threads) do bad = bad + thread:get("mixed") end
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    local form = '{"requests": %%d, "seconds": %%f, "failed": %%d, "mixed": %%d, "p50": %%f, "p99": %%f, "max": %%f}'
    print(string.format(form,
        summary.requests, summary.duration / 1e6, failed, bad,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""


@frozen
class Figures:
    """What wrk saw; times in milliseconds. ``mixed`` counts every answer that is not wholly one version's."""

    requests: int
    seconds: float
    failed: int
    mixed: int
    p50: float
    p99: float
    max: float

    def __str__(self) -> str:
        rate = self.requests / self.seconds
        return f"{rate:6.0f}/s, p50 {self.p50:5.2f} ms, p99 {self.p99:6.2f} ms, most {self.max:6.1f} ms"


class Drill:
    """A gateway before services whose versions are written here.

    :ivar taken: from each write of one file to the first answer by a new route, in seconds.
    :ivar taken_by_all: the same where several files were written.
    """

    def __init__(self, gateway: GatewayProcess, folder: Path, script: Path, services: int) -> None:
        self.taken: list[float] = []
        self.taken_by_all: list[float] = []
        self._gateway = gateway
        self._folder = folder
        self._script = script
        self._services = services
        self._version = 0
        self._asking = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)

    def quiet(self, seconds: float) -> Figures:
        with self._wrk(seconds) as running:
            return figures(running)

    def reloading(self, changes: Iterator[range]) -> Figures:
        """:param changes: which services change together."""
        with self._wrk(3600) as running:
            for services in changes:
                self._change(services)
            # wrk reports when it is interrupted.
            running.send_signal(signal.SIGINT)
            return figures(running)

    def change(self, number: int) -> None:
        """The change of that number in a long row."""
        self._change(range(self._services if number % 20 == 0 else 1))

    def _wrk(self, seconds: float) -> subprocess.Popen[str]:
        target = f"http://127.0.0.1:{self._gateway.port}/s0/m0?{QUERY}"
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}", "-s", str(self._script)]
        return subprocess.Popen(["wrk", *options, target], stdout=subprocess.PIPE, text=True)

    def _change(self, services: range) -> None:
        self._version += 1
        if self._version % 10 == 5:
            # For the next version of this one to mend.
            (self._folder / "s1.thrift").write_text("struct R { 1:")
        began = time.monotonic()
        for service in services:
            (self._folder / f"s{service}.thrift").write_text(idl(service, self._version, METHODS))
        for service in {services[0], services[-1]}:
            while not self._is_served(f"/s{service}/v{self._version}?{QUERY}"):
                time.sleep(0.01)
        (self.taken if len(services) == 1 else self.taken_by_all).append(time.monotonic() - began)

    def _is_served(self, target: str) -> bool:
        self._asking.request("GET", target)
        answer = self._asking.getresponse()
        answer.read()
        return answer.status == 200


class Watched(GatewayProcess):
    """A gateway that also says how many timers its reactor has."""

    PROGRAM = (sys.executable, "-m", "benchmarks.reload_drill", "--twistd")

    _asked = 0

    @property
    def held(self) -> str:
        """What the process has just now."""
        self._asked += 1
        self.process.send_signal(signal.SIGUSR2)
        timers = self.find(rf"timers {self._asked}: (\d+)")
        process = Path(f"/proc/{self.process.pid}")
        status = (process / "status").read_text("ascii")
        resident, threads = (int(re.findall(rf"{what}:\s+(\d+)", status)[0]) for what in ("VmRSS", "Threads"))
        files = len(os.listdir(process / "fd"))
        return f"{resident / 1024:6.1f} MiB, {files} files, {threads} threads, {timers} timers"

    @staticmethod
    def run(arguments: list[str]) -> None:
        """``twistd`` with these arguments, which answers SIGUSR2."""
        from twisted.scripts.twistd import run

        asked = 0

        def tell(*_: object) -> None:
            nonlocal asked
            asked += 1
            from twisted.internet import reactor

            print(f"timers {asked}: {len(reactor.getDelayedCalls())}", flush=True)  # type: ignore[attr-defined]

        signal.signal(signal.SIGUSR2, tell)
        sys.argv = ["twistd", "--nodaemon", "--pidfile=", *arguments]
        run()


def figures(wrk: subprocess.Popen[str]) -> Figures:
    output, _ = wrk.communicate()
    found = re.search(r"^\{.*\}$", output, re.MULTILINE)
    if found is None:
        raise SystemExit(f"wrk said nothing of use: {output}")
    return Figures(**json.loads(found[0]))


def main() -> int:
    if sys.argv[1:2] == ["--twistd"]:
        Watched.run(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ones", type=int, default=40, help="changes of one file, each round")
    parser.add_argument("--alls", type=int, default=10, help="changes of all files, each round")
    parser.add_argument("--services", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long it is measured with nothing going on")
    parser.add_argument(
        "--endurance", type=int, default=0, help="so many changes, and what the gateway holds meanwhile"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second meanwhile")
    parser.add_argument("--shared", action="store_true", help="let all run on every core")
    parser.add_argument("--options", default="", help="for the gateway")
    options = parser.parse_args()
    if not options.endurance and shutil.which("wrk") is None:
        print("there is no wrk on PATH")
        return 75
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        idls = folder / "idl"
        idls.mkdir()
        for service in range(options.services):
            (idls / f"s{service}.thrift").write_text(idl(service, 0, METHODS))
        (folder / "tgw.toml").write_text('log.access = "off"\nmapping.on_breaking = "serve"\n')
        (folder / "look.lua").write_text(SCRIPT % TOLD_APART)
        echo = stack.enter_context(Echo(folder, METHODS))
        others = [echo.process.pid, os.getpid()]
        statics = [word for service in range(options.services) for word in ("--static", f"s{service}={echo.address}")]
        started = Watched if options.endurance else GatewayProcess
        gateway = stack.enter_context(
            started("--config", str(folder / "tgw.toml"), *statics, *shlex.split(options.options), idl=idls)
        )
        if not options.shared:
            part(gateway.process.pid, others)
        drill = Drill(gateway, idls, folder / "look.lua", options.services)
        return endure(drill, gateway, options) if isinstance(gateway, Watched) else run(drill, gateway, options)


def part(gateway: int, others: list[int]) -> None:
    """Give this process a core alone, and these, and what they start, all others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return
    for process, its in ((gateway, cores[-1:]), *((each, cores[:-1]) for each in others)):
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), its)


def endure(drill: Drill, gateway: Watched, options: argparse.Namespace) -> int:
    load = ["tests.end_to_end.steady_load", str(gateway.port), f"/s0/m0?{QUERY}", str(options.rate)]
    with Program([sys.executable, "-m", *load]) as asking:
        print(f"{0:5} reloads: {gateway.held}", flush=True)
        for number in range(1, options.endurance + 1):
            drill.change(number)
            if number % max(1, options.endurance // 10) == 0:
                print(f"{number:5} reloads: {gateway.held}", flush=True)
        asking.process.send_signal(signal.SIGTERM)
        told = json.loads("{" + asking.line("{"))
    print(f"{told['sent']} requests, {len(told['failed'])} failed; {len(gateway.tracebacks)} tracebacks")
    return int(bool(told["failed"] or gateway.tracebacks))


def run(drill: Drill, gateway: GatewayProcess, options: argparse.Namespace) -> int:
    one, all_ = range(1), range(options.services)
    ratios, wrong = [], 0
    drill.quiet(3)
    for _ in range(options.rounds):
        quiet = drill.quiet(options.seconds)
        reloading = drill.reloading(iter([one] * options.ones + [all_] * options.alls))
        ratios.append(reloading.p99 / quiet.p99)
        wrong += sum(each.failed + each.mixed for each in (quiet, reloading))
        print(f"quiet      {quiet}\nreloading  {reloading}, p99 {ratios[-1]:.2f} times", flush=True)
        print(f"           {reloading.requests} requests: {reloading.failed} failed, {reloading.mixed} mixed")
    mapping = gateway.admin("/routes")["mapping"]
    late = sum(taken > VISIBLE_WITHIN for taken in (*drill.taken, *drill.taken_by_all))
    print(f"{mapping['generation']} mappings served, loads: {mapping['reloads']}")
    for what, taken in (("one", drill.taken), (f"all {options.services}", drill.taken_by_all)):
        if taken:
            print(f"{what} served after {statistics.median(taken):.2f} s, at most {max(taken):.2f} s")
    print(f"{late} later than {VISIBLE_WITHIN:.0f} s")
    print(f"p99 {statistics.median(ratios):.2f} times; {wrong} answers wrong; {len(gateway.tracebacks)} tracebacks")
    return int(wrong > 0 or late > 0 or statistics.median(ratios) >= SLOWER or bool(gateway.tracebacks))


if __name__ == "__main__":
    sys.exit(main())
