"""What every framing promises: messages survive the trip however their bytes are cut, and nothing else gets through."""

from __future__ import annotations

import contextlib
import itertools
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire_trees import encode, trees
from txgateway.core.errors import WireError
from txgateway.core.framing import Framing, Info, Message, framings
from txgateway.core.message import Call, MessageType

framings.load()


def plain(value: Any) -> Any:
    """The tree with empty maps that name no types: not every protocol has room for them."""
    match value:
        case {"pairs": []}:
            return {"key": "", "value": "", "pairs": []}
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
    return value


messages = st.builds(
    Message,
    type=st.sampled_from(MessageType),
    method=st.binary(min_size=1, max_size=20),
    sequence=st.integers(-(2**31), 2**31 - 1),
    payload=trees(depth=2).map(lambda tree: encode(plain(tree))),
    info=st.none()
    | st.builds(
        Info,
        strings=st.dictionaries(st.text("aé-_", max_size=9), st.text("aé漢 ", max_size=9), max_size=3),
        integers=st.dictionaries(st.integers(0, 2**16 - 1), st.text("aé", max_size=9), max_size=3),
        flags=st.just(0),
        sequence=st.just(0),
    ),
)
every_framing = pytest.mark.parametrize("name", list(framings))


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    return (data[a:b] for a, b in itertools.pairwise(edges))


def heard(name: str, *messages: Message) -> list[Message]:
    """How messages come out at the other end, where the transport may have no room for their info."""
    carries = framings[name].has_info
    return [bare(message._replace(info=(message.info or Info()) if carries else None)) for message in messages]


def bare(message: Message) -> Message:
    """Without the numbers that a framing puts in by itself."""
    return message._replace(info=message.info and message.info._replace(flags=0, sequence=0))


def read(framing: Framing, parts: Iterator[bytes]) -> tuple[list[Message], bool]:
    """What comes out before the end or the first refusal, and whether there was one."""
    found: list[Message] = []
    try:
        for part in parts:
            for message in framing.feed(part):
                found.append(bare(message))  # noqa: PERF401 - those before a refusal count
    except WireError:
        return found, True
    return found, False


@every_framing
@given(sent=st.lists(messages, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_cut_gives_the_same_messages(name: str, sent: list[Message], cuts: list[int]) -> None:
    writer, reader = framings[name](), framings[name]()
    data = b"".join(map(writer.frame, sent))
    assert read(reader, pieces(data, cuts)) == (heard(name, *sent), False)
    assert not reader.partial


@every_framing
@given(oneway=st.booleans(), sequence=st.integers(1, 2**31 - 1))
def test_a_call_is_a_message(name: str, oneway: bool, sequence: int) -> None:
    call = Call("book", b"ping", b"\0", oneway, idl_service="BookSvc", info={"a": "b"})
    (message,) = framings[name]().feed(framings[name]().frame_call(call, sequence, "gateway", 1.5))
    expected = MessageType.ONEWAY if oneway else MessageType.CALL
    assert message[:4] == (expected, b"ping", sequence, b"\0")
    assert (message.info is not None) == framings[name].has_info


@every_framing
@settings(max_examples=20)
@given(sent=messages, following=messages)
def test_every_single_cut(name: str, sent: Message, following: Message) -> None:
    framing = framings[name]()
    first = framing.frame(sent)
    data = first + framing.frame(following)
    for at in range(1, len(data)):
        reader = framings[name]()
        early = [bare(message) for message in reader.feed(data[:at])]
        assert early == (heard(name, sent) if at >= len(first) else [])
        assert reader.partial == (at != len(first))
        late = [bare(message) for message in reader.feed(data[at:])]
        assert early + late == heard(name, sent, following)


@every_framing
@example(sent=[], rubbish=bytes(8), cuts=[1])
@given(
    sent=st.lists(messages, max_size=3), rubbish=st.binary(min_size=1, max_size=40), cuts=st.lists(st.integers(0, 400))
)
def test_rubbish_spoils_nothing_before_it(name: str, sent: list[Message], rubbish: bytes, cuts: list[int]) -> None:
    framing = framings[name]()
    data = b"".join(map(framing.frame, sent)) + rubbish
    whole = read(framings[name](), pieces(data, []))
    assert whole[0][: len(sent)] == heard(name, *sent)
    assert read(framings[name](), pieces(data, cuts)) == whole


@every_framing
@given(sent=messages, draw=st.data())
def test_damage_is_refused_or_harmless(name: str, sent: Message, draw: st.DataObject) -> None:
    framing = framings[name]()
    data = bytearray(framing.frame(sent))
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        for message in framing.feed(bytes(data)):
            # A number of one byte in the compact protocol takes eight here.
            assert len(message.payload) <= 8 * len(data)


@every_framing
def test_the_longest_message_passes_and_a_longer_one_does_not(name: str) -> None:
    def message(size: int) -> Message:
        payload = encode([[1, "string", "x" * size]])
        return Message(MessageType.CALL, b"ping", 1, payload)

    framing = framings[name](limit=1000)
    room = 1000 - len(framing.frame(message(0)))
    while len(framing.frame(message(room))) < 1000:
        room += 1
    while len(framing.frame(message(room))) > 1000:
        room -= 1
    passed = framings[name](limit=1000).feed(framing.frame(message(room)))
    assert [bare(m) for m in passed] == heard(name, message(room))
    with pytest.raises(WireError, match="above the limit of 1000"):
        list(framings[name](limit=1000).feed(framing.frame(message(room + 100))))


@every_framing
def test_a_message_too_long_is_refused_before_it_is_here(name: str) -> None:
    framing = framings[name](limit=1_000_000)
    huge = framing.frame(Message(MessageType.CALL, b"ping", 1, encode([[1, "string", "x" * 2_000_000]])))
    tracemalloc.start()
    with pytest.raises(WireError):
        list(framing.feed(huge[:200]))
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@every_framing
@pytest.mark.parametrize(
    ("heard", "language"),
    [
        (b"POST /book/insert HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(30), "TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (bytes.fromhex("8221070470696e6700") + bytes(8), "Thrift's compact protocol"),
    ],
)
def test_says_what_a_foreign_peer_speaks(name: str, heard: bytes, language: str) -> None:
    if name == "buffered-compact" and "compact" in language:
        pytest.skip("understood")
    with pytest.raises(WireError, match=f"the peer seems to speak {language}$"):
        list(framings[name]().feed(heard))


@every_framing
def test_a_long_message_in_small_pieces_is_looked_at_once(name: str) -> None:
    """Work that grows with the square of the size would take minutes here."""
    items = {"of": "string", "items": ["abc"] * 20_000}
    sent = Message(MessageType.REPLY, b"m", 1, encode([[1, "list", items]]))
    framing = framings[name]()
    data = framing.frame(sent)
    assert read(framing, (data[at : at + 20] for at in range(0, len(data), 20))) == (heard(name, sent), False)
