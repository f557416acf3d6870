"""``tgw services``: what a running gateway knows of the instances behind it."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# A page of a thousand instances has 400 kB; more than this is no page of ours.
MAX_PAGE = 64 * 1024 * 1024
SECONDS = 10.0

_COLUMNS = (
    "service", "instance", "weight", "state", "lease", "calls", "in flight", "idle", "cost", "last error", "tags",
)  # fmt: skip
_COLOURS = {"live": "green", "suspect": "yellow", "draining": "yellow", "ejected": "red"}


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@click.option("--admin", default="http://127.0.0.1:8081", show_default=True, help="The gateway's admin port.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def command(names: tuple[str, ...], admin: str, form: str) -> None:
    """Show the instances of all services, or of those named, how well they are, and how etcd is followed.

    Exits with 1 if a service has no instance that is live, or is not served at all.
    """
    page = _page(f"{admin.rstrip('/')}/services")
    services: dict[str, list[dict[str, Any]]] = page["services"]
    shown = {name: services.get(name, []) for name in names or sorted(services)}
    if form == "json":
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _print(shown)
        for line in _discovery(page.get("registries", ())):
            click.echo(line)
    sys.exit(0 if all(any(line["state"] == "live" for line in lines) for lines in shown.values()) else 1)


def _page(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            page = json.loads(answer.read(MAX_PAGE))
    except urllib.error.HTTPError as error:
        error.close()
        raise click.ClickException(f"{url} answers with {error.code}: is that an admin port?") from None
    except OSError as error:
        raise click.ClickException(f"{url}: {getattr(error, 'reason', error)}") from None
    except ValueError:
        page = None
    if not isinstance(page, dict) or not isinstance(page.get("services"), dict):
        raise click.ClickException(f"{url} shows no services: is that an admin port?")
    return page


def _print(services: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(*(name.capitalize() for name in _COLUMNS), box=None, pad_edge=False, header_style="bold")
    for name, lines in services.items():
        for line in lines:
            table.add_row(*map(escape, _cells(name, line)), style=_COLOURS.get(line["state"]))
        if not lines:
            table.add_row(escape(name), "none", style="red")
    # Only a terminal has an edge to break lines at.
    Console(width=None if sys.stdout.isatty() else 1_000, highlight=False).print(table)


def _cells(service: str, line: dict[str, Any]) -> list[str]:
    cost, error, lease = line.get("cost_ms"), line.get("last_error"), line.get("lease_age")
    return [
        service,
        line["address"],
        str(line["weight"]),
        line["state"],
        "" if lease is None else f"{lease:.0f} s",
        *(str(line[count]) for count in ("calls", "in_flight", "idle")),
        "" if cost is None else f"{cost:.1f} ms",
        "" if error is None else f"{error['what']}, {error['seconds_ago']:.0f} s ago",
        " ".join(f"{name}={value}" for name, value in sorted(line["tags"].items())),
    ]


def _discovery(registries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each prefix of etcd that is followed, and one for each service that stands elsewhere."""
    for registry in registries:
        for prefix in registry.get("prefixes", ()):
            heard = "never heard of" if prefix["age"] is None else f"heard of {prefix['age']:.0f} s ago"
            state = "connected" if prefix["connected"] else f"serving what is known: {prefix['trouble']}"
            yield (
                f"{registry['endpoint']} {prefix['prefix'] or '/'}: {state}; "
                f"revision {prefix['revision']}, {prefix['keys']} keys, {heard}, {prefix['reconnects']} reconnects"
            )
        for service, prefixes in registry.get("elsewhere", {}).items():
            yield f"{service} has no instance here, but some under {', '.join(prefixes)}"
