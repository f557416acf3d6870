"""What somebody wants explained: JSON to a request."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import quote

import orjson
from attrs import frozen

from ..annotations.header import TOKEN
from ..message import Header, Request

# Bytes of the JSON, which has to go through a line to a worker, and of a target; and the number of headers.
MAX_ASKED = 256 * 1024
MAX_TARGET = 8192
MAX_HEADERS = 100

_KEYS = ("verb", "target", "headers", "body", "body_base64", "client", "call")
_VERB = re.compile(r"[A-Za-z]{1,20}").fullmatch
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE).match
# No header or target may have these.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search


class NotAsked(ValueError):
    """What came is no question; the text says why, and what would be one."""


@frozen
class Asked:
    """
    :ivar calls: whether the service is to be called.
    """

    request: Request
    calls: bool = False


def read_asked(text: str | bytes) -> Asked:
    """``{"verb": "GET", "target": "/book/query?num=7", "headers": {"Accept": "*/*"}, "body": "", "call": false}``.

    All but the target may be left out. The verb is then POST if there is a body, else GET.
    Raises NotAsked.
    """
    if len(text) > MAX_ASKED:
        raise NotAsked(f"the question may have {MAX_ASKED} bytes")
    try:
        said = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise NotAsked("the question has to be JSON") from None
    if not isinstance(said, dict) or not isinstance(said.get("target"), str):
        raise NotAsked('the question has to be an object with a "target" at least')
    unknown = next((key for key in said if key not in _KEYS), None)
    if unknown is not None:
        raise NotAsked(f"there is no {unknown[:40]!r} in a question; there are {', '.join(_KEYS)}")
    body = _body(said)
    request = Request(
        _verb(said.get("verb", "POST" if body else "GET")),
        _target(said["target"]),
        tuple(_headers(said.get("headers", {}))),
        body,
        _text(said, "client"),
    )
    calls = said.get("call", False)
    if not isinstance(calls, bool):
        raise NotAsked('"call" has to be true or false')
    return Asked(request, calls)


def _verb(said: Any) -> str:
    if not isinstance(said, str) or not _VERB(said):
        raise NotAsked('"verb" has to be one of HTTP, such as GET')
    return said.upper()


def _target(said: str) -> bytes:
    """The path and the query of what may be a whole URL."""
    origin = _ORIGIN(said)
    target = said[origin.end() :] if origin else said
    target = target.partition("#")[0]
    if origin and not target.startswith("/"):
        target = f"/{target}"
    if not target.startswith("/"):
        raise NotAsked('"target" has to be a path, such as /book/query?num=7, or a URL')
    if " " in target or _CONTROL(target):
        raise NotAsked('"target" has a blank or a control character; a blank is written %20')
    # What is not ASCII no client sends as it is.
    encoded = quote(target, safe=_PRINTABLE).encode("ascii")
    if len(encoded) > MAX_TARGET:
        raise NotAsked(f'"target" may have {MAX_TARGET} bytes')
    return encoded


_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def _headers(said: Any) -> list[Header]:
    pairs = list(said.items()) if isinstance(said, dict) else said
    if not isinstance(pairs, list) or len(pairs) > MAX_HEADERS:
        raise NotAsked(f'"headers" has to be an object, or an array of pairs, with {MAX_HEADERS} of them at most')
    return [_header(pair) for pair in pairs]


def _header(pair: Any) -> Header:
    match pair:
        case [str(name), str(value)] | (str(name), str(value)) if TOKEN(name) and not _CONTROL(
            value.replace("\t", " ")
        ):
            return name.lower().encode("ascii"), value.strip(" \t").encode("utf-8", "surrogatepass")
    raise NotAsked('"headers" has something that is no name with a text')


def _body(said: dict[str, Any]) -> bytes:
    if "body_base64" not in said:
        return _text(said, "body").encode("utf-8", "surrogatepass")
    if "body" in said:
        raise NotAsked('"body" and "body_base64" are two ways to say the same')
    try:
        return base64.b64decode(_text(said, "body_base64"), validate=True)
    except (binascii.Error, ValueError):
        raise NotAsked('"body_base64" is no base64') from None


def _text(said: dict[str, Any], key: str) -> str:
    text = said.get(key, "")
    if not isinstance(text, str):
        raise NotAsked(f'"{key}" has to be a text')
    return text
