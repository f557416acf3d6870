"""Which route matched, and why those that nearly do did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from urllib.parse import unquote_to_bytes

from ..annotations.verb import ANY
from ..inputs import PathParameters
from ..mapping import MappedService, Mapping, Route
from ..message import Request
from ..plan import Plan
from ..routing import Segment, normalise, parse_route
from .story import NearMiss, RouteStory
from .words import count_of, printable, similar

# So many near misses are shown.
MOST_NEAR = 5
# How far from a route a request may be to be called near: see :func:`_distance`.
_FAR = 4
_SIMILAR, _DIFFERENT, _LENGTH = 1, 3, 2
# Longer segments are not compared letter by letter.
_LONGEST = 64

_JSON_CALL = b"gateway"


def is_json_call(mapping: Mapping, request: Request) -> bool:
    """Whether the HTTP servers take it for ``POST /gateway/<service>/<method>``; a route of an IDL goes before that."""
    segments = _segments(request.path)
    if len(segments) != 3 or segments[0] != _JSON_CALL or not all(segments):
        return False
    return not any(
        _serves(route, request.verb) and _match(parse_route(route.path), segments) is not None
        for route in mapping.routes
        if route.path.startswith("/")
    )


def story_of(request: Request, plan: Plan, route: Route | None, parameters: PathParameters) -> RouteStory:
    """:param route: None for a JSON call, which has none."""
    verb, path = (request.verb, printable(request.path)) if route is None else (route.verb, route.path)
    texts = {name: printable(value) for name, value in parameters.items()}
    return RouteStory(verb, path, plan.service, plan.method.name, texts)


def near_misses(mapping: Mapping, request: Request, chosen: Route | None) -> tuple[NearMiss, ...]:
    """The routes next to the request, the nearest first.

    :param chosen: what the request takes; next to that only those count that are easily mistaken for it.
    """
    segments = _segments(request.path)
    near: list[tuple[int, NearMiss]] = []
    for route in mapping.routes:
        if route is chosen:
            continue
        distance, why = _compare(route, request, segments)
        if distance < (_FAR if chosen is None else _DIFFERENT):
            near.append((distance, NearMiss(route.verb, route.path, _method(route.plan), why)))
    near.sort(key=lambda each: each[0])
    return tuple(miss for _, miss in near[:MOST_NEAR])


def near_calls(services: Iterable[MappedService], request: Request) -> tuple[NearMiss, ...]:
    """What a JSON call may have meant."""
    known = {service.name: service for service in services}
    name, method = (segment.decode("utf-8", "replace") for segment in _segments(request.path)[1:])
    service = known.get(name) or known.get(similar(name, known))
    if service is None:
        return ()
    found = method if method in service.calls else similar(method, service.calls)
    if not found:
        return ()
    differs = {"service": (service.name, name), "method": (found, method)}
    why = [f"the {what} is {ours!r}, not {theirs!r}" for what, (ours, theirs) in differs.items() if ours != theirs]
    if request.verb != "POST":
        why.append(f"the verb is POST, not {request.verb[:20]}")
    path = f"/gateway/{service.name}/{found}"
    return (NearMiss("POST", path, _method(service.calls[found][0]), ", ".join(why)),) if why else ()


def _method(plan: Plan) -> str:
    return f"{plan.service} {plan.method.name}"


def _segments(path: bytes) -> list[bytes]:
    """The segments as routes see them: normalised, decoded one by one."""
    return list(map(unquote_to_bytes, normalise(path)[1:].split(b"/")))


def _serves(route: Route, verb: str) -> bool:
    return route.verb in (verb, ANY) or (verb == "HEAD" and route.verb == "GET")


def _match(route: tuple[Segment, ...], segments: list[bytes]) -> dict[str, bytes] | None:
    """The parameters with which the route matches, or None."""
    parameters: dict[str, bytes] = {}
    for place, each in enumerate(route):
        if place >= len(segments):
            return None
        if each.sign == "*":
            parameters[each.name] = b"/".join(segments[place:])
            return parameters
        if not _fits(each, segments[place]):
            return None
        if each.sign:
            parameters[each.name] = segments[place][len(each.literal) :]
    return parameters if len(route) == len(segments) else None


def _fits(each: Segment, segment: bytes) -> bool:
    if each.sign:
        return len(segment) > len(each.literal) and segment.startswith(each.literal)
    return segment == each.literal


# How far something in a request is from a route, and what of the route it lacks.
_Difference = tuple[int, str]


def _compare(route: Route, request: Request, segments: list[bytes]) -> _Difference:
    wanted = parse_route(route.path)
    verb = [] if _serves(route, request.verb) else [(0, f"the verb is {route.verb}, not {request.verb[:20]}")]
    if _match(wanted, segments) is not None:
        return verb[0] if verb else (0, _GOES_FIRST)
    if not any(_is_common(each, segment) for each, segment in zip(wanted, segments, strict=False)):
        return _FAR, ""
    differences = [*_differences(wanted, segments), *verb]
    return sum(distance for distance, _ in differences), "; ".join(why for _, why in differences)


_GOES_FIRST = "it matches too, but the other goes first: text before a parameter, that before *, a verb before ANY"


def _is_common(each: Segment, segment: bytes) -> bool:
    """Whether they share text, or nearly do."""
    return bool(each.literal) and (_fits(each, segment) or _is_similar(each.literal, segment))


def _differences(route: tuple[Segment, ...], segments: list[bytes]) -> Iterator[_Difference]:
    """What keeps a path from matching, from left to right; once that is far, nothing more."""
    far = 0
    for place, (each, segment) in enumerate(zip(route, segments, strict=False), 1):
        if each.sign == "*":
            return
        if not _fits(each, segment):
            difference = _segment_difference(f"segment {place}", each, segment)
            yield difference
            far += difference[0]
            if far >= _FAR:
                return
    if len(route) != len(segments):
        yield _length_difference(route[len(segments) :], segments[len(route) :])


def _segment_difference(place: str, each: Segment, segment: bytes) -> _Difference:
    literal, got = repr(printable(each.literal)), repr(printable(segment))
    if each.sign and not segment:
        return _SIMILAR, f"{place} is a parameter, {_written(each)}, and empty"
    if each.sign:
        return _DIFFERENT, f"{place} begins with {literal}, not {got}"
    if each.literal.lower() == segment.lower():
        return _SIMILAR, f"{place} is {literal}, not {got}: letter case counts"
    return _SIMILAR if _is_similar(each.literal, segment) else _DIFFERENT, f"{place} is {literal}, not {got}"


def _length_difference(missing: tuple[Segment, ...], extra: list[bytes]) -> _Difference:
    if missing:
        rest = "/".join(map(_written, missing))
        return len(missing) * _LENGTH, f"behind it comes /{rest}"
    if extra == [b""]:
        return _SIMILAR, "it ends without a slash"
    return len(extra) * _LENGTH, f"it ends {count_of(len(extra), 'segment')} earlier"


def _is_similar(one: bytes, other: bytes) -> bool:
    if not one or not other or len(one) > _LONGEST or len(other) > _LONGEST:
        return False
    matcher = SequenceMatcher(None, one.decode("latin-1"), other.decode("latin-1"), autojunk=False)
    return matcher.real_quick_ratio() >= 0.6 and matcher.quick_ratio() >= 0.6 and matcher.ratio() >= 0.6


def _written(each: Segment) -> str:
    return printable(each.literal) + (each.sign + each.name)
