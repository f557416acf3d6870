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

from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from .codec import exception
from .codec.exception import ApplicationError, Kind
from .errors import CallRefused, ConnectionClosed, GatewayError, UnusableReply, WireError
from .framing import Framing, Message
from .framing.detecting import Detecting
from .framing.ttheader import CLOSING
from .message import NO_INFO, Call, MessageType, Reply

# Any object of the caller's; why it is no parameter of the class, ``routing.py`` says of its targets.
Ticket = Any

# What a service is told of who calls it, unless that is set.
CALLER = "txgateway"

_LAST_SEQUENCE = 2**31 - 1
# An ordinary Kitex server closes the connection after these; a multiplexing one does not.
_CLOSES_AFTER = frozenset({Kind.UNKNOWN_METHOD, Kind.PROTOCOL_ERROR, Kind.UNKNOWN_SERVICE})


class Connection:
    """Calls in flight on one connection, in the order they were sent.

    Servers answer in order and run the calls of one connection in series, so each call
    waits for those before it; hence one at a time unless asked otherwise. It is different
    where the framing is ``parallel``: there calls do not wait for each other, and a reply
    that nobody waits for means nothing.

    :ivar depth: how many calls may be in flight.
    :ivar retiring: takes no further call: the peer is about to close.
    """

    def __init__(self, framing: Framing, *, depth: int = 1, caller: str = CALLER) -> None:
        """:param caller: the name of the calling service, where the framing has room for it."""
        self.depth = depth
        self.retiring = False
        self.parallel = framing.parallel
        # Whether the service is told how much time there is.
        self.tells_time = framing.has_info
        self._framing = framing
        # As in Kitex's client: a server may answer in another transport than it was asked.
        self._reading = framing if framing.speaks_alone else Detecting(framing.limit)
        self._caller = caller
        self._sequence = 0
        # By sequence id, in the order sent: the ticket and the method. The ticket is None
        # once the caller has given up: the place stays taken until the reply comes.
        self._line: dict[int, tuple[Ticket | None, bytes]] = {}
        self._sent_oneway = False
        # The last that was heard is an EXCEPTION after which the calls behind are not run.
        self._refusing = False
        # How the reply to the last call begins behind the length of its frame, if all is as usual.
        self._usual = b""

    @property
    def in_flight(self) -> int:
        """Calls whose reply has not come, among them those whose caller has given up."""
        return len(self._line)

    @property
    def has_room(self) -> bool:
        return len(self._line) < self.depth and not self.retiring

    def send(self, call: Call, ticket: Ticket, remaining: float = inf) -> bytes:
        """The bytes of a call; a oneway call is over with that, and its ticket is not kept.

        :param remaining: seconds until its deadline, where the framing has room for it.
        :raises ValueError: the framing cannot carry what is to be said beside the call.
        """
        sequence = self._next_sequence()
        data = self._framing.frame_call(call, sequence, self._caller, remaining)
        if call.oneway:
            self._sent_oneway = True
        else:
            self._line[sequence] = ticket, call.method
            self._usual = self._framing.usual_reply(call.method, sequence)
        return data

    def receive(self, data: bytes) -> Iterable[tuple[Ticket | None, Reply]]:
        """The replies that are complete now; the ticket is None if the caller gave up.

        :raises WireError: the peer broke the protocol: nothing more is to be read from it.
        """
        usual = self._usual
        # One call, and one whole frame with the reply to it: a fifth of the time of looking at each part by itself.
        if (
            usual
            and data.startswith(usual, 4)
            and len(self._line) == 1
            and int.from_bytes(data[:4], "big") == len(data) - 4 <= self._framing.limit
            and not self._reading.partial
        ):
            waiting = self._line.pop(self._sequence, None)
            if waiting is not None:
                self._refusing = False
                return ((waiting[0], Reply(MessageType.REPLY, waiting[1], data[4 + len(usual) :])),)
        return self._receive(data)

    def _receive(self, data: bytes) -> Iterator[tuple[Ticket | None, Reply]]:
        for message in self._reading.feed(data):
            waiting = self._match(message)
            if waiting is not None:
                strings = message.info.strings if message.info else NO_INFO
                yield waiting[0], Reply(message.type, waiting[1], message.payload, strings)
        if self._reading.partial and not (self._line or self.parallel or self._sent_oneway):
            # Left there, it would be taken for the beginning of the next reply.
            raise WireError("bytes that no call has asked for")

    def forget(self, ticket: Ticket) -> None:
        """The caller waits no longer: a late reply is read and dropped."""
        for sequence, (known, method) in self._line.items():
            if known is ticket:
                if self.parallel:
                    del self._line[sequence]
                else:
                    self._line[sequence] = None, method
                return

    def lost(self, broken: WireError | None = None) -> list[tuple[Ticket, GatewayError]]:
        """What becomes of the calls in flight when the connection is no more.

        :param broken: what :meth:`receive` raised, if that is why.
        """
        line, self._line = self._line, {}
        return [(ticket, self._loss(broken)) for ticket, _ in line.values() if ticket is not None]

    def _next_sequence(self) -> int:
        """Never 0, and of no call in flight; after two thousand million calls they come again."""
        while True:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            if self._sequence not in self._line:
                return self._sequence

    def _match(self, message: Message) -> tuple[Ticket | None, bytes] | None:
        """Takes the call that this answers out of the line; it stays there if the answer is none."""
        if message.type not in (MessageType.REPLY, MessageType.EXCEPTION):
            raise WireError(f"a message of type {message.type.name} where a reply was due")
        if message.info and message.info.strings.get(CLOSING) == "1":
            self.retiring = True
            if not message.sequence:
                return None  # A multiplexing server's farewell, which answers no call.
        sequence = self._find(message)
        waiting = self._line.get(sequence)
        if message.type is MessageType.EXCEPTION:
            # The name in it is not checked; Kitex does not either.
            if not self.parallel:
                self._hear_exception(message.payload)
        elif waiting is not None and message.method != waiting[1]:
            raise WireError("a reply to another method than the one called")
        else:
            self._refusing = False
        self._line.pop(sequence, None)
        return waiting

    def _find(self, message: Message) -> int:
        """The sequence id of the call that this answers; 0 if nobody waits for it.

        The id in a TTHeader finds the call where calls are multiplexed, and must be the
        message's. Elsewhere a oneway call may be answered: by an EXCEPTION, or by a
        REPLY where the server's IDL disagrees with ours. Else an EXCEPTION can only be
        meant for the first in line: a server that failed early may not know the id.
        """
        sequence = message.sequence
        if self.parallel and message.info:
            sequence = message.info.sequence
            if sequence in self._line and sequence != message.sequence:
                raise WireError(f"a reply to call {sequence} that says it is one to {message.sequence}")
        if sequence in self._line:
            return sequence
        if self.parallel or self._sent_oneway:
            return 0
        if message.type is MessageType.EXCEPTION and self._line:
            return next(iter(self._line))
        raise WireError(f"a reply with the sequence id {sequence}, which no call in flight has")

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
