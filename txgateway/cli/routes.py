"""``tgw routes``: list the ways into a mapping, and where the fields of a request come from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.markup import escape

from ..core.annotations import Source
from ..core.annotations.agw import modernise
from ..core.annotations.no_body_struct import NO_BODY_STRUCT
from ..core.descriptor import Field, Method, Struct, StructType, TypeName
from ..core.keys import request_keys
from ..core.linker import Cache
from ..core.linker import load as load_file
from ..core.mapping import Route
from ..core.places import is_whole, sources_of
from ..net.mapping.folder import read_file
from ._admin import admin_page
from ._idl import idl_options, load, styled
from ._output import Unable, format_option, new_table, print_json, print_table

StructNamed = Callable[[TypeName], Struct]
Row = dict[str, Any]


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True))
@idl_options
@click.option("--admin", metavar="URL", help="List what the gateway with this admin port serves, instead of IDL.")
@format_option()
def command(paths: Sequence[str], include_dirs: Sequence[str], legacy: bool, admin: str | None, form: str) -> None:
    """List every route, and where its fields come from.

    What could not be loaded is named on standard error, and the exit code is then 1. A running gateway tells
    of its routes without their fields.
    """
    if (admin is None) == (not paths):
        raise click.UsageError("give either files or folders of IDL, or --admin of a running gateway")
    if admin is not None:
        rows, errors = _served(admin)
    else:
        loaded = load(paths, include_dirs, legacy)
        struct = _finder(include_dirs, legacy)
        rows = [_row(route, struct) for route in loaded.mapping.routes]
        errors = [styled(error) for error in loaded.errors]
    for error in errors:
        click.echo(error, err=True)
    if form == "json":
        print_json(rows)
    else:
        _print(rows)
    sys.exit(1 if errors else 0)


def _served(admin: str) -> tuple[list[Row], list[str]]:
    """The routes of a running gateway, and what is wrong in its IDL."""
    page = admin_page(admin, "/routes")
    try:
        return page["routes"], page["mapping"]["errors"]
    except KeyError:
        raise Unable(f"{admin} shows no routes: is that an admin port?") from None


def _finder(include_dirs: Sequence[str], legacy: bool) -> StructNamed:
    cache = Cache()

    def struct(name: TypeName) -> Struct:
        schema = load_file(name.file, read_file, include_dirs, cache=cache).schema
        return (modernise(schema) if legacy else schema).structs[name]

    return struct


def _row(route: Route, struct: StructNamed) -> Row:
    method = route.plan.method
    return {
        "verb": route.verb,
        "path": route.path,
        "service": route.plan.service,
        "method": f"{route.plan.idl_service}.{method.name}",
        "codec": route.plan.codecs.page,
        "fields": {field.name: places_of(field) for field in _request_fields(method, struct)},
    }


def _request_fields(method: Method, struct: StructNamed) -> tuple[Field, ...]:
    if method.arguments and isinstance(method.arguments[0].type, StructType):
        return struct(method.arguments[0].type.name).fields
    return ()


def places_of(field: Field) -> list[str]:
    """Where the gateway looks for a field of a request, in the order in which it does: ``query num``, ``body Num``."""
    if NO_BODY_STRUCT in field.annotations:
        return ["its own fields"]
    ranked = sources_of(field)
    keys = () if is_whole(field) else request_keys(field)
    # Without a source of its own a field is in the body, or in the query of a request that has none.
    query = [f"query {keys[0]}"] if keys and not ranked else []
    return list(dict.fromkeys([*map(_place, ranked), *(f"body {key}" for key in keys), *query]))


def _place(source: Source) -> str:
    return source.place if source.whole else f"{source.place.split()[0]} {source.name}"


def _print(rows: list[Row]) -> None:
    # A running gateway tells of no fields.
    columns = ["Fields"] if any("fields" in row for row in rows) else []
    table = new_table("Verb", "Path", "Service", "Method", "Codec", *columns)
    for row in rows:
        fields = row.get("fields", {}).items()
        lines = "\n".join(f"{name}: {', '.join(places) or 'never'}" for name, places in fields)
        codec = ", ".join(dict.fromkeys(row["codec"].values()))
        named = (escape(row[key]) for key in ("verb", "path", "service", "method"))
        table.add_row(*named, codec, *[escape(lines) for _ in columns])
    print_table(table)
