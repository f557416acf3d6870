"""Where a request ends, told to each HTTP server on raw sockets: what leaves a doubt is refused."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater

from tests.contract.http_server import WITHIN, Server, parts
from txgateway.core.message import Response
from txgateway.net.http import HttpLimits

# What a smuggler hopes to have run.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gw\r\n\r\n"
POST = b"POST /book HTTP/1.1\r\nHost: gw\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"

DOUBTFUL = {
    # Content-Length
    "a sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a minus": POST + b"Content-Length: -0\r\n\r\n",
    "a list": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "one length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "an underscore": POST + b"Content-Length: 1_0\r\n\r\n0123456789",
    "a blank inside": POST + b"Content-Length: 1 0\r\n\r\n0123456789",
    "foreign digits": POST + "Content-Length: ５\r\n\r\nhello".encode(),
    "no digits": POST + b"Content-Length:\r\n\r\n",
    "a fraction": POST + b"Content-Length: 5.0\r\n\r\nhello",
    "more digits than a length has": POST + b"Content-Length: 00000000000000005\r\n\r\nhello",
    "a vertical tab before the length": POST + b"Content-Length:\x0b5\r\n\r\nhello",
    "a vertical tab behind the length": POST + b"Content-Length: 5\x0b\r\n\r\nhello",
    # Transfer-Encoding
    "both kinds": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
    "both kinds, the other way round": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + LAST,
    "both kinds, in odd case": POST + b"tRANSFER-eNCODING: cHUNKED\r\ncONTENT-lENGTH: 5\r\n\r\n" + LAST,
    "identity": POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "identity alone": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "identity in odd case": POST + b"TRANSFER-ENCODING: iDentity\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + LAST,
    "chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + LAST,
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + LAST,
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + LAST,
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
    "identity and chunked": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
    "chunked with a parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + LAST,
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + LAST,
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + LAST,
    "an empty coding": POST + b"Transfer-Encoding:\r\n\r\n" + LAST,
    "a vertical tab before the coding": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n" + LAST,
    "chunked in HTTP/1.0": b"POST /book HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
    # header lines
    "a folded line": POST + b"X: 1\r\n Content-Length: 5\r\n\r\nhello",
    "a folded first line": b"POST /book HTTP/1.1\r\n Content-Length: 5\r\nHost: gw\r\n\r\nhello",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + LAST,
    "a tab at the beginning": POST + b"X: 1\r\n\tContent-Length: 5\r\n\r\nhello",
    "a blank before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n" + LAST,
    "a CR inside a value": POST + b"X: \rTransfer-Encoding: chunked\r\n\r\n" + LAST,
    "a CR at the end of a value": POST + b"X: 1\r\r\nContent-Length: 5\r\n\r\nhello",
    "a CR alone as line end": POST + b"X: 1\rContent-Length: 5\r\n\r\nhello",
    "an LF alone as line end": POST + b"X: 1\nContent-Length: 5\r\n\r\nhello",
    "an LF before the body": POST + b"Content-Length: 5\r\n\nhello",
    "LF throughout": b"POST /book HTTP/1.1\nHost: gw\nContent-Length: 5\n\nhello",
    "a NUL in a value": POST + b"X: a\0b\r\n\r\n",
    "a NUL in a name": POST + b"Content-Length\0: 5\r\n\r\nhello",
    "a control character in a value": POST + b"X: a\x08b\r\n\r\n",
    "DEL in a value": POST + b"X: a\x7fb\r\n\r\n",
    "a line without colon": POST + b"Content-Length\r\n\r\n",
    "a line without name": POST + b": 5\r\n\r\n",
    "a name in quotes": POST + b'"Content-Length": 5\r\n\r\nhello',
    "a name with obs-text": POST + b"Content-Length\xa0: 5\r\n\r\nhello",
    # Host
    "no host": b"GET /book HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /book HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "a host that is none": b"GET /book HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host with a blank": b"GET /book HTTP/1.1\r\nHost: a b\r\n\r\n",
    # the request line
    "two blanks": b"GET  /book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a tab": b"GET\t/book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a blank in the target": b"GET /bo ok HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a blank at the end": b"GET /book HTTP/1.1 \r\nHost: gw\r\n\r\n",
    "a blank in front": b" GET /book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "no version": b"GET /book\r\nHost: gw\r\n\r\n",
    "a version in lower case": b"GET /book http/1.1\r\nHost: gw\r\n\r\n",
    "a long version": b"GET /book HTTP/1.10\r\nHost: gw\r\n\r\n",
    "a signed version": b"GET /book HTTP/+1.1\r\nHost: gw\r\n\r\n",
    "a verb that is no token": b"G(T /book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a target without a slash": b"GET book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a target of another scheme": b"GET ftp://gw/book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "an authority": b"CONNECT gw:80 HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a star for another verb": b"GET * HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a CR in the target": b"GET /bo\rok HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a NUL in the target": b"GET /bo\0ok HTTP/1.1\r\nHost: gw\r\n\r\n",
    "two empty lines in front": b"\r\n\r\nGET /book HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    # chunks
    "0x": CHUNKED + b"0x5\r\nhello\r\n" + LAST,
    "a signed chunk": CHUNKED + b"+5\r\nhello\r\n" + LAST,
    "a negative chunk": CHUNKED + b"-5\r\nhello\r\n" + LAST,
    "an underscore in a chunk's size": CHUNKED + b"0_5\r\nhello\r\n" + LAST,
    "a blank before a chunk's size": CHUNKED + b" 5\r\nhello\r\n" + LAST,
    "a blank behind a chunk's size": CHUNKED + b"5 \r\nhello\r\n" + LAST,
    "a blank before an extension": CHUNKED + b"5 ;a\r\nhello\r\n" + LAST,
    "no size": CHUNKED + b"\r\nhello\r\n" + LAST,
    "no hexadecimal digit": CHUNKED + b"g\r\nhello\r\n" + LAST,
    "more digits than a size has": CHUNKED + b"00000000000000005\r\nhello\r\n" + LAST,
    "an LF behind a chunk's size": CHUNKED + b"5\nhello\r\n" + LAST,
    "an LF inside a chunk extension": CHUNKED + b"5;a\nb\r\nhello\r\n" + LAST,
    "a CR inside a chunk extension": CHUNKED + b"5;a\rb\r\nhello\r\n" + LAST,
    "a NUL inside a chunk extension": CHUNKED + b"5;a\0b\r\nhello\r\n" + LAST,
    "an extension without semicolon": CHUNKED + b"5 a\r\nhello\r\n" + LAST,
    "a chunk that is longer than it says": CHUNKED + b"4\r\nhello\r\n" + LAST,
    "an LF behind a chunk": CHUNKED + b"5\r\nhello\n" + LAST,
    "a CR and more behind a chunk": CHUNKED + b"5\r\nhello\rX" + LAST,
    "endless extensions": CHUNKED + b"1;%s\r\nx\r\n" % (b"e" * 3000) * 2 + LAST,
    "a folded trailer": CHUNKED + b"0\r\nX: 1\r\n Y: 2\r\n\r\n",
    "a trailer without colon": CHUNKED + b"0\r\nTrailer\r\n\r\n",
    "an LF in the trailers": CHUNKED + b"0\r\nX: 1\n\r\n\r\n",
}


@pytest.mark.parametrize("how", DOUBTFUL)
@pytest_twisted.ensureDeferred
async def test_what_leaves_a_doubt_is_400_and_the_connection_ends(server, how):
    status, headers, _ = parts(await server.send(DOUBTFUL[how] + SMUGGLED))
    assert status == 400
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/problem+json"
    assert not server.requests


@pytest.mark.parametrize("how", DOUBTFUL)
@pytest_twisted.ensureDeferred
async def test_the_request_before_it_is_answered_and_nothing_else_runs(server, how):
    received = await server.send(b"GET /first HTTP/1.1\r\nHost: gw\r\n\r\n" + DOUBTFUL[how] + SMUGGLED)
    assert parts(received)[0] in (200, 400)
    assert {request.path for request in server.requests} <= {b"/first"}


SOUND = {
    "no body": (POST + b"\r\n", b""),
    "a length": (POST + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "a length with leading zeros": (POST + b"Content-Length: 005\r\n\r\nhello", b"hello"),
    "a length between blanks": (POST + b"Content-Length: \t 5 \t\r\n\r\nhello", b"hello"),
    "chunks": (CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n" + LAST, b"hello world"),
    "chunks in odd case": (POST + b"transfer-encoding: Chunked\r\n\r\n" + LAST, b""),
    "a size in capitals": (CHUNKED + b"00A\r\n0123456789\r\n" + LAST, b"0123456789"),
    "an extension": (CHUNKED + b'5;a=b;c="d;e"\r\nhello\r\n0;last\r\n\r\n', b"hello"),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nX: 1\r\nContent-Length: 99\r\n\r\n", b"hello"),
    "line ends in the body": (POST + b"Content-Length: 4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
    "a request in the body": (POST + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, SMUGGLED),
    "a request in a chunk": (CHUNKED + b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n" + LAST, SMUGGLED),
    "an empty line in front": (b"\r\n" + POST + b"\r\n", b""),
    "obs-text in a value": (POST + b"X: \xe4\xff\r\n\r\n", b""),
    "an empty value": (POST + b"X:\r\n\r\n", b""),
    "an empty host": (b"POST /book HTTP/1.1\r\nHost:\r\n\r\n", b""),
    "a host with a port": (b"POST /book HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", b""),
    "a GET with a body": (b"GET /book HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
}
CLOSING = b"GET /last HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("how", SOUND)
@pytest_twisted.ensureDeferred
async def test_a_sound_request_ends_where_it_says(server, how):
    data, body = SOUND[how]
    received = await server.send(data + CLOSING)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert [(request.path, request.body) for request in server.requests] == [(b"/book", body), (b"/last", b"")]


@pytest.mark.parametrize("how", ["chunks", "a length", "trailers", "an extension"])
@pytest_twisted.ensureDeferred
async def test_a_request_may_come_in_pieces(server, how):
    data, body = SOUND[how]
    connection = await server.connect()
    connection.transport.setTcpNoDelay(True)
    for at in range(len(data)):
        connection.transport.write(data[at : at + 1])
        await deferLater(reactor, 0)
    connection.transport.write(CLOSING)
    await connection.closed.addTimeout(WITHIN, reactor)
    assert [request.body for request in server.requests] == [body, b""]


@pytest_twisted.ensureDeferred
async def test_another_version_is_not_spoken(server):
    status, _, _ = parts(await server.send(b"GET /book HTTP/2.0\r\nHost: gw\r\n\r\n"))
    assert (status, server.requests) == (505, [])


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /%s HTTP/1.1\r\nHost: gw\r\n\r\n" % (b"x" * 1000), 414),
        (b"GET /" + b"x" * 1000, 414),
        (b"GET / HTTP/1.1\r\nHost: gw\r\nX: %s\r\n\r\n" % (b"x" * 2000), 431),
        (b"GET / HTTP/1.1\r\nHost: gw\r\nX: " + b"x" * 2000, 431),
        (b"GET / HTTP/1.1\r\nHost: gw\r\n%s\r\n" % (b"X: 1\r\n" * 10), 431),
        (b"GET / HTTP/1.1\r\nHost: gw\r\n" + b"X: 1\r\n" * 11, 431),
        (CHUNKED + b"0\r\n" + b"X: 1\r\n" * 11 + b"\r\n", 431),
    ],
    ids=["line", "endless line", "bytes", "endless bytes", "count", "endless count", "trailers"],
)
@pytest_twisted.ensureDeferred
async def test_a_head_over_the_limits_is_refused(make, data, status):
    server = Server(make, HttpLimits(request_line=900, headers=10, header_bytes=1500))
    await server.server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1")])
    got, headers, _ = parts(await server.send(data))
    await server.server.stop_listening()
    assert (got, headers[b"connection"], server.requests) == (status, b"close", [])


@pytest.mark.parametrize(
    "data",
    [b"GET / HTT", b"GET / HTTP/1.1\r\nHost: gw\r\nX:", POST + b"Content-Length: 5\r\n\r\nhel", CHUNKED + b"5\r\nhel"],
    ids=["line", "headers", "body", "chunk"],
)
@pytest_twisted.ensureDeferred
async def test_a_request_that_does_not_go_on_is_408(make, data):
    server = Server(make, HttpLimits(header_time=0.1, body_time=0.1))
    await server.server.listen([serverFromString(reactor, "tcp:0:interface=127.0.0.1")])
    status, headers, _ = parts(await server.send(data))
    await server.server.stop_listening()
    assert (status, headers[b"connection"], server.requests) == (408, b"close", [])


@pytest_twisted.ensureDeferred
async def test_a_client_that_asks_first_is_told_to_go_on(server):
    connection = await server.connect()
    connection.transport.write(POST + b"Expect: 100-Continue\r\nConnection: close\r\nContent-Length: 5\r\n\r\n")
    while not connection.received.endswith(b"\r\n\r\n"):
        await deferLater(reactor, 0)
    assert connection.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.transport.write(b"hello")
    received = await connection.closed.addTimeout(WITHIN, reactor)
    assert received.count(b"100 Continue") == 1
    assert [request.body for request in server.requests] == [b"hello"]


@pytest_twisted.ensureDeferred
async def test_a_client_that_asks_for_too_much_is_refused_at_once(server):
    received = await server.send(POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
    assert parts(received)[0] == 413


@pytest_twisted.ensureDeferred
async def test_http_1_0_gets_one_answer_and_the_end(server):
    status, _, body = parts(await server.send(b"GET /book HTTP/1.0\r\n\r\n" + SMUGGLED))
    assert (status, body) == (200, b"fine")
    assert [request.path for request in server.requests] == [b"/book"]


@pytest.mark.parametrize("word", [b"close", b"Close", b"x, close", b"close, x", b"keep-alive,close"])
@pytest_twisted.ensureDeferred
async def test_nothing_runs_behind_a_request_that_closes(server, word):
    raw = await server.send(b"GET /book HTTP/1.1\r\nHost: gw\r\nConnection: %s\r\n\r\n" % word + SMUGGLED)
    assert parts(raw)[1][b"connection"] == b"close"
    assert [request.path for request in server.requests] == [b"/book"]


@pytest_twisted.ensureDeferred
async def test_no_other_protocol_is_gone_over_to(server):
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    received = await server.send(b"GET /book HTTP/1.1\r\nHost: gw\r\n" + upgrade + b"\r\n" + CLOSING)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert [request.path for request in server.requests] == [b"/book", b"/last"]


@pytest_twisted.ensureDeferred
async def test_requests_without_end_wait_outside(server):
    """The first is slow, and 20,000 more come on the same connection: reading pauses, and all are served after."""
    first, begun, count = Deferred(), Deferred(), 20_000

    def answer(request):
        if len(server.requests) == 1:
            begun.callback(None)
            return first
        return succeed(Response(200, (), b"."))

    server.answer = answer
    connection = await server.connect()
    connection.transport.write(b"POST / HTTP/1.1\r\nHost: gw\r\n\r\n")
    await begun
    connection.transport.write(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n" * count + CLOSING)
    await deferLater(reactor, 0.2)
    assert len(server.requests) == 1
    # What has not left the client is not in the server's memory.
    first.callback(Response(200, (), b"first"))
    received = await connection.closed.addTimeout(60, reactor)
    assert received.count(b"HTTP/1.1 200 OK") == len(server.requests) == count + 2
