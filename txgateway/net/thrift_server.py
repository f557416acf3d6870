"""A Thrift server on Twisted, for services of one's own: an IDL, an object with the methods, a dozen lines.

::

    idl = load_interface("book.thrift")

    class Books:
        def queryBook(self, req):
            if req.Num != 7:
                raise idl.types.BookNotFound(Msg="no such book")
            return idl.types.QueryBookResp(ID="7", Title="Dune")

        async def insertBook(self, req):
            ...

    service = ThriftService(reactor, idl, Books(), "tcp:9001", registry=registry, name="book", weight=3)
    service.setServiceParent(application)
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

from ..core.codec.binary import EncodeError
from ..core.codec.exception import Kind
from ..core.errors import WireError
from ..core.fingerprint import wire_fingerprint
from ..core.framing import LIMIT, BrokenMessage, Framing, Message
from ..core.framing.detecting import Accepting
from ..core.framing.ttheader import OUT_OF_ORDER
from ..core.instances import DEFAULT_WEIGHT, Instance
from ..core.linker import load
from ..core.serving import Dispatcher, Interface, Invocation, Refusal, farewell, refusal_of
from ..core.skew import IDL_TAG
from .alarm import NEVER, Alarm
from .listening import Roomy
from .registry import Announcement, Registry
from .writing import Writer

log = Logger()


def load_interface(path: str, include_dirs: Iterable[str] = (), service: str | None = None) -> Interface:
    """The service of an IDL file, by default the last one in it. Reads files: call it before the reactor runs.

    Raises IdlError, or ValueError if there is no such service.
    """
    return Interface(load(path, _read, include_dirs).schema, service)


def _read(path: str) -> str:
    return Path(path).read_text("utf-8")


@frozen
class ServerLimits:
    """Bounds of one server; times in seconds.

    :ivar message: bytes of the longest request.
    :ivar connections: one more is closed as soon as it comes.
    :ivar pipeline: requests of one connection that are read before the first is
        answered; then reading pauses. As many run side by side at most.
    :ivar stall: a request that has begun, or an answer, may come to a standstill for so long.
    :ivar request: from the first byte of a request to its last.
    :ivar idle: between an answer and the next request. Clients give connections up much
        earlier; this is for those that vanished.
    """

    message: int = LIMIT
    connections: int = 10_000
    pipeline: int = 64
    stall: float = 5.0
    request: float = 60.0
    idle: float = 600.0


_invocation: ContextVar[Invocation] = ContextVar("invocation")


def invocation() -> Invocation:
    """The call that is being handled: its ``metainfo``, and ``answer`` for what goes back beside the reply.

    For a handler's method, its coroutine or inlineCallbacks. Raises LookupError elsewhere.
    """
    return _invocation.get()


class _Asked(NamedTuple):
    """A place in line: a request to be served, or one that is refused already."""

    framing: Framing
    request: Message
    refusal: Message | None = None

    @property
    def in_parallel(self) -> bool:
        """Its sender takes replies in any order."""
        return self.request.info is not None and bool(self.request.info.flags & OUT_OF_ORDER)


@implementer(IPushProducer)
class ServerConnection(Protocol):
    """Answers the requests of one connection in their order, each in the transport that it came by.

    Those whose sender multiplexes are served side by side and answered as they are ready.

    Reading pauses while enough requests wait, and serving while the peer does not take
    its answers, so neither can pile up here.
    """

    # Twisted's type says only what every transport has; ours are connections.
    transport: Any

    def __init__(self, server: ThriftServer) -> None:
        self._server = server
        self._limits = server.limits
        self._requests = Accepting(server.limits.message)
        # What came and is not read yet: pieces, and the one that is being read.
        self._unread: deque[bytes] = deque()
        self._reading: Iterator[Message] | None = None
        self._line: deque[_Asked] = deque()
        self._in_run = False
        self._again: Any = None
        # Requests that run: all of them, and whether one is among them that others wait for.
        self._serving = 0
        self._in_turn = False
        self._paused = False
        self._clogged = False
        # No more is read: the peer broke the protocol.
        self._deaf = False
        self._lost = False
        self._finishing = False
        self._alarm = Alarm(server.clock, self._ring)
        self._moved = server.clock.seconds()
        # When the request that is half here began.
        self._begun = NEVER
        self._writer: Writer

    @property
    def is_idle(self) -> bool:
        """Nothing is asked, half asked or unanswered."""
        asked = self._serving or self._line or self._unread or self._reading
        return not (asked or self._clogged or (self._requests.partial and not self._deaf))

    def finish(self) -> None:
        """Close as soon as nothing is asked any more."""
        self._finishing = True
        self._settle()

    def abort(self) -> None:
        self.transport.abortConnection()

    # Twisted calls these.

    def connectionMade(self) -> None:
        self._writer = Writer(self.transport)
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._alarm.set(self._due())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._forget_unread()
        self._line.clear()
        self._alarm.stop()
        if self._again is not None:
            self._again.cancel()
        self._server.forget(self)

    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            return
        self._moved = self._server.clock.seconds()
        self._unread.append(data)
        self._run()

    def pauseProducing(self) -> None:
        self._clogged = True
        self._moved = self._server.clock.seconds()
        self._alarm.set(self._due())

    def resumeProducing(self) -> None:
        self._clogged = False
        self._run()

    def stopProducing(self) -> None:
        """Nothing to stop: connectionLost follows."""

    # The line.

    def _run(self) -> None:
        """Serve what is next in line, as long as answers are there at once; after a turn's worth others come first."""
        if self._in_run:
            return
        self._in_run = True
        self._read()
        for _ in range(self._limits.pipeline):
            if not self._line or self._clogged or not self._may_serve(self._line[0]):
                break
            asked = self._line.popleft()
            if asked.refusal:
                self._send(asked, asked.refusal)
            else:
                self._serve(asked)
            self._read()
        else:
            self._again = self._server.clock.callLater(0, self._run_again)
        self._in_run = False
        self._settle()

    def _run_again(self) -> None:
        self._again = None
        self._run()

    def _read(self) -> None:
        """Take requests out of what came, while there is room in the line."""
        try:
            while len(self._line) < self._limits.pipeline and (self._reading or self._unread):
                if self._reading is None:
                    self._reading = self._requests.feed(self._unread.popleft())
                request = next(self._reading, None)
                if request is None:
                    self._reading = None
                    self._begun = min(self._begun, self._moved) if self._requests.partial else NEVER
                else:
                    self._line.append(_Asked(self._requests.found, request))
        except WireError as error:
            self._broken(error)

    def _may_serve(self, asked: _Asked) -> bool:
        if asked.in_parallel:
            return self._serving < self._limits.pipeline
        return not self._in_turn

    def _serve(self, asked: _Asked) -> None:
        try:
            invocation = self._server.dispatcher.read(asked.request)
        except Refusal as refusal:
            self._send(asked, refusal.reply)
            return
        except WireError as error:
            self._broken(error)
            return
        self._serving += 1
        self._in_turn = self._in_turn or not asked.in_parallel
        self._server.requests += 1
        self._invoke(invocation).addCallback(self._answer, asked)

    def _invoke(self, invocation: Invocation) -> Deferred[Message | None]:
        token = _invocation.set(invocation)
        called = maybeDeferred(invocation.call)
        _invocation.reset(token)
        return called.addCallback(invocation.succeeded).addErrback(self._failed, invocation)

    def _failed(self, failure: Failure, invocation: Invocation) -> Message | None:
        """The one place where anything may have gone wrong: it is logged here, and the caller hears that it did."""
        method = invocation.operation.method.name
        error = failure.value
        try:
            declared = invocation.declared(error)  # type: ignore[arg-type]
        except EncodeError as unsendable:
            declared, error = None, unsendable
        if declared is not None:
            return declared
        if isinstance(error, EncodeError):
            log.error("{method} gave what its IDL does not allow: {error}", method=method, error=error)
        else:
            log.failure("{method} failed", failure, method=method)
        return invocation.failed()

    def _answer(self, reply: Message | None, asked: _Asked) -> None:
        self._serving -= 1
        self._in_turn = self._in_turn and asked.in_parallel
        self._send(asked, reply)
        self._run()

    def _send(self, asked: _Asked, reply: Message | None) -> None:
        if reply is None or self._lost:
            return
        self._moved = self._server.clock.seconds()
        if self._finishing or self._server.leaving:
            reply = farewell(reply)
        if not self._writer.write(self._frame(asked, reply)):
            self.abort()

    def _frame(self, asked: _Asked, reply: Message) -> bytes:
        try:
            return asked.framing.frame(reply)
        except ValueError as error:
            method = asked.request.method
            log.error("{method} gave more than a TTHeader can carry: {error}", method=method, error=error)
            return asked.framing.frame(refusal_of(asked.request, Kind.INTERNAL_ERROR, "the reply is too long"))

    def _broken(self, error: WireError) -> None:
        """Answer what was asked before, and then close."""
        log.warn("{peer}: {error}", peer=self.transport.getPeer(), error=error)
        self._deaf = self._finishing = True
        self._forget_unread()
        if isinstance(error, BrokenMessage):
            type_, method, sequence, _ = error.header
            request = Message(type_, method, sequence, b"")
            refusal = refusal_of(request, Kind.PROTOCOL_ERROR, str(error))
            self._line.append(_Asked(self._requests.found, request, refusal))

    def _forget_unread(self) -> None:
        self._unread.clear()
        self._reading = None

    # How it goes on.

    def _settle(self) -> None:
        if self._lost:
            return
        if self._finishing and self.is_idle:
            self.transport.loseConnection()
            return
        self._pause(self._deaf or len(self._line) >= self._limits.pipeline)
        self._alarm.set(self._due())

    def _pause(self, wanted: bool) -> None:
        if wanted != self._paused:
            self._paused = wanted
            (self.transport.pauseProducing if wanted else self.transport.resumeProducing)()

    def _due(self) -> float:
        """When the patience with the peer is at its end."""
        if self._clogged:
            return self._moved + self._limits.request
        if self._requests.partial and not self._paused:
            return min(self._moved + self._limits.stall, self._begun + self._limits.request)
        if self._serving or self._line:
            return NEVER
        return self._moved + self._limits.idle

    def _ring(self) -> None:
        due = self._due()
        if due > self._server.clock.seconds():
            self._alarm.set(due)
            return
        if not self.is_idle:
            log.warn("{peer}: came to a standstill", peer=self.transport.getPeer())
        self.abort()


class ThriftServer(Factory):
    """The connections of one server.

    :ivar requests: calls of the handler, ever.
    :ivar leaving: clients are told, where there is room for it, not to use their connections again.
    """

    noisy = False

    def __init__(self, dispatcher: Dispatcher, clock: Any, limits: ServerLimits = ServerLimits()) -> None:
        self.dispatcher = dispatcher
        self.clock = clock
        self.limits = limits
        self.requests = 0
        self.leaving = False
        self._connections: set[ServerConnection] = set()
        self._empty: Deferred[None] | None = None

    def __repr__(self) -> str:
        busy = sum(not connection.is_idle for connection in self._connections)
        return f"<ThriftServer: {busy} busy, {len(self._connections) - busy} idle>"

    def buildProtocol(self, addr: Any) -> ServerConnection | None:
        if len(self._connections) >= self.limits.connections:
            log.warn("{peer}: one connection more than {limit}", peer=addr, limit=self.limits.connections)
            return None
        connection = ServerConnection(self)
        self._connections.add(connection)
        return connection

    def forget(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        if self._empty and not self._connections:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def drain(self, within: float) -> Deferred[None]:
        """Close each connection once it is idle, and all of them when ``within`` seconds are over.

        For a server that no longer listens. Fires when every connection is closed.
        """
        if not self._connections:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._empty = done
        cut = self.clock.callLater(within, self._cut)
        done.addBoth(_unless_called(cut))
        for connection in list(self._connections):
            connection.finish()
        return done

    def _cut(self) -> None:
        log.warn("{server}: cut off", server=self)
        for connection in list(self._connections):
            connection.abort()


class ThriftService(Service):
    """Listens, registers, and at the end leaves in an order in which no client notices.

    It registers only once it listens. Told to stop, it first leaves the registry, goes
    on serving until watchers have had time to see that, then stops listening, answers
    what runs and closes.

    :param listen: a Twisted endpoint string.
    :param registry: where to announce it; None: nowhere. It is not stopped from here.
    :param name: under which it is announced; by default that of the IDL file.
    :param beside: further services on the same port (``Interface.bind``), for callers that name one.
    :param named_only: refuse callers that name none, as all do that do not speak TTHeader.
    :param grace: seconds from leaving the registry to the end of listening.
    :param finish_within: seconds that running calls get at the end.
    """

    def __init__(
        self,
        reactor: Any,
        interface: Interface,
        handler: object,
        listen: str,
        *,
        registry: Registry | None = None,
        name: str = "",
        weight: int = DEFAULT_WEIGHT,
        tags: Mapping[str, str] = MappingProxyType({}),
        beside: Iterable[Dispatcher] = (),
        named_only: bool = False,
        limits: ServerLimits = ServerLimits(),
        grace: float = 1.0,
        finish_within: float = 5.0,
    ) -> None:
        """Raises TypeError if the handler lacks a method."""
        dispatcher = interface.bind(handler).beside(*beside)
        self.server = ThriftServer(dispatcher.named_only() if named_only else dispatcher, reactor, limits)
        self.service_name = name or PurePosixPath(interface.schema.file).stem
        self._reactor = reactor
        self._listen = listen
        self.registry = registry
        self._weight = weight
        # Whoever calls can see whether it has the IDL that is served here.
        self._tags = {IDL_TAG: wire_fingerprint(interface.schema, interface.service), **tags}
        self._grace = grace
        self._finish_within = finish_within
        self._port: Any = None
        self._announcing: Deferred[Announcement] | None = None

    @property
    def instance(self) -> Instance:
        """Where it listens."""
        address = self._port.getHost()
        if isinstance(address, UNIXAddress):
            return Instance(os.fsdecode(address.name or b""), 0, self._weight, self._tags, network="unix")
        return Instance(address.host, address.port, self._weight, self._tags)

    def startService(self) -> None:
        """Raises what the endpoint raises, such as CannotListenError, if it says so at once."""
        super().startService()
        endpoint: Any = serverFromString(Roomy(self._reactor), self._listen)
        failures: list[Failure] = []
        endpoint.listen(self.server).addCallbacks(self._listens, failures.append)
        if failures:
            failures[0].raiseException()

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        super().stopService()
        self.server.leaving = True
        if self._announcing is not None:
            yield self._leave(self._announcing)
            yield deferLater(self._reactor, self._grace)
        if self._port is not None:
            yield maybeDeferred(self._port.stopListening)
        yield self.server.drain(self._finish_within)
        log.info("{service} has stopped", service=self.service_name)

    def _listens(self, port: Any) -> None:
        self._port = port
        log.info("{service} listens on {address}", service=self.service_name, address=self.instance.address)
        if self.registry is not None:
            self._announcing = self.registry.announce(self.service_name, self.instance)
            self._announcing.addErrback(self._not_announced)

    def _not_announced(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.critical("{service} is not registered: {error}", service=self.service_name, error=failure.value)

    @inlineCallbacks
    def _leave(self, announcing: Deferred[Any]) -> Generator[Deferred[Any], Any, None]:
        announcing.cancel()
        announcement = yield announcing
        if announcement is not None:
            yield announcement.withdraw()


def _unless_called(timer: Any) -> Callable[[Any], Any]:
    def cancel(result: Any) -> Any:
        if timer.active():
            timer.cancel()
        return result

    return cancel
