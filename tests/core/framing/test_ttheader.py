"""TTHeader, as recorded and as attacked."""

from __future__ import annotations

import pytest

from txgateway.core.errors import WireError
from txgateway.core.framing import Framing, Info, Message
from txgateway.core.framing.ttheader import Mux, TTHeader, TTHeaderUnframed
from txgateway.core.message import Call, MessageType

PING = Message(MessageType.CALL, b"ping", 7, b"\0")
FRAME = "00000011800100010000000470696e670000000700"
CALL = Call("demo.wire", b"ping", b"\0", idl_service="Wire", info={"RPC_PERSIST_User": "ann"})


def only(framing: Framing, data: str) -> Message:
    (message,) = framing.feed(bytes.fromhex(data))
    return message


def test_reads_the_smallest_header() -> None:
    message = only(TTHeader(), f"00000023 1000 0000 00000007 0001 00000000 {FRAME}")
    assert message == PING._replace(info=Info({}, {}, 0, 7))


@pytest.mark.parametrize("kind", [TTHeader, TTHeaderUnframed])
def test_reads_what_is_inside_whatever_it_writes(kind: type[TTHeader]) -> None:
    for data in (
        f"00000023 1000 0000 00000007 0001 00000000 {FRAME}",
        f"0000001f 1000 0000 00000007 0001 00000000 {FRAME[8:]}",
    ):
        assert only(kind(), data)[:4] == PING[:4]


def test_reads_what_kitex_sends() -> None:
    message = only(
        TTHeader(),
        "0000006b1000000000000004001300000100010003"
        "69736e0004576972651000060016000131000100066672616d65640003000b64656d6f2e63616c6c6572001400000006"
        "000964656d6f2e776972650009000470696e67000000000011800100010000000470696e670000000400",
    )
    assert message.info is not None
    assert message.info.strings == {"isn": "Wire"}
    assert message.info.integers == {22: "1", 1: "framed", 3: "demo.caller", 20: "", 6: "demo.wire", 9: "ping"}


def said(framing: Framing, call: Call, caller: str = "", remaining: float = float("inf")) -> Info:
    info = only(framing, framing.frame_call(call, 7, caller, remaining).hex()).info
    assert info is not None
    return info


def test_says_of_a_call_what_kitex_says() -> None:
    info = said(TTHeader(), CALL, "gateway")
    assert info.strings == {"isn": "Wire", "RPC_PERSIST_User": "ann"}
    assert info.integers == {1: "framed", 3: "gateway", 6: "demo.wire", 9: "ping", 22: "1"}


@pytest.mark.parametrize(("remaining", "sent"), [(1.5, "1500"), (0.0001, "1"), (-1.0, "1")])
def test_says_how_long_the_caller_waits(remaining: float, sent: str) -> None:
    assert said(TTHeaderUnframed(), CALL, remaining=remaining).integers[12] == sent


def test_says_that_a_call_is_oneway() -> None:
    info = said(TTHeaderUnframed(), Call("book", b"fire", b"\0", oneway=True))
    assert (info.strings, info.integers[22], info.integers[1]) == ({}, "4", "unframed")


def test_what_was_read_cannot_be_changed() -> None:
    """The next header that is alike is the same one."""
    info = said(TTHeader(), CALL)
    with pytest.raises(TypeError):
        info.strings["a"] = "b"  # type: ignore[index]


def test_writes_as_recorded() -> None:
    reply = Message(MessageType.REPLY, b"ping", 4, b"\0", Info({}, {22: "2"}))
    recorded = "0000002b1000000000000004000300001000010016000132000000000011800100020000000470696e670000000400"
    assert TTHeader().frame(reply).hex() == recorded


def test_a_multiplexing_client_says_so() -> None:
    assert Mux().frame(PING).hex() == f"00000023 1000 0001 00000007 0001 00000000 {FRAME}".replace(" ", "")
    assert only(Mux(), Mux().frame(PING).hex()).info == Info({}, {}, 1, 7)


def test_later_sections_and_values_win_and_padding_may_stand_between() -> None:
    sections = "01 0001 0001 61 0001 62000001 0002 0001 61 0001 63 0001 78 000010 0001 0003 0001 7911 0003 746f6b"
    header = "0000" + sections.replace(" ", "")
    header += "00" * (-len(header) // 2 % 4)
    message = only(TTHeader(), f"000000ff 1000 0000 00000007 {len(header) // 8:04x} {header} {FRAME}")
    assert message.info is not None
    assert message.info.strings == {"a": "c", "x": "", "RPC_TRANSIT_gdpr-token": "tok"}
    assert message.info.integers == {3: "y"}


def test_bytes_that_are_no_utf8_survive() -> None:
    info = Info({"k\udcff": "\udcfe"}, {})
    (message,) = TTHeader().feed(TTHeader().frame(PING._replace(info=info)))
    assert message.info is not None
    assert message.info.strings == info.strings


def test_where_a_message_ends_its_payload_says_and_to_a_multiplexer_the_length() -> None:
    wrong = f"00000050 1000 0000 00000007 0001 00000000 {FRAME}"
    assert only(TTHeader(), wrong)[:4] == PING[:4]
    assert list(Mux().feed(bytes.fromhex(wrong))) == []
    tailed = f"00000028 1000 0000 00000007 0001 00000000 {FRAME} 6578747261"
    messages = list(Mux().feed(bytes.fromhex(tailed) + Mux().frame(PING)))
    assert [m.method for m in messages] == [b"ping", b"ping"]


def header(words: str, body: str, flags: str = "0000") -> str:
    return f"000000ff 1000 {flags} 00000007 {words} {body} {FRAME}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header("0000", ""), "a TTHeader without a protocol"),
        (header("0001", "00000000", flags="0002"), "streaming"),
        (header("0001", "02000000"), "protocol 2, which is not spoken here"),
        (header("0002", "0000 33 0001 000100"), "a section of kind 51, which does not exist"),
        (header("0003", "0000 01 0009 0001 61 0001 62 00"), "sections are longer than itself"),
        (header("0002", "0000 01 ffff 0000 00"), "sections are longer than itself"),
        (header("0002", "0000 11 ffff 0000 00"), "sections are longer than itself"),
        (header("0002", "0000 10 0001 0001 00"), "sections are longer than itself"),
        (header("0001", "00 ff 0000"), "sections are longer than itself"),
        ("7fffffff 1000 0000 00000007 0001 00000000", "2147483647 bytes, above the limit of 16777216"),
        ("ffffffff 1000 0000 00000007 0001 00000000", "4294967295 bytes, above the limit of 16777216"),
        ("0000001f 1000 0000 00000007 0001 00000000 48545450202020202020202020", "something else than a message"),
        (f"0000001f 0fff 0000 00000007 0001 00000000 {FRAME}", "the header transport of Apache Thrift"),
    ],
)
def test_what_is_no_ttheader(data: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        list(TTHeader().feed(bytes.fromhex(data)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (f"00000010 1000 0000 00000007 0001 00000000 {FRAME}", "without a message"),
        (f"00000020 1000 0000 00000007 0001 00000000 {FRAME}", "too short for what is in it"),
        (f"00000023 1000 0000 00000007 ffff 00000000 {FRAME}", "without a message"),
        (FRAME, "no TTHeader: the peer seems to speak framed Thrift"),
    ],
)
def test_what_a_multiplexer_does_not_take(data: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        list(Mux().feed(bytes.fromhex(data)))


def test_more_than_a_header_can_carry_is_an_error_of_ours() -> None:
    with pytest.raises(ValueError, match="65536 bytes, more than a TTHeader can carry"):
        TTHeader().frame(PING._replace(info=Info({"a": "x" * 65536})))
    with pytest.raises(ValueError, match="more than its size can say"):
        TTHeader().frame(PING._replace(info=Info({str(n): "x" * 65000 for n in range(5)})))


def test_a_header_of_200_kilobytes_is_taken() -> None:
    info = Info({str(n): "x" * 50_000 for n in range(4)})
    (message,) = TTHeader().feed(TTHeader().frame(PING._replace(info=info)))
    assert message.info is not None
    assert message.info.strings == info.strings


@pytest.mark.parametrize("kind", [TTHeader, TTHeaderUnframed, Mux])
def test_a_checksum_holds_for_all_behind_the_header(kind: type[TTHeader]) -> None:
    call = Call("demo.wire", b"ping", b"\x06\0\1\x12\x34\0", info={"crc32c": ""})
    data = kind().frame_call(call, 7, "", 1.0)
    assert only(kind(), data.hex()).payload == call.payload
    with pytest.raises(WireError, match="checksum"):
        only(kind(), data.replace(b"\x12\x34", b"\x12\x35").hex())


def test_the_checksum_is_kitexs() -> None:
    data = TTHeader().frame(PING._replace(sequence=415, info=Info({"crc32c": ""})))
    assert b"6ebaf695" in data
    assert only(TTHeader(), data.replace(b"6ebaf695", b"6EBAF695").hex()).method == b"ping"
    with pytest.raises(WireError, match="checksum"):
        only(TTHeader(), data.replace(b"6ebaf695", b"00000000").hex())
