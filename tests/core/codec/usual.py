"""An IDL with one of everything, and a request and a reply with usual values for all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from attrs import evolve

from tests.mapped import Mapped
from txgateway.core import native_steps
from txgateway.core.codec import native
from txgateway.core.reply_steps import ReplySteps

IDL = """
    enum Kind { A = 1, B = 2 }
    struct Point { 1: i32 x, 2: i32 y }
    union Either { 1: i32 n, 2: string s }
    exception Gone { 1: i32 code = 404 (api.http_code=""), 2: string why }
    struct Part {
        1: required string id, 2: optional double price = 1.5, 3: i64 sold (api.js_conv=""), 4: Kind kind, 5: bool ok
        6: binary blob, 7: list<string> names = ["x"], 8: set<Point> points, 9: map<string, i64> counts
        10: map<i32, string> by_number, 11: map<bool, double> by_flag, 12: map<double, i8> by_double
        13: map<binary, bool> by_text, 14: map<Kind, Part> by_kind, 15: map<Point, i32> by_point
        16: optional Part more, 17: list<list<Point>> grid, 18: Either either, 19: set<double> set_of_doubles
        20: map<i64, map<string, Point>> deep (api.js_conv=""), 21: string hidden (api.none="")
        22: string named (go.tag='json:"other,omitempty"'), 300: i16 far
    }
    struct Inner { 1: i32 n (api.query="n"), 2: string s (api.header="x-s") }
    struct Ask {
        1: i32 num (api.query="num", api.vd="$ < 100"), 2: string id (api.path="id")
        3: string agent (api.header="User-Agent"), 4: string session (api.cookie="sid")
        5: list<i64> ids (api.query="ids"), 6: set<string> tags (api.query="tag")
        7: Part part (api.body="part"), 8: string word (api.form="word"), 9: double plain, 10: list<Part> parts
        11: Inner inner (api.no_body_struct=""), 12: string text (api.vd="len($) < 50 && $ != (id)$")
        13: map<string, i32> limits (api.query="limits"), 14: string target (api.raw_uri=""), 15: optional bool flag
        16: list<Rule> rules
    }
    struct Rule { 1: string name (api.vd="len($) > 0"), 2: i32 level }
    struct Got {
        1: i32 status (api.http_code=""), 2: list<string> tags (api.header="X-Tags"), 3: string sid (api.cookie="sid")
        4: Part part, 5: string both (api.header="X-Both", api.body="both")
    }
    struct Raw { 1: binary body (api.raw_body="") }
    service Usual {
        Got get(1: Ask ask) throws (1: Gone gone) (api.post="/get/:id")
        Part part(1: Part part) (api.post="/part")
        list<Part> many(1: list<Part> parts) (api.post="/many")
        map<string, Part> value(1: i64 number (api.query="n")) (api.post="/value")
        Raw raw(1: Ask ask) (api.post="/raw")
        void nothing() (api.post="/nothing")
        oneway void forget(1: Point point) (api.post="/forget")
    }
"""
PART = {
    "id": 'a"\\é\n😀', "price": -0.0, "sold": "9007199254740993", "kind": 2, "ok": True, "blob": "AAEC", "names": [],
    "points": [{"y": 1, "x": 2}, {"x": 1, "y": 3}], "counts": {"é": 1, 'q"': -1}, "by_number": {"-7": "x", "8": ""},
    "by_flag": {"true": 1.5, "false": 1e300}, "by_double": {"0.5": 1, "1e3": 2}, "by_text": {"k": False},
    "by_kind": {"1": {"id": "b"}}, "by_point": [[{"x": 1, "y": 2}, 3], [{"x": 5, "y": 6}, 7]],
    "more": {"id": "c", "more": {"id": "d", "far": -5}}, "grid": [[], [{"x": 1}]], "either": {"s": "x"},
    "set_of_doubles": [1, 2.5], "deep": {"5": {"k": {}}}, "other": "o", "unknown": [{"a": [1e10, None, "x\\u0041"]}],
}  # fmt: skip
QUERY = "num=7&ids=1,2&ids=3&tag=a&tag=b%20c&limits=%7B%22a%22:+1%7D&n=5"
HEADERS = {"user-agent": "me", "cookie": 'a=b; sid="s"', "x-s": "s", "content-type": "application/json"}


def body_of(value: Any) -> str:
    """JSON with escapes, as many clients write it, and with blanks."""
    return json.dumps(value, indent=1)


def part_of(mapped: Mapped, **more: Any) -> Any:
    new = mapped.new
    point, other = new("Point", x=1, y=2), new("Point", x=3, y=4)
    return new(
        "Part", id="ä\"\\\x01", price=2.5, sold=2**60, kind=1, ok=True, blob=b"\xff\0", names=["a", "b"],
        points=[point, other], counts={"a": 1, "b": 2}, by_number={1: "x", -1: "y"}, by_flag={True: 1.0, False: -0.0},
        by_double={0.5: 1, 1e22: 2}, by_text={b"k": True}, by_kind={2: new("Part", id="k")},
        by_point={point: 1, other: 2}, grid=[[point], []], either=new("Either", n=5), set_of_doubles=[0.0, 1e-7],
        deep={5: {"k": point}}, hidden="h", named="n", far=-3, **more,
    )  # fmt: skip


@contextmanager
def natively(instead: Callable[..., Any]) -> Iterator[None]:
    """What is compiled meanwhile has no plain codec behind the native one, but this, which raises."""
    names = ("native_steps", "native_call_steps")
    requests, replies = [getattr(native_steps, name) for name in names], native_steps.native_replies
    nobody = ReplySteps(native.PLAIN, instead, instead, lambda rows: nobody)
    with ExitStack() as stack:
        for name, made in zip(names, requests, strict=True):
            stack.enter_context(patch.object(native_steps, name, _without_plain(made, instead)))
        stack.enter_context(patch.object(native_steps, "native_replies", lambda plain, *rest: replies(nobody, *rest)))
        yield


def _without_plain(made: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    return lambda plain, *rest: made(evolve(plain, bind=instead), *rest)
