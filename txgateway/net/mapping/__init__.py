"""Where the IDL comes from: one file per source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...core.loading import LoadedMapping, Root


class Source(Protocol):
    """A place that IDL comes from, followed from its start to its stop."""

    name: str

    def start(self) -> None:
        """Begin to tell of changes."""
        ...

    def stop(self) -> None: ...

    def reader(self) -> Callable[[], Sequence[Root]]:
        """What gives the files as they are to be read now; it may block, and is called in another thread.

        It raises OSError, with what and where, if nothing can be said about the files just now.
        """
        ...

    def loaded(self, loaded: LoadedMapping) -> None:
        """This came of the last reading, and names what took part."""
        ...

    def status(self) -> dict[str, Any]:
        """What is known, as plain values for the admin page."""
        ...
