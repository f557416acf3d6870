"""route: verb and path to what serves them.

A route is written ``/books/:id``, ``/v:major/x`` or ``/files/*path``: a parameter takes one
segment, or what a literal beginning leaves of it, and never nothing; the tail takes all
that is left, nothing included. At each segment a literal is preferred to a parameter and
that to the tail, with the longest beginning first; what leads nowhere is taken back.

Segments are matched as they were sent and decoded one by one, so ``%2F`` is never a
slash, but ``%70`` is a ``p``. A path without anything to decode or to normalise that a
literal route names costs one look into a dictionary, however many routes there are.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NoReturn
from urllib.parse import quote_from_bytes, unquote_to_bytes

from attrs import frozen

from .annotations.verb import ANY
from .errors import Answered, BadRoute, NotFound, VerbNotAllowed
from .inputs import PathParameters
from .message import Request, Response

# Any object of the caller's: of a class with a type parameter a compiled object can be referred to weakly, which is not
# safe (see ``tests/test_compiled.py``).
Target = Any

# In this order Allow lists them.
_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NO_PARAMETERS: PathParameters = {}
# The routes of a mapping are looked at several times by each load, most of which are those of the load before.
_REMEMBERED = 10_000
_UNUSUAL = re.compile(rb"%|//|/\.").search


@frozen
class Segment:
    """One segment of a route: a literal, which may go before the name of a parameter (``:``) or the tail (``*``)."""

    literal: bytes
    sign: str = ""
    name: str = ""


@functools.lru_cache(_REMEMBERED)
def parse_route(path: str) -> tuple[Segment, ...]:
    """The segments of a route as an IDL writes it; a missing leading slash is added. Raises BadRoute."""
    if not path:
        raise BadRoute("a route needs a path")
    *front, last = path.removeprefix("/").split("/")
    segments = [_parse_segment(segment) for segment in front]
    if any(segment.sign == "*" for segment in segments):
        raise BadRoute("*name takes the whole tail, so it can only stand at the end")
    return (*segments, _parse_segment(last))


@functools.lru_cache(_REMEMBERED)
def shape(path: str) -> tuple[tuple[bytes, str], ...]:
    """What a route matches: two whose shapes are equal differ at most in the names of their parameters."""
    return tuple((segment.literal, segment.sign) for segment in parse_route(path))


def _parse_segment(text: str) -> Segment:
    literal, sign, name = re.fullmatch(r"([^:*]*)([:*]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if ":" in name or "*" in name:
        raise BadRoute(f"the segment {text!r} has two parameters")
    if sign and not name:
        raise BadRoute(f"the parameter in {text!r} has no name")
    if sign == "*" and literal:
        raise BadRoute(f"*{name} takes the whole tail, so it can only stand behind a slash")
    return Segment(unquote_to_bytes(literal), sign, name)


class _End:
    """What serves the path that ends here, by verb; and the names of its parameters, which each route chooses."""

    __slots__ = ("targets",)

    def __init__(self) -> None:
        self.targets: dict[str, tuple[Target, tuple[str, ...]]] = {}


class _Node:
    """Where a path may end or go on.

    :ivar parameters: by the literal in front of the parameter, the longest first.
    """

    __slots__ = ("end", "literals", "parameters", "tail")

    def __init__(self) -> None:
        self.end: _End = _End()
        self.literals: dict[bytes, _Node] = {}
        self.parameters: dict[bytes, _Node] = {}
        self.tail: _End | None = None


class Router:
    """All routes of a mapping; complete once built, and only read from then on."""

    def __init__(self) -> None:
        self._root: _Node = _Node()
        # Routes without a parameter, by their path.
        self._literal: dict[bytes, _End] = {}

    def add(self, verb: str, path: str, target: Target) -> None:
        """Adds a route, in place of one with the same verb and :func:`shape`. Raises BadRoute."""
        segments = parse_route(path)
        names = tuple(segment.name for segment in segments if segment.sign)
        end = self._end(segments)
        end.targets[verb] = (target, names)
        if not names and "%" not in path:
            self._literal[b"/" + b"/".join([segment.literal for segment in segments])] = end

    def find(self, request: Request) -> tuple[Target, PathParameters]:
        """What serves the request.

        :raises NotFound: no such path.
        :raises VerbNotAllowed: the path is known, the verb is not.
        :raises Answered: the router answers by itself.
        """
        path = request.path
        if not _UNUSUAL(path):
            end = self._literal.get(path)
            if end is not None:
                found = end.targets.get(request.verb)
                if found is not None:
                    return found[0], _NO_PARAMETERS
        elif path.startswith(b"/"):
            path = normalise(path)
        if not path.startswith(b"/"):
            raise NotFound("There is nothing at this path")
        return self._first(path, request.verb) or self._refuse(path, request)

    def _first(self, path: bytes, verb: str) -> tuple[Target, PathParameters] | None:
        """What serves the verb at a normalised path; where nothing serves HEAD, GET does."""
        segments = path[1:].split(b"/")
        if b"%" in path:
            segments = list(map(unquote_to_bytes, segments))
        values: list[bytes] = []
        found = _descend(self._root, segments, 0, verb, values)
        if found is None and verb == "HEAD":
            return self._first(path, "GET")
        return found and (found[0], dict(zip(found[1], values, strict=True)))

    def _refuse(self, path: bytes, request: Request) -> NoReturn:
        """Raises what the request gets whose verb nothing serves at its path."""
        self._redirect(path, request)
        served = [verb for verb in _VERBS if self._first(path, verb) is not None]
        if not served:
            raise NotFound("There is nothing at this path")
        allowed = tuple(verb for verb in _VERBS if verb in served or verb == "OPTIONS")
        if request.verb == "OPTIONS":
            raise Answered(Response(204, ((b"allow", ", ".join(allowed).encode("ascii")),)))
        raise VerbNotAllowed(allowed, f"This path does not take {request.verb[:20]}")

    def _redirect(self, path: bytes, request: Request) -> None:
        """Sends the client on if the path with its last slash added or taken away serves the verb."""
        other = path[:-1] if path.endswith(b"/") else path + b"/"
        if other and self._first(other, request.verb) is not None:
            # 307 keeps the verb and the body; after a GET every client does the right thing with 301.
            status = 301 if request.verb in ("GET", "HEAD") else 307
            query = b"?" + request.query if request.query else b""
            location = quote_from_bytes(other + query, safe="/%:@!$&'()*+,;=~?").encode("ascii")
            raise Answered(Response(status, ((b"location", location),)))

    def _end(self, segments: tuple[Segment, ...]) -> _End:
        node = self._root
        for segment in segments:
            if segment.sign == "*":
                node.tail = node.tail or _End()
                return node.tail
            if segment.sign:
                if segment.literal not in node.parameters:
                    node.parameters[segment.literal] = _Node()
                    node.parameters = dict(sorted(node.parameters.items(), key=lambda each: -len(each[0])))
                node = node.parameters[segment.literal]
            else:
                node = node.literals.setdefault(segment.literal, _Node())
        return node.end


def _descend(
    node: _Node, segments: list[bytes], at: int, verb: str, values: list[bytes]
) -> tuple[Target, tuple[str, ...]] | None:
    """What serves the verb behind these segments; ``values`` then holds those of its parameters.

    A node is entered once at most, for its depth is that of the segment: going back costs
    no more than the routes that share the path's beginning.
    """
    if at == len(segments):
        return _target(node.end, verb)
    segment = segments[at]
    inner = node.literals.get(segment)
    if inner is not None:
        found = _descend(inner, segments, at + 1, verb, values)
        if found is not None:
            return found
    depth = len(values)
    for literal, inner in node.parameters.items():
        if len(segment) > len(literal) and segment.startswith(literal):
            values.append(segment[len(literal) :])
            found = _descend(inner, segments, at + 1, verb, values)
            if found is not None:
                return found
            del values[depth:]
    if node.tail is not None:
        found = _target(node.tail, verb)
        if found is not None:
            values.append(b"/".join(segments[at:]))
            return found
    return None


def _target(end: _End, verb: str) -> tuple[Target, tuple[str, ...]] | None:
    return end.targets.get(verb) or end.targets.get(ANY)


def normalise(path: bytes) -> bytes:
    """The path without empty and dot segments, in whatever spelling those come; nothing else is decoded."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        plain = unquote_to_bytes(segment) if b"%" in segment else segment
        if plain == b"..":
            del kept[-1:]
        elif plain not in (b"", b"."):
            kept.append(segment)
    # A path that ends in a slash, or in a segment that goes away, names a folder.
    folder = bool(segments) and unquote_to_bytes(segments[-1]) in (b"", b".", b"..")
    return b"/" + b"/".join(kept) + (b"/" if folder and kept else b"")
