"""The IDL that ``tgw push`` stores in etcd: pushing it, and following it."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from txaioetcd import CompModified, Failed, KeySet, OpSet, Transaction

from ...core.etcd import EtcdError, KeyRange
from ...core.idl_files import PUSHED, idl_files
from ...core.loading import LoadedMapping, Root
from ...core.pushed_idl import PushedIdl, PushError, parse_manifest, prepare, stale, version_key
from ..etcd_client import EtcdClient
from ..etcd_discovery import Follower
from .folder import Run, read_file

log = Logger()


async def push(client: EtcdClient, prefix: str, files: Mapping[str, str], time: float) -> str:
    """Make these files the version that every gateway serves; gives its name.

    :raises PushError: they cannot be pushed, or somebody else pushed just now.
    :raises EtcdError: etcd is not there, or refuses.
    """
    found = await client.snapshot(KeyRange.under(f"{prefix}/idl/".encode()))
    keys = {kv.key: kv for kv in found.keys}
    before = keys.get(version_key(prefix))
    planned = prepare(prefix, files, time, keys)
    for batch in planned.batches[:-1]:
        await client.submit(Transaction(success=[OpSet(key, value) for key, value in batch]))
    unchanged = CompModified(version_key(prefix), "==", before.mod_revision if before else 0)
    puts = [OpSet(key, value) for key, value in planned.batches[-1]]
    try:
        await client.submit(Transaction(compare=[unchanged], success=puts))
    except Failed:
        raise PushError("somebody else has pushed just now; look at that and push again") from None
    # A gateway may still be reading the version before; what is older is needed by nobody.
    old = parse_manifest(before.value) if before else None
    for key in stale(keys, prefix, [planned.manifest, old]):
        await client.delete(KeySet(key))
    return planned.manifest.version


class EtcdSource:
    """Follows what is pushed. What was read last is kept in a file, for a start while etcd is away.

    :param cache: that file; None: there is none.
    :param include_dirs: folders outside of etcd where pushed files may find their includes.
    """

    name = "etcd"

    def __init__(
        self,
        reactor: Any,
        client: EtcdClient,
        prefix: str,
        run: Run,
        changed: Callable[[], None],
        *,
        cache: Path | None = None,
        include_dirs: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._pushed = PushedIdl(prefix)
        self._run = run
        self._changed = changed
        self._cache = cache
        self._include_dirs = tuple(f"{posixpath.normpath(folder)}/" for folder in include_dirs)
        self._follower = Follower(reactor, client, self._pushed, self._updated, Random().random)
        self._files: dict[str, str] = {}
        self._version = ""
        self._cached = False
        if cache is not None:
            self._read_cache(cache)

    def start(self) -> None:
        self._follower.start()

    def stop(self) -> None:
        self._follower.stop()
        self._client.close()

    def reader(self) -> Callable[[], Sequence[Root]]:
        files = {f"{PUSHED}{path}": text for path, text in self._files.items()}

        def read(path: str) -> str:
            if path in files:
                return files[path]
            # Whoever pushes is not to read every file of the gateway's machine.
            if not path.startswith(PUSHED) and path.startswith(self._include_dirs):
                return read_file(path)
            raise FileNotFoundError(path)

        return lambda: [Root(f"{PUSHED}{path}", read) for path in idl_files(self._files)]

    def loaded(self, loaded: LoadedMapping) -> None:
        """Nothing here depends on what came of it."""

    def status(self) -> dict[str, Any]:
        return {
            "kind": "etcd",
            "prefix": self._pushed.prefix,
            "version": self._version,
            "files": len(self._files),
            "connected": self._pushed.streaming,
            "trouble": self._follower.trouble,
            "from_cache": self._cached,
        }

    def _updated(self) -> None:
        if not self._pushed.ready or (not self._pushed.changed and not self._cached):
            return
        self._pushed.changed.clear()
        files, manifest = self._pushed.files(), self._pushed.manifest
        if files is None:
            return
        self._cached = False
        self._version = manifest.version if manifest else ""
        if files != self._files:
            self._files = files
            self._changed()
            if self._cache is not None:
                self._keep(self._cache, {"version": self._version, "files": files})

    # The file

    def _keep(self, cache: Path, content: dict[str, Any]) -> None:
        kept: Deferred[None] = self._run(lambda: _write(cache, orjson.dumps(content)))
        kept.addErrback(lambda failure: log.warn("mapping.cache: {why}", why=failure.getErrorMessage()))

    def _read_cache(self, cache: Path) -> None:
        try:
            content = orjson.loads(cache.read_bytes())
            files = {str(path): str(text) for path, text in content["files"].items()}
        except FileNotFoundError:
            return
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            log.warn("mapping.cache: {file} is of no use: {why}", file=str(cache), why=str(error))
            return
        self._files, self._version, self._cached = files, str(content.get("version", "")), True


def _write(path: Path, content: bytes) -> None:
    """Blocks. Whoever reads the file sees it as it was or as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


__all__ = ["EtcdError", "EtcdSource", "PushError", "push"]
