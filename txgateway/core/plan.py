"""The plan of a method: every step of a request, compiled once when its mapping is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from .annotations import Access, Check, Failure, Surroundings, checks, verbs
from .binding import Bind, Binders
from .call_binding import ENVELOPE_KEY, CallBinders
from .codec import binary
from .codec.structs import Structs, ThriftStruct
from .descriptor import (
    Field,
    ListType,
    MapType,
    Method,
    Schema,
    Service,
    SetType,
    Struct,
    StructType,
    TypeName,
)
from .enforcement import compile_enforcement
from .errors import BadRequest, StreamingUnsupported
from .inputs import PathParameters
from .message import NO_POLICY, Reply, Request, Response
from .policy import Policies, Policy
from .rendering import Answers, CallAnswers, Decode, Result, compile_decode, enveloped, render
from .sensitive import SensitiveFields
from .steering import Steer, compile_steer

# A method with this annotation streams, unless its value is "unary".
STREAMING = "streaming.mode"


@frozen
class Plan:
    """The steps from a request to a Thrift call, and from its reply to a response.

    ``arguments`` belongs to the plan that made it: nobody else looks inside.

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
    """

    service: str
    idl_service: str
    method: Method
    wire_name: bytes
    oneway: bool
    bind: Callable[[Request, PathParameters], Any]
    validate: Callable[[Any], None]
    encode: Callable[[Any], bytes]
    decode: Callable[[Reply], Result]
    render: Callable[[Result], Response]
    policy: Policy = NO_POLICY
    steer: Steer | None = None
    enveloped: bool = False


class Planner:
    """Makes the plans of one schema's methods; what they have in common is made once.

    :param service: the service's name in the registry.
    :param business_status: the HTTP status of a business status error.
    :param surroundings: what checks need from outside.
    :param policies: give each method its policy.
    """

    def __init__(
        self, service: str, schema: Schema, business_status: int, surroundings: Surroundings, policies: Policies
    ) -> None:
        self._service = service
        self._schema = schema
        self._business_status = business_status
        self._surroundings = surroundings
        self._policies = policies
        self._structs = Structs(schema)
        self._access = access_to(self._structs)
        self._binders = Binders(self._structs)
        self._call_binders = CallBinders(self._structs)
        self._answers = Answers(schema)
        self._call_answers = CallAnswers(schema)
        self._sensitive = SensitiveFields(schema)
        self._known_checks: dict[TypeName, tuple[Check, ...]] = {}

    def route_plan(self, declared: Service, method: Method) -> Plan:
        """The plan for the routes of a method; raises IdlError."""
        return self._plan(declared, method, self._binders.route(method), self._decode(self._answers, method))

    def call_plans(self, declared: Service, method: Method) -> tuple[Plan, Plan | None]:
        """The plans for JSON calls of a method, in their present and in their old form; raises IdlError.

        There is no old form where ``biz_params`` is a field of the request struct.
        """
        decode = self._decode(self._call_answers, method)
        bind, bind_enveloped = self._call_binders.call(method)
        call = self._plan(declared, method, bind, decode)
        if self._has_field(method, ENVELOPE_KEY):
            return call, None

        def decode_enveloped(reply: Reply) -> Result:
            result = decode(reply)
            return Result(result.value, enveloped(result.answer))

        return call, self._plan(declared, method, bind_enveloped, decode_enveloped, is_enveloped=True)

    def _has_field(self, method: Method, name: str) -> bool:
        argument = method.arguments[0].type if method.arguments else None
        return isinstance(argument, StructType) and self._schema.structs[argument.name].field_named(name) is not None

    def _decode(self, answers: Answers, method: Method) -> Decode:
        return compile_decode(answers, method, self._service, self._business_status)

    def _plan(self, declared: Service, method: Method, bind: Bind, decode: Decode, is_enveloped: bool = False) -> Plan:
        policy = self._policies.policy(self._service, declared, method, _verbs(method))
        bind = refuse_streaming if is_streaming(method) else bind
        validate = self._validate(method, policy)
        sensitive = self._sensitive.of(method)
        if sensitive is not None:
            bind, validate = sensitive.around(bind), sensitive.around(validate)
        return Plan(
            service=self._service,
            idl_service=declared.name.name,
            method=method,
            wire_name=method.name.encode(),
            oneway=method.oneway,
            bind=bind,
            validate=validate,
            encode=encode,
            decode=decode,
            render=render,
            policy=policy,
            steer=compile_steer(self._structs, policy, method),
            enveloped=is_enveloped,
        )

    def _validate(self, method: Method, policy: Policy) -> Callable[[ThriftStruct], None]:
        if not method.arguments or not isinstance(method.arguments[0].type, StructType):
            return nothing_to_validate
        found = self._checks(method.arguments[0].type.name)
        if not found:
            return nothing_to_validate
        sensitive = self._sensitive.of(method)

        def observed(failure: Failure) -> None:
            shown = failure if sensitive is None else sensitive.failure(failure)
            self._surroundings.observed(self._service, method.name, shown)

        enforce = compile_enforcement(policy.validate, found, observed)
        attribute = next(iter(self._structs.arguments(method).__names__))
        return lambda arguments: enforce(getattr(arguments, attribute))

    def _checks(self, request: TypeName) -> tuple[Check, ...]:
        """The checks of a request struct, compiled once for all methods that take it."""
        if request not in self._known_checks:
            compiled = (checks[name](self._schema, request, self._access, self._surroundings) for name in checks)
            self._known_checks[request] = tuple(check for check in compiled if check is not None)
        return self._known_checks[request]


def access_to(structs: Structs) -> Access:
    """What a rule sees of a field: its value, or the one that will be sent for it.

    A container or struct that nobody gave is unset to a rule, though Thrift has it sent empty.
    """

    def access(struct: Struct, field: Field) -> Callable[[Any], Any]:
        names = structs[struct.name].__names__
        attribute = next(name for name, label in names.items() if label == field.name)
        if field.default is None and isinstance(field.type, ListType | SetType | MapType | StructType):
            return lambda value: value.__dict__.get(attribute)
        return lambda value: getattr(value, attribute)

    return access


def _verbs(method: Method) -> list[str]:
    """The verbs of the method's routes."""
    return [verbs[key] for annotation in method.annotations if (key := annotation.key.lower()) in verbs]


def is_streaming(method: Method) -> bool:
    mode = method.annotations.first(STREAMING)
    return mode is not None and mode.value.lower() != "unary"


def refuse_streaming(request: Request, path: PathParameters) -> Any:
    raise StreamingUnsupported("The method streams; only methods with one request and one reply can be called")


def nothing_to_validate(arguments: ThriftStruct) -> None:
    """No rule can be reached from the method's arguments."""


def encode(arguments: ThriftStruct) -> bytes:
    """The bytes of the argument struct; raises BadRequest for what has passed as JSON, but is too deep for Thrift."""
    try:
        return binary.encode(arguments)
    except binary.EncodeError as error:
        raise BadRequest(f"The arguments cannot be sent: {error}") from None
