"""``tgw explain``: what a gateway makes of a request, step by step, and why."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import click
from twisted.internet import reactor, task
from twisted.internet.defer import maybeDeferred

from ..config import ConfigError, Settings, merge
from ..core.explain import Clocks, Served, explain, page_of
from ..core.explain.asking import NotAsked, read_asked
from ..net.explaining import NotExplained
from ..wiring import GatewayService, build_gateway
from ._admin import Refused, admin_or_idl, ask, asked, header_of
from ._explanation import Page, text_of
from ._idl import load, styled
from ._output import Unable

# Seconds until discovery has to have been read, and between two looks at it.
DISCOVERED_WITHIN = 5.0
LOOK_EVERY = 0.05
# Seconds between two questions for live requests.
ASK_EVERY = 1.0


@click.command()
@click.argument("request", required=False, metavar="[REQUEST]")
@click.option("--header", "-H", "headers", multiple=True, metavar="NAME: VALUE", help="A header of the request.")
@click.option("--data", "-d", metavar="BODY", help="Its body; JSON or a form, by how it looks, unless a header says.")
@click.option("--idl", "paths", multiple=True, metavar="PATH", type=click.Path(exists=True), help="A file or folder.")
@click.option(
    "--include-dir", "-I", "include_dirs", multiple=True, metavar="DIR", help="Where includes are looked for."
)
@click.option("--legacy", is_flag=True, help="Let the old names agw.* and janus.* mean what they did.")
@click.option("--static", multiple=True, metavar="NAME=HOST:PORT*WEIGHT", help="An instance of a service.")
@click.option("--etcd", multiple=True, metavar="URL", help="Where instances are found.")
@admin_or_idl("Ask")
@click.option("--call", "calls", is_flag=True, help="Call the service, and tell what came of it.")
@click.option("--live", type=click.IntRange(1, 3600), metavar="SECONDS", help="Explain the requests that come.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def command(
    request: str | None,
    headers: Sequence[str],
    data: str | None,
    paths: Sequence[str],
    include_dirs: Sequence[str],
    legacy: bool,
    static: Sequence[str],
    etcd: Sequence[str],
    admin: str | None,
    calls: bool,
    live: int | None,
    form: str,
) -> None:
    """Explain what becomes of REQUEST, such as 'GET /book/query?num=7'.

    Shown are the route and those that nearly match, where the value of each field comes from, each part of
    each rule with its value, the bytes for the service and the instance that would get them. Without --idl
    a running gateway is asked. Nothing is called without --call. Exits with 1 if the request fails.
    """
    running = asked(admin, paths, include_dirs, legacy, static, etcd)
    if live is not None:
        _follow(running, live, form)
        return
    if request is None:
        raise click.UsageError("give a request, such as 'GET /book/query?num=7'")
    question = _question(request, headers, data, calls)
    if running is not None:
        page = _answered(running, "/explain", question)
    else:
        settings = _settings(paths, include_dirs, legacy, static, etcd)
        page = _found_out(paths, include_dirs, legacy, settings, json.dumps(question))
    _print(page, form)
    status = page["outcome"]["status"]
    sys.exit(1 if status is not None and status >= 400 else 0)


# What is asked


def _answered(admin: str, page: str, question: Page) -> Page:
    """To be refused is no verdict on a request."""
    try:
        return ask(admin, page, question)
    except Refused as refused:
        raise Unable(refused.message) from None


def _question(request: str, headers: Sequence[str], data: str | None, calls: bool) -> Page:
    """As the admin port takes it."""
    verb, target = _split(request.strip())
    pairs = [header_of(header) for header in headers]
    if data is not None and not any(name.lower() == "content-type" for name, _ in pairs):
        kind = "application/json" if data.lstrip()[:1] in ("{", "[") else "application/x-www-form-urlencoded"
        pairs.append(("Content-Type", kind))
    question: Page = {"target": target, "headers": pairs, "call": calls}
    if verb:
        question["verb"] = verb
    return question if data is None else {**question, "body": data}


def _split(request: str) -> tuple[str, str]:
    """The verb, empty if there is none, and the target."""
    first, _, rest = request.partition(" ")
    return (first, rest.strip()) if first.isalpha() else ("", request)


def _settings(
    paths: Sequence[str], include_dirs: Sequence[str], legacy: bool, static: Sequence[str], etcd: Sequence[str]
) -> Settings | None:
    """Those of a gateway that listens nowhere; None if there is none needed."""
    if not static and not etcd:
        return None
    tables: dict[str, dict[str, Any]] = {
        "mapping": {
            "idl": list(paths),
            "include_dirs": list(include_dirs),
            "legacy_annotations": legacy,
            "watch": "off",
        },
        "discovery": {"static": list(static), "etcd": list(etcd)},
        "log": {"access": "off"},
    }
    try:
        return merge(Settings(), tables)
    except ConfigError as error:
        raise Unable(str(error)) from None


# Without a gateway


def _found_out(
    paths: Sequence[str], include_dirs: Sequence[str], legacy: bool, settings: Settings | None, question: str
) -> Page:
    """:param settings: of a gateway of our own, which knows instances; None: there is none."""
    loaded = load(paths, include_dirs, legacy)
    for error in loaded.errors:
        click.echo(styled(error), err=True)
    try:
        asked = read_asked(question)
        if settings is not None:
            return _asked_of_our_own(settings, question)
    except (NotAsked, NotExplained, ConfigError) as error:
        raise Unable(str(error)) from None
    if asked.calls:
        raise click.UsageError("to --call, it has to be known where: give --static, --etcd or --admin")
    served = Served(loaded.mapping, loaded.services)
    return page_of(explain(asked.request, served, Clocks(time.perf_counter, time.time_ns)).explanation)


def _asked_of_our_own(settings: Settings, question: str) -> Page:
    """What a gateway says that runs for this question alone. Raises NotAsked, NotExplained or ConfigError."""
    service = build_gateway(settings, reactor, [])
    outcome: list[Page | Exception] = []
    with suppress(SystemExit):
        task.react(_run, (service, question, outcome))
    if not outcome:
        raise Unable("interrupted")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


async def _run(reactor: Any, service: GatewayService, question: str, outcome: list[Page | Exception]) -> None:
    try:
        service.startService()
    except SystemExit as error:
        outcome.append(NotExplained(str(error)))
        return
    explaining = service.pages.explaining
    assert explaining is not None
    try:
        await _discovered(reactor, service)
        outcome.append(await explaining.explain(question))
    except (NotAsked, NotExplained) as error:
        outcome.append(error)
    finally:
        await service.stopService()


async def _discovered(reactor: Any, service: GatewayService) -> None:
    """Waits until the instances are known. Raises NotExplained if they are not in time."""
    until = reactor.seconds() + DISCOVERED_WITHIN
    while not cast(Page, await maybeDeferred(service.pages.ready))["ready"]:
        if reactor.seconds() > until:
            raise NotExplained(f"etcd has told of no instances within {DISCOVERED_WITHIN:g} seconds")
        await task.deferLater(reactor, LOOK_EVERY)


# Live requests


def _follow(admin: str | None, seconds: int, form: str) -> None:
    """Print the explanation of each request that brings a token, until that has expired."""
    if admin is None:
        raise click.UsageError("--live needs a running gateway, and no --idl")
    wanted: Page = {"seconds": seconds}
    token = _answered(admin, "/explain/token", wanted)
    click.echo(f"requests with this header are explained here, for {seconds} seconds:", err=True)
    click.echo(f"{token['header']}: {token['token']}", err=True)
    with suppress(KeyboardInterrupt):
        while time.time() < token["expires"] - ASK_EVERY:
            time.sleep(ASK_EVERY)
            _print_live(_answered(admin, "/explain/live", {"token": token["token"]}), form)


def _print_live(page: Page, form: str) -> None:
    for each in page["explanations"]:
        if form == "json":
            click.echo(json.dumps(each, ensure_ascii=False))
        else:
            click.echo(f"\n{click.style(each['id'], bold=True)}\n{text_of(each['explanation'])}")
    if page["missed"]:
        click.echo(f"{page['missed']} more came than are kept", err=True)


def _print(page: Page, form: str) -> None:
    click.echo(json.dumps(page, indent=2, ensure_ascii=False) if form == "json" else text_of(page))
