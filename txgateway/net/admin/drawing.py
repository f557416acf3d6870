"""Draws the pages: values into templates, which escape all of them, since names, texts and tags come from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from ... import __version__
from ...core.explain.words import similar
from ...core.pages import words
from ...core.pages.series import trend
from ...core.pages.sparkline import bars, line

Page = Mapping[str, Any]

# The parts of a page that change while it is looked at, by their names there, with their templates.
LIVE: Mapping[str, Mapping[str, str]] = {
    "overview": {"status": "status.html", "problems": "problems.html", "services": "services.html"},
    "service": {"service": "service_now.html", "idl": "idl.html"},
    "log": {"log": "log_now.html"},
}

# Of a file so many lines of so many characters are shown; longer files are shown without colours.
MOST_LINES = 5_000
LONGEST_LINE = 1_000
COLOURED = 100_000

_TYPES = {"css": b"text/css", "js": b"text/javascript", "svg": b"image/svg+xml"}


@frozen
class Asset:
    """A file that never changes under its address, which holds the digest of its content."""

    address: str
    type: bytes
    content: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """All that come with us, by their names."""
    folder = files(__package__) / "assets"
    return {each.name: asset(each.name, each.read_bytes()) for each in folder.iterdir() if each.is_file()}


def asset(name: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:16]
    kind = _TYPES.get(name.rpartition(".")[2], b"application/octet-stream")
    return Asset(f"/ui/assets/{digest}/{name}", kind + b"; charset=utf-8", content)


@cache
def environment() -> Environment:
    drawn = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in ("number", "rate", "milliseconds", "duration", "percent", "clock", "day", "iso", "many"):
        drawn.filters[name] = getattr(words, name)
    drawn.filters["similar_to"] = lambda known, name: similar(name, known)
    drawn.globals |= {
        "trend": trend,
        "line": line,
        "bars": bars,
        "caret": _caret,
        "anchor": anchor,
        "asset": lambda name: assets()[name].address,
        "version": __version__,
    }
    return drawn


def document(name: str, values: Page) -> bytes:
    """A whole page."""
    return environment().get_template(f"{name}.html").render(_prepared(values)).encode("utf-8", "replace")


def live_parts(name: str, values: Page, wanted: Iterable[str] = ()) -> dict[str, str]:
    """The parts of a page that change, by their names; all, if none is named."""
    prepared = _prepared(values)
    return {part: environment().get_template(LIVE[name][part]).render(prepared) for part in wanted or LIVE[name]}


def _prepared(values: Page) -> Page:
    if "texts" not in values:
        return values
    seen: set[str] = set()
    texts = []
    for file in values["texts"]:
        texts.append({**_file(file), "is_first": file["path"] not in seen})
        seen.add(file["path"])
    return {**values, "texts": texts}


def _file(file: Page) -> dict[str, Any]:
    said: dict[int, list[Any]] = {}
    for each in file["complaints"]:
        said.setdefault(each["line"], []).append(each)
    return {
        "path": file["path"],
        "state": file["state"],
        "complaints": file["complaints"],
        "said": said,
        "lines": _lines(file["text"]),
        "cut": file["cut"] or file["text"].count("\n") > MOST_LINES,
    }


def _lines(text: str) -> list[Markup]:
    # A lone CR would be a line to some and none to others.
    lines = [line.rstrip("\r").replace("\r", " ")[:LONGEST_LINE] for line in text.split("\n")[:MOST_LINES]]
    coloured = _coloured("\n".join(lines)) if sum(map(len, lines)) <= COLOURED else ()
    return list(coloured) if len(coloured) == len(lines) else list(map(escape, lines))


@lru_cache(maxsize=32)
def _coloured(text: str) -> tuple[Markup, ...]:
    lexer = get_lexer_by_name("thrift", stripnl=False, ensurenl=False)
    # Its comments want a line end behind them.
    drawn = highlight(text + "\n", lexer, HtmlFormatter(nowrap=True))
    # Pygments escapes what it does not write itself.
    return tuple(map(Markup, drawn.split("\n")[:-1]))


def anchor(file: str, line: int) -> str:
    """Names a line of a file in an address."""
    return f"{quote(file, safe='/')}:{line}"


def _caret(source: str, column: int) -> str:
    """Points at a column of a line; tabs stay tabs, so that it lands under its character."""
    return "".join("\t" if c == "\t" else " " for c in source[: max(0, column - 1)]) + "^"
