"""A server that gives one answer, whatever it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def answers_once(said: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Its ``HOST:PORT``, and the lines of the head that it is sent."""
    heard: list[bytes] = []

    def answer() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as sent:
            heard.extend(iter(sent.readline, b"\r\n"))
            connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", heard
