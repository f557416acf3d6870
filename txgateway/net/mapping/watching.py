"""Notices that something happened to a file: by inotify where it tells of all that happens, by looking elsewhere."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from ...core.mounts import tells_changes

log = Logger()

# Files are looked at so often where nobody tells of changes.
POLL_EVERY = 0.25
# And so often where somebody does: events get lost when too many come, and a symbolic link further
# up in a path is watched by nobody. A look takes 3 µs a file, in a thread.
LOOK_EVERY = 5.0

# Told of a path that something happened to, and whether whoever did it has it open still.
Touched = Callable[[str, bool], None]
# What tells one version of a file from another; None: there is no file.
Stamp = tuple[int, int, int, int] | None


class Notices:
    """inotify for some folders.

    :param touched: told of everything that happens to a name in one of them.
    :param lost: called when events may have been lost, or a folder is gone.
    :raises OSError: there is no inotify here, or no more of it.
    """

    def __init__(self, reactor: Any, touched: Touched, lost: Callable[[], None]) -> None:
        try:
            from twisted.internet import inotify
        except ImportError as error:
            raise OSError(errno.ENOSYS, "no inotify") from error
        self._inotify = inotify
        self._touched = touched
        self._ended = False
        self._folders: set[str] = set()

        class Notifier(inotify.INotify):
            # Twisted ends the whole of it when one of the watched folders is deleted.
            def connectionLost(self, reason: Failure) -> None:
                super().connectionLost(reason)
                if not notices._ended:
                    lost()

        notices = self
        self._notifier = Notifier(reactor)
        self._notifier.startReading()
        self._mask = (
            inotify.IN_MODIFY
            | inotify.IN_CLOSE_WRITE
            | inotify.IN_CREATE
            | inotify.IN_MOVED_FROM
            | inotify.IN_MOVED_TO
            | inotify.IN_DELETE
            | inotify.IN_ATTRIB
        )

    def watch(self, folders: Collection[str]) -> None:
        """Watch these and no others; one that is not there is left out. Raises OSError if there are too many."""
        for folder in self._folders - set(folders):
            self._ignore(folder)
        for folder in sorted(set(folders) - self._folders):
            self._add(folder)

    def stop(self) -> None:
        self._ended = True
        self._notifier.loseConnection()

    def _add(self, folder: str) -> None:
        def told(_: Any, path: Any, mask: int) -> None:
            name = path.basename()
            name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
            writes = mask & (self._inotify.IN_MODIFY | self._inotify.IN_CREATE) and not mask & self._inotify.IN_ISDIR
            self._touched(posixpath.normpath(posixpath.join(folder, name)), bool(writes))

        try:
            self._notifier.watch(FilePath(os.fsencode(folder or ".")), self._mask, callbacks=[told])
        except self._inotify.INotifyError as error:
            if os.path.isdir(folder or "."):
                raise OSError(errno.ENOSPC, "no more inotify watches") from error
            return
        self._folders.add(folder)

    def _ignore(self, folder: str) -> None:
        self._folders.discard(folder)
        # One that is not there has gone by itself.
        with suppress(KeyError, self._inotify.INotifyError):
            self._notifier.ignore(FilePath(os.fsencode(folder or ".")))


class Looks:
    """Looks at files, again and again.

    :param look: gives the stamps of all files that count; run by ``run`` in a thread.
    :param began: called after the first look: what happened before it is not known.
    """

    def __init__(
        self,
        reactor: Any,
        every: float,
        run: Callable[[Callable[[], dict[str, Stamp]]], Any],
        look: Callable[[], dict[str, Stamp]],
        touched: Touched,
        began: Callable[[], None],
    ) -> None:
        self._run = run
        self._began = began
        self._look = look
        self._touched = touched
        self._seen: dict[str, Stamp] | None = None
        self._loop = LoopingCall(self._once)
        self._loop.clock = reactor
        self._every = every

    def start(self) -> None:
        self._loop.start(self._every).addErrback(lambda failure: log.failure("looking at files ended", failure))

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def _once(self) -> Any:
        return self._run(self._look).addCallback(self._compare).addErrback(self._failed)

    def _compare(self, now: dict[str, Stamp]) -> None:
        before, self._seen = self._seen, now
        if before is None:
            self._began()
            return
        for path in before.keys() | now.keys():
            if before.get(path) != now.get(path):
                self._touched(path, False)

    def _failed(self, failure: Failure) -> None:
        """A folder that is away just now; whoever loads says so."""
        failure.trap(OSError)


def stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: stamp(path) for path in paths}


def stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def has_events(paths: Iterable[str]) -> bool:
    """Whether the kernel tells of every change at these paths."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mountinfo = file.read()
    except OSError:
        return False
    return all(tells_changes(os.path.realpath(path), mountinfo) for path in paths)
