"""The OpenAPI documents of what is served: made once each, beside the reactor's work; in parts between processes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet.defer import Deferred, succeed

from ..core.errors import NotFound, ServiceUnavailable
from ..core.loading import LoadedMapping
from ..core.openapi.document import About, Document
from ..core.tagged import Tagged, tagged
from .slices import Shared

Page = dict[str, Any]
# Gives the document of a service, or of all for an empty name; fails with a GatewayError.
Describe = Callable[[str], Deferred[Tagged]]

# So many are kept; a service that nobody asks for has none.
MOST = 32
# Bytes that go from one process to another in a line.
PART = 256 * 1024
# Seconds in which a worker has to make a document, of 2,000 methods beside full load.
WITHIN = 60.0


class Descriptions:
    """Makes documents of the mapping of the moment.

    :param loaded: gives what is served.
    :param about: gives what no IDL says.
    :param run: does work in a thread of its own.
    :param breathe: called there between two pieces of work.
    """

    def __init__(
        self,
        loaded: Callable[[], LoadedMapping],
        about: Callable[[], About],
        run: Callable[[Callable[[], Tagged]], Deferred[Tagged]],
        breathe: Callable[[], None],
    ) -> None:
        self._loaded = loaded
        self._about = about
        self._run = run
        self._breathe = breathe
        # Of what those that are kept were made, and they, by the names of services.
        self._made_of: tuple[object, About] | None = None
        self._made: dict[str, Tagged] = {}
        self._making: dict[str, Shared[Tagged]] = {}

    def document(self, service: str) -> Deferred[Tagged]:
        """The document as JSON; fails with NotFound if there is no such service."""
        loaded, about = self._loaded(), self._about()
        made_of = (loaded.mapping, about)
        if self._made_of != made_of:
            self._made_of, self._made, self._making = made_of, {}, {}
        if service in self._made:
            return succeed(self._made[service])
        if service and service not in loaded.services:
            raise NotFound(f"There is no service {service[:80]!r}")
        if service not in self._making:
            self._making[service] = Shared(lambda: self._make(service, loaded, about))
        return self._making[service]()

    def part(self, asked: str) -> Deferred[Page]:
        """Some of a document, for another process.

        :param asked: JSON: ``service``, and ``begin``, the number of the first byte.
        :returns: ``part`` in base64, ``size`` of the whole, and ``tag``, which tells one document from another.
        """
        wanted = orjson.loads(asked)
        begin = int(wanted["begin"])

        def cut(document: Tagged) -> Page:
            part = base64.b64encode(document.text[begin : begin + PART]).decode("ascii")
            return {"part": part, "size": len(document.text), "tag": document.tag}

        return self.document(str(wanted["service"])).addCallback(cut)

    def _make(self, service: str, loaded: LoadedMapping, about: About) -> Deferred[Tagged]:
        made = self._made

        def write() -> Tagged:
            services = [loaded.services[service]] if service else list(loaded.services.values())
            pieces = []
            for piece in Document(services, loaded.mapping.routes, about).text():
                pieces.append(piece)
                self._breathe()
            return tagged(b"".join(pieces))

        def keep(document: Tagged) -> Tagged:
            if len(made) >= MOST:
                made.clear()
            made[service] = document
            return document

        return self._run(write).addCallback(keep)


def from_process(ask: Callable[[str, float], Deferred[Page | None]]) -> Describe:
    """Documents that other processes make, all of them the same ones.

    :param ask: asks one of them for a part, and waits so many seconds.
    """

    async def gather(service: str) -> Tagged:
        parts: list[bytes] = []
        begin, tag = 0, ""
        while True:
            asked = orjson.dumps({"service": service, "begin": begin}).decode("ascii")
            page = await ask(asked, WITHIN)
            if page is None:
                raise ServiceUnavailable("No worker answered")
            if "error" in page:
                raise NotFound(page["error"])
            if begin and page["tag"] != tag:
                # Another mapping is served by now.
                parts, begin, tag = [], 0, ""
                continue
            parts.append(base64.b64decode(page["part"]))
            begin, tag = begin + len(parts[-1]), page["tag"]
            if begin >= page["size"]:
                return Tagged(b"".join(parts), tag)

    return lambda service: Deferred.fromCoroutine(gather(service))
