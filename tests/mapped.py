"""An IDL in a few lines, mapped: what a request sends, and what a reply answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import frozen

from tests.codecs import same_of_both
from tests.recorded.http import Tree, read_struct
from txgateway.core.codec.binary import encode
from txgateway.core.codec.native import IS_BUILT, PLAIN
from txgateway.core.codec.structs import Structs
from txgateway.core.descriptor import Schema
from txgateway.core.errors import GatewayError
from txgateway.core.linker import load
from txgateway.core.mapping import MappedService, Mapping, MappingSettings, compile_service, join
from txgateway.core.message import MessageType, Reply, Request, Response
from txgateway.core.plan import Plan

T = TypeVar("T")

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}

ACK = "struct Ack { 1: optional string msg }\n"


def schema_of(idl: str, file: str = "svc.thrift") -> Schema:
    return load(file, {file: idl}.__getitem__).schema


def service_of(idl: str, name: str = "svc", **settings: Any) -> MappedService:
    return compile_service(name, schema_of(idl, f"{name}.thrift"), MappingSettings(**settings))


def mapping_of(service: MappedService) -> Mapping:
    mapping, refused = join([service])
    assert not refused
    return mapping


def request(
    verb: str, target: str | bytes, headers: dict[str, str | bytes] | None = None, body: str | bytes = b""
) -> Request:
    pairs = ((name.lower().encode(), as_bytes(value)) for name, value in (headers or {}).items())
    return Request(verb, as_bytes(target), tuple(pairs), as_bytes(body))


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@frozen
class Mapped:
    """One IDL file, mapped.

    :ivar plain: the same for the plain codec, if the native one serves otherwise: both must do the same.
    """

    mapping: Mapping
    schema: Schema
    plain: Mapping | None = None

    @classmethod
    def of(cls, idl: str, **settings: Any) -> Mapped:
        """:param settings: of the mapping."""
        service = service_of(idl, **settings)
        plain = mapping_of(service_of(idl, **settings, codec=PLAIN)) if IS_BUILT else None
        return cls(mapping_of(service), service.schema, plain)

    def sent(
        self, verb: str, target: str, headers: dict[str, str | bytes] | None = None, body: str | bytes = b""
    ) -> Tree:
        """The argument struct that a request sends."""
        asked = request(verb, target, headers, body)

        def sent(mapping: Mapping) -> Tree:
            route, path = mapping.route(asked)
            return self._sent(route.plan, path, asked)

        return self._same(sent)

    def called(self, method: str, body: str | bytes) -> Tree:
        """The argument struct that a JSON call sends."""
        asked = request("POST", f"/gateway/svc/{method}", None, body)
        return self._same(lambda mapping: self._sent(*mapping.route_generic(asked), asked))

    def refused(
        self, verb: str, target: str, headers: dict[str, str | bytes] | None = None, body: str | bytes = b""
    ) -> GatewayError:
        """Why a request is refused before anything is sent."""
        try:
            sent = self.sent(verb, target, headers, body)
        except GatewayError as error:
            return error
        raise AssertionError(f"not refused, but sent: {sent}")

    def refused_call(self, method: str, body: str | bytes) -> GatewayError:
        try:
            sent = self.called(method, body)
        except GatewayError as error:
            return error
        raise AssertionError(f"not refused, but sent: {sent}")

    def answer(self, method: str, **result: Any) -> Response:
        """The response of a route's plan to a result struct with these fields."""
        payload = self.result(method, **result)
        return self._same(lambda mapping: answer(self._plan(mapping, method), payload))

    def selected(self, method: str, query: str, **result: Any) -> Response:
        """The response to a request that asks for some fields only."""
        payload, asked = self.result(method, **result), request("GET", f"/any?{query}")

        def answered(mapping: Mapping) -> Response:
            plan = self._plan(mapping, method)
            return answer(plan if plan.select is None else plan.select(asked), payload)

        return self._same(answered)

    def answer_call(self, method: str, **result: Any) -> Response:
        payload = self.result(method, **result)
        return self._same(lambda mapping: answer(mapping.generic("svc", method), payload))

    def result(self, method: str, **fields: Any) -> bytes:
        """The bytes of a result struct."""
        return encode(self.structs.result(self.plan(method).method)(**fields))

    def plan(self, method: str) -> Plan:
        """The plan of the method's route, or else of its JSON calls."""
        return self._plan(self.mapping, method)

    def _plan(self, mapping: Mapping, method: str) -> Plan:
        routed = [route.plan for route in mapping.routes if route.plan.method.name == method]
        return routed[0] if routed else mapping.generic("svc", method)

    def _same(self, run: Callable[[Mapping], T]) -> T:
        plain = self.plain
        if plain is None:
            return run(self.mapping)
        return same_of_both(lambda: run(self.mapping), lambda: run(plain))

    @property
    def structs(self) -> Structs:
        return Structs(self.schema)

    def new(self, struct: str, **fields: Any) -> Any:
        return self.structs.named(struct)(**fields)

    def _sent(self, plan: Plan, path: Any, asked: Request) -> Tree:
        arguments = plan.bind(asked, path)
        plan.validate(arguments)
        return read_struct(plan.encode(arguments))


def answer(plan: Plan, payload: bytes) -> Response:
    return plan.render(plan.decode(Reply(MessageType.REPLY, plan.wire_name, payload)))
