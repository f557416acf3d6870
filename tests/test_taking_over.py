"""Settings that change while requests run: what is taken over, what waits, and that a wrong one changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted
import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from tests.end_to_end.twistd import ROOT
from tests.net.waiting import until
from txgateway.config import TABLES, ConfigError, Settings, merge
from txgateway.core.framing import framings
from txgateway.testing import Conduct, ScriptedServer
from txgateway.wiring import build_gateway

FREE = ["tcp:0:interface=127.0.0.1"]
BOOK = b"\x0c\x00\x00" + b"\x0b\x00\x01\x00\x00\x00\x017" + b"\x00\x00"
Tables = dict[str, dict[str, Any]]


class Town:
    """A gateway before one scripted service after the other."""

    def __init__(self, tables: Tables, events: list[dict[str, Any]]) -> None:
        self.tables = tables
        self.service = build_gateway(merge(Settings(), tables), reactor)
        self.service.startService()
        self._events = events

    def reload(self, **tables: dict[str, Any]) -> None:
        """Settings as they were at the start, but for these."""
        wanted = {name: self.tables.get(name, {}) | tables.get(name, {}) for name in self.tables | tables}
        self.service.reload(merge(Settings(), wanted))

    async def recompiled(self, **tables: dict[str, Any]) -> None:
        """... once the mapping is compiled by them as well."""
        generation = self.mapping["generation"]
        self.reload(**tables)
        await until(lambda: self.mapping["generation"] > generation)

    @property
    def mapping(self) -> dict[str, Any]:
        return self.service._live.status()

    async def ask(self, num: int = 7, **options: Any) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.service.public.addresses[0].port}/book/query?num={num}"
        answer = await treq.request("GET", url, persistent=False, timeout=30, **options)
        return answer.code, await answer.content()

    async def status(self, num: int = 7, **options: Any) -> int:
        return (await self.ask(num, **options))[0]

    @property
    def said(self) -> list[str]:
        return [
            event["log_format"].format(**event)
            for event in self._events
            if (event.get("log_format") or "").startswith("settings: ")
        ]


@pytest_twisted.async_yield_fixture
async def town():
    """A function that starts a gateway by these settings, before this service."""
    events: list[dict[str, Any]] = []
    towns: list[Town] = []

    def start(server: ScriptedServer, **tables: dict[str, Any]) -> Town:
        base: Tables = {
            "http": {"listen": FREE},
            "mapping": {"idl": [str(ROOT / "idl")], "watch": "off"},
            "discovery": {"static": [at(server)]},
        }
        towns.append(Town({name: base.get(name, {}) | tables.get(name, {}) for name in base | tables}, events))
        return towns[-1]

    globalLogPublisher.addObserver(events.append)
    yield start
    globalLogPublisher.removeObserver(events.append)
    for each in towns:
        await each.service.stopService()


@pytest_twisted.async_yield_fixture
async def serve():
    servers: list[ScriptedServer] = []

    async def serve(answer: object = BOOK, framing: str = "framed") -> ScriptedServer:
        framings.load()
        servers.append(ScriptedServer({"queryBook": answer}, framings[framing]))
        return await servers[-1].start(reactor)

    yield serve
    for server in servers:
        await server.stop()


def at(server: ScriptedServer) -> str:
    return f"book=127.0.0.1:{server.instance.port}"


@pytest_twisted.ensureDeferred
async def test_a_deadline(town, serve):
    gateway = town(await serve(Conduct.SILENCE))
    gateway.reload(upstream={"deadline": 0.05})
    assert await gateway.status() == 504
    assert gateway.said == ["settings: upstream.deadline taken over"]


@pytest.mark.parametrize("server", ["httptools", "klein"])
@pytest_twisted.ensureDeferred
async def test_limits_of_requests(town, serve, server):
    gateway = town(await serve(), http={"server": server})
    many = {"headers": {f"X-{number}": "1" for number in range(20)}}
    assert await gateway.status(**many) == 200
    gateway.reload(http={"max_headers": 10})
    assert await gateway.status(**many) == 431
    gateway.reload()
    assert await gateway.status(**many) == 200


@pytest_twisted.ensureDeferred
async def test_policies_of_methods(town, serve):
    gateway = town(await serve())
    assert await gateway.status(num=700) == 400
    served = gateway.mapping["digest"]
    await gateway.recompiled(policy={"methods": {"book": {"validate": "observe"}}})
    assert await gateway.status(num=700) == 200
    # The IDL is still the same, so there is one version to go back to.
    assert [version["digest"] for version in gateway.mapping["history"]] == [served]
    await gateway.recompiled()
    assert await gateway.status(num=700) == 400


@pytest_twisted.ensureDeferred
async def test_what_answers_may_be_asked_for(town, serve):
    gateway = town(await serve())
    some = {"params": {"fields": "Title"}}
    assert b"ID" in (await gateway.ask(**some))[1]
    await gateway.recompiled(mapping={"select_fields": True})
    assert b"ID" not in (await gateway.ask(**some))[1]


@pytest_twisted.ensureDeferred
async def test_the_way_to_speak_to_services(town, serve):
    server = await serve(framing="buffered")
    gateway = town(server)
    gateway.reload(upstream={"transport": "buffered"})
    assert await gateway.status() == 200


@pytest_twisted.ensureDeferred
async def test_static_instances_while_a_request_runs(town, serve):
    held: Deferred[bytes] = Deferred()
    old, new = await serve(lambda call: held), await serve()
    gateway = town(old)
    running = Deferred.fromCoroutine(gateway.status())
    await until(lambda: old.received)
    gateway.reload(discovery={"static": [at(new)]})
    assert await gateway.status() == 200
    assert (len(old.received), len(new.received)) == (1, 1)
    # What began elsewhere ends there, and then its connection.
    held.callback(BOOK)
    assert await running == 200
    await until(lambda: not old.connections)


@pytest_twisted.ensureDeferred
async def test_breakers_and_health(town, serve):
    gateway = town(await serve(Conduct.CLOSE), policy={"repeat_lost": False})
    assert [await gateway.status() for _ in range(3)] == [502, 502, 502]
    gateway.reload(breaker={"per_method": True, "min_calls": 1, "error_rate": 0.01}, health={"ejection": False})
    assert [await gateway.status() for _ in range(2)] == [502, 503]
    gateway.reload()
    assert await gateway.status() == 502


@pytest_twisted.ensureDeferred
async def test_headers_that_travel(town, serve):
    server = await serve(framing="ttheader")
    gateway = town(server, upstream={"transport": "ttheader"})
    assert await gateway.status(headers={"X-User": "anna"}) == 200
    gateway.reload(upstream={"persistent": {"X-User": "user"}})
    assert await gateway.status(headers={"X-User": "anna"}) == 200
    before, after = (message.info.strings for message in server.received)
    assert "anna" not in before.values()
    assert "anna" in after.values()


@pytest_twisted.ensureDeferred
async def test_the_access_log(town, serve, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    gateway = town(await serve(), log={"access_file": str(one)})
    await gateway.ask()
    gateway.reload(log={"access_file": str(other), "access": "combined"})
    await gateway.ask()
    gateway.reload(log={"access": "off", "access_file": ""})
    await gateway.ask()
    await until(lambda: one.stat().st_size and other.stat().st_size)
    (line,) = one.read_text().splitlines()
    assert json.loads(line)["route"] == "/book/query"
    (line,) = other.read_text().splitlines()
    assert '"GET /book/query' in line


@pytest_twisted.ensureDeferred
async def test_what_is_done_about_changes_of_the_idl(town, serve):
    gateway = town(await serve())
    gateway.reload(mapping={"on_breaking": "refuse", "history": 3, "skew": "prefer"})
    await until(lambda: gateway.mapping["reloads"]["unchanged"])
    assert gateway.service._live.history.limit == 3
    assert await gateway.status() == 200


@pytest_twisted.ensureDeferred
async def test_what_waits_for_the_next_start_is_named_and_stays(town, serve):
    gateway = town(await serve())
    gateway.reload(http={"server": "klein"}, mapping={"watch": "poll"}, upstream={"deadline": 3.0})
    assert gateway.said == [
        "settings: http.server has changed, which waits for the next start",
        "settings: mapping.watch has changed, which waits for the next start",
        "settings: upstream.deadline taken over",
    ]
    assert await gateway.status() == 200
    gateway.reload(upstream={"deadline": 3.0})
    assert gateway.said[-1] == "settings: read again, and nothing has changed"


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"policy": {"methods": {"book": {"retries": "many"}}}}, "policy.methods.book.retries: expected a whole"),
        ({"discovery": {"static": ["book"]}}, "discovery.static: "),
        ({"upstream": {"persistent": {"no header": "x"}}}, "upstream.persistent: "),
        ({"log": {"access_file": "/nowhere/at/all"}}, "log.access_file: /nowhere/at/all: No such file"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_wrong_one_changes_nothing(town, serve, tables, says):
    gateway = town(await serve())
    with pytest.raises(ConfigError) as caught:
        gateway.reload(**{**tables, "http": {"max_headers": 1}})
    assert str(caught.value).startswith(says)
    assert await gateway.status() == 200

    def read() -> Settings:
        raise ConfigError("tgw.toml:3: http.max_body: expected", "tgw.toml:4: no")

    gateway.service.reread(read)
    assert gateway.said == [
        "settings: all stay as they were: tgw.toml:3: http.max_body: expected",
        "settings: all stay as they were: tgw.toml:4: no",
    ]


def test_nothing_that_listens_or_follows_is_said_to_be_live():
    waiting = {each.full_name for table in TABLES for each in table.settings if not each.is_live}
    assert {"http.listen", "http.admin", "mapping.idl", "discovery.etcd", "lifecycle.workers"} <= waiting
