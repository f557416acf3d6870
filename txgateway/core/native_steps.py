"""Which methods of a schema the native codec serves, and their steps: decided once, when the mapping is compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from .arguments import Argument
from .codec.structs import Structs, ThriftStruct
from .codec.tables import RequestTables, Unsupported, reply_tables, request_tables
from .descriptor import Method, StructType
from .keys import call_argument_key, converts, embeds, nested_key
from .looked_at import looked_at
from .message import Request
from .native_replies import native_replies, outermost
from .native_requests import native_call_steps, native_steps, nothing_to_bind
from .native_sources import Sought, seek_fields, seek_keys, seek_value
from .places import wanted_of
from .rendering import Answers
from .reply_steps import ReplySteps
from .request_steps import RequestSteps


class NativeSteps:
    """The native codec's tables of one schema, and what they make of the methods' plain steps.

    A method that needs something which the native codec does not do keeps those.

    :param most: bytes that the output of a conversion may have.
    :param breathe: called between pieces of work.
    """

    def __init__(
        self, structs: Structs, answers: Answers, call_answers: Answers, most: int, breathe: Callable[[], None]
    ) -> None:
        self._structs = structs
        self._answers = answers
        self._call_answers = call_answers
        self._most = most
        self._looked_at = looked_at(structs.schema)
        breathe()
        requests = partial(
            request_tables, structs, converts=converts, embeds=embeds, wanted=self._looked_at, breathe=breathe
        )
        self._requests: RequestTables = requests(key_of=nested_key, digits=False)
        self._calls: RequestTables = requests(key_of=call_argument_key, digits=True)
        self._replies = reply_tables(answers.structs, answers.writers, converts, embeds, outermost(answers), breathe)
        self._call_replies = reply_tables(call_answers.structs, call_answers.writers, converts, embeds, None, breathe)

    def route(self, method: Method, plain: RequestSteps, steering: Collection[str]) -> RequestSteps:
        """How requests by a route are bound.

        :param steering: the fields that the pick of an instance looks at.
        """
        tables = self._requests

        def seek(cls: type[ThriftStruct], looked_at: Collection[str]) -> Sought:
            wanted = wanted_of(cls.__declaration__.fields, self._structs.schema)
            return seek_fields(tables, cls, method.arguments[0].id, wanted, looked_at)

        if not method.arguments:
            return nothing_to_bind(plain, self._structs, method)
        try:
            sought, looked_at = self._sought(method, tables, steering, seek, is_call=False)
            return native_steps(plain, tables, sought, looked_at, self._most)
        except Unsupported:
            return plain

    def call(
        self, method: Method, plain: RequestSteps, steering: Collection[str], body_of: Callable[[Request], bytes]
    ) -> RequestSteps:
        """How JSON calls are bound.

        :param body_of: the JSON text of a request.
        """
        tables = self._calls

        def seek(cls: type[ThriftStruct], looked_at: Collection[str]) -> Sought:
            return seek_keys(tables, cls, method.arguments[0].id, call_argument_key, looked_at)

        if not method.arguments:
            return nothing_to_bind(plain, self._structs, method)
        try:
            sought, looked_at = self._sought(method, tables, steering, seek, is_call=True)
            return native_call_steps(plain, tables, sought, looked_at, self._most, body_of)
        except Unsupported:
            return plain

    def _sought(
        self,
        method: Method,
        tables: RequestTables,
        steering: Collection[str],
        seek: Callable[[type[ThriftStruct], Collection[str]], Sought],
        *,
        is_call: bool,
    ) -> tuple[Sought, Collection[str]]:
        """What is looked for in a request, and the fields of it whose values are needed as Python's."""
        argument = Argument(self._structs, method)
        declared = argument.field.type
        if not isinstance(declared, StructType):
            looked_at = {argument.field.name}.intersection(steering)
            return seek_value(tables, argument, is_call=is_call, looked_at=looked_at), looked_at
        cls = self._structs[declared.name]
        known = self._looked_at.get(declared.name)
        if known is not None and not known:
            # Rules that look at nothing: there would be nothing to hold them against.
            raise Unsupported
        looked_at = (known or set()) | {f.name for f in cls.__declaration__.fields if f.name in steering}
        return seek(cls, looked_at), looked_at

    def replies(self, method: Method, plain: ReplySteps) -> ReplySteps:
        """How replies to requests by a route are answered."""
        try:
            return native_replies(plain, self._replies, self._answers, method, self._most)
        except Unsupported:
            return plain

    def call_replies(self, method: Method, plain: ReplySteps) -> ReplySteps:
        """How replies to JSON calls are answered."""
        try:
            return native_replies(plain, self._call_replies, self._call_answers, method, self._most)
        except Unsupported:
            return plain
