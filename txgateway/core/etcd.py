"""etcd's requests and watch stream as values, with no HTTP client.

etcd is spoken to through its JSON gateway: bodies are JSON, bytes are base64, 64-bit
numbers are strings in answers, and whatever is zero, false or empty is left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import orjson
from attrs import frozen

from .errors import WireError

# No line of a watch may be longer. Events of 6 MB came as one line of 8 MB.
LINE_LIMIT = 64 * 2**20

# The codes of gRPC that we tell apart.
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
PERMISSION_DENIED = 7
FAILED_PRECONDITION = 9
UNAVAILABLE = 14
UNAUTHENTICATED = 16

_CODE_OF_STATUS = {
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}


# These come under the code of a bad request.
_TOKEN_WANTED = ("auth store is old", "user name is empty")


class EtcdError(Exception):
    """etcd refused a call.

    :ivar code: gRPC's code.
    :ivar text: in etcd's words, for the log and the admin page; never for a client.
    """

    # Whether nobody listened: the cheapest failure, and the quickest to mend.
    refused: ClassVar[bool] = False

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (code {code})")
        self.code = code
        self.text = text

    @property
    def wants_login(self) -> bool:
        """Whether a token may help: ours is unknown by now, older than the last change of users, or never asked for."""
        return self.code == UNAUTHENTICATED or any(words in self.text for words in _TOKEN_WANTED)

    @property
    def wants_other_member(self) -> bool:
        """Whether another member of the cluster may do better."""
        return self.code in (UNAVAILABLE, DEADLINE_EXCEEDED, UNKNOWN)


class EtcdUnreachable(EtcdError):
    """No answer: not connected, cut off, too late, or not to be understood."""

    def __init__(self, text: str) -> None:
        super().__init__(UNAVAILABLE, text)


class EtcdTimeout(EtcdUnreachable):
    """No answer in time."""


class EtcdConnectionRefused(EtcdUnreachable):
    """Nobody listens at this address."""

    refused = True


# Values


@frozen
class KeyRange:
    """All keys from ``begin`` up to, but not with, ``end``."""

    begin: bytes
    end: bytes

    @classmethod
    def under(cls, prefix: bytes) -> KeyRange:
        """All keys that begin with ``prefix``."""
        return cls(prefix, prefix_end(prefix))

    def fields(self) -> dict[str, str]:
        """The fields of a request that name the range."""
        return {"key": to_base64(self.begin), "range_end": to_base64(self.end)}


@frozen
class KeyValue:
    """A key as it stands in etcd; a deleted one has its key and the revision of the deletion.

    :ivar lease: the lease that it hangs on, or 0.
    """

    key: bytes
    mod_revision: int
    value: bytes = b""
    lease: int = 0


@frozen
class Snapshot:
    """The answer to a range: all its keys at one revision of one cluster."""

    cluster: int
    revision: int
    keys: tuple[KeyValue, ...] = ()


@frozen
class Event:
    kv: KeyValue
    deleted: bool = False


@frozen
class WatchMessage:
    """One message of a watch; without events and flags it is a sign of life.

    :ivar created: the watch stands; etcd says so also before it cancels one at once.
    :ivar canceled: no more events will come, although the HTTP stream stays open.
    :ivar compact_revision: not 0: what was asked for is compacted away, up to this revision.
    :ivar fragment: the next message holds more events of the same revision.
    """

    cluster: int
    revision: int
    events: tuple[Event, ...] = ()
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    reason: str = ""
    fragment: bool = False


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def prefix_end(prefix: bytes) -> bytes:
    """The first key behind all that begin with ``prefix``; ``\\0`` is etcd's name for the end of everything."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\0"


# Requests


def watch_request(keys: KeyRange, start_revision: int) -> bytes:
    """The body that opens a watch of a range from this revision on.

    A deleted key's last value is not asked for (``prev_kv``): whoever follows a range holds it.
    Fragments keep a message of many events from becoming one huge line.
    """
    create = {
        **keys.fields(),
        "start_revision": str(start_revision),
        "progress_notify": True,
        "fragment": True,
    }
    return orjson.dumps({"create_request": create})


# Answers


def read_answer(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object that answers a plain call.

    :param status: the HTTP status, which counts before the body does: since 3.6 an error has no ``error``.
    :raises EtcdError: etcd refused, or this is no answer of etcd's.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if status != 200 or not isinstance(answer, dict):
        raise _refusal(status, answer, body)
    if "error" in answer:
        raise read_error(answer["error"])
    if not isinstance(answer.get("header", answer.get("result")), dict):
        raise EtcdUnreachable("no answer of etcd's: it has no header")
    return answer


def _refusal(status: int, answer: Any, body: bytes) -> EtcdError:
    code = _CODE_OF_STATUS.get(status, UNKNOWN)
    if not isinstance(answer, dict):
        return EtcdUnreachable(f"no answer of etcd's: HTTP {status}, {body[:200].decode('utf-8', 'replace').strip()}")
    if isinstance(answer.get("error"), dict):
        return read_error(answer["error"])
    text = answer.get("error") or answer.get("message") or f"HTTP {status}"
    return EtcdError(answer["code"] if isinstance(answer.get("code"), int) else code, str(text))


def read_error(error: Any) -> EtcdError:
    """The value of ``error``: an object in a stream, a text elsewhere."""
    if not isinstance(error, dict):
        return EtcdError(UNKNOWN, str(error))
    code = error.get("grpc_code") or error.get("code")
    return EtcdError(code if isinstance(code, int) else UNKNOWN, str(error.get("message") or error))


def read_snapshot(answer: Mapping[str, Any]) -> Snapshot:
    """The answer to a range.

    :raises WireError: it is none.
    """
    with _malformed("range"):
        header = answer["header"]
        keys = tuple(map(_key_value, answer.get("kvs", ())))
        return Snapshot(int(header["cluster_id"]), int(header["revision"]), keys)


def read_watch(message: Mapping[str, Any]) -> WatchMessage:
    """One message of a watch.

    :raises EtcdError: it is etcd's last word on this stream.
    :raises WireError: it is none of etcd's messages.
    """
    if "error" in message:
        raise read_error(message["error"])
    with _malformed("watch"):
        result = message["result"]
        header = result["header"]
        return WatchMessage(
            cluster=int(header["cluster_id"]),
            revision=int(header.get("revision", 0)),
            events=tuple(map(_event, result.get("events", ()))),
            created=result.get("created") is True,
            canceled=result.get("canceled") is True,
            compact_revision=int(result.get("compact_revision", 0)),
            reason=str(result.get("cancel_reason", "")),
            fragment=result.get("fragment") is True,
        )


# As many events are read at a time; 0.7 ms with what follows from them.
EVENTS_AT_ONCE = 100


def split_watch(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """One message of a watch in pieces of few events, each a message by itself; together they say the same."""
    result = message.get("result")
    events = result.get("events") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(events, list) or len(events) <= EVENTS_AT_ONCE:
        yield message
        return
    for begin in range(0, len(events), EVENTS_AT_ONCE):
        piece = {**result, "events": events[begin : begin + EVENTS_AT_ONCE]}
        if begin + EVENTS_AT_ONCE < len(events):
            # Of its last revision there may be more to come.
            piece["fragment"] = True
        yield {"result": piece}


def _event(event: Mapping[str, Any]) -> Event:
    return Event(_key_value(event["kv"]), event.get("type") == "DELETE")


def _key_value(kv: Mapping[str, Any]) -> KeyValue:
    return KeyValue(
        key=base64.b64decode(kv["key"]),
        mod_revision=int(kv["mod_revision"]),
        value=base64.b64decode(kv.get("value", b"")),
        lease=int(kv.get("lease", 0)),
    )


class _malformed:
    """Whatever goes wrong while foreign JSON is taken apart is the sender's fault."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError | binascii.Error):
            raise WireError(f"etcd's answer to a {self._what} is not of the known form") from error


# The stream

# A brace, or a string up to its end or to the end of what is there.
_TOKEN = re.compile(rb'[{}]|"(?:[^"\\]++|\\.)*+("|\\?\Z)', re.DOTALL)
_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+("|\\?\Z)', re.DOTALL)


class JsonStream:
    """Cuts a stream into its JSON objects, wherever the chunks of the stream end.

    etcd ends each message with a newline, but old releases leave it out and a proxy may
    join or cut anywhere; so the braces decide. However small the pieces, the work is linear.

    :param limit: the size of the largest object that is taken, in bytes.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The objects that end in ``data``, as they end.

        :raises WireError: this is no stream of JSON objects, or one of them is too large.
        """
        begin = 0
        # What is between two newlines is a message nearly always: to try that first takes 3 µs a
        # message instead of 14.
        while not self._pieces and (newline := data.find(b"\n", begin)) >= 0:
            message = self._line(data[begin:newline])
            if message is None:
                break
            begin = newline + 1
            yield message
        data, begin = data[begin:], 0
        for end in self._ends(data):
            text = b"".join((*self._pieces, data[begin:end]))
            self._pieces, self._size, begin = [], 0, end
            yield self._parse(text)
        self._keep(data[begin:])

    def _line(self, text: bytes) -> dict[str, Any] | None:
        """The line as one object, if it is that."""
        try:
            message = orjson.loads(text) if len(text) <= self._limit else None
        except orjson.JSONDecodeError:
            return None
        return message if isinstance(message, dict) else None

    def _keep(self, rest: bytes) -> None:
        if self._depth == 0 and not rest.strip():
            return
        self._pieces.append(rest)
        self._size += len(rest)
        if self._size > self._limit:
            raise WireError(f"etcd sent a message of more than {self._limit} bytes")

    def _parse(self, text: bytes) -> dict[str, Any]:
        if len(text) > self._limit:
            raise WireError(f"etcd sent a message of more than {self._limit} bytes")
        try:
            message: dict[str, Any] = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise WireError("etcd sent a message that is not JSON") from error
        return message

    def _ends(self, data: bytes) -> Iterator[int]:
        """Where in ``data`` an object ends."""
        position = self._skip_string(data)
        for token in _TOKEN.finditer(data, position):
            if self._depth == 0:
                self._between(data[position : token.start()], token.group())
            position = token.end()
            match token.group()[0:1]:
                case b"{":
                    self._depth += 1
                case b"}":
                    self._depth -= 1
                    if self._depth == 0:
                        yield position
                case _:
                    self._leave(token.group(1))
        if self._depth == 0:
            self._between(data[position:], b"{")

    def _skip_string(self, data: bytes) -> int:
        """The end of the string that an earlier chunk began, if it did."""
        if not self._in_string or not data:
            return 0
        rest = _REST_OF_STRING.match(data, 1 if self._escaped else 0)
        assert rest is not None, "the pattern matches anything"
        self._leave(rest.group(1))
        return rest.end()

    def _leave(self, end_of_string: bytes) -> None:
        self._in_string = end_of_string != b'"'
        self._escaped = end_of_string == b"\\"

    def _between(self, gap: bytes, following: bytes) -> None:
        if gap.strip() or following != b"{":
            raise WireError("etcd sent something that is not a JSON object")
