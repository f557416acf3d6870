"""Heed a signal beside whoever heeds it already."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


def heed(reactor: Any, number: signal.Signals, act: Callable[[], object]) -> Callable[[], None]:
    """Have the reactor call ``act`` at each such signal; what is returned ends that.

    Outside of the main thread no signal can be heeded, and nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.getsignal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        reactor.callFromThread(act)

    def end() -> None:
        # Somebody who came later keeps the signal, and we are called in vain.
        if signal.getsignal(number) is handle:
            signal.signal(number, before)

    signal.signal(number, handle)
    return end
