"""``api.cookie``: the request's cookie of that name; a ``Set-Cookie`` of the response."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..descriptor import Type
from ..errors import UnusableReply
from ..inputs import Inputs
from . import Head, Source, Target, sources, targets
from .header import TOKEN, header_text

# Of RFC 6265's cookie value; blanks and commas are taken as well, in quotes.
_VALUE = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e\x80-\xff]*").fullmatch
_QUOTABLE = re.compile(rb"[\x20\x21\x23-\x3a\x3c-\x5b\x5d-\x7e\x80-\xff]*").fullmatch


@sources.register("api.cookie")
class Cookie(Source):
    rank = 40
    place = "cookie"

    def occurrences(self, inputs: Inputs) -> list[bytes] | None:
        return inputs.cookies.get(self.key)


@targets.register("api.cookie")
class SetCookie(Target):
    """A value that could end the cookie and begin an attribute is refused, for the service is not asked for those."""

    def __init__(self, key: str, declared: Type, as_json: Callable[[object], bytes]) -> None:
        super().__init__(key, declared, as_json)
        if not TOKEN(key):
            raise ValueError(f"{key!r} is no name of a cookie")
        self._name = key.encode("ascii")

    def put(self, value: object, head: Head) -> None:
        text = header_text(value, self.as_json)
        if not _VALUE(text):
            if not _QUOTABLE(text):
                raise UnusableReply(f"The value of the cookie {self.key} has characters that no cookie may have")
            text = b'"%b"' % text
        head.headers.append((b"set-cookie", b"%b=%b" % (self._name, text)))
