"""What one request offers to the fields of its method; each part is parsed when a field first asks for it."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from .errors import BadRequest, UnsupportedBody
from .message import Request
from .misfit import kind

# A parameter of the path by its name, percent-decoded.
PathParameters = Mapping[str, bytes]

# Every occurrence of a key, in the order sent.
Pairs = dict[bytes, list[bytes]]

# Bounds on one query or form, so that none takes longer than a few milliseconds; the
# size of the whole is the HTTP server's matter.
MAX_PAIRS = 10_000
MAX_PARTS = 1000
MAX_PART_HEADER = 8192

_NOTHING: Pairs = {}
_NO_OBJECT: dict[str, Any] = {}

# An escape as a whole, so that an escaped backslash is not taken for the start of one.
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class BodyKind(enum.Enum):
    NONE = "none"
    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    OTHER = "other"


class Inputs:
    """One request, seen as the sources of fields.

    :ivar kind: what the content type says of the body; NONE if there is no body.
    :ivar json: the body as a JSON object, once :meth:`read_json` was called; empty before.
    :ivar form: the fields of a form body, without its file parts; empty for any other.
    """

    __slots__ = ("_cookies", "_query", "form", "json", "kind", "path", "request")

    def __init__(self, request: Request, path: PathParameters) -> None:
        self.request = request
        self.path = path
        self.json: dict[str, Any] = _NO_OBJECT
        self.form = _NOTHING
        self.kind = body_kind(request) if request.body else BodyKind.NONE
        self._query: Pairs | None = None
        self._cookies: Pairs | None = None

    @property
    def query(self) -> Pairs:
        if self._query is None:
            self._query = parse_pairs(self.request.query)
        return self._query

    @property
    def cookies(self) -> Pairs:
        if self._cookies is None:
            self._cookies = {}
            for name, value in self.request.headers:
                if name == b"cookie":
                    parse_cookies(value, self._cookies)
        return self._cookies

    def plain(self, key: bytes) -> list[bytes] | None:
        """What a field without any source of its own gets as text: of the query, or of a form body alone."""
        return (self.query if self.kind is BodyKind.NONE else self.form).get(key)

    def read_form(self) -> None:
        """Parses a form body; raises BadRequest. Any other body is left alone."""
        if self.kind is BodyKind.FORM:
            self.form = parse_pairs(self.request.body)
        elif self.kind is BodyKind.MULTIPART:
            content_type = self.request.header(b"content-type") or b""
            self.form = parse_multipart(self.request.body, content_type.decode("latin-1"))

    def read_json(self) -> None:
        """Parses the body as a JSON object, ``null`` being an empty one; raises BadRequest."""
        value = parse_json(self.request.body)
        if type(value) is dict:
            self.json = value
        elif value is not None:
            raise BadRequest(f"The body must be a JSON object, not {kind(value)}")

    def refuse_other(self) -> None:
        """Raises UnsupportedBody for a body of a content type that no field can be read from."""
        if self.kind is BodyKind.OTHER:
            raise UnsupportedBody("The body must be JSON or a form (application/json, a +json type, or a form type)")


def body_kind(request: Request) -> BodyKind:
    """What the content type says; none at all means JSON."""
    content_type = request.header(b"content-type")
    if not content_type or content_type == b"application/json":
        return BodyKind.JSON
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type in (b"", b"application/json") or media_type.endswith(b"+json"):
        return BodyKind.JSON
    if media_type == b"application/x-www-form-urlencoded":
        return BodyKind.FORM
    return BodyKind.MULTIPART if media_type == b"multipart/form-data" else BodyKind.OTHER


def parse_pairs(text: bytes) -> Pairs:
    """The pairs of a query or an urlencoded form; raises BadRequest if there are too many.

    A broken escape stays as it is, and ``;`` separates nothing.
    """
    pairs: Pairs = {}
    if not text:
        return pairs
    if text.count(b"&") >= MAX_PAIRS:
        raise BadRequest(f"A query or form may have {MAX_PAIRS} parameters")
    if b"+" in text:
        text = text.replace(b"+", b" ")
    decode: Callable[[bytes], bytes] = unquote_to_bytes if b"%" in text else _as_it_is
    for pair in text.split(b"&"):
        key, _, value = pair.partition(b"=")
        pairs.setdefault(decode(key), []).append(decode(value))
    return pairs


def _as_it_is(text: bytes) -> bytes:
    return text


def parse_cookies(text: bytes, cookies: Pairs) -> None:
    """Adds the cookies of one header; one pair of quotes is no part of a value."""
    for pair in text.split(b";"):
        name, equals, value = pair.partition(b"=")
        value = value.strip()
        if len(value) > 1 and value[:1] == value[-1:] == b'"':
            value = value[1:-1]
        if equals:
            cookies.setdefault(name.strip(), []).append(value)


def parse_multipart(body: bytes, content_type: str) -> Pairs:
    """The text parts of a multipart form; raises BadRequest."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    pairs: Pairs = {}
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS, max_header_size=MAX_PART_HEADER) as parser:
            part: MultipartSegment | None = None
            value = b""
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    part, value = event, b""
                elif event is not None:
                    value += event
                elif part is not None and part.filename is None:
                    pairs.setdefault(part.name.encode(), []).append(value)
    except MultipartError:
        raise BadRequest("The body is no complete multipart form") from None
    return pairs


def parse_json(body: bytes) -> Any:
    """A JSON value; the last of several equal keys counts. Raises BadRequest naming the place."""
    try:
        return load_json(body)
    except orjson.JSONDecodeError as error:
        # Such a number is valid JSON, but orjson reads none that a double cannot hold.
        what = "The body has too large a number" if "infinity" in error.msg else "The body is not valid JSON"
        raise BadRequest(f"{what} (line {error.lineno}, column {error.colno})") from None


def load_json(text: bytes) -> Any:
    """A JSON value. Raises orjson.JSONDecodeError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        mended = _without_lone_surrogates(text)
        if mended == text:
            raise
        return orjson.loads(mended)


def _without_lone_surrogates(body: bytes) -> bytes:
    r"""The same text with U+FFFD for each escaped half of a pair whose other half is not there.

    Valid as JSON, but not as text; orjson refuses it, so only a refused body comes here.
    """
    parts: list[bytes] = []
    end = high = 0  # ``high``: the end of an escape for a first half, if one has just been read.
    for match in _ESCAPE.finditer(body):
        code = int(match[1], 16) if match[1] else 0
        start = match.start()
        if high and not (0xDC00 <= code < 0xE000 and start == high):
            parts[-1] = b"\\ufffd"
        lone = 0xDC00 <= code < 0xE000 and start != high
        parts += [body[end:start], b"\\ufffd" if lone else match[0]]
        end = match.end()
        high = end if 0xD800 <= code < 0xDC00 else 0
    if high:
        parts[-1] = b"\\ufffd"
    return b"".join([*parts, body[end:]])
