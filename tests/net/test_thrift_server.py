"""Connections of the server library, in memory and by a clock: order, kinds, failures, limits and the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.test.iosim import connect, makeFakeClient, makeFakeServer

from tests.wire_trees import encode as encode_tree
from txgateway.core.codec import exception
from txgateway.core.codec.binary import decode
from txgateway.core.codec.exception import ApplicationError
from txgateway.core.framing import Framing, Info, Message
from txgateway.core.framing.buffered import Buffered
from txgateway.core.framing.compact import BufferedCompact, FramedCompact
from txgateway.core.framing.framed import Framed
from txgateway.core.framing.ttheader import Mux, TTHeader, TTHeaderUnframed
from txgateway.core.linker import load
from txgateway.core.message import MessageType
from txgateway.core.serving import Interface, StatusError
from txgateway.net.thrift_server import ServerLimits, ThriftServer, invocation

IDL = """
exception NotFound { 1: string why }
struct Person { 1: required string name }
service Desk {
  void ping()
  i32 echo(1: i32 number)
  i32 slow(1: i32 number) throws (1: NotFound missing)
  i32 fails(1: i32 number)
  void greet(1: Person person)
  oneway void note(1: i32 number)
  map<string, string> meta(1: i32 code)
}
"""
VOID = b"\0"


class Handler:
    def __init__(self) -> None:
        self.waiting: list[Deferred[int]] = []
        self.notes: list[int] = []

    def ping(self) -> None: ...

    async def echo(self, number: int) -> int:
        return number

    def slow(self, number: int) -> Deferred[int]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def fails(self, number: int) -> Any:
        if number == 1:
            raise KeyError("secret of ours")
        return "no number"

    def greet(self, person: Any) -> None: ...

    def note(self, number: int) -> None:
        self.notes.append(number)
        raise ValueError

    async def meta(self, code: int) -> dict[str, str]:
        if code < 0:
            invocation().answer["long"] = "x" * 70_000
        if code > 0:
            raise StatusError(code, "no such thing", {"who": "desk"} if code > 1 else {})
        invocation().answer["answer-from"] = "desk"
        heard = invocation().metainfo
        return {**heard.transient, **heard.persistent, "caller": heard.caller}


class Desk:
    """A server in memory, and its clients."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.handler = Handler()
        self.interface = Interface(load("desk.thrift", lambda path: IDL).schema)
        self.server = ThriftServer(self.interface.bind(self.handler), self.clock, ServerLimits(**limits))

    def peer(self) -> Peer:
        return Peer(self)


class Peer:
    """A client's end: sends bytes, keeps what comes."""

    def __init__(self, desk: Desk) -> None:
        from twisted.internet.protocol import Protocol

        self.heard = b""
        self.lost = False
        client: Any = Protocol()
        client.dataReceived = self._hear
        client.connectionLost = self._lose
        server: Any = desk.server.buildProtocol(None)
        self.transport = makeFakeClient(client)
        self.server_transport: Any = makeFakeServer(server)
        self._pump = connect(server, self.server_transport, client, self.transport, greet=False, clock=desk.clock)

    def send(self, *parts: bytes) -> Peer:
        for part in parts:
            self.transport.write(part)
            self.pump()
        return self

    def pump(self) -> None:
        self._pump.flush(advanceClock=False)

    def replies(self, framing: Framing | None = None) -> list[Message]:
        self.pump()
        heard, self.heard = self.heard, b""
        return list((framing or Framed()).feed(heard))

    def _hear(self, data: bytes) -> None:
        self.heard += data

    def _lose(self, reason: object) -> None:
        self.lost = True


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def ask(
    method: str,
    number: int | None = None,
    sequence: int = 7,
    kind: type[Framing] = Framed,
    tree: list[Any] | None = None,
) -> bytes:
    fields = tree if tree is not None else [] if number is None else [[1, "i32", number]]
    return kind().frame(Message(MessageType.CALL, method.encode(), sequence, encode_tree(fields)))


def number(value: int) -> bytes:
    return encode_tree([[0, "i32", value]])


def error_of(message: Message) -> ApplicationError:
    assert message.type is MessageType.EXCEPTION
    return exception.decode(message.payload)


def test_answers_in_the_transport_of_the_request(desk: Desk) -> None:
    peer = desk.peer()
    for kind in (Framed, Buffered, FramedCompact, BufferedCompact, Framed):
        peer.send(ask("echo", 5, kind=kind))
        assert peer.replies(kind()) == [Message(MessageType.REPLY, b"echo", 7, number(5))]


def test_mixed_and_pipelined_requests_are_answered_in_order_each_in_kind(desk: Desk) -> None:
    peer = desk.peer().send(ask("echo", 1, 1, Buffered) + ask("ping", None, 2) + ask("echo", 3, 3, Buffered))
    peer.pump()
    expected = [
        Buffered().frame(Message(MessageType.REPLY, b"echo", 1, number(1))),
        Framed().frame(Message(MessageType.REPLY, b"ping", 2, VOID)),
        Buffered().frame(Message(MessageType.REPLY, b"echo", 3, number(3))),
    ]
    assert peer.heard == b"".join(expected)


def test_requests_of_one_connection_run_one_after_the_other(desk: Desk) -> None:
    peer = desk.peer().send(ask("slow", 1, 1) + ask("slow", 2, 2) + ask("echo", 3, 3))
    assert len(desk.handler.waiting) == 1
    desk.handler.waiting[0].callback(10)
    assert [m.payload for m in peer.replies()] == [number(10)]
    assert len(desk.handler.waiting) == 2
    desk.handler.waiting[1].callback(20)
    assert [(m.sequence, m.payload) for m in peer.replies()] == [(2, number(20)), (3, number(3))]


def test_two_connections_do_not_wait_for_each_other(desk: Desk) -> None:
    desk.peer().send(ask("slow", 1))
    assert len(desk.peer().send(ask("ping")).replies()) == 1


def test_a_declared_exception_also_when_it_comes_late(desk: Desk) -> None:
    peer = desk.peer().send(ask("slow", 1), ask("ping"))
    desk.handler.waiting[0].errback(desk.interface.types.NotFound(why="gone"))
    first, second = peer.replies()
    assert first == Message(MessageType.REPLY, b"slow", 7, encode_tree([[1, "struct", [[1, "string", "gone"]]]]))
    assert second.payload == VOID


def test_what_goes_wrong_in_a_handler_is_logged_and_told_in_our_words(desk: Desk, logged: list[LogEvent]) -> None:
    peer = desk.peer().send(ask("fails", 1), ask("fails", 2), ask("ping"))
    raised, wrong, fine = peer.replies()
    assert error_of(raised) == error_of(wrong) == ApplicationError(6, "fails failed")
    assert fine.type is MessageType.REPLY
    assert not peer.lost
    failures = [event for event in logged if event.get("method") == "fails"]
    assert isinstance(failures[0]["log_failure"].value, KeyError)
    assert str(failures[1]["error"]) == "success: expected an int from -2147483648 to 2147483647, got a str"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (ask("nope"), ApplicationError(1, "unknown method nope")),
        (
            ask("greet", tree=[[1, "struct", []]]),
            ApplicationError(7, "the arguments of greet: the required field person.name is missing"),
        ),
    ],
)
def test_keeps_the_connection_after_a_refusal(desk: Desk, data: bytes, error: ApplicationError) -> None:
    peer = desk.peer().send(data + ask("ping"))
    refused, fine = peer.replies()
    assert error_of(refused) == error
    assert fine.type is MessageType.REPLY
    assert not peer.lost


@pytest.mark.parametrize(
    "struct",
    [b"\x0b\0\1\xff\xff\xff\xff\0", b"\x0b\0\1\x7f\xff\xff\xffab\0", b"\x0f\0\x63\1\x7f\xff\xff\xff\0", b"\x08\0\1\0"],
)
def test_keeps_the_connection_after_hostile_arguments(desk: Desk, struct: bytes) -> None:
    hostile = Framed().frame(Message(MessageType.CALL, b"echo", 7, struct))
    refused, fine = desk.peer().send(hostile + ask("ping")).replies()
    assert error_of(refused).kind == 7
    assert fine.type is MessageType.REPLY


def test_a_broken_unframed_request_is_answered_and_ends_the_connection(desk: Desk) -> None:
    """Where the next message would begin nobody can tell."""
    broken = Buffered().frame(Message(MessageType.CALL, b"echo", 9, b"\x0b\0\1\xff\xff\xff\xff"))
    peer = desk.peer().send(ask("slow", 1) + broken + ask("ping"))
    assert not peer.lost
    desk.handler.waiting[0].callback(1)
    peer.pump()
    frame = Framed().frame(Message(MessageType.REPLY, b"slow", 7, number(1)))
    assert peer.heard.startswith(frame)
    (refused,) = Buffered().feed(peer.heard[len(frame) :])
    assert (refused.method, refused.sequence, error_of(refused).kind) == (b"echo", 9, 7)
    assert peer.lost


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        Framed().frame(Message(MessageType.REPLY, b"ping", 7, VOID)),
        bytes.fromhex("7fffffff800100010000000470696e670000000700"),
        bytes.fromhex("0000001080010001ffffffff0000000000000000"),
    ],
)
def test_closes_on_what_is_no_request_but_answers_what_came_before(
    desk: Desk, logged: list[LogEvent], data: bytes
) -> None:
    peer = desk.peer().send(ask("echo", 5) + data + ask("ping"))
    assert [m.payload for m in peer.replies()][:1] == [number(5)]
    assert peer.lost
    assert any("error" in event and event["log_namespace"].endswith("thrift_server") for event in logged)


def tthead(
    method: str, number: int | None = None, sequence: int = 7, kind: type[Framing] = TTHeader, info: Info | None = None
) -> bytes:
    fields = [] if number is None else [[1, "i32", number]]
    return kind().frame(Message(MessageType.CALL, method.encode(), sequence, encode_tree(fields), info))


@pytest.mark.parametrize("kind", [FramedCompact, BufferedCompact])
def test_refuses_in_the_compact_protocol_what_came_in_it(desk: Desk, kind: type[Framing]) -> None:
    peer = desk.peer().send(ask("nope", kind=kind), ask("greet", kind=kind, tree=[[1, "struct", []]]))
    unknown, lacking = peer.replies(kind())
    assert error_of(unknown) == ApplicationError(1, "unknown method nope")
    assert error_of(lacking).kind == 7
    assert not peer.lost


@pytest.mark.parametrize("kind", [TTHeader, TTHeaderUnframed])
def test_answers_a_ttheader_as_kitex_does(desk: Desk, kind: type[TTHeader]) -> None:
    peer = desk.peer().send(tthead("echo", 5, kind=kind), tthead("nope", kind=kind))
    peer.pump()
    info = Info({}, {22: "2"})
    echoed = kind().frame(Message(MessageType.REPLY, b"echo", 7, number(5), info))
    assert peer.heard.startswith(echoed)
    (refused,) = kind().feed(peer.heard[len(echoed) :])
    assert refused.info == Info({}, {22: "3"}, 0, 7)
    assert error_of(refused) == ApplicationError(1, "unknown method nope")


def test_hears_metainfo_and_answers_some(desk: Desk) -> None:
    info = Info({"RPC_TRANSIT_a": "1", "RPC_PERSIST_b": "2", "isn": "Desk"}, {3: "front"})
    (reply,) = desk.peer().send(tthead("meta", info=info)).replies(TTHeader())
    assert reply.info is not None
    assert reply.info.strings == {"answer-from": "desk"}
    result = decode(desk.interface.structs.result(desk.interface.service.methods[-1]), reply.payload)
    assert result.success == {"a": "1", "b": "2", "caller": "front"}  # type: ignore[attr-defined]
    with pytest.raises(LookupError):
        invocation()


def test_a_status_error_travels_in_a_ttheader(desk: Desk) -> None:
    plain, more = desk.peer().send(tthead("meta", 1), tthead("meta", 2)).replies(TTHeader())
    assert [m.type for m in (plain, more)] == [MessageType.REPLY] * 2
    assert [m.payload for m in (plain, more)] == [VOID] * 2
    assert plain.info is not None
    assert more.info is not None
    assert plain.info.strings == {"biz-status": "1", "biz-message": "no such thing"}
    assert more.info.strings == {"biz-status": "2", "biz-message": "no such thing", "biz-extra": '{"who":"desk"}'}


def test_elsewhere_a_status_error_is_no_success(desk: Desk) -> None:
    (reply,) = desk.peer().send(ask("meta", 1)).replies()
    assert error_of(reply) == ApplicationError(6, "no such thing")


def test_multiplexed_requests_run_side_by_side(desk: Desk) -> None:
    slow = [tthead("slow", n, n, Mux) for n in (1, 2)]
    peer = desk.peer().send(b"".join(slow) + tthead("ping", None, 3, Mux) + tthead("nope", None, 4, Mux))
    assert [m.sequence for m in peer.replies(TTHeader())] == [3, 4]
    desk.handler.waiting[1].callback(20)
    assert [m.sequence for m in peer.replies(TTHeader())] == [2]
    desk.handler.waiting[0].callback(10)
    assert [(m.sequence, m.payload) for m in peer.replies(TTHeader())] == [(1, number(10))]
    assert peer.server_transport.protocol.is_idle


def test_multiplexed_requests_are_bounded(desk: Desk) -> None:
    desk = Desk(pipeline=2)
    peer = desk.peer().send(b"".join(tthead("slow", n, n, Mux) for n in range(1, 6)))
    assert len(desk.handler.waiting) == 2
    for answered in range(5):
        desk.handler.waiting[answered].callback(1)
    assert len(peer.replies(TTHeader())) == 5


def test_an_ordinary_request_waits_for_ordinary_ones_only(desk: Desk) -> None:
    peer = desk.peer().send(tthead("slow", 1, 1, Mux) + tthead("slow", 2, 2) + tthead("ping", None, 3))
    assert len(desk.handler.waiting) == 2
    desk.handler.waiting[1].callback(1)
    assert [m.sequence for m in peer.replies(TTHeader())] == [2, 3]
    desk.handler.waiting[0].callback(1)
    assert [m.sequence for m in peer.replies(TTHeader())] == [1]


def test_tells_who_can_hear_it_that_it_is_leaving(desk: Desk) -> None:
    desk.server.leaving = True
    (reply,) = desk.peer().send(tthead("ping")).replies(TTHeader())
    assert reply.info is not None
    assert reply.info.strings == {"crrst": "1"}
    assert len(desk.peer().send(ask("ping")).replies()) == 1


def test_a_broken_request_in_a_ttheader_is_answered_in_kind(desk: Desk) -> None:
    broken = TTHeaderUnframed().frame(Message(MessageType.CALL, b"echo", 9, b"\x0b\0\1\xff\xff\xff\xff"))
    peer = desk.peer().send(ask("ping"))
    peer.replies()
    (refused,) = peer.send(broken).replies(TTHeaderUnframed())
    assert (refused.sequence, error_of(refused).kind, peer.lost) == (9, 7, True)


def test_more_than_a_ttheader_can_carry_is_told(desk: Desk) -> None:
    (refused,) = desk.peer().send(tthead("meta", -1)).replies(TTHeader())
    assert error_of(refused) == ApplicationError(6, "the reply is too long")


def test_oneway_is_done_without_an_answer(desk: Desk) -> None:
    note = Framed().frame(Message(MessageType.ONEWAY, b"note", 7, encode_tree([[1, "i32", 5]])))
    assert [m.method for m in desk.peer().send(note + ask("note", 6) + ask("ping")).replies()] == [b"ping"]
    assert desk.handler.notes == [5, 6]


def test_reading_pauses_while_enough_waits(desk: Desk) -> None:
    desk = Desk(pipeline=3)
    peer = desk.peer().send(ask("slow", 1))
    paused: list[bool] = []
    peer.server_transport.pauseProducing = lambda: paused.append(True)
    peer.server_transport.resumeProducing = lambda: paused.append(False)
    peer.send(ask("ping"), ask("ping"))
    assert paused == []
    peer.send(ask("ping"))
    assert paused == [True]
    desk.handler.waiting[0].callback(1)
    assert paused == [True, False]
    assert len(peer.replies()) == 4


def test_a_flood_is_served_in_turns_and_waits_as_bytes(desk: Desk) -> None:
    desk = Desk(pipeline=10)
    peer, other = desk.peer(), desk.peer()
    peer.send(b"".join(ask("ping", None, n) for n in range(1, 36)))
    connection = peer.server_transport.protocol
    assert desk.server.requests == 10
    assert len(connection._line) == 10
    assert len(other.send(ask("echo", 5)).replies()) == 1
    desk.clock.advance(0)
    assert [m.sequence for m in peer.replies()] == list(range(1, 36))
    assert connection.is_idle
    assert len(desk.clock.getDelayedCalls()) == 2


def test_a_flood_from_a_peer_that_leaves_is_forgotten(desk: Desk) -> None:
    desk = Desk(pipeline=10)
    peer = desk.peer().send(b"".join(ask("ping", None, n) for n in range(1, 36)))
    peer.transport.loseConnection()
    peer.pump()
    desk.clock.advance(0)
    assert desk.server.requests == 10
    assert desk.clock.getDelayedCalls() == []


def test_serving_pauses_while_the_peer_takes_nothing(desk: Desk) -> None:
    peer = desk.peer()
    connection = peer.server_transport.protocol
    connection.pauseProducing()
    peer.send(ask("ping"), ask("ping"))
    assert peer.replies() == []
    connection.resumeProducing()
    assert len(peer.replies()) == 2


def test_a_request_that_comes_to_a_standstill(desk: Desk) -> None:
    data = ask("echo", 5)
    peer = desk.peer().send(data[:10])
    desk.clock.advance(4.9)
    peer.send(data[10:12])
    desk.clock.advance(4.9)
    peer.pump()
    assert not peer.lost
    desk.clock.advance(0.1)
    peer.pump()
    assert peer.lost
    assert desk.clock.getDelayedCalls() == []


def test_a_request_that_trickles_in(desk: Desk) -> None:
    desk = Desk(stall=5, request=20)
    peer = desk.peer().send(b"\0\0\x10\0\x80\1\0\1\0\0\0\4ping\0\0\0\7\x0b\0\1\0\0\x0f\0")
    for _ in range(10):
        desk.clock.advance(2)
        peer.send(b"x")
    assert peer.lost


def test_an_idle_connection_and_one_that_works(desk: Desk) -> None:
    desk = Desk(idle=100)
    idle, works = desk.peer().send(ask("ping")), desk.peer().send(ask("slow", 1))
    desk.clock.advance(100)
    for peer in (idle, works):
        peer.pump()
    assert (idle.lost, works.lost) == (True, False)
    desk.handler.waiting[0].callback(1)
    assert len(works.replies()) == 1
    desk.clock.advance(100)
    works.pump()
    assert works.lost


def test_a_peer_that_takes_no_answer(desk: Desk) -> None:
    desk = Desk(request=60)
    peer = desk.peer().send(ask("ping"))
    peer.server_transport.protocol.pauseProducing()
    desk.clock.advance(59)
    peer.pump()
    assert not peer.lost
    desk.clock.advance(1)
    peer.pump()
    assert peer.lost


def test_one_connection_more_than_allowed(desk: Desk) -> None:
    desk = Desk(connections=1)
    peer = desk.peer()
    assert desk.server.buildProtocol(None) is None
    peer.transport.loseConnection()
    peer.pump()
    assert desk.server.buildProtocol(None) is not None


def test_drain_answers_what_runs_and_closes_what_is_idle(desk: Desk) -> None:
    idle, busy, half = desk.peer(), desk.peer().send(ask("slow", 1) + ask("echo", 2)), desk.peer().send(ask("ping")[:9])
    drained = desk.server.drain(within=5)
    for peer in (idle, busy, half):
        peer.pump()
    assert (idle.lost, busy.lost, half.lost) == (True, False, False)
    half.send(ask("ping")[9:])
    assert (len(half.replies()), half.lost) == (1, True)
    desk.handler.waiting[0].callback(1)
    assert (len(busy.replies()), busy.lost) == (2, True)
    assert drained.called
    assert desk.clock.getDelayedCalls() == []


def test_drain_cuts_off_what_takes_too_long(desk: Desk) -> None:
    peer = desk.peer().send(ask("slow", 1))
    drained = desk.server.drain(within=5)
    desk.clock.advance(4.9)
    peer.pump()
    assert (peer.lost, drained.called) == (False, False)
    desk.clock.advance(0.1)
    peer.pump()
    assert (peer.lost, drained.called) == (True, True)
    desk.handler.waiting[0].callback(1)  # Nobody is there to be told.


def test_drain_of_nothing(desk: Desk) -> None:
    assert desk.server.drain(within=5).called


def test_a_peer_that_left_is_not_answered(desk: Desk) -> None:
    peer = desk.peer().send(ask("slow", 1) + ask("note", 2))
    peer.transport.loseConnection()
    peer.pump()
    assert repr(desk.server) == "<ThriftServer: 0 busy, 0 idle>"
    desk.handler.waiting[0].callback(1)
    assert desk.handler.notes == []
    assert desk.clock.getDelayedCalls() == []
