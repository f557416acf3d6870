"""``tgw openapi``: the OpenAPI document of IDL, for whoever writes clients."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from ..core.loading import LoadedMapping
from ..core.mapping import MappedService
from ..core.openapi.document import UNLISTED, About, Document
from ._idl import idl_arguments, load, styled
from ._output import Bar


@click.command()
@idl_arguments
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only this service; may be repeated.")
@click.option("--title", default="", help="Of the document; by default the names of the services.")
@click.option("--api-version", default="", metavar="TEXT", help="The version of the interface.")
@click.option("--server", "servers", multiple=True, metavar="URL", help="Where it is served; may be repeated.")
@click.option("--request-id", default="X-Request-Id", help="The header that says a request's id; empty: none does.")
@click.option("--calls", is_flag=True, help="Describe JSON calls, too: POST /gateway/SERVICE/METHOD.")
@click.option("--format", "form", type=click.Choice(["json"]), default="json", help="How to print it.")
def command(
    paths: Sequence[str],
    include_dirs: Sequence[str],
    legacy: bool,
    services: Sequence[str],
    title: str,
    api_version: str,
    servers: Sequence[str],
    request_id: str,
    calls: bool,
    form: str,
) -> None:
    """Print the OpenAPI 3.1 document of IDL files and folders.

    What could not be loaded is named on standard error, and the exit code is then 1.
    """
    loaded = load(paths, include_dirs, legacy)
    for error in loaded.errors:
        click.echo(styled(error), err=True)
    about = About(title, api_version, tuple(servers), request_id, calls)
    chosen = _chosen(loaded, services)
    with Bar("describing"):
        document = Document(chosen, loaded.mapping.routes, about).whole()
    for route in document.get(UNLISTED, ()):
        click.echo(f"{route} is left out: to OpenAPI its path is that of another route", err=True)
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    sys.exit(1 if loaded.errors else 0)


def _chosen(loaded: LoadedMapping, names: Sequence[str]) -> list[MappedService]:
    unknown = [name for name in names if name not in loaded.services]
    if unknown:
        known = ", ".join(loaded.services) or "none"
        raise click.ClickException(f"there is no service {', '.join(unknown)}; there are {known}")
    return [service for name, service in loaded.services.items() if not names or name in names]
