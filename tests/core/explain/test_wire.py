"""The bytes of an argument struct, each with what it says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from tests.core.explain.told import explained, told
from tests.mapped import JSON, schema_of
from txgateway.core.codec.binary import encode
from txgateway.core.codec.structs import Structs
from txgateway.core.explain.story import WireLine
from txgateway.core.explain.wire import MOST_BYTES, MOST_LINES, dump

IDL = """
enum Colour { RED = 2 }
struct Inner { 1: string name }
struct Req {
    1: bool on 2: i8 small 3: i16 short 4: i32 number 5: i64 long 6: double real 7: string text 8: binary octets
    9: Colour colour 10: Inner inner 11: list<Inner> many 12: map<string, i32> named 13: set<i32> some
}
service S { void ask(1: Req req) (api.post = "/ask") }
"""


def lines(body: str) -> list[tuple[str, int, str]]:
    call = told(IDL, "POST", "/ask", JSON, body).call
    assert call is not None
    assert call.whole
    return [(line.hex, line.depth, line.text) for line in call.dump]


def test_each_type_as_it_stands_on_the_wire():
    said = {
        text: (hex, depth) for hex, depth, text in lines('{"on": true, "colour": 2, "text": "a", "octets": "YQ=="}')
    }
    assert said["1 req: struct Req"] == ("0c 00 01", 0)
    assert said["1 on: bool = true"] == ("02 00 01 01", 1)
    assert said["4 number: i32 = 0"] == ("08 00 04 00 00 00 00", 1)
    assert said["6 real: double = 0.0"] == ("04 00 06 00 00 00 00 00 00 00 00", 1)
    assert said['7 text: string = "a" (1 byte)'] == ("0b 00 07 00 00 00 01 61", 1)
    assert said['8 octets: binary = "a" (1 byte)'] == ("0b 00 08 00 00 00 01 61", 1)
    assert said["9 colour: Colour = 2 (RED)"] == ("08 00 09 00 00 00 02", 1)
    assert said["end of Req"] == ("00", 1)
    assert said["end of ask_args"] == ("00", 0)


def test_containers_and_what_is_in_them():
    found = lines('{"many": [{"name": "x"}], "named": {"k": 5}, "some": [7]}')
    texts = [(depth, text) for _, depth, text in found]
    at = texts.index((1, "11 many: list<Inner>, 1 in it"))
    assert texts[at + 1 : at + 4] == [(2, "[0]"), (3, '1 name: string = "x" (1 byte)'), (3, "end of Inner")]
    at = texts.index((1, "12 named: map<string,i32>, 1 in it"))
    assert texts[at + 1 : at + 3] == [(2, 'key 0 = "k" (1 byte)'), (2, "value 0 = 5")]
    at = texts.index((1, "13 some: set<i32>, 1 in it"))
    assert texts[at + 1] == (2, "[0] = 7")


SCHEMA = schema_of(IDL)
STRUCTS = Structs(SCHEMA)
METHOD = SCHEMA.services[0].methods[0]

inners = some.builds(lambda name: STRUCTS.named("Inner")(name=name), some.text(max_size=50))
requests = some.fixed_dictionaries(
    {},
    optional={
        "on": some.booleans(),
        "number": some.integers(-(2**31), 2**31 - 1),
        "real": some.floats(),
        "text": some.text(max_size=50),
        "octets": some.binary(max_size=50),
        "inner": inners,
        "many": some.lists(inners, max_size=3),
        "named": some.dictionaries(some.text(max_size=5), some.integers(-(2**31), 2**31 - 1), max_size=3),
    },
)


@given(requests)
def test_the_lines_are_all_of_the_bytes(values: dict[str, Any]) -> None:
    arguments = STRUCTS.arguments(METHOD)
    payload = encode(arguments(req=STRUCTS.named("Req")(**values)))
    dumped = dump(payload, arguments.__declaration__, SCHEMA, None)
    assert dumped.whole
    assert dumped.hex == payload.hex()
    offsets = [line.offset for line in dumped.lines] + [len(payload)]
    for line, start, end in zip(dumped.lines, offsets, offsets[1:], strict=False):
        shown = bytes.fromhex(line.hex.removesuffix(" …"))
        assert payload[start:end].startswith(shown)
        assert len(shown) == end - start or line.hex.endswith(" …")


def test_large_arguments_are_shown_in_part():
    many = told(IDL, "POST", "/ask", JSON, '{"some": [' + ",".join(map(str, range(3000))) + "]}").call
    assert many is not None
    assert len(many.dump) == MOST_LINES
    assert not many.whole
    long = explained(IDL, "POST", "/ask", JSON, '{"text": "' + "x" * 10_000 + '"}')
    assert long.explanation.call is not None
    assert long.call is not None
    assert len(long.explanation.call.hex) == 2 * MOST_BYTES
    assert long.call.payload.hex().startswith(long.explanation.call.hex)
    assert not long.explanation.call.whole
    assert any(
        line == WireLine(line.offset, line.hex, 1, line.text) and line.hex.endswith(" …")
        for line in long.explanation.call.dump
    )
