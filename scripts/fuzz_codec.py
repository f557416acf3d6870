"""Feeds requests and replies, damaged at random, to the native codec, and now and then to both codecs.

The native codec may take an input or leave it to the plain one. Anything else ends the run with the input that did
it: a panic, another outcome than the plain codec's, more time than its size allows, more memory than it may have.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from tests.codecs import outcome
from tests.core.codec.usual import HEADERS, IDL, PART, QUERY, body_of, natively, part_of
from tests.mapped import Mapped, answer, request
from tests.recorded.http import read_struct
from txgateway.core.codec import native
from txgateway.core.errors import GatewayError
from txgateway.core.message import MessageType, Reply, Request
from txgateway.core.plan import Plan

# Numbers that lengths, counts and types are most likely to go wrong with, and what JSON is made of.
NASTY = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x40", b"\xff", b"\x80", b"\x0c\0\x01"]
NASTY += [
    b'"',
    b"\\",
    b"\\u",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e999",
    b"-0",
    b'{"id":',
    b"\xc3",
    b"\xed\xa0\x80",
]
# So many inputs are held against the plain codec as well, which takes a hundred times as long.
COMPARED = 500
# Milliseconds a megabyte, of processor time; an input that takes longer is tried again, for others use the machine too.
SLOW = 50
AGAIN = 5
# Kilobytes by which the process may grow once it is warm.
GROWTH = 64 * 1024
LEFT = object()


class Left(Exception):
    """Was for the plain codec."""


def leave(*arguments: object) -> NoReturn:
    raise Left


class Fuzz:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        with natively(leave):
            self.alone = Mapped.of(IDL).mapping
        self.mapped = Mapped.of(IDL)
        part = part_of(self.mapped, more=part_of(self.mapped))
        got = self.mapped.new("Got", status=201, tags=["a"], sid="s", part=part, both="x")
        self.bodies = [
            body_of(PART).encode(),
            body_of({"part": PART, "parts": [PART], "rules": [{"name": "n"}]}).encode(),
        ]
        self.bodies += [b'{"x":1,"y":-2}', b"[{}]", b"null", QUERY.encode(), b"word=a%20b&plain=1"]
        # Small ones as well: less of them is changed, so more of them are taken.
        small = self.mapped.new("Part", id="s", more=self.mapped.new("Part", id="t"))
        results = [
            ("part", {"success": part}),
            ("part", {"success": small}),
            ("get", {"success": got}),
            ("get", {"gone": self.mapped.new("Gone", why="so")}),
            ("many", {"success": [part]}),
            ("many", {"success": [small, small]}),
            ("value", {"success": {"k": part}}),
        ]
        self.payloads = [(method, self.mapped.result(method, **result)) for method, result in results]

    def damaged(self, seed: bytes, seeds: Sequence[bytes]) -> bytes:
        random = self.random
        data = bytearray(seed)
        for _ in range(random.choice((1, 1, 2, 3))):
            at = random.randint(0, len(data))
            match random.randrange(6):
                case 0:
                    data[at : at + 1] = random.randbytes(1)
                case 1:
                    del data[at : at + random.randint(1, 8)]
                case 2:
                    data[at:at] = random.randbytes(random.randint(1, 4))
                case 3:
                    nasty = random.choice(NASTY)
                    data[at : at + random.choice((0, len(nasty)))] = nasty
                case 4:
                    other = random.choice(seeds)
                    data[at:] = other[random.randint(0, len(other)) :]
                case 5:
                    begin = random.randint(max(0, at - 200), at)
                    data[at:at] = data[begin:at] * random.choice((1, 1, 2, 2, 5, 400))
        return bytes(data)

    def requests(self) -> Callable[[], tuple[Callable[[Plan], Any], str, bytes]]:
        """Makes damaged requests: what to do with a plan, whose plan, and the bytes."""
        random, json = self.random, HEADERS
        form = {"content-type": "application/x-www-form-urlencoded"}

        def make() -> tuple[Callable[[Plan], Any], str, bytes]:
            data = self.damaged(random.choice(self.bodies), self.bodies)
            method = random.choice(("get", "part", "many", "value", "forget"))
            if random.randrange(4):
                asked = request("POST", "/x?" + QUERY, json if random.randrange(4) else form, data)
            else:
                asked = Request(
                    "POST", b"/x?" + data.replace(b"\n", b""), ((b"cookie", data[:50]), (b"x-s", data[-9:]))
                )
            return (lambda plan: plan.bind(asked, {"id": data[:9]})), method, data

        return make

    def replies(self) -> Callable[[], tuple[Callable[[Plan], Any], str, bytes]]:
        others = [payload for _, payload in self.payloads]

        def make() -> tuple[Callable[[Plan], Any], str, bytes]:
            method, seed = self.random.choice(self.payloads)
            data = self.damaged(seed, others)
            reply = Reply(MessageType.REPLY, b"m", data)
            return (lambda plan: plan.decode(reply)), method, data

        return make

    def plans(self) -> dict[str, Plan]:
        return {route.plan.method.name: route.plan for route in self.alone.routes}


def run(
    fuzz: Fuzz, what: str, make: Callable[[], tuple[Callable[[Plan], Any], str, bytes]], count: int, most: int
) -> None:
    """Tries so many inputs; ends the program with the first that goes wrong."""
    plans, clock = fuzz.plans(), time.process_time
    taken = refused = 0
    slowest: tuple[float, int] = (0.0, 0)
    warm, before = count // 10, 0
    for number in range(count):
        if number == warm:
            before = resident()
        use, method, data = make()
        plan = plans[method]
        began = clock()
        got = attempt(use, plan)
        took = clock() - began
        taken, refused = taken + (got is not LEFT), refused + (got is LEFT)
        # Short inputs are a matter of the clock's own steps.
        rate = took / max(len(data), 2000) * 1e6
        if rate > slowest[0]:
            rate = min(time_of(use, plan, clock) for _ in range(AGAIN)) / max(len(data), 2000) * 1e6
            if most and rate * 1000 > most:
                fail(what, method, data, f"{rate * 1000:.1f} ms a megabyte")
            slowest = max(slowest, (rate, len(data)))
        if number % COMPARED == 0:
            compare(fuzz, what, use, method, data)
    gc.collect()
    if resident() - before > GROWTH:
        raise SystemExit(f"{what}: the process has grown from {before} to {resident()} kB")
    print(f"{what}: {count} inputs, {taken} taken, {refused} left to the plain codec; {count // COMPARED} compared")
    print(f"{what}: slowest {slowest[0] * 1000:.1f} ms a megabyte ({slowest[1]} bytes); {before} to {resident()} kB")


def attempt(use: Callable[[Plan], Any], plan: Plan) -> Any:
    try:
        return use(plan)
    except Left:
        return LEFT
    except GatewayError:
        return None  # Too large, or a header that cannot be sent.


def time_of(use: Callable[[Plan], Any], plan: Plan, clock: Callable[[], float]) -> float:
    began = clock()
    attempt(use, plan)
    return clock() - began


def compare(fuzz: Fuzz, what: str, use: Callable[[Plan], Any], method: str, data: bytes) -> None:
    assert fuzz.mapped.plain is not None
    ours, theirs = (_plan(mapping, method) for mapping in (fuzz.mapped.mapping, fuzz.mapped.plain))
    if what == "replies":
        same = outcome(answer, ours, data) == outcome(answer, theirs, data)
    else:
        same = outcome(_sent, ours, use) == outcome(_sent, theirs, use)
    if not same:
        fail(what, method, data, "the codecs differ")


def _plan(mapping: Any, method: str) -> Plan:
    return next(route.plan for route in mapping.routes if route.plan.method.name == method)


def _sent(plan: Plan, use: Callable[[Plan], Any]) -> Any:
    arguments = use(plan)
    plan.validate(arguments)
    return read_struct(plan.encode(arguments))


def fail(what: str, method: str, data: bytes, why: str) -> None:
    raise SystemExit(f"{what}, {method}: {why}: {data.hex()[:20_000]}")


def resident() -> int:
    """Kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def main(count: int = 100_000, seed: int = 1, most: int = SLOW) -> int:
    """:param most: milliseconds that a megabyte may take; 0: as long as it will."""
    if not native.IS_BUILT:
        raise SystemExit("the native codec is not built")
    # A panic is caught in the codec, but not silent: Rust says it where errors are said.
    with tempfile.TemporaryFile() as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            fuzz = Fuzz(seed)
            run(fuzz, "requests", fuzz.requests(), count, most)
            run(fuzz, "replies", fuzz.replies(), count, most)
        finally:
            os.dup2(kept, 2)
        said.seek(0)
        panics = said.read()
    if panics:
        raise SystemExit(f"the codec has panicked: {panics[:2000].decode(errors='replace')}")
    print("no panic, no difference, no growth")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
