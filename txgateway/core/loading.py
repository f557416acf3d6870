"""IDL files to the mapping that is served: each file by itself, so that a bad one costs only its own service."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from attrs import evolve, field, frozen

from .annotations import NO_SURROUNDINGS, Surroundings
from .descriptor import Position, Schema
from .errors import Diagnostic, IdlError, Severity
from .fingerprint import wire_fingerprint
from .idl_files import origin, service_name
from .linker import Cache, Loaded, Read, load
from .mapping import MappedService, MappingSettings, compile_service, join
from .mapping import Mapping as ServedMapping
from .rule_position import Lines

# An annotation of a service: its name in the registry, where the file's stem is not it.
NAME = "tgw.name"


@frozen
class Root:
    """A file that may declare services, and what gives the text of it and its includes (see ``linker.Read``)."""

    path: str
    read: Read


# What reading a path came to: its text, or the error.
Found = str | type[Exception]


@frozen
class Compiled:
    """One file in one version.

    :ivar service: None if the file declares no service and is only there for others.
    :ivar sources: the text of every file that took part, by its path.
    :ivar found: what was read to make it, by path: includes are looked for in several places.
    :ivar wire: the wire fingerprint of each of its services.
    :ivar packed: descriptors of what it has on the wire, as bytes, for whoever keeps many versions: some KB.
    :ivar settings: by which it was compiled.
    :ivar digest: the same for the same texts at the same paths.
    """

    path: str
    service: MappedService | None
    sources: Mapping[str, str] = field(hash=False, repr=False)
    found: Mapping[str, Found] = field(hash=False, repr=False, eq=False)
    warnings: tuple[Diagnostic, ...] = ()
    wire: tuple[str, ...] = ()
    packed: bytes = field(default=b"", eq=False, repr=False)
    settings: MappingSettings | None = field(default=None, eq=False, repr=False)
    digest: str = field(init=False)

    @digest.default
    def _of_sources(self) -> str:
        return digest_of([self.path, *(part for pair in sorted(self.sources.items()) for part in pair)])


def lines_of(sources: Mapping[str, str]) -> Lines:
    """Gives a line of these files, counted from 1; nothing where there is none."""

    def line(file: str, number: int) -> str:
        lines = sources.get(file, "").split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""

    return line


def digest_of(texts: Iterable[str]) -> str:
    """A short name for these texts in this order."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()[:16]


@frozen
class Judgement:
    """What is thought of the change of one service; see ``compat``.

    :ivar fingerprint: names this change, for whoever allows it.
    :ivar breaking: a line for each thing that breaks somebody.
    :ivar refused: the new version is not to be served.
    """

    service: str
    fingerprint: str
    breaking: tuple[str, ...]
    refused: bool
    position: Position


class Judge(Protocol):
    """:param old: None if the service is new.

    :param new: None if it is gone.
    """

    def __call__(self, name: str, old: MappedService | None, new: MappedService | None) -> Judgement | None: ...


class Keep(Protocol):
    """Told of a part of a mapping that is new, and is to stay as long as anybody holds it.

    :param circles: whether objects that it is made of hold each other, so that only the garbage collector can
        free them.
    """

    def __call__(self, part: object, *, circles: bool) -> None: ...


def keep_nothing(part: object, *, circles: bool) -> None:
    """Whoever loads once needs not care."""


@frozen
class LoadedMapping:
    """What can be served, and everything that is wrong or odd in the files.

    :ivar files: every file that took part, by any root.
    :ivar sought: every path that was looked at, whether there is a file or not.
    :ivar compiled: the version of each file that the mapping is made of.
    :ivar kept: services that are served in an earlier version, since the present one cannot be.
    :ivar overridden: services that another source has as well: the path that is not served.
    :ivar judgements: of all changes that break somebody.
    :ivar offered: names what was read; the same if nothing has changed since.
    :ivar digest: names what is served.
    :ivar unserved: the text, as it was read, of each file in which there is an error.
    """

    mapping: ServedMapping = ServedMapping()
    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    compiled: tuple[Compiled, ...] = ()
    kept: tuple[str, ...] = ()
    overridden: Mapping[str, str] = field(factory=dict, hash=False)
    judgements: tuple[Judgement, ...] = ()
    offered: str = ""
    digest: str = ""
    unserved: Mapping[str, str] = field(factory=dict, hash=False, repr=False)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(each for each in self.diagnostics if each.severity is Severity.ERROR)

    @property
    def services(self) -> dict[str, MappedService]:
        """What is served, by the names in the registry."""
        return {each.service.name: each.service for each in self.compiled if each.service is not None}


def load_mapping(
    roots: Iterable[str],
    read: Read,
    include_dirs: Iterable[str] = (),
    settings: MappingSettings = MappingSettings(),
) -> LoadedMapping:
    """Load, link and compile once.

    :param roots: the paths of the files that may declare services; one that declares none is only there for others.
    :param read: gives the text at a path; raises OSError.
    """
    return Loader(include_dirs, settings).load([Root(path, read) for path in roots])


class Loader:
    """Loads again and again: compiles what has changed, and falls back on what is served where it cannot be used.

    A load changes nothing that is served: whoever serves its outcome says so (:meth:`served`).

    :param breathe: called between two pieces of work, which are some tenths of a millisecond each.
    :param surroundings: the time for rules, and who is told of those that are only observed.
    :ivar settings: what each load compiles by; what others were compiled by is compiled again.
    """

    def __init__(
        self,
        include_dirs: Iterable[str] = (),
        settings: MappingSettings = MappingSettings(),
        breathe: Callable[[], None] = lambda: None,
        surroundings: Surroundings = NO_SURROUNDINGS,
        keep: Keep = keep_nothing,
    ) -> None:
        self._keep = keep
        self._include_dirs = tuple(include_dirs)
        self._surroundings = surroundings
        self.settings = settings
        self._breathe = breathe
        self._cache = Cache()
        self._included: set[str] = set()
        self._known: dict[str, Compiled] = {}
        # What was compiled of files before it was certain that they stay so, by path.
        self._prepared: dict[str, Compiled] = {}
        self._served = LoadedMapping()

    def load(self, roots: Iterable[Root], judge: Judge | None = None) -> LoadedMapping:
        """:param roots: those of the source that goes before others come first.

        :param judge: asked about each service that has changed.
        """
        loading = _Load(self._served, judge, self._breathe)
        for root in roots:
            compiled = self._compile(root, loading)
            loading.offer(root.path, compiled)
            self._included |= compiled.sources.keys() - {root.path} if compiled else frozenset()
            # A file that nobody includes is parsed again when it has changed, and only then.
            self._cache.keep(self._included)
            self._breathe()
        self._known = {each.path: each for each in loading.offered}
        self._prepared = {
            path: each
            for path, each in self._prepared.items()
            if path in loading.files and self._known.get(path) is not each
        }
        self._included = {path for each in loading.offered for path in each.sources if path != each.path}
        loaded = loading.outcome()
        if loaded.mapping is not self._served.mapping:
            self._keep(loaded.mapping, circles=False)
        return loaded

    def served(self, loaded: LoadedMapping) -> None:
        """This is served from now on."""
        self._served = loaded

    def prepare(self, path: str, read: Read, stop: Callable[[], bool]) -> None:
        """Compile now what takes part of a file that has changed: a load that reads the same is over the sooner.

        :param stop: asked between files; a load that begins meanwhile does the rest.
        """
        takers = [each.path for each in self._known.values() if path == each.path or path in each.found]
        for root in takers or [path]:
            if stop():
                return
            reading, known = _Reading(read), self._known.get(root)
            if not any(self._is_of_now(each, reading) for each in (known, self._prepared.get(root))):
                # Whoever loads says what is wrong with it.
                with suppress(IdlError):
                    self._prepared[root] = self._compile_anew(root, reading, known, {})
            self._cache.keep(self._included)
            self._breathe()

    def _compile(self, root: Root, loading: _Load) -> Compiled | None:
        """The file as it is now; None if it cannot be used."""
        loading.files[root.path] = None
        reading = _Reading(root.read)
        known = self._known.get(root.path) or loading.served_at(root.path)
        try:
            for each in (known, self._prepared.get(root.path)):
                if each is not None and self._is_of_now(each, reading):
                    loading.files |= dict.fromkeys(each.sources)
                    return each
            return self._compile_anew(root.path, reading, known, loading.files)
        except IdlError as error:
            loading.complain(error)
        finally:
            loading.found |= reading.found
        return None

    def _is_of_now(self, compiled: Compiled | None, reading: _Reading) -> bool:
        """Whether compiling would come to the same again."""
        return compiled is not None and compiled.settings is self.settings and reading.finds(compiled.found)

    def _compile_anew(self, path: str, reading: _Reading, known: Compiled | None, files: dict[str, None]) -> Compiled:
        """:param files: gets what takes part."""
        loaded = load(path, reading, self._include_dirs, cache=self._cache, breathe=self._breathe)
        files |= dict.fromkeys(loaded.sources)
        _refuse_truncated(known, loaded)
        return self._compiled(path, loaded, reading.found, known)

    def _compiled(self, path: str, loaded: Loaded, found: Mapping[str, Found], known: Compiled | None) -> Compiled:
        schema, warnings = loaded.schema, loaded.warnings
        if not schema.services:
            return Compiled(path, None, loaded.sources, found, warnings, settings=self.settings)
        settings, surroundings = self.settings, evolve(self._surroundings, lines=lines_of(loaded.sources))
        service = compile_service(registry_name(schema), schema, settings, surroundings, self._breathe)
        if known is not None and known.service is not None and known.service.policies == service.policies:
            # Whoever serves need not compare them again.
            service = evolve(service, policies=known.service.policies)
        self._breathe()
        wire = tuple(wire_fingerprint(schema, each) for each in schema.services)
        # Nothing but the wire is compared by what is packed.
        packed = known.packed if known is not None and known.wire == wire else pickle.dumps(service.schema)
        self._breathe()
        self._keep(service, circles=True)
        return Compiled(path, service, loaded.sources, found, warnings + service.warnings, wire, packed, settings)


class _Reading:
    """Reads for one file and keeps what was found."""

    def __init__(self, read: Read) -> None:
        self.found: dict[str, Found] = {}
        self._read = read

    def __call__(self, path: str) -> str:
        try:
            text = self.found[path] = self._read(path)
        except (OSError, UnicodeError) as error:
            self.found[path] = type(error)
            raise
        return text

    def finds(self, expected: Mapping[str, Found]) -> bool:
        """Whether reading comes to the same as before."""
        return all(self._find(path) == found for path, found in expected.items())

    def _find(self, path: str) -> Found:
        with suppress(OSError, UnicodeError):
            self(path)
        return self.found[path]


def _refuse_truncated(known: Compiled | None, loaded: Loaded) -> None:
    """A file that ends too soon is being written, or its writer died: that is no wish to be without the service."""
    path = loaded.schema.file
    if known is None or known.service is None or loaded.schema.services:
        return
    if known.sources.get(path, "").startswith(loaded.sources[path].rstrip()):
        message = "the file ends before its service, which is served as it was"
        raise IdlError((Diagnostic(message, Position(path, 1, 1), hint="to give the service up, delete the file"),))


class _Load:
    """One load: gathers versions and complaints, then decides what is served."""

    def __init__(self, served: LoadedMapping, judge: Judge | None, breathe: Callable[[], None]) -> None:
        self.files: dict[str, None] = {}
        self.found: dict[str, Found] = {}
        self._served = {each.service.name: each for each in served.compiled if each.service is not None}
        self._mapping = served.mapping
        self._judge = judge
        self._breathe = breathe
        # By path, in order; None: it cannot be used.
        self._offers: dict[str, Compiled | None] = {}
        self._kept: dict[str, None] = {}
        self._overridden: dict[str, str] = {}
        self._judgements: list[Judgement] = []
        self._diagnostics: dict[Diagnostic, None] = {}

    def complain(self, error: IdlError) -> None:
        self._diagnostics |= dict.fromkeys(error.diagnostics)

    def served_at(self, path: str) -> Compiled | None:
        return next((each for each in self._served.values() if each.path == path), None)

    def offer(self, path: str, compiled: Compiled | None) -> None:
        self._offers[path] = compiled
        if compiled is not None:
            self._diagnostics |= dict.fromkeys(compiled.warnings)

    @property
    def offered(self) -> list[Compiled]:
        return [each for each in self._offers.values() if each is not None]

    def outcome(self) -> LoadedMapping:
        chosen = self._choose()
        joined, mapping = self._join(chosen)
        wrong = dict.fromkeys(each.position.file for each in self._diagnostics if each.severity is Severity.ERROR)
        return LoadedMapping(
            mapping=mapping,
            diagnostics=tuple(self._diagnostics),
            files=tuple(self.files),
            sought=tuple(self.found),
            compiled=tuple(joined),
            kept=tuple(self._kept),
            overridden=self._overridden,
            judgements=tuple(self._judgements),
            offered=digest_of(part for pair in self.found.items() for part in map(_as_text, pair)),
            digest=digest_of(sorted(each.digest for each in joined if each.service)),
            unserved={path: text for path, text in self.found.items() if path in wrong and isinstance(text, str)},
        )

    def _choose(self) -> list[Compiled]:
        """A version for each service: the new one, unless it is broken or refused."""
        chosen: dict[str, Compiled] = {}
        for path, offer in self._offers.items():
            each = offer or self._fallback(path)
            if each is None or each.service is None:
                continue
            earlier = chosen.setdefault(each.service.name, each)
            if earlier is not each:
                self._second(each, earlier)
        for name in [*chosen, *(self._served.keys() - chosen.keys())]:
            self._weigh(name, chosen)
            self._breathe()
        return list(chosen.values())

    def _fallback(self, path: str) -> Compiled | None:
        served = self.served_at(path)
        if served is not None and served.service is not None:
            self._kept[served.service.name] = None
        return served

    def _second(self, each: Compiled, earlier: Compiled) -> None:
        """Two files serve one service: those of one source are at odds, of two sources the first has it."""
        assert each.service is not None
        if origin(each.path) == origin(earlier.path):
            message = f"another file serves {each.service.name!r} already"
            self._diagnostics[Diagnostic(message, Position(each.path, 1, 1), hint=f"which is {earlier.path}")] = None
        else:
            self._overridden[each.service.name] = each.path

    def _weigh(self, name: str, chosen: dict[str, Compiled]) -> None:
        """Ask the judge about a service that is another than the one that is served, or gone."""
        old, new = self._served.get(name), chosen.get(name)
        if self._judge is None or old is new or old is None:
            return
        judgement = self._judge(name, old.service, new.service if new else None)
        if judgement is None:
            return
        self._judgements.append(judgement)
        if judgement.refused:
            message = f"{name}: a breaking change is refused: {'; '.join(judgement.breaking)}"
            hint = f"to serve it all the same: tgw allow {judgement.fingerprint}"
            self._diagnostics[Diagnostic(message, judgement.position, hint=hint)] = None
            self._keep(name, chosen)

    def _keep(self, name: str, chosen: dict[str, Compiled]) -> None:
        self._kept[name] = None
        chosen[name] = self._served[name]

    def _join(self, chosen: list[Compiled]) -> tuple[list[Compiled], ServedMapping]:
        """The mapping of these. Who is served keeps its routes, whatever another file claims by now.

        A new version that claims another's route is left for the one that is served, which may cost
        a third file what it claims: hence rounds, each of which settles one file at least.
        """
        while True:
            unchanged = [each for each in chosen if self._is_served(each)]
            changed = [each for each in chosen if not self._is_served(each)]
            if not changed and len(unchanged) == len(self._served):
                return unchanged, self._mapping
            mapping, refused = join((each.service for each in (*unchanged, *changed) if each.service), self._breathe)
            for error in refused:
                self.complain(error)
            lost = [each for each in changed if each.path not in mapping.files]
            if not lost:
                return [each for each in (*unchanged, *changed) if each.path in mapping.files], mapping
            for each in lost:
                assert each.service is not None
                chosen.remove(each)
                if each.service.name in self._served:
                    self._kept[each.service.name] = None
                    chosen.append(self._served[each.service.name])

    def _is_served(self, each: Compiled) -> bool:
        return each.service is not None and self._served.get(each.service.name) is each


def _as_text(found: Found) -> str:
    return found if isinstance(found, str) else found.__name__


def registry_name(schema: Schema) -> str:
    """The name under which the registry knows the services of a file: ``tgw.name`` of one of them, else its stem.

    Raises IdlError for a name that no registry takes.
    """
    for service in schema.services:
        named = service.annotations.first(NAME)
        if named is not None:
            if not named.value or "/" in named.value:
                message = f"{NAME} is {named.value!r}: a service's name is not empty and has no slash"
                raise IdlError((Diagnostic(message, named.position),))
            return named.value
    return service_name(schema.file)
