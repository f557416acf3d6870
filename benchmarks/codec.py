"""What the two codecs cost beside each other, in microseconds: requests to Thrift, replies to JSON, and their tables.

Run ``python -m benchmarks.codec``. Each figure is the best of many short rounds, since everything else on the
machine can only add to it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.mapping import IDL, Bench, benches
from txgateway.core.codec import native
from txgateway.core.codec.structs import Structs
from txgateway.core.descriptor import Schema
from txgateway.core.linker import load
from txgateway.core.mapping import Mapping, MappingSettings, compile_service, join
from txgateway.core.native_steps import NativeSteps
from txgateway.core.rendering import Answers, CallAnswers

# A round is short enough to fall between two turns of other work now and then.
ROUNDS = 300
ROUND = 0.002
SERVICES = 200


def main() -> None:
    schema = load("bench.thrift", {"bench.thrift": IDL}.__getitem__).schema
    codecs = [native.PLAIN, native.NATIVE] if native.IS_BUILT else [native.PLAIN]
    mappings = {codec: mapping_of(schema, codec) for codec in codecs}
    print(f"{'':14}" + "".join(f"{what + ', ' + codec:>18}" for what in ("request", "reply") for codec in codecs))
    for bench in benches(schema):
        figures = [step(mappings[codec], bench) for step in (of_request, of_reply) for codec in codecs]
        print(f"{bench.name:14}" + "".join(f"{figure:18.2f}" for figure in figures))
    if native.IS_BUILT:
        print(f"tables of {SERVICES} services with {len(larger().structs)} structs: {tables() * SERVICES:.2f} s")


def mapping_of(schema: Schema, codec: str) -> Mapping:
    mapping, _ = join([compile_service("bench", schema, MappingSettings(codec=codec))])
    return mapping


def of_request(mapping: Mapping, bench: Bench) -> float:
    """Bind, validate and encode."""
    route, path = mapping.route(bench.request)
    plan, request = route.plan, bench.request

    def run() -> None:
        arguments = plan.bind(request, path)
        plan.validate(arguments)
        plan.encode(arguments)

    return microseconds(run)


def of_reply(mapping: Mapping, bench: Bench) -> float:
    """Decode and render."""
    route, _ = mapping.route(bench.request)
    plan, reply = route.plan, bench.reply
    return microseconds(lambda: plan.render(plan.decode(reply)))


def microseconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    count = max(1, int(ROUND / (time.perf_counter() - began)))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(count):
            run()
        best = min(best, (time.perf_counter() - began) / count)
    return best * 1e6


def larger() -> Schema:
    """A schema of a usual size: ten methods more, each with structs of its own."""
    structs = "".join(
        f'struct Ask{n} {{ 1: required string id (api.path="id"), 2: list<Book> books, 3: map<string, string> m }}\n'
        f"struct Got{n} {{ 1: list<Book> books, 2: i64 total, 3: optional Author author }}\n"
        for n in range(10)
    )
    methods = "".join(f'Got{n} m{n}(1: Ask{n} ask) (api.post="/m{n}/:id")\n' for n in range(10))
    idl = IDL.replace("service Bench {", f"{structs}service Bench {{ {methods}")
    return load("bench.thrift", {"bench.thrift": idl}.__getitem__).schema


def tables() -> float:
    """Seconds for the native codec's tables of one service."""
    schema = larger()
    best = float("inf")
    for _ in range(50):
        # What the plain codec needs as well.
        structs, answers, call_answers = Structs(schema), Answers(schema), CallAnswers(schema)
        began = time.perf_counter()
        NativeSteps(structs, answers, call_answers, 1 << 26, lambda: None)
        best = min(best, time.perf_counter() - began)
    return best


if __name__ == "__main__":
    sys.exit(main())
