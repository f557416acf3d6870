"""Recorded HTTP and JSON calls against ours; see ``tests/vectors/http/README.md``."""

from __future__ import annotations

import base64
import json
import math
import os
import struct
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from attrs import define, frozen

from tests.recorded import Case, Mismatch
from tests.recorded.front_door import FrontDoor
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.codec.native import AUTO
from txgateway.core.errors import IdlError
from txgateway.core.framing import Framing, Info, Message
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import TTHeader
from txgateway.core.linker import load
from txgateway.core.mapping import MappingSettings, compile_service, join
from txgateway.core.message import MessageType, Response
from txgateway.testing import Answer

Tree = dict[str, Any]


# What the server did where a case does not say: an empty struct as the result.
EMPTY = {"kind": "result", "result_hex": "0c00000000"}

# Where we do otherwise than recorded: Hertz's `phone` lets everything pass, ours finds fault with what is none.
DIFFER = frozenset({"validate/phone_fail"})


# Which codec the cases are played with, where nobody says so: TGW_CODEC=plain, for instance.
CODEC = os.environ.get("TGW_CODEC", AUTO)


def cases(folder: Path, server: str = "httptools", codec: str = CODEC) -> Iterator[Case]:
    """Each against the gateway in memory, behind this HTTP server and with this codec."""
    for file in sorted(folder.glob("*.json")):
        try:
            found = [Case(case.name, partial(_run, case, server, codec)) for case in recorded(file)]
        except Exception as error:  # Whatever is wrong with it, the other files count.
            found = [Case(file.name, partial(Mismatch, "a file of cases", repr(error)))]
        yield from found


@frozen
class Recorded:
    """A recorded case, and what it means for whoever plays it.

    :ivar folder: where its IDL lies.
    """

    folder: Path
    recorded: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.recorded.get("name"))

    @property
    def idl(self) -> str:
        return str(self.recorded["idl"])

    @property
    def legacy(self) -> bool:
        """Whether old annotations mean what they once did."""
        return self.name.startswith("agw/")

    @property
    def framed(self) -> bool:
        """Whether the server speaks plain framed, rather than TTHeader."""
        return self.recorded.get("transport") == "framed"

    @property
    def server_reply(self) -> dict[str, Any]:
        return self.recorded.get("server_reply", EMPTY)

    @property
    def request(self) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
        """Verb, target, headers and body."""
        if "json_call" in self.recorded:
            call = self.recorded["json_call"]
            target = f"/gateway/{self.idl.removesuffix('.thrift')}/{call['method']}"
            return "POST", target.encode(), [(b"Host", b"gw.test")], call["json"].encode()
        sent = self.recorded["request"]
        headers = [(name.encode(), value.encode()) for name, value in sent.get("headers", [])]
        if not any(name.lower() == b"host" for name, _ in headers):
            headers.insert(0, (b"Host", b"gw.test"))
        body = base64.b64decode(sent["body_b64"]) if "body_b64" in sent else sent.get("body", "").encode()
        return sent["method"], sent["target"].encode(), headers, body


@define
class Outcome:
    """What became of one request: the call that the server saw, if any, and the answer."""

    response: Response
    rpc_method: str | None = None
    arguments: Tree | None = None

    @classmethod
    def of(cls, response: Response, calls: list[tuple[str, bytes]]) -> Outcome:
        """:param calls: what the server saw, by method and argument struct."""
        if not calls:
            return cls(response)
        ((method, arguments),) = calls
        return cls(response, method, read_struct(arguments))


@frozen
class Refused:
    """The IDL was refused."""

    reason: str


def recorded(file: Path) -> list[Recorded]:
    """The cases of a file; none of one that holds something else."""
    return [Recorded(file.parent / "idl", case) for case in json.loads(file.read_bytes()).get("cases", ())]


def judge(case: Recorded, got: Outcome | Refused) -> Mismatch | None:
    expected = case.recorded["expected"]
    if isinstance(got, Refused):
        return None if expected["outcome"] == "load_error" else Mismatch(json.dumps(expected), f"refused: {got.reason}")
    if expected["outcome"] == "load_error":
        return Mismatch("a refused IDL", "a mapping")
    verb = case.recorded.get("request", {}).get("method", "POST")
    problems = list(_problems(expected, got, verb))
    if not problems:
        return None
    return Mismatch(json.dumps(expected), f"{'; '.join(problems)}: {_shown(got)}")


# In memory


def _run(case: Recorded, server: str, codec: str) -> Mismatch | None:
    return judge(case, _play(case, server, codec))


def _play(case: Recorded, server: str, codec: str) -> Outcome | Refused:
    try:
        door = _front_door(case.folder, case.idl, case.legacy, server, codec)
    except IdlError as error:
        return Refused(str(error))
    framing = Framed if case.framed else TTHeader
    door.answers(_answer(case.server_reply, framing), framing)
    response = door.send(*case.request)
    return Outcome.of(response, [(call.method.decode(), call.payload) for call in door.server.received])


@cache
def _front_door(folder: Path, idl: str, legacy: bool, server: str, codec: str) -> FrontDoor:
    loaded = load(idl, lambda path: (folder / path).read_text())
    service = compile_service(Path(idl).stem, loaded.schema, MappingSettings(legacy=legacy, codec=codec))
    mapping, refused = join([service])
    assert not refused
    return FrontDoor(mapping, server)


def _answer(reply: dict[str, Any], framing: type[Framing]) -> Answer:
    match reply["kind"]:
        case "result":
            return bytes.fromhex(reply["result_hex"])
        case "rpc_error":
            return ApplicationError(6, reply["message"])
        case "biz_error":
            # Only a TTHeader has room for it; the result struct is empty.
            return b"\0" if framing is Framed else partial(_business_status, reply)
        case other:
            raise ValueError(f"no such kind of reply: {other!r}")


def _business_status(reply: dict[str, Any], call: Message) -> Message:
    info = {"biz-status": str(reply["code"]), "biz-message": reply["message"]}
    if reply.get("extra"):
        info["biz-extra"] = json.dumps(reply["extra"])
    return call._replace(type=MessageType.REPLY, payload=b"\0", info=Info(info))


# What differs


def _problems(expected: dict[str, Any], got: Outcome, verb: str) -> Iterator[str]:
    match expected["outcome"]:
        case "ok":
            yield from _call_problems(expected, got, verb)
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
                if body.get(key) != expected.get(key):
                    yield f"another {key}"
        case "exception":
            if got.response.status < 400:
                yield "looks like a success"
            yield from _body_problems(expected["result_json"], got.response)
        case other:
            yield f"no such outcome: {other}"


def _call_problems(expected: dict[str, Any], got: Outcome, verb: str) -> Iterator[str]:
    if got.arguments is None:
        # Only OPTIONS has an answer without a call, if the case names none.
        if verb != "OPTIONS" or expected.keys() & {"rpc_method", "thrift_args"}:
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
    yield from _status_problems(wanted.get("status_code", 200), response)
    yield from _header_problems(wanted.get("headers", {}), response)
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
