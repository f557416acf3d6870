"""JSON values to Thrift values, strictly: every kind and range is checked, nothing is guessed.

One reader per type, compiled once: ``(value, levels left) -> value``, which raises Misfit.
"""

from __future__ import annotations

from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from ..descriptor import (
    EnumType,
    Field,
    ListType,
    MapType,
    Requiredness,
    Scalar,
    ScalarType,
    SetType,
    StructKind,
    StructType,
    Type,
    TypeName,
)
from ..misfit import Misfit, Missing, kind
from ..text import RANGES, double, integer
from .structs import Structs, ThriftStruct, exactly_one

Reader = Callable[[Any, int], Any]
# A field of a struct: JSON key, attribute, name, whether it is required, and its reader.
_Row = tuple[str, str, str, bool, Reader]


class JsonReaders:
    """The readers of one family of structs.

    :param key_of: the JSON key of a field inside a nested struct; None: JSON does not see it.
    :param converts: whether a number may also come as text (``api.js_conv``).
    :param digits: whether every integer may come as text, annotated or not.
    :param embeds: whether a string field takes any JSON value, as its text (``tgw.body_dynamic``).
    """

    def __init__(
        self,
        structs: Structs,
        key_of: Callable[[Field], str | None],
        converts: Callable[[Field], bool],
        *,
        digits: bool = False,
        embeds: Callable[[Field], bool] = lambda field: False,
    ) -> None:
        self._structs = structs
        self._key_of = key_of
        self._converts = converts
        self._digits = digits
        self._embeds = embeds
        self._known: dict[TypeName, Reader] = {}
        self._unfinished: deque[tuple[type[ThriftStruct], list[_Row], dict[str, object]]] = deque()

    def field(self, field: Field) -> Reader:
        """The reader of a field's value."""
        return embedded if self._embeds(field) else self.value(field.type, self._converts(field))

    def value(self, declared: Type, converts: bool = False) -> Reader:
        """The reader of any value of this type; ``converts`` reaches into containers, not into structs."""
        match declared:
            case ScalarType(scalar):
                return self._scalar(scalar, converts)
            case EnumType(name):
                return self._integer(Scalar.I32, f"number of {name}", converts)
            case StructType(name):
                return self.struct(name)
            case ListType(element):
                return _list(self.value(element, converts))
            case SetType(element):
                return _set(_list(self.value(element, converts)))
            case MapType(StructType() as key, value):
                return _pairs(self.value(key), self.value(value, converts))
            case MapType(key, value):
                return _map(_key(key), self.value(value, converts))

    def struct(self, name: TypeName) -> Reader:
        """The reader of a struct inside another."""
        if name not in self._known:
            # It is known before its fields are, for they may lead here again: through a
            # circle, or a chain longer than Python's stack.
            cls = self._structs[name]
            table: list[_Row] = []
            zeros: dict[str, object] = {}
            reader = _struct(cls, table, zeros)
            is_union = cls.__declaration__.kind is StructKind.UNION
            self._known[name] = _union(reader, name.name) if is_union else reader
            self._unfinished.append((cls, table, zeros))
            if len(self._unfinished) == 1:
                self._finish()
        return self._known[name]

    def _finish(self) -> None:
        try:
            while self._unfinished:
                self._fill(*self._unfinished[0])
                self._unfinished.popleft()
        finally:
            self._unfinished.clear()

    def _scalar(self, scalar: Scalar, converts: bool) -> Reader:
        match scalar:
            case Scalar.BOOL:
                return _bool_or_text if converts else _bool
            case Scalar.DOUBLE:
                return _double_or_text if converts else _double
            case Scalar.STRING:
                return _string
            case Scalar.BINARY:
                return _binary
        return self._integer(scalar, scalar.value, converts)

    def _integer(self, scalar: Scalar, name: str, converts: bool) -> Reader:
        return _integer(scalar, name, converts or self._digits)

    def _fill(self, cls: type[ThriftStruct], table: list[_Row], zeros: dict[str, object]) -> None:
        for attribute, field in zip(cls.__names__, cls.__declaration__.fields, strict=True):
            key = self._key_of(field)
            required = field.requiredness is Requiredness.REQUIRED and field.default is None
            if key is not None:
                table.append((key, attribute, field.name, required, self.field(field)))
            elif required:
                zeros[attribute] = self._structs.zero(field)


def too_deep() -> Misfit:
    return Misfit("fewer levels", "more than a Thrift message may have")


def _struct(cls: type[ThriftStruct], table: list[_Row], zeros: dict[str, object]) -> Reader:
    """The reader of a struct; table and zeros may be filled until it is first used.

    :param zeros: by attribute, what is sent for a required field that JSON does not have.
    """

    def read(value: Any, depth: int) -> ThriftStruct:
        if type(value) is not dict:
            raise Misfit("an object", kind(value))
        if depth <= 0:
            raise too_deep()
        made: ThriftStruct = cls.__new__(cls)
        if zeros:
            made.__dict__.update(zeros)
        for key, attribute, name, required, reader in table:
            item = value.get(key)
            if item is not None:
                try:
                    setattr(made, attribute, reader(item, depth - 1))
                except Misfit as misfit:
                    raise misfit.inside(name) from None
            elif required:
                raise Missing(name)
        return made

    return read


def _union(reader: Reader, name: str) -> Reader:
    def read(value: Any, depth: int) -> ThriftStruct:
        made: ThriftStruct = reader(value, depth)
        exactly_one(made, name)
        return made

    return read


def _list(element: Reader) -> Reader:
    def read(value: Any, depth: int) -> list[Any]:
        if type(value) is not list:
            raise Misfit("an array", kind(value))
        if depth <= 0:
            raise too_deep()
        items: list[Any] = []
        add = items.append
        depth -= 1
        try:
            for item in value:
                add(element(item, depth))
        except Misfit as misfit:
            raise misfit.inside(f"[{len(items)}]") from None
        return items

    return read


def _set(items: Reader) -> Reader:
    # What comes twice is sent once, where it stood first.
    return lambda value, depth: list(dict.fromkeys(map(hashable, items(value, depth))))


def hashable(value: Any) -> Any:
    """An element of a set, to be compared with the others; a list becomes a tuple, which the codec takes as well."""
    if isinstance(value, list):
        return tuple(map(hashable, value))
    if isinstance(value, dict):
        return HashableDict(value)
    return value


class HashableDict(dict[Any, Any]):
    """A map inside a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset((key, hashable(value)) for key, value in self.items()))


def _map(key: Callable[[str], Any], element: Reader) -> Reader:
    def read(value: Any, depth: int) -> dict[Any, Any]:
        if type(value) is not dict:
            raise Misfit("an object", kind(value))
        if depth <= 0:
            raise too_deep()
        entries = {}
        for name, item in value.items():
            try:
                entries[key(name)] = element(item, depth - 1)
            except Misfit as misfit:
                raise misfit.inside(f"[{name[:40]!r}]") from None
        return entries

    return read


def _pairs(key: Reader, element: Reader) -> Reader:
    """A map whose keys are structs is an array of pairs: JSON's own keys are only text."""

    def read(value: Any, depth: int) -> dict[Any, Any]:
        if type(value) is not list:
            raise Misfit("an array of [key, value] pairs", kind(value))
        if depth <= 0:
            raise too_deep()
        entries = {}
        for index, pair in enumerate(value):
            try:
                if type(pair) is not list or len(pair) != 2:
                    raise Misfit("a [key, value] pair", kind(pair))
                entries[key(pair[0], depth - 1)] = element(pair[1], depth - 1)
            except Misfit as misfit:
                raise misfit.inside(f"[{index}]") from None
        return entries

    return read


def _key(declared: Type) -> Callable[[str], Any]:
    """Reads a map's key from the text that every key in JSON is."""
    match declared:
        case ScalarType(Scalar.STRING):
            return str
        case ScalarType(Scalar.BINARY):
            return str.encode
        case ScalarType(Scalar.BOOL):
            return _bool_key
        case ScalarType(Scalar.DOUBLE):
            return lambda name: double(name.encode())
        case ScalarType(scalar):
            read = integer(scalar, f"{scalar} as the key")
        case _:
            read = integer(Scalar.I32, f"number of {declared} as the key")
    return lambda name: read(name.encode())


def _bool_key(name: str) -> bool:
    if name not in ("true", "false"):
        raise Misfit("true or false as the key", f"the text {name[:40]!r}")
    return name == "true"


def _integer(scalar: Scalar, name: str, texts: bool) -> Reader:
    low, high = RANGES[scalar]
    from_text = integer(scalar, name)
    expected = f"{'an' if name[0] == 'i' else 'a'} {name} ({low} to {high})"

    def read(value: Any, depth: int) -> int:
        # bool is a kind of int to Python, and a fraction of .0 is still one.
        if type(value) is int and low <= value <= high:
            return value
        if texts and type(value) is str:
            number: int = from_text(value.encode())
            return number
        raise Misfit(expected, kind(value))

    return read


def _string(value: Any, depth: int) -> str:
    if type(value) is not str:
        raise Misfit("a string", kind(value))
    return value


def _bool(value: Any, depth: int) -> bool:
    if type(value) is not bool:
        raise Misfit("a bool", kind(value))
    return value


def _bool_or_text(value: Any, depth: int) -> bool:
    return value == "true" if value in ("true", "false") else _bool(value, depth)


def _double(value: Any, depth: int) -> float:
    if type(value) is not float and type(value) is not int:
        raise Misfit("a double", kind(value))
    return float(value)


def _double_or_text(value: Any, depth: int) -> float:
    return double(value.encode()) if type(value) is str else _double(value, depth)


def _binary(value: Any, depth: int) -> bytes:
    if type(value) is not str:
        raise Misfit("base64 text", kind(value))
    try:
        return a2b_base64(value, strict_mode=True)
    except (BinasciiError, ValueError):
        raise Misfit("base64 text", kind(value)) from None


def embedded(value: Any, depth: int) -> str:
    """Any JSON value as its text; a string is that text already."""
    return value if type(value) is str else orjson.dumps(value).decode()
