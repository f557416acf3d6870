"""What a route takes: parameters, a body and credentials, by the places where its fields are looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from ..annotations import Source
from ..annotations.body import Body
from ..annotations.cookie import Cookie
from ..annotations.form import Form
from ..annotations.header import RequestHeader
from ..annotations.path import Path
from ..annotations.query import Query
from ..annotations.raw_body import RawBody
from ..descriptor import Field, Scalar, ScalarType, Struct, StructKind, StructType
from ..keys import converts, nested_key
from ..places import Otherwise, Plain, Wanted, is_demanded, places_of_value, sources_of, wanted_of
from .components import Direction, Family
from .json_schema import Json, or_null, tightened
from .paths import Template
from .rules import NOT_HELD, Held, inside
from .texts import TextSchema, text_schema
from .types import FieldSchema, Types, incoming
from .words import RULES, paragraphs_of

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
# How a body is called that is taken as it is.
BYTES, TEXT = "application/octet-stream", "text/plain"
# The scheme of credentials that a field takes from the header of that name.
AUTHORIZATION = "authorization"

# Nobody expects a body with other verbs: what may stand there or in the query is shown in the query.
_BODIED = ("POST", "PUT", "PATCH")
# Tools pass over parameters of these names: OpenAPI has other words for them.
_OF_CONTENT = ("accept", "content-type")
_IN = {Path: "path", Query: "query", Form: "query", Plain: "query", RequestHeader: "header", Cookie: "cookie"}


@frozen
class RequestParts:
    """
    :ivar body: None where none is expected.
    :ivar authorization: how that header is needed: None, not at all; else whether a request may not come without it.
    :ivar notes: what else people have to know.
    """

    parameters: tuple[Json, ...] = ()
    body: Json | None = None
    authorization: bool | None = None
    notes: tuple[str, ...] = ()


@frozen
class _Placed:
    """A field, and where a route looks for it.

    :ivar held: which rules hold for it.
    :ivar sources: those outside of the body.
    :ivar in_body: it is a member of the body.
    :ivar is_body: it is all of the body.
    """

    wanted: Wanted
    held: Held
    sources: tuple[Source, ...] = ()
    in_body: bool = False
    is_body: bool = False

    @property
    def is_alone(self) -> bool:
        """Whether there is one place only: what a request needs, it then needs there."""
        return len(self.sources) + self.in_body + self.is_body == 1


def request_of(types: Types, arguments: Sequence[Field], verb: str, template: Template, held: Held) -> RequestParts:
    """
    :param arguments: of the method; the first is the one that counts.
    :param held: which rules are held against requests at all.
    """
    if not arguments:
        return _Request(types, template, []).parts(None)
    argument, has_body = arguments[0], verb in _BODIED
    if isinstance(argument.type, StructType):
        struct = types.schema.structs[argument.type.name]
        wanted = wanted_of(struct.fields, types.schema)
        has_body = has_body or any(map(_needs_body, wanted))
        placed = list(_placed(wanted, held, template, has_body))
        request = _Request(types, template, placed)
        return request.parts(request.members(struct, held))
    if has_body and not sources_of(argument):
        return _Request(types, template, []).parts(_whole(types, argument))
    otherwise = Otherwise.REFUSED if is_demanded(argument) else Otherwise.UNSET
    only = Wanted(argument, places_of_value(argument), otherwise)
    has_body = has_body or _needs_body(only)
    request = _Request(types, template, list(_placed((only,), NOT_HELD, template, has_body)))
    return request.parts(request.forms())


def _whole(types: Types, argument: Field) -> Json:
    """The JSON body that is an argument which is no struct."""
    demanded = is_demanded(argument)
    schema = types.value(argument.type, Family(Direction.REQUEST, NOT_HELD), converted=converts(argument))
    schema = types.told(argument, schema if demanded else or_null(schema), Direction.REQUEST)
    return {"required": demanded, "content": {JSON: {"schema": schema}}}


def _needs_body(wanted: Wanted) -> bool:
    """Whether nothing but a body has the field; a form's may stand in the query."""
    sources = (*wanted.places.before, *wanted.places.after)
    return bool(sources) and all(isinstance(source, Body | RawBody) for source in sources)


def _placed(fields: Sequence[Wanted], held: Held, template: Template, has_body: bool) -> Iterator[_Placed]:
    for wanted in fields:
        if wanted.inside is not None:
            yield from _placed(wanted.inside, inside(wanted.field, held), template, has_body)
        elif wanted.places:
            yield _place(wanted, held, template, has_body)


def _place(wanted: Wanted, held: Held, template: Template, has_body: bool) -> _Placed:
    sources = (*wanted.places.before, *wanted.places.after)
    in_path = {each.bound for each in template.parameters}
    from_path = tuple(source for source in sources if isinstance(source, Path) and source.name in in_path)
    if from_path:
        # The route always has it, so nobody asks any further.
        return _Placed(wanted, held, from_path[:1])
    outside = (Query, RequestHeader, Cookie) if has_body else (Query, RequestHeader, Cookie, Form, Plain)
    return _Placed(
        wanted,
        held,
        tuple(source for source in sources if isinstance(source, outside)),
        in_body=has_body and any(isinstance(source, Form | Body | Plain) for source in sources),
        is_body=any(isinstance(source, RawBody) for source in sources),
    )


class _Request:
    """Puts the parts of one route's requests together."""

    def __init__(self, types: Types, template: Template, placed: Sequence[_Placed]) -> None:
        self._types = types
        self._template = template
        self._placed = placed
        self._parameters: dict[tuple[str, str], Json] = {}
        self._authorization: bool | None = None
        self._notes: list[str] = []

    def parts(self, body: Json | None) -> RequestParts:
        for placed in self._placed:
            for source in placed.sources:
                self._add(placed, source)
        self._add_unbound()
        body = self._with_raw(body)
        ordered = tuple(self._parameters.values())
        return RequestParts(ordered, body, self._authorization, tuple(self._notes))

    # Parameters

    def _add(self, placed: _Placed, source: Source) -> None:
        place = next(place for kind, place in _IN.items() if isinstance(source, kind))
        text = text_schema(self._types, placed.wanted, placed.held)
        required = text.demanded and placed.is_alone
        name = source.name
        if place == "header" and name.lower() == AUTHORIZATION:
            self._authorization = required or bool(self._authorization)
            return
        if place == "header" and name.lower() in _OF_CONTENT:
            self._notes.append(f"The header `{name}` becomes the field `{placed.wanted.field.name}`.")
            return
        if place == "path":
            self._add_path(name, text)
            return
        parameter = _parameter(name, place, text, _elsewhere(placed, source))
        self._parameters.setdefault((place, name), {**parameter, "required": required})

    def _add_path(self, bound: str, text: TextSchema) -> None:
        each = next(each for each in self._template.parameters if each.bound == bound)
        note = "All that is left of the path; slashes in it may stay as they are." if each.is_tail else ""
        if not each.is_tail and text.schema.get("type") == "string":
            text = evolve(text, schema=tightened(text.schema, {"minLength": 1}))
        self._parameters.setdefault(("path", each.name), _parameter(each.name, "path", text, note))

    def _add_unbound(self) -> None:
        """Parameters of the path that no field asks for: they may be anything."""
        for each in self._template.parameters:
            text = TextSchema(True, {"type": "string"} if each.is_tail else {"type": "string", "minLength": 1})
            self._parameters.setdefault(("path", each.name), _parameter(each.name, "path", text))

    # Bodies

    def members(self, struct: Struct, held: Held) -> Json | None:
        """A body whose members are fields, as JSON and, where the IDL speaks of forms, as such."""
        placed = [each for each in self._placed if each.in_body]
        fields = [self._json_field(each) for each in placed]
        content = self._form_content(placed)
        # One that is the whole body as well has no key of its own in JSON.
        keyed = [(each, field) for each, field in zip(placed, fields, strict=True) if each.wanted.places.keys]
        if struct.kind is StructKind.UNION and len(keyed) < len(struct.fields):
            self._notes.append(f"Exactly one field of `{struct.name}` has to be given, wherever it stands.")
            struct = evolve(struct, kind=StructKind.STRUCT)
        if keyed:
            content[JSON] = {"schema": self._json(struct, keyed, held)}
        return _body(content, struct.kind is StructKind.UNION or any(field.demanded for field in fields))

    def forms(self) -> Json | None:
        """The body of an argument that is no struct, but a form's field."""
        placed = [each for each in self._placed if each.in_body]
        return _body(self._form_content(placed), any(self._form_field(each).demanded for each in placed))

    def _json(self, struct: Struct, keyed: Sequence[tuple[_Placed, FieldSchema]], held: Held) -> Json:
        family, is_whole = Family(Direction.REQUEST, held), len(keyed) == len(struct.fields)
        if is_whole and all(each.wanted.places.keys == _nested(each) for each, _ in keyed):
            # As if the struct stood inside of another one, where it has a name.
            return self._types.named(struct, family)
        members = [(each.wanted.places.keys[0], field) for each, field in keyed]
        return self._types.asserted(struct, incoming(struct, members), family)

    def _json_field(self, placed: _Placed) -> FieldSchema:
        field = self._types.field(placed.wanted.field, Family(Direction.REQUEST, placed.held))
        return evolve(field, demanded=field.demanded and placed.is_alone)

    def _form_content(self, placed: Sequence[_Placed]) -> Json:
        if not any(isinstance(source, Form) for each in placed for source in _sources(each)):
            return {}
        texts = [(_form_name(each), self._form_field(each)) for each in placed]
        schema: Json = {"type": "object", "properties": {name: text.schema for name, text in texts}}
        required = [name for name, text in texts if text.demanded]
        if required:
            schema["required"] = required
        encoding = {name: {"contentType": JSON} for name, text in texts if text.is_json}
        content = {"schema": schema, "encoding": encoding} if encoding else {"schema": schema}
        return {FORM: content, MULTIPART: content}

    def _form_field(self, placed: _Placed) -> TextSchema:
        text = text_schema(self._types, placed.wanted, placed.held)
        return evolve(text, demanded=text.demanded and placed.is_alone)

    def _with_raw(self, body: Json | None) -> Json | None:
        """With the body as it is, if a field takes that."""
        raw = next((each for each in self._placed if each.is_body), None)
        if raw is None:
            return body
        text = text_schema(self._types, raw.wanted, raw.held)
        is_text = raw.wanted.field.type == ScalarType(Scalar.STRING, raw.wanted.field.type.annotations)
        schema = tightened(text.schema, {"minLength": 1}) if text.demanded else text.schema
        as_it_is = {TEXT: {"schema": schema}} if is_text else {BYTES: {}}
        content = {**(body or {}).get("content", {}), **as_it_is}
        described = {
            "description": paragraphs_of((raw.wanted.field.doc, "A body of any content type is taken as it is."))
        }
        required = (body or {}).get("required", False) or (text.demanded and raw.is_alone)
        return {**described, "required": required, "content": content}


def _body(content: Json, required: bool) -> Json | None:
    return {"required": required, "content": content} if content else None


def _sources(placed: _Placed) -> tuple[Source, ...]:
    return (*placed.wanted.places.before, *placed.wanted.places.after)


def _nested(placed: _Placed) -> tuple[str, ...]:
    """The keys of a field that has none of its own for the outermost struct, nor any other place."""
    key = nested_key(placed.wanted.field)
    return () if key is None or not placed.is_alone else (key,)


def _form_name(placed: _Placed) -> str:
    return next(source.name for source in _sources(placed) if isinstance(source, Form | Body | Plain))


def _parameter(name: str, place: str, text: TextSchema, *notes: str) -> Json:
    schema = dict(text.schema)
    told = {RULES: schema.pop(RULES)} if RULES in schema else {}
    description = paragraphs_of((schema.pop("description", ""), *notes))
    parameter: Json = {"name": name, "in": place, "required": place == "path"}
    if description:
        parameter["description"] = description
    if text.is_json:
        return {**parameter, "content": {JSON: {"schema": schema}}, **told}
    if text.is_list and place == "cookie":
        parameter["explode"] = False
    return {**parameter, "schema": schema, **told}


def _elsewhere(placed: _Placed, source: Source) -> str:
    """The other places of a field."""
    others = [str(other) for other in placed.sources if other is not source]
    if placed.in_body:
        others.append("the body")
    return f"Or from: {', '.join(others)}." if others else ""
