"""Bytes from peers that are broken or mean harm: server and client end the matter in good order, and stay small.

The suite tries a few hundred at random; TXGATEWAY_FUZZ sets another number.
"""

from __future__ import annotations

import contextlib
import json
import os
import tracemalloc
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.net.memory import Network, outcome
from tests.recorded.wire_server import WireServer
from txgateway.core.errors import GatewayError, WireError
from txgateway.core.framing import Framing, Message, framings
from txgateway.core.framing.buffered import Buffered
from txgateway.core.framing.detecting import Detecting
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import TTHeader
from txgateway.core.message import Call, MessageType, Reply
from txgateway.testing import Raw, ScriptedServer

framings.load()

RECORDED = Path(__file__).parents[1] / "vectors" / "wire"
IDL = RECORDED / "idl" / "wiresvc.thrift"
COUNT = int(os.environ.get("TXGATEWAY_FUZZ", "150"))
# What a server or client may use for a peer's rubbish, in bytes: their own objects, and no copy of an announced length.
SMALL = 300_000

HOSTILE = {
    "string of -1": "0b0001ffffffff00",
    "string of 64 MiB": "0b00010400000061620000",
    "string of 2 GiB": "0b00017fffffff616200",
    "list of -1": "0f000108ffffffff00",
    "list of 2^31-1": "0f0001087fffffff0000000100",
    "list of void": "0f0063017fffffff00",
    "list of nothing": "0f0063007fffffff00",
    "map of nothing": "0d006300007fffffff00",
    "map of i64": "0d00630a0a7fffffff00",
    "list of structs": "0f00630c7fffffff00",
    "unknown type": "6300050000",
    "truncated": "08000100",
    "empty": "",
    "1,000,000 structs": "0c0001" * 1_000_000,
    "1,000,000 lists": "0f0063" + "0f00000001" * 1_000_000,
}


@cache
def recorded(direction: str) -> list[bytes]:
    """Every recorded message, of every transport."""
    vectors = [v for file in RECORDED.glob("core-*.json") for v in json.loads(file.read_text())]
    return sorted({bytes.fromhex(v[direction]) for v in vectors} - {b""}, key=lambda data: (len(data), data))[:300]


@st.composite
def damaged(draw: st.DrawFn, direction: str) -> bytes:
    """A recorded message with some bytes changed, left out or put in, and perhaps one more behind it."""
    data = bytearray(draw(st.sampled_from(recorded(direction))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "cut", "insert", "end"])):
            case "change":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del data[at : at + draw(st.integers(1, 4))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=4))
            case "end":
                del data[at:]
    return bytes(data) + draw(st.sampled_from([b"", bytes(data), Framed().frame(PING)]))


PING = Message(MessageType.CALL, b"ping", 1, b"\0")


@settings(max_examples=COUNT, deadline=None)
@given(damaged("request"))
def test_a_server_answers_or_closes(data: bytes) -> None:
    server = WireServer(IDL, "single")
    heard = server.ask(data, ends=True)
    # What it says is always a whole number of sound replies.
    reader = Detecting()
    for reply in reader.feed(heard):
        assert reply.type in (MessageType.REPLY, MessageType.EXCEPTION)
    assert not reader.partial
    assert server.closed
    assert repr(server.server) == "<ThriftServer: 0 busy, 0 idle>"
    assert server.clock.getDelayedCalls() == []


@settings(max_examples=COUNT, deadline=None)
@given(damaged("reply"), st.sampled_from(list(framings)))
def test_a_client_gets_a_reply_or_an_error_of_ours(data: bytes, name: str) -> None:
    network = Network(ScriptedServer({"echo": Raw(data)}, framings[name]))
    pool = network.pool()
    reply = pool.call(Call("wire", b"echo", b"\0", deadline=5.0))
    network.pump(5)
    assert isinstance(outcome(reply), Reply | GatewayError)
    network.pump(100)
    assert (pool.in_flight, pool.idle, network.clock.getDelayedCalls()) == (0, 0, [])


@pytest.mark.parametrize("kind", [Framed, Buffered, TTHeader])
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_memory_stays_flat(kind: type[Framing], payload: str) -> None:
    data = kind().frame(Message(MessageType.CALL, b"echoList", 1, bytes.fromhex(payload)))
    server = WireServer(IDL, "single")
    tracemalloc.start()
    server.ask(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The bytes themselves are held a few times on their way.
    assert peak < SMALL + 8 * len(data)


HOSTILE_COMPACT = {
    "string of 2 GiB": "18ffffffff07616200",
    "string of 2^35": "18ffffffff7f616200",
    "list of 2^31-1": "19f5ffffffff070100",
    "list of bools": "19f1ffffffff070100",
    "map of i64": "1bffffffff07660100",
    "a number without end": "16" + "ff" * 100_000,
    "1,000,000 structs": "1c" * 1_000_000,
    "1,000,000 lists": "19" + "19" * 1_000_000,
}


def hostile(name: str) -> dict[str, str]:
    """What can be said in that transport."""
    return HOSTILE_COMPACT if name.endswith("compact") else HOSTILE


@pytest.mark.parametrize(("name", "struct"), [(name, struct) for name in framings for struct in hostile(name)])
def test_memory_stays_flat_where_calls_come_from(name: str, struct: str) -> None:
    data = reply_of(name, struct)
    network = Network(ScriptedServer({"echo": Raw(data)}, framings[name]))
    pool = network.pool()
    reply = pool.call(Call("wire", b"echo", b"\0", deadline=5.0))
    tracemalloc.start()
    network.pump(5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(outcome(reply), Reply | GatewayError)
    assert peak < SMALL + 8 * len(data)


def reply_of(name: str, struct: str) -> bytes:
    payload = bytes.fromhex(hostile(name)[struct])
    if name.endswith("compact"):
        message = bytes.fromhex("8241 01 046563686f") + payload
        return (len(message).to_bytes(4, "big") if name.startswith("framed") else b"") + message
    return framings[name]().frame(Message(MessageType.REPLY, b"echo", 1, payload))


@pytest.mark.parametrize(
    "data", ["7fffffff80010001", "ffffffff80010001", "7fffffff1000000000000007ffff", "8001000100000004"]
)
def test_no_room_is_made_for_what_is_only_announced(data: str) -> None:
    tracemalloc.start()
    with contextlib.suppress(WireError):
        list(Detecting().feed(bytes.fromhex(data)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SMALL
