"""``tgw push``: store IDL in etcd, from where every gateway serves it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from twisted.internet import task

from ..core.etcd import EtcdError
from ..core.pushed_idl import DEFAULT_PREFIX, PushError
from ..net.etcd_client import Access, EtcdClient
from ..net.mapping.etcd import push
from ..net.mapping.folder import find_roots, read_file
from ._idl import load, styled


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@click.option("--etcd", "urls", multiple=True, default=["http://127.0.0.1:2379"], show_default=True, metavar="URL")
@click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="mapping.pushed_prefix of the gateways.")
@click.option("--include-dir", "-I", "include_dirs", multiple=True, metavar="DIR", help="For includes.")
@click.option("--user", default="", help="etcd user.")
@click.option("--password", default="", envvar="TGW_ETCD_PASSWORD", help="etcd password.")
@click.option("--ca", type=click.Path(exists=True), help="File with the certificate that signed etcd's.")
@click.option("--force", is_flag=True, help="Push although the IDL has errors.")
def command(
    folder: str,
    urls: Sequence[str],
    prefix: str,
    include_dirs: Sequence[str],
    user: str,
    password: str,
    ca: str | None,
    force: bool,
) -> None:
    """Make the IDL below DIR the version that all gateways serve which follow this etcd.

    What was pushed before and is not below DIR any more is served no more.
    """
    loaded = load([folder], include_dirs, False)
    for error in loaded.errors:
        click.echo(styled(error), err=True)
    if loaded.errors and not force:
        raise click.ClickException("nothing was pushed: there are errors")
    files = {str(Path(path).relative_to(folder)): read_file(path) for path in find_roots([folder])}
    try:
        access = Access(list(urls), user=user, password=password, ca=Path(ca) if ca else None)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    outcome: list[str | Exception] = []
    with suppress(SystemExit):
        task.react(_push, (access, prefix, files, outcome))
    if not outcome or isinstance(outcome[0], Exception):
        raise click.ClickException(f"nothing was pushed: {outcome[0] if outcome else 'interrupted'}")
    click.echo(f"pushed {len(files)} file{'' if len(files) == 1 else 's'} as version {outcome[0]}")


async def _push(
    reactor: Any, access: Access, prefix: str, files: dict[str, str], outcome: list[str | Exception]
) -> None:
    client = EtcdClient(reactor, access)
    try:
        outcome.append(await push(client, prefix, files, time.time()))
    except (EtcdError, PushError, ValueError) as error:
        outcome.append(error)
    await client.close()
