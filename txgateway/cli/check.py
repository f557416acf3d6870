"""``tgw check``: say what is wrong or odd in IDL before a gateway has to."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from attrs import evolve

from ..core.errors import Diagnostic, Severity
from ..core.explain.words import count_of
from ..core.lint import lint
from ..core.loading import LoadedMapping, lines_of
from ._idl import idl_arguments, load, styled
from ._output import Bar, format_option, print_json


@click.command()
@idl_arguments
@format_option()
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
def command(paths: Sequence[str], include_dirs: Sequence[str], legacy: bool, form: str, strict: bool) -> None:
    """Say what is wrong or odd in IDL files and folders.

    Folders are read with all that lies below them. Prints every error and warning. Exits with 1 if there was an error.
    """
    loaded = _linted(load(paths, include_dirs, legacy))
    warnings = [d for d in loaded.diagnostics if d.severity is Severity.WARNING]
    if form == "json":
        print_json(_report(loaded))
    else:
        click.echo(_as_text(loaded, len(warnings)))
    sys.exit(1 if loaded.errors or (strict and warnings) else 0)


def _linted(loaded: LoadedMapping) -> LoadedMapping:
    """With what is odd about the rules of each service: it takes longer than a running gateway would want."""
    found: dict[Diagnostic, None] = dict.fromkeys(loaded.diagnostics)
    with Bar("checking rules", len(loaded.compiled)) as bar:
        for each in bar.through(loaded.compiled):
            if each.service is not None:
                found |= dict.fromkeys(lint(each.service.schema, lines=lines_of(each.sources)))
    return evolve(loaded, diagnostics=tuple(found))


def _as_text(loaded: LoadedMapping, warnings: int) -> str:
    found = f"{count_of(len(loaded.errors), 'error')}, {count_of(warnings, 'warning')}"
    routes = count_of(len(loaded.mapping.routes), "route")
    total = (
        f"{count_of(len(loaded.files), 'file')}, {count_of(len(loaded.mapping.services), 'service')}, {routes}: {found}"
    )
    return "\n".join([*map(styled, loaded.diagnostics), click.style(total, bold=True)])


def _report(loaded: LoadedMapping) -> dict[str, object]:
    """For JSON; places count from 1, and one without a line has 0 there."""
    return {
        "files": list(loaded.files),
        "services": list(loaded.mapping.services),
        "routes": len(loaded.mapping.routes),
        "diagnostics": [_diagnostic(d) for d in loaded.diagnostics],
    }


def _diagnostic(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "severity": diagnostic.severity.value,
        "file": diagnostic.position.file,
        "line": diagnostic.position.line,
        "column": diagnostic.position.column,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "source": diagnostic.source,
    }
