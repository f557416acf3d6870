"""A service of one's own: real ports, real clients of another make, and an end that no client notices."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import thriftpy2
from thriftpy2.protocol import TCyBinaryProtocolFactory
from thriftpy2.rpc import make_client
from thriftpy2.thrift import TApplicationException
from thriftpy2.transport import TCyBufferedTransportFactory, TCyFramedTransportFactory
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread

from tests.net.test_thrift_server import IDL, Handler
from txgateway.core.errors import ConnectionClosed, IdlError
from txgateway.core.instances import Instance
from txgateway.core.message import Call, MessageType
from txgateway.net.pool import Limits, Pool
from txgateway.net.thrift_server import ThriftService, load_interface
from txgateway.testing import MemoryRegistry

LOCAL = "tcp:0:interface=127.0.0.1"


class Slow(Clock):
    """The real reactor's ports, but time passes only when a test says so."""

    def listenTCP(self, *arguments: Any, **settings: Any) -> Any:
        return reactor.listenTCP(*arguments, **settings)  # type: ignore[attr-defined]


@pytest.fixture
def idl(tmp_path: Path) -> Path:
    path = tmp_path / "desk.thrift"
    path.write_text(IDL)
    return path


@pytest.fixture
def handler() -> Handler:
    return Handler()


Make = Callable[..., ThriftService]


@pytest.fixture
def make(idl: Path, handler: Handler) -> Generator[Make, None, None]:
    """Makes services that are stopped at the end."""
    made: list[ThriftService] = []

    def make(clock: Any = reactor, **settings: Any) -> ThriftService:
        service = ThriftService(clock, load_interface(str(idl)), handler, LOCAL, **{"grace": 0, **settings})
        made.append(service)
        service.startService()
        return service

    yield make
    for service in made:
        if service.running:
            pytest_twisted.blockon(service.stopService())


def talk(idl: Path, port: int, framed: bool) -> dict[str, Any]:
    """What a thriftpy2 client sees; it blocks, so it has a thread of its own."""
    transport = TCyFramedTransportFactory() if framed else TCyBufferedTransportFactory()
    service = thriftpy2.load(str(idl), module_name=f"desk{port}{framed:d}_thrift").Desk
    client = make_client(
        service, "127.0.0.1", port, proto_factory=TCyBinaryProtocolFactory(), trans_factory=transport, timeout=5000
    )
    seen: dict[str, Any] = {"ping": client.ping(), "echo": client.echo(5)}
    client.note(3)
    for number in (1, 2):
        try:
            client.fails(number)
        except TApplicationException as error:
            seen[f"fails {number}"] = (error.type, error.message)
    seen["again"] = client.echo(-1)
    client.close()
    return seen


@pytest.mark.parametrize("framed", [True, False])
@pytest_twisted.inlineCallbacks
def test_serves_a_client_of_another_make(make: Make, idl: Path, handler: Handler, framed: bool) -> Any:
    service = make()
    seen = yield deferToThread(talk, idl, service.instance.port, framed)
    assert seen == {
        "ping": None,
        "echo": 5,
        "fails 1": (6, "fails failed"),
        "fails 2": (6, "fails failed"),
        "again": -1,
    }
    assert handler.notes == [3]


@pytest_twisted.inlineCallbacks
def test_serves_our_own_pool(make: Make) -> Any:
    service = make()
    pool = Pool(reactor, service.instance, Limits(connections=2, depth=4))
    replies = [pool.call(Call("desk", b"ping", b"\0")) for _ in range(20)]
    for reply in replies:
        assert (yield reply).type is MessageType.REPLY
    yield pool.close()


def test_registers_only_once_it_listens(make: Make) -> None:
    registry = MemoryRegistry()
    reachable: list[bool] = []

    def changed(instances: tuple[Instance, ...]) -> None:
        for instance in instances:
            with socket.create_connection((instance.host, instance.port), timeout=5):
                reachable.append(True)

    registry.watch("desk", changed)
    service = make(registry=registry, weight=3, tags={"zone": "a"})
    assert registry.instances("desk") == (service.instance,)
    tags = dict(service.instance.tags)
    assert len(tags.pop("idl")) == 32
    assert (service.instance.weight, tags) == (3, {"zone": "a"})
    assert reachable == [True]


def test_may_be_registered_under_another_name(make: Make) -> None:
    registry = MemoryRegistry()
    make(registry=registry, name="front-desk")
    assert len(registry.instances("front-desk")) == 1
    assert registry.instances("desk") == ()


@pytest_twisted.inlineCallbacks
def test_leaves_first_serves_on_then_closes(make: Make, handler: Handler) -> Any:
    clock, registry = Slow(), MemoryRegistry()
    service = make(clock, registry=registry, grace=1, finish_within=5)
    instance = service.instance
    pool = Pool(reactor, instance)
    running = pool.call(Call("desk", b"slow", b"\x08\0\1\0\0\0\1\0"))
    yield _until(lambda: bool(handler.waiting))
    stopped = service.stopService()
    assert registry.instances("desk") == ()

    clock.advance(0.99)
    late = yield pool.call(Call("desk", b"ping", b"\0"))
    assert late.type is MessageType.REPLY

    clock.advance(0.01)
    yield _until(lambda: _refused(instance))
    assert not stopped.called
    handler.waiting[0].callback(5)
    reply = yield running
    assert reply.payload == b"\x08\0\0\0\0\0\5\0"
    yield stopped
    yield _until(lambda: pool.idle == 0)
    yield pool.close()
    assert clock.getDelayedCalls() == []


@pytest_twisted.inlineCallbacks
def test_cuts_off_what_does_not_end(make: Make, handler: Handler) -> Any:
    clock = Slow()
    service = make(clock, finish_within=5)
    pool = Pool(reactor, service.instance)
    running = pool.call(Call("desk", b"slow", b"\0"))
    yield _until(lambda: bool(handler.waiting))
    stopped = service.stopService()
    yield _until(lambda: 5 in [timer.getTime() for timer in clock.getDelayedCalls()])
    clock.advance(5)
    yield stopped
    error = yield running.addErrback(lambda failure: failure.value)
    assert type(error) is ConnectionClosed
    yield pool.close()


@pytest_twisted.inlineCallbacks
def test_a_registry_that_never_answers_does_not_hold_the_end_up(make: Make) -> Any:
    class Silent(MemoryRegistry):
        given_up = False

        def announce(self, service: str, instance: Instance) -> Deferred[Any]:
            return Deferred(lambda _: setattr(self, "given_up", True))

    registry = Silent()
    service = make(registry=registry)
    yield service.stopService()
    assert registry.given_up


def test_an_address_in_use_is_an_error_at_once(make: Make, idl: Path, handler: Handler) -> None:
    port = make().instance.port
    taken = ThriftService(reactor, load_interface(str(idl)), handler, f"tcp:{port}:interface=127.0.0.1")
    with pytest.raises(CannotListenError):
        taken.startService()


def test_a_handler_that_lacks_a_method_is_an_error_at_once(idl: Path) -> None:
    with pytest.raises(TypeError, match="object lacks ping, echo, slow, fails, greet, note, meta of Desk"):
        ThriftService(reactor, load_interface(str(idl)), object(), LOCAL)


def test_an_idl_that_is_none_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(IdlError):
        load_interface(str(tmp_path / "nothing.thrift"))


@pytest_twisted.inlineCallbacks
def test_listens_on_a_unix_socket(idl: Path, handler: Handler, tmp_path: Path) -> Any:
    path = tmp_path / "desk.sock"
    service = ThriftService(reactor, load_interface(str(idl)), handler, f"unix:{path}")
    service.startService()
    assert service.instance == Instance(str(path), 0, tags=service.instance.tags, network="unix")
    pool = Pool(reactor, service.instance)
    reply = yield pool.call(Call("desk", b"ping", b"\0"))
    assert reply.type is MessageType.REPLY
    yield pool.close()
    yield service.stopService()


def _refused(instance: Instance) -> bool:
    try:
        socket.create_connection((instance.host, instance.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest_twisted.inlineCallbacks
def _until(condition: Callable[[], bool]) -> Any:
    """Let the reactor turn until something is so."""
    for _ in range(5000):
        if condition():
            return
        yield deferLater(reactor, 0.001)
    raise AssertionError("it never came to that")
