"""Where the settings of a TOML document stand, which its parser does not say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

# What may hold a bracket or the end of a line that ends no statement, and those themselves.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}\n]",
    re.DOTALL,
)


def lines_of_names(toml: str) -> dict[str, int]:
    """The line, from 1, of each table and setting, by its full name: ``{"http": 1, "http.listen": 2}``.

    :param toml: a document that can be parsed.
    """
    found: dict[str, int] = {}
    table: tuple[str, ...] = ()
    for line, statement in _statements(toml):
        parsed = tomllib.loads(statement)
        if statement.startswith("["):
            table = _table(parsed)
            found.setdefault(".".join(table), line)
        else:
            for name in _names(parsed):
                found.setdefault(".".join((*table, *name)), line)
    return found


def line_of(name: str, lines: dict[str, int]) -> int:
    """The line of a setting, or of the nearest table around it that has one; 0 if none has."""
    while name and name not in lines:
        name = name.rpartition(".")[0]
    return lines.get(name, 0)


def _statements(toml: str) -> Iterator[tuple[int, str]]:
    """Each header and each assignment, with the number of its first line."""
    start, depth = 0, 0
    toml = toml.replace("\r\n", "\n") + "\n"
    for token in _TOKEN.finditer(toml):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        elif token[0] == "\n" and not depth:
            statement = toml[start : token.start()].lstrip(" \t")
            if statement and not statement.startswith("#"):
                yield toml.count("\n", 0, start) + 1, statement
            start = token.end()


def _table(header: dict[str, Any]) -> tuple[str, ...]:
    path: list[str] = []
    value: Any = header
    while value:
        if isinstance(value, dict):
            ((name, value),) = value.items()
            path.append(name)
        else:
            # A table of a list of tables.
            value = value[0]
    return tuple(path)


def _names(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *inner) for inner in _names(value))
