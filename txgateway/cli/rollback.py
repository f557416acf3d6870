"""``tgw rollback``: let a gateway go back to a mapping that it served."""

from __future__ import annotations

import click

from ._admin import admin_option, ask


@click.command()
@click.argument("digest", metavar="HASH")
@admin_option
def command(digest: str, admin: str) -> None:
    """Serve the version HASH again, until the IDL changes; /routes lists the versions.

    The beginning of HASH will do.
    """
    served = ask(admin, "/mapping/rollback", {"name": digest})
    click.echo(f"serving {served['digest']}")
