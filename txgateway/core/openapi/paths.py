"""Routes of an IDL as OpenAPI spells them: ``/books/:id`` is ``/books/{id}``."""

from __future__ import annotations

import re
from urllib.parse import quote

from attrs import frozen

from ..routing import Segment, parse_route

# What a template cannot have in a name, or would be read as something else.
_ODD = re.compile(r"[{}?#\s]")


@frozen
class Parameter:
    """A parameter of a path.

    :ivar name: in the template.
    :ivar bound: the name by which fields ask for it; empty if a later one of the same name has it.
    :ivar is_tail: it takes all that is left of the path, slashes too, and nothing as well.
    """

    name: str
    bound: str
    is_tail: bool


@frozen
class Template:
    """:ivar shape: two templates are the same to OpenAPI if their shapes are."""

    path: str
    parameters: tuple[Parameter, ...]

    @property
    def shape(self) -> str:
        return re.sub(r"\{[^{}]*\}", "{}", self.path)


def template_of(path: str) -> Template:
    """:param path: a route as the IDL writes it."""
    segments = parse_route(path)
    names = [segment.name for segment in segments if segment.sign]
    parameters: list[Parameter] = []
    spelled = []
    for segment in segments:
        name = _name(segment, [each.name for each in parameters])
        spelled.append(quote(segment.literal, safe="~!$&'()+,;=@-._") + (f"{{{name}}}" if segment.sign else ""))
        if segment.sign:
            names.pop(0)
            # Of several of one name the last one counts.
            bound = "" if segment.name in names else segment.name
            parameters.append(Parameter(name, bound, segment.sign == "*"))
    return Template("/" + "/".join(spelled), tuple(parameters))


def renamed(template: Template, other: Template) -> Template:
    """The template with the names of another one of the same shape."""
    pairs = zip(template.parameters, other.parameters, strict=True)
    parameters = (Parameter(theirs.name, ours.bound, ours.is_tail) for ours, theirs in pairs)
    return Template(other.path, tuple(parameters))


def _name(segment: Segment, taken: list[str]) -> str:
    name = _ODD.sub("_", segment.name)
    while name in taken:
        name += "_"
    return name
