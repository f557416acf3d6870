"""The IDL in folders and files, followed."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ...core.idl_files import idl_files, is_idl
from ...core.linker import Read
from ...core.loading import LoadedMapping, Root, load_mapping
from ...core.mapping import MappingSettings
from ...core.settling import Settling
from .watching import LOOK_EVERY, POLL_EVERY, Looks, Notices, Stamp, has_events, stamp, stamps

log = Logger()

# A file that is larger is no IDL that somebody wrote.
MAX_FILE_BYTES = 16 * 1024 * 1024
# How the files are watched.
AUTO, INOTIFY, POLL, OFF = "auto", "inotify", "poll", "off"
WATCHES = (AUTO, INOTIFY, POLL, OFF)

Run = Callable[[Callable[[], Any]], "Deferred[Any]"]


def load_folders(
    paths: Sequence[str], include_dirs: Sequence[str], settings: MappingSettings = MappingSettings()
) -> LoadedMapping:
    """Load what lies at these paths: files, and folders whose every IDL file may declare services.

    Blocks, about 5 s for 2,000 methods. Raises OSError if there is nothing at a path.
    """
    return load_mapping(find_roots(paths), read_file, include_dirs, settings)


def find_roots(paths: Sequence[str]) -> list[str]:
    """Every IDL file at and below these paths. Blocks; raises OSError if there is nothing at a path."""
    return list(dict.fromkeys(root for path in paths for root in _roots(Path(path))))


def read_file(path: str) -> str:
    """The text of a file; raises OSError, also for one too large, and UnicodeDecodeError."""
    with open(path, "rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
    return content.decode("utf-8")


def _roots(path: Path) -> list[str]:
    if not path.is_dir():
        path.stat()
        return [str(path)]
    return [str(path / name) for name in idl_files(_files_below(str(path)))]


def _files_below(folder: str, prefix: str = "") -> Iterator[str]:
    """Every file below a folder, relative to it; no folder is looked into through a link."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                # One that vanishes just now, or is closed to us, has nothing in it; of the first that is an error.
                with suppress(FileNotFoundError, PermissionError):
                    yield from _files_below(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield f"{prefix}{entry.name}"


class Texts:
    """Reads files, and gives what it read before where nothing has happened to a file since.

    A load looks at every file. To open and read each takes six calls of the system, at each of which the
    interpreter goes to whoever else has work and has to be waited for; to see that it is what it was takes one.
    """

    # Of a file that was changed so shortly before it was read, in seconds, a later change may look the same.
    TOO_NEW = 0.1

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def read(self, path: str) -> str:
        """As :func:`read_file`."""
        found = os.stat(path)
        # Whoever sets back the time of a change cannot set back that of its own.
        version = (found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
        known = self._known.get(path)
        if known is not None and known[0] == version:
            return known[1]
        self._known.pop(path, None)
        text = read_file(path)
        if version[0] < (self._clock() - self.TOO_NEW) * 1e9:
            self._known[path] = version, text
        return text

    def keep(self, paths: Collection[str]) -> None:
        """Forget every file but these."""
        self._known = {path: known for path, known in self._known.items() if path in paths}


class FolderSource:
    """Follows files and folders: a change is told once the file that it is in has come to rest.

    A file that is being written is read as it was before, so that half of it is never seen.

    :param run: calls something in another thread, for what may block.
    :param changed: told that there is something new to be read.
    :param foreseen: told of a file that comes to rest, and how it is read as it is just now.
    """

    name = "folder"

    def __init__(
        self,
        reactor: Any,
        paths: Sequence[str],
        run: Run,
        changed: Callable[[], None],
        foreseen: Callable[[str, Read], None],
        *,
        watch: str = AUTO,
    ) -> None:
        self._reactor = reactor
        self._paths = tuple(map(posixpath.normpath, paths))
        self._run = run
        self._changed = changed
        self._foreseen = foreseen
        self._watch = watch
        self._settling = Settling()
        self._read_before = Texts()
        self._timer: Any = None
        self._notices: Notices | None = None
        self._looks: Looks | None = None
        self._running = False
        # As they were when they were read last, for files that are being written now.
        self._texts: dict[str, str] = {}
        self._roots: tuple[str, ...] = ()
        # Every path that counts, and by which of them a file goes that is reached through a link.
        self._sought: frozenset[str] = frozenset()
        self._aliases: dict[str, str] = {}
        self._folders: frozenset[str] = frozenset()

    def start(self) -> None:
        self._running = True
        if self._watch == OFF:
            return
        if self._watch == INOTIFY or (self._watch == AUTO and has_events(self._paths)):
            self._notice()
        every = POLL_EVERY if self._notices is None else LOOK_EVERY
        self._looks = Looks(self._reactor, every, self._run, self._look, self._touched, self._changed)
        self._looks.start()

    def stop(self) -> None:
        self._running = False
        if self._looks is not None:
            self._looks.stop()
        if self._notices is not None:
            self._notices.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def reader(self) -> Callable[[], Sequence[Root]]:
        restless, known = self._settling.restless, self._texts

        def read_all() -> Sequence[Root]:
            texts: dict[str, str] = {}

            def read(path: str) -> str:
                if path not in texts:
                    texts[path] = _settled(path, known) if path in restless else self._read_before.read(path)
                return texts[path]

            found = set(find_roots(self._paths))
            # One that is being deleted, or replaced, is still there; one that is being made is not yet.
            found |= restless & set(self._roots)
            found -= {path for path in restless if path not in known}
            # What is restless and was not asked for, because its includer is broken, say, may be asked for next.
            texts |= {path: known[path] for path in restless & known.keys()}
            self._read_before.keep(known.keys())
            self._roots, self._texts = tuple(sorted(found)), texts
            return [Root(path, read) for path in self._roots]

        return read_all

    def loaded(self, loaded: LoadedMapping) -> None:
        self._sought = frozenset(path for path in loaded.sought if path in self._texts or not path.startswith("etcd:"))
        self._run(self._survey).addCallbacks(self._surveyed, lambda failure: failure.trap(OSError) and None)

    def status(self) -> dict[str, Any]:
        how = OFF if self._looks is None else POLL if self._notices is None else INOTIFY
        return {"kind": "folder", "paths": list(self._paths), "watch": how, "files": len(self._roots)}

    # What happens to files

    def _touched(self, path: str, is_open: bool) -> None:
        path = self._aliases.get(path, path)
        if self._running and self._counts(path):
            self._settling.touched(path, self._reactor.seconds(), is_open=is_open)
            self._wait()
            if not is_open and is_idl(posixpath.basename(path)):
                self._foreseen(path, read_file)

    def _counts(self, path: str) -> bool:
        """Whether a change there may be one of ours; what editors leave beside files is not."""
        name = posixpath.basename(path)
        # A mounted ConfigMap changes all of its files by one link, `..data`.
        return is_idl(name) or name == "..data" or path in self._sought or path in self._folders or path in self._paths

    def _wait(self) -> None:
        due = self._settling.due
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if due is not None:
            self._timer = self._reactor.callLater(max(0.0, due - self._reactor.seconds()), self._rest)

    def _rest(self) -> None:
        if self._settling.settle(self._reactor.seconds()):
            self._changed()
        self._wait()

    # How it is noticed

    def _notice(self) -> None:
        try:
            self._notices = Notices(self._reactor, self._touched, self._lost)
            self._notices.watch(self._folders)
        except OSError as error:
            self._no_notices(error)

    def _no_notices(self, error: OSError) -> None:
        log.warn("mapping.watch: {why}; files are looked at instead", why=error.strerror)
        if self._notices is not None:
            self._notices.stop()
            self._notices = None

    def _lost(self) -> None:
        """A watched folder was deleted, so nothing is watched any more: begin anew, and look at everything."""
        if self._running:
            self._notice()
            for path in self._paths:
                self._touched(path, False)

    def _survey(self) -> tuple[dict[str, str], frozenset[str]]:
        """Which folders are to be watched, and which names of files in them stand for ours. Blocks."""
        folders = [path for path in self._paths if os.path.isdir(path)]
        for path in list(folders):
            folders += [
                str(below) for below in Path(path).rglob("*") if below.is_dir() and is_idl(f"{below.name}/x.thrift")
            ]
        folders += [posixpath.dirname(path) for path in (*self._paths, *sorted(self._sought))]
        aliases = {}
        for path in self._sought:
            real = os.path.realpath(path)
            if real != os.path.abspath(path):
                aliases[real] = path
        folders += [posixpath.dirname(real) for real in aliases]
        return aliases, _distinct(folders)

    def _surveyed(self, found: tuple[dict[str, str], frozenset[str]]) -> None:
        before = self._folders
        self._aliases, self._folders = found
        if self._running and self._notices is not None:
            try:
                self._notices.watch(self._folders)
            except OSError as error:
                self._no_notices(error)
            if self._folders - before:
                # Something may have happened there before anybody watched.
                self._changed()

    def _look(self) -> dict[str, Stamp]:
        """Blocks."""
        return stamps({*self._sought, *find_roots(self._paths)})


def _settled(path: str, known: Mapping[str, str]) -> str:
    """The text of a file as it was before somebody began to write it."""
    if path not in known:
        raise FileNotFoundError(path)
    return known[path]


def _distinct(folders: Sequence[str]) -> frozenset[str]:
    """Each folder by the first of its names: inotify knows one, which has to be that by which we read its files."""
    found: dict[Stamp, str] = {}
    for folder in folders:
        seen = stamp(folder or ".")
        if seen is not None:
            found.setdefault((0, 0, *seen[2:]), folder)
    return frozenset(found.values())
