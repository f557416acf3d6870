"""The fields of a result that a front end asks for: ``?fields=title,authors(name)``.

Names are the keys of the JSON that is answered; parentheses choose among the fields of what
is in one, through lists and the values of maps. Status and headers are not chosen from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .descriptor import Field, ListType, MapType, Schema, SetType, StructType, Type
from .errors import BadRequest
from .misfit import text

PARAMETER = "fields"

# What is chosen of a struct, by the keys of its fields; None: all of it.
Tree = dict[str, "Tree | None"]
# The same by the places of the fields.
Rows = tuple[tuple[int, "Rows | None"], ...]

# As deep as a message may be.
_DEPTH = 64
_TOKEN = re.compile(r"[(),]|[^(),]+")


def parse_selection(selection: str) -> Tree:
    """Reads the parameter's value; of a name that comes twice both parts count. Raises BadRequest."""
    tokens = iter([*filter(None, map(str.strip, _TOKEN.findall(selection))), ""])
    tree, end = _fields(tokens, _DEPTH)
    if end:
        raise _refused("there is a ) without a (")
    return tree


def _fields(tokens: Iterator[str], depth: int) -> tuple[Tree, str]:
    """The fields up to a closing parenthesis or the end, and which of the two it is."""
    if depth == 0:
        raise _refused(f"there are more than {_DEPTH} levels of parentheses")
    tree: Tree = {}
    while True:
        name = next(tokens)
        if name in ("", "(", ")", ","):
            raise _refused(f"a name is missing before {name!r}" if name else "a name is missing at the end")
        inner: Tree | None = None
        end = next(tokens)
        if end == "(":
            inner, closing = _fields(tokens, depth - 1)
            if not closing:
                raise _refused("there is a ( without a )")
            end = next(tokens)
        _join(tree, name, inner)
        if end in ("", ")"):
            return tree, end
        if end != ",":
            raise _refused(f"a comma is missing before {text(end)}")


def _join(tree: Tree, name: str, inner: Tree | None) -> None:
    known = tree.setdefault(name, inner)
    if known is None or inner is None:
        tree[name] = None
    elif known is not inner:
        for each, deeper in inner.items():
            _join(known, each, deeper)


def resolve(
    tree: Tree,
    declared: Type,
    schema: Schema,
    key_of: Callable[[Field], str | None],
    nested_key_of: Callable[[Field], str | None],
) -> Rows:
    """The chosen fields by their places; raises BadRequest for one that there is not.

    :param declared: the type of the result.
    :param key_of: the keys of the outermost struct.
    :param nested_key_of: those of the structs in it.
    """
    name = _innermost(declared)
    if name is None:
        raise _refused(f"a {declared} has no fields to choose from")
    struct = schema.structs[name.name]
    places = {key: place for place, field in enumerate(struct.fields) if (key := key_of(field)) is not None}
    rows = []
    for key, inner in tree.items():
        if key not in places:
            raise _refused(f"{struct.name} has no field {text(key)} in the answer")
        type_ = struct.fields[places[key]].type
        deeper = None if inner is None else resolve(inner, type_, schema, nested_key_of, nested_key_of)
        rows.append((places[key], deeper))
    return tuple(rows)


def _innermost(declared: Type) -> StructType | None:
    match declared:
        case StructType():
            return declared
        case ListType(inner) | SetType(inner) | MapType(_, inner):
            return _innermost(inner)
    return None


def _refused(why: str) -> BadRequest:
    return BadRequest(f"query parameter {PARAMETER!r}: {why}", field=PARAMETER)
