"""Recorded bytes of Kitex against our codec, client and server; see ``tests/vectors/wire/README.md``.

A captured call is tried four ways: its bytes are taken apart, its values decoded and
encoded, our client is put in place of the recorded one, and our server in place of that.
Where the rules of this project differ from Kitex's, a comment here says how.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.recorded import Case, Mismatch
from tests.recorded.wire_server import WireServer
from tests.recorded.wire_values import of_struct, same, same_struct
from tests.wire_trees import encode as encode_tree
from txgateway.core.codec import binary, exception, header
from txgateway.core.codec.bounds import DEPTH, Incomplete, walk
from txgateway.core.codec.structs import Structs, ThriftStruct
from txgateway.core.connection import Connection
from txgateway.core.descriptor import Method
from txgateway.core.errors import ConnectionClosed, UnusableReply, WireError
from txgateway.core.framing import Framing, Message
from txgateway.core.framing.buffered import Buffered
from txgateway.core.framing.compact import BufferedCompact, FramedCompact
from txgateway.core.framing.detecting import Accepting, Detecting
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import Mux, TTHeader, TTHeaderUnframed
from txgateway.core.linker import load
from txgateway.core.message import Call, MessageType, Reply
from txgateway.core.rendering import business_status

Vector = dict[str, Any]
Outcome = dict[str, Any]

FRAMINGS: dict[str, type[Framing]] = {
    "buffered": Buffered,
    "framed": Framed,
    "default": Framed,
    "mux": Mux,
    "ttheader": TTHeaderUnframed,
}
STRICT = b"\x80\x01"
# How Kitex's client introduces an error that a server has sent.
REMOTE = "remote or network error[remote]"
# What one Kitex client says and another does not.
OPTIONAL_INTEGERS = {12, 17, 20}


class Differs(Exception):
    """What was wanted, and what came instead."""


def cases(folder: Path) -> Iterator[Case]:
    runners = {"probe": _probe, "client": _reaction, "shutdown": _shutdown}
    for file in sorted(folder.glob("*.json")):
        for vector in json.loads(file.read_text()):
            runner = runners.get(vector["set"], _captured)
            yield Case(vector["id"], partial(_run, partial(runner, Idl(folder / "idl"), vector)))


def _run(check: Any) -> Mismatch | None:
    try:
        check()
    except Differs as differs:
        expected, got = differs.args
        return Mismatch(str(expected)[:1000], str(got)[:1000])
    return None


def expect(expected: Any, got: Any) -> None:
    if expected != got:
        raise Differs(expected, got)


class Idl:
    """The IDL files of a folder of cases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def method(self, vector: Vector) -> tuple[Structs, Method]:
        structs, methods = _load(self.folder / vector.get("idl", "wiresvc.thrift"))
        return structs, methods[vector.get("service", "Wire"), vector["method"]]

    def server(self, vector: Vector) -> WireServer:
        return WireServer(self.folder / "wiresvc.thrift", vector["server"])


@cache
def _load(path: Path) -> tuple[Structs, dict[tuple[str, str], Method]]:
    schema = load(str(path), lambda name: Path(name).read_text()).schema
    return Structs(schema), {(s.name.name, m.name): m for s in schema.services for m in s.methods}


class Replies(Structs):
    """As the gateway reads replies: whatever members a union has."""

    exact_unions = False


@cache
def _for_replies(structs: Structs) -> Structs:
    return Replies(structs.schema)


def framing_of(transport: str) -> type[Framing]:
    if transport in FRAMINGS:
        return FRAMINGS[transport]
    return Mux if transport.startswith("mux") else TTHeader


# A captured call


def _captured(idl: Idl, vector: Vector) -> None:
    structs, method = idl.method(vector)
    if vector["request"]:
        request = _parts(vector, "request")
        _values(structs, structs.arguments(method), vector["args"], request.payload)
        reply = _as_client(vector, request)
        if reply is not None:
            _outcome(structs, method, vector["outcome"], reply)
            _client_saw(vector, reply)
        _as_server(idl, structs, method, vector, request)
    if vector["reply"]:
        _parts(vector, "reply")


def _parts(vector: Vector, direction: str) -> Message:
    """Takes the bytes apart as they were recorded to be; gives the message in them."""
    raw, parts = bytes.fromhex(vector[direction]), vector[f"{direction}_parts"]
    reader: Framing = Mux() if framing_of(vector["transport"]) is Mux else Detecting()
    (message,) = reader.feed(raw)
    named = parts["message"]
    expect((named["type"], named["name"], named["seq"]), (message.type.name, message.method.decode(), message.sequence))
    offset, length = parts["struct_at"]
    expect(raw[offset : offset + length].hex(), message.payload.hex())
    expect(offset + length, walk(raw, offset))
    expect(message.payload.hex(), encode_tree(parts["tree"]).hex())
    _header(parts.get("ttheader"), message)
    return message


def _header(recorded: Vector | None, message: Message) -> None:
    if recorded is None:
        expect(None, message.info)
        return
    strings, integers = _sections(recorded)
    assert message.info is not None
    expect((strings, integers), (message.info.strings, message.info.integers))
    expect((recorded["flags"], recorded["seq"]), (message.info.flags, message.info.sequence))


def _sections(recorded: Vector) -> tuple[dict[str, str], dict[int, str]]:
    strings: dict[str, str] = {}
    integers: dict[int, str] = {}
    for kind, content in recorded["info"]:
        if kind == "string":
            strings.update(content)
        elif kind == "int":
            integers.update((int(key), value) for key, value in content)
        else:
            strings["RPC_TRANSIT_gdpr-token"] = content
    return strings, integers


def _values(structs: Structs, cls: type[ThriftStruct], expected: dict[str, Any], payload: bytes) -> None:
    """Decodes to what was recorded, also once more after encoding."""
    value = binary.decode(cls, payload)
    for read in (value, binary.decode(cls, binary.encode(value))):
        got = of_struct(structs, read)
        if not same_struct(structs, cls, expected, got):
            raise Differs(expected, got)


def _as_client(vector: Vector, request: Message) -> Reply | None:
    """Our client makes the same call and is given the recorded reply."""
    connection: Connection = Connection(framing_of(vector["transport"])(), caller="demo.caller")
    connection._sequence = request.sequence - 1
    strings, integers = (dict(request.info.strings), request.info.integers) if request.info else ({}, {})
    call = Call(
        service=integers.get(6, ""),
        method=request.method,
        payload=request.payload,
        oneway=request.type is MessageType.ONEWAY,
        idl_service=strings.pop("isn", ""),
        info=strings,
    )
    (sent,) = Detecting().feed(connection.send(call, "the call"))
    expect(request[:4], sent[:4])
    if request.info and sent.info and integers:
        expect(request.info.strings.keys(), sent.info.strings.keys())
        if "unframed" not in (integers.get(1), sent.info.integers[1]) or framing_of(vector["transport"]) is not Mux:
            expect(_without_optional(integers), _without_optional(sent.info.integers))
    replies = list(connection.receive(bytes.fromhex(vector["reply"])))
    if not replies:
        expect("no_reply", vector["outcome"]["kind"])
        return None
    ((ticket, reply),) = replies
    expect("the call", ticket)
    return reply


def _without_optional(integers: Any) -> dict[int, str]:
    return {key: value for key, value in integers.items() if key not in OPTIONAL_INTEGERS}


def _outcome(structs: Structs, method: Method, expected: Outcome, reply: Reply | Message) -> None:
    """A reply means what was recorded."""
    if reply.type is MessageType.EXCEPTION:
        error = exception.decode(reply.payload)
        got = {"kind": "application_exception", "message": error.message, "type": error.kind}
        expect(expected, got)
        return
    structs = _for_replies(structs)
    cls = structs.result(method)
    result = binary.decode(cls, reply.payload)
    held = of_struct(structs, result)
    if not held:
        expect(expected, {"kind": "empty"})
    elif "success" in held and method.result is not None:
        if expected["kind"] != "result" or not same(structs, method.result, expected["value"], held["success"]):
            raise Differs(expected, held)
    else:
        ((name, value),) = held.items()
        field = next(f for f in method.throws if f.name == name)
        if expected["kind"] != "declared_exception" or not same(structs, field.type, expected["value"], value):
            raise Differs(expected, held)
        expect(expected["field"], name)


def _client_saw(vector: Vector, reply: Reply) -> None:
    error = vector["client_saw"]["error"] or {}
    found = business_status(reply.info)
    got = found and {"code": found.code, "message": found.message, "extra": found.extra}
    expect(error.get("biz_status"), got)
    for name, value in error.get("backward", {}).items():
        expect(value, reply.info.get(name))


def _as_server(idl: Idl, structs: Structs, method: Method, vector: Vector, request: Message) -> None:
    """Our server gets the recorded request and answers what the recorded one did."""
    server = idl.server(vector)
    sent = bytes.fromhex(vector["request"])
    heard = server.ask(sent)
    # Kitex holds its limit against framed requests alone.
    if vector["outcome"]["kind"] == "no_reply" or len(sent) > server.server.limits.message:
        expect(b"", heard)
        expect(not method.oneway, server.closed)
        return
    expect(False, server.closed)
    transport = framing_of(vector["transport"])
    if transport is Mux:
        transport = TTHeaderUnframed if vector["transport"] == "mux-unframed" else TTHeader
    reader = transport()
    (answer,) = reader.feed(heard)
    if isinstance(reader, TTHeader):
        expect(reader.inside[1], type(reader.inner))
    expect((request.method, request.sequence), (answer.method, answer.sequence))
    if method.name != "slow":
        _outcome(structs, method, _outcome_here(vector, method, answer), answer)


def _outcome_here(vector: Vector, method: Method, answer: Message) -> Outcome:
    recorded: Outcome = vector["outcome"]
    if recorded["kind"] == "application_exception":
        # No text of a handler's error reaches a client.
        error = exception.decode(answer.payload)
        return {**recorded, "message": error.message, "type": _kind_here(vector, recorded["type"])}
    if recorded["kind"] == "empty" and method.result is not None:
        if answer.info and "biz-status" in answer.info.strings:
            return recorded
        # Neither a status error without a TTHeader nor a result that is missing passes for a success.
        message = exception.decode(answer.payload).message
        return {"kind": "application_exception", "message": message, "type": 6}
    return recorded


def _kind_here(vector: Vector, kind: int) -> int:
    """Where no service needs to be named, an unknown method is just that."""
    return 1 if kind == 20 and vector["server"] != "strict" else kind


# Hand-made requests


def _probe(idl: Idl, vector: Vector) -> None:
    server = idl.server(vector)
    request = bytes.fromhex(vector["request"])
    answers = list(Accepting().feed(server.ask(request, vector.get("request_eof", False))))
    recorded = [parts for parts in vector["reply_messages"] if parts]
    unexpected = _replies(idl, vector, recorded, answers)
    if _is_refused_here(request, server.server.limits.message):
        expect(True, server.closed or bool(answers))
    elif recorded:
        expect([], unexpected)
        # Kitex closes after most errors; here whatever stands behind is answered as well.
        expect(False, vector["connection_after"] == "open" and server.closed)
    elif vector["connection_after"] == "closed" and _is_taken_only_here(vector["server"], request):
        expect({"REPLY"}, {answer.type.name for answer in answers})
    elif vector["connection_after"] == "closed":
        # Kitex closes without a word, also when it cannot write an answer; here that is told.
        expect(True, server.closed or answers[0].type is MessageType.EXCEPTION)


def _replies(idl: Idl, vector: Vector, recorded: list[Vector], answers: list[Message]) -> list[Vector]:
    """The recorded messages that have none of ours to match."""
    rest = list(answers)
    missing = []
    for parts in recorded:
        match = next((answer for answer in rest if _is_same_reply(idl, vector, parts, answer)), None)
        if match is None:
            missing.append(parts["message"] | {"tree": parts["tree"]})
        else:
            rest.remove(match)
    return missing


def _is_same_reply(idl: Idl, vector: Vector, parts: Vector, answer: Message) -> bool:
    named = parts["message"]
    if (named["type"], named["name"], named["seq"]) != (answer.type.name, answer.method.decode(), answer.sequence):
        return False
    payload = encode_tree(parts["tree"])
    if answer.type is MessageType.EXCEPTION:
        return exception.decode(answer.payload).kind == _kind_here(vector, exception.decode(payload).kind)
    service = "Other" if named["name"] == "onlyOther" else "Wire"
    structs, method = idl.method({"method": named["name"], "service": service})
    structs = _for_replies(structs)
    cls = structs.result(method)
    expected, got = (of_struct(structs, binary.decode(cls, data)) for data in (payload, answer.payload))
    # The clock that `slow` reads is not ours.
    return named["name"] == "slow" or same_struct(structs, cls, expected, got)


def _is_refused_here(data: bytes, limit: int) -> bool:
    """More levels than are taken here, a request longer than the server's limit, a frame shorter than its message.

    Kitex limits the depth of what it skips and the size of framed requests alone, and
    takes a frame's length for a hint.
    """
    if len(data) > limit + 4:
        return True
    begin = 4 if data[4:6] == STRICT else 0
    try:
        end = walk(data, header.parse(data, begin).end, depth=10_000)
        walk(data, header.parse(data, begin).end)
    except Incomplete:
        return False
    except WireError as error:
        return f"more than {DEPTH} levels" in str(error)
    return begin > 0 and end - begin > int.from_bytes(data[:4], "big")


def _is_taken_only_here(server: str, data: bytes) -> bool:
    """A request that Kitex does not take: its mux server all but TTHeader, any of them the compact protocol."""
    reader = Accepting()
    try:
        is_request = next(iter(reader.feed(data))).type in (MessageType.CALL, MessageType.ONEWAY)
    except (WireError, StopIteration):
        return False
    return is_request and (server == "mux" or isinstance(reader.found, BufferedCompact | FramedCompact))


# Hand-made replies


def _reaction(idl: Idl, vector: Vector) -> None:
    """Our client makes the recorded call and makes of the reply what the recorded one did."""
    reader: Framing = Mux() if vector["client_transport"] == "mux" else Detecting()
    (request,) = reader.feed(bytes.fromhex(vector["request"]))
    connection: Connection = Connection(framing_of(vector["client_transport"])())
    connection._sequence = request.sequence - 1
    connection.send(Call("demo.wire", request.method, request.payload), "the call")
    data = bytes.fromhex(vector["reply"])
    try:
        replies = [reply for ticket, reply in connection.receive(data) if ticket]
    except WireError as error:
        ((_, lost),) = connection.lost(error)
        expect(UnusableReply, type(lost))
        expect(True, _is_refused_by_the_client(vector["client_saw"]["outcome"], data))
        return
    if not replies:
        expect("", vector["reply"])
        ((_, lost),) = connection.lost()
        expect(ConnectionClosed, type(lost))
        return
    structs, method = idl.method({"method": request.method.decode()})
    _saw(structs, method, vector, replies[0])


def _is_refused_by_the_client(outcome: Outcome | None, reply: bytes) -> bool:
    """Kitex's client refused it too, or it is a frame with a length that does not fit."""
    refused = "client_error" in (outcome or {}) and not (outcome or {})["client_error"].startswith(REMOTE)
    client_side = any(words in str(outcome) for words in ("out of order sequence", "client side"))
    return refused or client_side or _is_refused_here(reply, limit=1 << 30)


def _saw(structs: Structs, method: Method, vector: Vector, reply: Reply) -> None:
    saw = vector["client_saw"]
    wanted = saw["outcome"] or {}
    status = business_status(reply.info) if reply.type is MessageType.REPLY else None
    if "biz_status" in wanted or (status and not _is_extra_broken(reply)):
        got = status and {"code": status.code, "message": status.message, "extra": status.extra}
        expect(wanted.get("biz_status"), got)
    elif reply.type is MessageType.EXCEPTION:
        expect(wanted["application_exception"]["type"], exception.decode(reply.payload).kind)
    else:
        structs = _for_replies(structs)
        held = of_struct(structs, binary.decode(structs.result(method), reply.payload))
        if "declared" in wanted:
            expect([wanted["value"]], list(held.values()))
        elif held and "client_error" not in wanted:
            expect(saw["result"], held["success"])
        else:
            # A result that is missing: Go sees a zero value, and who asks us an error.
            # And the farewell of a multiplexing server, over which Kitex's own client falls.
            expect(True, not saw["result"] or bool(held))


def _is_extra_broken(reply: Reply) -> bool:
    """Kitex then drops the whole status, and takes the reply for a success; here it stays an error."""
    try:
        json.loads(reply.info.get("biz-extra", "null"))
    except ValueError:
        return True
    return False


# What a server says when it stops


def _shutdown(idl: Idl, vector: Vector) -> None:
    if "request" not in vector:
        # Our server does not send it, since Kitex's client breaks on it; our client understands it.
        connection: Connection = Connection(Mux(), depth=9)
        connection.send(Call("demo.wire", b"ping", b"\0"), "a call")
        expect([], list(connection.receive(bytes.fromhex(vector["bytes"]))))
        expect((True, 1), (connection.retiring, connection.in_flight))
        return
    server = idl.server(vector)
    server.server.leaving = True
    (answer,) = TTHeader().feed(server.ask(bytes.fromhex(vector["request"])))
    (recorded,) = TTHeader().feed(bytes.fromhex(vector["bytes"]))
    expect(recorded, answer)
