"""Request and Response (HTTP side), Call and Reply (Thrift side)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .instances import Instance
from .policy import Policy

if TYPE_CHECKING:
    from .mapping import Route

Header = tuple[bytes, bytes]

NO_POLICY = Policy()
NO_INFO: Mapping[str, str] = MappingProxyType({})


class _Value:
    """Something that each request makes one of, told by what is in it.

    Written out, not made by attrs: compiled (see ``setup.py``) such a class is made in a tenth of the time, and its
    members are read in a fifth. The arguments of ``__init__`` are named in ``__match_args__``, and kept by those names.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def replace(self, **changes: Any) -> Self:
        """Another one that differs in these."""
        return type(self)(**{name: getattr(self, name) for name in self.__match_args__} | changes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__match_args__)})"


class _Equal(_Value):
    """Equal by what is in it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            getattr(self, name) == getattr(other, name) for name in self.__match_args__
        )


class Request(_Value):
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

    __slots__ = (
        *("began", "body", "call", "client", "deadline", "headers", "id", "path", "query", "route", "target", "verb"),
    )
    __match_args__ = ("verb", "target", "headers", "body", "client", "deadline", "id", "began", "route", "call")

    def __init__(
        self,
        verb: str,
        target: bytes,
        headers: tuple[Header, ...] = (),
        body: bytes = b"",
        client: str = "",
        deadline: float = inf,
        id: str = "",
        began: float = 0.0,
        route: Route | None = None,
        call: Call | None = None,
    ) -> None:
        self.verb = verb
        self.target = target
        self.headers = headers
        self.body = body
        self.client = client
        self.deadline = deadline
        self.id = id
        self.began = began
        self.route = route
        self.call = call
        self.path, _, self.query = target.partition(b"?")

    def header(self, name: bytes) -> bytes | None:
        """The first header of that (lower-case) name, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Response(_Equal):
    """An HTTP answer; the server adds Content-Length, Date and what the connection needs."""

    __slots__ = ("body", "headers", "status")
    __match_args__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: tuple[Header, ...] = (), body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body


class MessageType(enum.IntEnum):
    """Thrift's message types, by their numbers on the wire."""

    CALL = 1
    REPLY = 2
    EXCEPTION = 3
    ONEWAY = 4


class Try(_Value):
    """One time that a call was given to an instance; times in the reactor's seconds.

    :ivar ended: when its reply or its failure came, or it was given up; 0 until then.
    :ivar error: why there was no reply.
    """

    __slots__ = ("began", "ended", "error", "instance")
    __match_args__ = ("instance", "began", "ended", "error")

    def __init__(self, instance: Instance, began: float, ended: float = 0.0, error: Exception | None = None) -> None:
        self.instance = instance
        self.began = began
        self.ended = ended
        self.error = error


class Call(_Value):
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

    __slots__ = (
        *("deadline", "hash_key", "idl_service", "info", "method", "oneway", "payload", "policy", "service", "subset"),
        "tries",
    )
    __match_args__ = (
        *("service", "method", "payload", "oneway", "deadline", "idl_service", "info", "policy", "hash_key", "subset"),
        "tries",
    )

    def __init__(
        self,
        service: str,
        method: bytes,
        payload: bytes,
        oneway: bool = False,
        deadline: float = inf,
        idl_service: str = "",
        info: Mapping[str, str] = NO_INFO,
        policy: Policy = NO_POLICY,
        hash_key: bytes = b"",
        subset: str = "",
        tries: list[Try] | None = None,
    ) -> None:
        self.service = service
        self.method = method
        self.payload = payload
        self.oneway = oneway
        self.deadline = deadline
        self.idl_service = idl_service
        self.info = info
        self.policy = policy
        self.hash_key = hash_key
        self.subset = subset
        self.tries: list[Try] = [] if tries is None else tries


class Reply(_Equal):
    """A Thrift reply: REPLY with a result struct, or EXCEPTION with Thrift's own error struct.

    :ivar info: the string keys of a TTHeader, among them those of a business status; empty over other framings.
    """

    __slots__ = ("info", "method", "payload", "type")
    __match_args__ = ("type", "method", "payload", "info")

    def __init__(self, type: MessageType, method: bytes, payload: bytes, info: Mapping[str, str] = NO_INFO) -> None:
        self.type = type
        self.method = method
        self.payload = payload
        self.info = info
