"""Our pool and a server of another make, thriftpy2's, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import thriftpy2
from thriftpy2.protocol import TCyBinaryProtocolFactory
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import (
    TCyBufferedTransportFactory,
    TCyFramedTransportFactory,
    TServerSocket,
)
from twisted.internet import reactor

from tests.net.test_thrift_server import IDL, number
from tests.wire_trees import encode
from txgateway.core.codec import exception
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.errors import ConnectionClosed
from txgateway.core.framing import Framing
from txgateway.core.framing.buffered import Buffered
from txgateway.core.framing.framed import Framed
from txgateway.core.instances import Instance
from txgateway.core.message import Call, MessageType
from txgateway.net.pool import Limits, Pool

TRANSPORTS = {Framed: TCyFramedTransportFactory, Buffered: TCyBufferedTransportFactory}
Serve = Callable[[type[Framing]], Pool]


class Desk:
    def __init__(self, types: Any) -> None:
        self._types = types
        self.notes: list[int] = []

    def ping(self) -> None: ...

    def echo(self, number: int) -> int:
        return number

    def slow(self, number: int) -> int:
        raise self._types.NotFound(why="gone")

    def fails(self, number: int) -> int:
        raise KeyError("undeclared")

    def greet(self, person: Any) -> None: ...

    def note(self, number: int) -> None:
        self.notes.append(number)

    def meta(self, code: int) -> dict[str, str]:
        return {}


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve, None, None]:
    """Starts a server that speaks one framing; gives a pool to it."""
    ends: list[Callable[[], Any]] = []

    def serve(framing: type[Framing]) -> Pool:
        path = tmp_path / "desk.thrift"
        path.write_text(IDL)
        types = thriftpy2.load(str(path), module_name=f"peer{framing.__name__}_thrift")
        socket = TServerSocket("127.0.0.1", 0)
        server = TThreadedServer(
            TProcessor(types.Desk, Desk(types)),
            socket,
            iprot_factory=TCyBinaryProtocolFactory(),
            itrans_factory=TRANSPORTS[framing](),
        )
        server.daemon = True
        socket.listen()
        port = socket.sock.getsockname()[1]
        # It would listen once more.
        socket.listen = lambda: None
        threading.Thread(target=server.serve, daemon=True).start()
        pool = Pool(reactor, Instance("127.0.0.1", port), Limits(connections=1, depth=8), framing)
        # Its thread waits for a connection until the socket is closed, which the server leaves to others.
        ends.extend([lambda: pytest_twisted.blockon(pool.close()), server.close, socket.close])
        return pool

    yield serve
    for end in ends:
        end()


def call(method: str, value: int | None = None, oneway: bool = False) -> Call:
    tree: list[Any] = [] if value is None else [[1, "i32", value]]
    return Call("desk", method.encode(), encode(tree), oneway, reactor.seconds() + 10)  # type: ignore[attr-defined]


@pytest.mark.parametrize("framing", list(TRANSPORTS))
@pytest_twisted.inlineCallbacks
def test_pipelined_calls_get_their_own_replies(serve: Serve, framing: type[Framing]) -> Any:
    pool = serve(framing)
    replies = [pool.call(call("echo", n)) for n in range(40)]
    for n, reply in enumerate(replies):
        assert (yield reply).payload == number(n)


@pytest.mark.parametrize("framing", list(TRANSPORTS))
@pytest_twisted.inlineCallbacks
def test_errors_and_oneway_calls(serve: Serve, framing: type[Framing]) -> Any:
    pool = serve(framing)
    yield pool.call(call("note", 3, oneway=True))
    declared = yield pool.call(call("slow", 1))
    assert declared.payload == encode([[1, "struct", [[1, "string", "gone"]]]])
    unknown = yield pool.call(call("nope"))
    assert unknown.type is MessageType.EXCEPTION
    assert exception.decode(unknown.payload) == ApplicationError(1, "")
    closed = yield pool.call(call("fails", 1)).addErrback(lambda failure: failure.value)
    assert type(closed) is ConnectionClosed
    assert (yield pool.call(call("echo", 5))).payload == number(5)
