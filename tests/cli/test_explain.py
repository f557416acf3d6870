"""``tgw explain``: a request explained in the terminal, from IDL alone, with instances, and by a running gateway."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from txgateway.cli import main
from txgateway.testing import free_port

IDL = str(Path(__file__).parents[2] / "idl")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["explain", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def page(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--idl", IDL, "--format", "json").stdout)


def without_time(output: str) -> list[str]:
    lines = output.splitlines()
    at = lines.index("time")
    return [line.rstrip() for line in [*lines[: at - 1], *lines[at + 2 :]]]


def test_a_refused_request():
    result = run("GET /book/query?num=700&nun=1", "--idl", IDL)
    assert result.exit_code == 1
    rule = "$<100; msg:'num must less than 100'"
    assert without_time(result.output)[:-1] == [
        "GET /book/query?num=700&nun=1",
        "",
        "route",
        "  GET /book/query is queryBook of book",
        "",
        "fields",
        "  Num i32 = 700",
        "    query parameter 'num': 700  (text to i32)",
        "  nothing takes the query parameter 'nun'; did you mean 'num'?",
        "",
        "rules (the first that fails refuses the request)",
        f"  fails  Num  {rule}",
        "         $<100  false",
        "           $    700",
        "         says: num must less than 100",
        "",
        "outcome",
        "  400  Validation failed: num must less than 100",
        "  content-type: application/problem+json",
    ]


def test_a_request_that_would_be_sent():
    result = run("/book/insert?title=Emma", "-d", '{"ID": null, "id": "3", "author": "x", "x": 1}', "--idl", IDL)
    assert result.exit_code == 0
    assert without_time(result.output) == [
        "POST /book/insert?title=Emma",
        "  body: json, 46 bytes",
        "",
        "route",
        "  POST /book/insert is insertBook of book",
        "",
        "fields",
        '  ID string = "3"',
        "    JSON key 'id': \"3\"  (JSON string to string)",
        "    JSON key 'ID'  (null counts as nothing)",
        "    nothing at form field 'id'",
        '  Title string = "Emma"',
        "    query parameter 'title': Emma  (text to string)",
        '  Author string = "x"',
        "    JSON key 'author': \"x\"  (JSON string to string)",
        "    nothing at form field 'author'",
        "  nothing takes the JSON key 'x'",
        "",
        "call: BookSvc.insertBook of book, 32 bytes of arguments",
        "  0000  0c 00 01                          1 req: struct InsertBookReq",
        '  0003  0b 00 01 00 00 00 01 33             1 ID: string = "3" (1 byte)',
        '  000b  0b 00 02 00 00 00 04 45 6d 6d 61    2 Title: string = "Emma" (4 bytes)',
        '  0016  0b 00 03 00 00 00 01 78             3 Author: string = "x" (1 byte)',
        "  001e  00                                  end of InsertBookReq",
        "  001f  00                                end of insertBook_args",
        "",
        "outcome",
        "  book would be called; what it answers decides",
    ]


def test_what_matches_no_route():
    result = run("GET /book/qery", "--idl", IDL)
    assert result.exit_code == 1
    assert "  none matches\n" in result.output
    assert "  not GET /book/query (book queryBook): segment 2 is 'query', not 'qery'\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "verb", "body"),
    [
        (["/book/query?num=7"], "GET", "none"),
        (["post /book/insert"], "POST", "none"),
        (["http://gw.example/book/query?num=7"], "GET", "none"),
        (["/book/insert", "-d", "id=7"], "POST", "form, 4 bytes"),
        (["PUT /book/insert", "-d", ' {"ID": 7}'], "PUT", "json, 10 bytes"),
        (["/book/insert", "-d", "a", "-H", "content-type: text/csv"], "POST", "other, 1 byte"),
    ],
)
def test_the_request_is_written_as_for_curl(arguments, verb, body):
    found = page(*arguments)
    assert (found["verb"], found["body"]) == (verb, body)


def test_colours_are_for_terminals():
    arguments = ["explain", "GET /book/query?num=700", "--idl", IDL]
    assert "\x1b[" not in CliRunner().invoke(main, arguments).output
    assert "\x1b[31m" in CliRunner().invoke(main, arguments, color=True).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/x", "--idl", IDL, "--admin", "http://127.0.0.1:1"], "give IDL or --admin of a running gateway, not both"),
        (["/x", "--static", "book=127.0.0.1:1"], "a running gateway reads its IDL by its own settings"),
        (["--idl", IDL], "give a request, such as 'GET /book/query?num=7'"),
        (["--idl", IDL, "--live", "5"], "--live needs a running gateway"),
        (["/x", "--idl", IDL, "--call"], "to --call, it has to be known where"),
        (["/x", "--idl", IDL, "-H", "no header"], "'no header' is no header; one is written 'Name: value'"),
        (["/a b", "--idl", IDL], '"target" has a blank'),
        (["/x", "--idl", IDL, "--static", "book"], "discovery.static"),
        (["/x", "--admin", f"http://127.0.0.1:{free_port()}"], "refused"),
    ],
)
def test_what_cannot_be_explained_is_said(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_without_idl_a_running_gateway_is_asked(monkeypatch):
    monkeypatch.setenv("TGW_ADMIN", f"http://127.0.0.1:{free_port()}")
    assert "/explain: nobody listens there" in run("/x").output
    assert "/explain/token: nobody listens there" in run("--live", "5").output
    assert "  none matches\n" in run("/x", "--idl", IDL).output


def test_with_instances_a_call_can_be_made():
    port = free_port()
    command = [Path(sys.executable).parent / "tgw", "explain", "GET /book/query?num=7", "--idl", IDL]
    options = ["--static", f"book=127.0.0.1:{port}", "--call", "--format", "json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["outcome"]["status"] == 503
    assert found["tries"][0]["failure"].startswith("connect-failed")
    assert found["pick"]["chosen"] == found["tries"][0]["address"] == f"127.0.0.1:{port}"
    assert done.stderr == ""
