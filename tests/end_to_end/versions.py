"""Services whose every answer tells by which version of their IDL it was made, and whether by one alone."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from tests.end_to_end.kitex import Program
from txgateway.net.thrift_server import ThriftService, load_interface

# Versions are told apart by the query parameter that they bind; a request has all of them.
TOLD_APART = 8
QUERY = "&".join(f"n{number}={number}" for number in range(TOLD_APART))
_ANSWER = re.compile(rb'\{"text_v(\d+)":"(\d+)"\}')


def idl(service: int, version: int, methods: int = 5) -> str:
    """What is bound and the key of the answer both say the version; the wire is that of all versions.

    ``/s0/m0`` is always a route, ``/s0/v7`` is one in version 7 only.
    """
    names = [f"m{number}" for number in range(methods)]
    paths = [*names[:-1], f"v{version}"]
    calls = (f'T {name}(1: R r) (api.get="/s{service}/{path}")\n' for name, path in zip(names, paths, strict=True))
    return f"""struct R {{ 1: i32 n (api.query="n{version % TOLD_APART}") }}
struct T {{ 1: string text_v{version} }}
service S {{ {"".join(calls)} }}
"""


def version_of(body: bytes) -> int | None:
    """The version that served a request wholly; None if others had a part in it."""
    found = _ANSWER.fullmatch(body)
    if found is None or int(found[1]) % TOLD_APART != int(found[2]):
        return None
    return int(found[1])


class Echo(Program):
    """Answers for such services, whatever their version, in a process of its own.

    :ivar address: to be given to ``--static``.
    """

    def __init__(self, folder: Path, methods: int = 5) -> None:
        file = folder / "echo.thrift"
        file.write_text(idl(0, 0, methods))
        super().__init__([sys.executable, "-m", "tests.end_to_end.versions", str(file)])
        self.address = f"127.0.0.1:{self.line('listens on ')}"


def main(file: str) -> None:
    interface = load_interface(file)
    answer = interface.types.T
    methods = {method.name: staticmethod(lambda r: answer(text_v0=str(r.n))) for method in interface.service.methods}
    handler: Any = type("Handler", (), methods)()
    service = ThriftService(reactor, interface, handler, "tcp:0:interface=127.0.0.1", grace=0.0)
    service.startService()
    print(f"listens on {service.instance.port}", flush=True)
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1])
