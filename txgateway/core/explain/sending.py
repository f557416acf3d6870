"""What is sent to a service: the bytes, and what decides where they go."""

from __future__ import annotations

from attrs import asdict

from ..balancing.subsets import BETWEEN_TAGS
from ..codec.structs import Structs
from ..message import Call
from ..plan import Plan
from ..policy import Policy
from ..sensitive import Sensitive
from .story import HIDDEN, CallStory
from .wire import dump
from .words import printable


def story_of_call(call: Call, plan: Plan, structs: Structs, sensitive: Sensitive | None) -> CallStory:
    arguments = structs.arguments(plan.method).__declaration__
    dumped = dump(call.payload, arguments, structs.schema, sensitive)
    hides = sensitive is not None
    return CallStory(
        service=call.service,
        method=f"{plan.idl_service}.{plan.method.name}",
        bytes=len(call.payload),
        hex=dumped.hex,
        dump=dumped.lines,
        whole=dumped.whole,
        oneway=call.oneway,
        hash_key=HIDDEN if hides and call.hash_key else printable(call.hash_key),
        subset=HIDDEN if hides and call.subset else call.subset.replace(BETWEEN_TAGS, ", "),
        policy=_policy(call.policy),
    )


def _policy(policy: Policy) -> dict[str, str]:
    """What is asked of the call, but for what is at rest."""
    rest = Policy()
    found = {}
    for name, value in asdict(policy, recurse=False).items():
        if value != getattr(rest, name) and name not in ("name", "validate"):
            found[name] = _text(value)
    return found


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case frozenset():
            return ", ".join(sorted(map(str, value)))
        case tuple():
            return ", ".join(str(each) for each in value if each not in ("", (), False))
    return f"{value:g}" if isinstance(value, float) else str(value)
