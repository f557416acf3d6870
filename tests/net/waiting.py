"""Waiting for what real programs do, with an end to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Return as soon as the condition holds; fail when it does not within so many seconds."""
    clock: Any = reactor
    deadline = clock.seconds() + seconds
    while not condition():
        assert clock.seconds() < deadline, f"not within {seconds:g} s"
        await deferLater(clock, 0.01)
