"""Request ids: the client's own, if it sent a good one, else one of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

from .annotations.header import TOKEN
from .message import Header

# What is taken over stands in headers, log lines and JSON as it came: visible ASCII, and nothing that
# would end a quoted text.
_is_good = re.compile(rb"[!#-\[\]-~]{1,128}").fullmatch


class RequestIds:
    """The ids of one process.

    A counter behind a prefix costs a twentieth of a UUID. Who can guess the ids of others can do nothing
    with them: they open no door.
    """

    def __init__(self, header: bytes, prefix: str) -> None:
        """
        :param header: the lower-case name of the header that may bring an id; empty: none does.
        :param prefix: of the ids that are made; another one for each process.
        """
        self._header = header
        self._prefix = prefix
        self._next = count(1).__next__

    def next_for(self, headers: Iterable[Header]) -> str:
        """The id of a request with these headers."""
        wanted = self._header
        for name, value in headers:
            if name == wanted and _is_good(value):
                return value.decode("ascii")
        return f"{self._prefix}{self._next():x}"


def check_header(name: str) -> bytes:
    """A header's name, as requests have it; an empty one stays so. Raises ValueError."""
    if name and not TOKEN(name):
        raise ValueError(f"{name!r} is no name of a header")
    return name.lower().encode("ascii")
