"""What stands around the gateway: one file per filter, each a function of request and handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from ..core.message import Request, Response

Handler = Callable[[Request], Deferred[Response]]
# A filter sees the request, hands it on or not, and sees the answer; it must let failures
# and cancellation through unless they are its business.
Filter = Callable[[Request, Handler], Deferred[Response]]


def compose(filters: Sequence[Filter], handler: Handler) -> Handler:
    """One handler out of filters, the outermost first, around ``handler``."""
    for wrap in reversed(filters):
        handler = _around(wrap, handler)
    return handler


def _around(wrap: Filter, handler: Handler) -> Handler:
    return lambda request: wrap(request, handler)
