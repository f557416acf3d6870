"""``tgw services`` against an admin port that says what the test says."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from tests.cli.answering import answers_once
from txgateway.cli import main
from txgateway.testing import free_port

LIVE = {"address": "10.0.0.1:9000", "weight": 10, "tags": {"zone": "a", "lane": "[blue]"}, "state": "live"}
LIVE |= {"calls": 7, "in_flight": 1, "idle": 2, "cost_ms": 12.34, "breaker": None, "last_error": None}
LIVE["lease_age"] = 61.4
EJECTED = {**LIVE, "address": "10.0.0.2:9000", "state": "ejected", "tags": {}, "cost_ms": None}
EJECTED["last_error"] = {"what": "timed out", "seconds_ago": 3.2}
# One that left has no more than this.
DRAINING = {"address": "10.0.0.3:9000", "weight": 1, "tags": {}, "calls": 1, "in_flight": 1, "idle": 0}
DRAINING["state"] = "draining"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["services", *arguments])


def test_a_line_for_each_instance(admin):
    result = run("--admin", admin({"services": {"book": [LIVE, EJECTED, DRAINING], "alpha": [LIVE]}}))
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines == [
        "Service Instance Weight State Lease Calls In flight Idle Cost Last error Tags",
        "alpha 10.0.0.1:9000 10 live 61 s 7 1 2 12.3 ms lane=[blue] zone=a",
        "book 10.0.0.1:9000 10 live 61 s 7 1 2 12.3 ms lane=[blue] zone=a",
        "book 10.0.0.2:9000 10 ejected 61 s 7 1 2 timed out, 3 s ago",
        "book 10.0.0.3:9000 1 draining 1 1 0",
    ]


def test_how_etcd_is_followed(admin):
    connected = {"prefix": "kitex/registry-etcd", "connected": True, "trouble": "", "revision": 17}
    connected |= {"age": 3.2, "keys": 2, "reconnects": 0}
    away = {**connected, "prefix": "", "connected": False, "trouble": "connection refused", "age": None, "keys": 0}
    etcd = {"kind": "etcd", "endpoint": "http://e:1", "prefixes": [connected, away]}
    etcd["elsewhere"] = {"shop": ["old", "older"]}
    page = {"services": {"book": [LIVE]}, "registries": [{"kind": "static", "ready": True, "services": {}}, etcd]}
    assert run("--admin", admin(page)).output.splitlines()[2:] == [
        "http://e:1 kitex/registry-etcd: connected; revision 17, 2 keys, heard of 3 s ago, 0 reconnects",
        "http://e:1 /: serving what is known: connection refused; revision 17, 0 keys, never heard of, 0 reconnects",
        "shop has no instance here, but some under old, older",
    ]


def test_a_name_that_may_be_misspelt_is_told(admin):
    registries = [{"kind": "etcd", "prefixes": [], "services": {"boook": [LIVE], "bok": [], "shop": [LIVE]}}]
    url = admin({"services": {"book": [], "shop": [LIVE], "other": []}, "registries": registries})
    assert run("--admin", url).output.splitlines()[-1] == (
        "book has no instance, but there are some of boook; is one of the names misspelt?"
    )


@pytest.mark.parametrize("lines", [[], [EJECTED], [DRAINING]])
def test_a_service_without_a_live_instance_is_status_1(admin, lines):
    url = admin({"services": {"book": lines, "well": [LIVE]}})
    assert run("--admin", url).exit_code == 1
    assert run("--admin", url, "well").exit_code == 0
    assert run("--admin", url, "unheard-of").exit_code == 1


def test_the_same_as_json(admin):
    result = run("--admin", admin({"services": {"book": [LIVE]}}), "--format", "json")
    assert json.loads(result.output) == {"book": [LIVE]}


@pytest.mark.parametrize(
    ("page", "status", "said"),
    [
        (b"no JSON", 200, "answers with no JSON object: is that an admin port?"),
        ({"up": 1}, 200, "shows no services"),
        (b"", 404, "answers with 404: is that an admin port?"),
    ],
)
def test_what_is_no_admin_port_is_named(admin, page, status, said):
    result = run("--admin", admin(page, status))
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_gateway_that_is_not_there_is_named():
    url = f"127.0.0.1:{free_port()}"
    result = run("--admin", url)
    assert (result.exit_code, result.output) == (
        2,
        f"Error: http://{url}/services: nobody listens there (connection refused)\n",
    )
    assert run("--admin", "file:///etc").exit_code == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a b", "http://127.0.0.1:1/\n", "http://[::1", "http://a..b"])
def test_what_is_no_url_is_named(url):
    result = run("--admin", url)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {url}/services: ")
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "said", [b"", b"\0\0\0\x11\x80\1\0\3no HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_what_does_not_speak_http_is_named(said):
    """As one may ask the port of a service."""
    with answers_once(said) as (address, _):
        result = run("--admin", f"http://{address}")
    assert result.exit_code == 2, result.exception
    assert len(result.stderr.splitlines()) == 1


def test_the_admin_port_may_stand_in_the_environment(admin, monkeypatch):
    monkeypatch.setenv("TGW_ADMIN", admin({"services": {"book": [LIVE]}}))
    assert run().exit_code == 0
