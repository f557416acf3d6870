"""``tgw services``: what a running gateway knows of the instances behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ..core.explain.words import similar
from ._admin import TIMEOUT, admin_option, admin_page
from ._output import Row, Unable, format_option, print_json, print_table

_COLUMNS = (
    "Service", "Instance", "Weight", "State", "Lease", "Calls", "In flight", "Idle", "Cost", "Last error", "Tags",
)  # fmt: skip
_MINOR = ("Tags", "Idle", "Lease", "Cost", "In flight", "Calls", "Weight", "Last error")
COLOURS = {"live": "green", "suspect": "yellow", "draining": "yellow", "ejected": "red"}


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@admin_option
@format_option()
def command(names: tuple[str, ...], admin: str, form: str) -> None:
    """Show the instances of services, and how well they are.

    Those of all services, or of those named, and how etcd is followed. Exits with 1 if a service has no instance
    that is live, or is not served at all.
    """
    page = services_page(admin)
    services: dict[str, list[dict[str, Any]]] = page["services"]
    shown = {name: services.get(name, []) for name in names or sorted(services)}
    if form == "json":
        print_json(shown)
    else:
        _print(shown)
        registries = page.get("registries", ())
        known = [name for registry in registries for name, lines in registry.get("services", {}).items() if lines]
        missing = [name for name, lines in shown.items() if not lines]
        for line in (*_discovery(registries), *_misspelt(missing, known)):
            click.echo(line)
    sys.exit(0 if all(any(line["state"] == "live" for line in lines) for lines in shown.values()) else 1)


def services_page(admin: str, within: float = TIMEOUT) -> dict[str, Any]:
    """What the gateway tells of its services; exits if there is no gateway."""
    page = admin_page(admin, "/services", within)
    if not isinstance(page.get("services"), dict):
        raise Unable(f"{admin} shows no services: is that an admin port?")
    return page


def _print(services: dict[str, list[dict[str, Any]]]) -> None:
    print_table(_COLUMNS, [row for name, lines in services.items() for row in _rows(name, lines)], _MINOR)


def _rows(name: str, lines: list[dict[str, Any]]) -> Iterator[Row]:
    for line in lines:
        yield Row(_cells(name, line), COLOURS.get(line["state"], ""))
    if not lines:
        yield no_instance(name, len(_COLUMNS))


def no_instance(service: str, columns: int) -> Row:
    """The row of a service that has none."""
    return Row((service, "none", *[""] * (columns - 2)), "red")


def _cells(service: str, line: dict[str, Any]) -> tuple[str, ...]:
    cost, error, lease = line.get("cost_ms"), line.get("last_error"), line.get("lease_age")
    return (
        service,
        line["address"],
        str(line["weight"]),
        line["state"],
        "" if lease is None else f"{lease:.0f} s",
        *(str(line[count]) for count in ("calls", "in_flight", "idle")),
        "" if cost is None else f"{cost:.1f} ms",
        "" if error is None else f"{error['what']}, {error['seconds_ago']:.0f} s ago",
        " ".join(f"{name}={value}" for name, value in sorted(line["tags"].items())),
    )


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


def _misspelt(missing: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    for service in missing:
        near = similar(service, (name for name in known if name != service))
        if near:
            yield f"{service} has no instance, but there are some of {near}; is one of the names misspelt?"
