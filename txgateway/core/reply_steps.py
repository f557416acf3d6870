"""The steps from a reply to the response, through either codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from .codec import native
from .descriptor import Method
from .message import Reply, Response
from .rendering import Answers, Decoder, Result, envelope, enveloped, render, success_head
from .selection import Rows


@frozen
class ReplySteps:
    """How the replies to a method become responses.

    :ivar codec: the name of the codec that does it.
    :ivar decode: a reply to a result, of a kind that only these steps know.
    :ivar render: a result to a response.
    :ivar selecting: gives the steps that show no more of a result than the chosen fields.
    """

    codec: str
    decode: Callable[[Reply], Any]
    render: Callable[[Any], Response]
    selecting: Callable[[Rows], ReplySteps]

    def enveloped(self) -> ReplySteps:
        """The same for JSON calls in their old form."""
        decode = self.decode

        def decode_enveloped(reply: Reply) -> Any:
            result = decode(reply)
            if isinstance(result, Response):
                return envelope(result)
            return Result(result.value, enveloped(result.answer), result.limit)

        return evolve(self, decode=decode_enveloped, selecting=lambda rows: self.selecting(rows).enveloped())


def plain_replies(decoder: Decoder, answers: Answers, method: Method) -> ReplySteps:
    def selecting(rows: Rows) -> ReplySteps:
        assert method.result is not None
        success = answers.selected(method.result, rows, *success_head())
        return ReplySteps(native.PLAIN, decoder.answering(success).decode, render, selecting)

    return ReplySteps(native.PLAIN, decoder.decode, render, selecting)
