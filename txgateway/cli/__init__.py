"""The command ``tgw``: each command is a file of this package, found by its name."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
from typing import Any

import click

from .. import __version__
from ._output import Unable


class Commands(click.Group):
    """A module of this package offers the command that is named after it, as ``command``.

    It is imported when the command is asked for, so that no command waits for another's imports.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        # click knows nothing of https://no-color.org; of None it makes what fits the terminal.
        return super().make_context(
            info_name, args, parent, color=False if os.environ.get("NO_COLOR") else None, **extra
        )

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except OSError as error:
            if error.errno == errno.EPIPE:
                # Nobody reads on, which click takes quietly.
                raise
            raise Unable(f"{error.filename or 'the output'}: {error.strerror or error}") from None

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        found = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").command
        assert isinstance(found, click.Command)
        return found


@click.command(cls=Commands, context_settings={"help_option_names": ["--help", "-h"]})
@click.version_option(__version__, prog_name="tgw")
def main() -> None:
    """Work with annotated Thrift IDL, and with gateways that run.

    Every command ends with 0 if all is well, with 1 if what it was asked about is not, and with 2 if it could not
    find out. With --format json it prints what docs/cli.md describes.
    """
