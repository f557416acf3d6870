"""One push, and every gateway serves it; etcd away, and every gateway goes on."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess
from tests.end_to_end.waiting import wait_until
from tests.net.certificates import Authority
from tests.net.locking import lock
from txgateway.testing import EtcdServer, find_etcd

pytestmark = pytest.mark.slow

BOOK = (ROOT / "idl" / "book.thrift").read_text("utf-8")


def tgw(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "tgw"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


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
        wait_until(lambda: all_serve("pushed/one"))
        mapping = gateways[0].admin("/routes")["mapping"]
        assert mapping["overridden"] == {"book": str(folder / "book.thrift")}
        wait_until(cache.exists)

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
        wait_until(lambda: all_serve("pushed/two"))
        assert not any(gateway.tracebacks for gateway in gateways)


@pytest.fixture
def book_folder(tmp_path):
    folder = tmp_path / "pushed"
    folder.mkdir()
    (folder / "book.thrift").write_text(BOOK)
    return folder


def follow(discovery: str, etcd: EtcdServer, folder: Path) -> GatewayProcess:
    """A gateway that has nothing but what is pushed."""
    config = folder.parent / "tgw.toml"
    config.write_text(f"[mapping]\npushed = true\n[discovery]\n{discovery}\n")
    empty = folder.parent / "empty"
    empty.mkdir()
    return GatewayProcess("--etcd", etcd.url, "--prefix", "tgw/services", "--config", str(config), idl=empty)


def test_an_etcd_that_wants_a_login_gets_one(own_etcd, book_folder):
    lock(own_etcd.url, "tgw")
    to = ("push", str(book_folder), "--etcd", own_etcd.url)
    with follow('user = "app"\npassword = "secret"', own_etcd, book_folder) as gateway:
        for login in ((), ("--user", "app", "--password", "wrong")):
            refused = tgw(*to, *login)
            assert refused.returncode != 0
            assert refused.stderr.startswith("Error: nothing was pushed: etcdserver: ")
        assert not gateway.admin("/routes")["routes"]
        assert tgw(*to, "--user", "app", "--password", "secret").returncode == 0
        wait_until(lambda: len(gateway.admin("/routes")["routes"]) == 2)
        assert not gateway.tracebacks


def test_an_etcd_that_wants_certificates_is_shown_them(tmp_path, book_folder):
    if find_etcd() is None:
        pytest.skip("no etcd program here")
    authority = Authority(tmp_path)
    (certificate, key), (mine, my_key) = authority.issue("server"), authority.issue("client")
    files = ["--cert-file", certificate, "--key-file", key, "--trusted-ca-file", authority.certificate]
    to = ("push", str(book_folder), "--ca", str(authority.certificate))
    shown = ("--certificate", str(mine), "--key", str(my_key))
    with EtcdServer(*map(str, files), "--client-cert-auth", scheme="https") as etcd:
        refused = tgw(*to, "--etcd", etcd.url)
        assert (refused.returncode != 0, "certificate" in refused.stderr) == (True, True)
        # It cannot be asked without a certificate whether it has elected itself.
        wait_until(lambda: tgw(*to, *shown, "--etcd", etcd.url).returncode == 0)
        tls = f'ca = "{authority.certificate}"\ncertificate = "{mine}"\nkey = "{my_key}"'
        with follow(tls, etcd, book_folder) as gateway:
            wait_until(lambda: len(gateway.admin("/routes")["routes"]) == 2)
            assert not gateway.tracebacks
