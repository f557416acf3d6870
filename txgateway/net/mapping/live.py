"""Follows the sources of IDL: loads when something changed, and hands on what is to be served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...core.errors import Diagnostic
from ...core.gate import Gate
from ...core.history import History, Version
from ...core.linker import Read
from ...core.loading import Judge, LoadedMapping, Loader, Root
from ...core.mapping import MappingSettings
from ..background import Background
from . import Source
from .heap import Heap

log = Logger()

# Of so many replaced services at a time the memory is given back, and of so large a part of them: between two
# loads there may be time for no more, and what waits is not to grow by that.
GIVEN_BACK = 4
GIVEN_BACK_OF = 4

START, ROLLBACK, ALLOWED, SETTINGS = "start", "rollback", "allowed", "settings"

# What comes of a load: another mapping is served, the same goes on, something in the files is wrong
# (what is not served as they have it, is kept), or they could not be read at all.
SERVED, UNCHANGED, BROKEN, FAILED = "served", "unchanged", "broken", "failed"


class NotKept(Exception):
    """There is no such version, or change, to go to; the text says what there is."""


class LiveMapping:
    """What is served now, and how it came to that. One load runs at a time, in the background.

    :param sources: of two that have a service, the one that comes first has it.
    :param serve: serves a mapping from the next request on.
    :param wall_clock: gives the time in seconds since 1970.
    :ivar loaded: the outcome of the last load.
    :ivar trouble: why the sources cannot be read just now, if so.
    :ivar told: told of each outcome that is taken over: the one before, itself, and what made the load necessary.
    :ivar generation: how many mappings have been served, the first one among them.
    :ivar reloads: how many loads came out how, the first one not among them.
    """

    def __init__(
        self,
        background: Background,
        heap: Heap,
        sources: Sequence[Source],
        loader: Loader,
        gate: Gate,
        history: History,
        serve: Callable[[LoadedMapping], None],
        wall_clock: Callable[[], float],
    ) -> None:
        self.loaded = LoadedMapping()
        self.history = history
        self.trouble = ""
        self.told: Callable[[LoadedMapping, LoadedMapping, str], None] = lambda before, loaded, why: None
        self.generation = 0
        self.reloads = dict.fromkeys((SERVED, UNCHANGED, BROKEN, FAILED), 0)
        self._background = background
        self._heap = heap
        self._sources = sources
        self._loader = loader
        self._gate = gate
        self._serve = serve
        self._wall_clock = wall_clock
        # What made the next load necessary, in the order in which it came.
        self._wanted: dict[str, None] = {}
        # What is likely to be loaded next, and how it is read, by path.
        self._foreseen: dict[str, Read] = {}
        self._loading = False
        # Whether something runs that serves nothing: replaced versions are given back, or files prepared.
        self._tidying = False
        # Whether it is the turn of what was replaced.
        self._has_loaded = False
        self._stopped = False
        self._rolled_back: str | None = None
        self._complained: frozenset[Diagnostic] = frozenset()

    def start(self) -> None:
        """Load and serve at once, then follow. Blocks. Raises OSError if there is nothing at a path."""
        self._heap.settle()
        self._take(self._load(self._readers(), None), START)
        # Parsers and the like are there by now.
        self._heap.settle()
        for source in self._sources:
            source.start()

    def load_only(self) -> LoadedMapping:
        """What would be served. Blocks; raises OSError if there is nothing at a path."""
        self._heap.settle()
        return self._load(self._readers(), None)

    def stop(self) -> None:
        self._stopped = True
        for source in self._sources:
            source.stop()

    def changed(self, source: str) -> None:
        """Something is to be read anew."""
        self._wanted[source] = None
        self._next()

    def foresee(self, path: str, read: Read) -> None:
        """A file has changed and comes to rest: until then, there is time for what a load would do with it."""
        self._foreseen[path] = read
        self._next()

    # By order of an operator

    def rollback(self, digest: str) -> Deferred[str]:
        """Serve a version of the history until the sources change again. Fires with its digest.

        Fails with NotKept if there is no such version.
        """
        version = self.history.find(digest)
        if version is None:
            known = ", ".join(each.digest for each in reversed(self.history.versions)) or "none"
            raise NotKept(f"no version {digest[:40]!r} is kept; there are {known}")
        if self._loading:
            raise NotKept("a load is running; try again in a second")
        return self._load_version(version, ROLLBACK, self.loaded.offered)

    def allow(self, fingerprint: str) -> None:
        """Serve a change that was refused. Raises NotKept if none has this fingerprint."""
        known = [each.fingerprint for each in self.loaded.judgements if each.refused]
        if fingerprint not in known:
            raise NotKept(f"no refused change has the fingerprint {fingerprint[:40]!r}; there are {known or 'none'}")
        self._gate.allow(fingerprint)
        self.changed(ALLOWED)

    def compile_by(self, settings: MappingSettings) -> None:
        """Compile what is served once more, by other settings."""
        self._loader.settings = settings
        self.changed(SETTINGS)

    def judge_by(self, policy: str, allowed: Sequence[str]) -> None:
        """Judge otherwise from now on, also what was refused; see ``Gate``."""
        self._gate.judge_by(policy, allowed)
        self.changed(ALLOWED)

    def _load_version(self, version: Version, why: str, offered: str) -> Deferred[str]:
        """:param offered: names what the sources have meanwhile, which is not served until it changes."""
        loading = self._run(lambda: self._load([lambda: version.roots], None))
        return loading.addCallback(self._back, why, offered)

    def _back(self, loaded: LoadedMapping, why: str, offered: str) -> str:
        self._rolled_back = None
        self._count(self._take(loaded, why))
        self._rolled_back = offered
        return loaded.digest

    @property
    def kept(self) -> tuple[str, ...]:
        """Services that are served in an earlier version, since the present one cannot be."""
        return self.loaded.kept

    # Loads

    def _next(self) -> None:
        if self._loading or self._tidying or self._stopped:
            return
        # However fast things change, replaced versions do not pile up.
        if self._heap.has_garbage and (self._has_loaded or not (self._wanted or self._foreseen)):
            self._tidying, self._has_loaded = True, False
            self._background.run(self._tidy).addBoth(self._tidied)
        elif self._wanted:
            wanted, self._wanted = self._wanted, {}
            why = ", ".join(wanted)
            version = self.history.find(self.loaded.digest)
            if self._rolled_back is not None and version is not None and set(wanted) == {SETTINGS}:
                again = self._load_version(version, why, self._rolled_back)
                again.addErrback(lambda failure: self._count(self._failed(failure)))
                return
            readers = self._readers()
            loading = self._run(lambda: self._load(readers, self._gate.judge))
            loading.addCallback(self._take, why).addErrback(self._failed).addCallback(self._count)
        elif self._foreseen:
            path = next(iter(self._foreseen))
            read = self._foreseen.pop(path)
            self._tidying = True
            self._background.run(lambda: self._prepare(path, read)).addBoth(self._tidied)

    def _readers(self) -> list[Callable[[], Sequence[Root]]]:
        return [source.reader() for source in self._sources]

    def _load(self, readers: Sequence[Callable[[], Sequence[Root]]], judge: Judge | None) -> LoadedMapping:
        return self._loader.load([root for reader in readers for root in reader()], judge)

    def _run(self, work: Callable[[], LoadedMapping]) -> Deferred[LoadedMapping]:
        self._loading = True
        return self._background.run(work).addBoth(self._ran)

    def _ran(self, outcome: Any) -> Any:
        self._loading, self._has_loaded = False, True
        # Not at once: whoever waits for this outcome comes first.
        self._background.soon(self._next)
        return outcome

    def _tidy(self) -> None:
        for _ in range(max(GIVEN_BACK, self._heap.garbage // GIVEN_BACK_OF)):
            self._heap.collect()

    def _prepare(self, path: str, read: Read) -> None:
        self._loader.prepare(path, read, lambda: bool(self._wanted) or self._stopped)

    def _tidied(self, outcome: Any) -> Any:
        self._tidying = False
        self._background.soon(self._next)
        return outcome

    def _count(self, outcome: str) -> None:
        self.reloads[outcome] += 1

    def _take(self, loaded: LoadedMapping, why: str) -> str:
        """What came of it."""
        if self._stopped:
            return UNCHANGED
        self.trouble = ""
        if self._rolled_back is not None and loaded.offered == self._rolled_back:
            return UNCHANGED
        for source in self._sources:
            source.loaded(loaded)
        self._rolled_back = None
        before, self.loaded = self.loaded, loaded
        self._loader.served(loaded)
        self._complain(loaded)
        is_new = loaded.digest != before.digest or SETTINGS in why
        if is_new:
            self.generation += 1
            self._serve(loaded)
            self.history.add(Version.of(loaded, self._wall_clock(), why))
            self._tell(before, loaded, why)
        self.told(before, loaded, why)
        return BROKEN if loaded.errors else SERVED if is_new else UNCHANGED

    def _failed(self, failure: Failure) -> str:
        """Whatever went wrong, what is served goes on being served."""
        error = failure.value
        if isinstance(error, OSError):
            self.trouble = f"{error.filename or 'the sources'}: {error.strerror or 'cannot be read'}"
            log.error("mapping: {why}; serving what is known", why=self.trouble)
            return FAILED
        self.trouble = "the last load failed by a fault of the gateway itself; the log has more"
        log.failure("mapping: a load failed by itself", failure)
        return FAILED

    # What is told

    def _complain(self, loaded: LoadedMapping) -> None:
        """Say everything once, not again with each load."""
        for diagnostic in loaded.diagnostics:
            if diagnostic not in self._complained:
                level = log.error if diagnostic in loaded.errors else log.warn
                level("{diagnostic}", diagnostic=str(diagnostic))
        self._complained = frozenset(loaded.diagnostics)

    def _tell(self, before: LoadedMapping, loaded: LoadedMapping, why: str) -> None:
        old, new = before.services, loaded.services
        changed = sorted(name for name in old.keys() & new.keys() if old[name] is not new[name])
        for judgement in loaded.judgements:
            if not judgement.refused:
                for line in judgement.breaking:
                    log.warn("{service}: {line}", service=judgement.service, line=line)
        log.info(
            "mapping {digest} ({why}): {changed} changed, {added} new, {removed} gone, {total} services",
            digest=loaded.digest,
            why=why,
            changed=", ".join(changed) or "none",
            added=", ".join(sorted(new.keys() - old.keys())) or "none",
            removed=", ".join(sorted(old.keys() - new.keys())) or "none",
            total=len(new),
        )

    @property
    def sources(self) -> list[dict[str, Any]]:
        """How each source of IDL stands."""
        return [source.status() for source in self._sources]

    def status(self) -> dict[str, Any]:
        """For the admin pages."""
        return {
            "digest": self.loaded.digest,
            "rolled_back": self._rolled_back is not None,
            "trouble": self.trouble,
            "errors": [str(error) for error in self.loaded.errors],
            "kept": sorted(self.loaded.kept),
            "overridden": dict(self.loaded.overridden),
            "generation": self.generation,
            "reloads": dict(self.reloads),
            "sources": self.sources,
            "refused": [
                {"service": each.service, "fingerprint": each.fingerprint, "breaking": list(each.breaking)}
                for each in self.loaded.judgements
                if each.refused
            ],
            "history": [
                {"digest": each.digest, "time": each.time, "source": each.source}
                for each in reversed(self.history.versions)
            ],
        }
