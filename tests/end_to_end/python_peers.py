"""Peers of other makes in Python, thriftpy2's and Apache Thrift's own: servers in threads, and clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import thriftpy2
from thrift.protocol.TBinaryProtocol import TBinaryProtocolFactory
from thrift.protocol.TCompactProtocol import TCompactProtocolFactory
from thrift.server.TServer import TThreadedServer
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport.TSocket import TServerSocket, TSocket
from thrift.transport.TTransport import TBufferedTransportFactory, TFramedTransportFactory
from thriftpy2 import protocol as their_protocols
from thriftpy2 import rpc as their_rpc
from thriftpy2 import server as their_servers
from thriftpy2 import thrift as their_thrift
from thriftpy2 import transport as their_transports

from tests.end_to_end.kitex import BOOK_IDL, SOURCES

TRANSPORTS = {"framed": TFramedTransportFactory, "buffered": TBufferedTransportFactory}
PROTOCOLS = {"binary": TBinaryProtocolFactory, "compact": TCompactProtocolFactory}
# Not the Cython ones: those know no compact protocol.
THEIR_TRANSPORTS = {
    "framed": their_transports.TFramedTransportFactory,
    "buffered": their_transports.TBufferedTransportFactory,
}
THEIR_PROTOCOLS = {
    "binary": their_protocols.TBinaryProtocolFactory,
    "compact": their_protocols.TCompactProtocolFactory,
}
READERS = {TType.BOOL: "Bool", TType.I32: "I32", TType.STRING: "String"}

# A field of a struct: its id, type and value; a struct's value is a list of fields.
Field = tuple[int, int, Any]


class ApacheBooks:
    """The methods of ``book.thrift``, by hand on Apache's protocols, as its generated code would do it."""

    def process(self, iprot: Any, oprot: Any) -> bool:
        name, _, sequence = iprot.readMessageBegin()
        request = read(iprot).get(1, {})
        iprot.readMessageEnd()
        fields = self._result(name, request)
        if fields is None:
            oprot.writeMessageBegin(name, TMessageType.EXCEPTION, sequence)
            TApplicationException(TApplicationException.UNKNOWN_METHOD, f"Unknown function {name}").write(oprot)
        else:
            oprot.writeMessageBegin(name, TMessageType.REPLY, sequence)
            write(oprot, fields)
        oprot.writeMessageEnd()
        oprot.trans.flush()
        return True

    def _result(self, name: str, request: dict[int, Any]) -> list[Field] | None:
        if name == "insertBook":
            title = (2, TType.STRING, f"{request[1]}: {request[2]} by {request[3]}")
            return [(0, TType.STRUCT, [(1, TType.BOOL, request[1] != "0"), title])]
        number = request[1]
        if number == 98:
            return [(1, TType.STRUCT, [(1, TType.I32, 404), (2, TType.STRING, "no such book")])]
        if number == 97:
            return None
        texts = (str(number), "Título " * 40, "Zoë", "")
        return [(0, TType.STRUCT, [(1 + place, TType.STRING, text) for place, text in enumerate(texts)])]


def read(iprot: Any) -> dict[int, Any]:
    values: dict[int, Any] = {}
    iprot.readStructBegin()
    while True:
        _, kind, number = iprot.readFieldBegin()
        if kind == TType.STOP:
            iprot.readStructEnd()
            return values
        values[number] = read(iprot) if kind == TType.STRUCT else getattr(iprot, f"read{READERS[kind]}")()
        iprot.readFieldEnd()


def write(oprot: Any, fields: list[Field]) -> None:
    oprot.writeStructBegin("")
    for number, kind, value in fields:
        oprot.writeFieldBegin("", kind, number)
        if kind == TType.STRUCT:
            write(oprot, value)
        else:
            getattr(oprot, f"write{READERS[kind]}")(value)
        oprot.writeFieldEnd()
    oprot.writeFieldStop()
    oprot.writeStructEnd()


class TheirBench:
    """The methods of ``bench.thrift`` for thriftpy2, whose ``store`` gives each book back in its message."""

    def __init__(self, types: Any, books: list[dict[str, Any]]) -> None:
        self._types = types
        self._books = [self._book(book) for book in books]

    def fetch(self, req: Any) -> Any:
        return self._types.GetResp(exist=req.num > 0, id=str(req.num), title="t", author="a")

    def browse(self, req: Any) -> Any:
        return self._types.ListResp(books=self._books[: req.count], total=-req.count)

    def store(self, req: Any) -> Any:
        same = [held == sent for held, sent in zip(self._books, req.books, strict=False)]
        return self._types.StoreResp(stored=same.count(True), msg=req.shelf)

    def _book(self, book: dict[str, Any]) -> Any:
        authors = [self._types.Author(**author) for author in book["authors"]]
        return self._types.Book(**{**book, "authors": authors})


@contextmanager
def apache_books(transport: str, protocol: str) -> Iterator[int]:
    """Apache's server of ``book.thrift``; gives its port."""
    socket = TServerSocket("127.0.0.1", 0)
    server = TThreadedServer(ApacheBooks(), socket, TRANSPORTS[transport](), PROTOCOLS[protocol](), daemon=True)
    socket.listen()
    socket.listen = lambda: None  # It would listen once more.
    threading.Thread(target=server.serve, daemon=True).start()
    yield socket.handle.getsockname()[1]


@contextmanager
def their_bench(transport: str, protocol: str, books: list[dict[str, Any]]) -> Iterator[int]:
    """thriftpy2's server of ``bench.thrift``; gives its port."""
    types = thriftpy2.load(str(SOURCES / "idl" / "bench.thrift"), module_name=f"{transport}_{protocol}_thrift")
    socket = their_transports.TServerSocket("127.0.0.1", 0)
    server = their_servers.TThreadedServer(
        their_thrift.TProcessor(types.BenchSvc, TheirBench(types, books)),
        socket,
        iprot_factory=THEIR_PROTOCOLS[protocol](),
        itrans_factory=THEIR_TRANSPORTS[transport](),
    )
    server.daemon = True
    socket.listen()
    port = socket.sock.getsockname()[1]
    socket.listen = lambda: None
    threading.Thread(target=server.serve, daemon=True).start()
    yield port
    server.close()
    socket.close()


class ApacheBookClient:
    """Calls a server of ``book.thrift`` by Apache's protocols; results and exceptions by the ids of their fields."""

    def __init__(self, port: int, transport: str, protocol: str) -> None:
        self._transport = TRANSPORTS[transport]().getTransport(TSocket("127.0.0.1", port))
        self._protocol = PROTOCOLS[protocol]().getProtocol(self._transport)
        self._transport.open()

    def call(self, name: str, request: list[Field]) -> dict[int, Any] | TApplicationException:
        self._protocol.writeMessageBegin(name, TMessageType.CALL, 7)
        write(self._protocol, [(1, TType.STRUCT, request)])
        self._protocol.writeMessageEnd()
        self._transport.flush()
        answered, kind, sequence = self._protocol.readMessageBegin()
        assert (answered, sequence) == (name, 7)
        if kind == TMessageType.REPLY:
            return read(self._protocol)
        error = TApplicationException()
        error.read(self._protocol)
        return error

    def close(self) -> None:
        self._transport.close()


@contextmanager
def their_book_client(port: int, transport: str, protocol: str) -> Iterator[tuple[Any, Any]]:
    """thriftpy2's client of ``book.thrift``, and the types of that."""
    types = thriftpy2.load(str(BOOK_IDL), module_name=f"{transport}_{protocol}_book_thrift")
    factories = {"trans_factory": THEIR_TRANSPORTS[transport](), "proto_factory": THEIR_PROTOCOLS[protocol]()}
    with their_rpc.client_context(types.BookSvc, "127.0.0.1", port, **factories) as client:
        yield client, types
