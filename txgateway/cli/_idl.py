"""What the commands that read IDL share: their arguments, loading, and how a diagnostic is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
from attrs import evolve

from ..core.balancing import balancers
from ..core.errors import Diagnostic, Severity
from ..core.loading import LoadedMapping, Loader, Root
from ..core.mapping import MappingSettings
from ..core.policy import Policies
from ..net.mapping.folder import find_roots, read_file
from ._output import Bar, Unable

Command = Callable[..., None]


def idl_arguments(command: Command) -> Command:
    """``PATH...`` and what else decides how IDL is read."""
    paths = click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True))
    return paths(idl_options(command))


def idl_options(command: Command) -> Command:
    """What decides how IDL is read, besides where it is."""
    folders = click.option(
        "--include-dir",
        "-I",
        "include_dirs",
        multiple=True,
        metavar="DIR",
        help="Where includes are looked for, behind the folder of the including file.",
    )
    legacy = click.option("--legacy", is_flag=True, help="Let the old names agw.* and janus.* mean what they did.")
    return folders(legacy(command))


def load(paths: Sequence[str], include_dirs: Sequence[str], legacy: bool) -> LoadedMapping:
    """As the gateway loads, with the line of every place; exits if there is no IDL at all."""
    balancers.load()
    settings = MappingSettings(legacy=legacy, policies=Policies(balancers=frozenset(balancers)))
    try:
        roots = find_roots(paths)
    except OSError as error:
        raise Unable(f"{error.filename}: cannot be read") from None
    if not roots:
        raise Unable(f"there is no .thrift file in {', '.join(paths)}")
    with Bar("reading IDL", len(roots)) as bar:
        loader = Loader(include_dirs, settings)
        loaded = loader.load(Root(path, read_file) for path in bar.through(roots))
    return evolve(loaded, diagnostics=tuple(_with_lines(loaded.diagnostics)))


def _with_lines(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    texts: dict[str, list[str]] = {}
    shown = []
    for diagnostic in diagnostics:
        file, line = diagnostic.position.file, diagnostic.position.line
        if not diagnostic.source and file and line:
            lines = texts.setdefault(file, _lines(file))
            diagnostic = evolve(diagnostic, source=lines[line - 1] if line <= len(lines) else "")
        shown.append(diagnostic)
    return shown


def _lines(path: str) -> list[str]:
    try:
        return [line.rstrip("\r") for line in read_file(path).split("\n")]
    except (OSError, UnicodeError):
        return []


_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def styled(diagnostic: Diagnostic) -> str:
    """The diagnostic for a terminal; click takes the colours away where they would not show."""
    head, *rest = str(diagnostic).split("\n")
    place, _, message = head.partition(f": {diagnostic.severity.value}: ")
    severity = click.style(diagnostic.severity.value, fg=_COLOURS[diagnostic.severity], bold=True)
    lines = [f"{click.style(place, bold=True)}: {severity}: {message}", *rest]
    if diagnostic.source:
        lines[2] = click.style(lines[2], fg=_COLOURS[diagnostic.severity])
    return "\n".join(lines)
