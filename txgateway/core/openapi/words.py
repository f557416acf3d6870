"""What people read in a document: doc comments, messages of rules, and what no schema says."""

from __future__ import annotations

from collections.abc import Iterable

from .json_schema import Json
from .rules import FieldRules

# Where the extension stands, each rule of the place is a line: ``rule``, ``message``, ``in_schema``.
RULES = "x-tgw-rule"


def described(schema: Json, *paragraphs: str) -> Json:
    """The schema with a description of all paragraphs that are not empty."""
    text = paragraphs_of(paragraphs)
    return {**schema, "description": text} if text else schema


def paragraphs_of(paragraphs: Iterable[str]) -> str:
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def with_rules(schema: Json, rules: FieldRules, *paragraphs: str) -> Json:
    """The schema with the rules in words: their messages, and the text of those that it says not all of."""
    told = described(schema, *paragraphs, *map(_told, rules.written, rules.words))
    return {**told, RULES: list(rules.written)} if rules.written else told


def _told(line: Json, words: str) -> str:
    message: str = line.get("message", "")
    if line["in_schema"]:
        return message
    return f"{message} (`{words}`)" if message else f"It has to meet `{words}`."


def summary(doc: str) -> tuple[str, str]:
    """The first sentence of a doc comment, without its end, and the whole comment if there is more in it."""
    first, _, rest = doc.partition("\n")
    sentence, stop, more = first.partition(". ")
    return sentence.rstrip("."), doc if rest.strip() or (stop and more.strip()) else ""
