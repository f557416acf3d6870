"""JSON Schema as values: what one allows, another may tighten."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]

# Takes everything, and nothing.
ANYTHING: Json = {}
NOTHING: Json = {"not": {}}

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# Schemas of what is inside.
PARTS = ("items", "additionalProperties", "propertyNames")
# Of a number.
BOUNDS = frozenset({"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"})
# What these say, null does not meet.
_OF_NULL = ("$ref", "enum", "const", "not", "anyOf", "oneOf", "allOf")


def tightened(base: Json, further: Json) -> Json:
    """What both take; neither is changed."""
    both = dict(base)
    for word, value in further.items():
        if word not in both:
            both[word] = value
        elif word in _LEAST:
            both[word] = max(both[word], value)
        elif word in _MOST:
            both[word] = min(both[word], value)
        elif word in PARTS:
            both[word] = tightened(both[word], value)
        elif word == "allOf":
            both[word] = [*both[word], *value]
        elif word == "enum":
            both[word] = [each for each in both[word] if each in value]
        elif both[word] != value:
            both["allOf"] = [*both.get("allOf", ()), {word: value}]
    return _less_said(both)


def _less_said(schema: Json) -> Json:
    """Without a bound that another makes needless; the dictionary is ours to change."""
    if "minimum" in schema and "exclusiveMinimum" in schema:
        del schema["minimum" if schema["minimum"] <= schema["exclusiveMinimum"] else "exclusiveMinimum"]
    if "maximum" in schema and "exclusiveMaximum" in schema:
        del schema["maximum" if schema["maximum"] >= schema["exclusiveMaximum"] else "exclusiveMaximum"]
    return schema


def either(schemas: list[Json]) -> Json:
    """What any of them takes."""
    possible = [schema for schema in schemas if schema != NOTHING]
    if ANYTHING in possible:
        return ANYTHING
    if len(possible) < 2:
        return possible[0] if possible else NOTHING
    return {"anyOf": possible}


def negated(schema: Json) -> Json:
    """What it does not take."""
    if schema == ANYTHING:
        return NOTHING
    return dict(schema["not"]) if schema.keys() == {"not"} else {"not": schema}


def or_null(schema: Json) -> Json:
    """The same, and null."""
    if any(word in schema for word in _OF_NULL):
        # Words for people stay outside, where they are looked for.
        told = {word: value for word, value in schema.items() if _is_told(word)}
        return {
            "anyOf": [{word: value for word, value in schema.items() if not _is_told(word)}, {"type": "null"}],
            **told,
        }
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def _is_told(word: str) -> bool:
    return word in ("description", "default") or word.startswith("x-")


def range_of(schema: Json) -> tuple[int, int]:
    """From where to where the integers go that a schema with two bounds takes."""
    low = math.ceil(schema["minimum"]) if "minimum" in schema else math.floor(schema["exclusiveMinimum"]) + 1
    high = math.floor(schema["maximum"]) if "maximum" in schema else math.ceil(schema["exclusiveMaximum"]) - 1
    return low, high
