"""The service that the wire cases were recorded with, on our server library and in memory."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock, deferLater
from twisted.test.iosim import connect, makeFakeClient, makeFakeServer

from txgateway.core.serving import Interface, StatusError
from txgateway.net.thrift_server import ServerLimits, ThriftServer, invocation, load_interface

# What `whoami` says, by the recorded server.
NAMES = {"single": "wire", "mux": "wire-mux"}
LIMITS = {"small": ServerLimits(message=1024)}
# Long enough for every recorded `slow`, and far from every limit of a server.
A_MOMENT = 0.4


@cache
def _interface(idl: Path, service: str) -> Interface:
    return load_interface(str(idl), service=service)


class Wire:
    def __init__(self, types: Any, clock: Clock, name: str) -> None:
        self._types = types
        self._clock = clock
        self._name = name

    def __getattr__(self, method: str) -> Any:
        if method.startswith("echo"):
            return lambda value: value
        raise AttributeError(method)

    def ping(self) -> None: ...

    def whoami(self) -> str:
        return self._name

    def join(self, left: str, right: str, times: int) -> str:
        return (left + right) * times

    def put(self, key: str) -> None:
        if key == "missing":
            raise self._types["wiretypes.NotFound"](code=404, message="no such key")

    def find(self, kind: int) -> str:
        if kind == 1:
            raise self._types["wiretypes.NotFound"](code=404, message="nothing here")
        if kind == 2:
            point = self._types["wiretypes.Point"](x=3, y=-4)
            raise self._types["wiretypes.Denied"](reason="closed", at=point)
        return "found"

    def evolve(self, old: Any) -> Any:
        return type(old)(id=old.id, note=f"seen:{old.note}")

    def fire(self, note: str) -> None: ...

    def fail(self, why: str) -> None:
        raise RuntimeError(why)

    panics = fail

    def status(self, code: int, message: str) -> str:
        if code == 0:
            return "fine"
        raise StatusError(code, message, {"who": "tester"} if code == 1001 else {})

    def nothing(self) -> None: ...

    def slow(self, ms: int) -> Deferred[int]:
        return deferLater(self._clock, ms / 1000, lambda: 0)

    def meta(self) -> dict[str, str]:
        invocation().answer["answer-from"] = self._name
        heard = invocation().metainfo
        seconds = heard.timeout or 0
        return {
            **{f"transient.{name}": value for name, value in heard.transient.items()},
            **{f"persistent.{name}": value for name, value in heard.persistent.items()},
            "caller": heard.caller,
            "caller_method": heard.caller_method,
            "rpc_timeout": f"{seconds:g}s" if seconds == 0 or seconds >= 1 else f"{seconds * 1000:g}ms",
        }


class Other:
    def __init__(self, name: str) -> None:
        self._name = name

    def whoami(self) -> str:
        return self._name

    def onlyOther(self, v: int) -> int:
        return v + 1


class WireServer:
    """A server in memory and one connection to it.

    :ivar closed: whether the server closed the connection.
    """

    def __init__(self, idl: Path, kind: str) -> None:
        self.clock = Clock()
        self.closed = False
        self._heard = b""
        wire, other = _interface(idl, "Wire"), _interface(idl, "Other")
        several = kind in ("multi", "strict")
        name = f"{kind}-wire" if several else NAMES.get(kind, kind)
        dispatcher = wire.bind(Wire(wire.types, self.clock, name))
        if several:
            dispatcher = dispatcher.beside(other.bind(Other(f"{kind}-other")))
        if kind == "strict":
            dispatcher = dispatcher.named_only()
        self.interface: Interface = wire
        self.server = ThriftServer(dispatcher, self.clock, LIMITS.get(kind, ServerLimits()))
        client: Any = Protocol()
        client.dataReceived = self._hear
        client.connectionLost = self._lose
        connection: Any = self.server.buildProtocol(None)
        self._transport = makeFakeClient(client)
        self._pump = connect(connection, makeFakeServer(connection), client, self._transport, clock=self.clock)

    def ask(self, data: bytes, ends: bool = False) -> bytes:
        """What comes back within a moment.

        :param ends: nothing more is sent behind the data.
        """
        self._transport.write(data)
        self._pump.flush(advanceClock=False)
        if ends:
            self._transport.loseConnection()
        for _ in range(40):
            self.clock.advance(A_MOMENT / 40)
            self._pump.flush(advanceClock=False)
        return self._heard

    def _hear(self, data: bytes) -> None:
        self._heard += data

    def _lose(self, reason: object) -> None:
        self.closed = True
