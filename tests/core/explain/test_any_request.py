"""Whatever comes has an explanation, which JSON can say, and which is what the plan makes of it."""

from __future__ import annotations

from json import dumps
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.core.explain.told import CLOCKS, served
from txgateway.core.errors import GatewayError
from txgateway.core.explain import explain, page_of
from txgateway.core.explain.ending import with_pick
from txgateway.core.explain.pick import Seen
from txgateway.core.explain.story import Fate
from txgateway.core.message import Request

SERVED = served("""
enum Colour { RED = 2 }
struct Leaf {
    1: optional string name (api.vd = "len($)<9")
    2: required i32 n (api.vd = "$>=0", vt.lt = "100")
    3: list<Leaf> more
}
union Either { 1: i32 a 2: string b }
struct Req {
    1: optional i32 id (api.path = "id")
    2: list<i64> q (api.query = "q", api.vd = "range($, #v>0)")
    3: string h (api.header = "X-H", api.vd = "regexp('^a')")
    4: map<string, Leaf> leaves (api.vd = "len($)<3; msg:sprintf('%v', $)")
    5: Leaf leaf
    6: Either either
    7: set<Colour> colours (vt.max_size = "2")
    8: binary data
    9: double d (api.cookie = "d")
    10: string f (api.form = "f")
    11: map<i32, list<Leaf>> deep
    12: string uri (api.raw_uri = "")
}
service S {
    void ask(1: Req r) (api.any = "/ask/:id", tgw.hash_key = "header:X-H")
    void all(1: Req r) (api.post = "/all/*id", tgw.validate = "all")
    i32 plus(1: list<i32> numbers) (api.any = "/plus")
}
""")

json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=12),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
leaves: Any = some.deferred(
    lambda: some.fixed_dictionaries(
        {},
        optional={
            "name": some.text(max_size=12) | json,
            "n": some.integers(-2, 200) | json,
            "more": some.lists(leaves, max_size=3),
        },
    )
)
bodies = some.fixed_dictionaries(
    {},
    optional={
        "leaf": leaves | json,
        "leaves": some.dictionaries(some.text(max_size=4), leaves, max_size=4) | json,
        "either": some.sampled_from([{"a": 1}, {"b": "x"}, {"a": 1, "b": "x"}, {}]),
        "colours": some.lists(some.integers(0, 3), max_size=4),
        "data": some.just("YQ==") | some.text(max_size=4),
        "deep": some.dictionaries(some.sampled_from(["1", "-5", "x"]), some.lists(leaves, max_size=2), max_size=2),
        "other": json,
    },
)
targets = some.one_of(
    some.sampled_from(
        [b"/ask/7", b"/ask/x", b"/all/7?q=1,-2", b"/plus?numbers=1,2", b"/gateway/svc/ask", b"/gateway/svc/plus"]
    ),
    some.binary(max_size=20).map(lambda path: b"/ask/" + path),
    some.binary(max_size=20).map(lambda query: b"/ask/7?q=" + query),
    some.binary(max_size=20).map(lambda path: b"/" + path),
)
headers = some.lists(
    some.sampled_from([(b"x-h", b"abc"), (b"x-h", b"\xff"), (b"cookie", b"d=1.5"), (b"cookie", b"d=x; e")]), max_size=3
)
kinds = some.sampled_from(
    [b"application/json", b"application/x-www-form-urlencoded", b"text/csv", b"multipart/form-data"]
)


@settings(max_examples=150, deadline=None)
@given(
    some.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]),
    targets,
    headers,
    kinds,
    bodies.map(lambda body: dumps(body).encode()) | some.binary(max_size=30),
)
def test_anything_has_an_explanation(
    verb: str, target: bytes, head: list[tuple[bytes, bytes]], kind: bytes, body: bytes
) -> None:
    request = Request(verb, target, ((b"content-type", kind), *head), b"" if verb == "GET" else body)
    explained = explain(request, SERVED, CLOCKS)
    page = orjson.loads(orjson.dumps(page_of(with_pick(explained, Seen(())))))
    assert page["verb"] == verb
    if explained.plan is None:
        return
    sent, why = made(request, explained.is_call)
    assert (explained.call.payload if explained.call else None) == sent
    outcome = explained.explanation.outcome
    if isinstance(why, GatewayError):
        assert outcome.status == why.status
    fates = {field.fate for field in explained.explanation.fields}
    if sent is not None:
        assert fates.isdisjoint({Fate.MISSING, Fate.MISFIT})
        assert all(rule.holds for rule in explained.explanation.rules)
    if outcome.kind == "validation-failed":
        assert not all(rule.holds for rule in explained.explanation.rules)


def made(request: Request, is_call: bool) -> tuple[bytes | None, Exception | None]:
    """What the gateway would send, or why it sends nothing."""
    try:
        if is_call:
            plan, path = SERVED.mapping.route_generic(request)
        else:
            route, path = SERVED.mapping.route(request)
            plan = route.plan
        arguments = plan.bind(request, path)
        plan.validate(arguments)
        return plan.encode(arguments), None
    except GatewayError as error:
        return None, error
