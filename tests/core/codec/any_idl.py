"""Services of any shape, and requests and replies for them, right and wrong: to hold two codecs together."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.wire_trees import code_of, encode, encode_value
from txgateway.core.descriptor import (
    EnumType,
    Field,
    ListType,
    MapType,
    Scalar,
    ScalarType,
    Schema,
    SetType,
    Struct,
    StructKind,
    StructType,
    Type,
)
from txgateway.core.message import Request
from txgateway.core.text import RANGES

STRUCTS = ("S0", "S1", "S2")

# IDL

_SCALARS = ("bool", "i8", "i16", "i32", "i64", "double", "string", "binary", "Kind")
_leaves = st.sampled_from((*_SCALARS, *STRUCTS))
_keys = st.sampled_from(("string", "string", "i8", "i64", "bool", "double", "binary", "Kind", "S2"))
types = st.recursive(
    _leaves,
    lambda inner: (
        inner.map(lambda t: f"list<{t}>")
        | inner.map(lambda t: f"set<{t}>")
        | st.tuples(_keys, inner).map(lambda pair: "map<{},{}>".format(*pair))
    ),
    max_leaves=3,
)

_DEFAULTS = {
    "bool": "true",
    "i8": "-7",
    "i16": "300",
    "i32": "70000",
    "i64": "9007199254740993",
    "double": "0.1",
    "string": '"dä"',
    "binary": '"b\\n"',
    "Kind": "Kind.B",
    "list<string>": '["x", "y"]',
    "set<i32>": "[1, 2]",
    "map<string,i64>": '{"k": 5}',
}
_RULES = {
    "i32": ("$ < 5", "$ != nil", "$ >= -3; msg:sprintf('%v', $)"),
    "string": ("len($) > 1", "$ != 'no'", "regexp('^[a-z]*$')"),
    "double": ("$ > 0.5",),
    "bool": ("$",),
}
_MARKS = ("api.js_conv", "api.none", "api.key", "go.tag", "api.no_body_struct")
_SOURCES = ("query", "path", "header", "cookie", "form", "body", "raw_body", "raw_uri")
_TARGETS = ("header", "cookie", "http_code", "raw_body", "body")


@st.composite
def idls(draw: st.DrawFn) -> str:
    """A service whose method takes a struct from everywhere in a request, and answers with one or an exception."""
    kinds = [draw(st.sampled_from(("struct", "struct", "struct", "union"))) for _ in STRUCTS]
    lines = ["enum Kind { A = 1, B = 2 }"]
    for name, kind in zip(STRUCTS, kinds, strict=True):
        fields = draw(_fields(kind == "union", lambda at, type_: _nested(at, type_)))
        lines.append(f"{kind} {name} {{ {', '.join(fields)} }}")
    is_union = draw(st.integers(0, 9)) == 0
    asked = draw(_fields(is_union, lambda at, type_: _placed(at, type_, _SOURCES)))
    lines.append(f"{'union' if is_union else 'struct'} Ask {{ {', '.join(asked)} }}")
    for kind, name in (("struct", "Got"), ("exception", "Bad")):
        fields = draw(_fields(False, lambda at, type_: _placed(at, type_, _TARGETS)))
        lines.append(f"{kind} {name} {{ {', '.join(fields)} }}")
    result = draw(st.sampled_from(("Got", "Got", "Got", "void", "S0")) | types)
    asks = draw(st.sampled_from(("Ask ask",) * 5) | types.flatmap(_argument))
    route = "/f/" + "/".join(f":p{at}" for at in range(len(asked)))
    lines.append(f'service Any {{ {result} f(1: {asks}) throws (1: Bad bad) (api.post="{route}") }}')
    return "\n".join(lines)


def _argument(type_: str) -> st.SearchStrategy[str]:
    """An argument that is no request struct; with a source of its own or without."""
    default = f" = {_DEFAULTS[type_]}" if type_ in _DEFAULTS else ""
    need = st.sampled_from(("", "required "))
    source = st.sampled_from(("", "", ' (api.query="q0")', ' (api.raw_body="")', ' (api.js_conv="true")'))
    return st.tuples(need, st.sampled_from(("", default)), source).map(
        lambda parts: f"{parts[0]}{type_} f0{parts[1]}{parts[2]}"
    )


@st.composite
def _fields(draw: st.DrawFn, is_union: bool, annotate: Callable[[int, str], st.SearchStrategy[str]]) -> list[str]:
    fields = []
    for at, type_ in enumerate(draw(st.lists(types | st.sampled_from(sorted(_DEFAULTS)), min_size=1, max_size=5))):
        need = "" if is_union else draw(st.sampled_from(("", "", "optional ", "required ")))
        default = ""
        if type_ in _DEFAULTS and not is_union and draw(st.integers(0, 2)) == 0:
            default = f" = {_DEFAULTS[type_]}"
        number = draw(st.sampled_from((at + 1, at + 1, at + 1, 300 + at, 32000 + at)))
        fields.append(f"{number}: {need}{type_} f{at}{default}{draw(annotate(at, type_))}")
    return fields


def _nested(at: int, type_: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(_MARKS), max_size=1).flatmap(
        lambda marks: _rules(type_).map(lambda rule: _written([_mark(mark, at) for mark in marks] + rule))
    )


def _placed(at: int, type_: str, places: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Sources or targets of a field of an outermost struct."""
    chosen = st.lists(st.sampled_from(places), max_size=2, unique=True)
    marks = st.lists(st.sampled_from(_MARKS), max_size=1)
    return st.tuples(chosen, marks, _rules(type_)).map(
        lambda parts: _written(
            [f'api.{place}="{place[0]}{at}"' for place in parts[0]] + [_mark(m, at) for m in parts[1]] + parts[2]
        )
    )


def _rules(type_: str) -> st.SearchStrategy[list[str]]:
    rules = [[]] * 3 + [[f'api.vd="{rule}"'] for rule in _RULES.get(type_, ())]
    if type_ == "i32":
        rules.append(['vt.gt="-9"'])
    return st.sampled_from(rules)


def _mark(mark: str, at: int) -> str:
    if mark == "go.tag":
        return f"go.tag='json:\"g{at}\"'"
    return f'api.key="k{at}"' if mark == "api.key" else f'{mark}="true"'


def _written(annotations: list[str]) -> str:
    return f" ({', '.join(annotations)})" if annotations else ""


# JSON

_odd_numbers = ("-0", "0", "1.0", "1e2", "-0.0", "1e400", "2147483648", "9223372036854775808", "123456789012345678901")
_odd_texts = ('"\\ud800"', '"\\u00e9\\ud83d\\ude00"', '"a\\/b\\n\\u0000"', '"12"', '"-3"', '"true"', '"1.5"', '"YQ=="')
_odd_values = ("null", "true", "[]", "{}", '[1, "x", {}]', '{"a": {"a": null}}', '""', *_odd_numbers, *_odd_texts)
odd_json = st.sampled_from(_odd_values)
_blanks = st.sampled_from(("", "", "", " ", "\n\t"))


def numbers(declared: Type) -> st.SearchStrategy[int]:
    low, high = RANGES.get(declared.scalar if isinstance(declared, ScalarType) else Scalar.I32, RANGES[Scalar.I32])
    return st.sampled_from((0, 1, -1, low, high)) | st.integers(low, high)


def json_texts(schema: Schema, declared: Type, wrong: int, depth: int = 0) -> st.SearchStrategy[str]:
    """JSON of a value of this type; of so many of a hundred values something is wrong or odd."""
    return st.integers(0, 99).flatmap(lambda n: odd_json if n < wrong else _json_text(schema, declared, wrong, depth))


def _json_text(schema: Schema, declared: Type, wrong: int, depth: int) -> st.SearchStrategy[str]:
    def inner(type_: Type) -> st.SearchStrategy[str]:
        return json_texts(schema, type_, wrong, depth + 1)

    most = 0 if depth > 3 else 3
    match declared:
        case ScalarType(Scalar.BOOL):
            return st.sampled_from(("true", "false"))
        case ScalarType(Scalar.DOUBLE):
            return st.floats(allow_nan=False, allow_infinity=False).map(json.dumps) | st.integers(-5, 5).map(str)
        case ScalarType(Scalar.STRING):
            return st.tuples(st.text(max_size=12), st.booleans()).map(lambda p: json.dumps(p[0], ensure_ascii=p[1]))
        case ScalarType(Scalar.BINARY):
            return st.sampled_from(('""', '"YQ=="', '"YWI="', '"AAEC"'))
        case ScalarType() | EnumType():
            return numbers(declared).map(str)
        case ListType(element) | SetType(element):
            return st.lists(inner(element), max_size=most).map(lambda items: f"[{', '.join(items)}]")
        case MapType(StructType() as key, value):
            pairs = st.lists(st.tuples(inner(key), inner(value)), max_size=min(most, 1))
            return pairs.map(lambda found: "[" + ",".join(f"[{k},{v}]" for k, v in found) + "]")
        case MapType(key, value):
            return st.lists(st.tuples(_key_texts(key), inner(value)), max_size=most).map(_object)
        case StructType(name):
            return _struct_text(schema, schema.structs[name], wrong, depth, lambda field: [field.name])
    raise AssertionError(declared)


def _key_texts(declared: Type) -> st.SearchStrategy[str]:
    match declared:
        case ScalarType(Scalar.BOOL):
            return st.sampled_from(("true", "false"))
        case ScalarType(Scalar.DOUBLE):
            return st.sampled_from(("0", "-0", "1.5", "1e3", "0x1p-2", "inf"))
        case ScalarType(Scalar.STRING | Scalar.BINARY):
            return st.text(max_size=4)
    return numbers(declared).map(str) | st.sampled_from(("007", "+7", "7"))


@st.composite
def _struct_text(
    draw: st.DrawFn, schema: Schema, declared: Struct, wrong: int, depth: int, keys: Callable[[Field], list[str]]
) -> str:
    fields = [f for f in declared.fields if depth < 4 and draw(st.integers(0, 4)) > 0]
    if declared.kind is StructKind.UNION and draw(st.integers(0, 9)) > 0:
        fields = fields[:1] or list(declared.fields[:1])
    fields = draw(st.permutations(fields))
    entries = []
    for field in fields:
        # Any of the names that a field may go by, the right one among them.
        number = field.name[1:]
        names = [field.name, *keys(field), f"k{number}", f"g{number}"]
        found = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
        entries += [(name, draw(json_texts(schema, field.type, wrong, depth + 1))) for name in found]
    if draw(st.integers(0, 4)) == 0:
        entries.append((draw(st.sampled_from(("other", "öther", "f0"))), draw(odd_json)))
    return _object(entries, draw(_blanks))


def _object(entries: list[tuple[str, str]], blank: str = "") -> str:
    parts = (f"{json.dumps(key)}{blank}:{blank}{value}" for key, value in entries)
    return f"{{{blank}{f'{blank},'.join(parts)}{blank}}}"


# Requests

_TEXTS = (
    "", "0", "7", "-3", "+5", "1.5", "1e3", "t", "true", "no", "a,b", "1,2,2", " 1 , 2 ", "[1,2]", '["a"]', "[a",
    "null", "{}", '{"f0": 1}', "é", "inf", "0x1p3", "2147483648", "9" * 30, "AAEC", "[[1]]",
)  # fmt: skip
texts = st.sampled_from(_TEXTS) | st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=8
)


@st.composite
def requests(draw: st.DrawFn, schema: Schema, wrong: int) -> tuple[Request, dict[str, bytes]]:
    """A request to the method, and the parameters of its path."""
    ask = next(struct for name, struct in schema.structs.items() if name.name == "Ask")
    asked = schema.services[0].methods[0].arguments[0].type
    fields = ask.fields
    path = {f"p{at}": draw(texts).encode() or b"x" for at in range(len(fields))}
    query = draw(_pairs([f"{letter}{at}" for letter in "qf" for at in range(len(fields))], wrong))
    headers = [(f"h{at}".encode(), draw(texts).strip().encode()) for at in range(len(fields)) if draw(st.booleans())]
    if draw(st.booleans()):
        cookies = (f"c{at}={quote(draw(texts), safe=' ,')}" for at in range(len(fields)))
        headers.append((b"cookie", "; ".join(cookies).encode()))
    body, content_type = b"", b""
    match draw(st.sampled_from(("json", "json", "json", "form", "none", "other"))):
        case "json":
            text = draw(
                _struct_text(schema, ask, wrong, 0, lambda f: [f"b{f.name[1:]}", f"f{f.name[1:]}"])
                if asked == StructType(ask.name)
                else json_texts(schema, asked, wrong)
            )
            body, content_type = text.encode(), b"application/json"
            if draw(st.integers(0, 99)) < wrong:
                body = draw(changed(body))
        case "form":
            content_type = b"application/x-www-form-urlencoded"
            body = draw(_pairs([f"{letter}{at}" for letter in "fb" for at in range(len(fields))], wrong))
        case "other":
            body, content_type = draw(st.binary(min_size=1, max_size=9)), b"text/plain"
    if content_type and draw(st.integers(0, 9)) > 0:
        headers.append((b"content-type", content_type))
    return Request("POST", b"/f?" + query, tuple(headers), body), path


@st.composite
def _pairs(draw: st.DrawFn, names: list[str], wrong: int) -> bytes:
    found = draw(st.lists(st.tuples(st.sampled_from(names), texts), max_size=6))
    text = "&".join(f"{name}={quote(value)}" for name, value in found)
    return text.encode() + (b"&%zz=%4&;=" if draw(st.integers(0, 99)) < wrong else b"")


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with one or two changes."""
    made = bytearray(data)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(made)))
        match draw(st.integers(0, 2)):
            case 0:
                made[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del made[at : at + draw(st.integers(1, 4))]
            case 2:
                made[at:at] = draw(st.binary(min_size=1, max_size=4))
    return bytes(made)


# Replies

# What a request may ask for: names that a field may go by, the right ones among them.
selections = st.recursive(
    st.lists(st.sampled_from([f"{letter}{at}" for letter in "fgkb" for at in range(3)]), min_size=1, max_size=6),
    lambda inner: st.tuples(st.sampled_from(("f0", "f1", "f2")), inner).map(lambda p: [f"{p[0]}({','.join(p[1])})"]),
    max_leaves=3,
).map(",".join)


@st.composite
def replies(draw: st.DrawFn, schema: Schema, wrong: int) -> bytes:
    """The bytes of a result struct."""
    (service,) = schema.services
    method = service.methods[0]
    fields: list[tuple[int, Type]] = [(thrown.id, thrown.type) for thrown in method.throws]
    if method.result is not None:
        fields = [(0, method.result)] * 4 + fields
    chosen = draw(st.lists(st.sampled_from(fields), min_size=1, max_size=2 if draw(st.integers(0, 99)) < wrong else 1))
    data = b"".join(
        struct.pack(">Bh", code_of(_kind(declared)), number) + draw(_value(schema, declared, wrong, 0))
        for number, declared in chosen
    )
    data += b"" if draw(st.integers(0, 9)) else encode([[99, "list", {"of": "i32", "items": [1, 2]}]])[:-1]
    data += b"\0" + (b"tail" if draw(st.integers(0, 99)) < wrong else b"")
    return draw(changed(data)) if draw(st.integers(0, 99)) < wrong else data


def _kind(declared: Type) -> str:
    match declared:
        case ScalarType(Scalar.BINARY):
            return "string"
        case ScalarType(scalar):
            return scalar.value
        case EnumType():
            return "i32"
        case ListType():
            return "list"
        case SetType():
            return "set"
        case MapType():
            return "map"
    return "struct"


def _value(schema: Schema, declared: Type, wrong: int, depth: int) -> st.SearchStrategy[bytes]:
    def inner(type_: Type) -> st.SearchStrategy[bytes]:
        return _value(schema, type_, wrong, depth + 1)

    most = 0 if depth > 3 else 3
    odd = st.integers(0, 99).map(lambda n: n < wrong)
    match declared:
        case ScalarType(Scalar.BOOL):
            return odd.flatmap(
                lambda is_odd: st.binary(min_size=1, max_size=1) if is_odd else st.sampled_from([b"\0", b"\1"])
            )
        case ScalarType(Scalar.DOUBLE):
            floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from((0.0, -0.0, 1e22, 5e-324))
            return odd.flatmap(
                lambda is_odd: st.sampled_from((math.nan, math.inf, -math.inf)) if is_odd else floats
            ).map(struct.Struct(">d").pack)
        case ScalarType(Scalar.STRING):
            return odd.flatmap(
                lambda is_odd: st.binary(max_size=6) if is_odd else st.text(max_size=12).map(str.encode)
            ).map(_counted)
        case ScalarType(Scalar.BINARY):
            return st.binary(max_size=9).map(_counted)
        case ScalarType() | EnumType():
            return numbers(declared).map(lambda n: encode_value(_kind(declared), n))
        case ListType(element) | SetType(element):
            code = code_of(_kind(element))
            return st.lists(inner(element), max_size=most).map(lambda items: _listed(code, items))
        case MapType(key, value):
            codes = bytes([code_of(_kind(key)), code_of(_kind(value))])
            return st.lists(st.tuples(inner(key), inner(value)), max_size=most).map(
                lambda pairs: codes + struct.pack(">i", len(pairs)) + b"".join(k + v for k, v in pairs)
            )
        case StructType(name):
            return _struct(schema, schema.structs[name], wrong, depth)
    raise AssertionError(declared)


def _counted(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def _listed(code: int, items: list[bytes]) -> bytes:
    return struct.pack(">Bi", code, len(items)) + b"".join(items)


@st.composite
def _struct(draw: st.DrawFn, schema: Schema, declared: Struct, wrong: int, depth: int) -> bytes:
    fields = [field for field in declared.fields if depth < 4 and draw(st.integers(0, 5)) > 0]
    if declared.kind is StructKind.UNION:
        fields = fields[:1]
    parts = []
    for field in draw(st.permutations(fields)):
        kind = _kind(field.type) if draw(st.integers(0, 99)) >= wrong else draw(st.sampled_from(("i32", "string")))
        value: Any = draw(_value(schema, field.type, wrong, depth + 1))
        if kind != _kind(field.type):
            value = encode_value(kind, 1 if kind == "i32" else "x")
        parts.append(struct.pack(">Bh", code_of(kind), field.id) + value)
    if draw(st.integers(0, 9)) == 0:
        parts.append(encode([[77, "map", {"key": "string", "value": "i8", "pairs": [["a", 1]]}]])[:-1])
    return b"".join(parts) + b"\0"
