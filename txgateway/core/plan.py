"""The plan of a method: every step of a request, compiled once when its mapping is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from .annotations import Check, Failure, Surroundings, checks, verbs
from .annotations.form import Form
from .annotations.query import Query
from .binding import Bind, Binders
from .call_binding import ENVELOPE_KEY, CallBinders, call_body
from .codec import native
from .codec.structs import Structs
from .descriptor import Method, Schema, Service, StructType, Type, TypeName
from .enforcement import compile_enforcement
from .errors import StreamingUnsupported
from .inputs import Inputs, PathParameters
from .looked_at import KNOWN_CHECKS
from .message import NO_POLICY, Reply, Request, Response
from .native_steps import NativeSteps
from .places import Plain, places_of_value, wanted_of
from .policy import Policies, Policy
from .rendering import Answers, CallAnswers, Decoder
from .reply_steps import ReplySteps, plain_replies
from .request_steps import RequestSteps, plain_steps
from .request_steps import access_to as access_to
from .selection import PARAMETER, Rows, parse_selection, resolve
from .sensitive import SensitiveFields
from .steering import Steer, compile_steer, steering_fields

# A method with this annotation streams, unless its value is "unary".
STREAMING = "streaming.mode"

NO_POLICIES = Policies()

_PARAMETER = PARAMETER.encode()


@frozen
class Codecs:
    """The names of the codecs that a method's requests and replies go through."""

    request: str = native.PLAIN
    reply: str = native.PLAIN

    @property
    def page(self) -> dict[str, str]:
        return {"request": self.request, "reply": self.reply}


@frozen
class Plan:
    """The steps from a request to a Thrift call, and from its reply to a response.

    ``arguments`` and ``result`` belong to the plan that made them: nobody else looks inside.

    :ivar service: the service's name in the registry.
    :ivar idl_service: the name after ``service`` in the IDL, for transports that name it.
    :ivar method: what the IDL says of the method.
    :ivar wire_name: the method's name on the wire.
    :ivar bind: a request to arguments; raises BadRequest, UnsupportedBody or StreamingUnsupported.
    :ivar validate: holds the rules against arguments; raises ValidationFailed.
    :ivar encode: arguments to the bytes of the argument struct; raises BadRequest.
    :ivar decode: a reply to a result; raises ServiceFailed or UnusableReply.
    :ivar render: a result to a response; raises UnusableReply.
    :ivar policy: how the call is made.
    :ivar steer: adds to a call what the pick of its instance depends on; None if nothing in a request does.
    :ivar enveloped: the request came in the old form of a JSON call, and so must every answer.
    :ivar codecs: which codecs requests and replies go through.
    :ivar select: gives the plan that answers with no more than the fields which a request asks for, and raises
        BadRequest; None if a request cannot do that.
    """

    service: str
    idl_service: str
    method: Method
    wire_name: bytes
    oneway: bool
    bind: Callable[[Request, PathParameters], Any]
    validate: Callable[[Any], None]
    encode: Callable[[Any], bytes]
    decode: Callable[[Reply], Any]
    render: Callable[[Any], Response]
    policy: Policy = NO_POLICY
    steer: Steer | None = None
    enveloped: bool = False
    codecs: Codecs = Codecs()
    select: Callable[[Request], Plan] | None = None


class Selects:
    """Chooses fields of the results of one method, by what requests ask for.

    :param answers: how the results are answered.
    :param result: their type.
    """

    # A client with more of them than this has each compiled again, which takes some 20 us.
    _MOST_KNOWN = 256

    def __init__(self, schema: Schema, answers: Answers, result: Type) -> None:
        self._schema = schema
        self._answers = answers
        self._result = result

    def of(self, plan: Plan, replies: ReplySteps) -> Callable[[Request], Plan]:
        """What gives the plan that does as a request asks; it raises BadRequest."""
        known: dict[bytes, Plan] = {}

        def select(request: Request) -> Plan:
            if _PARAMETER not in request.query:
                return plan
            asked = b",".join(filter(None, Inputs(request, {}).query.get(_PARAMETER, ())))
            if not asked:
                return plan
            if asked not in known:
                chosen = replies.selecting(self._rows(asked))
                if len(known) >= self._MOST_KNOWN:
                    known.clear()
                known[asked] = evolve(plan, decode=chosen.decode, render=chosen.render)
            return known[asked]

        return select

    def _rows(self, asked: bytes) -> Rows:
        tree = parse_selection(asked.decode("utf-8", "replace"))
        answers = self._answers
        return resolve(tree, self._result, self._schema, answers.key_of, answers.structs.key_of)


@frozen
class PlanSettings:
    """What plans take from the configuration.

    :ivar business_status: the HTTP status of a business status error.
    :ivar policies: give each method its policy.
    :ivar codec: which codec serves, see ``codec.native``.
    :ivar max_output: bytes that the arguments made of a request may have, and the body made of a reply.
    :ivar selects: whether requests may ask for some fields of a result.
    """

    business_status: int = 500
    policies: Policies = NO_POLICIES
    codec: str = native.AUTO
    max_output: int = 64 << 20
    selects: bool = False


class Planner:
    """Makes the plans of one schema's methods; what they have in common is made once.

    :param service: the service's name in the registry.
    :param surroundings: what checks need from outside.
    :param breathe: called between pieces of work.
    """

    def __init__(
        self,
        service: str,
        schema: Schema,
        settings: PlanSettings,
        surroundings: Surroundings,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._schema = schema
        self._settings = settings
        self._surroundings = surroundings
        self._breathe = breathe
        self._structs = Structs(schema)
        self._binders = Binders(self._structs)
        self._call_binders = CallBinders(self._structs)
        breathe()
        self._answers = Answers(schema)
        breathe()
        self._call_answers = CallAnswers(schema)
        breathe()
        self._sensitive = SensitiveFields(schema)
        self._known_checks: dict[tuple[TypeName, str], tuple[Check, ...]] = {}
        self._native: NativeSteps | None = None
        if native.chosen(settings.codec) == native.NATIVE:
            answers = (self._answers, self._call_answers)
            self._native = NativeSteps(self._structs, *answers, settings.max_output, breathe)

    def route_plan(self, declared: Service, method: Method) -> Plan:
        """The plan for the routes of a method; raises IdlError."""
        policy = self._policy(declared, method)
        requests = self._requests(method, self._binders.route(method))
        self._breathe()
        replies = self._replies(self._answers, method)
        self._breathe()
        if self._native is not None and not self._has_foreign_checks(method, requests):
            requests = self._native.route(method, requests, steering_fields(policy))
        if self._native is not None:
            replies = self._native.replies(method, replies)
        select = self._selects(self._answers, method)
        if select is not None and self._is_own_parameter(method):
            select = None
        return self._plan(declared, method, policy, requests, replies, select)

    def call_plans(self, declared: Service, method: Method) -> tuple[Plan, Plan | None]:
        """The plans for JSON calls of a method, in their present and in their old form; raises IdlError.

        There is no old form where ``biz_params`` is a field of the request struct.
        """
        policy = self._policy(declared, method)
        replies = self._replies(self._call_answers, method)
        self._breathe()
        bind, bind_enveloped = self._call_binders.call(method)
        present = self._call_requests(method, policy, bind, lambda request: request.body)
        self._breathe()
        old = self._call_requests(method, policy, bind_enveloped, lambda request: call_body(request, enveloped=True))
        self._breathe()
        if self._native is not None:
            replies = self._native.call_replies(method, replies)
        select = self._selects(self._call_answers, method)
        call = self._plan(declared, method, policy, present, replies, select)
        if self._has_field(method, ENVELOPE_KEY):
            return call, None
        return call, self._plan(declared, method, policy, old, replies.enveloped(), select, is_enveloped=True)

    def _call_requests(
        self, method: Method, policy: Policy, bind: Bind, text: Callable[[Request], bytes]
    ) -> RequestSteps:
        requests = self._requests(method, bind)
        if self._native is None or self._has_foreign_checks(method, requests):
            return requests
        return self._native.call(method, requests, steering_fields(policy), text)

    def _requests(self, method: Method, bind: Bind) -> RequestSteps:
        return plain_steps(self._structs, method, bind, self._settings.max_output)

    def _replies(self, answers: Answers, method: Method) -> ReplySteps:
        settings = self._settings
        decoder = Decoder(answers, method, self._service, settings.business_status, settings.max_output)
        return plain_replies(decoder, answers, method)

    def _policy(self, declared: Service, method: Method) -> Policy:
        return self._settings.policies.policy(self._service, declared, method, _verbs(method))

    def _has_field(self, method: Method, name: str) -> bool:
        argument = method.arguments[0].type if method.arguments else None
        return isinstance(argument, StructType) and self._schema.structs[argument.name].field_named(name) is not None

    def _plan(
        self,
        declared: Service,
        method: Method,
        policy: Policy,
        requests: RequestSteps,
        replies: ReplySteps,
        select: Selects | None,
        is_enveloped: bool = False,
    ) -> Plan:
        self._breathe()
        bind = refuse_streaming if is_streaming(method) else requests.bind
        validate = self._validate(method, policy, requests)
        sensitive = self._sensitive.of(method)
        if sensitive is not None:
            bind, validate = sensitive.around(bind), sensitive.around(validate)
        plan = Plan(
            service=self._service,
            idl_service=declared.name.name,
            method=method,
            wire_name=method.name.encode(),
            oneway=method.oneway,
            bind=bind,
            validate=validate,
            encode=requests.encode,
            decode=replies.decode,
            render=replies.render,
            policy=policy,
            steer=compile_steer(self._structs, policy, method, requests),
            enveloped=is_enveloped,
            codecs=Codecs(requests.codec, replies.codec),
        )
        return plan if select is None else evolve(plan, select=select.of(plan, replies))

    def _selects(self, answers: Answers, method: Method) -> Selects | None:
        """What chooses fields of the method's results; None if nobody may, or there is nothing to choose from."""
        if not self._settings.selects or method.result is None:
            return None
        return Selects(self._schema, answers, method.result)

    def _is_own_parameter(self, method: Method) -> bool:
        """Whether a field of the request is called as the parameter that chooses fields of the result."""
        fields = [
            field
            for argument in method.arguments[:1]
            if isinstance(argument.type, StructType)
            for field in self._schema.structs[argument.type.name].fields
        ]
        places = [wanted.places for wanted in wanted_of(fields, self._schema)] if fields else []
        if method.arguments and not fields:
            places = [places_of_value(method.arguments[0])]
        sources = (source for place in places for source in place.before)
        return any(isinstance(source, Query | Form | Plain) and source.key == _PARAMETER for source in sources)

    def _validate(self, method: Method, policy: Policy, requests: RequestSteps) -> Callable[[Any], None]:
        if not method.arguments or not isinstance(method.arguments[0].type, StructType):
            return nothing_to_validate
        found = self._checks(method.arguments[0].type.name, requests)
        if not found:
            return nothing_to_validate
        sensitive = self._sensitive.of(method)

        def observed(failure: Failure) -> None:
            shown = failure if sensitive is None else sensitive.failure(failure)
            self._surroundings.observed(self._service, method.name, shown)

        enforce, request = compile_enforcement(policy.validate, found, observed), requests.request
        return lambda arguments: enforce(request(arguments))

    def _checks(self, request: TypeName, requests: RequestSteps) -> tuple[Check, ...]:
        """The checks of a request struct, compiled once for all methods that take it from the same codec."""
        key = (request, requests.codec)
        if key not in self._known_checks:
            compiled = (checks[name](self._schema, request, requests.access, self._surroundings) for name in checks)
            self._known_checks[key] = tuple(check for check in compiled if check is not None)
        return self._known_checks[key]

    def _has_foreign_checks(self, method: Method, requests: RequestSteps) -> bool:
        """Whether something else than our rules looks at the arguments, at nobody knows which of their fields."""
        return any(
            checks[name](self._schema, argument.type.name, requests.access, self._surroundings) is not None
            for name in checks
            if name not in KNOWN_CHECKS
            for argument in method.arguments[:1]
            if isinstance(argument.type, StructType)
        )


def _verbs(method: Method) -> list[str]:
    """The verbs of the method's routes."""
    return [verbs[key] for annotation in method.annotations if (key := annotation.key.lower()) in verbs]


def is_streaming(method: Method) -> bool:
    mode = method.annotations.first(STREAMING)
    return mode is not None and mode.value.lower() != "unary"


def refuse_streaming(request: Request, path: PathParameters) -> Any:
    raise StreamingUnsupported("The method streams; only methods with one request and one reply can be called")


def nothing_to_validate(arguments: Any) -> None:
    """No rule can be reached from the method's arguments."""
