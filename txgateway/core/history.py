"""The mappings that were served, by what they were made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen

from .loading import Compiled, LoadedMapping, Root


@frozen
class Version:
    """A mapping that was served: the texts that it can be made of again.

    :ivar digest: names it.
    :ivar time: when it began to be served, in seconds since 1970.
    :ivar source: what made the change, in a word or two.
    :ivar services: the texts of each service, by the paths of its files.
    """

    digest: str
    time: float
    source: str
    files: tuple[tuple[str, str, dict[str, str]], ...] = field(repr=False, eq=False)
    services: Mapping[str, Mapping[str, str]] = field(factory=dict, repr=False, eq=False)

    @classmethod
    def of(cls, loaded: LoadedMapping, time: float, source: str) -> Version:
        services = {each.service.name: each.sources for each in loaded.compiled if each.service is not None}
        return cls(loaded.digest, time, source, tuple(map(_file, loaded.compiled)), services)

    @property
    def roots(self) -> list[Root]:
        return [Root(path, _reader(texts)) for path, _, texts in self.files]


def _file(compiled: Compiled) -> tuple[str, str, dict[str, str]]:
    return compiled.path, compiled.digest, dict(compiled.sources)


def _reader(texts: dict[str, str]) -> Callable[[str], str]:
    def read(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(path)
        return texts[path]

    return read


class History:
    """The last versions, the newest last; only their texts are kept.

    :ivar limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.versions: list[Version] = []

    def add(self, version: Version) -> None:
        """A version that comes again is where it came last."""
        others = [each for each in self.versions if each.digest != version.digest]
        self.versions = [*others, version][-self.limit :]

    def find(self, digest: str) -> Version | None:
        """The version whose digest begins so, if there is exactly one."""
        found = [each for each in self.versions if digest and each.digest.startswith(digest)]
        return found[0] if len(found) == 1 else None
