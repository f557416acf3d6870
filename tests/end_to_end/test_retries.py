"""What a service gets to see of a call that failed: the same bytes once more, or nothing; real sockets all the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
import treq
from twisted.internet import reactor

from tests.end_to_end.twistd import ROOT
from txgateway.config import Settings, merge
from txgateway.core.codec.exception import ApplicationError
from txgateway.testing import Conduct, ScriptedServer, free_port
from txgateway.wiring import build_gateway

FREE = ["tcp:0:interface=127.0.0.1"]
BOOK = b"\x0c\x00\x00" + b"\x0b\x00\x01\x00\x00\x00\x017" + b"\x00\x00"
INSERTED = b"\x0c\x00\x00" + b"\x02\x00\x01\x01" + b"\x00\x00"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def first(*answers: object) -> Callable:
    """Each of these in turn, the last for ever."""
    left = list(answers)
    return lambda call: left.pop(0) if len(left) > 1 else left[0]


@pytest_twisted.async_yield_fixture
async def serve():
    """A function that starts a scripted service; all are stopped at the end."""
    servers: list[ScriptedServer] = []

    async def serve(query: object = BOOK, insert: object = INSERTED) -> ScriptedServer:
        servers.append(ScriptedServer({"queryBook": query, "insertBook": insert}))
        return await servers[-1].start(reactor)

    yield serve
    for server in servers:
        await server.stop()


@pytest_twisted.async_yield_fixture
async def ask():
    """A function that starts a gateway before these ports; that gives the status of a query, or of an insertion."""
    gateways: list = []

    def start(*ports: int, **policy: object) -> Callable:
        settings = {
            "http": {"listen": FREE},
            "mapping": {"idl": [str(ROOT / "idl")]},
            "discovery": {"static": [f"book=127.0.0.1:{port}" for port in ports]},
            "policy": policy,
        }
        gateways.append(build_gateway(merge(Settings(), settings), reactor))
        gateways[-1].startService()
        url = f"http://127.0.0.1:{gateways[-1].public.addresses[0].port}/book"

        async def ask(verb: str) -> int:
            if verb == "GET":
                answer = await treq.get(f"{url}/query?num=7", persistent=False, timeout=30)
            else:
                answer = await treq.post(
                    f"{url}/insert", b"id=1&title=Emma", headers=FORM, persistent=False, timeout=30
                )
            await answer.content()
            return answer.code

        return ask

    yield start
    for gateway in gateways:
        await gateway.stopService()


@pytest_twisted.ensureDeferred
async def test_a_delivered_call_that_is_not_safe_is_never_sent_again(serve, ask):
    one, other = await serve(insert=Conduct.CLOSE), await serve(insert=Conduct.CLOSE)
    gateway = ask(one.instance.port, other.instance.port, retries=5)
    assert await gateway("POST") == 502
    assert len(one.received) + len(other.received) == 1


@pytest_twisted.ensureDeferred
async def test_a_delivered_call_that_is_safe_is_sent_once_more_to_another_instance(serve, ask):
    one, other = await serve(query=Conduct.CLOSE), await serve(query=Conduct.CLOSE)
    gateway = ask(one.instance.port, other.instance.port, retries=1)
    assert await gateway("GET") == 502
    assert [len(each.received) for each in (one, other)] == [1, 1]
    assert one.received[0].payload == other.received[0].payload


@pytest.mark.parametrize(("verb", "status", "calls"), [("GET", 200, 4), ("POST", 502, 2)])
@pytest_twisted.ensureDeferred
async def test_a_lost_connection_costs_no_safe_call_and_every_other_one(serve, ask, verb, status, calls):
    one, other = await serve(query=Conduct.CLOSE, insert=Conduct.CLOSE), await serve()
    gateway = ask(one.instance.port, other.instance.port)
    assert sorted([await gateway(verb) for _ in range(2)]) == sorted([200, status])
    assert len(one.received) + len(other.received) == calls - (verb == "GET")


@pytest.mark.parametrize("policy", [{"repeat_lost": False}, {"methods": {"book": {"retries": 0}}}])
@pytest_twisted.ensureDeferred
async def test_who_wants_no_repetition_gets_none(serve, ask, policy):
    server = await serve(query=Conduct.CLOSE)
    assert await ask(server.instance.port, **policy)("GET") == 502
    assert len(server.received) == 1


@pytest_twisted.ensureDeferred
async def test_a_call_is_repeated_once_for_a_lost_connection(serve, ask):
    servers = [await serve(query=Conduct.CLOSE) for _ in range(3)]
    assert await ask(*(server.instance.port for server in servers))("GET") == 502
    assert sorted(len(server.received) for server in servers) == [0, 1, 1]


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest_twisted.ensureDeferred
async def test_a_refused_connect_costs_no_call_its_body(serve, ask, verb):
    server = await serve()
    gateway = ask(free_port(), free_port(), server.instance.port)
    assert [await gateway(verb) for _ in range(6)] == [200] * 6
    assert len({message.payload for message in server.received}) == 1
    assert len(server.received) == 6


@pytest_twisted.ensureDeferred
async def test_the_same_instance_is_asked_again_where_there_is_no_other(serve, ask):
    server = await serve(query=first(Conduct.CLOSE, BOOK))
    assert await ask(server.instance.port, retries=1)("GET") == 200
    assert [message.payload for message in server.received] == [server.received[0].payload] * 2


@pytest_twisted.ensureDeferred
async def test_a_try_that_hangs_leaves_time_for_another(serve, ask):
    server = await serve(query=first(Conduct.SILENCE, BOOK))
    assert await ask(server.instance.port, retries=1, timeout=0.5)("GET") == 200
    assert len(server.received) == 2


@pytest.mark.parametrize(("retry_on", "status", "calls"), [(["timeout"], 502, 1), (["exception"], 200, 2)])
@pytest_twisted.ensureDeferred
async def test_an_undeclared_exception_is_repeated_where_that_is_asked_for(serve, ask, retry_on, status, calls):
    server = await serve(query=first(ApplicationError(6, "no"), BOOK))
    assert await ask(server.instance.port, retries=1, retry_on=retry_on)("GET") == status
    assert len(server.received) == calls
