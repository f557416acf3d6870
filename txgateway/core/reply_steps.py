"""The steps from a reply to the response, through either codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from .codec import native
from .message import Reply, Response
from .rendering import Decode, Result, envelope, enveloped, render


@frozen
class ReplySteps:
    """How the replies to a method become responses.

    :ivar codec: the name of the codec that does it.
    :ivar decode: a reply to a result, of a kind that only these steps know.
    :ivar render: a result to a response.
    """

    codec: str
    decode: Callable[[Reply], Any]
    render: Callable[[Any], Response]

    def enveloped(self) -> ReplySteps:
        """The same for JSON calls in their old form."""
        decode = self.decode

        def decode_enveloped(reply: Reply) -> Any:
            result = decode(reply)
            if isinstance(result, Response):
                return envelope(result)
            return Result(result.value, enveloped(result.answer), result.limit)

        return ReplySteps(self.codec, decode_enveloped, self.render)


def plain_replies(decode: Decode) -> ReplySteps:
    return ReplySteps(native.PLAIN, decode, render)
