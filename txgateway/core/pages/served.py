"""A loaded mapping by its services: who has which routes, and what is said of whose files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import Diagnostic, Severity
from ..loading import Compiled, LoadedMapping
from ..mapping import Route


class Served:
    """Made once of each outcome of a load; then every question is a look-up.

    :ivar compiled: the version of each service that is served, by its name, in the order of names.
    """

    def __init__(self, loaded: LoadedMapping) -> None:
        """:meth:`fill` has to be exhausted before anything is asked."""
        self.loaded = loaded
        named = {each.service.name: each for each in loaded.compiled if each.service is not None}
        self.compiled: dict[str, Compiled] = {name: named[name] for name in sorted(named)}
        self._owners: dict[str, str] = {}
        self._routes: dict[str, list[Route]] = {}
        self._said: dict[str, list[Diagnostic]] = {}

    @classmethod
    def whole(cls, loaded: LoadedMapping) -> Served:
        served = cls(loaded)
        for _ in served.fill():
            pass
        return served

    def fill(self) -> Iterator[None]:
        """In short steps: of 10,000 routes all together take ten milliseconds."""
        self._owners = owners(self.loaded)
        yield
        for route in self.loaded.mapping.routes:
            self._routes.setdefault(route.plan.service, []).append(route)
            yield
        for diagnostic in self.loaded.diagnostics:
            self._said.setdefault(diagnostic.position.file, []).append(diagnostic)
            yield

    def routes(self, name: str) -> list[Route]:
        return self._routes.get(name, [])

    def owner(self, file: str) -> str:
        """A service that the file is part of, as it is served; empty if it is part of none."""
        return self._owners.get(file, "")

    def said_of(self, file: str) -> list[Diagnostic]:
        """Every complaint about a file."""
        return self._said.get(file, [])

    def said_of_service(self, name: str) -> list[Diagnostic]:
        """Every complaint about its file and those that it includes."""
        compiled = self.compiled.get(name)
        return [each for file in compiled.sources for each in self.said_of(file)] if compiled is not None else []


def owners(loaded: LoadedMapping) -> dict[str, str]:
    """A service that a file is part of, by the file."""
    return {file: each.service.name for each in loaded.compiled if each.service is not None for file in each.sources}


def complaint(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain values."""
    place = diagnostic.position
    return {
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "source": diagnostic.source,
    }


def is_error(diagnostic: Diagnostic) -> bool:
    return diagnostic.severity is Severity.ERROR
