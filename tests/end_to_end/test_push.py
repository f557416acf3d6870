"""One push, and every gateway serves it; etcd away, and every gateway goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess

pytestmark = pytest.mark.slow

BOOK = (ROOT / "idl" / "book.thrift").read_text("utf-8")


def tgw(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "tgw"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def wait_for(what: Callable[[], bool], within: float = 10.0) -> float:
    began = time.monotonic()
    while not what():
        assert time.monotonic() < began + within
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_fleet_follows_one_push(own_etcd, tmp_path):
    pushed, folder, config, cache = (tmp_path / name for name in ("pushed", "folder", "tgw.toml", "cache.json"))
    pushed.mkdir()
    folder.mkdir()
    config.write_text(f'[mapping]\npushed = true\ncache = "{cache}"\n')
    (folder / "book.thrift").write_text(BOOK)
    with ExitStack() as stack:
        book = stack.enter_context(BookProcess())
        options = ("--etcd", own_etcd.url, "--config", str(config), "--static", f"book={book.address}")
        gateways = [stack.enter_context(GatewayProcess(*options, idl=folder)) for _ in range(2)]

        def all_serve(path: str) -> bool:
            return all(gateway.get(f"/{path}?num=7").status == 200 for gateway in gateways)

        assert all_serve("book/query")
        (pushed / "book.thrift").write_text(BOOK.replace("book/query", "pushed/one"))
        done = tgw("push", str(pushed), "--etcd", own_etcd.url)
        assert (done.returncode, done.stdout[:21]) == (0, "pushed 1 file as vers"), done.stderr
        assert wait_for(lambda: all_serve("pushed/one")) < 2.0
        mapping = gateways[0].admin("/routes")["mapping"]
        assert mapping["overridden"] == {"book": str(folder / "book.thrift")}
        wait_for(cache.exists)

        (pushed / "book.thrift").write_text("struct {")
        refused = tgw("push", str(pushed), "--etcd", own_etcd.url)
        assert refused.returncode == 1
        assert "nothing was pushed: there are errors" in refused.stderr

        own_etcd.kill()
        (pushed / "book.thrift").write_text(BOOK.replace("book/query", "pushed/two"))
        away = tgw("push", str(pushed), "--etcd", own_etcd.url)
        assert away.returncode == 2
        assert "nothing was pushed" in away.stderr
        assert "Traceback" not in away.stderr
        assert all_serve("pushed/one")
        gateways.append(stack.enter_context(GatewayProcess(*options, idl=folder)))
        assert all_serve("pushed/one")

        own_etcd.start()
        assert tgw("push", str(pushed), "--etcd", own_etcd.url).returncode == 0
        wait_for(lambda: all_serve("pushed/two"))
        assert not any(gateway.tracebacks for gateway in gateways)
