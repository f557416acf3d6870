"""The header lines of a request by llhttp (httptools), never in one of its lenient modes."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from ...core.errors import BadMessage
from ...core.message import Header

# The request line is read elsewhere: llhttp knows a list of verbs only.
_BEFORE = b"POST / HTTP/1.1\r\n"


class _Told:
    """What llhttp calls."""

    def __init__(self) -> None:
        self.headers: list[Header] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))


def read_headers(lines: bytes) -> tuple[Header, ...]:
    """The headers in these lines, each with its line end. Raises BadMessage."""
    told = _Told()
    try:
        HttpRequestParser(told).feed_data(_BEFORE + lines + b"\r\n")
    except HttpParserUpgrade:
        # The client offers another protocol; we go on in this one (RFC 9110, 7.8).
        pass
    except HttpParserError:
        raise BadMessage("The headers are malformed") from None
    return tuple(told.headers)
