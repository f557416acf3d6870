"""What a gateway tells for its pages, second by second: a real one, with its time in the hands of a test."""

from __future__ import annotations

import itertools
import math
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_twisted
import treq
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.net.waiting import until
from txgateway.config import Settings, merge
from txgateway.core.instances import Instance
from txgateway.core.pages.changes import Changes
from txgateway.core.pages.series import SECONDS
from txgateway.core.pages.shares import EVERY
from txgateway.net import slices
from txgateway.net.admin import gathering
from txgateway.net.admin.gathering import Gatherer
from txgateway.testing import ScriptedServer, free_port
from txgateway.wiring import build_gateway

reactor: Any = global_reactor
IDL = Path(__file__).parents[3] / "idl" / "book.thrift"
# An empty result struct, which is a book without a name.
EMPTY = b"\x0c\x00\x00\x00\x00"


class Running:
    """A gateway in front of one server and one port where nobody is."""

    def __init__(self, idl: Path, server: ScriptedServer, **mapping: Any) -> None:
        self.server = server
        self.away = free_port()
        free = ["tcp:0:interface=127.0.0.1"]
        static = [f"book={server.instance.address}*3", f"book=127.0.0.1:{self.away}*1", "shop=127.0.0.1:1"]
        tables = {
            "http": {"listen": free, "admin": free},
            "mapping": {"idl": [str(idl)], "watch": "off", **mapping},
            "discovery": {"static": static},
        }
        self.gateway = build_gateway(merge(Settings(), tables), reactor)
        self.gateway.startService()
        self.clock = Clock()
        self.clock.advance(1000)
        self.changes = Changes(itertools.count(1.0).__next__)
        self.gatherer = Gatherer(self.clock, self.gateway._seen(), self.changes)
        self.gatherer.start()

    async def get(self, target: str, times: int = 1) -> None:
        for _ in range(times):
            port = self.gateway.public.addresses[0].port
            answer = await treq.get(f"http://127.0.0.1:{port}{target}", persistent=False, timeout=20)
            await answer.content()

    def overview(self, **wanted: Any) -> Any:
        return self._plain(self.gatherer.overview(orjson.dumps(wanted).decode()))

    def service(self, name: str = "book") -> Any:
        return self._plain(self.gatherer.service(name))

    def idl(self, name: str) -> Any:
        return self._plain(self.gatherer.idl(name))

    def _plain(self, making: Deferred[Any]) -> Any:
        """As it comes out of a worker."""
        made: list[Any] = []
        making.addBoth(made.append)
        while not made:
            assert self.clock.getDelayedCalls(), "it waits for nothing"
            self.clock.advance(0)
        return orjson.loads(orjson.dumps(made[0]))


@pytest_twisted.async_yield_fixture
async def running(tmp_path, monkeypatch):
    # On a busy machine a second would be gathered in several turns, of which the Clock knows nothing.
    monkeypatch.setattr(slices, "SLICE", math.inf)
    shutil.copy(IDL, tmp_path / "book.thrift")
    (tmp_path / "shop.thrift").write_text('service Shop { void buy() (api.qeury="x", api.post="/buy") }')
    server = await ScriptedServer({"queryBook": EMPTY}).start(reactor)
    running = Running(tmp_path, server)
    yield running
    running.gatherer.stop()
    assert running.clock.getDelayedCalls() == []
    await running.gateway.stopService()
    await server.stop()


@pytest_twisted.ensureDeferred
async def test_requests_are_told_by_service_and_in_all(running):
    await running.get("/book/query?num=7", 4)
    await running.get("/book/query?num=700", 2)
    await running.get("/nothing")
    running.clock.advance(1)
    page = running.overview()
    assert page["second"] == 1001
    assert [sample[:4] for sample in page["samples"]] == [[1001, 7, 0, 3]]
    book, shop = page["services"]
    assert [sample[:4] for sample in book["samples"]] == [[1001, 6, 0, 2]]
    assert book["samples"][0][4] > 0
    assert (shop["name"], shop["samples"]) == ("shop", [])
    running.clock.pump([1.0] * SECONDS)
    assert running.overview()["services"][0]["samples"] == []


@pytest_twisted.ensureDeferred
async def test_instances_are_told_with_state_and_share(running):
    await running.get("/book/query?num=7", 4)
    running.clock.advance(EVERY)
    (book, _) = running.overview()["services"]
    here, away = book["instances"]
    # Whoever is not there got no call: the other instance answered for it.
    assert (here["address"], here["weight"], here["calls"], here["recent"]) == (
        running.server.instance.address,
        3,
        4,
        4,
    )
    assert (away["calls"], away["recent"], away["last_error"]["what"]) == (0, 0, "unreachable")
    assert (here["state"], here["lease_age"], here["idl"]) == ("live", None, "not told")
    assert (book["states"], book["count"], book["weight"], book["recent"]) == ({"live": 2}, 2, 4, 4)
    running.clock.pump([EVERY] * 8)
    assert running.overview()["services"][0]["recent"] == 0


def test_tags_are_as_short_as_a_table_needs_them():
    tags = {f"{number:03}{'k' * 200}": "v" * 200 for number in range(50)}
    shown = gathering._short(tags)
    assert len(shown) == gathering.TAGS
    assert {(len(name), len(value)) for name, value in shown.items()} == {(gathering.LONGEST_TAG,) * 2}


@pytest_twisted.ensureDeferred
async def test_an_instance_that_is_ejected_is_a_change(running):
    for _ in range(5):
        instance = Instance("127.0.0.1", running.away)
        running.gateway._upstreams["book"].checked(instance, False)
    running.clock.advance(1)
    (change,) = running.changes.newest("book")
    assert (change["what"], change["is_bad"]) == (f"127.0.0.1:{running.away}: ejected", True)
    assert running.overview()["services"][0]["states"] == {"ejected": 1, "live": 1}


@pytest_twisted.ensureDeferred
async def test_services_are_found_by_a_part_of_their_names_and_told_a_page_at_a_time(running, monkeypatch):
    assert [each["name"] for each in running.overview(find="OO")["services"]] == ["book"]
    assert running.overview(find="nothing")["found"] == 0
    monkeypatch.setattr(gathering, "SERVICES_A_PAGE", 1)
    second = running.overview(page=1)
    assert [each["name"] for each in second["services"]] == ["shop"]
    assert (second["found"], second["page"], second["pages"]) == (2, 1, 2)
    assert running.overview(page=9)["services"] == []


@pytest_twisted.ensureDeferred
async def test_one_service_with_its_routes_texts_and_versions(running):
    page = running.service("shop")
    assert page["service"]["warnings"] == 1
    (route,) = page["service"]["routes"]
    assert (route["verb"], route["path"], route["method"], route["line"]) == ("POST", "/buy", "buy", 1)
    idl = running.idl("shop")
    (text,) = idl["texts"]
    assert text["state"] == "served"
    assert "api.qeury" in text["complaints"][0]["message"]
    assert [each["source"] for each in idl["versions"]] == ["start"]
    assert running.service("unheard-of")["service"] is None
    # Other services are of no interest where there is an instance.
    assert page["registry"]["known"] == []
    assert running.gatherer.log("")["history"][0]["source"] == "start"


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_broken_is_told_with_what_is_served(running):
    path = Path(running.service("shop")["service"]["file"])
    path.write_text("servise Shop {}")
    running.gateway._live.changed("folder")
    await until(lambda: running.gateway._live.loaded.errors)
    page = running.overview()
    (error,) = page["errors"]
    assert (error["service"], error["line"], error["source"]) == ("shop", 1, "servise Shop {}")
    assert page["services"][1]["kept"] is True
    assert [text["state"] for text in running.idl("shop")["texts"]] == ["refused", "served"]


@pytest.mark.parametrize("find", [{"a": 1}, ["x"], 5])
@pytest_twisted.ensureDeferred
async def test_odd_wishes_find_nothing(running, find):
    assert running.overview(find=find)["found"] == 0
