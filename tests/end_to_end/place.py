"""A corner of etcd with gateways, Book services and Kitex peers in it."""

from __future__ import annotations

import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.end_to_end.kitex import SOURCES, KitexLoop, KitexServer, Program, call_book
from tests.end_to_end.twistd import BookProcess, GatewayProcess

IDL = SOURCES / "idl"
# Under this deadline no test fails on a busy machine, and the Kitex server's sleep of 3 s ends before it.
DEADLINE = 20.0


class Place:
    """A prefix of its own in etcd, and what is started there; all of it ends with the test."""

    def __init__(self, binaries: Path, etcd_url: str, stack: ExitStack, folder: Path) -> None:
        self.prefix = f"test-{uuid.uuid4().hex}"
        self._binaries = binaries
        self._etcd = etcd_url
        self._stack = stack
        self._folder = folder

    def server(self, **options: Any) -> KitexServer:
        return self._stack.enter_context(KitexServer(self._binaries, etcd=self._etcd, prefix=self.prefix, **options))

    def gateway(
        self, *, deadline: float = DEADLINE, transport: str = "framed", upstream: str = "", idl: Path = IDL
    ) -> GatewayProcess:
        """:param upstream: further settings of ``[upstream]``, a line each."""
        config = self._folder / "gateway.toml"
        lines = (
            "[upstream]",
            f"deadline = {deadline}",
            "connect_timeout = 5.0",
            f'transport = "{transport}"',
            upstream,
        )
        config.write_text("\n".join(lines))
        options = ("--etcd", self._etcd, "--prefix", self.prefix, "--config", str(config))
        return self._stack.enter_context(GatewayProcess(*options, idl=idl))

    def book(self, *options: str) -> BookProcess:
        book = BookProcess("--etcd", self._etcd, "--prefix", self.prefix, *options)
        self._stack.enter_context(book)
        book.find(r"(registered)")
        return book

    def telling_book(self) -> Program:
        """A Book service that says what it hears beside its calls."""
        module = "tests.end_to_end.telling_book"
        book = self._stack.enter_context(Program([sys.executable, "-m", module, self._etcd, self.prefix]))
        book.line("registered")
        return book

    def call_book(self, transport: str, *options: str) -> list[dict[str, Any]]:
        return call_book(self._binaries, self._etcd, *options, prefix=self.prefix, transport=transport)

    def loop(self, **options: Any) -> KitexLoop:
        return self._stack.enter_context(KitexLoop(self._binaries, self._etcd, prefix=self.prefix, **options))
