"""A Book service for Kitex clients that answers with what came beside a call: ``python -m ... ETCD PREFIX``."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor

from tests.end_to_end.kitex import BOOK_IDL
from txgateway.core.serving import StatusError
from txgateway.net.registry import registries
from txgateway.net.thrift_server import ThriftService, invocation, load_interface

IDL = load_interface(str(BOOK_IDL))
STATUS = StatusError(40404, "the shelf is closed", {"hint": "until monday"})


class TellingBook:
    """Its one book has the metainfo for title, author and content; there is another that ends in a status error."""

    def queryBook(self, req: Any) -> Any:
        heard = invocation().metainfo
        invocation().answer["spent"] = "3 ms"
        if req.Num == 98:
            raise STATUS
        title, author = heard.transient.get("TRACE", ""), heard.persistent.get("USER", "")
        return IDL.types.QueryBookResp(ID=str(req.Num), Title=title, Author=author, Content=str(heard.timeout))

    def insertBook(self, req: Any) -> Any:
        raise RuntimeError("on purpose")


def main(etcd: str, prefix: str) -> None:
    registries.load()
    registry = registries["etcd"](reactor, {"endpoints": [etcd], "prefix": [prefix]})
    service = ThriftService(reactor, IDL, TellingBook(), "tcp:0:interface=127.0.0.1", registry=registry)
    service.startService()
    assert service._announcing is not None
    service._announcing.addCallback(lambda announcement: print("registered", flush=True) or announcement)
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
