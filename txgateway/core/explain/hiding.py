"""What an explanation must not show."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from urllib.parse import unquote_plus

from attrs import frozen

from ..annotations import marked
from ..annotations.sensitive import SENSITIVE
from ..descriptor import Field, Method, Schema, Struct
from ..message import Request
from ..places import Wanted, sources_of
from ..sensitive import Sensitive
from ..validation import structs_in
from .story import HIDDEN, RouteStory
from .words import printable, shortened

# Of a query so many characters are shown.
_LONGEST = 1000


def is_hidden(field: Field, sensitive: Sensitive | None) -> bool:
    """Whether the field's value is not to be shown.

    Where the method has a sensitive field, that includes fields that take the target or the body as a whole.

    :param sensitive: what must not be shown of the field's method.
    """
    return marked(field, SENSITIVE) or (sensitive is not None and any(each.whole for each in sources_of(field)))


def is_told_of_in_parts(field: Field, sensitive: Sensitive | None) -> bool:
    """Whether something in the field is not to be shown, so that what came for it as a whole must not be either."""
    return is_hidden(field, sensitive) or (sensitive is not None and field.name in sensitive.holders)


@frozen
class HiddenNames:
    """Names of fields of a request.

    :ivar fields: what they hold is not to be shown.
    :ivar holders: ... nor all that they hold.
    """

    fields: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()


def hidden_names(request: Struct, sensitive: Sensitive | None) -> HiddenNames:
    """:param request: the request struct."""
    if sensitive is None:
        return HiddenNames()
    whole = {field.name for field in request.fields if is_hidden(field, sensitive)}
    return HiddenNames(sensitive.names | whole, sensitive.holders | whole)


def hidden_keys(fields: Iterable[Wanted], sensitive: Sensitive | None) -> frozenset[str]:
    """The names under which a request brings what is not to be shown: parameters, headers, keys."""
    return frozenset() if sensitive is None else frozenset(_hidden_keys(fields, sensitive, False))


def _hidden_keys(fields: Iterable[Wanted], sensitive: Sensitive, hides: bool) -> Iterator[str]:
    for wanted in fields:
        hidden = hides or is_hidden(wanted.field, sensitive)
        if hidden or is_told_of_in_parts(wanted.field, sensitive):
            yield from (source.name for source in (*wanted.places.before, *wanted.places.after))
        yield from _hidden_keys(wanted.inside or (), sensitive, hidden)


def shown_target(request: Request, route: RouteStory, hidden: Container[str]) -> str:
    """The target as it was sent, without the values of these names; a path with one of them as its route has it."""
    path = route.path if any(name in hidden for name in route.parameters) else printable(request.path)
    if not request.query:
        return path
    pairs = (_shown_pair(pair.partition(b"="), hidden) for pair in request.query[:_LONGEST].split(b"&"))
    return f"{path}?{shortened('&'.join(pairs), _LONGEST)}"


def _shown_pair(pair: tuple[bytes, bytes, bytes], hidden: Container[str]) -> str:
    name, equals, value = map(printable, pair)
    return f"{name}={HIDDEN}" if unquote_plus(name) in hidden else f"{name}{equals}{value}"


def answers_openly(schema: Schema, method: Method) -> bool:
    """Whether all that the method answers may be shown."""
    results = [each for each in (method.result, *(thrown.type for thrown in method.throws)) if each is not None]
    waiting = [name for each in results for name in structs_in(each)]
    seen = set(waiting)
    for name in waiting:
        for field in schema.structs[name].fields:
            if marked(field, SENSITIVE):
                return False
            new = set(structs_in(field.type)) - seen
            seen |= new
            waiting += new
    return True
