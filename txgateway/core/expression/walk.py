"""The walk over a request struct, as generated Python.

Two functions for each struct that there is a reason to enter: one for its own fields and
those of nested structs, in the order of declaration, and one for what its containers
hold, which is looked at after all of them. A third, for the first kind only, says what
the rules make of an element that is null: every field of it is nil.

Each function reads a field once, into a variable, before the first rule that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

from attrs import frozen

from ..descriptor import Field, Struct, TypeName
from .compiler import NIL, Compiler, Kind, Module, Operand, operand_of
from .meter import Exhausted, Meter
from .number_text import number_text
from .results import Problem, Value
from .shapes import (
    BinaryShape,
    ContainerShape,
    FieldShape,
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    Shapes,
    StructShape,
    as_binary,
    as_list,
    as_map,
    as_text,
)
from .tree import Node, Rule

# So many failures are collected of one request.
MOST = 100

# A failure before any rule: there is no request.
NO_REQUEST = "unsupport data: nil"
# One in the middle of it: structs that hold themselves may be as deep as their sender likes.
TOO_DEEP = "the request is nested too deeply"


@lru_cache(maxsize=4096)
def _code(source: str, name: str) -> CodeType:
    """Rules are compiled again with each version of their file, and most are what they were."""
    return compile(source, name, "exec")


@frozen
class ReachedField:
    field: Field
    rule: Rule


@frozen
class Reached:
    """A struct that the walk may come to, with the rules of its fields."""

    struct: Struct
    fields: tuple[ReachedField, ...]


class Draft:
    """A failure on its way up: each struct and container on the way puts its part of the path in front."""

    __slots__ = ("message", "path", "rule")

    def __init__(self, path: str, message: str, rule: str) -> None:
        self.path = path
        self.message = message
        self.rule = rule

    def below(self, prefix: str) -> Draft:
        self.path = f"{prefix}.{self.path}" if self.path else prefix
        return self


def below_all(drafts: list[Draft], start: int, prefix: str) -> None:
    """Put a prefix before the paths of those drafts that came since ``start``."""
    for draft in drafts[start:]:
        draft.below(prefix)


class Check:
    """What a failing check leads to: kept out of the generated code, for it is not the usual case."""

    def __init__(self, name: str, rule: Rule) -> None:
        self.name = name
        self.rule = rule
        self.message: Callable[[Any, Any], Any] | None = None

    def failed(self, struct: Any, meter: Any, result: Any = None) -> Draft:
        message = "" if self.message is None else self._message(self.message, struct, meter)
        if not message and result.__class__ is Problem:
            message = result.text
        return Draft(self.name, message, self.rule.text)

    def _message(self, message: Callable[[Any, Any], Any], struct: Any, meter: Any) -> str:
        try:
            text = message(struct, meter)
        except Exhausted:
            return ""
        return text if isinstance(text, str) else ""

    def exhausted(self) -> Draft:
        return Draft(self.name, f"{self.name} holds too much to be checked", self.rule.text)


def key_text(key: Any) -> str:
    """A map's key as a path shows it."""
    if isinstance(key, str | bytes):
        return as_text(key)
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(int(key))
    return number_text(key) if isinstance(key, float) else "<struct>"


class Walk:
    """A request struct, all that it reaches, and where among it there are checks.

    :ivar in_fields: the structs with a check among their own fields or those of nested structs.
    :ivar in_elements: the structs with a check somewhere inside of a container.
    """

    def __init__(self, root: TypeName, reached: Mapping[TypeName, Reached], shapes: Shapes) -> None:
        self.root = root
        self.reached = reached
        self.shapes = shapes
        self.in_fields = {name for name, each in reached.items() if any(f.rule.check is not None for f in each.fields)}
        self.in_elements: set[TypeName] = set()
        size = -1
        while size != (size := len(self.in_fields) + len(self.in_elements)):
            for name, each in reached.items():
                self._grow(name, each)

    def _grow(self, name: TypeName, reached: Reached) -> None:
        """Take over what a struct's fields lead to: one step, for structs may hold themselves."""
        for each in reached.fields:
            if each.rule.ignored:
                continue
            shape = self.shapes.of(each.field.type)
            if isinstance(shape, StructShape):
                if shape.name in self.in_fields:
                    self.in_fields.add(name)
                if shape.name in self.in_elements:
                    self.in_elements.add(name)
            elif self.enters(shape):
                self.in_elements.add(name)

    def enters(self, shape: Shape) -> bool:
        """Whether there is a check inside of a value of this shape."""
        match shape:
            case StructShape(name=name):
                return name in self.in_fields or name in self.in_elements
            case ListShape(element=element):
                return self.enters(element)
            case MapShape(key=key, value=value):
                return self.enters(key) or self.enters(value)
        return False

    @property
    def has_checks(self) -> bool:
        return self.root in self.in_fields or self.root in self.in_elements

    def compile(self, *, collect: bool) -> tuple[Callable[[Any], Any], str]:
        """The function over a request object, and its source.

        It gives the first Draft or None; with ``collect``, the list of all.
        """
        return _Generator(self, collect).compile()

    def part(self, name: str, node: Node) -> Callable[[Any], Value]:
        """A part of the rule of the root's field ``name``, as a function of the root's object; may raise Exhausted."""
        return _Generator(self, collect=False).part(name, node)


class _Generator:
    """Writes the functions of one walk."""

    def __init__(self, walk: Walk, collect: bool) -> None:
        self.walk = walk
        self.collect = collect
        self.module = Module()
        self.module.namespace |= {
            "Draft": Draft,
            "as_binary": as_binary,
            "as_list": as_list,
            "as_map": as_map,
            "below_all": below_all,
            "key_text": key_text,
        }
        self.functions: list[str] = []
        self._names: dict[tuple[str, TypeName], str] = {}
        self._pending: list[tuple[str, TypeName]] = []

    def compile(self) -> tuple[Callable[[Any], Any], str]:
        calls = [self.call(kind, self.walk.root, "value") for kind in self.kinds(self.walk.root)]
        while self._pending:
            kind, name = self._pending.pop()
            function = _Function(self, self.walk.reached[name], nil=kind == "nil")
            write = function.write_elements if kind == "elements" else function.write_fields
            write()
            self.functions.append(function.source(self._names[kind, name]))
        source = "\n\n".join([*self.functions, self._root(calls)])
        # All of it is text of this package, see the module of the compiler.
        exec(_code(source, f"<rules of {self.walk.root}>"), self.module.namespace)
        return self.module.namespace["walk"], source

    def part(self, name: str, node: Node) -> Callable[[Any], Value]:
        function = _Function(self, self.walk.reached[self.walk.root], nil=False)
        compiler = Compiler(self.module, _Scope(function, name))
        code = compiler.boxed(compiler.compile(node))
        source = "\n".join(["def part(o, meter):", *function.lines, f"    return {code}"])
        exec(_code(source, "<part of a rule>"), self.module.namespace)
        part = self.module.namespace["part"]
        return lambda value: part(value, Meter())

    def _root(self, calls: list[str]) -> str:
        empty = self.module.constant(lambda message: Draft("", message, ""))
        answer = "[{}]" if self.collect else "{}"
        lines = [
            "def walk(value):",
            "    if value is None:",
            f"        return {answer.format(f'{empty}({NO_REQUEST!r})')}",
            f"    meter = {'Meter()' if self.module.metered else 'None'}",
            "    try:",
        ]
        if self.collect:
            lines += ["        found = []", *(f"        {call}" for call in calls)]
            lines += [
                "    except RecursionError:",
                f"        found.append({empty}({TOO_DEEP!r}))",
                f"    return found[:{MOST}]",
            ]
        else:
            lines += [f"        return {' or '.join(calls)}"]
            lines += ["    except RecursionError:", f"        return {empty}({TOO_DEEP!r})"]
        return "\n".join(lines)

    def kinds(self, name: TypeName) -> list[str]:
        """The functions that a struct needs, in the order of the walk."""
        return [
            kind
            for kind, live in (("fields", self.walk.in_fields), ("elements", self.walk.in_elements))
            if name in live
        ]

    def call(self, kind: str, name: TypeName, value: str) -> str:
        """Code that calls the function of that kind for a struct; the function will be written."""
        if (kind, name) not in self._names:
            self._names[kind, name] = self.module.name(kind)
            self._pending.append((kind, name))
        return f"{self._names[kind, name]}({value}, meter{', found' if self.collect else ''})"


class _Function:
    """Writes one function over the object ``o`` of a struct."""

    def __init__(self, generator: _Generator, reached: Reached, *, nil: bool) -> None:
        self.generator = generator
        self.module = generator.module
        self.reached = reached
        self.shape = generator.walk.shapes.struct(reached.struct)
        # Whether there is no object, and every field is nil.
        self.nil = nil
        self.lines: list[str] = []
        self._variables: dict[tuple[str, ...], Operand] = {}

    def source(self, name: str) -> str:
        parameters = "o, meter, found" if self.generator.collect else "o, meter"
        return "\n".join([f"def {name}({parameters}):", *self.lines, "    return None"])

    def emit(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]

    # Fields of this struct and of nested ones

    def write_fields(self) -> None:
        for each in self.reached.fields:
            if each.rule.check is not None:
                self._write_check(each)
            shape = self.shape.by_name[each.field.name].shape
            if self.nil or each.rule.ignored or not isinstance(shape, StructShape):
                continue
            if shape.name in self.generator.walk.in_fields:
                self._enter_nested("fields", each, shape)

    def _write_check(self, each: ReachedField) -> None:
        assert each.rule.check is not None
        check = Check(each.field.name, each.rule)
        check.message = self._message(each)
        name = self.module.constant(check)
        compiler = Compiler(self.module, _Scope(self, each.field.name))
        failing, result = _failing(compiler.compile(each.rule.check), self.module)
        if not failing:
            return
        lines = [f"if {failing}:", "    " + self._report(f"{name}.failed(o, meter{result})")]
        if compiler.metered:
            lines = ["try:", *("    " + line for line in lines)]
            lines += ["except Exhausted:", "    " + self._report(f"{name}.exhausted()")]
        self.emit(1, *lines)

    def _report(self, draft: str) -> str:
        return f"found.append({draft})" if self.generator.collect else f"return {draft}"

    def _message(self, each: ReachedField) -> Callable[[Any, Any], Any] | None:
        """The function that says why, compiled with the rule; None if that can be no text."""
        if each.rule.message is None:
            return None
        function = _Function(self.generator, self.reached, nil=self.nil)
        operand = Compiler(self.module, _Scope(function, each.field.name)).compile(each.rule.message)
        if operand.kind not in (Kind.TEXT, Kind.ANY):
            return None
        name = self.module.name("message")
        source = "\n".join([f"def {name}(o, meter):", *function.lines, f"    return {operand.code}"])
        self.generator.functions.append(source)
        return lambda struct, meter: self.module.namespace[name](struct, meter)

    def _enter_nested(self, kind: str, each: ReachedField, shape: StructShape) -> None:
        variable = self.load((each.field.name,)).code
        self.emit(1, f"if {variable} is not None:")
        self._calls(2, [self.generator.call(kind, shape.name, variable)], self.module.constant(each.field.name))

    def _calls(self, depth: int, calls: list[str], prefix: str) -> None:
        """Run other functions; what they find is below ``prefix``, the code of a text."""
        if self.generator.collect:
            start = self.module.name("n")
            self.emit(depth, f"{start} = len(found)", *calls, f"below_all(found, {start}, {prefix})")
            self.emit(depth, f"if len(found) > {MOST}:", "    return None")
        else:
            draft = self.module.name("f")
            self.emit(depth, f"{draft} = {' or '.join(calls)}")
            self.emit(depth, f"if {draft} is not None:", f"    return {draft}.below({prefix})")

    # Elements of containers

    def write_elements(self) -> None:
        for each in self.reached.fields:
            if each.rule.ignored:
                continue
            shape = self.shape.by_name[each.field.name].shape
            if isinstance(shape, StructShape):
                if shape.name in self.generator.walk.in_elements:
                    self._enter_nested("elements", each, shape)
            elif self.generator.walk.enters(shape):
                variable = self.load((each.field.name,)).code
                self._container(1, variable, shape, [self.module.constant(each.field.name)], each.rule.lenient)

    def _inside(self, depth: int, variable: str, shape: Shape, path: list[str], lenient: bool) -> None:
        """Go into an element; ``path`` is the code of the pieces that lead to it."""
        if isinstance(shape, StructShape):
            self._struct_element(depth, variable, shape, " + ".join(path), lenient)
        else:
            self._container(depth, variable, shape, path, lenient)

    def _container(self, depth: int, variable: str, shape: Shape, path: list[str], lenient: bool) -> None:
        if isinstance(shape, ListShape):
            self._list(depth, variable, shape, path, lenient)
        elif isinstance(shape, MapShape):
            self._map(depth, variable, shape, path, lenient)

    def _list(self, depth: int, variable: str, shape: ListShape, path: list[str], lenient: bool) -> None:
        """From the last element to the first, as the reference does."""
        index, element = self.module.name("i"), self.module.name("e")
        self.emit(
            depth,
            f"if {variable}:",
            f"    {index} = len({variable})",
            f"    for {element} in reversed(tuple({variable})):",
            f"        {index} -= 1",
        )
        self._inside(depth + 2, element, shape.element, [*path, f"'[' + str({index}) + ']'"], lenient)

    def _map(self, depth: int, variable: str, shape: MapShape, path: list[str], lenient: bool) -> None:
        key, element = self.module.name("k"), self.module.name("e")
        self.emit(depth, f"if {variable}:", f"    for {key}, {element} in {variable}.items():")
        if self.generator.walk.enters(shape.key):
            self._inside(depth + 2, key, shape.key, [*path, "'{k}'"], lenient)
        if self.generator.walk.enters(shape.value):
            piece = f"'{{v for k=' + key_text({key}) + '}}'"
            self._inside(depth + 2, element, shape.value, [*path, piece], lenient)

    def _struct_element(self, depth: int, variable: str, shape: StructShape, path: str, lenient: bool) -> None:
        generator = self.generator
        self.emit(depth, f"if {variable} is not None:")
        self._calls(
            depth + 1, [generator.call(kind, shape.name, variable) for kind in generator.kinds(shape.name)], path
        )
        if not lenient and shape.name in generator.walk.in_fields:
            self.emit(depth, "else:")
            self._calls(depth + 1, [generator.call("nil", shape.name, "None")], path)

    # Variables

    def load(self, path: tuple[str, ...]) -> Operand:
        """The variable that holds the field at this path; it is read on the first time."""
        if self.nil:
            return NIL
        if path not in self._variables:
            self._variables[path] = self._load(path)
        return self._variables[path]

    def _load(self, path: tuple[str, ...]) -> Operand:
        owner, struct = "o", self.shape
        if len(path) > 1:
            parent = self.load(path[:-1])
            if not isinstance(parent.shape, StructShape):
                return NIL
            owner, struct = parent.code, parent.shape
        found = struct.by_name.get(path[-1])
        if found is None or self._is_hidden(struct, found):
            return NIL
        name = self.module.name("v")
        read = f"{name} = {self.module.constant(found.getter)}({owner})"
        lines = [read, *_conversion(name, found, self.module)]
        if len(path) == 1:
            self.emit(1, *lines)
            return operand_of(name, found.shape, nullable=found.zero is None)
        boxed = isinstance(found.shape, ContainerShape)
        if boxed:
            # Below a struct that is not set a container is nil, which is not the same as one that is not set itself.
            lines.append(f"{name} = Composite({name}, {self.module.constant(found.shape)})")
        self.emit(1, f"{name} = None", f"if {owner} is not None:", *("    " + line for line in lines))
        return Operand(name, Kind.ANY, simple=True) if boxed else operand_of(name, found.shape, nullable=True)

    def _is_hidden(self, struct: StructShape, found: FieldShape) -> bool:
        reached = self.generator.walk.reached.get(struct.name)
        return reached is not None and any(
            each.field.name == found.name and each.rule.ignored for each in reached.fields
        )


@frozen
class _Scope:
    """What the rule of a field can see: the struct that declares it, and what that holds."""

    function: _Function
    name: str

    def selector(self, path: tuple[str, ...]) -> Operand:
        return self.function.load(path or (self.name,))


def _failing(operand: Operand, module: Module) -> tuple[str, str]:
    """Code that is true if a check with this result fails, empty if it never does, and how to hand the result on."""
    if operand.kind is Kind.NIL or operand.is_struct:
        return "", ""
    if operand.kind is Kind.ANY and not operand.truth:
        name = module.name("r")
        return f"({name} := {operand.code}) is not True and {name} is not None and not {name}", f", {name}"
    if operand.nullable:
        # nil passes.
        return f"{operand.code} is not None and not {operand.code}", ""
    return f"not {operand.condition}", ""


_CONVERSIONS: dict[type, tuple[str, str]] = {
    ListShape: ("list", "as_list"),
    MapShape: ("dict", "as_map"),
    BinaryShape: ("bytes", "as_binary"),
}


def _conversion(name: str, found: FieldShape, module: Module) -> list[str]:
    """Statements that make sure of a value just read. The usual value passes at the price of looking at its class."""
    shape = found.shape
    if isinstance(shape, StructShape):
        return []
    if not isinstance(shape, ScalarShape):
        exact, convert = _CONVERSIONS[type(shape)]
        return [f"if {name}.__class__ is not {exact}:", f"    {name} = {convert}({name})"]
    convert = module.constant(shape.convert)
    if found.zero is None:
        condition = f"if {name} is not None and {name}.__class__ is not {shape.exact.__name__}:"
        return [condition, f"    {name} = {convert}({name})"]
    unset = "" if found.zero == shape.zero else f"{module.constant(found.zero)} if {name} is None else "
    return [f"if {name}.__class__ is not {shape.exact.__name__}:", f"    {name} = {unset}{convert}({name})"]
