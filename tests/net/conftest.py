"""What the tests of ``net`` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet import reactor as global_reactor
from twisted.internet.protocol import Factory, Protocol

reactor: Any = global_reactor


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[], Protocol]], str]]:
    """Starts servers on free ports of 127.0.0.1, and gives their URLs."""
    ports: list[Any] = []

    def start(make: Callable[[], Protocol]) -> str:
        factory = Factory.forProtocol(make)
        factory.noisy = False
        ports.append(reactor.listenTCP(0, factory, interface="127.0.0.1"))
        return f"http://127.0.0.1:{ports[-1].getHost().port}"

    yield start
    for port in ports:
        port.stopListening()
