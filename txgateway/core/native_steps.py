"""Which methods of a schema the native codec serves, and their steps: decided once, when the mapping is compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from .codec import native
from .codec.structs import Structs
from .codec.tables import RequestTables, Unsupported, reply_tables, request_tables
from .descriptor import Method, Struct, StructType
from .keys import call_argument_key, converts, embeds, nested_key
from .looked_at import looked_at
from .message import Request
from .native_replies import native_decode, native_render, outermost
from .native_requests import native_call_steps, native_steps, nothing_to_bind
from .places import wanted_of
from .rendering import Answers
from .reply_steps import ReplySteps
from .request_steps import RequestSteps

# Makes the steps of a method whose argument is a struct, from its plain ones, that struct, the
# argument's id and the fields that are looked at.
_Make = Callable[[RequestSteps, Struct, int, Collection[str]], RequestSteps]


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

        def make(plain: RequestSteps, struct: Struct, argument: int, looked_at: Collection[str]) -> RequestSteps:
            wanted = wanted_of(struct.fields, self._structs.schema)
            return native_steps(plain, self._requests, struct, argument, wanted, looked_at, self._most)

        return self._made(method, plain, steering, make)

    def call(
        self, method: Method, plain: RequestSteps, steering: Collection[str], body_of: Callable[[Request], bytes]
    ) -> RequestSteps:
        """How JSON calls are bound.

        :param body_of: the JSON text of a request.
        """

        def make(plain: RequestSteps, struct: Struct, argument: int, looked_at: Collection[str]) -> RequestSteps:
            return native_call_steps(
                plain, self._calls, struct, argument, call_argument_key, looked_at, self._most, body_of
            )

        return self._made(method, plain, steering, make)

    def _made(self, method: Method, plain: RequestSteps, steering: Collection[str], make: _Make) -> RequestSteps:
        if not method.arguments:
            return nothing_to_bind(plain, self._structs, method)
        argument = method.arguments[0]
        if not isinstance(argument.type, StructType):
            return plain
        struct = self._structs.schema.structs[argument.type.name]
        looked_at = self._looked_at.get(struct.name, set())
        if struct.name in self._looked_at and not looked_at:
            return plain
        names = {field.name for field in struct.fields}
        try:
            return make(plain, struct, argument.id, looked_at | (names & set(steering)))
        except Unsupported:
            return plain

    def replies(self, method: Method, plain: ReplySteps) -> ReplySteps:
        """How replies to requests by a route are answered."""
        try:
            decode = native_decode(plain.decode, self._replies, self._answers, method, self._most)
        except Unsupported:
            return plain
        return ReplySteps(native.NATIVE, decode, native_render)

    def call_replies(self, method: Method, plain: ReplySteps) -> ReplySteps:
        """How replies to JSON calls are answered."""
        try:
            decode = native_decode(plain.decode, self._call_replies, self._call_answers, method, self._most)
        except Unsupported:
            return plain
        return ReplySteps(native.NATIVE, decode, native_render)
