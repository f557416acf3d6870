"""Explanations at the admin port of a real gateway: of what is asked, of calls that are made, and of live requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_twisted
import treq
from attrs import frozen
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.core.explain.told import CLOCKS
from tests.core.explain.told import served as serving
from txgateway.config import Settings, merge
from txgateway.core.errors import NoInstance
from txgateway.core.explain.pick import Seen
from txgateway.net.explaining import MOST_AT_ONCE, WITHIN, ExplainedParts, Explainer, NotExplained
from txgateway.testing import ScriptedServer, free_port
from txgateway.wiring import GatewayService, build_gateway

reactor: Any = global_reactor
IDL = Path(__file__).parents[2] / "idl"
# A book with the ID 7, as the result of queryBook.
BOOK = b"\x0c\x00\x00\x0b\x00\x01\x00\x00\x00\x017\x00\x00"


@frozen
class Running:
    gateway: GatewayService
    server: ScriptedServer
    away: int

    async def get(self, target: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """What the public port answers: status, JSON and headers."""
        port = self.gateway.public.addresses[0].port
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await treq.get(f"http://127.0.0.1:{port}{target}", headers=named, persistent=False, timeout=20)
        body = orjson.loads(await answer.content())
        return answer.code, body, {k.decode(): v[0].decode() for k, v in answer.headers.getAllRawHeaders()}

    async def ask(self, page: str, said: Any, **headers: str) -> tuple[int, Any]:
        """What the admin port answers."""
        port = self.gateway.admin_addresses[0].port
        named = {"content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        body = said if isinstance(said, bytes) else orjson.dumps(said)
        answer = await treq.post(f"http://127.0.0.1:{port}{page}", body, headers=named, persistent=False, timeout=20)
        return answer.code, orjson.loads(await answer.content())

    async def explained(self, target: str, **said: Any) -> Any:
        status, page = await self.ask("/explain", {"target": target, **said})
        assert status == 200
        return page


@pytest_twisted.async_yield_fixture
async def start():
    """A function that starts a gateway in front of one server, and of one port where nobody is."""
    running: list[Running] = []

    async def start(instances: bool = True, **http: Any) -> Running:
        server = await ScriptedServer({"queryBook": BOOK}).start(reactor)
        away = free_port()
        free = ["tcp:0:interface=127.0.0.1"]
        static = [f"book={server.instance.address}*3", f"book=127.0.0.1:{away}*1"] if instances else ["bok=127.0.0.1:1"]
        tables = {
            "http": {"listen": free, "admin": free, **http},
            "mapping": {"idl": [str(IDL)], "watch": "off"},
            "discovery": {"static": static},
        }
        gateway = build_gateway(merge(Settings(), tables), reactor)
        gateway.startService()
        running.append(Running(gateway, server, away))
        return running[-1]

    yield start
    for each in running:
        await each.gateway.stopService()
        await each.server.stop()


# What is asked


@pytest_twisted.ensureDeferred
async def test_nothing_is_called_unless_that_is_asked(start):
    running = await start()
    page = await running.explained("/book/query?num=7")
    assert page["outcome"] == {
        "status": None,
        "says": "book would be called; what it answers decides",
        "kind": "",
        "headers": [],
        "body": "",
    }
    assert [(each["address"], each["share"]) for each in page["pick"]["candidates"]] == [
        (running.server.instance.address, 0.75),
        (f"127.0.0.1:{running.away}", 0.25),
    ]
    assert [step["name"] for step in page["steps"]] == ["route", "bind", "validate", "encode"]
    assert running.server.accepted == 0


@pytest_twisted.ensureDeferred
async def test_who_is_next_is_foretold_and_an_explanation_takes_no_turn(start):
    running = await start()
    foretold, took = [], []
    for _ in range(4):
        pages = [await running.explained("/book/query?num=7") for _ in range(3)]
        (pick,) = {page["pick"]["chosen"] for page in pages}
        foretold.append(pick)
        assert "it is the next, if no other call comes first" in pages[0]["pick"]["why"]
        page = await running.explained("/book/query?num=7", call=True)
        assert "the next" not in page["pick"]["why"]
        took.append(page["tries"][0]["address"])
    assert foretold == took
    assert sorted(took) == sorted([running.server.instance.address] * 3 + [f"127.0.0.1:{running.away}"])


@pytest_twisted.ensureDeferred
async def test_a_call_that_is_asked_for_is_made_with_the_bytes_that_are_shown(start):
    running = await start()
    pages = [await running.explained("/book/query?num=7", call=True) for _ in range(4)]
    for page, received in zip(pages, running.server.received, strict=True):
        assert page["call"]["hex"] == received.payload.hex()
        assert (page["outcome"]["status"], page["outcome"]["body"]) == (200, '{"ID":"7"}')
        assert page["pick"]["chosen"] == page["tries"][-1]["address"] == running.server.instance.address
        assert page["tries"][-1]["failure"] == ""
        assert page["steps"][-1]["name"] == "the whole request"
    # Of four picks in turn one is of the instance that is not there.
    (passed,) = (page["tries"][0] for page in pages if len(page["tries"]) == 2)
    assert passed["address"] == f"127.0.0.1:{running.away}"
    assert passed["failure"].startswith("connect-failed: ")


@pytest.mark.parametrize("target", ["/book/query?num=700", "/book/query?num=abc", "/book/qery", "/book/query/"])
@pytest_twisted.ensureDeferred
async def test_a_refusal_is_what_the_public_port_says(start, target):
    running = await start()
    page = await running.explained(target)
    called = await running.explained(target, call=True)
    status, body, _ = await running.get(target)
    if status == 200:  # The client has followed a redirect.
        assert page["outcome"]["status"] == 301
        return
    assert page["outcome"]["status"] == called["outcome"]["status"] == status
    del body["request_id"]
    assert orjson.loads(page["outcome"]["body"]) == body
    assert page["outcome"]["kind"] == called["outcome"]["kind"] == body["type"].rpartition(":")[2]


@pytest_twisted.ensureDeferred
async def test_where_there_is_no_instance_it_says_so_and_what_may_be_wrong(start):
    running = await start(instances=False)
    page = await running.explained("/book/query?num=7")
    status, body, _ = await running.get("/book/query?num=7")
    del body["request_id"]
    said = orjson.loads(page["outcome"]["body"])
    assert (page["outcome"]["status"], said | {"method": "queryBook"}) == (status, body | {"method": "queryBook"})
    assert not page["pick"]["available"]
    assert page["pick"]["hints"][0].startswith("there are instances of 'bok'")


@pytest_twisted.ensureDeferred
async def test_what_is_no_question_is_refused(start):
    running = await start()
    assert await running.ask("/explain", b"{") == (400, {"error": "the question has to be JSON"})
    assert await running.ask("/explain", b'{"target": "\xff"}') == (400, {"error": "the body is no UTF-8"})
    status, page = await running.ask("/explain", {"target": "/"}, content_type="text/plain")
    assert (status, page) == (400, {"error": "the body has to be application/json"})
    status, _ = await running.ask("/explain", {"target": "/"}, origin="https://elsewhere.example")
    assert status == 403
    status, _, _ = await running.get("/explain")
    assert status == 404


# Live requests


@pytest_twisted.ensureDeferred
async def test_a_request_with_a_token_is_explained_once_as_it_was(start):
    running = await start(explain_secret="s3cret")
    status, token = await running.ask("/explain/token", {"seconds": 60})
    assert (status, token["header"]) == (200, "Tgw-Explain")
    _, _, headers = await running.get("/book/query?num=7", Tgw_Explain=token["token"])
    await running.get("/book/query?num=700", Tgw_Explain=token["token"])
    await running.get("/book/query?num=8", Tgw_Explain="AAAA" + token["token"][4:-4] + "AAAA")
    await running.get("/book/query?num=9")
    status, live = await running.ask("/explain/live", {"token": token["token"]})
    assert (status, live["missed"]) == (200, 0)
    called, refused = live["explanations"]
    assert called["id"] == headers["X-Request-Id"]
    assert called["explanation"]["target"] == "/book/query?num=7"
    assert called["explanation"]["tries"][-1]["address"] == running.server.instance.address
    assert called["explanation"]["pick"]["chosen"] == running.server.instance.address
    assert called["explanation"]["outcome"]["status"] == 200
    assert refused["explanation"]["outcome"]["kind"] == "validation-failed"
    assert refused["explanation"]["tries"] == []
    assert await running.ask("/explain/live", {"token": token["token"]}) == (200, {"explanations": [], "missed": 0})


@pytest_twisted.ensureDeferred
async def test_without_a_secret_there_are_no_tokens(start):
    running = await start()
    for page in ("/explain/token", "/explain/live"):
        status, said = await running.ask(page, {})
        assert (status, said["error"]) == (
            400,
            "live requests are not explained here: the setting http.explain_secret is empty",
        )


@pytest_twisted.ensureDeferred
async def test_what_is_no_token_is_refused(start):
    running = await start(explain_secret="s3cret")
    for token in ("", "AAAA", "é", 7):
        assert await running.ask("/explain/live", {"token": token}) == (
            400,
            {"error": "the token has expired, or is none"},
        )
    for seconds in (0, 3601, "60", True):
        status, _ = await running.ask("/explain/token", {"seconds": seconds})
        assert status == 400
    assert await running.ask("/explain/token", b"[]") == (400, {"error": "the body has to be a JSON object"})


# Bounds


def explainer(clock: Clock, run: Any, seen: Any = lambda service: Seen(())) -> Explainer:
    served = serving('struct R {} service S { void ask(1: R r) (api.get = "/ask") }')
    return Explainer(
        clock, run, ExplainedParts(lambda: served, seen, lambda call: "", lambda request: Deferred()), CLOCKS
    )


def outcome_of(explaining: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    explaining.addBoth(found.append)
    return found


@pytest.mark.parametrize(
    ("run", "asked"),
    [
        (lambda work: Deferred(), '{"target": "/ask"}'),
        # It is explained, but its call is not answered.
        (lambda work: succeed(work()), '{"target": "/ask", "call": true}'),
    ],
)
def test_one_that_takes_too_long_is_given_up(run, asked):
    clock = Clock()
    found = outcome_of(explainer(clock, run).explain(asked))
    clock.advance(WITHIN - 1)
    assert found == []
    clock.advance(1)
    assert found[0].check(NotExplained)
    assert str(found[0].value) == "the explanation took too long"


def test_more_than_a_few_at_once_are_refused_and_room_comes_back():
    waiting: list[Deferred[Any]] = []

    def run(work: Any) -> Deferred[Any]:
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: work())

    explaining = explainer(Clock(), run)
    found = [outcome_of(explaining.explain('{"target": "/nothing"}')) for _ in range(MOST_AT_ONCE)]
    refused = outcome_of(explaining.explain('{"target": "/nothing"}'))
    assert "too many explanations" in str(refused[0].value)
    for each in waiting:
        each.callback(None)
    assert [each[0]["outcome"]["status"] for each in found] == [404] * MOST_AT_ONCE
    waiting.clear()
    assert outcome_of(explaining.explain('{"target": "/nothing"}')) == []
    waiting[0].callback(None)


def test_a_service_that_is_served_no_more_is_said():
    def gone(service: str) -> Seen:
        raise NoInstance(f"{service!r} is no longer served")

    (failure,) = outcome_of(explainer(Clock(), lambda work: succeed(work()), gone).explain('{"target": "/ask"}'))
    assert failure.check(NotExplained)
    assert str(failure.value) == "'svc' is no longer served"
