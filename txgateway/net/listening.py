"""Sockets that listen and are handed on: bound in one process, served in others.

An endpoint string says where to listen. The process that owns the sockets lets the endpoint
ask :class:`Binding` to listen, which binds and nothing more. A worker lets the same string
ask :class:`Adopting`, which takes the socket that is there already. So whatever a string
says beside the address, such as certificates, is the worker's to read.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from typing import Any

from attrs import frozen
from twisted.internet import unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

# Connections that wait to be accepted while the reactor, or every worker, is busy. Twisted's 50
# are too few for clients that all begin at once: who finds no room tries again after a second.
BACKLOG = 1024


@frozen(eq=False)
class Listening:
    """A socket that listens, and the endpoint string that it was bound by."""

    text: str
    socket: socket.socket

    @property
    def address(self) -> Any:
        name = self.socket.getsockname()
        if self.socket.family == socket.AF_UNIX:
            return UNIXAddress(name)
        kind = IPv6Address if self.socket.family == socket.AF_INET6 else IPv4Address
        return kind("TCP", name[0], name[1])

    def close(self) -> None:
        name = self.socket.getsockname()
        self.socket.close()
        if isinstance(name, str) and name and os.path.exists(name):
            os.unlink(name)


def bind(reactor: Any, texts: Iterable[str]) -> list[Listening]:
    """Bind what these endpoint strings say.

    Raises OSError, and for a string that is none whatever its parser raises.
    """
    bound = []
    for text in texts:
        binding = Binding(reactor)
        failures: list[Any] = []
        serverFromString(binding, text).listen(Factory()).addErrback(failures.append)
        if failures:
            failures[0].raiseException()
        bound += [Listening(text, each) for each in binding.sockets]
    return bound


class Roomy:
    """In place of a reactor: whatever listens has room for so many connections, if not for more."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = BACKLOG, interface: str = "") -> Any:
        return self._reactor.listenTCP(port, factory, max(backlog, BACKLOG), interface)

    def listenUNIX(self, address: str, factory: Any, backlog: int = BACKLOG, **more: Any) -> Any:
        return self._reactor.listenUNIX(address, factory, max(backlog, BACKLOG), **more)


class _Bound:
    """What an endpoint gets for a port: nothing is served here."""


class Binding:
    """In place of a reactor: binds, and keeps the sockets."""

    def __init__(self, reactor: Any) -> None:
        self.sockets: list[socket.socket] = []
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> _Bound:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        # An endpoint string without a backlog says 50, which is what Twisted grew up with.
        waiting = BACKLOG if backlog == 50 else backlog
        self.sockets.append(socket.create_server((interface, port), family=family, backlog=waiting))
        return _Bound()

    def listenSSL(self, port: int, factory: Any, context: Any, backlog: int = 50, interface: str = "") -> _Bound:
        return self.listenTCP(port, factory, backlog, interface)

    def listenUNIX(
        self, address: str, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: bool = False
    ) -> _Bound:
        _remove_dead_socket(address)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.bind(address)
        except OSError:
            bound.close()
            raise
        os.chmod(address, mode)
        bound.listen(BACKLOG if backlog == 50 else backlog)
        self.sockets.append(bound)
        return _Bound()

    def adoptStreamPort(self, descriptor: int, family: int, factory: Any) -> _Bound:
        """The socket is there already, from systemd for instance."""
        self.sockets.append(socket.socket(fileno=os.dup(descriptor)))
        return _Bound()


def _remove_dead_socket(path: str) -> None:
    """One that a killed process has left: nobody answers there."""
    if not (os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


class Adopting:
    """In place of a reactor: listens on a socket that was handed over, whatever address it is asked for."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._reactor = reactor
        self._descriptor = descriptor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        return self._adopt(factory)

    def listenSSL(self, port: int, factory: Any, context: Any, backlog: int = 50, interface: str = "") -> Any:
        return self._adopt(TLSMemoryBIOFactory(context, False, factory))

    def listenUNIX(
        self, address: str, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: bool = False
    ) -> Any:
        return self._adopt(factory)

    def _adopt(self, factory: Any) -> Any:
        with socket.socket(fileno=os.dup(self._descriptor)) as known:
            family = known.family
            # All workers are told of a connection, and one gets it: the others must not wait for the next.
            known.setblocking(False)
        if family == socket.AF_UNIX:
            port = _NamelessPort._fromListeningDescriptor(self._reactor, self._descriptor, factory)
            port.port = port._bindPath = "\0"
            port.startListening()
        else:
            port = self._reactor.adoptStreamPort(self._descriptor, family, factory)
        _accept_one_by_one(port)
        return port


class _NamelessPort(unix.Port):
    """Twisted's would set the mode of the socket's file, and at its end remove it and shut the socket down for all."""

    _shouldShutdown = False


class Adopted:
    """An endpoint for a socket that was handed over, and the string that it was bound by."""

    def __init__(self, reactor: Any, text: str, descriptor: int) -> None:
        self._adopting = Adopting(reactor, descriptor)
        # What systemd has said was for the process that owns the sockets.
        self._endpoint = None if text.startswith("systemd:") else serverFromString(self._adopting, text)

    def listen(self, factory: Any) -> Deferred[Any]:
        if self._endpoint is None:
            return maybeDeferred(self._adopting.listenTCP, 0, factory)
        return self._endpoint.listen(factory)


def _accept_one_by_one(port: Any) -> None:
    """Twisted accepts a hundred connections at once; then one worker has them all, and the others none."""
    accept = port.doRead

    def accept_one() -> None:
        port.numberAccepts = 1
        accept()

    port.doRead = accept_one
