"""Struct classes for thriftpy2's codec, built from our descriptors alone."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from attrs import frozen

from ..descriptor import (
    Enum,
    EnumType,
    Field,
    ListType,
    MapType,
    MapValue,
    Method,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    StructValue,
    Type,
    TypeName,
    Value,
)
from ..errors import Diagnostic, IdlError
from ..misfit import Misfit, Missing
from .walking import Walker, boolean, list_of, map_of, string, struct_of
from .wire_type import BINARY, BOOL, DOUBLE, I8, I16, I32, I64, LIST, MAP, SET, STRING, STRUCT, WIDTHS

# The number of each scalar that the codec knows.
SCALARS = {
    Scalar.BOOL: BOOL,
    Scalar.I8: I8,
    Scalar.I16: I16,
    Scalar.I32: I32,
    Scalar.I64: I64,
    Scalar.DOUBLE: DOUBLE,
    Scalar.STRING: STRING,
    Scalar.BINARY: BINARY,
}
_ZEROS: dict[Scalar, object] = {Scalar.BOOL: False, Scalar.DOUBLE: 0.0, Scalar.STRING: "", Scalar.BINARY: b""}


class ThriftStruct:
    """What all struct classes share.

    An instance's own ``__dict__`` holds the fields that are set. One that is not reads
    as its rest value, which is also what is written for it: the IDL's default, else
    the zero value if its requiredness is the default one, else None. For a struct the
    zero value is a false, unchangeable instance that is empty on the wire.

    But for ``thrift_spec``, which thriftpy2 looks for, every name here begins and ends
    with two underscores, so that few fields clash; :func:`attribute` tells what becomes of those.
    """

    thrift_spec: ClassVar[dict[int, tuple[Any, ...]]] = {}
    __declaration__: ClassVar[Struct]
    # Whether it is no struct of the IDL, but a method's arguments or result.
    __message__: ClassVar[bool] = False
    # Field names by attribute, in the order of the IDL.
    __names__: ClassVar[dict[str, str]] = {}
    # Makes an instance with nothing set but ``__start__``; the codec's way to make one.
    __blank__: ClassVar[Callable[[], Any]]
    # What a new instance holds from the start: a function each, which makes the value.
    __start__: ClassVar[dict[str, Callable[[], object]]] = {}
    __walk__: ClassVar[Walker]
    # What ``checking`` holds against a field: made when it first needs it.
    __checks__: ClassVar[tuple[Any, ...] | None] = None
    # Raises Misfit for the first required field that is unset, or union that has not exactly one
    # member; None if neither is possible.
    __require__: ClassVar[Callable[[Any], None] | None] = None

    def __init__(self, /, **values: Any) -> None:
        cls = type(self)
        for name in values:
            if name not in cls.__names__:
                raise TypeError(f"{cls.__name__} has no field {name!r}, only {', '.join(cls.__names__) or 'none'}")
        self.__dict__.update({name: make() for name, make in cls.__start__.items()})
        self.__dict__.update(values)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        # A struct may be a key of a map; as any key, it must then stay as it is.
        return hash((type(self), _hashable(self.__dict__)))

    def __repr__(self) -> str:
        held = (f"{name}={self.__dict__[name]!r}" for name in type(self).__names__ if name in self.__dict__)
        return f"{type(self).__name__}({', '.join(held)})"


class ThriftException(ThriftStruct, Exception):
    """A declared exception: a handler raises it."""

    def __str__(self) -> str:
        return repr(self)


class _Absent(ThriftStruct):
    """Mixed into the class of the instance that stands for a struct that was not sent."""

    thrift_spec: ClassVar[dict[int, tuple[Any, ...]]] = {}
    __require__ = None
    __checks__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"this {type(self).__name__} stands for one that was not sent; make a new one")

    def __bool__(self) -> bool:
        return False


def attribute(name: str, *, exception: bool = False) -> str:
    """The attribute that holds the field of this name: the name itself, or with ``_`` appended.

    Reserved are Python's keywords, ``__x__``, ``thrift_spec``, and what Exception has of
    its own. A reserved name with underscores behind it gets one more as well, so that
    two fields never share an attribute.
    """
    shorter = name
    while shorter and not _is_reserved(shorter, exception):
        if not shorter.endswith("_"):
            return name
        shorter = shorter[:-1]
    return name + "_"


def _is_reserved(name: str, exception: bool) -> bool:
    return (
        name == "thrift_spec"
        or keyword.iskeyword(name)
        or (name.startswith("__") and name.endswith("__"))
        or (exception and hasattr(Exception, name))
    )


@frozen
class _Wire:
    """A type as the codec needs it: thriftpy2's number, its spec of the parts, and the walker of a value."""

    number: int
    parts: Any = None
    walker: Walker | None = None

    @property
    def kind(self) -> int:
        """The type on the wire."""
        return STRING if self.number == BINARY else self.number

    @property
    def spec(self) -> Any:
        return self.number if self.parts is None else (self.number, self.parts)


class Structs:
    """The classes of one schema, each built when it is first asked for.

    A family with other needs, such as one made for rendering, overrides :meth:`base`,
    :meth:`attribute`, :meth:`rest` and :meth:`start`.

    :cvar lenient: a field of another wire type than the IDL says is skipped, as an
        unknown one is, instead of making the bytes unusable.
    :cvar exact_unions: a union that is read must have exactly one member, or none in a field of
        default requiredness: so does Kitex write there what was not given.
    """

    lenient: ClassVar[bool] = True
    exact_unions: ClassVar[bool] = True

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._structs: dict[TypeName, type[ThriftStruct]] = {}
        self._enums: dict[TypeName, type[IntEnum]] = {}
        self._absent: dict[TypeName, ThriftStruct] = {}
        # The structs in which, at any depth, a required field or a union's member may be missing.
        self._requiring = reaching(schema, lambda struct: _requires(struct) or self._is_exact(struct))
        self._messages: dict[tuple[TypeName, str, int], type[ThriftStruct]] = {}
        # Structs that have a class, but not yet its fields: types may refer to each
        # other in circles, and in chains longer than Python's stack is deep.
        self._unfinished: list[tuple[type[ThriftStruct], dict[bytes, int | Walker]]] = []

    def __getitem__(self, name: TypeName) -> type[ThriftStruct]:
        """The class of that struct, union or exception; raises IdlError if the codec cannot carry it."""
        cls = self._class(name)
        self._finish()
        return cls

    def enum(self, name: TypeName) -> type[IntEnum]:
        """The enum as one of Python's; its members are the numbers that fields hold."""
        if name not in self._enums:
            self._enums[name] = _enum_class(self.schema.enums[name])
        return self._enums[name]

    def named(self, name: str) -> type[ThriftStruct]:
        """The class of a struct as the IDL file calls it: ``Book``, or ``base.Base`` from an include.

        Raises KeyError.
        """
        return self[_find(name, self.schema.structs, self.schema.file)]

    def enum_named(self, name: str) -> type[IntEnum]:
        """The class of an enum as the IDL file calls it; raises KeyError."""
        return self.enum(_find(name, self.schema.enums, self.schema.file))

    def arguments(self, method: Method) -> type[ThriftStruct]:
        """The class whose fields are the method's arguments; one that is absent reads as None."""
        return self._message(method, f"{method.name}_args", method.arguments)

    def result(self, method: Method) -> type[ThriftStruct]:
        """The class of the result: ``success``, unless the method is void, and its exceptions by their names."""
        fields = method.throws
        if method.result is not None:
            fields = (Field(0, "success", method.result, Requiredness.OPTIONAL, position=method.position), *fields)
        return self._message(method, f"{method.name}_result", fields)

    def base(self, struct: Struct) -> type[ThriftStruct]:
        """The class from which the struct's own is derived."""
        return ThriftException if struct.kind is StructKind.EXCEPTION else ThriftStruct

    def attribute(self, struct: Struct, field: Field) -> str:
        """The attribute that holds this field in the struct's instances."""
        return attribute(field.name, exception=struct.kind is StructKind.EXCEPTION)

    def rest(self, struct: Struct, field: Field) -> object:
        """What the field reads as, and is written as, while nothing is set: a value that nobody can change."""
        if struct.kind is StructKind.UNION or field.requiredness is Requiredness.OPTIONAL:
            return None  # An optional field that was left out stays out, whatever its default.
        if field.default is None and field.requiredness is Requiredness.REQUIRED:
            return None
        return self.zero(field)

    def zero(self, field: Field) -> object:
        """What is sent for a field that was not given: its IDL default, else the zero value of its type."""
        return self._zero(field.type) if field.default is None else self._constant(field.type, field.default)

    def start(self, struct: Struct, field: Field) -> Callable[[], object] | None:
        """Makes what a new instance holds in this field from the start; None if nothing.

        A reader puts an optional field's default back. And whoever appends to a list
        that was not sent must not append to everybody's.
        """
        if struct.kind is StructKind.UNION:
            return None
        if field.default is not None and not (
            isinstance(field.type, ScalarType | EnumType) and field.requiredness is not Requiredness.OPTIONAL
        ):
            return partial(self._fresh, field.type, field.default)
        if field.requiredness is not Requiredness.DEFAULT:
            return None
        return {ListType: list, SetType: list, MapType: dict}.get(type(field.type))

    def _message(self, method: Method, name: str, fields: tuple[Field, ...]) -> type[ThriftStruct]:
        key = (method.declared_in, name, len(fields))
        if key not in self._messages:
            full_name = TypeName(method.declared_in.file, name)
            # As in a union, nothing is written but what is set.
            cls = self._shell(Struct(full_name, fields, StructKind.UNION, position=method.position))
            cls.__message__ = True
            self._finish()
            self._messages[key] = cls
        return self._messages[key]

    def _class(self, name: TypeName) -> type[ThriftStruct]:
        cls = self._structs.get(name)
        if cls is None:
            cls = self._structs[name] = self._shell(self.schema.structs[name])
        return cls

    def _shell(self, struct: Struct) -> type[ThriftStruct]:
        """A class with all that others refer to; :meth:`_fill` gives it its fields."""
        spec: dict[int, tuple[Any, ...]] = {}
        steps: dict[bytes, int | Walker] = {}
        names = self._names(struct)
        makers = {name: self.start(struct, field) for name, field in zip(names, struct.fields, strict=True)}
        start = {name: make for name, make in makers.items() if make is not None}
        namespace = {
            "__module__": _stem(struct.name.file),
            "__doc__": struct.doc or f"{struct.name.name} of {struct.name.file}.",
            "__declaration__": struct,
            "__names__": names,
            "__start__": start,
            "__walk__": staticmethod(struct_of(steps, spec, lenient=self.lenient)),
            "thrift_spec": spec,
        }
        cls: type[ThriftStruct] = type(struct.name.name, (self.base(struct),), namespace)
        blank: partial[ThriftStruct] = partial(cls.__new__, cls)
        cls.__blank__ = partial(_begin, blank, tuple(start.items())) if start else blank
        # thriftpy2 asks for a name when it cannot write a value.
        setattr(cls.__blank__, "__name__", struct.name.name)  # noqa: B010
        self._unfinished.append((cls, steps))
        return cls

    def _names(self, struct: Struct) -> dict[str, str]:
        names: dict[str, str] = {}
        for field in struct.fields:
            name = self.attribute(struct, field)
            while name in names:  # An exception among ``throws`` may be called ``success``.
                name += "_"
            names[name] = field.name
        return names

    def _finish(self) -> None:
        finished = []
        try:
            while self._unfinished:
                cls, steps = self._unfinished.pop()
                finished.append(cls)
                self._fill(cls, steps)
        except IdlError:
            # Nobody may find a class without its fields.
            for cls in (*finished, *(cls for cls, _ in self._unfinished)):
                self._structs.pop(cls.__declaration__.name, None)
            self._unfinished.clear()
            raise

    def _fill(self, cls: type[ThriftStruct], steps: dict[bytes, int | Walker]) -> None:
        struct = cls.__declaration__
        for name, field in zip(cls.__names__, struct.fields, strict=True):
            wire = self._wire(field.type, field)
            parts = () if wire.parts is None else (wire.parts,)
            # The last is thriftpy2's "required", which its codec does not look at.
            cls.thrift_spec[field.id] = (wire.number, name, *parts, False)
            steps[bytes([wire.kind]) + field.id.to_bytes(2, "big", signed=True)] = _step(wire)
            setattr(cls, name, self.rest(struct, field))
        if (
            struct.name in self._requiring
            or _requires(struct)
            or any(name in self._requiring for field in struct.fields for name in inner_structs(field.type))
        ):
            union = struct.name.name if self._is_exact(struct) and not cls.__message__ else ""
            cls.__require__ = staticmethod(partial(_require, self._checks(cls), union))

    def _wire(self, declared: Type, field: Field) -> _Wire:
        match declared:
            case ScalarType(scalar) if scalar in SCALARS:
                number = SCALARS[scalar]
                return _Wire(number, walker=string if number in (STRING, BINARY) else None)
            case EnumType():
                return _Wire(I32)
            case StructType(name):
                cls = self._class(name)
                return _Wire(STRUCT, cls.__blank__, cls.__walk__)
            case ListType(element):
                inner = self._wire(element, field)
                return _Wire(LIST, inner.spec, list_of(inner.kind, inner.walker))
            case SetType(element):
                inner = self._wire(element, field)
                return _Wire(SET, inner.spec, list_of(inner.kind, inner.walker))
            case MapType(ListType() | SetType() | MapType()):
                raise _refusal(field, f"{declared} has a key that is a container, which cannot be looked up")
            case MapType(key, value):
                keys, values = self._wire(key, field), self._wire(value, field)
                return _Wire(MAP, (keys.spec, values.spec), map_of(keys.kind, keys.walker, values.kind, values.walker))
        raise _refusal(field, f"the binary protocol here cannot carry {declared}")

    def _zero(self, declared: Type) -> object:
        match declared:
            case ScalarType(scalar):
                return _ZEROS.get(scalar, 0)
            case ListType() | SetType():
                return ()
            case MapType():
                return MappingProxyType({})
            case StructType(name):
                if name not in self._absent:
                    cls = self._class(name)
                    empty: type[ThriftStruct] = type(cls.__name__, (_Absent, cls), {"__module__": cls.__module__})
                    self._absent[name] = empty.__new__(empty)
                return self._absent[name]
        return 0

    def _constant(self, declared: Type, value: Value) -> object:
        """An IDL constant as a value that nobody can change."""
        match declared, value:
            case ListType(element) | SetType(element), tuple():
                return tuple(self._constant(element, v) for v in value)
            case MapType(key, item), MapValue(entries):
                return MappingProxyType({self._constant(key, k): self._constant(item, v) for k, v in entries})
        return self._fresh(declared, value)

    def _fresh(self, declared: Type, value: Value) -> object:
        """An IDL constant as a value of its owner's own."""
        match declared, value:
            case ListType(element) | SetType(element), tuple():
                return [self._fresh(element, v) for v in value]
            case MapType(key, item), MapValue(entries):
                return {self._fresh(key, k): self._fresh(item, v) for k, v in entries}
            case StructType(name), StructValue(_, fields):
                return self._struct_constant(name, dict(fields))
        return value

    def _struct_constant(self, name: TypeName, values: dict[str, Value]) -> ThriftStruct:
        cls = self._class(name)
        made: ThriftStruct = cls.__blank__()
        for attribute_, field in zip(cls.__names__, cls.__declaration__.fields, strict=True):
            if field.name in values:
                setattr(made, attribute_, self._fresh(field.type, values[field.name]))
        return made

    def _is_exact(self, struct: Struct) -> bool:
        return self.exact_unions and struct.kind is StructKind.UNION and bool(struct.fields)

    def _checks(self, cls: type[ThriftStruct]) -> tuple[_Check, ...]:
        fields = zip(cls.__names__, cls.__declaration__.fields, strict=True)
        checks = ((name, f.name, f.requiredness is Requiredness.REQUIRED, self._field_require(f)) for name, f in fields)
        return tuple(check for check in checks if check[2] or check[3])

    def _field_require(self, field: Field) -> _Require | None:
        if field.requiredness is Requiredness.DEFAULT and isinstance(field.type, StructType):
            return self._inner_require(field.type) and _require_inside_unless_empty
        return self._inner_require(field.type)

    def _inner_require(self, declared: Type) -> _Require | None:
        """Looks into a value of this type; None if nothing that is needed can be missing there."""
        match declared:
            case StructType(name) if name in self._requiring:
                return _require_inside
            case ListType(element) | SetType(element):
                inner = self._inner_require(element)
                return inner and partial(_require_in_list, inner)
            case MapType(key, value):
                of_key, of_value = self._inner_require(key), self._inner_require(value)
                return partial(_require_in_map, of_key, of_value) if of_key or of_value else None
        return None


# Raises Misfit.
_Require = Callable[[Any], None]
# Attribute, name, whether it is required, and what looks inside.
_Check = tuple[str, str, bool, _Require | None]


def _require(checks: tuple[_Check, ...], union: str, value: ThriftStruct) -> None:
    """:param union: its name, if it is one."""
    for name, label, required, inner in checks:
        found = getattr(value, name)
        if found is None:
            if required:
                raise Missing(label)
        elif inner is not None:
            try:
                inner(found)
            except Misfit as misfit:
                raise misfit.inside(label) from None
    if union:
        exactly_one(value, union)


def exactly_one(union: ThriftStruct, name: str) -> None:
    """Raises Misfit for a union that has no member, or several."""
    if len(union.__dict__) != 1:
        given = ", ".join(union.__names__[attribute] for attribute in union.__dict__)
        raise Misfit(f"exactly one member of {name}", given or "none")


def _require_inside(value: ThriftStruct) -> None:
    require = type(value).__require__
    if require:
        require(value)


def _require_inside_unless_empty(value: ThriftStruct) -> None:
    if value.__dict__ or value.__declaration__.kind is not StructKind.UNION:
        _require_inside(value)


def _require_in_list(inner: _Require, values: list[Any]) -> None:
    for i, value in enumerate(values):
        try:
            inner(value)
        except Misfit as misfit:
            raise misfit.inside(f"[{i}]") from None


def _require_in_map(of_key: _Require | None, of_value: _Require | None, values: dict[Any, Any]) -> None:
    for key, value in values.items():
        try:
            if of_key:
                of_key(key)
            if of_value:
                of_value(value)
        except Misfit as misfit:
            raise misfit.inside(f"[{key!r}]") from None


def inner_structs(declared: Type) -> Iterator[TypeName]:
    """The structs that a value of this type holds directly, through containers too."""
    match declared:
        case StructType(name):
            yield name
        case ListType(element) | SetType(element):
            yield from inner_structs(element)
        case MapType(key, value):
            yield from inner_structs(key)
            yield from inner_structs(value)


def _step(wire: _Wire) -> int | Walker:
    if wire.walker is string:
        return 0
    if wire.kind == BOOL:
        return boolean
    return wire.walker or 3 + WIDTHS[wire.kind]


def reaching(schema: Schema, test: Callable[[Struct], bool]) -> set[TypeName]:
    """The structs that pass the test, and those that hold one that does, at any depth."""
    holders: dict[TypeName, list[TypeName]] = {}
    for struct in schema.structs.values():
        for field in struct.fields:
            for inner in inner_structs(field.type):
                holders.setdefault(inner, []).append(struct.name)
    line = [struct.name for struct in schema.structs.values() if test(struct)]
    found = set(line)
    while line:
        for holder in holders.get(line.pop(), ()):
            if holder not in found:
                found.add(holder)
                line.append(holder)
    return found


def _requires(struct: Struct) -> bool:
    return any(field.requiredness is Requiredness.REQUIRED for field in struct.fields)


def _begin(blank: Callable[[], ThriftStruct], start: tuple[tuple[str, Callable[[], object]], ...]) -> ThriftStruct:
    made = blank()
    for name, make in start:
        setattr(made, name, make())
    return made


def _hashable(value: object) -> object:
    if isinstance(value, dict):
        return frozenset((k, _hashable(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(v) for v in value)
    return frozenset(value) if isinstance(value, set) else value


def _enum_class(declared: Enum) -> type[IntEnum]:
    members = {_member(m.name): m.number for m in declared.members}
    # The functional form; a second name of one number becomes an alias.
    return IntEnum(declared.name.name, members, module=_stem(declared.name.file))  # type: ignore[return-value]


def _member(name: str) -> str:
    shorter = name.rstrip("_")
    clashes = name.startswith("_") or keyword.iskeyword(shorter) or shorter == "mro" or hasattr(int, shorter)
    return name + "_" if clashes else name


def _find(name: str, known: Iterable[TypeName], file: str) -> TypeName:
    stem, _, short = name.rpartition(".")
    for each in known:
        if each.name == short and (_stem(each.file) == stem if stem else each.file == file):
            return each
    raise KeyError(name)


def _stem(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".thrift")


def _refusal(field: Field, message: str) -> IdlError:
    return IdlError((Diagnostic(f"field {field.name}: {message}", field.position),))
