"""The way of replies through the native codec: a reply's bytes to the whole response.

What it is not sure of, bytes that do not fit the IDL for instance, goes through the plain
codec: that decides, and its words are what is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .annotations import Head, Target
from .codec import native
from .codec.limits import limit_for
from .codec.tables import Outermost, ReplyTables, Unsupported, type_row
from .codec.wire_type import STRUCT
from .descriptor import EnumType, Field, ListType, Method, ScalarType, SetType, StructType, Type
from .message import Header, MessageType, Reply, Response
from .rendering import (
    Answers,
    Decode,
    Result,
    body_key,
    bounded,
    business_status,
    exception_head,
    headed,
    plain_head,
    render,
    response_targets,
    success_head,
    too_large,
    void_answer,
)
from .reply_steps import ReplySteps
from .selection import Rows

if TYPE_CHECKING:
    from .codec._native import Answerer, TypeRow

# A result that needs no more work, or one for the plain codec.
NativeResult = Response | Result

# Status, headers, and what makes the response of them, a body and the values of fields if
# fields have a say in the first two.
_Case = tuple[int, tuple[Header, ...], Callable[[bytes, tuple[Any, ...]], Response] | None]


def native_replies(plain: ReplySteps, tables: ReplyTables, answers: Answers, method: Method, most: int) -> ReplySteps:
    """Reads the replies to a method; raises Unsupported.

    :param plain: takes what the native codec is not sure of.
    :param most: bytes that the body of an answer may have.
    """
    fields = [] if method.result is None else [(0, method.result, success_head())]
    fields += [(thrown.id, thrown.type, exception_head(thrown)) for thrown in method.throws]
    void = None if method.result is not None else void_answer(answers.void)
    rows = [(number, _row(declared, tables)) for number, declared, _ in fields]
    answerer = tables.native.answerer(rows, None if void is None else void.body, most)
    cases = [_case(declared, tables, answers, *head) for _, declared, head in fields]
    if void is not None:
        # The number of the case where there is none is -1.
        cases.append((void.status, void.headers, None))

    def selecting(rows: Rows) -> ReplySteps:
        # The success is the first of the cases.
        return steps(plain.selecting(rows), answerer.selecting(rows))

    def steps(plain: ReplySteps, answerer: Answerer) -> ReplySteps:
        # A oneway method has no replies that would have to be read.
        decode = plain.decode if method.oneway else native_decode(plain.decode, answerer, tuple(cases), most)
        return ReplySteps(native.NATIVE, decode, native_render, selecting)

    return steps(plain, answerer)


def native_decode(
    plain: Decode, answerer: Answerer, cases: Sequence[_Case], most: int
) -> Callable[[Reply], NativeResult]:
    """Reads replies, each of one of the cases; the last case is that of an empty result."""
    answer = answerer.answer

    def decode(reply: Reply) -> NativeResult:
        if reply.type is not MessageType.REPLY or (reply.info and business_status(reply.info) is not None):
            return plain(reply)
        try:
            answered = answer(reply.payload)
        except OverflowError:
            raise too_large(limit_for(most, len(reply.payload))) from None
        if answered is None:
            return plain(reply)
        case, body, values = answered
        status, headers, finish = cases[case]
        if finish is None:
            return Response(status, headers, body)
        return bounded(finish(body, values), limit_for(most, len(reply.payload)))

    return decode


def native_render(result: NativeResult) -> Response:
    """The response for a result; raises UnusableReply if it cannot be said in HTTP and JSON."""
    return result if result.__class__ is Response else render(result)  # type: ignore[arg-type]


def outermost(answers: Answers) -> Outermost:
    """How the structs are shown that are whole results of a route."""

    def picks(field: Field) -> bool:
        if not response_targets(field, answers.writers):
            return False
        if not _is_pickable(field.type):
            raise Unsupported
        return True

    return Outermost(lambda field: body_key(field, answers.writers), picks)


def _is_pickable(declared: Type) -> bool:
    """Whether the native codec hands out values of this type: what a header holds without JSON."""
    match declared:
        case ListType(element) | SetType(element):
            return isinstance(element, ScalarType | EnumType)
    return isinstance(declared, ScalarType | EnumType)


def _row(declared: Type, tables: ReplyTables) -> TypeRow:
    if not isinstance(declared, StructType) or tables.outermost is None:
        return type_row(declared, tables.index)
    if declared.name not in tables.outermost:
        raise Unsupported
    return (STRUCT, tables.outermost[declared.name])


def _case(declared: Type, tables: ReplyTables, answers: Answers, status: int, headers: tuple[Header, ...]) -> _Case:
    in_head: list[tuple[int, object, Target]] = []
    if isinstance(declared, StructType) and tables.outermost is not None:
        struct = answers.structs.schema.structs[declared.name]
        for place, field in enumerate(struct.fields):
            make = answers.structs.start(struct, field)
            default = None if make is None else make()
            in_head += [(place, default, target) for target in response_targets(field, answers.writers)]
    if not in_head:
        return status, plain_head(headers), None

    def finish(body: bytes, values: tuple[Any, ...]) -> Response:
        head = Head()
        for place, default, target in in_head:
            value = default if values[place] is None else values[place]
            if value is not None:
                target.put(value, head)
        return headed(head, status, headers, lambda: body)

    return status, headers, finish
