"""render: a result to an HTTP response, compiled once per method; and a failure to problem+json."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from typing import Any

import orjson
from attrs import define

from .annotations import Head, Target, marked
from .annotations import targets as known_targets
from .annotations.none import NONE
from .codec import binary
from .codec.exception import decode as decode_exception
from .codec.limits import limit_for
from .codec.structs import ThriftStruct
from .codec.thrift_to_json import JsonWriters, ReplyStructs
from .descriptor import Field, Method, Schema, StructType, Type
from .errors import Answered, GatewayError, ServiceFailed, UnusableReply, WireError
from .keys import API_BODY, call_key, converts, embeds, nested_key, response_key
from .message import Header, MessageType, Reply, Response
from .selection import Rows

Answer = Callable[[Any], Response]
Decode = Callable[[Reply], "Result"]

_JSON: Header = (b"content-type", b"application/json")
_PROBLEM: Header = (b"content-type", b"application/problem+json")

# They have no body, so nothing that says what it is either (RFC 9110, 6.4.1).
_BODILESS = (204, 205, 304)


@define
class Result:
    """What a reply says: a value, and how it is answered.

    :ivar value: of the method's result type or of an exception that it declares; None if it is void.
    :ivar limit: bytes that the body may have; none: no reply can make it large.
    """

    value: Any
    answer: Answer
    limit: int | None = None


def render(result: Result) -> Response:
    """The response for a result; raises UnusableReply if it cannot be said in HTTP and JSON."""
    response = result.answer(result.value)
    return response if result.limit is None else bounded(response, result.limit)


def bounded(response: Response, limit: int) -> Response:
    """The same response; raises UnusableReply if it has a larger body."""
    if len(response.body) > limit:
        raise too_large(limit)
    return response


def too_large(limit: int) -> UnusableReply:
    return UnusableReply(f"The reply cannot be answered: with the IDL's defaults it has more than {limit} bytes")


class Answers:
    """How the results of one schema are answered, by type.

    :ivar structs: the classes that replies are read into.
    :ivar void: the body where there is no result.
    """

    void = b"{}"

    def __init__(self, schema: Schema, key_of: Callable[[Field], str | None] = nested_key) -> None:
        self.structs = ReplyStructs(schema, key_of)
        self.writers = JsonWriters(self.structs, converts, embeds=embeds)

    def answer(self, declared: Type, status: int, headers: tuple[Header, ...] = ()) -> Answer:
        """The answer to a request by a route: the IDL's annotations decide about status, headers and body."""
        if isinstance(declared, StructType):
            return _struct_answer(self.structs[declared.name], self.writers, status, headers)
        return _plain_answer(declared, self.writers, status, headers)

    def key_of(self, field: Field) -> str | None:
        """The JSON key of a field of a whole result."""
        return body_key(field, self.writers)

    def selected(self, declared: Type, rows: Rows, status: int, headers: tuple[Header, ...] = ()) -> Answer:
        """The same with no more in the body than the chosen fields."""
        if isinstance(declared, StructType):
            return _struct_answer(self.structs[declared.name], self.writers, status, headers, dict(rows))
        return _plain_answer(declared, self.writers, status, headers, rows)


class CallAnswers(Answers):
    """How the results of JSON calls are answered: every field is in the body."""

    void = b"null"

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema, call_key)

    def answer(self, declared: Type, status: int, headers: tuple[Header, ...] = ()) -> Answer:
        return _plain_answer(declared, self.writers, status, headers)

    def key_of(self, field: Field) -> str | None:
        return call_key(field)

    def selected(self, declared: Type, rows: Rows, status: int, headers: tuple[Header, ...] = ()) -> Answer:
        return _plain_answer(declared, self.writers, status, headers, rows)


def success_head() -> tuple[int, tuple[Header, ...]]:
    """The status and the further headers of a result, unless its fields say otherwise."""
    return 200, ()


def exception_head(thrown: Field) -> tuple[int, tuple[Header, ...]]:
    """The same for an exception; its name goes along, for two may have the same status and fields."""
    return 500, ((b"x-thrift-exception", str(thrown.type).encode()),)


class Decoder:
    """Sorts the replies to one method.

    :param service: the service's name in the registry.
    :param business_status: the HTTP status of a business status error.
    :param most: bytes that the body of an answer may have.
    """

    def __init__(self, answers: Answers, method: Method, service: str, business_status: int, most: int) -> None:
        self._cls = answers.structs.result(method)
        self._names: dict[str, Any] = {"service": service, "method": method.name}
        self._oneway = method.oneway
        self._business = _business_answer(business_status, self._names)
        self._most = most
        nothing = void_answer(answers.void)
        self._void = Result(None, lambda value: nothing) if method.result is None else None
        self._success = None if method.result is None else answers.answer(method.result, *success_head())
        attributes = list(self._cls.__names__)[-len(method.throws) :] if method.throws else []
        self._throws = tuple(
            (attribute, answers.answer(thrown.type, *exception_head(thrown)))
            for attribute, thrown in zip(attributes, method.throws, strict=True)
        )

    def answering(self, success: Answer) -> Decoder:
        """The same with another answer to a success."""
        other = copy(self)
        other._success = success
        return other

    def decode(self, reply: Reply) -> Result:
        """The result in a reply.

        :raises ServiceFailed: the service answered with Thrift's own error.
        :raises UnusableReply: the reply is nothing that the IDL allows.
        """
        if reply.type is not MessageType.REPLY:
            raise self._failed(reply)
        if reply.info:
            status = business_status(reply.info)
            if status is not None:
                return Result(status, self._business)
        if self._oneway and self._void is not None:
            return self._void
        try:
            held = binary.decode(self._cls, reply.payload).__dict__
        except WireError as error:
            raise UnusableReply(f"The reply does not fit the IDL: {error}", **self._names) from None
        return self._result(held, limit_for(self._most, len(reply.payload)))

    def _result(self, held: dict[str, Any], limit: int) -> Result:
        value = held.get("success")
        if value is not None and self._success is not None:
            return Result(value, self._success, limit)
        for attribute, answer in self._throws:
            if attribute in held:
                return Result(held[attribute], answer, limit)
        if self._void is not None:
            return self._void
        raise UnusableReply("The reply has neither a result nor an exception that the IDL declares", **self._names)

    def _failed(self, reply: Reply) -> GatewayError:
        try:
            error = decode_exception(reply.payload)
        except WireError:
            return UnusableReply("The reply is an error that cannot be read", **self._names)
        return ServiceFailed(
            "The service answered with an error", peer=f"{error.message} (type {error.kind})", **self._names
        )


@define
class BusinessStatus:
    """What a Kitex service says with a status error; it travels in a TTHeader alone."""

    code: int
    message: str
    extra: Mapping[str, Any] | None


def business_status(info: Mapping[str, str]) -> BusinessStatus | None:
    """The status in a TTHeader's string keys; None if there is none, or 0."""
    code = info.get("biz-status", "")
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", code, re.ASCII) or int(code) == 0:
        return None
    try:
        extra = orjson.loads(info.get("biz-extra") or b"null")
    except ValueError:  # No JSON, or no text.
        extra = None
    # Bytes that are no text came as surrogates, which JSON cannot say.
    message = info.get("biz-message", "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return BusinessStatus(int(code), message, extra if isinstance(extra, dict) else None)


def _business_answer(status: int, names: Mapping[str, str]) -> Answer:
    def answer(business: BusinessStatus) -> Response:
        return _problem(
            "business-status",
            "The service answered with a business status",
            status,
            {
                "detail": business.message,
                "code": business.code,
                "message": business.message,
                "extra": business.extra,
                **names,
                "retryable": False,
            },
        )

    return answer


def void_answer(body: bytes) -> Response:
    """The answer where there is no result."""
    return Response(200, (_JSON,), body)


def plain_head(headers: tuple[Header, ...]) -> tuple[Header, ...]:
    """The headers of an answer that is nothing but JSON."""
    return (_JSON, *headers)


def _plain_answer(
    declared: Type, writers: JsonWriters, status: int, headers: tuple[Header, ...], rows: Rows | None = None
) -> Answer:
    """The value, or what is chosen of it, is the JSON body, and nothing else."""
    writer = writers.value(declared) if rows is None else writers.selected(declared, rows)
    dumps = writers.dumps(declared)
    head = plain_head(headers)
    if writer is None:
        return lambda value: Response(status, head, dumps(value))
    return lambda value: Response(status, head, dumps(writer(value)))


def _struct_answer(
    cls: type[ThriftStruct],
    writers: JsonWriters,
    status: int,
    headers: tuple[Header, ...],
    chosen: Mapping[int, Rows | None] | None = None,
) -> Answer:
    """The fields of the outermost struct: each into the head, the JSON body, or both.

    :param chosen: of which fields what is to be in the body; None: all of all.
    """
    struct = cls.__declaration__
    declared = StructType(struct.name)
    in_head: list[tuple[str, Target]] = []
    in_body: list[tuple[str, str, Callable[[Any], Any]]] = []
    for place, (attribute, field) in enumerate(zip(cls.__names__, struct.fields, strict=True)):
        in_head += [(attribute, target) for target in response_targets(field, writers)]
        key = body_key(field, writers)
        if key is not None and (chosen is None or place in chosen):
            in_body.append((attribute, key, writers.part(field, None if chosen is None else chosen[place])))
    if not in_head and all(attribute == key for attribute, key, _ in in_body) and len(in_body) == len(struct.fields):
        return _plain_answer(declared, writers, status, headers)
    return _headed_answer(tuple(in_head), tuple(in_body), writers.dumps(declared), status, headers)


def _headed_answer(
    in_head: tuple[tuple[str, Target], ...],
    in_body: tuple[tuple[str, str, Callable[[Any], Any]], ...],
    dumps: Callable[[Any], bytes],
    status: int,
    headers: tuple[Header, ...],
) -> Answer:
    def answer(value: ThriftStruct) -> Response:
        held = value.__dict__
        head = Head()
        for attribute, target in in_head:
            if attribute in held:
                target.put(held[attribute], head)

        def body() -> bytes:
            return dumps({key: writer(held[attribute]) for attribute, key, writer in in_body if attribute in held})

        return headed(head, status, headers, body)

    return answer


def headed(head: Head, status: int, headers: tuple[Header, ...], body: Callable[[], bytes]) -> Response:
    """The answer with a head that fields have set.

    :param status: if no field has set one.
    :param body: writes the JSON body, if it is needed.
    """
    if head.status in _BODILESS:
        return Response(head.status, (*headers, *head.headers))
    written = body() if head.body is None else head.body
    if not any(name == b"content-type" for name, _ in head.headers):
        head.headers.insert(0, (b"content-type", head.media_type))
    return Response(head.status or status, (*headers, *head.headers), written)


def response_targets(field: Field, writers: JsonWriters) -> list[Target]:
    """Where in the head of the response the field goes; an annotation that can never work is passed over."""
    if marked(field, NONE):
        return []
    writer, dumps = writers.field(field) or _same, writers.dumps(field.type)
    found = []
    for annotation in field.annotations:
        if annotation.key.lower() in known_targets:
            with suppress(ValueError):
                target = known_targets[annotation.key.lower()]
                found.append(target(annotation.value or field.name, field.type, lambda value: dumps(writer(value))))
    return found


def body_key(field: Field, writers: JsonWriters) -> str | None:
    """The key of a field of a whole result in the JSON body; one that goes into the head is not in there as well."""
    if response_targets(field, writers) and API_BODY not in field.annotations:
        return None
    return response_key(field)


def _same(value: Any) -> Any:
    return value


def enveloped(answer: Answer) -> Answer:
    """The same answer in the old form: the result's fields, ``err_code`` and ``err_msg``."""

    def in_envelope(value: Any) -> Response:
        response = answer(value)
        if isinstance(value, BusinessStatus):
            told = {"extra": value.extra, "err_code": value.code, "err_msg": value.message}
            return Response(response.status, (_JSON,), orjson.dumps(told))
        return envelope(response)

    return in_envelope


def envelope(response: Response) -> Response:
    """The answer to a JSON call in its old form."""
    failed = response.status >= 400
    code = response.status if failed else 0
    text = "the service answered with an exception" if failed else "success"
    body = response.body if response.body.startswith(b"{") else b'{"result":' + response.body + b"}"
    comma = b"" if body == b"{}" else b","
    tail = b'%b"err_code":%d,"err_msg":"%b"}' % (comma, code, text.encode("ascii"))
    return Response(response.status, response.headers, body[:-1] + tail)


def render_failure(error: GatewayError, request_id: str = "") -> Response:
    """A failure as problem+json (RFC 9457); what the router answers by itself, as it is."""
    if isinstance(error, Answered):
        return error.response
    members = {"detail": error.detail or error.title, **error.members, "retryable": error.retryable}
    if request_id:
        members["request_id"] = request_id
    response = _problem(error.kind, error.title, error.status, members)
    return Response(response.status, (*response.headers, *error.headers), response.body)


def render_enveloped_failure(error: GatewayError) -> Response:
    """A failure of a JSON call in the old form: its status as ``err_code``, its detail as ``err_msg``."""
    body = orjson.dumps({"err_code": error.status, "err_msg": error.detail or error.title})
    return Response(error.status, (_JSON, *error.headers), body)


def _problem(kind: str, title: str, status: int, members: dict[str, Any]) -> Response:
    document = {"type": f"urn:txgateway:problem:{kind}", "title": title, "status": status}
    return Response(status, (_PROBLEM,), orjson.dumps(document | members))
