"""Many connections at once: what an idle one costs, and that slow ones take nothing from the others."""

from __future__ import annotations

import gc
import os
import resource

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, serverFromString
from twisted.internet.task import deferLater

from tests.contract.http_server import Collect
from tests.net.http.test_httptools_server import GET, Bench
from txgateway.core.message import Response
from txgateway.net.http import HttpLimits, PublicHandlers
from txgateway.net.http.httptools_server import HttpToolsServer

# Python's own memory for a connection, sockets' buffers in the kernel not counted.
MOST_FOR_AN_IDLE_CONNECTION = 12_000


def memory():
    """Resident bytes of this process."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Linux tells its memory there")
def test_an_idle_connection_costs_little():
    bench = Bench(connections=20_000)
    bench.server.serve(PublicHandlers(lambda request: succeed(Response(200)), bench.handle))
    kept = []

    def fill(count):
        for _ in range(count):
            bench.connect()
            bench.connection.dataReceived(GET)
            assert bench.statuses == [200]
            bench.transport.clear()
            kept.append(bench.connection)

    fill(500)
    before = memory()
    fill(5000)
    # The test's own transports are in it.
    assert (memory() - before) / 5000 < MOST_FOR_AN_IDLE_CONNECTION


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_clients_that_drip_are_cut_off_and_others_served():
    """Two thousand heads that never end, and bodies that do not either."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 6000:
        pytest.skip("too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 6000), hard))
    limits = HttpLimits(header_time=1.5, body_time=1.5)
    handlers = PublicHandlers(lambda request: succeed(Response(200)), lambda request: succeed(Response(200)))
    server = HttpToolsServer(handlers, limits, reactor)
    await server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1:backlog=3000")])
    port = server.addresses[0].port
    drippers = [await _connect(port) for _ in range(2000)]
    head, body = GET[:-2] + b"X: ", b"POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 99\r\n\r\n"
    for number, dripper in enumerate(drippers):
        dripper.transport.write(head if number % 2 else body)
    await deferLater(reactor, 0.1)
    for _ in range(20):
        client = await _connect(port)
        client.transport.write(b"GET / HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await client.closed.addTimeout(10, reactor)
        for dripper in drippers[:50]:
            dripper.transport.write(b"x")
    for dripper in drippers:
        received = await dripper.closed.addTimeout(20, reactor)
        assert received.startswith(b"HTTP/1.1 408 ")
    await server.stop_listening()
    await server.drained()


async def _connect(port):
    return await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Collect())
