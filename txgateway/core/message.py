"""Request and Response (HTTP side), Call and Reply (Thrift side)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import define, field

from .instances import Instance
from .policy import Policy

if TYPE_CHECKING:
    from .mapping import Route

Header = tuple[bytes, bytes]

NO_POLICY = Policy()


@define(eq=False)
class Request:
    """An HTTP request, read whole; both HTTP servers build the same value.

    :ivar verb: in capitals, ``GET``.
    :ivar target: the request target as it was sent: path and query, nothing decoded.
    :ivar headers: in the order sent; names in lower case, values without outer blanks.
    :ivar client: the address of the peer, for logs.
    :ivar deadline: when the answer is due, in the reactor's seconds; the deadline
        filter sets it, every wait on the way is bounded by it.
    :ivar id: by which logs, traces and the client name the request; the ledger gives it.
    :ivar began: when the gateway had read it, in the reactor's seconds.
    :ivar route: the route of the IDL that it took; None before that, and for JSON calls.
    :ivar call: the call that was made of it; None as long as there is none.
    """

    verb: str
    target: bytes
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    client: str = ""
    deadline: float = float("inf")
    id: str = ""
    began: float = 0.0
    route: Route | None = None
    call: Call | None = None
    path: bytes = field(init=False)
    query: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.path, _, self.query = self.target.partition(b"?")

    def header(self, name: bytes) -> bytes | None:
        """The first header of that (lower-case) name, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@define
class Response:
    """An HTTP answer; the server adds Content-Length, Date and what the connection needs."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


class MessageType(enum.IntEnum):
    """Thrift's message types, by their numbers on the wire."""

    CALL = 1
    REPLY = 2
    EXCEPTION = 3
    ONEWAY = 4


# Values, though not frozen ones: each request makes one of each, and to make a frozen one
# of eleven fields costs 0.7 us against 0.2.
@define(eq=False)
class Try:
    """One time that a call was given to an instance; times in the reactor's seconds.

    :ivar ended: when its reply or its failure came, or it was given up; 0 until then.
    :ivar error: why there was no reply.
    """

    instance: Instance
    began: float
    ended: float = 0.0
    error: Exception | None = None


@define
class Call:
    """A Thrift call without its place on a connection: the sequence id is the connection's matter.

    :ivar service: the name under which the registry knows the service.
    :ivar method: the Thrift method's name, as on the wire.
    :ivar payload: the encoded argument struct; the same bytes serve every try.
    :ivar deadline: when the reply is due, in the reactor's seconds.
    :ivar idl_service: the name after ``service`` in the IDL, for servers that offer several.
    :ivar info: string keys of a TTHeader, such as metainfo for the service; dropped over other framings.
    :ivar policy: how the call is made.
    :ivar hash_key: calls with the same key go to the same instance, where the balancer does so.
    :ivar subset: the wanted value of the tag by which the instances are divided.
    :ivar tries: what it was given to so far, in order; whoever changes a call on its way keeps the list.
    """

    service: str
    method: bytes
    payload: bytes
    oneway: bool = False
    deadline: float = float("inf")
    idl_service: str = ""
    info: Mapping[str, str] = MappingProxyType({})
    policy: Policy = NO_POLICY
    hash_key: bytes = b""
    subset: str = ""
    tries: list[Try] = field(factory=list, eq=False)


@define
class Reply:
    """A Thrift reply: REPLY with a result struct, or EXCEPTION with Thrift's own error struct.

    :ivar info: the string keys of a TTHeader, among them those of a business status; empty over other framings.
    """

    type: MessageType
    method: bytes
    payload: bytes
    info: Mapping[str, str] = MappingProxyType({})
