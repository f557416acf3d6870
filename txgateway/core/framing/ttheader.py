"""TTHeader: Kitex's frame with keys and values beside the message; by itself, unframed inside, and multiplexed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from functools import lru_cache
from math import ceil, inf
from types import MappingProxyType
from typing import ClassVar, TypeVar

import google_crc32c

from ..errors import WireError
from ..message import Call, MessageType
from . import LIMIT, Data, Framing, Info, Message, framings
from .buffered import Buffered
from .foreign import describe
from .framed import Framed

T = TypeVar("T")

_MAGIC = 0x1000

# u32 length behind itself, u16 magic, u16 flags, i32 sequence id, u16 size in words.
_HEAD = struct.Struct(">IHHiH")
_head = _HEAD.unpack_from
_u16 = struct.Struct(">H")
_read_u16 = _u16.unpack_from

# Where the counted words begin: the protocol, the number of transforms, the sections.
_FRONT = 14
_LONGEST_TEXT = 0xFFFF
_MOST_WORDS = 0xFFFF

# Flags: the client takes replies in any order; a stream, not a call.
OUT_OF_ORDER = 1
STREAMING = 2

# Binary, and those that Kitex lets pass: the payload then says what it is.
_PROTOCOLS = frozenset({0, 3, 4, 16, 17})

_PADDING, _STRINGS, _INTEGERS, _TOKEN = 0x00, 0x01, 0x10, 0x11
TOKEN_KEY = "RPC_TRANSIT_gdpr-token"


class Key(IntEnum):
    """The integer keys that we send or look at."""

    TRANSPORT = 1
    FROM_SERVICE = 3
    TO_SERVICE = 6
    TO_METHOD = 9
    TIMEOUT = 12
    FROM_METHOD = 20
    MESSAGE_TYPE = 22


IDL_SERVICE = "isn"
# In a reply: do not use this connection again.
CLOSING = "crrst"
# Eight hexadecimal digits, the CRC-32C of all that stands behind the header. Where it is given
# it has to be right; to give it, name it with any value.
CHECKSUM = "crc32c"


@framings.register("ttheader")
class TTHeader(Framing):
    """With a framed message inside, as a Kitex client sends it that is told to use TTHeader.

    Whatever is inside is read. Where a message ends its own frame or types say, not the
    length in front of the header: so does Kitex, which writes that length carelessly.
    """

    # What is written inside, in the words of the key TRANSPORT.
    inside: ClassVar[tuple[str, type[Framing]]] = ("framed", Framed)
    flags: ClassVar[int] = 0
    has_info = True

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(limit)
        self._framed = Framed(limit)
        self._buffered = Buffered(limit)
        # Of the message that was measured last.
        self.inner: Framing = self._framed
        self._behind_header = 0

    def frame(self, message: Message) -> bytes:
        info = message.info or Info()
        return self._frame(message, info.strings, _numbered(info.integers))

    def frame_call(self, call: Call, sequence: int, caller: str, remaining: float) -> bytes:
        type_ = MessageType.ONEWAY if call.oneway else MessageType.CALL
        sections = _known_of_call(self.inside[0], call.service, call.method, type_, call.idl_service, caller)
        if remaining < inf:
            sections += _numbered({Key.TIMEOUT: str(max(1, ceil(remaining * 1000)))})
        return self._frame(Message(type_, call.method, sequence, call.payload), call.info, sections)

    def _frame(self, message: Message, strings: Mapping[str, str], sections: bytes) -> bytes:
        inner = (self._framed if self.inside[1] is Framed else self._buffered).frame(message)
        if CHECKSUM in strings:
            strings = {**strings, CHECKSUM: _checksum(inner)}
        # Protocol 0, no transforms.
        words = b"\0\0" + sections + _texts(strings)
        words += bytes(-len(words) % 4)
        if len(words) // 4 > _MOST_WORDS:
            raise ValueError(f"a TTHeader of {len(words)} bytes, more than its size can say")
        length = _HEAD.size - 4 + len(words) + len(inner)
        return _HEAD.pack(length, _MAGIC, self.flags, message.sequence, len(words) // 4) + words + inner

    def measure(self, data: Data, start: int) -> int:
        if len(data) - start < _HEAD.size:
            return start + _HEAD.size
        behind = self._measure_header(data, start)
        if behind + 6 > len(data):
            return behind + 6
        self._behind_header = behind
        self.inner = self._detect(data, behind)
        return self.inner.measure(data, behind)

    def open(self, data: Data, start: int, end: int) -> Message:
        info = parse_info(data, start, self._behind_header)
        given = info.strings.get(CHECKSUM)
        if given is not None and given.lower() != _checksum(data[self._behind_header : end]):
            raise WireError("a TTHeader whose checksum is not that of the message behind it")
        return self.inner.open(data, self._behind_header, end)._replace(info=info)

    def _measure_header(self, data: Data, start: int) -> int:
        """The offset behind the header, which may lie beyond the data."""
        length, magic, flags, _, words = _head(data, start)
        if magic != _MAGIC:
            raise WireError(f"no TTHeader: the peer {describe(data[start : start + 16])}")
        if length > self.limit:
            raise WireError(f"a TTHeader message of {length} bytes, above the limit of {self.limit}")
        if flags & STREAMING:
            raise WireError("TTHeader streaming is not spoken here")
        if not words:
            raise WireError("a TTHeader without a protocol")
        return start + _FRONT + 4 * int(words)

    def _detect(self, data: Data, at: int) -> Framing:
        if data[at : at + 2] == b"\x80\x01":
            return self._buffered
        if data[at + 4 : at + 6] == b"\x80\x01":
            return self._framed
        raise WireError("a TTHeader with something else than a message of the strict binary protocol behind it")


@framings.register("ttheader-unframed")
class TTHeaderUnframed(TTHeader):
    """With the message itself inside."""

    inside = ("unframed", Buffered)


@framings.register("mux")
class Mux(TTHeader):
    """Multiplexed: the header's sequence id matches a reply to its call, and its length counts.

    Nothing in the bytes tells whether a server runs calls side by side: it is a setting.
    """

    parallel = True
    speaks_alone = True
    flags = OUT_OF_ORDER

    def measure(self, data: Data, start: int) -> int:
        if len(data) - start < _HEAD.size:
            return start + _HEAD.size
        self._behind_header = self._measure_header(data, start)
        end = start + 4 + int(_head(data, start)[0])
        if end < self._behind_header + 6:
            raise WireError("a TTHeader message without a message")
        return end

    def open(self, data: Data, start: int, end: int) -> Message:
        self.inner = self._detect(data, self._behind_header)
        if self.inner.measure(data, self._behind_header) > end:
            raise WireError("a TTHeader message that is too short for what is in it")
        return super().open(data, start, end)


def parse_info(data: Data, start: int, end: int) -> Info:
    """The sections of the header that begins at ``start`` and ends at ``end``; later values win.

    :raises WireError: it is not made as it should.
    """
    _, _, flags, sequence, _ = _head(data, start)
    words = bytes(data[start + _FRONT : end])
    parse = _parse_again if len(words) <= _REMEMBERED else _parse
    strings, integers = parse(words)
    return Info(strings, integers, flags, sequence)


def _parse(words: bytes) -> tuple[Mapping[str, str], Mapping[int, str]]:
    if words[0] not in _PROTOCOLS:
        raise WireError(f"a TTHeader that announces protocol {words[0]}, which is not spoken here")
    sections = _Sections(words, 2)
    # The ids of transforms: Kitex writes none, skips what it reads and undoes nothing.
    sections.skip(words[1])
    strings: dict[str, str] = {}
    integers: dict[int, str] = {}
    for kind in sections:
        if kind == _STRINGS:
            strings.update(sections.pairs(sections.text))
        elif kind == _INTEGERS:
            integers.update(sections.pairs(sections.number))
        elif kind == _TOKEN:
            strings[TOKEN_KEY] = sections.text()
        elif kind != _PADDING:
            raise WireError(f"a TTHeader with a section of kind {kind}, which does not exist")
    return MappingProxyType(strings), MappingProxyType(integers)


# Most headers of a method are alike: 5 us to parse one, 0.1 to find it again. Long ones
# hold what is different each time, and would fill the memory.
_REMEMBERED = 256
_parse_again = lru_cache(maxsize=512)(_parse)


def _checksum(data: Data) -> str:
    return f"{google_crc32c.value(bytes(data)):08x}"


class _Sections:
    """Reads from an offset on, and not a byte beyond the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._end = len(data)

    def __iter__(self) -> Iterator[int]:
        """The kind of each section; whoever asks for the next one has read this one."""
        while self._at < self._end:
            kind = self._data[self._at]
            self._at += 1
            yield kind

    def number(self) -> int:
        (number,) = _read_u16(self._data, self.skip(2))
        return int(number)

    def text(self) -> str:
        length = self.number()
        begin = self.skip(length)
        return self._data[begin : begin + length].decode("utf-8", "surrogateescape")

    def pairs(self, key: Callable[[], T]) -> list[tuple[T, str]]:
        # Each pair takes bytes, so a great number comes to the end soon.
        return [(key(), self.text()) for _ in range(self.number())]

    def skip(self, size: int) -> int:
        """Goes on behind so many bytes; gives the offset of the first of them."""
        at, self._at = self._at, self._at + size
        if self._at > self._end:
            raise WireError("a TTHeader whose sections are longer than itself")
        return at


@lru_cache(maxsize=1024)
def _known_of_call(
    inside: str, service: str, method: bytes, type_: MessageType, idl_service: str, caller: str
) -> bytes:
    """What is the same for every call of a method."""
    integers: dict[int, str] = {
        Key.TRANSPORT: inside,
        Key.FROM_SERVICE: caller,
        Key.TO_SERVICE: service,
        Key.TO_METHOD: method.decode("utf-8", "surrogateescape"),
        Key.MESSAGE_TYPE: str(int(type_)),
    }
    return _texts({IDL_SERVICE: idl_service} if idl_service else {}) + _numbered(integers)


def _texts(strings: Mapping[str, str]) -> bytes:
    """A section of string keys; none if there are none. A header may have several."""
    if not strings:
        return b""
    pairs = (_text(name) + _text(value) for name, value in strings.items())
    return struct.pack(">BH", _STRINGS, len(strings)) + b"".join(pairs)


def _numbered(integers: Mapping[int, str]) -> bytes:
    """The same for integer keys."""
    if not integers:
        return b""
    pairs = (_u16.pack(number) + _text(value) for number, value in integers.items())
    return struct.pack(">BH", _INTEGERS, len(integers)) + b"".join(pairs)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > _LONGEST_TEXT:
        raise ValueError(f"a text of {len(data)} bytes, more than a TTHeader can carry")
    return _u16.pack(len(data)) + data
