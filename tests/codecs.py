"""What requests and replies become, in a form that two codecs can be held together by."""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeVar

from txgateway.core.errors import GatewayError
from txgateway.core.message import Response

T = TypeVar("T")


def outcome(run: Callable[..., Any], *arguments: Any) -> Any:
    """What a run gives, a response by value; or why it is refused."""
    try:
        got = run(*arguments)
    except GatewayError as error:
        return type(error), error.detail, error.members
    return by_value(got) if isinstance(got, Response) else got


def same_of_both(ours: Callable[[], T], theirs: Callable[[], T]) -> T:
    """What the first run gives or raises; so must the second."""
    assert outcome(ours) == outcome(theirs)
    return ours()


def by_value(response: Response) -> Any:
    """The response, its JSON by value, its headers in the order sent only as far as they are of one name."""
    is_json = (b"content-type", b"application/json") in response.headers
    body = exactly(json.loads(response.body)) if is_json else response.body
    return response.status, sorted(response.headers, key=itemgetter(0)), body


def exactly(value: Any) -> Any:
    """A JSON value of which equal ones are of the same kind too: 1 is neither 1.0 nor true."""
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    return list(map(exactly, value)) if isinstance(value, list) else (type(value), repr(value))
