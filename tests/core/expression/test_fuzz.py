"""Rules at random: compiling says IdlError or nothing, running never raises, and both ways of compiling agree.

The suite tries a few thousand; TXGATEWAY_FUZZ sets another number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from tests.core.expression.generation import SCALARS, STRUCTS, Rules, structs
from tests.recorded import vd
from txgateway.core.descriptor import Field, Struct, TypeName
from txgateway.core.errors import IdlError
from txgateway.core.expression import RuleError, parse
from txgateway.core.expression.compiler import NIL, Compiler, Kind, Module, Operand
from txgateway.core.expression.meter import Exhausted, Meter
from txgateway.core.expression.shapes import Shapes, StructShape
from txgateway.core.expression.tree import Node
from txgateway.core.expression.values import passes
from txgateway.core.validation import Failure, Validator, compile_validator

COUNT = int(os.environ.get("TXGATEWAY_FUZZ", "1500"))
FIELDS = [field for field, _, _ in STRUCTS["R"]]


def access(struct: Struct, field: Field) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value.get(field.name)


class Untyped:
    """A scope that knows nothing of types: every field is a variable of any kind."""

    def __init__(self, shape: StructShape, own: str) -> None:
        self.shape = shape
        self.own = own
        self.paths: list[tuple[str, ...]] = []

    def selector(self, path: tuple[str, ...]) -> Operand:
        path = path or (self.own,)
        if path not in self.paths:
            self.paths.append(path)
        return Operand(f"s[{self.paths.index(path)}]", Kind.ANY, simple=True)

    def values(self, request: Any) -> list[Any]:
        return [self.value(request, path) for path in self.paths]

    def value(self, request: Any, path: tuple[str, ...]) -> Any:
        shape: Any = self.shape
        for name in path:
            found = shape.by_name.get(name) if isinstance(shape, StructShape) else None
            if found is None or request is None:
                return None
            request, shape = found.raw(request), found.shape
        return shape.read(request)


def untyped(node: Node, scope: Untyped) -> Callable[[Any], Any]:
    module = Module()
    compiler = Compiler(module, scope)
    code = compiler.boxed(compiler.compile(node))
    run = eval(f"lambda s, meter: {code}", module.namespace)
    return lambda request: run(scope.values(request), Meter())


def test_random_rules() -> None:
    rules = Rules(COUNT)
    compiled = 0
    for number in range(COUNT):
        own, text = rules.random.choice(FIELDS), rules.rule()
        schema = vd.schema_of(structs(own, text))
        try:
            validator = compile_validator(schema, TypeName(vd.FILE, "R"), access)
        except IdlError as error:
            assert_helpful(error, text)
            continue
        if validator is None:
            continue
        compiled += 1
        shape = Shapes(schema, access).struct(schema.structs[TypeName(vd.FILE, "R")])
        check = parse_check(text)
        loose = untyped(check, Untyped(shape, own)) if check is not None else None
        for _ in range(3):
            request = rules.request()
            failure = validator(request)
            assert_presentable(failure, validator, request)
            if loose is not None:
                assert agrees(failure, loose, request), (number, own, text, request, failure)
    assert compiled > COUNT / 3


def parse_check(text: str) -> Node | None:
    try:
        return parse(text).check
    except RuleError:
        # Read as hz would have it: another text.
        return None


def agrees(failure: Failure | None, loose: Callable[[Any], Any], request: Any) -> bool:
    try:
        result = loose(request)
    except Exhausted:
        return True
    if failure is not None and failure.message.endswith("holds too much to be checked"):
        return True
    return passes(result) is (failure is None)


def assert_presentable(failure: Failure | None, validator: Validator, request: Any) -> None:
    every = validator.all(request)
    assert (failure is None) == (every == ())
    if failure is not None:
        assert every[0].path == failure.path
        assert failure.message
        (failure.message + failure.path).encode("utf-8")


def assert_helpful(error: IdlError, text: str) -> None:
    for diagnostic in error.diagnostics:
        assert diagnostic.message.startswith("the rule of R.")
        # No name of a terminal gets out.
        assert not re.search(r"[A-Z]{3,}_?[A-Z]|__ANON|UnexpectedT", diagnostic.message.replace(text[:20], ""))


def test_the_scope_of_the_generator_is_the_struct() -> None:
    assert {name.partition(".")[0] for name in SCALARS} - set(FIELDS) == {"nope", "MaybeS"}
    assert NIL.kind is Kind.NIL
