"""The recorded HTTP calls through the whole gateway to a real Kitex server, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
import treq
from attrs import define, field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher

from tests.end_to_end.kitex import KitexReplay
from tests.recorded.front_door import read_response, request_bytes
from tests.recorded.http import DIFFER, Outcome, Recorded, Refused, judge, recorded
from tests.vectors import RECORDED
from txgateway.config import Settings, merge
from txgateway.core.message import Response
from txgateway.wiring import GatewayService, build_gateway

FAMILIES = sorted(file.stem for file in (RECORDED / "http").glob("*.json"))
WITHIN = 30

pytestmark = pytest.mark.slow


class Exchange(Protocol):
    """Sends its bytes, and reads until the other side closes."""

    def __init__(self, data: bytes) -> None:
        self.closed: Deferred[bytes] = Deferred()
        self._data = data
        self._received = b""

    def connectionMade(self):
        self.transport.write(self._data)

    def dataReceived(self, data):
        self._received += data

    def connectionLost(self, reason):
        self.closed.callback(self._received)


async def exchange(port: int, *request: Any) -> Response:
    """One HTTP request on a connection of its own."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    protocol = await connectProtocol(endpoint, Exchange(request_bytes(*request)))
    return read_response(await protocol.closed.addTimeout(WITHIN, reactor))


async def admin(service: GatewayService, page: str) -> Any:
    url = f"http://127.0.0.1:{service.admin_addresses[0].port}{page}"
    return await (await treq.get(url, persistent=False, timeout=WITHIN)).json()


@frozen
class Running:
    """A gateway of one IDL file in front of the Kitex server.

    :ivar refused: why there is nothing to be served.
    """

    service: GatewayService
    refused: Refused | None = None

    async def ask(self, *request: Any) -> Response:
        return await exchange(self.service.public.addresses[0].port, *request)


@define
class Town:
    """One Kitex server, and a gateway for each IDL file and way to speak."""

    server: KitexReplay
    gateways: dict[tuple[str, bool, bool], Running] = field(factory=dict)

    async def play(self, case: Recorded) -> Outcome | Refused:
        gateway = await self.gateway(case)
        if gateway.refused is not None:
            return gateway.refused
        self.server.answers(case.server_reply)
        response = await gateway.ask(*case.request)
        return Outcome.of(response, await self._calls(response))

    async def gateway(self, case: Recorded) -> Running:
        key = case.idl, case.legacy, case.framed
        if key not in self.gateways:
            self.gateways[key] = await self._start(case)
        return self.gateways[key]

    async def _start(self, case: Recorded) -> Running:
        free = ["tcp:0:interface=127.0.0.1"]
        path = case.folder / case.idl
        tables = {
            "http": {"listen": free, "admin": free},
            "log": {"access": "off"},
            "mapping": {"idl": [str(path)], "legacy_annotations": case.legacy},
            "discovery": {"static": [f"{path.stem}={self.server.address}"]},
            "upstream": {
                "transport": "framed" if case.framed else "ttheader",
                "connect_timeout": WITHIN,
                "deadline": WITHIN,
            },
        }
        service = build_gateway(merge(Settings(), tables), reactor)
        service.startService()
        mapping = (await admin(service, "/healthz"))["mapping"]
        refused = Refused("; ".join(mapping["errors"]) or "it declares no service")
        return Running(service, None if mapping["services"] else refused)

    async def _calls(self, response: Response) -> list[tuple[str, bytes]]:
        """What the server got; a oneway call is answered before it gets there."""
        calls = self.server.calls()
        for _ in range(500):
            if calls or response.status >= 300:
                break
            await deferLater(reactor, 0.02)
            calls = self.server.calls()
        return calls

    async def in_flight(self) -> int:
        """Calls that some gateway still waits for."""
        pages = [await admin(gateway.service, "/services") for gateway in self.gateways.values()]
        return sum(line["in_flight"] for page in pages for lines in page["services"].values() for line in lines)

    async def close(self) -> None:
        for gateway in self.gateways.values():
            await gateway.service.stopService()


@pytest.fixture(scope="module")
def replay(kitex_binaries) -> Iterator[KitexReplay]:
    with KitexReplay(kitex_binaries) as server:
        yield server


@pytest_twisted.async_yield_fixture
async def town(replay):
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    town = Town(replay)
    yield town
    await town.close()
    globalLogPublisher.removeObserver(events.append)
    assert not [event for event in events if "log_failure" in event]


@pytest.mark.parametrize("family", FAMILIES)
@pytest_twisted.ensureDeferred
async def test_kitex_gets_and_gives_what_was_recorded(town, family):
    cases = recorded(RECORDED / "http" / f"{family}.json")
    mismatches = {case.name: judge(case, await town.play(case)) for case in cases}
    different = {name: mismatch for name, mismatch in mismatches.items() if mismatch is not None}
    assert cases
    assert await town.in_flight() == 0
    assert different.keys() == DIFFER & mismatches.keys(), "\n".join(map(str, different.items()))
