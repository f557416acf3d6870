"""Thrift's transports: messages to bytes and bytes to messages, one file for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from ..codec import header
from ..codec.bounds import Incomplete
from ..errors import WireError
from ..extension import Extensions
from ..message import Call, MessageType
from .foreign import describe

# Larger than Apache's frames (16,384,000 bytes) and far below what a length that is
# really text ("HTTP", a TLS record) comes to.
LIMIT = 16 * 1024 * 1024

Data = bytes | bytearray


class Info(NamedTuple):
    """What a TTHeader says beside its message; the other transports have no room for it.

    Bytes that are not UTF-8 survive as surrogate escapes.

    :ivar integers: the keys that the format defines, by number.
    :ivar sequence: the header's own sequence id; what is written has the message's.
    """

    strings: Mapping[str, str] = MappingProxyType({})
    integers: Mapping[int, str] = MappingProxyType({})
    flags: int = 0
    sequence: int = 0


class Message(NamedTuple):
    """A Thrift message: its header taken apart, its struct as bytes.

    :ivar info: None if its transport carries none.
    """

    type: MessageType
    method: bytes
    sequence: int
    payload: bytes
    info: Info | None = None


class BrokenMessage(WireError):
    """A message whose header is sound and whose struct is not: its sender can be told.

    :ivar header: the header.
    """

    def __init__(self, message: str, header: header.Header) -> None:
        super().__init__(message)
        self.header = header


class Framing(ABC):
    """One connection's messages in one direction or both; state is kept only of what comes in.

    To add one: write a module in this package, and register the class.

    :param limit: bytes of the longest message accepted, with its frame. One that
        announces more is refused before room is made for it.
    :cvar parallel: the server runs the calls of one connection side by side and answers
        in any order.
    :cvar has_info: there is room for an Info beside the message.
    :cvar speaks_alone: who is spoken to in this transport answers in no other one.
    """

    parallel: ClassVar[bool] = False
    has_info: ClassVar[bool] = False
    speaks_alone: ClassVar[bool] = False

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._rest = bytearray()
        self._needed = 0

    @abstractmethod
    def frame(self, message: Message) -> bytes:
        """The bytes to send."""

    @abstractmethod
    def measure(self, data: Data, start: int) -> int:
        """The offset behind the message at ``start``; if that lies beyond the data, no less is needed to go on.

        :raises WireError: this cannot become a message, or one longer than the limit.
        """

    @abstractmethod
    def open(self, data: Data, start: int, end: int) -> Message:
        """The message that :meth:`measure` found.

        :raises WireError: its frame holds no message.
        """

    def frame_call(self, call: Call, sequence: int, caller: str, remaining: float) -> bytes:
        """The bytes of a call, with what the transport can say beside it.

        :param caller: the name of the calling service, for the other side's logs and rules.
        :param remaining: seconds until the call's deadline.
        """
        type_ = MessageType.ONEWAY if call.oneway else MessageType.CALL
        return self.frame(Message(type_, call.method, sequence, call.payload))

    def usual_reply(self, method: bytes, sequence: int) -> bytes:
        """What a frame has between its length and the result of a call; empty where a reply is framed otherwise."""
        return b""

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete now; any cut of the bytes gives the same ones.

        :raises WireError: behind the last good message stands something else. Nothing
            may be fed after that.
        """
        held = self._rest
        source: Data = data
        if held:
            held += data
            if len(held) < self._needed:
                return
            source = held
        start = end = 0
        size = len(source)
        while start < size:
            end = self.measure(source, start)
            if end > size:
                break
            yield self.open(source, start, end)
            start = end
        self._needed = end - start
        if source is held:
            del held[:start]
        elif start < size:
            held += source[start:] if start else source


def cut(data: Data, begin: int, end: int) -> bytes:
    """The bytes between, copied once: a slice of what was gathered is a copy that would have to be copied again."""
    if isinstance(data, bytes):
        return data[begin:end]
    with memoryview(data) as view:
        return bytes(view[begin:end])


def parse_header(data: Data, at: int) -> header.Header:
    """The header at ``at``; a refusal says what the peer seems to speak instead."""
    try:
        return header.parse(data, at)
    except Incomplete:
        raise
    except WireError as error:
        raise WireError(f"{error}; the peer {describe(data[at : at + 16])}") from None


framings: Extensions[type[Framing]] = Extensions("txgateway.core.framing")
