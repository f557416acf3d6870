"""Checks: when each instance is asked, and what is told of it."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from txgateway.core.codec.exception import ApplicationError
from txgateway.core.errors import GatewayError
from txgateway.core.instances import Instance
from txgateway.net.checks import Checks, answers, connects
from txgateway.net.pool import Pool
from txgateway.testing import Conduct, ScriptedServer, free_port

MEMBERS = [Instance(f"10.0.0.{number}", 9000) for number in range(3)]


class Asked:
    """:ivar times: when each instance was asked, by address."""

    def __init__(self, every: float = 10.0, within: float = 1.0) -> None:
        self.clock = Clock()
        self.times: dict[str, list[float]] = {}
        self.told: list[tuple[str, bool]] = []
        self.answer: Any = lambda: succeed(None)
        self.checks = Checks(self.clock, Random(4), every, within, self.probe, self.report)

    def probe(self, instance: Instance) -> Any:
        self.times.setdefault(instance.address, []).append(self.clock.seconds())
        return self.answer()

    def report(self, instance: Instance, passed: bool) -> None:
        self.told.append((instance.address, passed))


def test_each_instance_is_asked_in_its_own_rhythm():
    asked = Asked()
    asked.checks.keep(MEMBERS)
    asked.clock.pump([0.5] * 80)
    firsts = [times[0] for times in asked.times.values()]
    assert len(set(firsts)) == 3
    assert max(firsts) <= 10.5
    for times in asked.times.values():
        assert {later - earlier for earlier, later in pairwise(times)} == {10.0}
        assert len(times) in (3, 4)


@pytest.mark.parametrize("answer", [lambda: fail(OSError()), Deferred])
def test_who_fails_or_hangs_is_told_of(answer):
    asked = Asked()
    asked.answer = answer
    asked.checks.keep(MEMBERS[:1])
    asked.clock.pump([0.5] * 50)
    assert len(asked.told) >= 2
    assert set(asked.told) == {(MEMBERS[0].address, False)}


def test_who_left_is_asked_no_more():
    asked = Asked()
    asked.answer = Deferred
    asked.checks.keep(MEMBERS)
    asked.clock.pump([0.5] * 21)
    asked.checks.keep(())
    told = len(asked.told)
    assert asked.clock.getDelayedCalls() == []
    asked.clock.advance(100)
    assert len(asked.told) == told


@pytest_twisted.ensureDeferred
async def test_a_connection_that_can_be_made_passes():
    server = await ScriptedServer().start(reactor)
    await connects(reactor)(server.instance)
    await server.stop()
    with pytest.raises(Exception, match="refused"):
        await connects(reactor)(Instance("127.0.0.1", free_port()))


@pytest.mark.parametrize(
    ("answer", "passes"), [(b"\0", True), (ApplicationError(1, "no"), False), (Conduct.CLOSE, False)]
)
@pytest_twisted.ensureDeferred
async def test_a_method_that_answers_passes(answer, passes):
    server = await ScriptedServer({"ping": answer}).start(reactor)
    pool = Pool(reactor, server.instance)
    probe = answers("ping", "book", lambda instance: pool, lambda: reactor.seconds() + 10)
    if passes:
        await probe(server.instance)
    else:
        with pytest.raises(GatewayError):
            await probe(server.instance)
    assert (server.received[0].method, server.received[0].payload) == (b"ping", b"\0")
    await pool.close()
    await server.stop()
