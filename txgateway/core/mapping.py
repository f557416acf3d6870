"""The mapping of HTTP to Thrift as one immutable value: all routes, services and plans of the IDL.

Each IDL file is compiled by itself, so that a bad one is refused without the others;
joined, a route has one owner only, and the file that came first keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Dictionary
from functools import cache
from urllib.parse import unquote

from attrs import evolve, field, frozen

from . import annotations as known_annotations
from .annotations import NO_SURROUNDINGS, Surroundings, verbs
from .annotations.agw import modernise
from .annotations.verb import ANY
from .call_binding import is_enveloped
from .codec.native import AUTO
from .descriptor import Annotation, Method, Position, Schema, Service
from .errors import BadRoute, Diagnostic, IdlError, NotFound, VerbNotAllowed
from .inputs import PathParameters
from .mapping_warnings import method_warnings
from .message import Request
from .plan import NO_POLICIES, Plan, Planner, PlanSettings
from .policy import Policies, Policy
from .routing import Router, shape

__all__ = ["MappedService", "Mapping", "MappingSettings", "PathParameters", "Route", "compile_service", "join"]

# The plans for JSON calls of a method, in their present and in their old form.
CallPlans = tuple[Plan, Plan | None]

_NO_PARAMETERS: PathParameters = {}


@frozen
class MappingSettings:
    """What the mapping takes from the configuration.

    :ivar legacy: whether the old names ``agw.*`` and ``janus.*`` mean what they once did.
    :ivar business_status: the HTTP status of a business status error.
    :ivar policies: give each method its policy.
    :ivar codec: which codec serves, see ``codec.native``.
    :ivar max_output: bytes that the arguments made of a request may have, and the body made of a reply.
    :ivar selects: whether requests may ask for some fields of a result.
    """

    legacy: bool = False
    business_status: int = 500
    policies: Policies = NO_POLICIES
    codec: str = AUTO
    max_output: int = 64 << 20
    selects: bool = False

    @property
    def of_plans(self) -> PlanSettings:
        return PlanSettings(self.business_status, self.policies, self.codec, self.max_output, self.selects)


@frozen
class Route:
    """One way into a method: ``verb`` in capitals or ``ANY``, ``path`` as the IDL spells it."""

    verb: str
    path: str
    plan: Plan
    position: Position


@frozen
class MappedService:
    """One IDL file, compiled.

    :ivar name: the service's name in the registry; several services of a file share it.
    :ivar calls: for JSON calls: a method's plans by its name, and by ``Service.method``.
    :ivar policies: those of its methods, by their names.
    """

    name: str
    schema: Schema
    routes: tuple[Route, ...]
    calls: Dictionary[str, CallPlans]
    warnings: tuple[Diagnostic, ...] = ()
    policies: Dictionary[str, Policy] = field(eq=False, repr=False)

    @policies.default
    def _of_calls(self) -> Dictionary[str, Policy]:
        return {plan.policy.name: plan.policy for plan, _ in self.calls.values()}


@frozen(eq=False)
class Mapping:
    """All that the gateway serves; a change of an IDL makes another mapping.

    :ivar services: the names in the registry of all services.
    :ivar routes: every route, by file and in written order.
    :ivar files: the file of each service.
    """

    routes: tuple[Route, ...] = ()
    services: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    _calls: Dictionary[str, Dictionary[str, CallPlans]] = field(factory=dict)
    _router: Router = field(factory=Router)

    def route(self, request: Request) -> tuple[Route, PathParameters]:
        """The route that a request takes, and the values in its path.

        :raises NotFound: no such path.
        :raises VerbNotAllowed: the path is known, the verb is not.
        :raises Answered: a redirect, or the answer to OPTIONS; ``render_failure`` knows it.
        """
        return self._router.find(request)

    def route_generic(self, request: Request) -> tuple[Plan, PathParameters]:
        """The plan for a JSON call, ``POST /gateway/<service>/<method>``; raises NotFound or VerbNotAllowed."""
        _, _, service, method, *more = [*request.path.split(b"/", 4), b"", b"", b""]
        if any(more):
            raise NotFound("A JSON call has the path /gateway/<service>/<method>")
        call, enveloped = self._call_plans(_decoded(service), _decoded(method))
        if request.verb != "POST":
            raise VerbNotAllowed(("POST",), "A JSON call is a POST")
        in_old_form = enveloped is not None and is_enveloped(request.body)
        return (enveloped if enveloped is not None and in_old_form else call), _NO_PARAMETERS

    def generic(self, service: str, method: str) -> Plan:
        """The plan for JSON calls of a method; raises NotFound."""
        return self._call_plans(service, method)[0]

    def _call_plans(self, service: str, method: str) -> CallPlans:
        methods = self._calls.get(service)
        if methods is None:
            raise NotFound(f"There is no service {service[:80]!r}")
        if method not in methods:
            raise NotFound(f"The service {service} has no method {method[:80]!r}")
        return methods[method]


def _decoded(segment: bytes) -> str:
    return unquote(segment.decode("utf-8", "replace"))


@cache
def _load_annotations() -> None:
    known_annotations.load()


def compile_service(
    name: str,
    schema: Schema,
    settings: MappingSettings = MappingSettings(),
    surroundings: Surroundings = NO_SURROUNDINGS,
    breathe: Callable[[], None] = lambda: None,
) -> MappedService:
    """Compiles one IDL file.

    :param name: the service's name in the registry.
    :param surroundings: the lines of IDL files, to be shown with a complaint, and the time.
    :param breathe: called some times in a millisecond, by whoever compiles beside other work.
    :raises IdlError: with all that is wrong in the file.
    """
    _load_annotations()
    if not schema.services:
        raise IdlError((Diagnostic("the file declares no service", Position(schema.file, 1, 1)),))
    compiler = _Compiler(name, modernise(schema) if settings.legacy else schema, settings, surroundings, breathe)
    for service in compiler.schema.services:
        for method in service.methods:
            compiler.add(service, method)
            breathe()
    return compiler.mapped()


class _Compiler:
    """Gathers routes, plans and complaints of one file."""

    def __init__(
        self,
        name: str,
        schema: Schema,
        settings: MappingSettings,
        surroundings: Surroundings,
        breathe: Callable[[], None],
    ) -> None:
        self.schema = schema
        self._name = name
        self._lines = surroundings.lines
        self._planner = Planner(name, schema, settings.of_plans, surroundings, breathe)
        self._owners = Owners()
        self._routes: list[Route] = []
        self._calls: dict[str, CallPlans] = {}
        # What two methods have in common is complained of once.
        self._errors: dict[Diagnostic, None] = {}
        self._warnings: dict[Diagnostic, None] = {}

    def add(self, service: Service, method: Method) -> None:
        try:
            plans = self._planner.call_plans(service, method)
            # Two services of a file may share a method's name: the later has it, as in Kitex.
            self._calls[method.name] = self._calls[f"{service.name.name}.{method.name}"] = plans
            written = list(routes_of(method))
            if written:
                self._add_routes(written, self._planner.route_plan(service, method))
            self._warnings |= dict.fromkeys(method_warnings(self.schema, method))
        except IdlError as error:
            self._errors |= dict.fromkeys(error.diagnostics)

    def _add_routes(self, written: list[tuple[str, Annotation]], plan: Plan) -> None:
        for verb, annotation in written:
            path = annotation.value if annotation.value.startswith("/") else f"/{annotation.value}"
            route = Route(verb, path, plan, annotation.position)
            try:
                # Without the slash that was added, so that an empty path stays one.
                shape(annotation.value)
                taken = self._owners.take(route)
            except BadRoute as error:
                self._complain(f"{plan.method.name}: {error}", annotation.position)
                continue
            if taken is None:
                self._routes.append(route)
            elif not same_method(taken, route):
                self._errors[conflict(route, taken)] = None

    def _complain(self, message: str, position: Position) -> None:
        self._errors[Diagnostic(message, position)] = None

    def mapped(self) -> MappedService:
        """The file, compiled; raises IdlError if there is an error in it."""
        warnings = tuple(map(self._shown, self._warnings))
        if self._errors:
            raise IdlError((*map(self._shown, self._errors), *warnings))
        return MappedService(self._name, self.schema, tuple(self._routes), self._calls, warnings)

    def _shown(self, complaint: Diagnostic) -> Diagnostic:
        place = complaint.position
        return complaint if complaint.source else evolve(complaint, source=self._lines(place.file, place.line))


class Owners:
    """Who has which verb of which path."""

    def __init__(self) -> None:
        self._taken: dict[tuple[tuple[bytes, str], ...], dict[str, Route]] = {}

    def owner(self, route: Route) -> Route | None:
        """Who has this route already; ANY and each verb are in each other's way. Raises BadRoute."""
        for verb, owner in self._taken.get(shape(route.path), {}).items():
            if verb == route.verb or (ANY in (verb, route.verb) and not same_method(owner, route)):
                return owner
        return None

    def take(self, route: Route) -> Route | None:
        """Gives the route to this one unless somebody has it, who is then returned. Raises BadRoute."""
        owner = self.owner(route)
        if owner is None:
            self._taken.setdefault(shape(route.path), {})[route.verb] = route
        return owner


def routes_of(method: Method) -> Iterator[tuple[str, Annotation]]:
    """Verb and annotation of every route of a method, in written order."""
    for annotation in method.annotations:
        if annotation.key.lower() in verbs:
            yield verbs[annotation.key.lower()], annotation


def same_method(one: Route, other: Route) -> bool:
    """Whether two routes lead to one method, which an inherited one and its parent's are."""
    first, second = one.plan.method, other.plan.method
    return (first.declared_in, first.name) == (second.declared_in, second.name)


def conflict(route: Route, owner: Route) -> Diagnostic:
    message = f"{route.verb} {route.path} of {route.plan.method.name} is already a route of {owner.plan.method.name}"
    return Diagnostic(message, route.position, hint=f"which is at {owner.position}")


def join(
    services: Iterable[MappedService], breathe: Callable[[], None] = lambda: None
) -> tuple[Mapping, tuple[IdlError, ...]]:
    """The mapping of several files, and a refusal for each that takes what an earlier one has.

    A file is refused whole. A method that a file inherits from another is no conflict: its
    routes belong to the file that declares it.

    :param breathe: called after each file, by whoever joins beside other work.
    """
    services = tuple(services)
    files = {service.schema.file for service in services}
    joined: list[MappedService] = []
    refused: list[IdlError] = []
    owners = Owners()
    for service in services:
        routes = tuple(route for route in service.routes if not _is_inherited(route, service, files))
        taken = [conflict(route, owner) for route in routes if (owner := owners.owner(route)) is not None]
        if any(service.name == earlier.name for earlier in joined):
            place = Position(service.schema.file, 1, 1)
            taken.append(Diagnostic(f"another file serves {service.name!r} already", place))
        if taken:
            refused.append(IdlError(tuple(taken)))
            continue
        joined.append(evolve(service, routes=routes))
        for route in routes:
            owners.take(route)
        breathe()
    return _mapping(joined, breathe), tuple(refused)


def _is_inherited(route: Route, service: MappedService, files: set[str]) -> bool:
    """Whether the route's method is declared in another of the files, which has the route as well."""
    declared_in = route.plan.method.declared_in.file
    return declared_in != service.schema.file and declared_in in files


def _mapping(services: list[MappedService], breathe: Callable[[], None]) -> Mapping:
    routes = tuple(route for service in services for route in service.routes)
    router: Router = Router()
    for service in services:
        for route in service.routes:
            router.add(route.verb, route.path, route)
        breathe()
    names, files = tuple(s.name for s in services), tuple(s.schema.file for s in services)
    return Mapping(routes, names, files, {s.name: s.calls for s in services}, router)
