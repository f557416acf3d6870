"""``tgw rollback``: let a gateway go back to a mapping that it served."""

from __future__ import annotations

import click

from ._admin import admin_option, ask
from ._output import format_option, print_json


@click.command()
@click.argument("digest", metavar="HASH")
@admin_option
@format_option()
def command(digest: str, admin: str, form: str) -> None:
    """Let a gateway go back to a mapping that it served.

    The version HASH is served until the IDL changes; /routes lists the versions. The beginning of HASH will do.
    """
    served = ask(admin, "/mapping/rollback", {"name": digest})
    if form == "json":
        print_json(served)
    else:
        click.echo(f"serving {served['digest']}")
