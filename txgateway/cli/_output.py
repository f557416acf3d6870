"""What all commands share: how they print, how they end, and the bar that shows that they still work.

A command ends with 0 if all is well, with 1 if what it was asked about is not, and with 2 if it could not find out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock, Timer
from typing import Any, TypeVar

import click
from attrs import frozen
from click.core import ParameterSource
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

T = TypeVar("T")
Command = Callable[..., None]

# Seconds after which somebody wants to know what goes on.
PATIENCE = 1.0
# Blanks between two columns of a table.
GAP = 2


class Unable(click.ClickException):
    """The command could not find out what it was asked."""

    exit_code = 2


def format_option(*more: str) -> Callable[[Command], Command]:
    """``--format``, as ``form``; text and JSON, and what else a command can print."""
    return click.option(
        "--format", "form", type=click.Choice(["text", "json", *more]), default="text", help="How to print it."
    )


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@frozen
class Row:
    """A line of a table; a cell may have several lines itself."""

    cells: tuple[str, ...]
    style: str = ""


def table_of(
    columns: Sequence[str], rows: Sequence[Row], minor: Sequence[str], width: int | None
) -> list[Table | Text]:
    """A table, and what had no room in it, if anything.

    :param minor: columns that go where there is no room for all, the first one first.
    :param width: of the terminal; None: there is room for all.
    """
    widths = {name: max([len(name), *(_width(row.cells[at]) for row in rows)]) for at, name in enumerate(columns)}
    left_out: list[str] = []
    for name in minor:
        if width is None or sum(widths.values()) + GAP * (len(widths) - 1) <= width:
            break
        del widths[name]
        left_out.append(name)
    table = Table(*(Column(name, overflow="fold") for name in widths), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        cells = (Text(cell) for cell, name in zip(row.cells, columns, strict=True) if name in widths)
        table.add_row(*cells, style=row.style)
    return [table, *([Text(f"no room for: {', '.join(left_out)}", style="dim")] if left_out else [])]


def _width(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def print_table(columns: Sequence[str], rows: Sequence[Row], minor: Sequence[str]) -> None:
    # Only a terminal has an edge to break lines at.
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else 100_000, highlight=False)
    for part in table_of(columns, rows, minor, console.width if is_terminal else None):
        console.print(part)


def _is_for_a_program() -> bool:
    """Whether the command was told to print JSON; some print nothing else unasked."""
    context = click.get_current_context(silent=True)
    if context is None or context.params.get("form") != "json":
        return False
    return context.get_parameter_source("form") is ParameterSource.COMMANDLINE


class Bar:
    """A bar on standard error for work that takes a while, where that is a terminal; gone when the work is done.

    Whoever asks for JSON is a program, on a terminal too.

    :param what: what is being done.
    :param total: how many pieces it has; None: nobody knows.
    :param patience: seconds until it is shown.
    """

    def __init__(self, what: str, total: int | None = None, patience: float = PATIENCE) -> None:
        console = Console(stderr=True)
        counting = [] if total is None else [BarColumn(), MofNCompleteColumn()]
        columns = (SpinnerColumn(), TextColumn("{task.description}"), *counting, TimeElapsedColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal or _is_for_a_program()
        )
        self._task = self._progress.add_task(what, total=total)
        # The work may not come up for air, so somebody else has to look at the clock.
        self._timer = Timer(patience, self._show)
        self._timer.daemon = True
        self._lock = Lock()
        self._is_over = False

    def __enter__(self) -> Bar:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            self._progress.stop()

    def _show(self) -> None:
        with self._lock:
            if not self._is_over:
                self._progress.start()

    def through(self, pieces: Iterable[T]) -> Iterator[T]:
        """The same pieces; each is done when the next one is asked for."""
        for piece in pieces:
            yield piece
            self._progress.advance(self._task)
