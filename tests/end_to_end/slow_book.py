"""A Book service that takes its time: ``python -m tests.end_to_end.slow_book SECONDS``; it prints its port."""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.internet.task import deferLater

from txgateway.testing import ScriptedServer

# queryBook's result: a book with the ID 7.
BOOK = b"\x0c\x00\x00" + b"\x0b\x00\x01\x00\x00\x00\x017" + b"\x00\x00"


def main(seconds: float) -> None:
    server = ScriptedServer({"queryBook": lambda call: deferLater(reactor, seconds, lambda: BOOK)})
    server.start(reactor).addCallback(lambda _: print(f"listens on {server.instance.port}", flush=True))
    reactor.run()


if __name__ == "__main__":
    main(float(sys.argv[1]))
