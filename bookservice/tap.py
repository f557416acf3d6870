"""Options and makeService for ``twistd book``."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import CannotListenError
from twisted.python import usage

from txgateway.core.instances import DEFAULT_PREFIX, DEFAULT_WEIGHT, check_prefix, check_service
from txgateway.net.registry import Registry, registries
from txgateway.net.termination import exit_cleanly_on_sigterm
from txgateway.net.thrift_server import ThriftService

from .peers import Peers
from .service import BookService, interface
from .store import Store


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise ValueError("expected seconds from 0 to 3600")
    return seconds


class Options(usage.Options):
    synopsis = "[options]"
    longdesc = (
        "Serves books over Thrift, framed or buffered. With --etcd it registers itself there,"
        " as a Kitex service does, and leaves the registry before it stops."
    )
    optParameters = [  # noqa: RUF012 - Twisted reads it from the class
        ["listen", "l", "tcp:9001:interface=127.0.0.1", "A Twisted endpoint string."],
        ["weight", "w", DEFAULT_WEIGHT, "Its share of the calls, relative to other instances.", int],
        ["prefix", "p", DEFAULT_PREFIX, "Where services register in etcd."],
        ["name", "n", "book", "The name to register under."],
        [
            "grace",
            "g",
            1.0,
            "Seconds that it goes on serving once it has left the registry. Kitex clients look there every 5 s.",
            _seconds,
        ],
        ["ttl", "t", None, "Seconds until etcd forgets an instance that died.", int],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["etcd"] = []

    def opt_etcd(self, url: str) -> None:
        """The URL of an etcd member, http://127.0.0.1:2379. May be repeated; without it nothing is registered."""
        self["etcd"].append(url)

    def postOptions(self) -> None:
        try:
            check_prefix(self["prefix"])
            check_service(self["name"])
        except ValueError as error:
            raise usage.UsageError(str(error)) from None


class Books(ThriftService):
    """The service, the registry that is its own, and the other services that it finds there."""

    peers: Peers

    def startService(self) -> None:
        """Raises SystemExit if it cannot listen, so that ``twistd`` ends with the reason and status 1."""
        if self.registry is not None:
            self.registry.start()
            self.registry.watch(self.service_name, self.peers.update)
        try:
            super().startService()
        except (CannotListenError, OSError, ValueError) as error:
            raise SystemExit(f"book: {error}") from None

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        yield super().stopService()
        yield self.peers.close()
        if self.registry is not None:
            yield self.registry.stop()


def makeService(options: Options) -> Books:
    from twisted.internet import reactor

    exit_cleanly_on_sigterm(reactor)
    idl, store = interface(), Store()
    peers = Peers(reactor, idl, options["name"], lambda: store.inserted)
    books = Books(
        reactor,
        idl,
        BookService(idl.types, store, peers.tell),
        options["listen"],
        registry=_registry(options, reactor),
        name=options["name"],
        weight=options["weight"],
        grace=options["grace"],
    )
    books.peers = peers
    return books


def _registry(options: Options, reactor: Any) -> Registry | None:
    if not options["etcd"]:
        return None
    registries.load()
    settings = {"endpoints": options["etcd"], "prefix": options["prefix"], "ttl": options["ttl"]}
    try:
        return registries["etcd"](reactor, settings)
    except ValueError as error:
        raise SystemExit(f"book: {error}") from None
