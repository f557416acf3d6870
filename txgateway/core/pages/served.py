"""A loaded mapping by its services: who has which routes, and what is said of whose files."""

from __future__ import annotations

from typing import Any

from ..errors import Diagnostic, Severity
from ..loading import Compiled, LoadedMapping
from ..mapping import Route


class Served:
    """Made once of each outcome of a load; then every question is a look-up.

    :ivar compiled: the version of each service that is served, by its name, in the order of names.
    """

    def __init__(self, loaded: LoadedMapping) -> None:
        self.loaded = loaded
        named = {each.service.name: each for each in loaded.compiled if each.service is not None}
        self.compiled: dict[str, Compiled] = {name: named[name] for name in sorted(named)}
        self._owners = {file: name for name, each in self.compiled.items() for file in each.sources}
        self._routes: dict[str, list[Route]] = {}
        for route in loaded.mapping.routes:
            self._routes.setdefault(route.plan.service, []).append(route)
        self._said: dict[str, list[Diagnostic]] = {}
        for diagnostic in loaded.diagnostics:
            self._said.setdefault(diagnostic.position.file, []).append(diagnostic)

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
