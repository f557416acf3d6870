"""Each HTTP server in turn, for the stories that are told to all of them."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString

from tests.contract.http_server import Server
from txgateway.net.http import http_servers

http_servers.load()


@pytest.fixture(params=list(http_servers))
def make(request):
    return http_servers[request.param]


@pytest_twisted.async_yield_fixture
async def server(make):
    server = Server(make)
    await server.server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1")])
    yield server
    await server.server.stop_listening()
