"""What a route answers: results, declared exceptions by their statuses, and the gateway's own problems."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence

from attrs import evolve, field, frozen

from ..annotations import Target
from ..annotations.cookie import SetCookie
from ..annotations.header import ResponseHeader
from ..annotations.http_code import HttpCode
from ..annotations.raw_body import RawResponse
from ..descriptor import Field, ListType, MapType, Method, Scalar, ScalarType, SetType, StructType, Type
from ..errors import (
    BadRequest,
    BodyTooLarge,
    DeadlineExceeded,
    GatewayError,
    ServiceFailed,
    ServiceUnavailable,
    StreamingUnsupported,
    UnsupportedBody,
)
from ..message import Header
from ..plan import is_streaming
from ..rendering import exception_head, response_targets, success_head
from ..text import written
from .components import ANSWER, CALL_REPLY, PROBLEM, REPLY, Family
from .json_schema import Json, either
from .requests import BYTES, JSON, TEXT, RequestParts
from .types import Types, is_always_there
from .words import described

PROBLEM_JSON = "application/problem+json"
# Any status without an entry of its own.
OTHER = "default"
_STATUS = re.compile("[2-5][0-9]{2}", re.ASCII)
# The answers have no body (RFC 9110, 6.4.1).
_BODILESS = ("204", "205", "304")

# The failures that every route may have, and those of some; by their names among the components.
PROBLEMS: dict[str, tuple[type[GatewayError], str]] = {
    "BadRequest": (BadRequest, "The request does not fit the method's arguments, or a rule refuses it."),
    "BodyTooLarge": (BodyTooLarge, "The body has more bytes than the gateway takes."),
    "UnsupportedBody": (UnsupportedBody, "The body is of a content type that no field can be read from."),
    "StreamingUnsupported": (StreamingUnsupported, "The method streams, which the gateway does not."),
    "ServiceFailed": (ServiceFailed, "The service failed with an error that it does not declare, or broke off."),
    "ServiceUnavailable": (ServiceUnavailable, "No instance of the service could take the call; nothing was sent."),
    "DeadlineExceeded": (DeadlineExceeded, "The service did not answer in time."),
    "Failure": (GatewayError, "Any other failure."),
}


@frozen
class _Answer:
    """One kind of answer of a method.

    :ivar status: by default.
    :ivar is_free: a field decides, so it may have any other as well.
    :ivar content: the schemas of the body, by media types.
    """

    status: str
    description: str
    content: Json
    headers: Json = field(factory=dict)
    is_free: bool = False
    is_exception: bool = False

    def may_have(self, status: str) -> bool:
        """Whether it may come with a status; that an exception calls itself a success, nobody has to reckon with."""
        return status == self.status or (self.is_free and (not self.is_exception or status > "4"))


class Responses:
    """The responses of one schema's methods.

    :param id_header: the header that says the id of a request; empty: none does.
    :param problems: takes the names of those that some route refers to.
    """

    def __init__(self, types: Types, id_header: str, problems: set[str]) -> None:
        self._types = types
        self._id_header = id_header
        self._problems = problems

    def of_route(self, method: Method, request: RequestParts) -> Json:
        """By statuses."""
        if is_streaming(method):
            return self._with_problems({}, ["StreamingUnsupported", "Failure"])
        answers = [self._success(method), *(self._thrown(each) for each in method.throws)]
        return self._joined(answers, list(_problems(method, request)))

    def of_call(self, method: Method, request: RequestParts) -> Json:
        """Of a JSON call: every field is in the body."""
        if is_streaming(method):
            return self._with_problems({}, ["StreamingUnsupported", "Failure"])
        answers = [self._plain(method.result, *success_head(), "The result.", CALL_REPLY)]
        answers += [
            self._plain(each.type, *exception_head(each), _of_exception(each), CALL_REPLY) for each in method.throws
        ]
        return self._joined(answers, list(_problems(method, request)))

    def _joined(self, answers: list[_Answer], problems: list[str]) -> Json:
        statuses = dict.fromkeys(answer.status for answer in answers)
        if any(answer.is_free for answer in answers):
            # Whichever a service says, it may be one that the gateway uses, too.
            statuses |= dict.fromkeys(map(_status_of, problems))
        if answers[0].is_free:
            # No other comes without a body, and it is what a result without one is answered with.
            statuses["204"] = None
        responses = {}
        for status in statuses:
            possible = [answer for answer in answers if answer.may_have(status)]
            responses[status] = self._response(status, possible)
        return self._with_problems(responses, problems)

    def _with_problems(self, responses: Json, names: Iterable[str]) -> Json:
        for name in names:
            status, description = _status_of(name), PROBLEMS[name][1]
            known = responses.get(status)
            if known is None:
                self._problems.add(name)
                responses[status] = {"$ref": f"#/components/responses/{name}"}
                continue
            content = {
                **known.get("content", {}),
                PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}},
            }
            headers = {name: _perhaps(header) for name, header in known.get("headers", {}).items()}
            told = f"{known['description']}\n\n{description}"
            responses[status] = {**known, "description": told, "content": content, "headers": headers}
        return responses

    def _response(self, status: str, answers: list[_Answer]) -> Json:
        headers = _joined_headers([answer.headers for answer in answers])
        if self._id_header:
            headers[self._id_header] = {"$ref": "#/components/headers/RequestId"}
        schemas: dict[str, list[Json]] = {}
        for answer in answers:
            for media_type, schema in answer.content.items():
                schemas.setdefault(media_type, []).append(schema)
        response: Json = {"description": "\n\n".join(answer.description for answer in answers)}
        if headers:
            response["headers"] = headers
        if schemas and status not in _BODILESS:
            response["content"] = {media_type: _media(each) for media_type, each in schemas.items()}
        return response

    def _success(self, method: Method) -> _Answer:
        status, headers = success_head()
        if method.result is None:
            return _Answer(str(status), "Done.", {JSON: {"type": "object", "maxProperties": 0}})
        return self._answer(method.result, status, headers, "The result.")

    def _thrown(self, thrown: Field) -> _Answer:
        answer = self._answer(thrown.type, *exception_head(thrown), _of_exception(thrown))
        return evolve(answer, is_exception=True)

    def _answer(self, type: Type, status: int, headers: tuple[Header, ...], description: str) -> _Answer:
        if not isinstance(type, StructType):
            return self._plain(type, status, headers, description, REPLY)
        struct = self._types.schema.structs[type.name]
        targets = [(each, target) for each in struct.fields for target in response_targets(each, self._types.writers)]
        default, is_free = _status(targets, status)
        # Where the body is always as it is, no JSON ever stands there.
        is_raw = any(isinstance(target, RawResponse) and is_always_there(each) for each, target in targets)
        content = {} if is_raw else {JSON: self._types.named(struct, ANSWER)}
        answer = _Answer(default, description, content, _fixed(headers), is_free)
        for each, target in targets:
            answer = self._in_head(answer, each, target)
        return answer

    def _in_head(self, answer: _Answer, field: Field, target: Target) -> _Answer:
        """The answer with a field that goes into its head, or is all of its body."""
        match target:
            case RawResponse():
                is_text = field.type == ScalarType(Scalar.STRING, field.type.annotations)
                as_it_is = {TEXT: described({"type": "string"}, field.doc)} if is_text else {BYTES: {}}
                return evolve(answer, content={**answer.content, **as_it_is})
            case ResponseHeader() if target.key.lower() == "content-type":
                # The service says what it is, so the document does not.
                return evolve(answer, content={"*/*": {}})
            case ResponseHeader():
                return evolve(answer, headers={**answer.headers, target.key: self._header(field)})
            case SetCookie():
                cookie = described({"schema": {"type": "string"}}, f"The cookie `{target.key}`. {field.doc}".strip())
                return evolve(answer, headers={**answer.headers, "set-cookie": cookie})
        return answer

    def _header(self, field: Field) -> Json:
        header = described({"required": is_always_there(field)}, field.doc)
        schema = self._types.value(field.type, REPLY)
        match field.type:
            case ScalarType(Scalar.BINARY):
                schema = {"type": "string"}
            case MapType() | StructType() | (ListType(ListType() | SetType() | MapType() | StructType())):
                return {**header, "content": {JSON: {"schema": schema}}}
        return {**header, "schema": schema}

    def _plain(
        self, type: Type | None, status: int, headers: tuple[Header, ...], description: str, family: Family
    ) -> _Answer:
        """The value is the JSON body, and nothing else."""
        schema = {"type": "null"} if type is None else self._types.value(type, family)
        return _Answer(str(status), description, {JSON: schema}, _fixed(headers))


def components_of(id_header: str, problems: Container[str]) -> Json:
    """The responses and headers that routes have in common, as far as they are needed."""
    headers = {id_header: {"$ref": "#/components/headers/RequestId"}} if id_header else {}
    responses: Json = {}
    for name, (error, description) in PROBLEMS.items():
        if name not in problems:
            continue
        own = {"retry-after": {"schema": {"type": "integer"}}} if error is ServiceUnavailable else {}
        content = {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
        responses[name] = {"description": description, "headers": {**own, **headers}, "content": content}
    request_id = {"description": "The id of the request, as logs have it.", "schema": {"type": "string"}}
    return {"responses": responses, **({"headers": {"RequestId": request_id}} if id_header else {})}


def problem() -> Json:
    """The schema of a problem document."""
    text: Json = {"type": "string"}
    line = {"type": "object", "properties": {"field": text, "rule": text, "detail": text}}
    members: Json = {
        "type": {"type": "string", "format": "uri", "description": "`urn:txgateway:problem:` and the kind of problem."},
        "title": {**text, "description": "The kind of problem in a few words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {**text, "description": "What is wrong; for a refused rule its message."},
        "field": {**text, "description": "The field of the request that it is about, by its path in the IDL."},
        "rule": {**text, "description": "The rule that refused the request."},
        "errors": {"type": "array", "items": line, "description": "Every failed rule, where all are told."},
        "service": text,
        "method": text,
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "request_id": text,
    }
    description = "A failure, as RFC 9457 has it."
    required = ["type", "title", "status", "detail", "retryable"]
    return {"type": "object", "description": description, "properties": members, "required": required}


def _of_exception(thrown: Field) -> str:
    return f"The exception `{thrown.type}`. {thrown.doc}".strip()


def _status(targets: list[tuple[Field, Target]], status: int) -> tuple[str, bool]:
    """The status of an answer, and whether a field may say another one; then it is that of the field's default."""
    fields = [field for field, target in targets if isinstance(target, HttpCode)]
    default = written(fields[-1].default).decode("utf-8", "replace") if fields and fields[-1].default else ""
    # What is no status makes the answer a failure of the service, whenever it is the default that counts.
    return default if _STATUS.fullmatch(default) else str(status), bool(fields)


def _fixed(headers: tuple[Header, ...]) -> Json:
    return {
        name.decode("ascii"): {"required": True, "schema": {"type": "string", "enum": [value.decode("ascii")]}}
        for name, value in headers
    }


def _joined_headers(of_answers: Sequence[Json]) -> Json:
    """The headers of several answers with one status: none of them is certain that not all have."""
    joined: dict[str, Json] = {}
    for headers in of_answers:
        for name, header in headers.items():
            known = joined.setdefault(name, header)
            if known != header and "enum" in known.get("schema", {}):
                values = [*known["schema"]["enum"], *header["schema"]["enum"]]
                joined[name] = {**known, "schema": {**known["schema"], "enum": values}}
    certain = set.intersection(*map(set, of_answers)) if of_answers else set()
    return {name: header if name in certain else _perhaps(header) for name, header in joined.items()}


def _perhaps(header: Json) -> Json:
    return {**header, "required": False} if "required" in header else header


def _media(schemas: list[Json]) -> Json:
    schema = either([each for place, each in enumerate(schemas) if each not in schemas[:place]])
    return {"schema": schema} if schema else {}


def _problems(method: Method, request: RequestParts) -> Iterator[str]:
    if method.arguments or request.parameters:
        yield "BadRequest"
    if request.body is not None:
        yield "BodyTooLarge"
        if not {BYTES, TEXT} & request.body["content"].keys():
            yield "UnsupportedBody"
    yield from ("ServiceFailed", "ServiceUnavailable", "DeadlineExceeded", "Failure")


def _status_of(problem: str) -> str:
    return OTHER if problem == "Failure" else str(PROBLEMS[problem][0].status)
