"""A Thrift client connection without a socket: calls to bytes, bytes to replies, matched by sequence id.

The shell around it (``net/client.py``) owns the socket and the time. It gives each call a
*ticket*, any object of its own, and gets the ticket back with the reply, or with the
reason why there will be none::

    connection = Connection(Framed())
    transport.write(connection.send(call, ticket))
    for ticket, reply in connection.receive(data): ...
    for ticket, error in connection.lost(): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from .codec import exception
from .codec.exception import ApplicationError, Kind
from .errors import CallRefused, ConnectionClosed, GatewayError, UnusableReply, WireError
from .framing import Framing, Message
from .message import Call, MessageType, Reply

Ticket = TypeVar("Ticket")

_LAST_SEQUENCE = 2**31 - 1
# An ordinary Kitex server closes the connection after these.
_CLOSES_AFTER = frozenset({Kind.UNKNOWN_METHOD, Kind.PROTOCOL_ERROR, Kind.UNKNOWN_SERVICE})


class _Waiting(NamedTuple, Generic[Ticket]):
    # None once the caller has given up: the place in line stays taken until the reply comes.
    ticket: Ticket | None
    method: bytes


class Connection(Generic[Ticket]):
    """Calls in flight on one connection, in the order they were sent.

    Servers answer in order and run the calls of one connection in series, so each call
    waits for those before it; hence one at a time unless asked otherwise.

    :ivar depth: how many calls may be in flight.
    :ivar retiring: takes no further call: the peer is about to close.
    """

    def __init__(self, framing: Framing, *, depth: int = 1) -> None:
        self.depth = depth
        self.retiring = False
        self._framing = framing
        self._sequence = 0
        self._line: dict[int, _Waiting[Ticket]] = {}
        self._sent_oneway = False
        # The last that was heard is an EXCEPTION after which the calls behind are not run.
        self._refusing = False

    @property
    def in_flight(self) -> int:
        """Calls whose reply has not come, among them those whose caller has given up."""
        return len(self._line)

    @property
    def has_room(self) -> bool:
        return len(self._line) < self.depth and not self.retiring

    def send(self, call: Call, ticket: Ticket) -> bytes:
        """The bytes of a call; a oneway call is over with that, and its ticket is not kept."""
        sequence = self._next_sequence()
        if call.oneway:
            self._sent_oneway = True
            return self._framing.frame(Message(MessageType.ONEWAY, call.method, sequence, call.payload))
        self._line[sequence] = _Waiting(ticket, call.method)
        return self._framing.frame(Message(MessageType.CALL, call.method, sequence, call.payload))

    def receive(self, data: bytes) -> Iterator[tuple[Ticket | None, Reply]]:
        """The replies that are complete now; the ticket is None if the caller gave up.

        :raises WireError: the peer broke the protocol: nothing more is to be read from it.
        """
        for message in self._framing.feed(data):
            waiting = self._match(message)
            if waiting is not None:
                yield waiting.ticket, Reply(message.type, waiting.method, message.payload)

    def forget(self, ticket: Ticket) -> None:
        """The caller waits no longer: a late reply is read and dropped."""
        for sequence, waiting in self._line.items():
            if waiting.ticket is ticket:
                self._line[sequence] = waiting._replace(ticket=None)
                return

    def lost(self, broken: WireError | None = None) -> list[tuple[Ticket, GatewayError]]:
        """What becomes of the calls in flight when the connection is no more.

        :param broken: what :meth:`receive` raised, if that is why.
        """
        line, self._line = self._line, {}
        return [(w.ticket, self._loss(broken)) for w in line.values() if w.ticket is not None]

    def _next_sequence(self) -> int:
        """Never 0, and of no call in flight; after two thousand million calls they come again."""
        while True:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            if self._sequence not in self._line:
                return self._sequence

    def _match(self, message: Message) -> _Waiting[Ticket] | None:
        """Takes the call that this answers out of the line; it stays there if the answer is none."""
        if message.type not in (MessageType.REPLY, MessageType.EXCEPTION):
            raise WireError(f"a message of type {message.type.name} where a reply was due")
        sequence = message.sequence if message.sequence in self._line else self._find(message)
        waiting = self._line.get(sequence)
        if message.type is MessageType.EXCEPTION:
            # The name in it is not checked; Kitex does not either.
            self._hear_exception(message.payload)
        elif waiting is not None and message.method != waiting.method:
            raise WireError("a reply to another method than the one called")
        else:
            self._refusing = False
        self._line.pop(sequence, None)
        return waiting

    def _find(self, message: Message) -> int:
        """The call that a message with the id of none is for; 0 if it is for a oneway call.

        A oneway call is answered by an EXCEPTION, or by a REPLY where the server's IDL
        disagrees with ours. Else an EXCEPTION can only be meant for the first in line:
        a server that failed early may not know the id.
        """
        if self._sent_oneway:
            return 0
        if message.type is MessageType.EXCEPTION and self._line:
            return next(iter(self._line))
        raise WireError(f"a reply with the sequence id {message.sequence}, which no call in flight has")

    def _hear_exception(self, payload: bytes) -> None:
        error = exception.decode(payload)
        self._refusing = _is_kitex_and_closes(error)
        self.retiring = self.retiring or error.kind in _CLOSES_AFTER

    def _loss(self, broken: WireError | None) -> GatewayError:
        if broken is not None:
            return UnusableReply("The service broke the Thrift protocol")
        if self._refusing:
            return CallRefused("The service closed the connection before it looked at this call")
        return ConnectionClosed()


def _is_kitex_and_closes(error: ApplicationError) -> bool:
    """Whether this is certainly Kitex, which closes without a look at the calls behind.

    The number alone proves nothing: thriftpy2 and Apache answer 1 as well and go on to
    the next call, which may then be what broke the connection. So Kitex's words are
    asked for; if they ever change, such calls merely count as perhaps run.
    """
    return (
        error.kind == Kind.UNKNOWN_SERVICE
        or (error.kind == Kind.UNKNOWN_METHOD and "(service " in error.message)
        or (error.kind == Kind.PROTOCOL_ERROR and error.message.startswith("*"))
    )
