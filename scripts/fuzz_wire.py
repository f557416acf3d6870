"""Feeds recorded messages, damaged at random, to every framing, the walks, the decoder, a client and a server.

Each input may end in a result or in an error of ours; anything else ends the run with the input that did it. At the
end it says how many there were, which took the most processor time, and what the memory of the process was before
and after.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from twisted.logger import globalLogBeginner

from tests.recorded.wire_server import WireServer
from txgateway.core.codec import binary, compact, exception
from txgateway.core.codec.bounds import walk
from txgateway.core.codec.structs import Structs, ThriftStruct
from txgateway.core.connection import Connection
from txgateway.core.errors import GatewayError, WireError
from txgateway.core.framing import Framing, Message, framings
from txgateway.core.framing.detecting import Accepting, Detecting
from txgateway.core.framing.ttheader import Mux
from txgateway.core.linker import load
from txgateway.core.message import Call
from txgateway.core.serving import Refusal

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "tests" / "vectors" / "wire"
IDL = RECORDED / "idl" / "wiresvc.thrift"
# Numbers that lengths, counts and types are most likely to go wrong with.
NASTY = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0", b"\0\0\0\x40", b"\xff\xff", b"\x80\x01"]
# A server in memory costs a hundred times an input of the core; those that answer many inputs are as good.
SERVER_EVERY = 100


class Fuzz:
    def __init__(self, seed: int) -> None:
        framings.load()
        self.random = Random(seed)
        self.seeds = seeds()
        schema = load(str(IDL), lambda name: Path(name).read_text()).schema
        structs = Structs(schema)
        methods = [method for service in schema.services for method in service.methods]
        self.classes = [make(method) for method in methods for make in (structs.arguments, structs.result)]
        self.dispatcher = WireServer(IDL, "multi").server.dispatcher

    def damaged(self) -> bytes:
        random = self.random
        data = bytearray(random.choice(self.seeds))
        for _ in range(random.randint(1, 4)):
            at = random.randint(0, len(data))
            match random.randrange(6):
                case 0:
                    data[at : at + 1] = random.randbytes(1)
                case 1:
                    del data[at : at + random.randint(1, 8)]
                case 2:
                    data[at:at] = random.randbytes(random.randint(1, 8))
                case 3:
                    nasty = random.choice(NASTY)
                    data[at : at + len(nasty)] = nasty
                case 4:
                    other = random.choice(self.seeds)
                    data[at:] = other[random.randint(0, len(other)) :]
                case 5:
                    begin = random.randint(0, at)
                    data[at:at] = data[begin:at] * random.choice([1, 1, 2, 50])
        return bytes(data)

    def targets(self) -> list[tuple[str, Callable[[bytes], None]]]:
        kinds = (*framings_by_name(), ("of a client", Detecting), ("of a server", Accepting))
        readers = [(f"framing {name}", self._framing(cls)) for name, cls in kinds]
        return [
            *readers,
            ("client", self._client),
            ("client of mux", self._client_of_mux),
            ("dispatcher", self._dispatcher),
            ("decode", self._decode),
            ("exception", lambda data: exception.decode(self._tail(data)) and None),
            ("compact", self._compact),
        ]

    def server(self, data: bytes) -> None:
        server = WireServer(IDL, self.random.choice(["single", "multi", "strict"]))
        server.ask(data, ends=True)
        # A handler may have been asked to sleep, for as many milliseconds as an i32 holds.
        server.clock.advance(2**31 / 1000)
        if not server.closed or server.clock.getDelayedCalls():
            raise AssertionError("the server neither closed nor forgot the connection")

    def _framing(self, cls: type[Framing]) -> Callable[[bytes], None]:
        def feed(data: bytes) -> None:
            framing, at = cls(limit=1 << 20), self.random.randint(0, len(data))
            for part in (data[:at], data[at:]):
                for message in framing.feed(part):
                    framing.frame(message)

        return feed

    def _client(self, data: bytes, framing: type[Framing] | None = None) -> None:
        made = framing or self.random.choice([cls for _, cls in framings_by_name()])
        connection: Connection[int] = Connection(made(), depth=8)
        for ticket, method in enumerate((b"ping", b"echoBook", b"echoList")):
            connection.send(Call("wire", method, b"\0"), ticket)
        try:
            for _, reply in connection.receive(data):
                binary.decode(self.random.choice(self.classes), reply.payload)
        except WireError as error:
            connection.lost(error)
            raise

    def _client_of_mux(self, data: bytes) -> None:
        self._client(data, Mux)

    def _dispatcher(self, data: bytes) -> None:
        for message in Accepting().feed(data):
            self._serve(message)

    def _serve(self, message: Message) -> None:
        try:
            self.dispatcher.read(message)
        except Refusal as refusal:
            if refusal.reply is not None:
                exception.decode(refusal.reply.payload)

    def _decode(self, data: bytes) -> None:
        tail = self._tail(data)
        cls: type[ThriftStruct] = self.random.choice(self.classes)
        value = binary.decode(cls, tail)
        binary.encode(value)

    def _compact(self, data: bytes) -> None:
        tail = self._tail(data)
        reader = compact.Reader(0, 1 << 20)
        reader.resume(tail)
        spelled = bytes(reader.out)
        if walk(spelled) != len(spelled):
            raise AssertionError("the compact reader wrote no struct")
        compact.from_binary(spelled)

    def _tail(self, data: bytes) -> bytes:
        """What may be a struct: from somewhere to the end."""
        return data[self.random.randint(0, len(data)) :]


def framings_by_name() -> list[tuple[str, type[Framing]]]:
    return [(name, framings[name]) for name in framings]


def seeds() -> list[bytes]:
    """Every recorded message, its struct alone, and both in the compact protocol."""
    vectors = [vector for file in sorted(RECORDED.glob("*.json")) for vector in json.loads(file.read_text())]
    whole = {bytes.fromhex(vector.get(way, "")) for vector in vectors for way in ("request", "reply")} - {b""}
    messages = []
    for data in whole:
        try:
            messages += Detecting().feed(data)
        except WireError:
            continue
    spelled = set()
    for message in messages:
        try:
            walk(message.payload)
        except WireError:
            continue
        spelled |= {
            framings[name]().frame(message._replace(info=None)) for name in ("framed-compact", "buffered-compact")
        }
        spelled |= {message.payload, compact.from_binary(message.payload)}
    return sorted(data for data in whole | spelled if len(data) < 5000)


def resident() -> int:
    """Kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def main(count: int = 100_000, seed: int = 1) -> int:
    # Handlers that fail on purpose are logged, with their tracebacks.
    globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False, discardBuffer=True)
    fuzz = Fuzz(seed)
    targets = fuzz.targets()
    slowest: tuple[float, str, bytes] = (0.0, "", b"")
    outcomes: Counter[tuple[str, str]] = Counter()
    # Until the memory that is kept for use again has its size.
    warm = min(20_000, count // 5)
    before = 0
    for number in range(count):
        if number == warm:
            gc.collect()
            before = resident()
        data = fuzz.damaged()
        name, target = fuzz.random.choice(targets)
        if number % SERVER_EVERY == 0:
            name, target = "server", fuzz.server
        began = time.process_time()
        outcome = "refused"
        try:
            target(data)
            outcome = "passed"
        except (WireError, GatewayError):
            pass
        except Exception as error:
            print(f"input {number} of seed {seed}, {name}: {data.hex()}", file=sys.stderr)
            raise SystemExit(f"{type(error).__name__}: {error}") from error
        took = time.process_time() - began
        outcomes[name, outcome] += 1
        if number >= warm and took > slowest[0]:
            slowest = took, name, data
    gc.collect()
    for name in dict.fromkeys(name for name, _ in outcomes):
        print(f"{name:28}{outcomes[name, 'passed']:>10} passed{outcomes[name, 'refused']:>10} refused")
    print(f"{count} inputs from {len(fuzz.seeds)} recorded ones; no exception but ours")
    print(f"slowest: {slowest[0] * 1000:.1f} ms in {slowest[1]}, {len(slowest[2])} bytes")
    print(f"resident memory: {before // 1024} MiB after {warm} inputs, {resident() // 1024} MiB at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
