"""``tgw routes``: list the ways into a mapping, and where the fields of a request come from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

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
from ._admin import admin_or_idl, admin_page, asked
from ._idl import idl_options, load, styled
from ._output import Row, Unable, format_option, print_json, print_table

StructNamed = Callable[[TypeName], Struct]
Line = dict[str, Any]

COLUMNS = ("Verb", "Path", "Service", "Method", "Codec", "Fields")
MINOR = ("Codec", "Fields", "Service", "Method")


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True))
@idl_options
@admin_or_idl("List the routes of")
@format_option()
def command(paths: Sequence[str], include_dirs: Sequence[str], legacy: bool, admin: str | None, form: str) -> None:
    """List every route, and where its fields come from.

    Without a PATH those of a running gateway, which tells of them without their fields. What could not be loaded
    is named on standard error, and the exit code is then 1.
    """
    running = asked(admin, paths, include_dirs, legacy)
    if running is not None:
        lines, errors = _served(running)
    else:
        loaded = load(paths, include_dirs, legacy)
        struct = _finder(include_dirs, legacy)
        lines = [_line(route, struct) for route in loaded.mapping.routes]
        errors = [styled(error) for error in loaded.errors]
    for error in errors:
        click.echo(error, err=True)
    if form == "json":
        print_json(lines)
    else:
        _print(lines)
    sys.exit(1 if errors else 0)


def _served(admin: str) -> tuple[list[Line], list[str]]:
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


def _line(route: Route, struct: StructNamed) -> Line:
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


def _print(lines: list[Line]) -> None:
    # A running gateway tells of no fields.
    columns = COLUMNS if any("fields" in line for line in lines) else COLUMNS[:-1]
    print_table(columns, [_row(line, len(columns)) for line in lines], MINOR)


def _row(line: Line, columns: int) -> Row:
    fields = "\n".join(f"{name}: {', '.join(places) or 'never'}" for name, places in line.get("fields", {}).items())
    codec = ", ".join(dict.fromkeys(line["codec"].values()))
    return Row((line["verb"], line["path"], line["service"], line["method"], codec, fields)[:columns])
