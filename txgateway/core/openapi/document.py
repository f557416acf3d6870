"""The OpenAPI 3.1 document of a mapping, piece by piece: a large one never has to be in memory as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, count
from urllib.parse import quote

import orjson
from attrs import evolve, frozen

from ..annotations.verb import ANY
from ..mapping import MappedService, Route
from ..plan import Plan
from ..policy import OBSERVE
from ..selection import PARAMETER
from .calls import call_request
from .components import PROBLEM, TEXTS, Components
from .json_schema import Json
from .paths import Template, renamed, template_of
from .requests import AUTHORIZATION, RequestParts, request_of
from .responses import Responses, components_of, problem
from .rules import HELD, NOT_HELD, Held
from .types import Types, text_of
from .words import described, paragraphs_of, summary

VERSION = "3.1.0"
_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_SELECTION: Json = {
    "name": PARAMETER,
    "in": "query",
    "required": False,
    "description": "The fields that the answer is to have, by their keys: `title,authors(name)`.",
    "schema": {"type": "string"},
}
# Routes that no path of OpenAPI can tell from another one.
UNLISTED = "x-tgw-unlisted"


@frozen
class About:
    """What a document says that no IDL does.

    :ivar title: empty: the names of the services.
    :ivar version: of the interface; empty: ``0``, for OpenAPI wants one.
    :ivar servers: URLs of the public port; none: where the document is.
    :ivar id_header: the header that says the id of a request; empty: none does.
    :ivar calls: JSON calls are described, too.
    """

    title: str = ""
    version: str = ""
    servers: tuple[str, ...] = ()
    id_header: str = ""
    calls: bool = False


class Document:
    """The document of some services.

    :param routes: all that are served; those of other services are left out.
    """

    def __init__(self, services: Iterable[MappedService], routes: Iterable[Route], about: About) -> None:
        self._services = {service.name: service for service in services}
        self._about = about
        # Of the components that are not schemas, those that something refers to.
        self._problems: set[str] = set()
        self._authorized = False
        self._components = Components([service.schema for service in self._services.values()])
        self._described = {
            name: _Described.of(Types(number, service.schema, self._components), about.id_header, self._problems)
            for number, (name, service) in enumerate(self._services.items())
        }
        self._tags = _tags(self._services.values())
        # How many methods there are of each name.
        self._methods = Counter(
            method.name for s in self._services.values() for each in s.schema.services for method in each.methods
        )
        self._ids: set[str] = set()
        self._paths, self._unlisted = _by_paths(route for route in routes if route.plan.service in self._services)

    def whole(self) -> Json:
        """All of it."""
        paths = dict(self.paths())
        return {**self.head(), "paths": paths, "components": {"schemas": dict(self.schemas()), **self._common()}}

    def text(self) -> Iterator[bytes]:
        """All of it as JSON, piece by piece."""
        yield orjson.dumps(self.head())[:-1] + b',"paths":{'
        yield from _members(self.paths())
        yield b'},"components":{"schemas":{'
        yield from _members(self.schemas())
        yield b"}," + orjson.dumps(self._common())[1:] + b"}"

    def head(self) -> Json:
        """All but paths and components."""
        info = {"title": self._about.title or ", ".join(self._services), "version": self._about.version or "0"}
        head: Json = {"openapi": VERSION, "info": info}
        # Where a document names no server, it means its own.
        head["servers"] = [{"url": url} for url in self._about.servers or ("/",)]
        # Who needs credentials is said where a field takes them.
        head["security"] = []
        docs = {(name, each.name.name): each.doc for name, s in self._services.items() for each in s.schema.services}
        head["tags"] = [described({"name": tag}, docs[owner]) for owner, tag in self._tags.items()]
        return {**head, UNLISTED: self._unlisted} if self._unlisted else head

    def paths(self) -> Iterator[tuple[str, Json]]:
        """Each path with its operations."""
        for path, operations in self._paths.items():
            yield path, {verb.lower(): self._route(verb, *each) for verb, each in operations.items()}
        for name, service in self._services.items() if self._about.calls else ():
            for method, plan in _calls(service):
                yield f"/gateway/{quote(name)}/{quote(method)}", {"post": self._call(plan)}

    def schemas(self) -> Iterator[tuple[str, Json]]:
        """Each named schema; only once all paths were taken is it known which there are."""
        described_by = list(self._described.values())
        for name, component in self._components.waiting():
            yield name, described_by[component.owner].types.component(component)
        for integer in sorted(self._components.texts):
            yield TEXTS[integer], text_of(integer)
        yield PROBLEM, problem()

    def _common(self) -> Json:
        """The other components, of which it is known in the end which are needed."""
        common = components_of(self._about.id_header, self._problems)
        if self._authorized:
            common["securitySchemes"] = {AUTHORIZATION: {"type": "apiKey", "in": "header", "name": "Authorization"}}
        return common

    def _route(self, verb: str, route: Route, template: Template) -> Json:
        each, method = self._described[route.plan.service], route.plan.method
        request = _selecting(request_of(each.types, method.arguments, verb, template, _held(route.plan)), route.plan)
        name = self._id(route.plan, verb.title())
        return self._operation(route.plan, name, request, each.responses.of_route(method, request))

    def _call(self, plan: Plan) -> Json:
        each, method = self._described[plan.service], plan.method
        request = _selecting(call_request(each.types, method.arguments, _held(plan)), plan)
        name = self._id(plan, "Call", is_call=True)
        return self._operation(plan, name, request, each.responses.of_call(method, request))

    def _operation(self, plan: Plan, name: str, request: RequestParts, responses: Json) -> Json:
        short, long = summary(plan.method.doc)
        notes = [*request.notes]
        if plan.policy.validate == OBSERVE:
            notes.append("Rules are only observed here: what they would refuse, passes.")
        tag = self._tags[plan.service, plan.idl_service]
        operation: Json = {"operationId": name, "tags": [tag], "summary": short or plan.method.name}
        operation = described(operation, paragraphs_of((long, *notes)))
        if request.parameters:
            operation["parameters"] = list(request.parameters)
        if request.body is not None:
            operation["requestBody"] = request.body
        if request.authorization is not None:
            self._authorized = True
            operation["security"] = [{AUTHORIZATION: []}] if request.authorization else [{}, {AUTHORIZATION: []}]
        return {**operation, "responses": responses}

    def _id(self, plan: Plan, end: str, *, is_call: bool = False) -> str:
        """A name of its own: the method's, with its service's in front if two have it, and an end behind if taken."""
        name = plan.method.name
        if self._methods[name] > 1:
            name = f"{self._tags[plan.service, plan.idl_service]}_{name}"
        tries = chain((name + (end if is_call else ""), name + end), (f"{name}{end}{number}" for number in count(2)))
        found = next(each for each in tries if each not in self._ids)
        self._ids.add(found)
        return found


@frozen
class _Described:
    """What describes the methods of one service."""

    types: Types
    responses: Responses

    @classmethod
    def of(cls, types: Types, id_header: str, problems: set[str]) -> _Described:
        return cls(types, Responses(types, id_header, problems))


def _selecting(request: RequestParts, plan: Plan) -> RequestParts:
    """With the parameter that chooses fields of the answer, where there is one."""
    return request if plan.select is None else evolve(request, parameters=(*request.parameters, _SELECTION))


def _held(plan: Plan) -> Held:
    return NOT_HELD if plan.policy.validate == OBSERVE else HELD


def _calls(service: MappedService) -> Iterator[tuple[str, Plan]]:
    """The methods that JSON calls reach, by the shortest of their names."""
    seen: set[int] = set()
    for name, (plan, _) in sorted(service.calls.items(), key=lambda call: "." in call[0]):
        if id(plan) not in seen:
            seen.add(id(plan))
            yield name, plan


def _tags(services: Iterable[MappedService]) -> dict[tuple[str, str], str]:
    """The tag of each service of the IDL: its name, with that of the registry in front if two have it."""
    owners = [(service.name, each.name.name) for service in services for each in service.schema.services]
    named = Counter(name for _, name in owners)
    return {(owner, name): name if named[name] == 1 else f"{owner}.{name}" for owner, name in owners}


Operations = dict[str, tuple[Route, Template]]


def _by_paths(routes: Iterable[Route]) -> tuple[dict[str, Operations], list[str]]:
    """The operations of each path, by their verbs; and the routes that look like another one's path.

    To OpenAPI two paths are one if they differ in the names of parameters alone.
    """
    templates: dict[str, Template] = {}
    paths: dict[str, Operations] = {}
    unlisted = []
    for route in routes:
        template = template_of(route.path)
        first = templates.setdefault(template.shape, template)
        operations = paths.setdefault(first.path, {})
        for verb in _VERBS if route.verb == ANY else [route.verb]:
            if verb in operations:
                unlisted.append(f"{verb} {route.path}")
            else:
                operations[verb] = (route, renamed(template, first))
    return paths, unlisted


def _members(pairs: Iterable[tuple[str, Json]]) -> Iterator[bytes]:
    """The members of a JSON object, without its braces."""
    comma = b""
    for name, value in pairs:
        yield b"%b%b:%b" % (comma, orjson.dumps(name), orjson.dumps(value))
        comma = b","
