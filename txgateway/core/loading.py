"""IDL files to the mapping that is served: each file by itself, so that a bad one costs only its own service."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from .descriptor import Schema
from .errors import Diagnostic, IdlError, Severity
from .idl_files import service_name
from .linker import Cache, Read, load
from .mapping import MappedService, Mapping, MappingSettings, compile_service, join

# An annotation of a service: its name in the registry, where the file's stem is not it.
NAME = "tgw.name"


@frozen
class LoadedMapping:
    """What can be served, and everything that is wrong or odd in the files.

    :ivar files: every file that took part, by any root.
    """

    mapping: Mapping = Mapping()
    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(each for each in self.diagnostics if each.severity is Severity.ERROR)


def load_mapping(
    roots: Iterable[str],
    read: Read,
    include_dirs: Iterable[str] = (),
    settings: MappingSettings = MappingSettings(),
    cache: Cache | None = None,
) -> LoadedMapping:
    """Load, link and compile.

    :param roots: the paths of the files that may declare services; one that declares none is only there for others.
    :param read: gives the text at a path; raises OSError.
    :param cache: what earlier loads parsed and linked.
    """
    cache = cache or Cache()
    diagnostics: dict[Diagnostic, None] = {}
    services: list[MappedService] = []
    files: dict[str, None] = {}
    for root in roots:
        files[root] = None
        try:
            loaded = load(root, read, include_dirs, cache=cache)
            files |= dict.fromkeys(loaded.schema.files)
            diagnostics |= dict.fromkeys(loaded.warnings)
            if loaded.schema.services:
                service = compile_service(registry_name(loaded.schema), loaded.schema, settings)
                diagnostics |= dict.fromkeys(service.warnings)
                services.append(service)
        except IdlError as error:
            diagnostics |= dict.fromkeys(error.diagnostics)
    mapping, refused = join(services)
    for refusal in refused:
        diagnostics |= dict.fromkeys(refusal.diagnostics)
    cache.keep(files)
    return LoadedMapping(mapping, tuple(diagnostics), tuple(files))


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
