"""Many instances of a Book service in one process, each registered by itself: ``python -m ... JSON``.

The JSON has ``count``, ``net`` (the second number of their addresses, 127.NET.x.y) and the settings of the registry.
It prints when all are registered. SIGTERM takes them out of the registry before it ends.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, DeferredSemaphore, ensureDeferred, gatherResults
from twisted.internet.task import LoopingCall

from tests.end_to_end.slow_book import BOOK
from txgateway.core.instances import Instance
from txgateway.net.registry import registries
from txgateway.testing import ScriptedServer

reactor: Any = global_reactor
# More would not be quicker, and each takes a connection to etcd.
AT_ONCE = 16


async def serve(count: int, net: int, settings: dict[str, Any]) -> None:
    registries.load()
    registry = registries["etcd"](reactor, settings)
    # One port of all addresses that begin with 127.
    server = await ScriptedServer({"queryBook": BOOK}).start(reactor, "0.0.0.0")
    LoopingCall(server.received.clear).start(1.0)
    free = DeferredSemaphore(AT_ONCE)
    hosts = [f"127.{net}.{number // 250}.{number % 250 + 1}" for number in range(count)]

    def announce(host: str) -> Deferred[Any]:
        return registry.announce("book", Instance(host, server.instance.port))

    await gatherResults([free.run(announce, host) for host in hosts])
    reactor.addSystemEventTrigger("before", "shutdown", registry.stop)
    print("registered", flush=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    started = ensureDeferred(serve(given.pop("count"), given.pop("net"), given))
    started.addErrback(lambda failure: (failure.printTraceback(), reactor.stop()))
    reactor.run()
