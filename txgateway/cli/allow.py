"""``tgw allow``: let a gateway serve a change that it refused."""

from __future__ import annotations

import click

from ._admin import admin_option, ask


@click.command()
@click.argument("fingerprint")
@admin_option
def command(fingerprint: str, admin: str) -> None:
    """Serve the refused change FINGERPRINT, which the log, /routes and `tgw diff` name.

    The gateway remembers it until it is restarted; mapping.allow in its configuration does so for good.
    """
    ask(admin, "/mapping/allow", {"name": fingerprint})
    click.echo(f"allowed {fingerprint}")
