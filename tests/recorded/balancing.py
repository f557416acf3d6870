"""Recorded picks of Kitex's balancers against ours; see ``tests/vectors/balancing/README.md``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.recorded import Case, Mismatch
from txgateway.core.balancing import Balancer, Memory, balancers
from txgateway.core.balancing.consistent_hash import Ring, RingBuilder, virtual_nodes
from txgateway.core.balancing.weighted_random import alias_tables
from txgateway.core.health.breaker import Breaker, BreakerSettings
from txgateway.core.instances import Instance
from txgateway.core.message import Call

balancers.load()

CALL = Call("echo", b"echo", b"\0")
# The recorded sequences, by file, and the name that we give to that policy.
SEQUENCES = {"wrr": "wrr", "iwrr": "iwrr"}
# The policies whose picks are counted, by file.
COUNTS = {"random": "random", "random_alias": "alias"}
# Chi-square that one right policy in a thousand exceeds, by degrees of freedom.
CHI_SQUARE = {0: 0.0, 1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32, 8: 26.12, 9: 27.88}


def cases(folder: Path) -> Iterator[Case]:
    for file in sorted(folder.glob("*.json")):
        recorded = json.loads(file.read_text())
        if file.stem in SEQUENCES:
            for case in recorded:
                yield from _sequence_cases(file.stem, case)
        elif file.stem == "rebalance":
            yield Case("rebalance", partial(_rebalance, recorded))
        elif file.stem in COUNTS:
            for case in recorded:
                yield Case(f"{file.stem}/{case['name']}", partial(_counts, COUNTS[file.stem], case))
        elif file.stem == "alias_tables":
            for case in recorded:
                yield Case(f"{file.stem}/{case['name']}", partial(_alias_tables, case))
        elif file.stem in JUDGED:
            for case in recorded:
                yield Case(f"{file.stem}/{case['name']}", partial(JUDGED[file.stem], case))
        else:
            yield Case(file.stem, partial(_not_built, file.stem))


def _sequence_cases(kind: str, case: dict[str, Any]) -> Iterator[Case]:
    if "picks_by_start" not in case:
        yield Case(f"{kind}/{case['name']}", partial(_sequence, kind, case["weights"], 0, [None]))
    for start, picks in case.get("picks_by_start", {}).items():
        yield Case(f"{kind}/{case['name']}/{start}", partial(_sequence, kind, case["weights"], int(start), picks))


def _sequence(kind: str, weights: list[int], start: int, picks: list[int | None]) -> Mismatch | None:
    name = SEQUENCES[kind]
    if name not in balancers:
        return _not_built(kind)
    return _compare(picks, _picks(_balancer(name, weights, start), len(picks)))


def _rebalance(steps: list[dict[str, Any]]) -> Mismatch | None:
    """Kitex keeps its picker until the set changes; so do we, then a new one starts anew."""
    balancer = _balancer("wrr", [5, 1, 1], 1)
    changes = {3: ([5, 1, 1, 9], 2), 4: ([2, 1], 0)}
    for number, step in enumerate(steps):
        if number in changes:
            weights, start = changes[number]
            balancer = _balancer("wrr", weights, start)
        mismatch = _compare(step["picks"], _picks(balancer, len(step["picks"])))
        if mismatch:
            return mismatch
    return None


def _counts(name: str, case: dict[str, Any]) -> Mismatch | None:
    weights, shares = case["weights"], case.get("expected_share", [])
    # A fixed seed: what passes once passes always.
    balancer = balancers[name](_instances(weights), Random(7), Memory())
    if not any(weight > 0 for weight in weights):
        return _compare([None], _picks(balancer, 1))
    picks = Counter(_picks(balancer, case["n"]))
    wanted = [share * case["n"] for share in shares]
    chi_square = sum((picks[i] - want) ** 2 / want for i, want in enumerate(wanted) if want)
    if chi_square <= CHI_SQUARE[case["df"]] and all(picks[i] == 0 for i, want in enumerate(wanted) if not want):
        return None
    return Mismatch(f"shares {shares}", f"{picks}: chi-square {chi_square:.1f}")


def _alias_tables(case: dict[str, Any]) -> Mismatch | None:
    probabilities, aliases = alias_tables(case["weights"])
    if aliases == case["alias"] and all(abs(a - b) < 1e-12 for a, b in zip(probabilities, case["prob"], strict=True)):
        return None
    return Mismatch(f"{case['prob']} {case['alias']}", f"{probabilities} {aliases}")


def _consistent_hash(case: dict[str, Any]) -> Mismatch | None:
    """Kitex's hash has another seed in each process: so it is properties that are recorded, not picks."""
    factor, weighted, removed = case["virtual_factor"], case["weighted"], case["removed_index"]
    members = _instances(case["weights"])
    without = [*members[:removed], *members[removed + 1 :]]
    joined = [*members, Instance("10.0.1.1", 8888, case["weights"][0])]
    first, again, left, more = (_ring_picks(s, case, factor, weighted) for s in (members, members, without, joined))
    gone, new = members[removed].address, joined[-1].address
    counts, total = Counter(first), sum(virtual_nodes(members, factor, weighted).values())
    tolerance = 0.03 if total >= 1000 else 0.06
    shares = {each.address: share for each, share in zip(members, case["expected_share"], strict=True)}
    broken = {
        "a second lookup differs": first != again,
        "a key of another node moved": any(a != b for a, b in zip(first, left, strict=True) if a != gone),
        "a key went to a node that left": gone in left,
        "a moved key did not go to the new node": any(a != b != new for a, b in zip(first, more, strict=True)),
        "an empty key picks something": any(_ring(members, factor, weighted).owners(b"")),
        f"shares {counts}": any(abs(counts[a] / len(first) - share) > tolerance for a, share in shares.items()),
        "picked without a share": any(counts[a] for a, share in shares.items() if not share),
    }
    wrong = [what for what, is_so in broken.items() if is_so]
    return Mismatch("the recorded properties", "; ".join(wrong)) if wrong else None


def _ring(members: list[Instance], factor: int, weighted: bool) -> Ring:
    builder = RingBuilder(virtual_nodes(members, factor, weighted), {})
    for _ in builder.slices():
        pass
    return builder.ring


def _ring_picks(members: list[Instance], case: dict[str, Any], factor: int, weighted: bool) -> list[str]:
    ring = _ring(members, factor, weighted)
    return [next(ring.owners(b"user-%d" % number)) for number in range(case["keys"])]


def _circuit_breaker(case: dict[str, Any]) -> Mismatch | None:
    breaker = Breaker(BreakerSettings(case["err_rate"], case["min_sample"]))
    for event in case["events"]:
        now, count = event["at_ms"] / 1000, event["n"]
        if event["do"] == "allow":
            allowed = sum(breaker.allows(now) for _ in range(count))
        else:
            allowed = event.get("allowed")
            for _ in range(count):
                breaker.record(now, failed=event["do"] != "succeed")
        state = breaker.state.name.replace("_", "")
        if (allowed, state) != (event.get("allowed"), event["state_after"]):
            return Mismatch(str(event), f"{allowed} allowed, then {state}")
    return None


# What is judged as a whole, by file.
JUDGED = {"consistent_hash": _consistent_hash, "circuit_breaker": _circuit_breaker}


def _not_built(kind: str) -> Mismatch:
    return Mismatch("a policy of this kind", f"{kind} is not built")


class _Starting(Random):
    """Chance that says where to start: an index among the instances that can be picked."""

    def __init__(self, start: int) -> None:
        super().__init__(0)
        self._start = start

    def randrange(self, *bounds: int) -> int:  # type: ignore[override]
        return self._start


def _balancer(name: str, weights: list[int], start: int) -> Balancer:
    live = [index for index, weight in enumerate(weights) if weight > 0]
    return balancers[name](_instances(weights), _Starting(live.index(start) if live else 0), Memory())


def _instances(weights: list[int]) -> list[Instance]:
    return [Instance(f"10.0.0.{index + 1}", 8888, weight) for index, weight in enumerate(weights)]


def _picks(balancer: Balancer, count: int) -> list[int | None]:
    picked = (balancer.pick(CALL) for _ in range(count))
    return [instance and int(instance.host.rpartition(".")[2]) - 1 for instance in picked]


def _compare(expected: list[int | None], got: list[int | None]) -> Mismatch | None:
    return None if expected == got else Mismatch(str(expected[:40]), str(got[:40]))
