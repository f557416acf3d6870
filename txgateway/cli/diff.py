"""``tgw diff``: whom the step from one version of the IDL to another breaks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from ..core.compat import Breaks, Change, compare
from ..core.descriptor import Position
from ..core.gate import change_fingerprint
from ..core.loading import LoadedMapping
from ._idl import idl_options, load, styled
from ._output import Bar, format_option, print_json

# The worst first.
_TITLES = {Breaks.WIRE: "breaks the Thrift wire", Breaks.HTTP: "breaks HTTP clients", Breaks.NOTHING: "is safe"}
_COLOURS = {Breaks.WIRE: "red", Breaks.HTTP: "yellow", Breaks.NOTHING: "green"}

# A service's name, the fingerprint of its change, and what changed.
Report = list[tuple[str, str, tuple[Change, ...]]]


@click.command()
@click.argument("old", type=click.Path(exists=True))
@click.argument("new", type=click.Path(exists=True))
@idl_options
@format_option("markdown")
def command(old: str, new: str, include_dirs: Sequence[str], legacy: bool, form: str) -> None:
    """Say whom the step from one IDL to another breaks.

    OLD and NEW are two files, or two folders with all that lies below them. Exits with 1 if a change breaks
    services or HTTP clients, and with 2 if one of the two cannot be loaded.
    """
    before, after = (_load(path, include_dirs, legacy) for path in (old, new))
    report = _report(before, after)
    if form == "json":
        print_json(_as_values(report))
    else:
        click.echo(_as_markdown(report) if form == "markdown" else _as_text(report))
    sys.exit(1 if any(change.breaks is not Breaks.NOTHING for *_, changes in report for change in changes) else 0)


def _load(path: str, include_dirs: Sequence[str], legacy: bool) -> LoadedMapping:
    loaded = load([path], include_dirs, legacy)
    for error in loaded.errors:
        click.echo(styled(error), err=True)
    if loaded.errors:
        sys.exit(2)
    return loaded


def _report(old: LoadedMapping, new: LoadedMapping) -> Report:
    before, after = old.services, new.services
    report: Report = []
    names, order = sorted(before.keys() | after.keys()), list(_TITLES)
    with Bar("comparing", len(names)) as bar:
        for name in bar.through(names):
            changes = compare(before.get(name), after.get(name))
            changes = tuple(sorted(changes, key=lambda change: order.index(change.breaks)))
            if changes:
                report.append((name, change_fingerprint(name, before.get(name), after.get(name)), changes))
    return report


def _as_text(report: Report) -> str:
    if not report:
        return "nothing that anybody can notice has changed"
    lines = []
    for name, fingerprint, changes in report:
        lines.append(click.style(f"{name} (change {fingerprint})", bold=True))
        for change in changes:
            verdict = click.style(f"{change.breaks.value:>6}", fg=_COLOURS[change.breaks])
            lines.append(f"  {verdict}  {change}")
    return "\n".join(lines)


def _as_values(report: Report) -> list[dict[str, object]]:
    return [
        {"service": name, "fingerprint": fingerprint, "changes": list(map(_change, changes))}
        for name, fingerprint, changes in report
    ]


def _change(change: Change) -> dict[str, object]:
    return {
        "breaks": change.breaks.value,
        "where": change.where,
        "what": change.what,
        "old": _position(change.old),
        "new": _position(change.new),
    }


def _position(position: Position) -> dict[str, object] | None:
    return {"file": position.file, "line": position.line, "column": position.column} if position.line else None


def _as_markdown(report: Report) -> str:
    if not report:
        return "Nothing that anybody can notice has changed."
    lines = []
    for name, fingerprint, changes in report:
        lines += [f"### {name}", "", f"Change `{fingerprint}`", "", "| breaks | where | what | old | new |"]
        lines.append("| --- | --- | --- | --- | --- |")
        lines += [f"| {' | '.join(map(_cell, _row(change)))} |" for change in changes]
        lines.append("")
    return "\n".join(lines).rstrip()


def _row(change: Change) -> list[str]:
    places = [f"{place.file}:{place.line}" if place.line else "" for place in (change.old, change.new)]
    return [change.breaks.value, change.where, change.what, *places]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
