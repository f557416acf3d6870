"""One set of requests, told to each HTTP server: what a handler is given, and what the client gets."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import serverFromString

from tests.contract.http_server import WITHIN, Server, parts
from txgateway.core.message import Response
from txgateway.net.http import HttpLimits, PublicHandlers
from txgateway.net.http.klein_server import werkzeug_rule


@pytest_twisted.ensureDeferred
async def test_the_handler_sees_the_request_as_it_was_sent(server):
    await server.send(
        b"POST /a%2Fb/%FF?x=1&y=%20 HTTP/1.1\r\nHost: gw\r\nX-Thing:  two words \r\nx-thing: again\r\n"
        b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
    )
    (request,) = server.requests
    assert request.verb == "POST"
    assert request.target == b"/a%2Fb/%FF?x=1&y=%20"
    assert (request.path, request.query) == (b"/a%2Fb/%FF", b"x=1&y=%20")
    assert [value for name, value in request.headers if name == b"x-thing"] == [b"two words", b"again"]
    assert request.body == b"hello"
    assert request.client == "127.0.0.1"


@pytest_twisted.ensureDeferred
async def test_the_client_gets_status_headers_and_body_and_no_version(server):
    server.answer = lambda request: succeed(
        Response(404, ((b"x-a", b"1"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")), b"no")
    )
    raw = await server.get(b"/nowhere")
    status, headers, body = parts(raw)
    assert (status, body) == (404, b"no")
    assert headers[b"x-a"] == b"1"
    assert headers[b"content-length"] == b"2"
    assert b"date" in headers
    assert b"server" not in headers
    assert raw.lower().count(b"set-cookie:") == 2


@pytest.mark.parametrize(
    "target",
    [
        b"/book/query",
        b"/book/query/",
        b"/v7/x",
        b"/files/a/b",
        b"/files/",
        b"//book//query",
        b"/",
        b"/%70",
        b"/a;b=c",
    ],
)
@pytest.mark.parametrize("verb", [b"GET", b"POST", b"DELETE", b"PATCH", b"BREW"])
@pytest_twisted.ensureDeferred
async def test_every_path_and_verb_reaches_the_handler_unchanged(server, target, verb):
    status, _, _ = parts(await server.get(target, b"Content-Length: 0\r\n", verb))
    assert status == 200
    assert [(request.verb.encode(), request.path) for request in server.requests] == [(verb, target)]
    assert not server.generic


@pytest.mark.parametrize("target", [b"/f\xc3\xb6", b"/\xff"])
@pytest_twisted.ensureDeferred
async def test_bytes_that_no_target_may_have_are_a_bad_request(server, target):
    status, _, _ = parts(await server.get(target))
    assert status == 400
    assert not server.requests


@pytest.mark.parametrize("verb", [b"POST", b"GET"])
@pytest_twisted.ensureDeferred
async def test_json_calls_reach_their_own_handler(server, verb):
    await server.get(b"/gateway/book/queryBook", b"Content-Length: 0\r\n", verb)
    assert [request.path for request in server.generic] == [b"/gateway/book/queryBook"]
    assert not server.requests


@pytest_twisted.ensureDeferred
async def test_a_target_in_absolute_form_is_its_path(server):
    await server.get(b"http://elsewhere:80/book/query?num=1")
    await server.get(b"http://elsewhere?num=1")
    assert [request.target for request in server.requests] == [b"/book/query?num=1", b"/?num=1"]


@pytest_twisted.ensureDeferred
async def test_head_has_the_length_but_not_the_body(server):
    status, headers, body = parts(await server.get(b"/book/query", verb=b"HEAD"))
    assert (status, headers[b"content-length"], body) == (200, b"4", b"")


@pytest_twisted.ensureDeferred
async def test_no_content_has_no_length(server):
    server.answer = lambda request: succeed(Response(204))
    status, headers, body = parts(await server.get(b"/book/query"))
    assert (status, body) == (204, b"")
    assert b"content-length" not in headers


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_cancels_its_handler(server):
    cancelled = Deferred()
    seen = Deferred()

    def hang(request):
        seen.callback(None)
        return Deferred(lambda _: cancelled.callback(None)).addErrback(
            lambda failure: failure.trap(CancelledError) and Response(499)
        )

    server.answer = hang
    connection = await server.connect()
    connection.transport.write(b"GET /book/query HTTP/1.1\r\nHost: gw\r\n\r\n")
    await seen.addTimeout(WITHIN, reactor)
    connection.transport.abortConnection()
    await cancelled.addTimeout(WITHIN, reactor)


@pytest_twisted.ensureDeferred
async def test_pipelined_requests_are_answered_in_order(server):
    answers = [Deferred(), succeed(Response(200, (), b"second"))]
    server.answer = lambda request: answers.pop(0)
    first = answers[0]
    connection = await server.connect()
    connection.transport.write(
        b"GET /one HTTP/1.1\r\nHost: gw\r\n\r\nGET /two HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n"
    )
    reactor.callLater(0.05, first.callback, Response(200, (), b"first"))
    received = await connection.closed.addTimeout(WITHIN, reactor)
    assert received.index(b"first") < received.index(b"second")


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        (b"Connection: keep-alive, Close\r\n", True),
        (b"Connection: keep-alive\r\nConnection: close\r\n", True),
        (b"Connection: close,\tupgrade\r\n", True),
        (b"Connection: closed\r\n", False),
        # One option that is none.
        (b"Connection: : close\r\n", False),
        (b"", False),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_connection_ends_where_one_of_its_options_says_so(server, lines, ends):
    server.answer = lambda request: succeed(Response(200, (), request.path))
    connection = await server.connect()
    connection.transport.write(
        b"GET /one HTTP/1.1\r\nHost: gw\r\n%b\r\nGET /two HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n" % lines
    )
    received = await connection.closed.addTimeout(WITHIN, reactor)
    assert (b"/one" in received, b"/two" in received) == (True, not ends)


@pytest_twisted.ensureDeferred
async def test_other_routes_are_served_after_a_swap(server):
    server.server.serve(PublicHandlers(lambda request: succeed(Response(200, (), b"new")), server._generic, []))
    assert parts(await server.get(b"/book/query"))[2] == b"new"
    assert not server.requests


@pytest_twisted.ensureDeferred
async def test_a_connection_ends_with_its_answer_once_the_server_has_stopped_listening(server):
    answer = Deferred()
    seen = Deferred()
    server.answer = lambda request: seen.callback(None) or answer
    connection = await server.connect()
    connection.transport.write(b"GET /book/query HTTP/1.1\r\nHost: gw\r\n\r\n")
    await seen.addTimeout(WITHIN, reactor)
    await server.server.stop_listening()
    answer.callback(Response(200, (), b"last"))
    status, headers, body = parts(await connection.closed.addTimeout(WITHIN, reactor))
    assert (status, headers[b"connection"], body) == (200, b"close", b"last")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413), (160, 413)])
@pytest_twisted.ensureDeferred
async def test_a_body_over_the_limit_is_refused_and_the_handler_not_called(make, size, status, chunked):
    server = Server(make, HttpLimits(body=10))
    await server.server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1")])
    body = b"x" * size
    framing = b"Content-Length: %d\r\n\r\n%s" % (size, body)
    if chunked:
        framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    raw = await server.send(b"POST /book/insert HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n" + framing)
    got, headers, _ = parts(raw)
    await server.server.stop_listening()
    assert got == status
    assert len(server.requests) == (status == 200)
    if status == 413:
        assert headers[b"content-type"] == b"application/problem+json"


@pytest_twisted.ensureDeferred
async def test_an_answer_says_the_id_that_its_request_was_given(server):
    def named(request):
        request.id = f"id-{len(server.requests)}"
        return succeed(Response(200, ((b"content-type", b"text/plain"),), b"fine"))

    server.answer = named
    for number in (1, 2):
        _, headers, _ = parts(await server.get(b"/book/query"))
        assert headers[b"x-id"] == b"id-%d" % number
    server.answer = lambda request: succeed(Response(200, (), b"fine"))
    _, headers, _ = parts(await server.get(b"/book/query"))
    assert b"x-id" not in headers


@pytest.mark.parametrize(
    ("line", "kind"), [(b"GET  / HTTP/1.1", "bad-message"), (b"GET /%s HTTP/1.1" % (b"x" * 9000), "uri-too-long")]
)
@pytest_twisted.ensureDeferred
async def test_what_is_refused_before_a_handler_sees_it_is_told_of(server, line, kind):
    await server.send(line + b"\r\nHost: gw\r\n\r\n")
    assert [error.kind for error in server.refused] == [kind]
    assert not server.requests


@pytest_twisted.ensureDeferred
async def test_one_connection_more_than_may_be_open_is_told_of(make):
    server = Server(make, HttpLimits(connections=1))
    await server.server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1")])
    first = await server.connect()
    second = await server.connect()
    assert await second.closed.addTimeout(WITHIN, reactor) == b""
    assert [error.kind for error in server.refused] == ["too-many-connections"]
    first.transport.loseConnection()
    await server.server.stop_listening()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest_twisted.ensureDeferred
async def test_a_body_without_end_is_cut_off(make, chunked):
    server = Server(make, HttpLimits(body=10))
    await server.server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1")])
    framing = b"Content-Length: 100000000\r\n\r\nx"
    if chunked:
        framing = b"Transfer-Encoding: chunked\r\n\r\n" + b"50\r\n%s\r\n" % (b"x" * 80) * 3
    await server.send(b"POST /book/insert HTTP/1.1\r\nHost: gw\r\n" + framing)
    await server.server.stop_listening()
    assert not server.requests


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/book/query", "/book/query"),
        ("/book/:id", "/book/<p0>"),
        ("/v:id/x/:from", "/v<p0>/x/<p1>"),
        ("/files/*rest", "/files/<path:p0>"),
        ("/a<b", "/a%3Cb"),
    ],
)
def test_the_rule_for_klein(path, rule):
    assert werkzeug_rule(path) == rule
