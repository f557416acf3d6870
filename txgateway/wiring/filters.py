"""The filters around the gateway, and why each stands where it does."""

from __future__ import annotations

from ..config import Settings
from ..filters import Filter
from ..filters.deadline import deadline
from ..filters.ledger import Ledger
from ..filters.openapi import openapi
from ..filters.tracing import Tracing
from ..net.openapi import Describe


def public_filters(settings: Settings, ledger: Ledger, tracing: Tracing | None, describe: Describe) -> list[Filter]:
    """What stands around the gateway, outermost first."""
    return [
        # Nothing but a response may reach an HTTP server, and every outcome is to be counted and told of.
        ledger,
        # Inside, where failures are still what they were, and the request has its id.
        *([] if tracing is None else [tracing]),
        # Before anything looks for a service, since none is asked.
        *([openapi(describe)] if settings.openapi.public else []),
        # Innermost, next to the waits that it bounds.
        deadline(settings.upstream.deadline),
    ]
