"""``tgw call``: through a gateway or to an instance, it ends with the same answer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.cli.answering import answers_once
from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess
from txgateway.cli import main
from txgateway.testing import free_port

pytestmark = pytest.mark.slow
IDL = str(ROOT / "idl")
COMMAND = [sys.executable, "-c", "from txgateway.cli import main; main()", "call"]


@pytest.fixture(scope="module")
def book():
    with BookProcess() as book:
        yield book


@pytest.fixture(scope="module")
def gateway(book):
    with GatewayProcess("--static", f"book={book.address}") as gateway:
        yield f"127.0.0.1:{gateway.port}"


@pytest.fixture(params=["gateway", "instance"])
def call(request, book, gateway):
    """A function that calls, and gives exit code, standard output and standard error."""

    def through(*arguments, **more):
        result = CliRunner().invoke(main, ["call", "--gateway", gateway, *arguments], **more)
        return result.exit_code, result.stdout, result.stderr

    def at_once(*arguments, **more):
        # It runs the reactor to its end, which can be done once in a process.
        command = [*COMMAND, "--to", book.address, "--idl", IDL, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)
        return ended.returncode, ended.stdout, ended.stderr

    return through if request.param == "gateway" else at_once


def test_a_result(call):
    code, out, err = call("book.queryBook", "-", input='{"Num": 7}')
    assert (code, json.loads(out)["Title"], err) == (0, "Anna Karenina", "")


def test_a_declared_exception(call):
    code, out, err = call("book.queryBook", '{"Num": 99}')
    assert (code, json.loads(out)) == (1, {"Status": 404, "Msg": "There is no book 99"})
    assert err == "book.queryBook threw BookNotFound (status 500):\n"


def test_a_refusal_as_json(call):
    code, out, _ = call("book.queryBook", '{"Num": 700}', "--format", "json")
    page = json.loads(out)
    assert (code, page["outcome"], page["status"], page["exception"]) == (1, "problem", 400, None)
    assert page["body"]["detail"] == "num must less than 100"


def test_a_header_is_sent_as_it_is_written():
    with answers_once(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (gateway, heard):
        result = CliRunner().invoke(main, ["call", "book.queryBook", "-H", "X-Who: Zoë €", "--gateway", gateway])
    assert (result.exit_code, result.output) == (0, "{}\n")
    assert "X-Who: Zoë €\r\n".encode() in heard


def test_a_refusal_says_where_and_why(gateway):
    result = CliRunner().invoke(main, ["call", "--gateway", gateway, "-H", "X-Request-Id: mine", "book.nix"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "book.nix: Not found (status 404): The service book has no method 'nix'\n    request_id: mine\n"
    )
    result = CliRunner().invoke(main, ["call", "--gateway", gateway, "book.queryBook", '{"Num": 700}'])
    assert "    field: Num\n    rule: $<100; msg:'num must less than 100'\n" in result.stderr


def test_who_is_no_gateway_is_told_of(admin_pages):
    result = CliRunner().invoke(main, ["call", "--gateway", admin_pages({}), "book.queryBook"])
    assert result.exit_code == 1
    assert "status 501, and not by a gateway:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nix"], "nix: expected SERVICE.METHOD"),
        (["a.b", "{"], "the arguments are no JSON"),
        (["a.b", "[1]"], "the arguments have to be a JSON object"),
        (["a.b", "-H", "x"], "'x' is no header"),
        (["a.b", "-H", "x: 1\r\ny: 2"], "'x: 1\\r\\ny: 2' is no header"),
        (["a.b", "--to", "127.0.0.1:1"], "--to and --idl belong together"),
        (["a.b", "--idl", IDL], "--to and --idl belong together"),
        (["a.b", "--to", "nowhere", "--idl", IDL], "nowhere: expected HOST:PORT"),
        (
            ["a.b", "--to", "h:1", "--idl", IDL, "--transport", "smoke"],
            "there is no transport smoke; there are buffered",
        ),
        (["a.b", "--gateway", "ftp://x"], "ftp://x: expected the URL of an HTTP port"),
        (["a.b", "--gateway", f"127.0.0.1:{free_port()}"], "nobody listens there (connection refused)"),
    ],
)
def test_what_cannot_be_asked_is_said_and_status_2(arguments, says):
    result = CliRunner().invoke(main, ["call", *arguments])
    assert result.exit_code == 2
    assert says in result.stderr


def test_an_instance_that_is_not_there():
    to = f"127.0.0.1:{free_port()}"
    ended = subprocess.run(
        [*COMMAND, "book.queryBook", "--to", to, "--idl", IDL], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"Error: {to}: nobody can be connected to there\n"
