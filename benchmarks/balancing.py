"""What a pick costs, by balancer and number of instances, and what each policy adds to a call: microseconds.

Run ``python -m benchmarks.balancing``. Processor time, and the best of several rounds: everything else on the
machine can only add to it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed

from txgateway.config import Settings, merge
from txgateway.core.balancing import Memory, balancers
from txgateway.core.health.breaker import BreakerSettings
from txgateway.core.health.ejection import EjectionSettings
from txgateway.core.health.standing import Governance
from txgateway.core.instances import Instance
from txgateway.core.message import Call, MessageType, Reply
from txgateway.core.policy import Policy
from txgateway.governing import call_policies
from txgateway.net.upstream import Upstream
from txgateway.policies import compose
from txgateway.policies.next_instance import next_instance

ROUNDS = 7
CALLS = 5000

REPLY = Reply(MessageType.REPLY, b"get", b"\0")


def main() -> None:
    balancers.load()
    print(
        f"{'balancer':10}{'instances':>10}{'build ms':>10}{'work ms':>10}{'slice ms':>10}{'pick us':>10}{'told us':>10}"
    )
    for name in balancers:
        for count in (10, 1000):
            print(_balancer(name, count))
    print(f"\n{'policy':44}{'call us':>10}{'adds us':>10}")
    bare = None
    for title, policy, settings, governance in _policies():
        cost = microseconds(_sender(policy, settings, governance))
        bare = cost if bare is None else bare
        print(f"{title:44}{cost:10.2f}{cost - bare:10.2f}")


def _balancer(name: str, count: int) -> str:
    # Weights without much in common: the hard case.
    instances = [Instance(f"10.0.{n >> 8}.{n & 255}", 9000, 1 + n % 7) for n in range(count)]
    began = time.process_time()
    balancer = balancers[name](instances, Random(1), Memory())
    built = time.process_time() - began
    slices = [0.0]
    began = time.process_time()
    for _ in balancer.work():
        slices.append(time.process_time() - began)
        began = time.process_time()
    call = Call("bench", b"get", b"", hash_key=b"user-123")

    def pick() -> None:
        balancer.pick(call, (), 1.0)

    def tell() -> None:
        instance = balancer.pick(call, (), 1.0)
        assert instance is not None
        balancer.began(instance)
        balancer.ended(instance, 1.0, 0.01)

    figures = built * 1e3, sum(slices) * 1e3, max(slices) * 1e3, microseconds(pick), microseconds(tell)
    return f"{name:10}{count:10}" + "".join(f"{figure:10.2f}" for figure in figures)


def _policies() -> list[tuple[str, Policy, Settings, Governance]]:
    none, safe = Governance(), Policy(idempotent=True)
    breaking = merge(Settings(), {"breaker": {"per_method": True}})
    return [
        ("pick and call, wrr over 10", safe, Settings(), none),
        ("ejection", safe, Settings(), Governance(ejection=EjectionSettings())),
        ("breaker of each instance", safe, Settings(), Governance(breaker=BreakerSettings())),
        ("time of a try", evolve(safe, timeout=0.5), Settings(), none),
        ("retries, not used", evolve(safe, retries=2), Settings(), none),
        ("breaker of the method", safe, breaking, none),
        ("backup request, not sent", evolve(safe, backup_after=0.5), Settings(), none),
    ]


class _Ready:
    """Connections that answer at once."""

    def call(self, call: Call) -> Deferred[Reply]:
        return succeed(REPLY)


def _sender(policy: Policy, settings: Settings, governance: Governance) -> Callable[[], Any]:
    ready: Any = _Ready()
    upstream = Upstream(
        "bench",
        reactor,
        lambda instance: ready,
        lambda instance: None,
        lambda upstream, policy: compose(call_policies(policy, settings, reactor, Random(1)), next_instance(upstream)),
        Random(1),
        governance,
    )
    upstream.serve({policy.name: policy})
    upstream.update(tuple(Instance(f"10.0.0.{n}", 9000) for n in range(10)))
    call = Call("bench", b"get", b"", policy=policy)
    return lambda: upstream.send(call)


def microseconds(work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            work()
        best = min(best, time.process_time() - began)
    return best / CALLS * 1e6


if __name__ == "__main__":
    sys.exit(main())
