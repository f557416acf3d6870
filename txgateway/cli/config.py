"""``tgw config``: check a file of settings, or begin one."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from attrs import asdict
from twisted.internet.testing import MemoryReactorClock

from ..config import TABLES, Complaint, ConfigError, read_usable
from ..core.settings_text import example
from ..wiring import check_settings
from ._output import Unable, format_option, print_json


@click.command()
@click.option("--check", "file", metavar="FILE", help="Say all that is wrong in FILE, each with its line.")
@click.option("--example", "wants_example", is_flag=True, help="Print a file with every setting and its default.")
@format_option()
def command(file: str | None, wants_example: bool, form: str) -> None:
    """Check a file of settings, or print an example of one.

    --check exits with 1 if anything is wrong. It looks at settings alone: whether the IDL can be served says
    `twistd tgw --config FILE --check`.
    """
    if (file is None) != wants_example:
        raise click.UsageError("give one of --check FILE and --example")
    if file is None:
        print_json({"toml": example(TABLES)}) if form == "json" else click.echo(example(TABLES), nl=False)
        return
    complaints = _complaints(file)
    if form == "json":
        print_json([asdict(each) for each in complaints])
    else:
        click.echo("\n".join(map(str, complaints)) or f"{file}: all is well")
    sys.exit(1 if complaints else 0)


def _complaints(file: str) -> tuple[Complaint, ...]:
    """In the order of their lines."""
    try:
        toml = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unable(f"{file}: {getattr(error, 'strerror', None) or 'no UTF-8 text'}") from None
    try:
        settings, complaints = read_usable(toml, file)
    except ConfigError as error:
        return error.complaints
    try:
        # What is of the right kind each may still be wrong together.
        check_settings(settings, MemoryReactorClock())
    except ConfigError as error:
        complaints += error.located(file, toml).complaints
    return tuple(sorted(complaints, key=lambda complaint: complaint.line))
