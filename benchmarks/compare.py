"""The gateway beside one in Go (Hertz and Kitex), on the same work, in one run.

    benchmarks/compare.py [--rounds 5] [--seconds 4] [--works get,list20] [--gateway "--config FILE"] [--json FILE]

Both serve ``tests/kitex/idl/bench.thrift`` and call the same real Kitex server. The gateway
under test has core 0 alone and one process (Go: GOMAXPROCS=1); the load generator and the
Kitex server share core 1. They take turns, round by round, and what counts is the ratio of
CPU time per request within a round, ours to theirs; other work on the machine hits both.

Needs wrk, Go 1.24 or newer, Linux and two cores; says what is missing and ends with status 75.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.end_to_end import kitex  # noqa: E402
from txgateway.testing import free_port  # noqa: E402

IDL = ROOT / "tests" / "kitex" / "idl" / "bench.thrift"
PEERS = ROOT / "benchmarks" / "peers"
TICKS = os.sysconf("SC_CLK_TCK")
SKIPPED = 75


@frozen
class Work:
    """:ivar records: how many are in the reply, or in the body if ``posts``."""

    path: str
    connections: int
    records: int = 0
    posts: bool = False


WORKS = {
    "get": Work("/bench/get?num=6", 64),
    "list20": Work("/bench/list?count=20", 64, 20),
    "list1000": Work("/bench/list?count=1000", 8, 1000),
    "store20": Work("/bench/store/x", 64, 20, posts=True),
    "store1000": Work("/bench/store/x", 8, 1000, posts=True),
}


@frozen
class Figures:
    """CPU in microseconds per request, latencies as wrk prints them."""

    cpu: float
    user: float
    rate: float
    p50: str
    p99: str
    failed: int


class Program:
    """A process on one core."""

    def __init__(self, core: int, command: list[str], port: int, **environment: str) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in stop)
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1).close()
            except urllib.error.HTTPError:
                return
            except OSError as error:
                if "refused" not in str(error):
                    return
                if self.process.poll() is not None:
                    self._log.seek(0)
                    raise SystemExit(f"{self.process.args}: {self._log.read()}") from None
                time.sleep(0.1)
            else:
                return
        raise SystemExit(f"{self.process.args}: does not listen")

    def cpu(self) -> tuple[float, float]:
        """User and system time so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def memory(self) -> float:
        """Resident, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def load(program: Program, work: Work, seconds: float, script: Path | None) -> Figures:
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{work.connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(script)] if script else []
    before = program.cpu()
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{program.port}{work.path}"], capture_output=True, text=True, check=True
    ).stdout
    user, system = (after - earlier for after, earlier in zip(program.cpu(), before, strict=True))
    count = int(_find(r"(\d+) requests in", said, "0"))
    micro = 1e6 / max(count, 1)
    return Figures(
        cpu=(user + system) * micro,
        user=user * micro,
        rate=count / seconds,
        p50=_find(r"^\s+50%\s+(\S+)", said, "-"),
        p99=_find(r"^\s+99%\s+(\S+)", said, "-"),
        failed=int(_find(r"Non-2xx or 3xx responses: (\d+)", said, "0")),
    )


def _find(pattern: str, text: str, otherwise: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else otherwise


def post_script(folder: Path, program: Program, records: int) -> Path:
    """wrk's script for posting as many records as a reply would hold."""
    with urllib.request.urlopen(f"http://127.0.0.1:{program.port}/bench/list?count={records}") as reply:
        body = json.dumps({"books": json.load(reply)["books"]}, ensure_ascii=False, separators=(",", ":"))
    (folder / f"{records}.json").write_text(body)
    script = folder / f"{records}.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f'local file = io.open("{folder}/{records}.json", "rb")\nwrk.body = file:read("*a")\nfile:close()\n'
    )
    return script


def race(name: str, theirs: Program, ours: Program, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    work = WORKS[name]
    script = post_script(folder, theirs, work.records) if work.posts else None
    for program in (theirs, ours):
        load(program, work, 1, script)
    rounds = [
        (load(theirs, work, options.seconds, script), load(ours, work, options.seconds, script))
        for _ in range(options.rounds)
    ]
    ratios = [mine.cpu / other.cpu for other, mine in rounds]
    ratio = statistics.median(ratios)
    for who, side in (("theirs", 0), ("ours", 1)):
        middle = sorted((pair[side] for pair in rounds), key=lambda figures: figures.cpu)[len(rounds) // 2]
        print(
            f"{name:10} {who:6} {middle.cpu:8.1f} us a request ({middle.user:.1f} of it user)  {middle.rate:8.0f}/s"
            f"  p50 {middle.p50}  p99 {middle.p99}  failed {middle.failed}"
        )
    print(f"{name:10} ratio  {ratio:8.2f}  (rounds: {', '.join(f'{each:.2f}' for each in ratios)})", flush=True)
    return {"ratio": ratio, "rounds": ratios}


@contextmanager
def running(program: Program) -> Iterator[Program]:
    try:
        yield program
    finally:
        program.stop()


def build_peer(out: Path) -> Path:
    """The gateway in Go; kept between runs."""
    program = out / "hertz-kitex"
    newest = max(file.stat().st_mtime for file in PEERS.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        out.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        done = subprocess.run(
            ["go", "build", "-trimpath", "-o", program, "."], cwd=PEERS, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            skip(f"the gateway in Go cannot be built: {done.stderr.strip()[-500:]}")
    return program


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--gateway", default="", help="further options of twistd tgw")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    for needed in ("wrk", "taskset", "go"):
        if shutil.which(needed) is None:
            skip(f"no {needed} here")
    if (os.cpu_count() or 1) < 2:
        skip("two cores are needed")
    try:
        services = kitex.build()
    except kitex.Unavailable as reason:
        skip(str(reason))
    peer = build_peer(ROOT / ".cache" / "peers")
    figures: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        service, theirs, ours = free_port(), free_port(), free_port()
        # It speaks Thrift only, which is answer enough to know that it listens.
        stack.enter_context(running(Program(1, [str(services / "server"), "-addr", f"127.0.0.1:{service}"], service)))
        address = f"127.0.0.1:{service}"
        go = [str(peer), "-listen", f"127.0.0.1:{theirs}", "-idl", str(IDL), "-instances", address]
        other = stack.enter_context(running(Program(0, go, theirs, GOMAXPROCS="1")))
        twistd = [str(Path(sys.executable).parent / "twistd"), "-n", "--pidfile=", "--reactor=tgw-epoll", "tgw"]
        listen = ["--idl", str(IDL), "--listen", f"tcp:{ours}:interface=127.0.0.1", "--static", f"bench={address}"]
        mine = stack.enter_context(running(Program(0, [*twistd, *listen, *shlex.split(options.gateway)], ours)))
        for work in options.works.split(","):
            figures[work] = race(work, other, mine, options, folder)
        figures["memory"] = {"theirs": other.memory(), "ours": mine.memory()}
        print(f"memory     theirs {other.memory():.0f} MiB, ours {mine.memory():.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
