"""Find an implementation by its name: built in, or from another package's entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

T = TypeVar("T")


class Extensions(Generic[T]):
    """The implementations of one kind, such as all balancers.

    A module of the kind's own package registers itself when it is imported; another
    distribution offers its modules in the entry point group that is named after the
    package, ``txgateway.core.balancing`` for instance.

    :param package: the package whose modules are the built-in implementations.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._found: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator: ``@balancers.register("wrr")``. A name can be taken once."""

        def add(implementation: T) -> T:
            if self._found.setdefault(name, implementation) is not implementation:
                raise ValueError(f"{self._package}: {name!r} is registered twice")
            return implementation

        return add

    def load(self) -> None:
        """Import every built-in module and every entry point, which then register themselves."""
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for entry in entry_points(group=self._package):
            entry.load()

    def __getitem__(self, name: str) -> T:
        """The implementation of that name; a KeyError lists what there is."""
        try:
            return self._found[name]
        except KeyError:
            raise KeyError(f"no {name!r} among {', '.join(sorted(self._found))}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._found))
