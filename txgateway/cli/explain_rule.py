"""``tgw explain-rule``: each part of a rule of ``api.vd`` with its value."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ..core.explain_rule import Explanation, explain_rule
from ..core.expression import RuleError
from ._output import format_option, print_json


@click.command()
@click.argument("rule")
@click.argument("value")
@click.option("--name", default="value", metavar="NAME", help="What the field is called.")
@click.option("--type", "type_", default="", metavar="TYPE", help="Its type, such as i32 or list<string>.")
@click.option(
    "--with", "others", multiple=True, metavar="NAME=VALUE", help="Another field of the same struct, for (NAME)$."
)
@format_option()
def command(rule: str, value: str, name: str, type_: str, others: tuple[str, ...], form: str) -> None:
    """Show what RULE makes of VALUE, part by part.

    Values are JSON; what is no JSON is a text. null is a field that is not set. Exits with 1 if the rule refuses.
    """
    siblings = {key: _json(text) for key, _, text in (other.partition("=") for other in others)}
    try:
        explanation = explain_rule(rule, _json(value), name=name, type=type_, siblings=siblings)
    except RuleError as error:
        raise click.ClickException(_refusal(rule, error)) from None
    if form == "json":
        print_json(_as_values(explanation))
    else:
        click.echo(_as_text(explanation))
    sys.exit(0 if explanation.failure is None else 1)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refusal(rule: str, error: RuleError) -> str:
    line = rule.replace("\n", " ")
    caret = " " * error.offset + "^"
    return "\n".join([error.message, f"    {line}", f"    {caret}", *([f"    {error.hint}"] if error.hint else [])])


def _as_text(explanation: Explanation) -> str:
    rows = [("  " * part.depth + " ".join(part.text.split()), part.value) for part in explanation.parts]
    width = max((len(text) for text, _ in rows), default=0)
    lines = [f"{text.ljust(width)}  {value}" for text, value in rows]
    failure = explanation.failure
    lines.append("passes" if failure is None else f"fails: {failure.message}")
    return "\n".join(lines)


def _as_values(explanation: Explanation) -> dict[str, Any]:
    failure = explanation.failure
    return {
        "passes": failure is None,
        "message": None if failure is None else failure.message,
        "parts": [
            {"depth": part.depth, "text": " ".join(part.text.split()), "value": part.value}
            for part in explanation.parts
        ],
    }
