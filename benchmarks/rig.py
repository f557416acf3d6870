"""What the benchmarks share: programs with a core each, load on them, and what they used for it."""

from __future__ import annotations

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
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.end_to_end import kitex  # noqa: E402
from txgateway.testing import free_port  # noqa: E402

IDL = ROOT / "tests" / "kitex" / "idl" / "bench.thrift"
PEERS = ROOT / "benchmarks" / "peers"
TICKS = os.sysconf("SC_CLK_TCK")
SKIPPED = 75
# The gateway under test has one core, all others share the other.
OURS, OTHERS = 0, 1


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
    """A process, and its children, on some cores."""

    def __init__(self, cores: int | str, command: Sequence[str | Path], port: int, **environment: str) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in stop)
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cores), *map(str, command)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
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

    def pids(self) -> list[int]:
        """Its own and its children's."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu(self) -> tuple[float, float]:
        """User and system time so far, in seconds."""
        both = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in self.pids()]
        return sum(int(user) for user, _ in both) / TICKS, sum(int(system) for _, system in both) / TICKS

    def memory(self) -> float:
        """Resident, in MiB."""
        status = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        return sum(int(found[1]) for each in status if (found := re.search(r"VmRSS:\s+(\d+)", each))) / 1024

    def descriptors(self) -> int:
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids())

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def load(
    program: Program, work: Work, seconds: float, script: Path | None = None, core: int = OTHERS, connections: int = 0
) -> Figures:
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections or work.connections}", f"-d{seconds}s"]
    command += ["--latency", *(["-s", str(script)] if script else [])]
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


def median(figures: Sequence[Figures]) -> Figures:
    """The one with the median of CPU time."""
    return sorted(figures, key=lambda each: each.cpu)[len(figures) // 2]


def median_ratio(ours: Sequence[Figures], theirs: Sequence[Figures]) -> float:
    """Of the ratios within each round: other work on the machine hits both of a round."""
    return statistics.median(mine.cpu / other.cpu for mine, other in zip(ours, theirs, strict=True))


@frozen
class Latencies:
    """In milliseconds, under a rate that does not wait for answers.

    :ivar rate: what was sent, per second.
    """

    rate: float
    p50: float
    p99: float
    p999: float
    failed: int


def load_at(port: int, path: str, rate: float, seconds: int, connections: int = 32) -> Latencies:
    """Sends at a fixed rate; needs h2load."""
    with tempfile.NamedTemporaryFile() as log:
        command = ["taskset", "-c", str(OTHERS), "h2load", "--h1", "-t1", f"-c{connections}", f"-D{seconds}"]
        command += [f"--rps={rate / connections:.3f}", f"--log-file={log.name}", f"http://127.0.0.1:{port}{path}"]
        subprocess.run(command, capture_output=True, check=True)
        rows = [line.split("\t") for line in Path(log.name).read_text().splitlines()]
    times = sorted(int(row[2]) / 1000 for row in rows)
    failed = sum(not 200 <= int(row[1]) < 400 for row in rows)

    def at(share: float) -> float:
        return times[min(len(times) - 1, int(len(times) * share))]

    return Latencies(len(times) / seconds, at(0.5), at(0.99), at(0.999), failed)


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


class Rig:
    """One real Kitex server, and gateways in front of it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._built = build_services()
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.services = [self.service()]

    def service(self, host: str = "127.0.0.1") -> str:
        """One more server; its address."""
        port = free_port()
        # It speaks Thrift only, which is answer enough to know that it listens.
        command = [self._built / "server", "-addr", f"{host}:{port}"]
        self._stack.enter_context(running(Program(OTHERS, command, port)))
        return f"{host}:{port}"

    def ours(self, *options: str, idl: Path = IDL, cores: int | str = OURS) -> Program:
        """Our gateway, with all as shipped but for the options."""
        port = free_port()
        twistd = [Path(sys.executable).parent / "twistd", "-n", "--pidfile=", "tgw"]
        listen = ["--idl", str(idl), "--listen", f"tcp:{port}:interface=127.0.0.1"]
        static = [part for each in self.services for part in ("--static", f"bench={each}")]
        return self._stack.enter_context(running(Program(cores, [*twistd, *listen, *static, *options], port)))

    def configured(self, text: str, *options: str, **more: Path) -> Program:
        """Our gateway with a configuration file of this text."""
        file = self.folder / f"{abs(hash(text))}.toml"
        file.write_text(text)
        return self.ours("--config", str(file), *options, **more)

    def collector(self) -> str:
        """Starts a collector of traces; its endpoint."""
        port = free_port()
        command = [sys.executable, ROOT / "benchmarks" / "collector.py", str(port)]
        self._stack.enter_context(running(Program(OTHERS, command, port)))
        return f"http://127.0.0.1:{port}/v1/traces"

    def theirs(self) -> Program:
        """The gateway in Go."""
        port = free_port()
        go = [build_peer(ROOT / ".cache" / "peers"), "-listen", f"127.0.0.1:{port}", "-idl", IDL]
        program = Program(OURS, [*map(str, go), "-instances", self.services[0]], port, GOMAXPROCS="1")
        return self._stack.enter_context(running(program))


@contextmanager
def rig() -> Iterator[Rig]:
    """Ends with status 75 and says what is missing, if anything is."""
    need("wrk", "taskset", "go")
    if (os.cpu_count() or 1) < 2:
        skip("two cores are needed")
    with ExitStack() as stack:
        yield Rig(stack)


@contextmanager
def running(program: Program) -> Iterator[Program]:
    try:
        yield program
    finally:
        program.stop()


def build_services() -> Path:
    """Where the real Kitex services are."""
    try:
        return kitex.build()
    except kitex.Unavailable as reason:
        skip(str(reason))
        raise


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


def need(*programs: str) -> None:
    for needed in programs:
        if shutil.which(needed) is None:
            skip(f"no {needed} here")


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def machine() -> dict[str, str | int]:
    """Where the figures come from."""
    go = subprocess.run(["go", "version"], capture_output=True, text=True).stdout.split()
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "go": go[2] if len(go) > 2 else "none",
        "cores": os.cpu_count() or 0,
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def options_of(text: str) -> list[str]:
    return shlex.split(text)
