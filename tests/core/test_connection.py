"""A reply reaches the call that it answers and no other, and a lost connection says what it can about each call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.codec import exception
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.connection import Connection
from txgateway.core.errors import CallRefused, ConnectionClosed, GatewayError, UnusableReply, WireError
from txgateway.core.framing import Framing, Info, Message
from txgateway.core.framing.buffered import Buffered
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import Mux, TTHeader, TTHeaderUnframed
from txgateway.core.message import Call, MessageType, Reply

PING = Call("book", b"ping", b"\0")
FIRE = Call("book", b"fire", b"\0", oneway=True)


def connection(depth: int = 1) -> Connection:
    return Connection(Framed(), depth=depth)


def sent(data: bytes) -> Message:
    (message,) = Framed().feed(data)
    return message


def reply(
    sequence: int, payload: bytes = b"\0", method: bytes = b"ping", type_: MessageType = MessageType.REPLY
) -> bytes:
    return Framed().frame(Message(type_, method, sequence, payload))


def refusal(sequence: int, kind: int, message: str = "") -> bytes:
    return reply(sequence, exception.encode(ApplicationError(kind, message)), type_=MessageType.EXCEPTION)


def kinds(lost: list[tuple[str, GatewayError]]) -> dict[str, type[GatewayError]]:
    return {ticket: type(error) for ticket, error in lost}


def test_a_call_and_its_reply() -> None:
    link = connection()
    assert sent(link.send(PING, "a")) == Message(MessageType.CALL, b"ping", 1, b"\0")
    assert not link.has_room
    assert list(link.receive(reply(1, b"\x08\0\0\0\0\0\5\0"))) == [
        ("a", Reply(MessageType.REPLY, b"ping", b"\x08\0\0\0\0\0\5\0"))
    ]
    assert link.has_room
    assert link.in_flight == 0


def test_a_oneway_call_takes_no_place() -> None:
    link = connection()
    assert sent(link.send(FIRE, "a")).type is MessageType.ONEWAY
    assert link.in_flight == 0
    assert link.lost() == []


@given(st.permutations(range(5)))
def test_replies_are_matched_by_id_whatever_their_order(order: list[int]) -> None:
    link = connection(depth=5)
    ids = [sent(link.send(PING, f"call {n}")).sequence for n in range(5)]
    assert len(set(ids)) == 5
    heard = list(link.receive(b"".join(reply(ids[n], b"\x03\0\0" + bytes([n]) + b"\0") for n in order)))
    assert [(ticket, r.payload[3]) for ticket, r in heard] == [(f"call {n}", n) for n in order]


def test_ids_start_again_without_0_and_without_those_in_use() -> None:
    link = connection(depth=3)
    assert sent(link.send(PING, "old")).sequence == 1
    link._sequence = 2**31 - 2
    assert [sent(link.send(PING, t)).sequence for t in "ab"] == [2**31 - 1, 2]


def test_a_late_reply_is_dropped_and_reaches_nobody_else() -> None:
    link = connection(depth=2)
    link.send(PING, "late")
    link.forget("late")
    link.send(PING, "next")
    assert link.in_flight == 2
    heard = list(link.receive(reply(1, b"\x03\0\0\1\0") + reply(2)))
    assert [ticket for ticket, _ in heard] == [None, "next"]
    assert link.in_flight == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(9), "sequence id 9, which no call in flight has"),
        (reply(0), "sequence id 0, which no call in flight has"),
        (reply(1, method=b"other"), "a reply to another method"),
        (reply(1, method=b""), "a reply to another method"),
        (reply(1, type_=MessageType.CALL), "a message of type CALL where a reply was due"),
        (reply(1, type_=MessageType.ONEWAY), "a message of type ONEWAY where a reply was due"),
        (reply(1, b"\x0b", type_=MessageType.EXCEPTION), "the bytes end inside a value"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the peer seems to speak HTTP"),
    ],
)
def test_a_peer_that_breaks_the_protocol(answer: bytes, words: str) -> None:
    link = connection()
    link.send(PING, "a")
    with pytest.raises(WireError, match=words) as caught:
        list(link.receive(answer))
    # The call whose reply it was got none, and is told like the rest.
    assert set(kinds(link.lost(caught.value)).values()) <= {UnusableReply}


def test_a_reply_that_breaks_the_protocol_still_answers_its_call() -> None:
    link = connection(depth=2)
    link.send(PING, "a")
    link.send(PING, "b")
    with pytest.raises(WireError) as caught:
        list(link.receive(reply(1, method=b"other")))
    assert kinds(link.lost(caught.value)) == {"a": UnusableReply, "b": UnusableReply}


def test_a_reply_to_nobody_is_an_error() -> None:
    with pytest.raises(WireError):
        list(connection().receive(reply(1)))


def test_name_and_id_of_an_exception_are_not_checked() -> None:
    """As in Kitex's client: a server that fails early may know neither."""
    link = connection(depth=2)
    link.send(PING, "a")
    link.send(PING, "b")
    error = exception.encode(ApplicationError(6, "oops"))
    stray = Framed().frame(Message(MessageType.EXCEPTION, b"zzz", 0, error))
    assert list(link.receive(stray)) == [("a", Reply(MessageType.EXCEPTION, b"ping", error))]


def test_answers_to_oneway_calls_are_nobodys() -> None:
    """A server refuses it, or its IDL says that the method is not oneway."""
    link = connection(depth=2)
    link.send(FIRE, "f")
    link.send(PING, "a")
    assert list(link.receive(reply(1, method=b"fire") + reply(2))) == [("a", Reply(MessageType.REPLY, b"ping", b"\0"))]


def test_a_lost_connection_leaves_open_whether_the_calls_were_run() -> None:
    link = connection(depth=2)
    link.send(PING, "a")
    link.send(PING, "b")
    assert kinds(link.lost()) == {"a": ConnectionClosed, "b": ConnectionClosed}
    assert link.lost() == []


def test_who_gave_up_is_not_told_of_the_loss() -> None:
    link = connection()
    link.send(PING, "a")
    link.forget("a")
    assert link.lost() == []


KITEX = [
    (20, "unknown service , method nope"),
    (1, "unknown method nope (service Wire)"),
    (7, "*wiresvc.WireEchoI32Args read field 1 'v' error"),
]


@pytest.mark.parametrize(("kind", "message"), KITEX)
def test_behind_an_error_after_which_kitex_closes_nothing_was_run(kind: int, message: str) -> None:
    link = connection(depth=3)
    for ticket in "abc":
        link.send(PING, ticket)
    assert [ticket for ticket, _ in link.receive(refusal(1, kind, message))] == ["a"]
    assert not link.has_room
    assert kinds(link.lost()) == {"b": CallRefused, "c": CallRefused}


def test_also_behind_a_oneway_call() -> None:
    link = connection(depth=3)
    link.send(FIRE, "f")
    link.send(PING, "a")
    assert list(link.receive(refusal(1, 20, "unknown service , method fire"))) == []
    assert kinds(link.lost()) == {"a": CallRefused}


@pytest.mark.parametrize(
    ("kind", "message"),
    [(1, ""), (1, "Unknown function ping"), (1, "unknown method ping"), (7, "bad"), (6, "biz error: x"), (0, "")],
)
def test_behind_other_errors_a_call_may_have_been_run(kind: int, message: str) -> None:
    """These come from servers that go on to the next call."""
    link = connection(depth=2)
    link.send(PING, "a")
    link.send(PING, "b")
    list(link.receive(refusal(1, kind, message)))
    assert kinds(link.lost()) == {"b": ConnectionClosed}


def test_a_reply_behind_such_an_error_proves_that_the_server_goes_on() -> None:
    link = connection(depth=3)
    for ticket in "abc":
        link.send(PING, ticket)
    list(link.receive(refusal(1, 20, "unknown service , method nope") + reply(2)))
    assert kinds(link.lost()) == {"c": ConnectionClosed}


@pytest.mark.parametrize(("kind", "room"), [(1, False), (7, False), (20, False), (6, True), (0, True)])
def test_takes_no_call_after_an_error_that_closes(kind: int, room: bool) -> None:
    link = connection()
    link.send(PING, "a")
    list(link.receive(refusal(1, kind)))
    assert link.has_room == room


def mux(depth: int = 8) -> Connection:
    return Connection(Mux(), depth=depth, caller="gw")


def mux_reply(
    sequence: int, header: int | None = None, payload: bytes = b"\0", strings: dict[str, str] | None = None
) -> bytes:
    data = TTHeader().frame(Message(MessageType.REPLY, b"ping", sequence, payload, Info(strings or {}, {})))
    return data if header is None else data[:8] + header.to_bytes(4, "big") + data[12:]


def test_a_ttheader_says_who_calls_whom_and_until_when() -> None:
    link: Connection = Connection(TTHeader(), caller="gw")
    call = Call("demo.wire", b"ping", b"\0", idl_service="Wire", info={"RPC_TRANSIT_a": "1"})
    (message,) = TTHeader().feed(link.send(call, "a", 1.5))
    assert message.info is not None
    assert message.info.strings == {"isn": "Wire", "RPC_TRANSIT_a": "1"}
    assert message.info.integers == {1: "framed", 3: "gw", 6: "demo.wire", 9: "ping", 12: "1500", 22: "1"}


def test_a_reply_brings_its_strings_along() -> None:
    link: Connection = Connection(TTHeader())
    link.send(PING, "a")
    ((_, answer),) = link.receive(mux_reply(1, strings={"biz-status": "7"}))
    assert answer.info == {"biz-status": "7"}


@pytest.mark.parametrize("asked", [Framed, Buffered, TTHeader, TTHeaderUnframed])
@pytest.mark.parametrize("answered", [Framed, Buffered, TTHeader, TTHeaderUnframed])
def test_a_server_may_answer_in_another_transport(asked: type[Framing], answered: type[Framing]) -> None:
    link: Connection = Connection(asked())
    link.send(PING, "a")
    data = answered().frame(Message(MessageType.REPLY, b"ping", 1, b"\0"))
    assert [ticket for ticket, _ in link.receive(data)] == ["a"]


def test_of_two_ids_the_messages_own_counts() -> None:
    link: Connection = Connection(TTHeader())
    link.send(PING, "a")
    assert [ticket for ticket, _ in link.receive(mux_reply(1, header=6))] == ["a"]


def test_a_server_that_is_about_to_close_gets_no_further_call() -> None:
    link: Connection = Connection(TTHeader(), depth=4)
    link.send(PING, "a")
    link.send(PING, "b")
    assert [ticket for ticket, _ in link.receive(mux_reply(1, strings={"crrst": "1"}))] == ["a"]
    assert (link.retiring, link.has_room) == (True, False)
    assert [ticket for ticket, _ in link.receive(mux_reply(2))] == ["b"]


FAREWELL = bytes.fromhex(
    "0000002b1000000000000000000400000100010005637272737400013100800100020000 00046e6f6e65 00000000 00"
)


def test_a_multiplexing_servers_farewell_is_no_reply() -> None:
    for link in (mux(), Connection(TTHeader(), depth=2)):
        link.send(PING, "a")
        assert list(link.receive(FAREWELL)) == []
        assert (link.retiring, link.in_flight) == (True, 1)
        assert [ticket for ticket, _ in link.receive(mux_reply(1))] == ["a"]


def test_multiplexed_replies_come_in_any_order_and_unknown_ones_mean_nothing() -> None:
    link = mux()
    for ticket in "abc":
        link.send(PING, ticket)
    data = mux_reply(3) + mux_reply(99) + mux_reply(1)
    assert [ticket for ticket, _ in link.receive(data)] == ["c", "a"]
    assert kinds(link.lost()) == {"b": ConnectionClosed}


def test_multiplexed_both_ids_have_to_be_right() -> None:
    link = mux()
    link.send(PING, "a")
    assert list(link.receive(mux_reply(1, header=2))) == []
    with pytest.raises(WireError, match="a reply to call 1 that says it is one to 2"):
        list(link.receive(mux_reply(2, header=1)))


def test_multiplexed_who_gives_up_leaves_nothing_behind() -> None:
    link = mux()
    link.send(PING, "a")
    link.forget("a")
    assert link.in_flight == 0
    assert list(link.receive(mux_reply(1))) == []


def test_a_multiplexing_server_goes_on_after_any_error() -> None:
    link = mux()
    link.send(PING, "a")
    link.send(PING, "b")
    error = exception.encode(ApplicationError(20, "unknown service , method nope"))
    list(link.receive(TTHeader().frame(Message(MessageType.EXCEPTION, b"ping", 1, error))))
    assert link.has_room
    assert kinds(link.lost()) == {"b": ConnectionClosed}


def test_multiplexed_nothing_but_ttheader_is_read() -> None:
    link = mux()
    link.send(PING, "a")
    with pytest.raises(WireError, match="no TTHeader"):
        list(link.receive(reply(1)))


def test_what_a_framing_cannot_carry_leaves_no_trace() -> None:
    link: Connection = Connection(TTHeader())
    with pytest.raises(ValueError, match="more than a TTHeader can carry"):
        link.send(Call("book", b"ping", b"\0", info={"a": "x" * 70_000}), "a")
    assert link.in_flight == 0
