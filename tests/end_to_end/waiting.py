"""Waiting for what other processes do, with an end to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(what: Callable[[], T], within: float = 30.0) -> T:
    """What it says, once that is something; fails if that is not so within so many seconds."""
    deadline = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {within:g} s"
        time.sleep(0.02)
    return found
