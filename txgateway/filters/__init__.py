"""What stands around the gateway: one file per filter, each a function of request and handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from twisted.internet.defer import Deferred

from ..core.message import Request, Response

Handler = Callable[[Request], Deferred[Response]]


class Filter(Protocol):
    """Sees the request, hands it on or not, and sees the answer.

    It must let failures and cancellation through unless they are its business.
    """

    def __call__(self, request: Request, handler: Handler) -> Deferred[Response]: ...


def compose(filters: Sequence[Filter], handler: Handler) -> Handler:
    """One handler out of filters, the outermost first, around ``handler``."""
    for wrap in reversed(filters):
        # A partial is called without a frame of its own.
        handler = partial(wrap, handler=handler)
    return handler
