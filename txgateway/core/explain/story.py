"""What an explanation says, as plain values: each step of one request, and why it went as it did."""

from __future__ import annotations

import enum
from typing import Any

from attrs import asdict, field, frozen

from ..explain_rule import Part
from ..message import Response

# Of a body so much is shown, in characters.
SHOWN_BODY = 4000
# In place of what is not to be shown.
HIDDEN = "***"


class Fate(enum.Enum):
    """What became of a field."""

    GIVEN = "given"
    # Nothing was found, and the IDL's own default is sent.
    DEFAULT = "default"
    # Nothing was found, and the zero value of the type is sent.
    ZERO = "zero"
    # Nothing was found, and nothing is sent.
    ABSENT = "absent"
    # Nothing was found, and the request is refused for it.
    MISSING = "missing"
    # What was found does not fit the type.
    MISFIT = "misfit"


@frozen
class Look:
    """One place where a field was looked for.

    :ivar found: the texts found there, joined; None if there were none.
    :ivar asked: whether the gateway looks there: not where an earlier place has a value.
    :ivar note: why something that is there counts as nothing.
    """

    place: str
    found: str | None
    asked: bool = True
    note: str = ""


@frozen
class FieldStory:
    """Where a field's value came from.

    :ivar path: from the request struct down, as failures name it.
    :ivar conversion: from what to what, if it was found.
    :ivar value: as JSON text; empty if nothing is sent.
    :ivar note: why it is missing, or does not fit.
    :ivar inside: the fields of a struct that JSON gave, or that is filled from its fields' own sources.
    """

    path: str
    type: str
    requiredness: str
    fate: Fate
    looks: tuple[Look, ...] = ()
    conversion: str = ""
    value: str = ""
    note: str = ""
    inside: tuple[FieldStory, ...] = ()


@frozen
class Unused:
    """Something in the request that no field takes.

    :ivar place: ``query parameter``, ``form field`` or ``JSON key``.
    :ivar hint: the name of a field's that is nearly the same.
    """

    place: str
    name: str
    hint: str = ""


@frozen
class RuleStory:
    """A rule, held against one value.

    :ivar path: the field that has the rule, as failures name it.
    :ivar holds: False if the request fails it.
    :ivar parts: each part of the rule with its value.
    :ivar message: what it says when it fails.
    """

    path: str
    rule: str
    holds: bool
    parts: tuple[Part, ...] = ()
    message: str = ""


@frozen
class RouteStory:
    """
    :ivar path: as the IDL spells it; that of a JSON call is the request's.
    :ivar parameters: of the path, decoded.
    """

    verb: str
    path: str
    service: str
    method: str
    parameters: dict[str, str] = field(factory=dict)


@frozen
class NearMiss:
    """A route that did not match, though it nearly does."""

    verb: str
    path: str
    method: str
    why: str


@frozen
class WireLine:
    """Some bytes of the argument struct, and what they say.

    :ivar depth: of the struct or container in which they stand.
    """

    offset: int
    hex: str
    depth: int
    text: str


@frozen
class CallStory:
    """What is sent to the service.

    :ivar bytes: how many the argument struct has.
    :ivar hex: of the argument struct, as far as it is shown; what is not to be shown is ``**``.
    :ivar dump: the same, explained.
    :ivar whole: whether the dump reaches to the end.
    :ivar hash_key: what the pick of an instance goes by, if it does so.
    :ivar subset: the wanted value of the tag by which instances are divided.
    """

    service: str
    method: str
    bytes: int
    hex: str
    dump: tuple[WireLine, ...]
    whole: bool = True
    oneway: bool = False
    hash_key: str = ""
    subset: str = ""
    policy: dict[str, str] = field(factory=dict)


@frozen
class Candidate:
    """An instance of the service.

    :ivar share: of the calls, from 0 to 1, as far as that can be foretold; None if it depends on load.
    :ivar excluded: why it is not picked, or only after others; empty for one that may be picked.
    """

    address: str
    weight: int
    state: str
    share: float | None = None
    excluded: str = ""
    in_flight: int = 0
    last_error: str = ""
    tags: dict[str, str] = field(factory=dict)


@frozen
class PickStory:
    """Which instance takes the call.

    :ivar chosen: its address; empty if that cannot be told, or if there is none.
    :ivar available: whether any may be picked.
    :ivar why: by what it is, or will be, chosen.
    :ivar hints: what may be wrong where there is no instance.
    """

    balancer: str
    chosen: str
    why: str
    available: bool
    candidates: tuple[Candidate, ...] = ()
    more: int = 0
    hints: tuple[str, ...] = ()


@frozen
class TryStory:
    """One time that the call was given to an instance.

    :ivar milliseconds: until its reply, or its failure.
    :ivar failure: what failed; empty if there was a reply.
    """

    address: str
    milliseconds: float
    failure: str = ""


@frozen
class Outcome:
    """What the client gets, or would get.

    :ivar status: None if it depends on the service, which was not asked.
    :ivar says: in a sentence.
    :ivar kind: of a failure, as problem documents name it; empty for an answer.
    :ivar body: its beginning.
    """

    status: int | None
    says: str
    kind: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@frozen
class Step:
    """How long a step took, this once."""

    name: str
    microseconds: float


@frozen
class Explanation:
    """One request, explained.

    :ivar target: as it was sent, but for what is not to be shown.
    :ivar body: what kind of body it has.
    :ivar route: None if no route matched.
    :ivar validate: what becomes of a request that fails its rules.
    :ivar call: None if nothing would be sent.
    :ivar pick: None where nobody knows of instances.
    :ivar tries: empty if no call was made.
    """

    verb: str
    target: str
    body: str
    route: RouteStory | None
    near: tuple[NearMiss, ...]
    outcome: Outcome
    fields: tuple[FieldStory, ...] = ()
    unused: tuple[Unused, ...] = ()
    validate: str = ""
    rules: tuple[RuleStory, ...] = ()
    call: CallStory | None = None
    pick: PickStory | None = None
    tries: tuple[TryStory, ...] = ()
    steps: tuple[Step, ...] = ()


def page_of(explanation: Explanation) -> dict[str, Any]:
    """The explanation as a value for JSON."""
    return asdict(explanation, value_serializer=lambda _, __, value: value.value if isinstance(value, Fate) else value)


def headers_of(response: Response) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers)
