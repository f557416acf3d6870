"""The head of a Thrift message in the strict binary protocol: type, method and sequence id."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from ..errors import WireError
from ..message import MessageType
from .bounds import Incomplete

# Longer names than this are no method's; without a limit an unframed peer could have
# us wait for a name of two gigabytes.
LONGEST_NAME = 1024

_VERSION = 0x80010000
_START = struct.Struct(">II")
_SEQUENCE = struct.Struct(">i")
_start, _pack_start = _START.unpack_from, _START.pack
_sequence, _pack_sequence = _SEQUENCE.unpack_from, _SEQUENCE.pack
_types = {type_.value: type_ for type_ in MessageType}


class Header(NamedTuple):
    """What stands before a message's struct; ``end`` is the offset of that struct."""

    type: MessageType
    method: bytes
    sequence: int
    end: int


def parse(data: bytes | bytearray, start: int = 0) -> Header:
    """The header at ``start``.

    :raises Incomplete: the bytes end before the header does.
    :raises WireError: this is no strict binary message. The old header without a version
        is refused as well: Kitex and thriftpy2 do not speak it either.
    """
    end = start + 8
    try:
        version, length = _start(data, start)
        if version & 0xFFFF0000 != _VERSION:
            raise WireError("not a message of the strict binary protocol")
        if length > LONGEST_NAME:
            raise WireError(f"a method name of {length} bytes")
        end = start + 12 + length
        (sequence,) = _sequence(data, end - 4)
        return Header(_types[version & 0xFF], bytes(data[start + 8 : end - 4]), sequence, end)
    except KeyError:
        raise WireError(f"message type {version & 0xFF} does not exist") from None
    except struct.error:
        raise Incomplete("the bytes end inside a message header", end) from None


@lru_cache(maxsize=4096)
def start(type_: MessageType, method: bytes) -> bytes:
    """The header without its sequence id, which is the same for all calls of a method."""
    return _pack_start(_VERSION | type_, len(method)) + method


def build(type_: MessageType, method: bytes, sequence: int) -> bytes:
    """The bytes in front of a struct that make it a message."""
    return _pack_start(_VERSION | type_, len(method)) + method + _pack_sequence(sequence)
