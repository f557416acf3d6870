"""``api.header``: the request's header of that name, in any case; a header of the response."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..codec.structs import ThriftStruct
from ..descriptor import Type
from ..errors import UnusableReply
from ..inputs import Inputs
from ..text import written
from . import Head, Source, Target, sources, targets

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch

# What would break the message's frame or forge the gateway's own part of it.
_OURS = frozenset(
    ("connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
# A line break would begin another header; the other control characters help nobody.
is_forbidden = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search


@sources.register("api.header")
class RequestHeader(Source):
    rank = 50
    place = "header"
    trims = True

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = self.key.lower()

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        key = self.key
        return [value for name, value in inputs.request.headers if name == key] or None


@targets.register("api.header")
class ResponseHeader(Target):
    def __init__(self, key: str, declared: Type, as_json: Callable[[object], bytes]) -> None:
        super().__init__(key, declared, as_json)
        self._name = response_header(key)

    def put(self, value: object, head: Head) -> None:
        text = header_text(value, self.as_json)
        if is_forbidden(text):
            raise UnusableReply(f"The value of the header {self.key} has a line break or another control character")
        head.headers.append((self._name, text))


def response_header(name: str) -> bytes:
    """The header's name as it is sent; raises ValueError for one that a response may not have from us."""
    if not TOKEN(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in _OURS:
        raise ValueError(f"the header {name} is the HTTP server's own")
    return name.lower().encode("ascii")


def header_text(value: object, as_json: Callable[[object], bytes]) -> bytes:
    """A value as the text of a header: scalars as they are, lists of them with commas, all else as JSON."""
    if isinstance(value, dict | ThriftStruct):
        return as_json(value)
    if isinstance(value, list):
        if any(isinstance(item, dict | list | ThriftStruct) for item in value):
            return as_json(value)
        return b",".join(map(written, value))
    return written(value)
