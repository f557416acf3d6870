"""All settings as text: an example file, and the tables of the reference page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from .setting import Setting, Table, spelled

WIDTH = 100

_HEAD = """\
Every setting of the gateway, each with its default. A file needs to name only those that are to be
otherwise. `tgw config --check FILE` checks one, `twistd tgw --config FILE` serves by it. Settings marked
"live" are taken over at a SIGHUP, all others at a start.
"""


def example(tables: Iterable[Table]) -> str:
    """A TOML file that says of each setting what it means and may be, and gives it its default."""
    return "\n\n".join([_comment(_HEAD), *map(_example_table, tables)]) + "\n"


def _example_table(table: Table) -> str:
    # What is a table itself ends the one around it, so it comes last.
    settings = sorted(table.settings, key=_is_table)
    head = f"{_comment(table.meaning)}\n[{table.name}]"
    return "\n\n".join([head, *map(_example_setting, settings)])


def _is_table(setting: Setting) -> bool:
    return isinstance(setting.default, Mapping)


def _example_setting(setting: Setting) -> str:
    said = _comment(_sentence(setting.meaning)) + "\n" + _comment(f"({_facts(setting)})")
    if _is_table(setting):
        lines = [f"# {line}" for line in setting.example.splitlines()]
        return "\n".join([said, f"[{setting.full_name}]", *lines])
    return f"{said}\n{setting.name} = {spelled(setting.default)}"


def _sentence(meaning: str) -> str:
    first = meaning if meaning.startswith("`") else meaning[:1].upper() + meaning[1:]
    return f"{first}."


def _facts(setting: Setting) -> str:
    return setting.kind.words() + ("; live" if setting.is_live else "")


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in wrap(" ".join(text.split()), WIDTH, break_on_hyphens=False))


def reference(page: str, tables: Sequence[Table]) -> str:
    """The page with the section of each table brought up to date: its heading, its meaning and its settings.

    What else stands on the page, also between the sections, stays; a table that has no section gets
    one at the end.
    """
    for table in tables:
        section = "\n".join(_section(table))
        old = re.search(_pattern(table.name), page)
        page = page[: old.start()] + section + page[old.end() :] if old else f"{page.rstrip()}\n\n{section}\n"
    return page


def _pattern(name: str) -> str:
    """A heading with everything up to the end of the first table behind it."""
    return rf"(?m)^## \[{re.escape(name)}\]\n(?:(?!\||## ).*\n)*(?:\|.*(?:\n(?=\|)|$))+"


def _section(table: Table) -> Iterator[str]:
    yield from (f"## [{table.name}]", "", table.meaning, "")
    yield from ("| setting | default | may be | meaning | taken over |", "| --- | --- | --- | --- | --- |")
    for each in table.settings:
        cells = (f"`{each.name}`", f"`{spelled(each.default)}`", each.kind.words(), each.meaning)
        yield f"| {' | '.join(map(_cell, cells))} | {'live' if each.is_live else 'at a start'} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
