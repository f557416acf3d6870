"""A changed IDL is served at once, and nothing that runs is broken by it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.end_to_end.load import Load
from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess, request
from tests.end_to_end.versions import QUERY, Echo, version_of
from tests.end_to_end.versions import idl as versioned
from tests.end_to_end.waiting import wait_until
from txgateway.cli import main

pytestmark = pytest.mark.slow

BOOK = (ROOT / "idl" / "book.thrift").read_text("utf-8")
OTHER = """struct Req { 1: i32 n (api.query="n") }
struct Resp { 1: string text }
service Other%d { Resp get(1: Req req) (api.get="/other%d/%s") }
"""


class Town:
    """A gateway that follows a folder, and a Book service."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.book = BookProcess()
        shutil.copy(ROOT / "idl" / "book.thrift", folder)
        self.gateway = GatewayProcess("--static", f"book={self.book.address}", *options, idl=folder)

    def close(self) -> None:
        self.gateway.end()
        self.book.end()

    def write(self, text: str, name: str = "book.thrift") -> None:
        (self.folder / name).write_text(text)

    def routes(self) -> set[str]:
        return {route["path"] for route in self.gateway.admin("/routes")["routes"]}

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = self.gateway.admin("/healthz")
        return health

    def sees(self, what: Callable[[], bool], within: float = 30.0) -> None:
        """Wait until that is so; how long it usually takes, ``benchmarks/reload_drill.py`` measures."""
        deadline = time.monotonic() + within
        while not what():
            assert time.monotonic() < deadline, self.gateway.output[-3000:]
            time.sleep(0.01)


@pytest.fixture
def town(tmp_path) -> Iterator[Town]:
    town = Town(tmp_path / "idl")
    yield town
    town.close()


@pytest.fixture(params=["inotify", "poll"])
def watched(request, tmp_path) -> Iterator[Town]:
    config = tmp_path / "tgw.toml"
    config.write_text(f'[mapping]\nwatch = "{request.param}"\n')
    town = Town(tmp_path / "idl", "--config", str(config))
    yield town
    town.close()


def moved(path: str) -> str:
    return BOOK.replace("book/query", path)


def test_every_way_to_change_a_file_is_seen(watched):
    book = watched.folder / "book.thrift"

    def served(path: str) -> Callable[[], bool]:
        return lambda: f"/{path}" in watched.routes()

    watched.write(moved("in/place"))
    watched.sees(served("in/place"))
    new = watched.folder / "new"
    new.write_text(moved("renamed/over"))
    new.rename(book)
    watched.sees(served("renamed/over"))
    book.unlink()
    watched.sees(lambda: watched.routes() == set())
    watched.write(moved("re/turned"))
    watched.sees(served("re/turned"))
    # As an editor does it: a copy aside, the new text under the old name.
    book.rename(watched.folder / "book.thrift~")
    (watched.folder / ".book.thrift.swp").write_text("x")
    watched.write(moved("edi/ted"))
    watched.sees(served("edi/ted"))
    (watched.folder / "deep").mkdir()
    watched.write(OTHER % (1, 1, "deep"), "deep/other.thrift")
    watched.sees(lambda: "/other1/deep" in watched.routes())
    assert watched.health()["status"] == "ok"
    assert not watched.gateway.tracebacks


def test_a_half_written_file_is_never_served(watched):
    text, half = moved("two/writes"), len(BOOK) // 2
    with open(watched.folder / "book.thrift", "w") as file:
        file.write(text[:half])
        file.flush()
        time.sleep(0.2)
        assert watched.gateway.get("/book/query?num=7").status == 200
        file.write(text[half:])
    watched.sees(lambda: "/two/writes" in watched.routes())
    watched.write(text[:half])
    watched.sees(lambda: watched.health()["status"] == "degraded")
    health = watched.health()["mapping"]
    assert health["kept"] == ["book"]
    assert "book.thrift" in health["errors"][0]
    assert watched.gateway.admin("/services")["mapping"] == {"kept": ["book"], "errors": health["errors"]}
    watched.sees(lambda: health["errors"][0].split("\n")[0] in watched.gateway.output)
    metrics = request(watched.gateway.admin_port, "GET", "/metrics").body
    assert b"\ntgw_mapping_kept_services 1" in metrics
    # It may have been looked at within the pause above, and between its two writes, too.
    assert re.search(rb'\ntgw_mapping_reloads_total{outcome="broken"} [1-3]\n', metrics)
    assert watched.gateway.get("/two/writes?num=7").status == 200
    watched.write(BOOK)
    watched.sees(lambda: watched.health()["status"] == "ok")
    assert watched.gateway.get("/book/query?num=7").status == 200


def test_a_mounted_config_map_and_a_file_that_is_only_included(tmp_path):
    mount, outside = tmp_path / "idl", tmp_path / "outside"
    outside.mkdir()
    mount.mkdir()
    (outside / "common.thrift").write_text('struct Req { 1: i32 n (api.query="n") }\n')
    user = f'include "{outside}/common.thrift"\nstruct R {{ 1: string t }}\n'
    user += 'service U { R get(1: common.Req r) (api.get="/u/%s") }'
    for version in ("one", "two"):
        (mount / f"..{version}").mkdir()
        (mount / f"..{version}" / "user.thrift").write_text(user % version)
    (mount / "..data").symlink_to("..one")
    (mount / "user.thrift").symlink_to("..data/user.thrift")
    with GatewayProcess(idl=mount) as gateway:

        def digest() -> str:
            known: str = gateway.admin("/healthz")["mapping"]["digest"]
            return known

        def path() -> str:
            return str(gateway.admin("/routes")["routes"][0]["path"])

        assert path() == "/u/one"
        (mount / "..data_tmp").symlink_to("..two")
        os.rename(mount / "..data_tmp", mount / "..data")
        shutil.rmtree(mount / "..one")
        wait_until(lambda: path() == "/u/two")
        before = digest()
        (outside / "common.thrift").write_text('struct Req { 1: i32 n (api.query="n"), 2: i32 m }\n')
        wait_until(lambda: digest() != before)
        assert not gateway.tracebacks


def test_each_new_route_is_served_in_place_of_the_one_before(town):
    before = "/book/query"
    for number in range(5):
        path = f"/new/route{number}"
        town.write(moved(path[1:]))
        town.sees(lambda path=path: town.gateway.get(f"{path}?num=7").status == 200)
        assert town.gateway.get(f"{path}?num=7").json["ID"] == "7"
        assert town.gateway.get(f"{before}?num=7").status == 404
        assert town.routes() == {path, "/book/insert"}
        before = path
    assert not town.gateway.tracebacks


class Versioned:
    """A gateway before five services whose every answer tells by which version of their IDL it was made."""

    SERVICES = 5

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder / "idl"
        self.folder.mkdir()
        self.version = 0
        self.write(range(self.SERVICES))
        self.echo = Echo(folder)
        statics = (("--static", f"s{number}={self.echo.address}") for number in range(self.SERVICES))
        self.gateway = GatewayProcess("--http", server, *itertools.chain(*statics), idl=self.folder)

    def write(self, services: Iterable[int]) -> None:
        for service in services:
            (self.folder / f"s{service}.thrift").write_text(versioned(service, self.version))

    def change(self, services: Sequence[int], breaks: bool) -> None:
        """Serve another version of these, while that of another is broken, perhaps."""
        self.version += 1
        if breaks:
            (self.folder / f"s{self.SERVICES - 1}.thrift").write_text("struct {")
        self.write(services)
        deadline = time.monotonic() + 20
        for service in services:
            while self.gateway.get(f"/s{service}/v{self.version}?{QUERY}").status != 200:
                assert time.monotonic() < deadline, self.gateway.output[-3000:]
                time.sleep(0.01)


@pytest.mark.parametrize("server", ["httptools", "klein"])
def test_every_answer_is_wholly_that_of_one_version_while_files_change_and_break(tmp_path, server):
    town = Versioned(tmp_path, server)
    with town.echo, town.gateway:
        with Load(town.gateway.port, f"/s0/m0?{QUERY}", 4, lambda body: version_of(body) is not None) as load:
            for round_ in range(8):
                town.change([0], breaks=round_ % 3 == 2)
            for _ in range(2):
                town.change(range(town.SERVICES), breaks=False)
            load.wait_for(20)
        assert load.failed == {}
        mapping = town.gateway.admin("/routes")["mapping"]
        assert mapping["generation"] >= 11
        assert mapping["reloads"]["broken"] >= 2
        assert town.gateway.admin("/healthz")["status"] == "ok"
        assert version_of(town.gateway.get(f"/s0/m0?{QUERY}").body) == town.version
        assert not town.gateway.tracebacks


def test_only_the_routes_of_deleted_files_vanish_under_load(town):
    for number in range(2):
        town.write(OTHER % (number, number, "x"), f"other{number}.thrift")
    town.sees(lambda: len(town.routes()) == 4)
    with Load(town.gateway.port, "/book/query?num=7", clients=4) as load:
        for number in range(2):
            (town.folder / f"other{number}.thrift").unlink()
        town.sees(lambda: len(town.routes()) == 2)
        load.wait_for(50)
    assert load.failed == {}
    assert [town.gateway.get(f"/other{number}/x").status for number in range(2)] == [404, 404]


def test_connections_and_counts_of_a_service_stay(town):
    for _ in range(10):
        assert town.gateway.get("/book/query?num=7").status == 200
    for round_ in itertools.count():
        if round_ == 3:
            break
        before = town.health()["mapping"]["digest"]
        town.write(BOOK + f"// {round_}\n")
        town.sees(lambda before=before: town.health()["mapping"]["digest"] != before)
    (line,) = town.gateway.instances("book").values()
    assert line["calls"] == 10
    assert line["idle"] >= 1


def test_a_request_that_has_begun_ends_as_it_began(town):
    """Rendered by the version that bound it, though another is served by then."""
    assert town.gateway.get("/book/query?num=7").status == 200
    town.book.process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as beside:
        begun = beside.submit(town.gateway.get, "/book/query?num=7")
        town.sees(lambda: town.health()["in_flight"] == 1)
        town.write(moved("other/path").replace("Resp {\n    1: string ID", "Resp {\n    1: string Number"))
        town.sees(lambda: "/other/path" in town.routes())
        town.book.process.send_signal(signal.SIGCONT)
        assert begun.result().json["ID"] == "7"
    assert town.gateway.get("/other/path?num=7").json["Number"] == "7"
    assert town.gateway.get("/book/query?num=7").status == 404


def test_a_refused_change_waits_until_it_is_allowed_and_any_version_comes_back(tmp_path):
    config = tmp_path / "tgw.toml"
    config.write_text('[mapping]\non_breaking = "refuse"\n')
    town = Town(tmp_path / "idl", "--config", str(config))
    admin = ("--admin", f"http://127.0.0.1:{town.gateway.admin_port}")
    try:
        first = town.health()["mapping"]["digest"]
        town.write(moved("other/path"))
        town.sees(lambda: town.health()["status"] == "degraded")
        assert "/book/query" in town.routes()
        (refused,) = town.gateway.admin("/routes")["mapping"]["refused"]
        assert "the route GET /book/query is gone" in " ".join(refused["breaking"])
        unknown = CliRunner().invoke(main, ["allow", "f00d", *admin])
        assert unknown.exit_code == 1
        assert "no refused change has the fingerprint 'f00d'" in unknown.output
        assert CliRunner().invoke(main, ["allow", refused["fingerprint"], *admin]).exit_code == 0
        town.sees(lambda: "/other/path" in town.routes())
        assert town.health()["status"] == "ok"
        back = CliRunner().invoke(main, ["rollback", first[:6], *admin])
        assert (back.exit_code, back.output) == (0, f"serving {first}\n")
        assert town.gateway.get("/book/query?num=7").status == 200
        mapping = town.gateway.admin("/routes")["mapping"]
        assert (mapping["digest"], mapping["rolled_back"]) == (first, True)
        assert [version["source"] for version in mapping["history"]] == ["rollback", "allowed"]
        assert CliRunner().invoke(main, ["rollback", "none", *admin]).exit_code == 1
        town.write(moved("a/third") + "// allowed or not\n")
        town.sees(lambda: town.health()["status"] == "degraded")
    finally:
        town.close()
