"""IDL in etcd: what is pushed, under which keys, and how it is followed.

::

    tgw/idl/version            {"version": "5f0c...", "time": 1764036000.0, "files": {"book.thrift": "9d41..."}}
    tgw/idl/content/9d41...    the text of a file, named by its hash

The version names every file by its content, so it decides alone what is served: whoever finds a
content missing waits for it, and nobody ever sees half a push.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from attrs import frozen

from .discovery import Discovery
from .etcd import KeyValue
from .instances import check_prefix
from .loading import digest_of

DEFAULT_PREFIX = "tgw"
# etcd takes 128 operations and 1.5 MB in one transaction, if nobody told it otherwise.
MAX_OPERATIONS = 100
MAX_BYTES = 1_000_000


@frozen
class Manifest:
    """What is pushed: the hash of each file by its path, relative to the folder that was pushed."""

    version: str
    time: float
    files: Mapping[str, str]

    def format(self) -> bytes:
        return orjson.dumps({"version": self.version, "time": self.time, "files": dict(sorted(self.files.items()))})


@frozen
class Push:
    """What is to be put: every batch before the last is without effect, and the last makes the version."""

    manifest: Manifest
    batches: tuple[tuple[tuple[bytes, bytes], ...], ...]


class PushError(ValueError):
    """Something that cannot be pushed; the text says what."""


def version_key(prefix: str) -> bytes:
    return f"{prefix}/idl/version".encode()


def content_key(prefix: str, name: str) -> bytes:
    return f"{prefix}/idl/content/{name}".encode()


def prepare(prefix: str, files: Mapping[str, str], time: float, present: Iterable[bytes] = ()) -> Push:
    """What to put for these files.

    :param present: keys of contents that are there already.
    :raises PushError: a file is too large for etcd.
    """
    check_prefix(prefix)
    names = {path: hashlib.sha256(text.encode()).hexdigest()[:32] for path, text in files.items()}
    version = digest_of(part for pair in sorted(names.items()) for part in pair)
    manifest = Manifest(version, time, names)
    there = set(present)
    contents = {content_key(prefix, name): files[path].encode() for path, name in names.items()}
    new = [(key, text) for key, text in contents.items() if key not in there]
    for path, text in files.items():
        if len(text.encode()) > MAX_BYTES:
            raise PushError(f"{path} is larger than {MAX_BYTES} bytes, which etcd does not take")
    return Push(manifest, _batches(new, (version_key(prefix), manifest.format())))


def _batches(puts: list[tuple[bytes, bytes]], last: tuple[bytes, bytes]) -> tuple[tuple[tuple[bytes, bytes], ...], ...]:
    batches: list[list[tuple[bytes, bytes]]] = [[]]
    for key, value in (*puts, last):
        size = sum(len(k) + len(v) for k, v in batches[-1])
        if batches[-1] and (len(batches[-1]) >= MAX_OPERATIONS or size + len(key) + len(value) > MAX_BYTES):
            batches.append([])
        batches[-1].append((key, value))
    return tuple(map(tuple, batches))


def stale(keys: Iterable[bytes], prefix: str, manifests: Iterable[Manifest | None]) -> list[bytes]:
    """The contents that none of these versions names."""
    named = {content_key(prefix, name) for manifest in manifests if manifest for name in manifest.files.values()}
    return [key for key in keys if key.startswith(content_key(prefix, "")) and key not in named]


def parse_manifest(value: bytes) -> Manifest | None:
    """The version that a value describes; None if it is none."""
    try:
        found: Any = orjson.loads(value)
        files = {str(path): str(name) for path, name in found["files"].items()}
        return Manifest(str(found["version"]), float(found["time"]), files)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


class PushedIdl(Discovery):
    """Follows what is pushed as :class:`Discovery` follows instances: through outages, revision by revision."""

    def __init__(self, prefix: str) -> None:
        super().__init__(f"{check_prefix(prefix)}/idl", hold=0.0)
        self._root = prefix
        self._values: dict[bytes, bytes] = {}

    @property
    def manifest(self) -> Manifest | None:
        value = self._values.get(version_key(self._root))
        return None if value is None else parse_manifest(value)

    def files(self) -> dict[str, str] | None:
        """The text of each pushed file by its path.

        None while nothing is pushed, or something of it is missing: an etcd that was wiped says nothing
        about what is to be served.
        """
        manifest = self.manifest
        if manifest is None:
            return None
        contents = {path: self._values.get(content_key(self._root, name)) for path, name in manifest.files.items()}
        texts = {path: data.decode("utf-8", "replace") for path, data in contents.items() if data is not None}
        return texts if len(texts) == len(contents) else None

    def _put(self, kv: KeyValue, now: float) -> None:
        super()._put(kv, now)
        self._values[kv.key] = kv.value
        self.changed.add("")

    def _drop(self, key: bytes, now: float) -> None:
        super()._drop(key, now)
        self._values.pop(key, None)
        self.changed.add("")
