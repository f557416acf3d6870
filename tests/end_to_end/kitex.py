"""Real Kitex peers for the tests: builds the Go programs of ``tests/kitex`` once and runs them."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "kitex"
BOOK_IDL = ROOT / "idl" / "book.thrift"
CACHE = ROOT / ".cache"

OLDEST_GO = (1, 24)
# A first build fetches 60 modules and compiles them and all they need: one to four minutes on two cores.
BUILD_TIMEOUT = 900.0
MODULES_NOT_FETCHED = 75
# A Kitex server registers 1 s after it listens and may take 5 s to end; the machine may be busy.
START_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0
CLIENT_TIMEOUT = 60.0

PREFIX = "kitex/registry-etcd"
TRANSPORTS = ("framed", "buffered", "ttheader", "ttheader-framed", "mux")


class Unavailable(Exception):
    """Why this machine cannot build the peers; everything else that goes wrong is a failure of the build."""


def build() -> Path:
    """The folder with the programs ``server``, ``client`` and ``replay``, built when their sources changed.

    :raises Unavailable: no Go, one that is too old, or no way to fetch the modules.
    :raises RuntimeError: the sources do not build; the text holds the compiler's words.
    """
    folder = CACHE / f"kitex-{_fingerprint()}"
    if folder.is_dir():
        return folder
    _require_go()
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "kitex.lock", "w") as lock:
        # Who comes second waits and finds the programs built.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build_into(folder)
    return folder


def _build_into(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="kitex-build-", dir=CACHE) as temporary:
        _run_build(Path(temporary) / "out")
        (Path(temporary) / "out").rename(folder)
    for stale in CACHE.glob("kitex-*"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)


def _fingerprint() -> str:
    files = [BOOK_IDL, *sorted(path for path in SOURCES.rglob("*") if path.is_file())]
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _require_go() -> None:
    go = shutil.which("go")
    if go is None:
        raise Unavailable("the Kitex peers need Go, and there is no `go` on PATH")
    said = subprocess.run(
        [go, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, timeout=30
    ).stdout.strip()
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise Unavailable(f"the Kitex peers need Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer, and `go` is {said!r}")


def _run_build(out: Path) -> None:
    done = subprocess.run(
        [SOURCES / "build.sh", out], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=BUILD_TIMEOUT
    )
    if done.returncode == MODULES_NOT_FETCHED:
        raise Unavailable(f"the Go modules of the Kitex peers cannot be fetched: {done.stderr.strip()[-500:]}")
    if done.returncode != 0:
        raise RuntimeError(f"tests/kitex/build.sh failed with {done.returncode}:\n{done.stdout}{done.stderr}"[-8000:])


class Program:
    """A Go program that runs; what it prints is kept, line by line, its errors with the rest."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str] = {}) -> None:
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._ended = True
            self._said.notify_all()

    @property
    def output(self) -> str:
        with self._said:
            return "\n".join(self.lines)

    def line(self, beginning: str, timeout: float = START_TIMEOUT) -> str:
        """Wait for a line that begins so, and return the rest of it."""
        deadline = time.monotonic() + timeout
        with self._said:
            while True:
                for line in self.lines:
                    if line.startswith(beginning):
                        return line[len(beginning) :].strip()
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no line {beginning!r}, only:\n" + "\n".join(self.lines))
                self._said.wait(left)

    def json(self) -> dict[str, Any]:
        """The last JSON object that it printed."""
        with self._said:
            found = [line for line in self.lines if line.startswith("{")]
        assert found, f"no JSON in:\n{self.output}"
        value: dict[str, Any] = json.loads(found[-1])
        return value

    def end(self, how: signal.Signals = signal.SIGTERM, timeout: float = STOP_TIMEOUT) -> int:
        """Send the signal, wait for the end (SIGKILL when it takes too long), and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait(timeout)

    def wait(self, timeout: float) -> int:
        """Wait for it to end by itself; SIGKILL when it takes too long."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT)
        self._reader.join(STOP_TIMEOUT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGKILL)


class KitexServer(Program):
    """A Kitex server of ``tests/kitex/idl/bench.thrift``; it listens when this returns.

    :param etcd: URL to register with, under the prefix; then it is also registered when this returns.
    :param lease: seconds that its registration outlives it, when it dies without a word.
    :param delay: seconds that each call takes.
    """

    def __init__(
        self,
        binaries: Path,
        *,
        etcd: str | None = None,
        prefix: str = PREFIX,
        name: str = "bench",
        weight: int = 10,
        mux: bool = False,
        delay: float = 0.0,
        address: str = "127.0.0.1:0",
        lease: int = 60,
    ) -> None:
        options = [f"-addr={address}", f"-name={name}", f"-weight={weight}", f"-mux={mux}".lower(), f"-delay={delay}s"]
        if etcd is not None:
            options += [f"-etcd={etcd}", f"-prefix={prefix}"]
        super().__init__([binaries / "server", *options], {"KITEX_ETCD_REGISTRY_LEASE_TTL": str(lease)})
        try:
            self.address = self.line("listening ")
            if etcd is not None:
                self.line(f"registered {name}")
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def stop(self) -> dict[str, int]:
        """Stop it as an operator does, and return how many calls each method got."""
        status = self.end(signal.SIGTERM)
        assert status == 0, f"the Kitex server ended with {status}:\n{self.output}"
        return self.json()


class KitexReplay(Program):
    """A Kitex server of every service, which does as it is told; it listens when this returns."""

    def __init__(self, binaries: Path) -> None:
        super().__init__([binaries / "replay"])
        try:
            self.control = self.line("control ")
            self.address = self.line("listening ")
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def answers(self, reply: Mapping[str, Any]) -> None:
        """What it does with every call from now on, as a recorded case puts it; what it got is forgotten."""
        self._control("POST", "/reply", json.dumps(reply))

    def calls(self) -> list[tuple[str, bytes]]:
        """What it got since, by method and argument struct."""
        calls = json.loads(self._control("GET", "/calls"))
        return [(call["method"], bytes.fromhex(call["arguments_hex"])) for call in calls]

    def _control(self, verb: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection(self.control, timeout=START_TIMEOUT)
        try:
            connection.request(verb, path, body)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status < 300, said
            return said
        finally:
            connection.close()


class KitexLoop(Program):
    """A Kitex client that queries a Book service all the time, until :meth:`stop`; an instance has answered already.

    :param total: when so many calls are made it stops by itself.
    :param pause: seconds between two queries of one of the ``concurrency`` callers; without it they take a whole core.
    :param seconds: when it stops by itself.
    :param refresh: seconds between its looks into etcd.
    """

    def __init__(
        self,
        binaries: Path,
        etcd: str,
        *,
        prefix: str = PREFIX,
        transport: str = "framed",
        concurrency: int = 4,
        total: int = 1 << 62,
        pause: float = 0.002,
        seconds: float = 60.0,
        refresh: float = 5.0,
        name: str = "book",
    ) -> None:
        options = [f"-etcd={etcd}", f"-prefix={prefix}", f"-name={name}", f"-transport={transport}"]
        options += [f"-concurrency={concurrency}", f"-loop={seconds}", f"-pause={pause}s", f"-refresh={refresh}s"]
        options += [f"-total={total}"]
        super().__init__([binaries / "client", *options])
        try:
            self.line("reached ")
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def reach(self, address: str) -> None:
        """Wait until this instance has answered."""
        self.line(f"reached {address}")

    def stop(self) -> dict[str, Any]:
        """End the loop; returns the counts ``ok``, ``failed``, ``errors`` (by text) and ``instances`` (by address)."""
        return self._counts(self.end(signal.SIGTERM))

    def finish(self, timeout: float = STOP_TIMEOUT) -> dict[str, Any]:
        """The same, once its seconds are over or its calls are made."""
        return self._counts(self.wait(timeout))

    def _counts(self, status: int) -> dict[str, Any]:
        assert status == 0, f"the Kitex client ended with {status}:\n{self.output}"
        return self.json()


def call_book(
    binaries: Path, etcd: str, *options: str, prefix: str = PREFIX, transport: str = "framed"
) -> list[dict[str, Any]]:
    """Let a Kitex client query and insert books; returns its JSON lines, the last one ``{"errors": N}``."""
    command: list[str | Path] = [
        binaries / "client",
        f"-etcd={etcd}",
        f"-prefix={prefix}",
        f"-transport={transport}",
        *options,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=CLIENT_TIMEOUT, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, f"the Kitex client said nothing and ended with {done.returncode}:\n{done.stderr}"
    return lines
