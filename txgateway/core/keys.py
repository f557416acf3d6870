"""Which keys a field has in JSON, and what else its annotations say of it there."""

from __future__ import annotations

from .annotations import keys, marked
from .annotations.body_dynamic import BODY_DYNAMIC
from .annotations.js_conv import JS_CONV
from .annotations.none import NONE
from .descriptor import Field, Scalar, ScalarType

API_BODY, API_FORM, API_KEY, GO_TAG = "api.body", "api.form", "api.key", "go.tag"


def nested_key(field: Field) -> str | None:
    """The key inside a struct that is a field of another; None: JSON does not have the field."""
    return None if marked(field, NONE) else _first(field, (GO_TAG, API_KEY))


def call_key(field: Field) -> str | None:
    """The key in a JSON call, at any depth: there the field's name, or its ``go.tag``."""
    return None if marked(field, NONE) else _first(field, (GO_TAG,))


def call_argument_key(field: Field) -> str | None:
    """The key in the arguments of a JSON call; ``api.none`` hides only results there."""
    return _first(field, (GO_TAG,))


def response_key(field: Field) -> str | None:
    """The key in the outermost struct of a response."""
    return None if marked(field, NONE) else _first(field, (API_BODY, GO_TAG, API_KEY))


def request_keys(field: Field) -> tuple[str, ...]:
    """The keys in the outermost struct of a JSON body, in the order in which they are tried.

    A field of a form goes by its form's name as well: the same request may come as either.
    """
    if marked(field, NONE):
        return ()
    named = _all(field, API_BODY)
    if not named:
        key = _first(field, (GO_TAG, API_KEY))
        named = () if key is None else (key,)
    return tuple(dict.fromkeys(_all(field, API_FORM) + named))


def converts(field: Field) -> bool:
    """Whether its numbers may be text, and its i64 are answered as text."""
    return marked(field, JS_CONV)


def embeds(field: Field) -> bool:
    """Whether its text is JSON and stands in JSON as such."""
    return marked(field, BODY_DYNAMIC) and isinstance(field.type, ScalarType) and field.type.scalar is Scalar.STRING


def _all(field: Field, annotation: str) -> tuple[str, ...]:
    """The keys that these annotations give; an empty one gives none."""
    return tuple(a.value for a in field.annotations.all(annotation) if a.value)


def _first(field: Field, which: tuple[str, ...]) -> str | None:
    """The key that the first of these annotations gives, or else the field's name."""
    for annotation in which:
        for found in field.annotations.all(annotation):
            key = keys[annotation](found.value)
            if key != "":
                return key
    return field.name
