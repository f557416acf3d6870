"""Tells of one request, step by step, up to the call, which is not made."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from typing import Any, TypeVar

from attrs import evolve, frozen

from ..codec.structs import Structs, ThriftStruct
from ..descriptor import Schema, StructType
from ..errors import GatewayError
from ..inputs import PathParameters, body_kind
from ..mapping import MappedService, Mapping, Route
from ..message import Call, Request
from ..places import Wanted, places_of_value, wanted_of
from ..plan import Plan, is_streaming
from ..policy import OBSERVE
from ..request_steps import access_to
from ..sensitive import Sensitive, SensitiveFields
from .fields import Told, tell_call, tell_route
from .hiding import answers_openly, hidden_keys, shown_target
from .outcome import failed, undecided
from .routes import is_json_call, near_calls, near_misses, story_of
from .rules import tell_rules
from .sending import story_of_call
from .story import HIDDEN, CallStory, Explanation, RuleStory, Step, Unused
from .words import count_of, printable

T = TypeVar("T")


@frozen
class Explained:
    """An explanation, and what it takes to go on from there.

    :ivar is_call: whether the request is a JSON call.
    :ivar call: what would be sent; None if nothing would.
    :ivar answers_openly: whether what the service answers may be shown.
    """

    explanation: Explanation
    is_call: bool
    plan: Plan | None = None
    call: Call | None = None
    answers_openly: bool = True


@frozen
class Served:
    """What requests are served by.

    :ivar services: of which the mapping is made, by their names in the registry.
    """

    mapping: Mapping
    services: Dictionary[str, MappedService]


@frozen
class Clocks:
    """
    :ivar seconds: to measure steps by.
    :ivar now: nanoseconds since 1970, for rules.
    """

    seconds: Callable[[], float]
    now: Callable[[], int]


def explain(request: Request, served: Served, clocks: Clocks) -> Explained:
    """What the gateway makes of a request, up to the call, which is not made."""
    stopwatch = _Stopwatch(clocks.seconds)
    mapping = served.mapping
    is_call = is_json_call(mapping, request)
    try:
        route, plan, parameters = stopwatch.time("route", _routed, mapping, request, is_call)
    except GatewayError as error:
        near = near_calls(served.services.values(), request) if is_call else near_misses(mapping, request, None)
        path = printable(request.path) + ("?…" if request.query else "")
        steps = stopwatch.steps
        return Explained(
            Explanation(request.verb, path, _body(request), None, near, failed(error), steps=steps), is_call
        )
    telling = _Telling(request, plan, route, parameters, served.services[plan.service].schema)
    explanation = telling.explanation(mapping, clocks.now)
    try:
        call = _call(request, plan, parameters, stopwatch)
    except GatewayError as error:
        explanation = evolve(explanation, outcome=failed(error, plan), steps=stopwatch.steps)
        return Explained(explanation, is_call, plan)
    story = telling.story_of(call)
    explanation = evolve(explanation, call=story, steps=stopwatch.steps)
    return Explained(explanation, is_call, plan, call, answers_openly(telling.schema, plan.method))


def _routed(mapping: Mapping, request: Request, is_call: bool) -> tuple[Route | None, Plan, PathParameters]:
    """The route is None for a JSON call."""
    if is_call:
        return None, *mapping.route_generic(request)
    route, parameters = mapping.route(request)
    return route, route.plan, parameters


def _call(request: Request, plan: Plan, parameters: PathParameters, stopwatch: _Stopwatch) -> Call:
    """As the gateway prepares it."""
    arguments = stopwatch.time("bind", plan.bind, request, parameters)
    # Where failures are only observed, this would count them.
    if plan.policy.validate != OBSERVE:
        stopwatch.time("validate", plan.validate, arguments)
    payload = stopwatch.time("encode", plan.encode, arguments)
    call = Call(plan.service, plan.wire_name, payload, plan.oneway, idl_service=plan.idl_service, policy=plan.policy)
    return call if plan.steer is None else plan.steer(call, request, arguments)


def _body(request: Request) -> str:
    size = len(request.body)
    return f"{body_kind(request).value}, {count_of(size, 'byte')}" if size else "none"


class _Stopwatch:
    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._steps: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    def time(self, name: str, step: Callable[..., T], *arguments: Any) -> T:
        """What the step gives; it is written down even if it raises."""
        began = self._seconds()
        try:
            return step(*arguments)
        finally:
            self._steps.append(Step(name, round((self._seconds() - began) * 1e6, 1)))


class _Telling:
    """Tells of a request whose plan is known.

    :ivar schema: of its service.
    """

    def __init__(
        self, request: Request, plan: Plan, route: Route | None, parameters: PathParameters, schema: Schema
    ) -> None:
        self._request = request
        self._plan = plan
        self._route = route
        self._parameters = parameters
        self.schema = schema
        self._structs = Structs(schema)
        self._sensitive: Sensitive | None = SensitiveFields(schema).of(plan.method)
        self._hidden = hidden_keys(self._wanted(), self._sensitive)

    def explanation(self, mapping: Mapping, now: Callable[[], int]) -> Explanation:
        request, plan = self._request, self._plan
        route = story_of(request, plan, self._route, self._parameters)
        target = shown_target(request, route, self._hidden)
        parameters = {name: HIDDEN if name in self._hidden else text for name, text in route.parameters.items()}
        told = self._told()
        return Explanation(
            verb=request.verb,
            target=target,
            body=_body(request),
            route=evolve(route, parameters=parameters),
            near=() if self._route is None else near_misses(mapping, request, self._route),
            outcome=undecided(plan),
            fields=told.fields,
            unused=tuple(each for each in told.unused if not self._steers(each)),
            validate=plan.policy.validate,
            rules=self._rules(told.arguments, now),
        )

    def story_of(self, call: Call) -> CallStory:
        return story_of_call(call, self._plan, self._structs, self._sensitive)

    def _wanted(self) -> tuple[Wanted, ...]:
        """The fields of the request, or the argument that is no struct."""
        for argument in self._plan.method.arguments[:1]:
            if isinstance(argument.type, StructType):
                return wanted_of(self.schema.structs[argument.type.name].fields, self.schema)
            return (Wanted(argument, places_of_value(argument)),)
        return ()

    def _told(self) -> Told:
        method, sensitive = self._plan.method, self._sensitive
        if is_streaming(method):
            return Told()
        if self._route is None:
            return tell_call(self._structs, method, sensitive, self._request, self._plan.enveloped)
        return tell_route(self._structs, method, sensitive, self._request, self._parameters)

    def _steers(self, unused: Unused) -> bool:
        """Whether the pick of an instance depends on it, though no field does."""
        policy = self._plan.policy
        return unused.place == "query parameter" and f"query:{unused.name}" in (policy.hash_key, *policy.subset)

    def _rules(self, arguments: ThriftStruct | None, now: Callable[[], int]) -> tuple[RuleStory, ...]:
        """None of a request that cannot be bound: the gateway does not come to them."""
        for argument in self._plan.method.arguments[:1]:
            if arguments is not None and isinstance(argument.type, StructType):
                request = next(iter(arguments.__dict__.values()))
                access = access_to(self._structs)
                return tell_rules(self.schema, argument.type.name, access, self._sensitive, now, request)
        return ()
