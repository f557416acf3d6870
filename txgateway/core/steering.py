"""What the pick of an instance depends on besides the instances: texts in a request that steer its call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .balancing.subsets import BETWEEN_TAGS
from .codec.structs import Structs
from .descriptor import EnumType, Method, ScalarType, StructType
from .errors import Diagnostic, IdlError
from .inputs import Inputs
from .message import Call, Request
from .policy import Policy
from .request_steps import RequestSteps
from .text import written

# The text in a request, or in the arguments bound from it; empty if there is none.
Find = Callable[[Request, Any], bytes]
# Adds the texts to a call.
Steer = Callable[[Call, Request, Any], Call]


def compile_steer(structs: Structs, policy: Policy, method: Method, steps: RequestSteps) -> Steer | None:
    """None if nothing in a request matters. Raises IdlError for a field that there is not.

    :param steps: which make the arguments.
    """
    hash_key = _finder(policy.hash_key, structs, method, steps)
    subset = [find for source in policy.subset if (find := _finder(source, structs, method, steps)) is not None]
    if hash_key is None and not subset:
        return None

    def steer(call: Call, request: Request, arguments: Any) -> Call:
        key = b"" if hash_key is None else hash_key(request, arguments)
        wanted = BETWEEN_TAGS.join(find(request, arguments).decode("utf-8", "replace") for find in subset)
        return call.replace(hash_key=key, subset=wanted)

    return steer


def steering_fields(policy: Policy) -> set[str]:
    """The names of the arguments' fields that the pick of an instance depends on."""
    sources = (source.partition(":") for source in (policy.hash_key, *policy.subset))
    return {name for kind, _, name in sources if kind == "arg"}


def _finder(source: str, structs: Structs, method: Method, steps: RequestSteps) -> Find | None:
    """Compiles ``header:NAME``, ``cookie:NAME``, ``query:NAME``, ``arg:FIELD`` or ``ip``; other text is meant."""
    kind, _, name = source.partition(":")
    key = name.encode()
    match kind:
        case "":
            return None
        case "header":
            lower = key.lower()
            return lambda request, arguments: request.header(lower) or b""
        case "cookie":
            return lambda request, arguments: Inputs(request, {}).cookies.get(key, [b""])[0]
        case "query":
            return lambda request, arguments: Inputs(request, {}).query.get(key, [b""])[0]
        case "arg":
            get = _argument(name, structs, method, steps)
            return lambda request, arguments: _text(get(arguments))
        case "ip":
            return lambda request, arguments: request.client.encode()
    literal = source.encode()
    return lambda request, arguments: literal


def _argument(name: str, structs: Structs, method: Method, steps: RequestSteps) -> Callable[[Any], object]:
    """Gets a field of the request struct, or the argument itself if it is no struct."""
    for argument in method.arguments[:1]:
        if not isinstance(argument.type, StructType):
            if argument.name == name and isinstance(argument.type, ScalarType | EnumType):
                sent = structs.zero(argument)
                return lambda arguments: sent if (value := steps.request(arguments)) is None else value
            continue
        struct = structs.schema.structs[argument.type.name]
        field = struct.field_named(name)
        if field is not None and isinstance(field.type, ScalarType | EnumType):
            request, get, rest = steps.request, steps.access(struct, field), structs.rest(struct, field)
            return lambda arguments: rest if (value := get(request(arguments))) is None else value
    message = f"{method.name}: calls are to be steered by arg:{name}, which is no scalar field of its request"
    raise IdlError((Diagnostic(message, method.position),))


def _text(value: object) -> bytes:
    return b"" if value is None else written(value)
