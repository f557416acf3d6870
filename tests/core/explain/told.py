"""Explanations of requests to an IDL in a few lines."""

from __future__ import annotations

import itertools

from tests.mapped import request, service_of
from txgateway.core.explain import Clocks, Explained, Explanation, Served, explain
from txgateway.core.explain.story import FieldStory
from txgateway.core.mapping import join

# Each look at the clock is a millisecond later.
CLOCKS = Clocks(itertools.count(0, 0.001).__next__, lambda: 1_000)


def served(*idls: str) -> Served:
    """By services named svc, svc1 and so on."""
    services = [service_of(idl, f"svc{number or ''}") for number, idl in enumerate(idls)]
    mapping, refused = join(services)
    assert not refused
    return Served(mapping, {service.name: service for service in services})


def explained(
    idl: str, verb: str, target: str, headers: dict[str, str | bytes] | None = None, body: str | bytes = b""
) -> Explained:
    return explain(request(verb, target, headers, body), served(idl), CLOCKS)


def told(
    idl: str, verb: str, target: str, headers: dict[str, str | bytes] | None = None, body: str | bytes = b""
) -> Explanation:
    return explained(idl, verb, target, headers, body).explanation


def field(explanation: Explanation, path: str) -> FieldStory:
    """The story of this field, wherever it stands."""
    waiting = list(explanation.fields)
    for each in waiting:
        if each.path == path:
            return each
        waiting += each.inside
    raise AssertionError(f"nothing is told of {path}, only of {[each.path for each in waiting]}")
