"""What one request costs without the kernel: bytes in, bytes out, everything between, in microseconds.

    benchmarks/request.py [--idl FILE] [--requests N] [--profile]

The gateway as wired by default, but for its sockets: a client's bytes are handed to the
listener, a call's bytes are answered with the same reply each time.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from txgateway.config import Settings, merge
from txgateway.net.pool import Pool
from txgateway.wiring import GatewayService, build_gateway, following

IDL = """
struct GetReq  { 1: i32 num (api.query="num", api.vd="$<100; msg:'num must be less than 100'") }
struct GetResp { 1: bool exist, 2: string id, 3: string title, 4: string author }
service BenchSvc { GetResp fetch(1: GetReq req) (api.get="/bench/get") }
"""
REQUEST = b"GET /bench/get?num=5 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
# fetch's reply: true, and three strings.
RESULT = b"\x0c\0\0\x02\0\x01\x01\x0b\0\x02\0\0\0\x015\x0b\0\x03\0\0\0\x05title\x0b\0\x04\0\0\0\x06author\0\0"


class Transport:
    """A socket's place: keeps what was written last."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 40000)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


class Endpoint:
    """Where the gateway listens, and where it finds the service."""

    def __init__(self) -> None:
        self.clients: list[tuple[Any, Transport]] = []
        self.factory: Any = None

    def listen(self, factory: Any) -> Any:
        self.factory = factory
        return succeed(self)

    def getHost(self) -> str:
        return "memory"

    def connect(self, factory: Any) -> Any:
        client, transport = factory.buildProtocol(None), Transport()
        client.makeConnection(transport)
        self.clients.append((client, transport))
        return succeed(client)


class Reactor(Clock):
    """Time that is real, and timers that nobody runs."""

    def seconds(self) -> float:
        return time.monotonic()

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        """Nothing that a thread has to say comes within the run."""


def build(idl: str, access_log: bool) -> tuple[GatewayService, Endpoint]:
    endpoint = Endpoint()
    following.pool_maker = lambda settings, reactor: (
        lambda instance, policies: Pool(reactor, instance, connect=lambda reactor, instance: endpoint)
    )
    tables = {
        "http": {"listen": []},
        "log": {"access": "json" if access_log else "off"},
        "mapping": {"idl": [idl], "watch": "off"},
        "discovery": {"static": ["bench=127.0.0.1:1"]},
    }
    gateway = build_gateway(merge(Settings(), tables), Reactor())
    gateway._listen_on = [endpoint]
    gateway.startService()
    return gateway, endpoint


def run(endpoint: Endpoint, count: int) -> None:
    connection, browser = endpoint.factory.buildProtocol(None), Transport()
    connection.makeConnection(browser)
    for _ in range(count):
        connection.dataReceived(REQUEST)
        client, transport = endpoint.clients[-1]
        (length,) = struct.unpack_from(">I", transport.written, 8)
        head = bytearray(transport.written[4 : 16 + length])
        head[3] = 2
        client.dataReceived(struct.pack(">I", len(head) + len(RESULT)) + head + RESULT)
    assert browser.written.startswith(b"HTTP/1.1 200 OK"), browser.written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--access-log", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bench.thrift")
        file.write_text(IDL)
        gateway, endpoint = build(str(file), options.access_log)
        gateway._background.stop()
    run(endpoint, 2000)
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(run, endpoint, options.requests)
        report(profile, options.requests)
        return
    rounds = []
    for _ in range(5):
        began = time.process_time()
        run(endpoint, options.requests // 5)
        rounds.append((time.process_time() - began) / (options.requests // 5) * 1e6)
    print(f"{min(rounds):.1f} us a request (rounds: {', '.join(f'{each:.1f}' for each in rounds)})")


def report(profile: cProfile.Profile, count: int) -> None:
    """The functions by their own time, in microseconds a request; the profiler doubles all of it."""
    rows = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    for (file, line, name), (_, calls, own, whole, _) in sorted(rows, key=lambda row: -row[1][2])[:60]:
        place = f"{Path(file).name}:{line}"
        print(f"{own / count * 1e6:7.2f} {whole / count * 1e6:7.2f} {calls / count:6.2f}  {place} {name}")


if __name__ == "__main__":
    sys.exit(main())
