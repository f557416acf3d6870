"""The mapping, and the sources of its IDL: what was pushed to etcd, then folders."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..config import ConfigError, Settings
from ..core.annotations import Failure as FailedRule
from ..core.annotations import Surroundings
from ..core.gate import Gate
from ..core.history import History
from ..core.linker import Read
from ..core.loading import LoadedMapping, Loader
from ..core.mapping import MappingSettings
from ..net.background import Background
from ..net.etcd_client import EtcdClient
from ..net.mapping.etcd import EtcdSource
from ..net.mapping.folder import FolderSource
from ..net.mapping.heap import Heap
from ..net.mapping.live import LiveMapping
from .making import path_from, pushed_access


def live_mapping(
    settings: Settings,
    reactor: Any,
    compiling: MappingSettings,
    background: Background,
    heap: Heap,
    serve: Callable[[LoadedMapping], None],
    observed: Callable[[str, str, FailedRule], None],
) -> LiveMapping:
    """
    :param compiling: what plans are compiled by.
    :param background: where IDL is read and compiled.
    :param heap: where large mappings are kept from the garbage collector.
    :param serve: told of each mapping that is to be served.
    :param observed: told of each rule that is watched only and would have refused.
    """
    wanted = settings.mapping

    def folder_changed() -> None:
        live.changed(FolderSource.name)

    def pushed_changed() -> None:
        live.changed(EtcdSource.name)

    def foreseen(path: str, read: Read) -> None:
        live.foresee(path, read)

    folder = FolderSource(reactor, wanted.idl, background.run, folder_changed, foreseen, watch=wanted.watch)
    live = LiveMapping(
        background,
        heap,
        [*_pushed_idl(settings, reactor, background, pushed_changed), folder],
        Loader(
            wanted.include_dirs,
            compiling,
            background.breathe,
            Surroundings(now=time.time_ns, observed=observed),
            heap.keep,
        ),
        Gate(wanted.on_breaking, wanted.allow),
        History(wanted.history),
        serve,
        time.time,
    )
    return live


def _pushed_idl(
    settings: Settings, reactor: Any, background: Background, changed: Callable[[], None]
) -> list[EtcdSource]:
    wanted, access = settings.mapping, pushed_access(settings)
    if access is None:
        return []
    try:
        return [
            EtcdSource(
                reactor,
                EtcdClient(reactor, access),
                wanted.pushed_prefix,
                background.run,
                changed,
                cache=path_from(wanted.cache),
                include_dirs=wanted.include_dirs,
            )
        ]
    except ValueError as error:
        raise ConfigError(f"mapping.pushed: {error}") from None
