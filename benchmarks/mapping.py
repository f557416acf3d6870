"""What one request costs in the mapping: microseconds per step, for a small call and for lists of records.

Run ``python -m benchmarks.mapping``. Each figure is the best of several rounds, since
everything else on the machine can only add to it.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import frozen

from txgateway.core.codec.binary import encode
from txgateway.core.codec.structs import Structs
from txgateway.core.descriptor import Schema
from txgateway.core.linker import load
from txgateway.core.mapping import MappingSettings, compile_service, join
from txgateway.core.message import MessageType, Reply, Request

ROUNDS = 7
SECONDS = 0.15

IDL = """
enum Binding { PAPERBACK = 1, HARDCOVER = 2, EBOOK = 3 }
struct Author { 1: string name, 2: optional i32 born, 3: list<string> aliases }
struct Book {
    1: string id, 2: string title, 3: list<Author> authors, 4: double price, 5: i64 sold
    6: Binding binding, 7: bool inPrint, 8: map<string, string> labels, 9: optional string summary
}
struct GetReq { 1: i32 num (api.query="num", api.vd="$<100; msg:'num must be less than 100'") }
struct GetResp { 1: bool exist, 2: string id, 3: string title, 4: string author }
struct ListReq { 1: i32 count (api.query="count") }
struct ListResp { 1: list<Book> books, 2: i64 total }
struct StoreReq { 1: string shelf (api.path="shelf"), 2: list<Book> books }
struct StoreResp { 1: i32 stored, 2: string msg }
service Bench {
    GetResp fetch(1: GetReq req) (api.get="/bench/get")
    ListResp browse(1: ListReq req) (api.get="/bench/list")
    StoreResp store(1: StoreReq req) (api.post="/bench/store/:shelf")
}
"""


@frozen
class Bench:
    """One request and its reply."""

    name: str
    request: Request
    reply: Reply


def main() -> None:
    schema = load("bench.thrift", {"bench.thrift": IDL}.__getitem__).schema
    mapping, _ = join([compile_service("bench", schema, MappingSettings())])
    print(f"{'':14}" + "".join(f"{step:>10}" for step in STEPS))
    for bench in benches(schema):
        route, path = mapping.route(bench.request)
        plan = route.plan
        arguments = plan.bind(bench.request, path)
        result = plan.decode(bench.reply)
        work: Mapping[str, Callable[[], Any]] = {
            "route": lambda r=bench.request: mapping.route(r),
            "bind": lambda p=plan, r=bench.request, q=path: p.bind(r, q),
            "validate": lambda p=plan, a=arguments: p.validate(a),
            "encode": lambda p=plan, a=arguments: p.encode(a),
            "decode": lambda p=plan, r=bench.reply: p.decode(r),
            "render": lambda p=plan, r=result: p.render(r),
        }
        print(f"{bench.name:14}" + "".join(f"{microseconds(work[step]):10.2f}" for step in STEPS))


STEPS = ("route", "bind", "validate", "encode", "decode", "render")


def benches(schema: Schema) -> list[Bench]:
    structs = Structs(schema)
    fetch, browse, store = schema.services[0].methods
    found = structs.named("GetResp")(exist=True, id="7", title="A Title", author="Somebody")
    small = Request("GET", b"/bench/get?num=7", ((b"host", b"localhost"), (b"accept", b"*/*")))
    all_of_them = [Bench("get", small, _reply(structs.result(fetch)(success=found)))]
    for count in (2, 20, 1000):
        books = [_book(structs, number) for number in range(count)]
        listed = structs.result(browse)(success=structs.named("ListResp")(books=books, total=count))
        all_of_them.append(Bench(f"list {count}", Request("GET", b"/bench/list?count=%d" % count), _reply(listed)))
        stored = structs.result(store)(success=structs.named("StoreResp")(stored=count, msg="ok"))
        body = orjson.dumps({"books": books}, default=vars)
        post = Request("POST", b"/bench/store/s1", ((b"content-type", b"application/json"),), body)
        all_of_them.append(Bench(f"store {count}", post, _reply(stored)))
    return all_of_them


def _book(structs: Structs, number: int) -> Any:
    author = structs.named("Author")
    return structs.named("Book")(
        id=f"book-{number}",
        title=f"The Book of Number {number}",
        authors=[author(name="Ann Author", born=1950, aliases=["A. A."]), author(name="Bob Writer", aliases=[])],
        price=12.5,
        sold=9_007_199_254_740_993 + number,
        binding=2,
        inPrint=True,
        labels={"genre": "novel", "lang": "en"},
    )


def _reply(result: Any) -> Reply:
    return Reply(MessageType.REPLY, b"", encode(result))


def microseconds(work: Callable[[], Any]) -> float:
    timer = timeit.Timer(work)
    number = max(1, int(SECONDS / ROUNDS / max(timer.timeit(1), 1e-7)))
    return min(timer.repeat(ROUNDS, number)) / number * 1e6


if __name__ == "__main__":
    sys.exit(main())
