"""The other Book services in the registry: each tells the others what it takes, so that any one can be asked.

Told of a book that it has, a service says no and tells nobody, so the news ends by itself.
One that joins is told of everything that was inserted. Books are in memory alone: when
the last service ends, they are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from txgateway.core.codec.binary import encode
from txgateway.core.codec.structs import Structs
from txgateway.core.errors import GatewayError
from txgateway.core.instances import Instance, Instances
from txgateway.core.message import Call
from txgateway.core.serving import Interface
from txgateway.net.pool import Limits, Pool

from .store import Book

log = Logger()

# Seconds for one book to one peer. An insert waits for its peers no longer than that.
TELL_WITHIN = 1.0
LIMITS = Limits(connections=4, connect_timeout=TELL_WITHIN)


class Peers:
    """Fed by a registry's watch. The service itself may be among them: it has what it is told.

    :param inserted: the books that a newcomer has to be told of.
    """

    def __init__(self, reactor: Any, interface: Interface, name: str, inserted: Callable[[], Iterable[Book]]) -> None:
        method = interface.service.method_named("insertBook")
        if method is None:
            raise ValueError(f"{interface.service.name} has no method insertBook")
        self._reactor = reactor
        self._types = interface.types
        self._arguments = Structs(interface.schema).arguments(method)
        self._name = name
        self._inserted = inserted
        self._pools: dict[str, Pool] = {}

    def update(self, instances: Instances) -> None:
        """These are the services of this name."""
        present = {instance.address: instance for instance in instances}
        for address in self._pools.keys() - present.keys():
            self._pools.pop(address).drain()
        for address in present.keys() - self._pools.keys():
            self._joined(present[address])

    def tell(self, book: Book) -> Deferred[Any]:
        """Fires when every peer has the book, or could not be told in time; never fails."""
        return DeferredList([self._tell(pool, book) for pool in self._pools.values()])

    def close(self) -> Deferred[Any]:
        """Fires when all connections are closed."""
        pools, self._pools = self._pools, {}
        return DeferredList([pool.close() for pool in pools.values()])

    def _joined(self, instance: Instance) -> None:
        pool = self._pools[instance.address] = Pool(self._reactor, instance, LIMITS)
        Deferred.fromCoroutine(self._tell_all(pool, tuple(self._inserted())))

    async def _tell_all(self, pool: Pool, books: tuple[Book, ...]) -> None:
        for book in books:
            await self._tell(pool, book)

    def _tell(self, pool: Pool, book: Book) -> Deferred[Any]:
        request = self._types.InsertBookReq(ID=book.id, Title=book.title, Author=book.author)
        deadline = self._reactor.seconds() + TELL_WITHIN
        call = Call(self._name, b"insertBook", encode(self._arguments(req=request)), deadline=deadline)
        return pool.call(call).addErrback(self._not_told, pool, book)

    def _not_told(self, failure: Failure, pool: Pool, book: Book) -> None:
        failure.trap(GatewayError)
        log.warn(
            "{peer} was not told of book {book}: {error}",
            peer=pool.instance.address,
            book=book.id,
            error=failure.value,
        )
