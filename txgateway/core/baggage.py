"""What travels beside a call: the id and headers of a request to the service as metainfo, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from . import metainfo
from .annotations.header import TOKEN, is_forbidden, response_header
from .message import Header, Request

# Under this name every service on the way hears of the request's id.
REQUEST_ID = f"{metainfo.PERSISTENT}REQUEST_ID"


@frozen
class Baggage:
    """Which headers travel, and under which names; see :func:`compile_baggage`.

    Only the TTHeader has room for it. Other transports leave it behind.
    """

    transient: tuple[tuple[bytes, str], ...] = ()
    persistent: tuple[tuple[bytes, str], ...] = ()
    backward: tuple[tuple[str, bytes], ...] = ()

    def pack(self, request: Request) -> Mapping[str, str]:
        """The string keys for the call; a header that the request lacks, or that is empty, does not travel."""
        strings = {REQUEST_ID: request.id} if request.id else {}
        if self.transient or self.persistent:
            strings |= metainfo.write(_found(request, self.transient), _found(request, self.persistent))
        return strings

    def unpack(self, strings: Mapping[str, str]) -> tuple[Header, ...]:
        """The headers for the response; a value that would break its head is left out."""
        values = [
            (header, strings[name].encode("utf-8", "surrogateescape"))
            for name, header in self.backward
            if strings.get(name)
        ]
        return tuple((header, value) for header, value in values if not is_forbidden(value))


NO_BAGGAGE = Baggage()


def compile_baggage(
    transient: Mapping[str, str], persistent: Mapping[str, str], backward: Mapping[str, str]
) -> Baggage:
    """:param transient: headers of the request by their names in any case, and the names under which the next
        service hears of them.
    :param persistent: the same for what that service hands on to those that it calls.
    :param backward: names of what a service may send beside its reply, and the headers that they become.
    :raises ValueError: one of the headers cannot exist.
    """
    return Baggage(
        tuple((_request_header(header), name) for header, name in transient.items()),
        tuple((_request_header(header), name) for header, name in persistent.items()),
        tuple((name, response_header(header)) for name, header in backward.items()),
    )


def _found(request: Request, names: tuple[tuple[bytes, str], ...]) -> dict[str, str]:
    return {name: (request.header(header) or b"").decode("utf-8", "surrogateescape") for header, name in names}


def _request_header(name: str) -> bytes:
    if not TOKEN(name):
        raise ValueError(f"{name!r} is no name of a header")
    return name.lower().encode("ascii")
