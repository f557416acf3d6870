"""The recorded HTTP calls through the gateway in memory; and what becomes of cases that are broken themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.recorded import http
from tests.vectors import RECORDED, outcome, run
from txgateway.core.codec.native import AUTO, PLAIN
from txgateway.net.http import http_servers

http_servers.load()

FAMILIES = sorted(file.stem for file in (RECORDED / "http").glob("*.json"))


# The server has no part in what a codec does: the plain one is tried behind one of them.
COMBINATIONS = [(server, AUTO) for server in http_servers] + [("httptools", PLAIN)]


@pytest.mark.parametrize(("server", "codec"), COMBINATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gateway_does_what_was_recorded(family, server, codec):
    cases = [case for case in http.cases(RECORDED / "http", server, codec) if case.id.startswith(f"{family}/")]
    mismatches = {case.id: mismatch for case in cases if (mismatch := outcome(case)) is not None}
    assert cases
    assert mismatches.keys() == http.DIFFER & {case.id for case in cases}, "\n".join(map(str, mismatches.items()))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "idl").mkdir()
    (tmp_path / "idl" / "svc.thrift").write_text("""
        struct Ask { 1: optional i32 n (api.query="n") }
        struct Got {}
        service S { Got ask(1: Ask a) (api.get="/ask") }
    """)
    return tmp_path


def case_of(**changed: Any) -> dict[str, Any]:
    expected = {"outcome": "ok", "rpc_method": "ask", "thrift_args": {"1:struct": {"1:i32": 7}}}
    request = {"method": "GET", "target": "/ask?n=7"}
    return {"name": "svc/case", "idl": "svc.thrift", "request": request, "expected": expected} | changed


def report_of(folder, capsys, *cases: Any) -> str:
    (folder / "svc.json").write_text(json.dumps({"format": 1, "family": "svc", "cases": cases}))
    run("http", folder)
    return capsys.readouterr().out


def test_keys_that_nobody_knows_change_nothing(folder, capsys):
    case = case_of(weather={"sun": [None]})
    case["request"]["colour"] = case["expected"]["taste"] = 5
    assert report_of(folder, capsys, case) == "1 passed, 0 failed\n"


def test_an_answer_without_a_call_does_where_no_call_is_expected(folder, capsys):
    options = {"method": "OPTIONS", "target": "/ask"}
    response = {"status_code": 204, "headers": {"Allow": "GET, HEAD, OPTIONS"}}
    answered = case_of(request=options, expected={"outcome": "ok", "response": response})
    calling = case_of(request=options, expected={"outcome": "ok", "response": response, "rpc_method": "ask"})
    refused = case_of(request={"method": "GET", "target": "/ask?n=x"}, expected={"outcome": "ok"})
    assert report_of(folder, capsys, answered, calling, refused).endswith("\n1 passed, 2 failed\n")


@pytest.mark.parametrize(
    "broken",
    [
        {"idl": None},
        {"idl": "absent.thrift"},
        {"request": None},
        {"request": {"method": "GET"}},
        {"expected": None},
        {"expected": {"outcome": "applause"}},
        {"server_reply": {"kind": "applause"}},
        {"server_reply": {"kind": "result", "result_hex": "xyz"}},
        {"name": None, "idl": None},
    ],
    ids=str,
)
def test_a_broken_case_fails_and_the_others_run(folder, capsys, broken):
    report = report_of(folder, capsys, case_of(), case_of(**broken), case_of(name="svc/other"))
    assert report.endswith("\n2 passed, 1 failed\n")


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"cases": [5]}', "\xff"])
def test_a_broken_file_fails_and_the_others_run(folder, capsys, text):
    (folder / "broken.json").write_text(text, encoding="latin-1")
    assert report_of(folder, capsys, case_of()).endswith("\n1 passed, 1 failed\n")
    assert "broken.json" in report_of(folder, capsys, case_of())


def test_a_file_that_holds_something_else_is_no_file_of_cases(folder, capsys):
    (folder / "index.json").write_text('{"about": "what lies here"}')
    assert report_of(folder, capsys, case_of()) == "1 passed, 0 failed\n"


@pytest.mark.parametrize(
    "expected",
    [
        {"outcome": "ok", "thrift_args": {"1:struct": {"1:i32": 8}}},
        {"outcome": "ok", "rpc_method": "tell"},
        {"outcome": "ok", "response": {"status_code": 201}},
        {"outcome": "ok", "response": {"headers": {"X-A": "1"}}},
        {"outcome": "ok", "response": {"body": {"a": 1}}},
        {"outcome": "reject", "http_status": 400},
        {"outcome": "redirect", "http_status": 301, "location": "/ask/"},
        {"outcome": "upstream_error", "http_status": 502},
        {"outcome": "biz_error", "code": 5},
        {"outcome": "exception", "result_json": {"code": 7}},
        {"outcome": "load_error"},
    ],
    ids=str,
)
def test_what_differs_is_reported(folder, capsys, expected):
    report = report_of(folder, capsys, case_of(expected=expected))
    assert report.startswith("svc/case\n  expected ")
    assert report.endswith("\n0 passed, 1 failed\n")
