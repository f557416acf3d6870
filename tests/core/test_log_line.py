"""A line of the access log says what became of a request, and nothing that the client would not want repeated."""

from __future__ import annotations

import json

import pytest

from tests.mapped import service_of
from txgateway.core.errors import Answered, ConnectFailed, DeadlineExceeded, NotFound, ValidationFailed
from txgateway.core.instances import Instance
from txgateway.core.log_line import as_combined, as_json
from txgateway.core.message import Call, Request, Response, Try

ROUTE = service_of(
    'struct A { 1: string key (api.path="key") } service S { void get(1: A a) (api.get="/b/:key") }', "book"
).routes[0]
EPOCH = 1_700_000_000.0
SECRET = (
    (b"authorization", b"Bearer secret"),
    (b"cookie", b"id=secret"),
    (b"referer", b"secret"),
    (b"user-agent", b"secret"),
)


def request(*tries: Try, route=ROUTE) -> Request:
    asked = Request(
        "GET", b"/b/secret?key=secret", SECRET, b"secret", "10.1.2.3", id="f00d-1", began=12.0625, route=route
    )
    asked.call = Call("book", b"get", b"secret", tries=list(tries)) if tries else None
    return asked


ONE, TWO = Try(Instance("10.0.0.1", 9001), 12.1, 12.2, ConnectFailed()), Try(Instance("::1", 9001), 12.25, 12.5)
OK = Response(200, (), b"secret")

COMMON = {"time": "2023-11-14T22:13:32.062Z", "id": "f00d-1", "client": "10.1.2.3", "verb": "GET"}
METHOD = {"service": "book", "method": "get"}


@pytest.mark.parametrize(
    ("ended", "rest"),
    [
        (
            (request(ONE, TWO), OK, None, 0.5),
            {"route": "/b/:key", "status": 200, "bytes": 6, "ms": 500.0, **METHOD}
            | {"instance": "::1:9001", "tries": 2, "upstream_ms": 400.0},
        ),
        (
            (request(route=None), Response(404), NotFound(), 0.0001),
            {"status": 404, "bytes": 0, "ms": 0.1, "failure": "not-found", "fault": "client"},
        ),
        (
            (request(), Response(400), ValidationFailed("secret", rule="$"), 0.0),
            {"route": "/b/:key", "status": 400, "bytes": 0, "ms": 0.0, **METHOD}
            | {"failure": "validation-failed", "fault": "client"},
        ),
        (
            (request(ONE), Response(504), DeadlineExceeded(), 1.0),
            {"route": "/b/:key", "status": 504, "bytes": 0, "ms": 1000.0, **METHOD}
            | {"instance": "10.0.0.1:9001", "tries": 1, "upstream_ms": 100.0}
            | {"failure": "deadline-exceeded", "fault": "upstream"},
        ),
        (
            (request(route=None), Response(301), Answered(Response(301)), 0.0),
            {"status": 301, "bytes": 0, "ms": 0.0},
        ),
        (
            (request(TWO, route=None), OK, None, 0.5),
            {"status": 200, "bytes": 6, "ms": 500.0, **METHOD}
            | {"instance": "::1:9001", "tries": 1, "upstream_ms": 250.0},
        ),
    ],
)
def test_a_line_of_json(ended, rest):
    line = as_json(*ended, EPOCH)
    assert json.loads(line) == COMMON | rest
    assert "\n" not in line
    assert "secret" not in line


def test_a_line_of_the_combined_form():
    line = as_combined(request(TWO), OK, None, 0.5, EPOCH)
    assert line == '10.1.2.3 - - [14/Nov/2023:22:13:32 +0000] "GET /b/:key HTTP/1.1" 200 6 "-" "-" f00d-1 500.000'
    nobody = (Request("GET", b"/x", id="f00d-2"), Response(404), NotFound(), 0.001)
    assert as_combined(*nobody, EPOCH) == (
        '- - - [14/Nov/2023:22:13:20 +0000] "GET - HTTP/1.1" 404 0 "-" "-" f00d-2 1.000'
    )


def test_names_from_idl_and_registry_are_quoted():
    asked = Request("GET", b"/", client='"\\', id="f00d-1")
    asked.call = Call('b"k', b"get", b"", tries=[Try(Instance('/run/"x".sock', 0, network="unix"), 0.0, 0.0)])
    line = json.loads(as_json(asked, OK, None, 0.0, EPOCH))
    assert (line["client"], line["service"], line["instance"]) == ('"\\', 'b"k', '/run/"x".sock')
