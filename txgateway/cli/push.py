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
from ..core.explain.words import count_of
from ..core.pushed_idl import DEFAULT_PREFIX, PushError
from ..net.etcd_client import Access, EtcdClient
from ..net.mapping.etcd import push
from ..net.mapping.folder import find_roots, read_file
from ._idl import idl_options, load, styled
from ._output import Bar, Unable, format_option, print_json


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--etcd",
    "urls",
    multiple=True,
    default=["http://127.0.0.1:2379"],
    show_default=True,
    metavar="URL",
    help="A member of the etcd.",
)
@click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="mapping.pushed_prefix of the gateways.")
@idl_options
@click.option("--user", default="", metavar="NAME", help="etcd user.")
@click.option(
    "--password", default="", metavar="TEXT", envvar="TGW_ETCD_PASSWORD", show_envvar=True, help="etcd password."
)
@click.option("--ca", metavar="FILE", type=click.Path(exists=True), help="The certificate that signed etcd's.")
@click.option("--certificate", metavar="FILE", type=click.Path(exists=True), help="The certificate to show to etcd.")
@click.option("--key", metavar="FILE", type=click.Path(exists=True), help="Its key.")
@click.option("--force", is_flag=True, help="Push although the IDL has errors.")
@format_option()
def command(
    folder: str,
    urls: Sequence[str],
    prefix: str,
    include_dirs: Sequence[str],
    legacy: bool,
    user: str,
    password: str,
    ca: str | None,
    certificate: str | None,
    key: str | None,
    force: bool,
    form: str,
) -> None:
    """Store IDL in etcd, from where every gateway serves it.

    All gateways that follow this etcd serve the IDL below DIR from then on. What was pushed before and is not below
    DIR any more is served no more.
    """
    loaded = load([folder], include_dirs, legacy)
    for error in loaded.errors:
        click.echo(styled(error), err=True)
    if loaded.errors and not force:
        raise click.ClickException("nothing was pushed: there are errors")
    files = {str(Path(path).relative_to(folder)): read_file(path) for path in find_roots([folder])}
    try:
        access = Access(
            list(urls), user=user, password=password, ca=_path(ca), certificate=_path(certificate), key=_path(key)
        )
    except ValueError as error:
        raise Unable(str(error)) from None
    outcome: list[str | Exception] = []
    with Bar("pushing"), suppress(SystemExit):
        task.react(_push, (access, prefix, files, outcome))
    if not outcome or isinstance(outcome[0], Exception):
        raise Unable(f"nothing was pushed: {outcome[0] if outcome else 'interrupted'}")
    if form == "json":
        print_json({"files": len(files), "version": outcome[0]})
    else:
        click.echo(f"pushed {count_of(len(files), 'file')} as version {outcome[0]}")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


async def _push(
    reactor: Any, access: Access, prefix: str, files: dict[str, str], outcome: list[str | Exception]
) -> None:
    client = EtcdClient(reactor, access)
    try:
        outcome.append(await push(client, prefix, files, time.time()))
    except (EtcdError, PushError, ValueError) as error:
        outcome.append(error)
    await client.close()
