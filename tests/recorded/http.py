"""Recorded HTTP and JSON calls against ours; see ``tests/vectors/http/README.md``."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from attrs import define

from tests.recorded import Case, Mismatch
from tests.recorded.front_door import FrontDoor
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.errors import IdlError
from txgateway.core.framing import Framing, Info
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import TTHeader
from txgateway.core.linker import load
from txgateway.core.mapping import MappingSettings, compile_service, join
from txgateway.core.message import MessageType, Response
from txgateway.testing import Answer

Tree = dict[str, Any]


def cases(folder: Path) -> Iterator[Case]:
    for file in sorted(folder.glob("*.json")):
        for case in json.loads(file.read_text())["cases"]:
            yield Case(case["name"], partial(_run, folder / "idl", case))


@define
class Outcome:
    """What became of one request: the call that the server saw, if any, and the answer."""

    response: Response
    rpc_method: str | None = None
    arguments: Tree | None = None


def _run(folder: Path, case: dict[str, Any]) -> Mismatch | None:
    expected = case["expected"]
    try:
        door = _front_door(folder, case["idl"], case["name"].startswith("agw/"))
    except IdlError as error:
        if expected["outcome"] == "load_error":
            return None
        return Mismatch(json.dumps(expected), f"refused: {error}")
    if expected["outcome"] == "load_error":
        return Mismatch("a refused IDL", "a mapping")
    got = _call(door, case)
    problems = list(_problems(expected, got))
    if not problems:
        return None
    return Mismatch(json.dumps(expected), f"{'; '.join(problems)}: {_shown(got)}")


@cache
def _front_door(folder: Path, idl: str, legacy: bool) -> FrontDoor:
    loaded = load(idl, lambda path: (folder / path).read_text())
    service = compile_service(Path(idl).stem, loaded.schema, MappingSettings(legacy=legacy))
    mapping, refused = join([service])
    assert not refused
    return FrontDoor(mapping)


def _call(door: FrontDoor, case: dict[str, Any]) -> Outcome:
    reply = case.get("server_reply", EMPTY)
    framing = Framed if case.get("transport") == "framed" else TTHeader
    door.answers(_answer(reply, framing), framing)
    response = door.send(*_request(case))
    if not door.server.received:
        return Outcome(response)
    (call,) = door.server.received
    return Outcome(response, call.method.decode(), read_struct(call.payload))


def _request(case: dict[str, Any]) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
    if "json_call" in case:
        call = case["json_call"]
        target = f"/gateway/{case['idl'].removesuffix('.thrift')}/{call['method']}"
        return "POST", target.encode(), [(b"Host", b"gw.test")], call["json"].encode()
    sent = case["request"]
    headers = [(name.encode(), value.encode()) for name, value in sent.get("headers", [])]
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.insert(0, (b"Host", b"gw.test"))
    body = base64.b64decode(sent["body_b64"]) if "body_b64" in sent else sent.get("body", "").encode()
    return sent["method"], sent["target"].encode(), headers, body


# What the server did where a case does not say: an empty struct as the result.
EMPTY = {"kind": "result", "result_hex": "0c00000000"}


def _answer(reply: dict[str, Any], framing: type[Framing]) -> Answer:
    if reply["kind"] == "rpc_error":
        return ApplicationError(6, reply["message"])
    result = bytes.fromhex(reply.get("result_hex", "00"))
    if reply["kind"] != "biz_error" or framing is Framed:
        return result
    info = {"biz-status": str(reply["code"]), "biz-message": reply["message"]}
    if reply.get("extra"):
        info["biz-extra"] = json.dumps(reply["extra"])
    return lambda call: call._replace(type=MessageType.REPLY, payload=result, info=Info(info))


def _problems(expected: dict[str, Any], got: Outcome) -> Iterator[str]:
    match expected["outcome"]:
        case "ok":
            yield from _call_problems(expected, got)
            yield from _response_problems(expected, got.response)
        case "reject":
            if got.arguments is not None:
                yield "the server was called"
            yield from _status_problems(expected["http_status"], got.response)
            yield from _header_problems(expected.get("headers", {}), got.response)
            if "message" in expected and _json(got.response).get("detail") != expected["message"]:
                yield "another message"
        case "redirect":
            yield from _status_problems(expected["http_status"], got.response)
            yield from _header_problems({"location": expected["location"]}, got.response)
        case "upstream_error":
            if got.arguments is None:
                yield "the server was not called"
            yield from _status_problems(expected["http_status"], got.response)
        case "biz_error":
            body = _json(got.response)
            for key in ("code", "message", "extra"):
                if body.get(key) != expected[key]:
                    yield f"another {key}"
        case "exception":
            if got.response.status < 400:
                yield "looks like a success"
            yield from _body_problems(expected["result_json"], got.response)
        case other:
            yield f"no such outcome: {other}"


def _call_problems(expected: dict[str, Any], got: Outcome) -> Iterator[str]:
    if got.arguments is None:
        yield "the server was not called"
        return
    if "rpc_method" in expected and got.rpc_method != expected["rpc_method"]:
        yield "another method"
    if "thrift_args" in expected and not _same(_sorted(expected["thrift_args"]), _sorted(got.arguments)):
        yield "other arguments"


def _response_problems(expected: dict[str, Any], response: Response) -> Iterator[str]:
    if "result_json" in expected:
        yield from _body_problems(expected["result_json"], response)
    if "result_text" in expected:
        # What Go prints where a method gives nothing.
        wanted = None if expected["result_text"].startswith("<nil>") else expected["result_text"]
        yield from _body_problems(wanted, response)
    if "response" not in expected:
        return
    wanted = expected["response"]
    yield from _status_problems(wanted["status_code"], response)
    yield from _header_problems(wanted["headers"], response)
    if "body" in wanted:
        yield from _body_problems(wanted["body"], response)
    if "body_text" in wanted and response.body != wanted["body_text"].encode():
        yield "another body"
    if "body_text_b64" in wanted and response.body != base64.b64decode(wanted["body_text_b64"] + "=="):
        yield "another body"


def _status_problems(wanted: int, response: Response) -> Iterator[str]:
    if response.status != wanted:
        yield f"status {response.status}"


def _header_problems(wanted: dict[str, str], response: Response) -> Iterator[str]:
    for name, value in wanted.items():
        if (name.lower().encode(), value.encode()) not in response.headers:
            yield f"no header {name}: {value}"


def _body_problems(wanted: Any, response: Response) -> Iterator[str]:
    if not _same(wanted, _json(response)):
        yield "another body"


def _json(response: Response) -> Any:
    return json.loads(response.body or b"{}")


def _same(one: Any, other: Any) -> bool:
    """Equal by value, numbers exactly, and true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _sorted(tree: Any) -> Any:
    """A wire tree with the pairs of its maps in one order."""
    if isinstance(tree, dict):
        return {
            key: sorted(map(_sorted, value), key=json.dumps)
            if ":map<" in key or key.startswith("map<")
            else _sorted(value)
            for key, value in tree.items()
        }
    return [_sorted(item) for item in tree] if isinstance(tree, list) else tree


def _shown(got: Outcome) -> str:
    answer = f"{got.response.status} {got.response.headers} {got.response.body!r}"
    return answer if got.arguments is None else f"{got.rpc_method} {json.dumps(got.arguments)} -> {answer}"


# Thrift bytes to the trees of the recorded cases, by hand: the codec under test has no part in it.

_NAMES = {2: "bool", 3: "i8", 4: "double", 6: "i16", 8: "i32", 10: "i64", 11: "string", 12: "struct"}
_CONTAINERS = {13: "map", 14: "set", 15: "list"}
_NUMBERS = {2: ">?", 3: ">b", 4: ">d", 6: ">h", 8: ">i", 10: ">q"}


def read_struct(data: bytes) -> Tree:
    """The tree of one struct, which must be all of the bytes."""
    reader = _Reader(data)
    tree = reader.struct()
    assert reader.at == len(data), "bytes behind the struct"
    return tree


@define
class _Reader:
    data: bytes
    at: int = 0

    def number(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def struct(self) -> Tree:
        tree: Tree = {}
        while kind := self.number(">B"):
            number = self.number(">h")
            name, value = self.value(kind)
            key = f"{number}:{name}"
            tree[f"{key}#dup" if key in tree else key] = value
        return tree

    def value(self, kind: int) -> tuple[str, Any]:
        """A value and the name of its type, which for a container names what is in it."""
        if kind == 13:
            return self.map()
        if kind in _CONTAINERS:
            element, count = self.number(">B"), self.number(">i")
            items = [self.item(element) for _ in range(count)]
            return f"{_CONTAINERS[kind]}<{_name(element)}>", items
        if kind == 11:
            return "string", self.text()
        if kind == 12:
            return "struct", self.struct()
        value = self.number(_NUMBERS[kind])
        return _NAMES[kind], _double(value) if kind == 4 else str(value) if kind == 10 else value

    def map(self) -> tuple[str, Any]:
        key, element, count = self.number(">B"), self.number(">B"), self.number(">i")
        pairs = [[self.item(key), self.item(element)] for _ in range(count)]
        return f"map<{_name(key)},{_name(element)}>", pairs

    def item(self, kind: int) -> Any:
        """A value inside a container; there a container carries its own type."""
        name, value = self.value(kind)
        return {name: value} if kind in _CONTAINERS else value

    def text(self) -> Any:
        length = self.number(">i")
        value = self.data[self.at : self.at + length]
        self.at += length
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}


def _name(kind: int) -> str:
    return _NAMES.get(kind) or _CONTAINERS[kind]


def _double(value: float) -> Any:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "-0.0" if value == 0 and math.copysign(1, value) < 0 else value
