"""An explanation as text, from its page: what a gateway answered, or what was found out here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

Page = dict[str, Any]

_GOOD, _BAD, _ODD = "green", "red", "yellow"
_FATES = {
    "given": _GOOD,
    "default": None,
    "zero": None,
    "absent": None,
    "missing": _BAD,
    "misfit": _BAD,
}
_WORDS = {
    "default": "not given: the IDL's default",
    "zero": "not given: zero is sent",
    "absent": "not given: not sent",
    "missing": "missing",
    "misfit": "does not fit",
}
_MODES = {
    "first": "the first that fails refuses the request",
    "all": "a request is refused with all that fail",
    "observe": "failures are only noticed",
}


def text_of(page: Page) -> str:
    """click takes the colours away where they would not show."""
    parts = (_head, _route, _fields, _rules, _call, _pick, _tries, _time, _outcome)
    return "\n".join(line for part in parts for line in part(page))


def _head(page: Page) -> Iterator[str]:
    yield _bold(f"{page['verb']} {page['target']}")
    if page["body"] != "none":
        yield f"  body: {page['body']}"


def _route(page: Page) -> Iterator[str]:
    route = page["route"]
    yield from _title("route")
    if route is None:
        yield click.style("  none matches", fg=_BAD)
    else:
        yield f"  {route['verb']} {route['path']} is {_bold(route['method'])} of {route['service']}"
        for name, value in route["parameters"].items():
            yield f"  :{name} is {value}"
    for miss in page["near"]:
        yield click.style(f"  not {miss['verb']} {miss['path']} ({miss['method']}): {miss['why']}", dim=True)


def _fields(page: Page) -> Iterator[str]:
    if page["fields"] or page["unused"]:
        yield from _title("fields")
    for field in page["fields"]:
        yield from _field(field, "  ")
    for each in page["unused"]:
        hint = f"; did you mean {each['hint']!r}?" if each["hint"] else ""
        yield click.style(f"  nothing takes the {each['place']} {each['name']!r}{hint}", fg=_ODD)


def _field(field: Page, indent: str) -> Iterator[str]:
    fate, name = field["fate"], field["path"].rpartition(".")[2]
    needed = "" if field["requiredness"] == "default" else f"{field['requiredness']} "
    value = f" = {field['value']}" if field["value"] else ""
    said = click.style(f"  {_WORDS[fate]}", fg=_FATES[fate]) if fate in _WORDS else ""
    yield f"{indent}{_bold(name)} {click.style(needed + field['type'], dim=True)}{value}{said}"
    if field["note"]:
        yield f"{indent}  {click.style(field['note'], fg=_FATES[fate])}"
    conversion = f"  ({field['conversion']})" if field["conversion"] else ""
    for look in field["looks"]:
        if look["found"] is not None or look["note"]:
            took = look["asked"] and not look["note"]
            yield f"{indent}  {_look(look)}{conversion if took else ''}"
    empty = [look["place"] for look in field["looks"] if look["found"] is None and not look["note"] and look["asked"]]
    if empty:
        yield click.style(f"{indent}  nothing at {', '.join(empty)}", dim=True)
    for inner in field["inside"]:
        yield from _field(inner, indent + "    ")


def _look(look: Page) -> str:
    said = look["place"] if look["found"] is None else f"{look['place']}: {look['found']}"
    if look["note"]:
        return click.style(f"{said}  ({look['note']})", fg=_ODD)
    return said if look["asked"] else click.style(f"{said}  (not asked: an earlier place has a value)", fg=_ODD)


def _rules(page: Page) -> Iterator[str]:
    if not page["rules"]:
        return
    yield from _title(f"rules ({_MODES.get(page['validate'], page['validate'])})")
    for rule in page["rules"]:
        verdict = click.style("holds", fg=_GOOD) if rule["holds"] else click.style("fails", fg=_BAD, bold=True)
        yield f"  {verdict}  {_bold(rule['path'])}  {_on_a_line(rule['rule'])}"
        parts = [("  " * part["depth"] + _on_a_line(part["text"]), part["value"]) for part in rule["parts"]]
        width = min(max((len(text) for text, _ in parts), default=0), 60)
        yield from (f"         {text:{width}}  {value}" for text, value in parts)
        if rule["message"]:
            yield f"         says: {rule['message']}"


def _call(page: Page) -> Iterator[str]:
    call = page["call"]
    if call is None:
        return
    yield from _title(f"call: {call['method']} of {call['service']}, {call['bytes']} bytes of arguments")
    width = max((len(line["hex"]) for line in call["dump"]), default=0)
    for line in call["dump"]:
        offset = click.style(f"{line['offset']:04x}", dim=True)
        yield f"  {offset}  {line['hex']:{width}}  {'  ' * line['depth']}{line['text']}"
    if not call["whole"]:
        yield "  … and so on"
    for name in ("hash_key", "subset"):
        if call[name]:
            yield f"  {name.replace('_', ' ')}: {call[name]}"
    policy = ", ".join(f"{name} {value}" for name, value in call["policy"].items())
    if policy:
        yield f"  policy: {policy}"


def _pick(page: Page) -> Iterator[str]:
    pick = page["pick"]
    if pick is None:
        return
    yield from _title("instance")
    yield click.style(f"  {pick['why']}", fg=None if pick["available"] else _BAD)
    rows = [_candidate(each, each["address"] == pick["chosen"]) for each in pick["candidates"]]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        rest = [cell for cell in row[4:] if cell]
        colour = _ODD if row[4] else _GOOD if row[0].startswith(">") else None
        yield click.style(f"  {line}  {'; '.join(rest)}".rstrip(), fg=colour)
    if pick["more"]:
        yield f"    and {pick['more']} more"
    yield from (click.style(f"  {hint}", fg=_ODD) for hint in pick["hints"])


def _candidate(each: Page, is_chosen: bool) -> list[str]:
    share = "" if each["share"] is None or each["excluded"] else f"{each['share']:.0%}"
    tags = " ".join(f"{name}={value}" for name, value in sorted(each["tags"].items()))
    mark = ">" if is_chosen else " "
    error = f"last failure: {each['last_error']}" if each["last_error"] else ""
    return [
        f"{mark} {each['address']}",
        f"weight {each['weight']}",
        each["state"],
        share,
        each["excluded"],
        error,
        tags,
    ]


def _tries(page: Page) -> Iterator[str]:
    if page["tries"]:
        yield from _title("tries")
    for number, each in enumerate(page["tries"], 1):
        said = click.style(each["failure"], fg=_BAD) if each["failure"] else click.style("a reply", fg=_GOOD)
        yield f"  {number}. {each['address']}: {said} after {each['milliseconds']:g} ms"


def _time(page: Page) -> Iterator[str]:
    if page["steps"]:
        yield from _title("time")
        yield "  " + ", ".join(f"{step['name']} {_duration(step['microseconds'])}" for step in page["steps"])


def _duration(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 1000 else f"{microseconds:g} µs"


def _outcome(page: Page) -> Iterator[str]:
    outcome = page["outcome"]
    yield from _title("outcome")
    status = outcome["status"]
    if status is None:
        yield f"  {outcome['says']}"
        return
    colour = _GOOD if status < 300 else _ODD if status < 400 else _BAD
    yield f"  {click.style(str(status), fg=colour, bold=True)}  {outcome['says']}"
    yield from (click.style(f"  {name}: {value}", dim=True) for name, value in outcome["headers"])
    if outcome["body"]:
        yield f"  {outcome['body']}"


def _title(text: str) -> Iterable[str]:
    return ("", click.style(text, bold=True, underline=True))


def _bold(text: str) -> str:
    return click.style(text, bold=True)


def _on_a_line(text: str) -> str:
    return " ".join(text.split())
