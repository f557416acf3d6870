"""``tgw allow``: let a gateway serve a change that it refused."""

from __future__ import annotations

import click

from ._admin import admin_option, ask
from ._output import format_option, print_json


@click.command()
@click.argument("fingerprint")
@admin_option
@format_option()
def command(fingerprint: str, admin: str, form: str) -> None:
    """Let a gateway serve a change that it refused.

    The log, /routes and `tgw diff` name its FINGERPRINT. The gateway remembers it until it is restarted;
    mapping.allow in its configuration does so for good.
    """
    answer = ask(admin, "/mapping/allow", {"name": fingerprint})
    if form == "json":
        print_json(answer)
    else:
        click.echo(f"allowed {fingerprint}")
