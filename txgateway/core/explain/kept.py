"""Live requests that wait to be explained: a few for each token, for as long as the token is good."""

from __future__ import annotations

from collections import deque

from attrs import define, evolve, field, frozen

from ..message import Request, Response
from .pick import Seen
from .telling import Served

# So many tokens, and requests of one, are kept.
MOST_TOKENS = 20
MOST_OF_TOKEN = 20
# A request with a longer body is not; of an answer's no more is.
MOST_BODY = 64 * 1024
MOST_ANSWER = 16 * 1024


@frozen
class Ended:
    """A request that has ended.

    :ivar served: what it was served by.
    :ivar at: when, in seconds since 1970.
    :ivar seen: the instances of its service just then; None if it came to no call.
    """

    request: Request
    response: Response
    seconds: float
    served: Served
    at: float
    seen: Seen | None = None


@define
class _OfToken:
    """:ivar missed: requests that were not kept, since they were too many or too large."""

    expires: int
    ended: deque[Ended] = field(factory=lambda: deque(maxlen=MOST_OF_TOKEN))
    missed: int = 0


class Kept:
    """Bounded: of many requests with one token the latest are kept, of many tokens those that expire last."""

    def __init__(self) -> None:
        self._tokens: dict[bytes, _OfToken] = {}

    def add(self, token: bytes, expires: int, ended: Ended) -> None:
        """:param token: a good one; ``expires`` is until when."""
        self._forget(ended.at)
        if token not in self._tokens and len(self._tokens) >= MOST_TOKENS:
            soonest = min(self._tokens, key=lambda each: self._tokens[each].expires)
            del self._tokens[soonest]
        of = self._tokens.setdefault(token, _OfToken(expires))
        if len(ended.request.body) > MOST_BODY:
            of.missed += 1
            return
        of.missed += len(of.ended) == MOST_OF_TOKEN
        if len(ended.response.body) > MOST_ANSWER:
            ended = evolve(ended, response=ended.response.replace(body=ended.response.body[:MOST_ANSWER]))
        of.ended.append(ended)

    def take(self, token: bytes, now: float) -> tuple[tuple[Ended, ...], int]:
        """The requests with this token, the oldest first, which are then forgotten; and how many were missed."""
        self._forget(now)
        of = self._tokens.pop(token, None)
        return (tuple(of.ended), of.missed) if of else ((), 0)

    def _forget(self, now: float) -> None:
        """Those whose token has expired."""
        self._tokens = {token: of for token, of in self._tokens.items() if of.expires > now}
