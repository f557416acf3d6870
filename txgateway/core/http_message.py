"""HTTP/1.1 requests out of a stream of bytes: where each begins and ends, and what is refused (RFC 9112).

Two programs that read one stream and disagree on where a request ends can be made to run a
request that one of them never saw. So nothing here is lenient: what the grammar does not
have, or allows only for the sake of old senders, is an error after which the connection is
of no more use. The headers' names and values are taken apart by a reader that is handed in;
it sees only bytes that have passed the checks here.

A reader is given bytes and gives requests; it never waits::

    reader = RequestReader(MessageLimits(), read_headers, client="192.0.2.7")
    reader.feed(data)
    while request := reader.next(): ...
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus

from attrs import frozen

from .errors import BadMessage, BodyTooLarge, HeadersTooLarge, UriTooLong, VersionNotSupported
from .message import Header, Request

# Takes apart the header lines of a message, each with its line end: names in lower case,
# values without outer blanks. Raises BadMessage for what it does not take for headers.
ReadHeaders = Callable[[bytes], tuple[Header, ...]]

# The body has no length in the head, but comes in chunks.
CHUNKED = -1
# No line end lies that far behind the end of what was read.
NEVER_THE_LENGTH = -1
# Digits of a length or of a chunk's size: more than any body has that is not refused.
MOST_DIGITS = 16
# What clients may write behind the sizes of all chunks of a body, which nobody reads.
MOST_EXTENSIONS = 4096
# Chunks that are read in one go: a body may be all tiny ones, and 1,000 take about 2 ms.
CHUNKS_AT_ONCE = 1000
# Answers that have neither a body nor a length (RFC 9110, 6.4.1).
NO_BODY = (204, 304)

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_request_line = re.compile(rb"(%b) ([!-~]++) HTTP/(\d\.\d)" % _TOKEN).fullmatch
# No folded line, no blank in front of the colon, no control character, no bare CR or LF.
_header_lines = re.compile(rb"(?:%b:[\t -~\x80-\xff]*+\r\n)*+" % _TOKEN).fullmatch
_bare_line_end = re.compile(rb"(?<!\r)\n|\r(?=[^\n])").search
_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,%d})(;[\t -~\x80-\xff]*+)?" % MOST_DIGITS).fullmatch
_length = re.compile(rb"[0-9]{1,%d}" % MOST_DIGITS).fullmatch
_host = re.compile(rb"[0-9A-Za-z\-._~%!$&'()*+,;=:\[\]]*+").fullmatch
_absolute = re.compile(rb"https?://[^/?]*", re.IGNORECASE).match
_token_start = re.compile(_TOKEN).match


@frozen
class MessageLimits:
    """Bounds of one request, in bytes but for ``headers``.

    :ivar request_line: verb, target and version.
    :ivar headers: how many header lines, and how many trailer lines.
    :ivar header_bytes: of all header lines together, and of all trailer lines.
    """

    request_line: int = 8192
    headers: int = 100
    header_bytes: int = 32768
    body: int = 4 * 1024 * 1024

    def check_line(self, size: int) -> None:
        """Raises UriTooLong for a request line of so many bytes."""
        if size > self.request_line:
            raise UriTooLong(f"A request line may have {self.request_line} bytes")

    def check_lines(self, size: int, count: int) -> None:
        """Raises HeadersTooLarge for so many header lines, of so many bytes together."""
        if size > self.header_bytes:
            raise HeadersTooLarge(f"All headers together may have {self.header_bytes} bytes")
        if count > self.headers:
            raise HeadersTooLarge(f"A request may have {self.headers} headers")


class Phase(enum.IntEnum):
    """What of a request has come."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


@frozen
class _Fields:
    """What the header lines of a request say: it depends on their bytes and the version alone.

    :ivar length: of the body in bytes, or CHUNKED.
    :ivar closes: the connection ends with the answer.
    :ivar expects: the client waits for a word before it sends the body.
    """

    headers: tuple[Header, ...]
    length: int = 0
    closes: bool = False
    expects: bool = False


class RequestReader:
    """The requests of one connection.

    After an error nothing more is to be read: where the next request begins is not known.

    :param client: the peer's address, which every request gets.
    :ivar closes: whether the connection ends with the answer to the last request that :meth:`next` gave.
    """

    def __init__(self, limits: MessageLimits, read_headers: ReadHeaders, client: str = "") -> None:
        self.closes = False
        self._limits = limits
        self._read_headers = read_headers
        self._client = client
        self._buffer = b""
        # What is before this has been read.
        self._at = 0
        # Between requests one empty line is passed over, but only one (RFC 9112, 2.2).
        self._skipped = False
        self._verb, self._target = "", b""
        self._fields: _Fields | None = None
        self._told = False
        self._body = bytearray()
        self._chunks: _Chunks | None = None
        # A client says the same headers again and again: what they mean is worked out once.
        self._lines: bytes | None = None
        self._version = b""
        self._known = _Fields(())
        # From the end of the request line on, and the length from there with a body of that length.
        self._usual = b""
        self._usual_length = NEVER_THE_LENGTH

    @property
    def phase(self) -> Phase:
        if self._fields is not None:
            return Phase.BODY
        return Phase.HEAD if self._at < len(self._buffer) else Phase.NOTHING

    @property
    def buffered(self) -> int:
        """Bytes that were fed and not read yet."""
        return len(self._buffer) - self._at

    @property
    def awaited(self) -> bool:
        """Whether the client waits to be told to go on, having sent nothing of the body."""
        fields = self._fields
        if fields is None or self._told:
            return False
        return fields.expects and not (self._body or self.buffered or (self._chunks and self._chunks.count))

    def told(self) -> None:
        """The client was told to go on."""
        self._told = True

    @property
    def interrupted(self) -> bool:
        """Whether :meth:`next` gave None only in order not to take too long."""
        return self._chunks is not None and self._chunks.interrupted

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def next(self) -> Request | None:
        """The next request that is whole.

        Raises BadMessage, UriTooLong, HeadersTooLarge, BodyTooLarge or VersionNotSupported.
        """
        fields, buffer = self._fields, self._buffer
        # Within a body it would be looked for in vain, in all of it.
        line_end = buffer.find(b"\r\n") if fields is None else -1
        # What clients send again and again: one whole request with the headers of the last, and nothing behind it.
        # It would come out the same below, in twice the time.
        if (
            len(buffer) == line_end + self._usual_length
            and 0 < line_end <= self._limits.request_line
            and buffer.startswith(self._usual, line_end)
            and not self._at
        ):
            verb, target, version = _parse_request_line(buffer, 0, line_end)
            if version == self._version:
                known = self._known
                self._at, self._skipped = len(buffer), False
                self.closes = known.closes
                body = buffer[line_end + len(self._usual) :] if known.length else b""
                return Request(verb.decode("ascii"), target, known.headers, body, self._client)
        fields = fields or self._head()
        if fields is None:
            return None
        body = b""
        if fields.length:
            if not (self._chunked() if fields.length == CHUNKED else self._sized(fields.length)):
                return None
            body = bytes(self._body)
            self._body.clear()
            self._chunks = None
        self._fields = None
        self.closes = fields.closes
        return Request(self._verb, self._target, fields.headers, body, self._client)

    # The head

    def _head(self) -> _Fields | None:
        buffer, at = self._buffer, self._at
        if not self._skipped and buffer.startswith(b"\r\n", at):
            self._skipped = True
            self._at = at = at + 2
        end = buffer.find(b"\r\n\r\n", at)
        if end < 0:
            self._check_beginning()
            return None
        line_end = buffer.find(b"\r\n", at)
        self._limits.check_line(line_end - at)
        verb, self._target, version = _parse_request_line(buffer, at, line_end)
        self._verb = verb.decode("ascii")
        self._at, self._skipped, self._told = end + 4, False, False
        lines = buffer[line_end + 2 : end + 2]
        if lines == self._lines and version == self._version:
            fields = self._known
        else:
            fields = self._meaning(lines, version)
        self._fields = fields
        return fields

    def _meaning(self, lines: bytes, version: bytes) -> _Fields:
        self._check_lines(lines)
        self._known = _understand(self._read_headers(lines), version == b"1.1")
        if self._known.length > self._limits.body:
            raise self._too_large()
        self._lines, self._version = lines, version
        self._usual = b"\r\n%b\r\n" % lines
        length = self._known.length
        self._usual_length = len(self._usual) + length if length != CHUNKED else NEVER_THE_LENGTH
        return self._known

    def _check_lines(self, lines: bytes) -> None:
        self._limits.check_lines(len(lines), lines.count(b"\n"))
        if _header_lines(lines) is None:
            raise BadMessage("A header line is malformed")

    def _check_beginning(self) -> None:
        """Refuse a head that is not whole as soon as it can no longer become a good one."""
        begun = self._buffer[self._at :]
        line, end, rest = begun.partition(b"\r\n")
        self._limits.check_line(len(line))
        self._limits.check_lines(len(rest), rest.count(b"\n"))
        whole = rest[: rest.rfind(b"\r\n") + 2] if b"\r\n" in rest else b""
        if end:
            _parse_request_line(line, 0, len(line))
        if _bare_line_end(begun) or _header_lines(whole) is None:
            raise BadMessage("The head of the request is malformed")
        if begun not in (b"", b"\r") and not _token_start(begun):
            raise BadMessage("The request line is malformed")

    # The body

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"A body may have {self._limits.body} bytes")

    def _take(self, count: int) -> int:
        """Move as many bytes to the body, or as many as there are; says how many."""
        part = self._buffer[self._at : self._at + count]
        self._body += part
        self._at += len(part)
        return len(part)

    def _sized(self, length: int) -> bool:
        """Whether the body is whole."""
        self._take(length - len(self._body))
        return len(self._body) == length

    def _chunked(self) -> bool:
        """Whether the body is whole."""
        chunks = self._chunks
        if chunks is None:
            chunks = self._chunks = _Chunks()
        last = chunks.count + CHUNKS_AT_ONCE
        while not chunks.ended:
            chunks.interrupted = chunks.count == last
            if chunks.interrupted:
                return False
            if chunks.left:
                chunks.left -= self._take(chunks.left)
                if chunks.left:
                    return False
                chunks.must_end = True
            if chunks.must_end:
                if self.buffered < 2:
                    if self.buffered and self._buffer[self._at :] != b"\r":
                        raise BadMessage("A chunk is longer than it says")
                    return False
                if not self._buffer.startswith(b"\r\n", self._at):
                    raise BadMessage("A chunk is longer than it says")
                self._at += 2
                chunks.must_end = False
            line = self._line(MOST_EXTENSIONS + MOST_DIGITS)
            if line is None:
                return False
            chunks.begin(line)
            if len(self._body) + chunks.left > self._limits.body:
                raise self._too_large()
        return self._trailers(chunks)

    def _trailers(self, chunks: _Chunks) -> bool:
        """Read the lines behind the last chunk, which nobody looks at; whether their end has come."""
        limits = self._limits
        while (line := self._line(limits.header_bytes)) is not None:
            if not line:
                return True
            chunks.trailers += 1
            chunks.trailer_bytes += len(line)
            if chunks.trailers > limits.headers or chunks.trailer_bytes > limits.header_bytes:
                raise HeadersTooLarge(f"A request may have {limits.headers} trailers")
            if _header_lines(line + b"\r\n") is None:
                raise BadMessage("A trailer line is malformed")
        return False

    def _line(self, longest: int) -> bytes | None:
        """The next line without its end, if it is whole."""
        end = self._buffer.find(b"\r\n", self._at)
        begun = self._buffer[self._at : end if end >= 0 else len(self._buffer)]
        if len(begun) > longest or _bare_line_end(begun):
            raise BadMessage("A line of the chunked body is malformed")
        if end < 0:
            return None
        self._at = end + 2
        return begun


class _Chunks:
    """How far a chunked body has come.

    :ivar left: bytes of the present chunk that are still to come.
    :ivar must_end: its line end is due.
    """

    def __init__(self) -> None:
        self.count = 0
        self.interrupted = False
        self.left = 0
        self.must_end = False
        self.ended = False
        self.extensions = 0
        self.trailers = 0
        self.trailer_bytes = 0

    def begin(self, line: bytes) -> None:
        """The chunk whose first line this is; the one of size 0 is the last."""
        parts = _chunk_line(line)
        if parts is None:
            raise BadMessage("The size of a chunk is malformed")
        self.count += 1
        self.left = int(parts[1], 16)
        self.ended = not self.left
        self.extensions += len(parts[2] or b"")
        if self.extensions > MOST_EXTENSIONS:
            raise BadMessage("The chunks have too many extensions")


def _parse_request_line(data: bytes, start: int, end: int) -> tuple[bytes, bytes, bytes]:
    """Verb, target without scheme and authority, and version. Raises BadMessage or VersionNotSupported."""
    parts = _request_line(data, start, end)
    if parts is None:
        raise BadMessage("The request line is malformed")
    verb, target, version = parts.groups()
    if version not in (b"1.0", b"1.1"):
        raise VersionNotSupported("Only HTTP/1.1 and HTTP/1.0 are spoken here")
    if target.startswith(b"/") or (target == b"*" and verb == b"OPTIONS"):
        return verb, target, version
    if not _absolute(target):
        # An authority is for a proxy, and anything else is for nobody.
        raise BadMessage("The target of the request is no path")
    return verb, origin_form(target), version


def _understand(headers: tuple[Header, ...], is_1_1: bool) -> _Fields:
    """Raises BadMessage for headers that leave a doubt about where the request ends, or whom it is for."""
    hosts = _values(headers, b"host")
    if len(hosts) > 1 or (is_1_1 and not hosts):
        raise BadMessage("A request has one Host header")
    if hosts and _host(hosts[0]) is None:
        raise BadMessage("The Host header is malformed")
    return _Fields(
        headers,
        body_length(headers, is_1_1),
        closes=not is_1_1 or asks_to_close(_values(headers, b"connection")),
        expects=is_1_1 and [value.lower() for value in _values(headers, b"expect")] == [b"100-continue"],
    )


def asks_to_close(lines: Iterable[bytes]) -> bool:
    """Whether one of the options in the lines of a Connection header says so (RFC 9112, 9.6)."""
    return any(option.strip(b" \t").lower() == b"close" for line in lines for option in line.split(b","))


def body_length(headers: tuple[Header, ...], is_1_1: bool = True) -> int:
    """The length of a request's body, or CHUNKED, by RFC 9112, section 6.

    Raises BadMessage where there could be two opinions: both kinds of length, either of them
    twice (even if the same), any coding but ``chunked`` alone, and any coding in HTTP/1.0.
    """
    codings = _values(headers, b"transfer-encoding")
    lengths = _values(headers, b"content-length")
    if codings:
        if lengths or len(codings) > 1 or not is_1_1:
            raise BadMessage("Transfer-Encoding stands alone, once, in HTTP/1.1")
        if codings[0].lower() != b"chunked":
            raise BadMessage("The only Transfer-Encoding is chunked")
        return CHUNKED
    if not lengths:
        return 0
    if len(lengths) > 1 or _length(lengths[0]) is None:
        raise BadMessage("Content-Length is one decimal number")
    return int(lengths[0])


def _values(headers: tuple[Header, ...], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def origin_form(target: bytes) -> bytes:
    """The target without scheme and authority, if it came in absolute form."""
    match = _absolute(target)
    if match is None:
        return target
    rest = target[match.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def reason(status: int) -> bytes:
    """The words behind the status."""
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b"Unknown Status"
