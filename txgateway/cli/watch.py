"""``tgw watch``: the services of a running gateway and their instances, as they are from one second to the next."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from attrs import frozen
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..core.explain.words import count_of
from ._admin import admin_option, admin_page
from ._output import Row, Unable, format_option, print_json, table_of
from .services import COLOURS, no_instance, services_page

Line = dict[str, Any]

QUIT = b"q"
# Seconds for a page: what takes longer is told of.
PAGE_WITHIN = 5.0
# Lines of a terminal that the head, the foot and the names of the columns take.
AROUND = 6
COLUMNS = ("Service", "Instance", "Weight", "State", "Calls/s", "Share", "In flight", "Cost", "Last error")
MINOR = ("Cost", "Weight", "Share", "In flight", "Last error", "Calls/s")


@frozen
class Look:
    """What was seen at one time.

    :ivar seconds: when, by a clock that only goes forward.
    :ivar services: the lines of the instances, by service.
    """

    seconds: float
    health: Mapping[str, Any]
    ready: Mapping[str, Any]
    services: Mapping[str, Sequence[Line]]

    @classmethod
    def at(cls, admin: str, names: Sequence[str]) -> Look:
        """Raises Unable."""
        health, ready = (admin_page(admin, page, PAGE_WITHIN) for page in ("/healthz", "/readyz"))
        services = services_page(admin, PAGE_WITHIN)["services"]
        wanted = {name: services.get(name, []) for name in names or sorted(services)}
        return cls(time.monotonic(), health, ready, wanted)


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@admin_option
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="From one look to the next.",
)
@format_option()
def command(names: tuple[str, ...], admin: str, every: float, form: str) -> None:
    """Watch services and their instances in the terminal.

    All services, or those named; q or Control-C ends it. Where standard output is no terminal, and with --format
    json, it is looked at once.
    """
    look = Look.at(admin, names)
    if form == "json":
        print_json({"health": look.health, "ready": look.ready, "services": look.services})
    elif sys.stdout.isatty():
        _watch(admin, names, every, look)
    else:
        # No terminal has an edge here.
        Console(width=1_000, highlight=False).print(_picture(admin, look, None, Room(), ""))


def _watch(admin: str, names: Sequence[str], every: float, look: Look) -> None:
    before: Look | None = None
    trouble = ""
    with _keys() as pressed, Live(screen=True, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_picture(admin, look, before, Room.of(live.console, look), trouble), refresh=True)
            if QUIT in pressed(every):
                return
            try:
                look, before, trouble = Look.at(admin, names), look, ""
            except Unable as unable:
                trouble = unable.message


@contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits so many seconds for keys. Whatever ends this, the terminal is as it was."""
    with _ended_by_signals(), _raw(sys.stdin) as is_terminal:

        def pressed(seconds: float) -> bytes:
            if not is_terminal:
                time.sleep(seconds)
                return b""
            ready, _, _ = select.select([sys.stdin], [], [], seconds)
            # Nothing to read where there should be something: the terminal is gone.
            return (os.read(sys.stdin.fileno(), 64) or QUIT) if ready else b""

        yield pressed


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end it like Control-C, which is no fault."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _raw(stdin: Any) -> Iterator[bool]:
    """Keys are read one by one and not shown, if it is a terminal."""
    if not stdin.isatty():
        yield False
        return
    before = termios.tcgetattr(stdin)
    tty.setcbreak(stdin)
    try:
        yield True
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


# What is seen


@frozen
class Room:
    """For instances, in lines and columns; None: there is as much as is needed."""

    height: int | None = None
    width: int | None = None

    @classmethod
    def of(cls, console: Console, look: Look) -> Room:
        taken = AROUND + len(look.health.get("reasons", ()))
        return cls(max(console.height - taken, 1), console.width)


def _picture(admin: str, look: Look, before: Look | None, room: Room, trouble: str) -> Group:
    rows = [row for name in look.services for row in _rows(name, look, before)]
    shown = rows[: room.height]
    parts = [_head(admin, look), Text(), *table_of(COLUMNS, shown, MINOR, room.width)]
    if len(shown) < len(rows):
        parts.append(Text(f"and {len(rows) - len(shown)} more; name services to see those alone", style="dim"))
    if trouble:
        parts.append(Text(f"{trouble}; this is what was seen last", style="red"))
    return Group(*parts)


def _head(admin: str, look: Look) -> Text:
    mapping = look.health.get("mapping", {})
    head = Text(admin, style="bold")
    if look.ready.get("ready"):
        head.append("  ready", style="green")
    else:
        head.append(f"  waits for {', '.join(look.ready.get('waiting_for', ()))}", style="red")
    head.append(f"  {count_of(mapping.get('services', 0), 'service')}, {look.health.get('in_flight', 0)} in flight")
    workers = look.health.get("workers")
    if workers:
        well = sum(state == "ok" for state in workers.values())
        head.append(f"  {well} of {len(workers)} workers well", style="" if well == len(workers) else "red")
    for reason in look.health.get("reasons", ()):
        head.append(f"\n{reason}", style="red")
    return head


def _rows(name: str, look: Look, before: Look | None) -> Iterator[Row]:
    lines = look.services[name]
    if not lines:
        yield no_instance(name, len(COLUMNS))
    rates = [_rate(name, line, look, before) for line in lines]
    total = sum(rate for rate in rates if rate is not None)
    for number, (line, rate) in enumerate(zip(lines, rates, strict=True)):
        cost, error = line.get("cost_ms"), line.get("last_error")
        cells = (
            name if number == 0 else "",
            line["address"],
            str(line["weight"]),
            line["state"],
            "" if rate is None else f"{rate:.1f}",
            "" if rate is None or not total else f"{rate / total:.0%}",
            str(line["in_flight"]),
            "" if cost is None else f"{cost:.1f} ms",
            "" if error is None else f"{error['what']}, {error['seconds_ago']:.0f} s ago",
        )
        yield Row(cells, COLOURS.get(line["state"], ""))


def _rate(name: str, line: Line, look: Look, before: Look | None) -> float | None:
    """Calls a second; None as long as there is nothing to compare with."""
    if before is None or look.seconds <= before.seconds:
        return None
    known = {each["address"]: each["calls"] for each in before.services.get(name, ())}
    calls = line["calls"] - known.get(line["address"], 0)
    # Counts begin anew with a worker or with changed settings.
    return max(0, calls) / (look.seconds - before.seconds)
