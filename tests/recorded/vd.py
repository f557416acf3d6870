"""Recorded cases of ``api.vd``: structs with rules, a value, and what the reference made of it."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from txgateway.core.descriptor import (
    Annotation,
    Annotations,
    Enum,
    EnumMember,
    EnumType,
    Field,
    ListType,
    MapType,
    Requiredness,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructType,
    Type,
    TypeName,
)
from txgateway.core.errors import IdlError
from txgateway.core.validation import Validator, compile_validator

from . import Case, Mismatch

FILE = "case.thrift"
_COLOR = TypeName(FILE, "enum")
_SPECIAL_DOUBLES = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf"), "-0": -0.0}


def cases(folder: pathlib.Path) -> Iterator[Case]:
    """Every case of a folder, ready to run."""
    for file in sorted(folder.glob("*.json")):
        for case in json.loads(file.read_text("utf-8"))["cases"]:
            yield Case(case["id"], lambda case=case: run(case))  # type: ignore[misc]


def run(case: dict[str, Any]) -> Mismatch | None:
    wanted = [case["expected_here"]] if "expected_here" in case else case.get("expect_any") or [case["expect"]]
    got = outcome(case)
    if any(_agrees(want, got) for want in wanted):
        return None
    return Mismatch(json.dumps(wanted, ensure_ascii=False), json.dumps(got, ensure_ascii=False))


def _agrees(want: dict[str, Any], got: dict[str, Any]) -> bool:
    if want["outcome"] != got["outcome"]:
        return False
    if want["outcome"] != "invalid":
        return True
    if "all" not in want and "message" in want and len(got["all"]) > 1 and "field" in want:
        # Without a list, one failure is all there is, unless the outcome is one of ours.
        pass
    return all(got[key] == want[key] for key in ("field", "message", "all") if key in want)


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What we make of a case, in the words of the vectors."""
    schema = schema_of(case["structs"])
    root = TypeName(FILE, case["root"])
    try:
        validator = compile_validator(schema, root, lambda struct, field: _getter(field.name))
    except IdlError as error:
        return {"outcome": "compile_error", "message": str(error)}
    value = value_of(case["value"], StructType(root), schema)
    if validator is None:
        return {"outcome": "valid"}
    return _validated(validator, value)


def _validated(validator: Validator, value: Any) -> dict[str, Any]:
    failure = validator(value)
    failures = validator.all(value)
    if failure is None:
        assert not failures
        return {"outcome": "valid"}
    return {
        "outcome": "invalid",
        "field": failure.path,
        "message": failure.message,
        "all": [{"field": each.path, "message": each.message} for each in failures],
    }


def _getter(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda struct: struct.get(name)


def schema_of(structs: dict[str, list[dict[str, str]]]) -> Schema:
    names = {name: TypeName(FILE, name) for name in structs}
    return Schema(
        FILE,
        services=(),
        structs={names[name]: _struct(names[name], fields, names) for name, fields in structs.items()},
        enums={_COLOR: Enum(_COLOR, (EnumMember("RED", 1), EnumMember("GREEN", 2)))},
    )


def _struct(name: TypeName, fields: list[dict[str, str]], names: dict[str, TypeName]) -> Struct:
    return Struct(name, tuple(_field(place + 1, each, names) for place, each in enumerate(fields)))


def _field(number: int, each: dict[str, str], names: dict[str, TypeName]) -> Field:
    return Field(
        number,
        each["name"],
        type_of(each["type"], names),
        Requiredness(each.get("req", "default")),
        annotations=Annotations((Annotation("api.vd", each["vd"]),) if "vd" in each else ()),
    )


def type_of(text: str, names: dict[str, TypeName]) -> Type:
    """``map<string,list<i32>>`` as a type."""
    kind, _, rest = text.partition("<")
    inside = rest[:-1]
    if kind == "list":
        return ListType(type_of(inside, names))
    if kind == "set":
        return SetType(type_of(inside, names))
    if kind == "map":
        key, _, value = inside.partition(",")
        return MapType(type_of(key, names), type_of(value, names))
    if kind == "enum":
        return EnumType(_COLOR)
    return StructType(names[kind]) if kind in names else ScalarType(Scalar(kind))


def value_of(value: Any, type: Type, schema: Schema) -> Any:
    """The JSON of a case as the values that fields hold."""
    if value is None:
        return None
    match type:
        case StructType(name=name):
            return {
                each.name: value_of(value.get(each.name), each.type, schema) for each in schema.structs[name].fields
            }
        case ListType(element=element) | SetType(element=element):
            return [value_of(item, element, schema) for item in value]
        case MapType(key=key, value=inner):
            return {_key_of(k, key): value_of(v, inner, schema) for k, v in value.items()}
        case ScalarType(scalar=Scalar.BINARY):
            return base64.b64decode(value)
        case ScalarType(scalar=Scalar.DOUBLE):
            return _SPECIAL_DOUBLES[value] if isinstance(value, str) else float(value)
    return value


def _key_of(key: str, type: Type) -> Any:
    match type:
        case ScalarType(scalar=Scalar.STRING):
            return key
        case ScalarType(scalar=Scalar.BOOL):
            return key == "true"
        case ScalarType(scalar=Scalar.DOUBLE):
            return float(key)
    return int(key)
