"""Instances that tell which IDL they run, behind a gateway that has seen more than one."""

from __future__ import annotations

import pytest

from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess
from tests.end_to_end.waiting import wait_until
from tests.end_to_end.written_instances import WrittenInstances
from txgateway.core.fingerprint import wire_fingerprint
from txgateway.core.linker import load

pytestmark = pytest.mark.slow

BOOK = (ROOT / "idl" / "book.thrift").read_text("utf-8")
BROKEN = BOOK.replace("1: i32 Num", "1: i64 Num")


def fingerprint(text: str) -> str:
    schema = load("book.thrift", {"book.thrift": text}.__getitem__).schema
    return wire_fingerprint(schema, schema.services[0])


def test_who_runs_an_idl_that_breaks_with_ours_is_called_only_when_nobody_else_is_there(etcd, tmp_path):
    idl, config, registry = tmp_path / "idl", tmp_path / "tgw.toml", WrittenInstances(etcd.url)
    idl.mkdir()
    (idl / "book.thrift").write_text(BROKEN)
    config.write_text('[mapping]\nskew = "prefer"\non_breaking = "serve"\n')
    options = ("--etcd", etcd.url, "--prefix", registry.prefix, "--config", str(config))
    with BookProcess() as one, BookProcess() as other, GatewayProcess(*options, idl=idl) as gateway:
        same, breaking = f"127.0.0.1:{one.port}", f"127.0.0.1:{other.port}"
        registry.put(one.port, 10, idl=fingerprint(BOOK))
        registry.put(other.port, 10, idl=fingerprint(BROKEN))
        gateway.wait_for_instances("book", 2)

        def verdicts() -> dict[str, str]:
            found: dict[str, str] = gateway.admin("/services")["idl"]["book"]
            return found

        assert verdicts() == {same: "unknown", breaking: "the same"}
        (idl / "book.thrift").write_text(BOOK)
        wait_until(lambda: verdicts() == {same: "the same", breaking: "breaking"}, 20)
        gateway.find(f"({breaking} runs an IDL whose wire format breaks with ours)")
        wait_until(lambda: gateway.instances("book")[breaking]["state"] == "suspect", 20)
        assert [gateway.get("/book/query?num=7").status for _ in range(30)] == [200] * 30
        calls = {address: line["calls"] for address, line in gateway.instances("book").items()}
        assert calls == {same: 30, breaking: 0}
        registry.delete(one.port)
        gateway.wait_for_instances("book", 1)
        assert [gateway.get("/book/query?num=7").status for _ in range(5)] == [200] * 5
        assert gateway.instances("book")[breaking]["calls"] == 5
        assert not gateway.tracebacks
