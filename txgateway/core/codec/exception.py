"""Thrift's EXCEPTION struct: the error that no IDL declares."""

from __future__ import annotations

import enum

from attrs import frozen
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.thrift import TApplicationException
from thriftpy2.transport import TCyMemoryBuffer

from .bounds import walk


class Kind(enum.IntEnum):
    """The numbers that servers agree on; a peer may send any other."""

    UNKNOWN = 0
    UNKNOWN_METHOD = 1
    INVALID_MESSAGE_TYPE = 2
    WRONG_METHOD_NAME = 3
    BAD_SEQUENCE_ID = 4
    MISSING_RESULT = 5
    INTERNAL_ERROR = 6
    PROTOCOL_ERROR = 7
    INVALID_TRANSFORM = 8
    INVALID_PROTOCOL = 9
    UNSUPPORTED_CLIENT_TYPE = 10
    # Kitex's own.
    UNKNOWN_SERVICE = 20
    NO_SERVICE_NAME = 21


@frozen
class ApplicationError:
    """What an EXCEPTION says. The text is the peer's: it goes to our log, never to a client.

    :ivar kind: one of :class:`Kind`, or whatever number the peer sent.
    """

    kind: int = Kind.UNKNOWN
    message: str = ""


def decode(data: bytes) -> ApplicationError:
    """Reads the struct; an absent field keeps its default.

    :raises WireError: the bytes are no struct.
    """
    walk(data)
    read = TApplicationException()
    read.read(TCyBinaryProtocol(TCyMemoryBuffer(data)))
    message = read.message or ""
    # thriftpy2 leaves a text that is not UTF-8 as bytes.
    text = message if isinstance(message, str) else message.decode("utf-8", "replace")
    return ApplicationError(read.type or Kind.UNKNOWN, text)


def encode(error: ApplicationError) -> bytes:
    """The struct's bytes."""
    buffer = TCyMemoryBuffer()
    TApplicationException(error.kind, error.message).write(TCyBinaryProtocol(buffer))
    data: bytes = buffer.getvalue()
    return data
