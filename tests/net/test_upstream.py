"""One service: its instances, who is picked, and what is learnt from calls; time by a clock, services in memory."""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random
from types import NoneType
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from tests.policies.scripted import outcome
from txgateway.core.balancing import balancers
from txgateway.core.errors import (
    CallRefused,
    CircuitOpen,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    NoInstance,
    UnusableReply,
)
from txgateway.core.health.breaker import Breaker, BreakerSettings
from txgateway.core.health.ejection import EjectionSettings
from txgateway.core.health.standing import Governance
from txgateway.core.instances import Instance
from txgateway.core.message import Call, MessageType, Reply
from txgateway.core.policy import Choice, Policy
from txgateway.core.retrying import Budget, Savings
from txgateway.net.client import Pending
from txgateway.net.pool import Limits
from txgateway.net.upstream import Upstream, Upstreams
from txgateway.policies import compose
from txgateway.policies.backup import backup
from txgateway.policies.circuit import circuit
from txgateway.policies.retry import retry

balancers.load()

REPLY = Reply(MessageType.REPLY, b"get", b"\0")
EWMA = Policy(name="Svc.get", choice=Choice("ewma"))
CALL = Call("svc", b"get", b"", deadline=5.0, policy=EWMA)
MEMBERS = tuple(Instance(f"10.0.0.{number}", 9000) for number in range(4))


class ScriptedPool:
    """The connections of one instance: calls come to what the test says, or wait for it."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.limits = Limits()
        self.outcome: Any = REPLY
        self.calls = self.in_flight = self.idle = 0
        self.waiting: list[Pending] = []
        self.drained = self.closed = False

    def call(self, call: Call) -> Deferred[Reply]:
        pending = Pending(call)
        self.carry(pending)
        return pending.deferred

    def carry(self, pending: Pending) -> None:
        self.calls += 1
        if self.outcome is None:
            self.in_flight += 1
            pending.holder = self
            self.waiting.append(pending)
        elif isinstance(self.outcome, Exception):
            pending.fail(self.outcome)
        else:
            pending.answer(self.outcome)

    def abandon(self, pending: Pending) -> None:
        self.in_flight -= 1

    def drain(self) -> None:
        self.drained = True

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


class Town:
    def __init__(self, governance: Governance, random: Random | None = None) -> None:
        self.clock = Clock()
        self.pools: dict[str, ScriptedPool] = {}
        self.distrusted: list[Instance] = []
        self.composed: list[str] = []
        self.upstream = Upstream(
            "svc",
            self.clock,
            self.make_pool,
            self.distrusted.append,
            self.compose,
            random or Random(1),
            governance,
        )
        self.upstream.serve({"Svc.get": EWMA})
        self.upstream.update(MEMBERS)

    def make_pool(self, instance: Instance) -> Any:
        return self.pools.setdefault(instance.address, ScriptedPool(instance))

    def compose(self, upstream: Upstream, policy: Policy) -> Any:
        self.composed.append(policy.name)
        return upstream.deliver

    def pool(self, instance: Instance) -> ScriptedPool:
        return self.make_pool(instance)

    def line(self, instance: Instance) -> dict[str, Any]:
        return {line["address"]: line for line in self.upstream.status()}[instance.address]


@pytest.fixture
def town():
    return Town(Governance(ejection=EjectionSettings(interval=10.0, base=10.0)))


def test_a_call_is_answered_and_its_cost_learnt(town):
    for instance in MEMBERS:
        town.pool(instance).outcome = None
    sent = town.upstream.send(CALL)
    (called,) = [pool for pool in town.pools.values() if pool.waiting]
    town.clock.advance(0.25)
    called.waiting[0].answer(REPLY)
    assert outcome(sent) is REPLY
    assert town.line(called.instance)["cost_ms"] == 250


def test_an_instance_that_cannot_be_reached_is_told_of_and_passed_over(town):
    for instance in MEMBERS[:3]:
        town.pool(instance).outcome = ConnectFailed()
    for _ in range(10):
        assert outcome(town.upstream.send(CALL)) is REPLY
    assert set(town.distrusted) <= set(MEMBERS[:3])
    # A failure costs as much as all the time that the call was given, so it attracts nobody.
    assert town.line(town.distrusted[0])["cost_ms"] == 5000
    assert town.line(town.distrusted[0])["last_error"] == {"what": "unreachable", "seconds_ago": 0.0}


def test_a_peek_is_the_next_pick_but_for_one_that_is_out_of_reach(town):
    call = CALL.replace(policy=Policy(name="Svc.get"))
    town.upstream.serve({"Svc.get": call.policy})
    for _ in range(2 * len(MEMBERS)):
        peeked = town.upstream.peek(call)
        assert town.upstream.pick(call) is peeked
    coming = town.upstream.peek(call)
    town.pool(coming).outcome = ConnectFailed()
    assert outcome(town.upstream.send(call)) is REPLY
    assert call.tries[0].instance is coming
    peeked = []
    for _ in MEMBERS:
        peeked.append(town.upstream.peek(call))
        town.upstream.pick(call)
    assert sorted(map(str, peeked)) == sorted(map(str, [None, *(each for each in MEMBERS if each is not coming)]))


def test_a_peek_of_what_nobody_asked_for_yet_is_none(town):
    assert town.upstream.peek(CALL.replace(policy=Policy(name="Svc.get"))) is None


@pytest.mark.parametrize("error", [ConnectFailed(), CallRefused()])
def test_an_instance_that_saw_nothing_is_passed_over(town, error):
    for instance in MEMBERS[:3]:
        town.pool(instance).outcome = error
    call = CALL.replace(policy=Policy(name="Svc.get"))
    assert [outcome(town.upstream.send(call)) for _ in range(4)] == [REPLY] * 4
    assert [each.error for each in call.tries] == [error] * (len(call.tries) - 1) + [None]
    assert call.tries[-1].instance is MEMBERS[3]


@pytest.mark.parametrize("error", [ConnectionClosed(), DeadlineExceeded(), UnusableReply()])
def test_one_that_may_have_seen_it_is_not(town, error):
    for instance in MEMBERS:
        town.pool(instance).outcome = error
    call = CALL.replace()
    assert outcome(town.upstream.send(call)) is error
    assert [each.error for each in call.tries] == [error]


def test_a_safe_call_whose_connection_is_lost_goes_to_another_instance(town):
    town.upstream.update(MEMBERS[:2])
    town.pool(MEMBERS[0]).outcome = ConnectionClosed()
    savings = Savings(0.1)
    for _ in range(6):
        call = CALL.replace(policy=Policy(name="Svc.get"), tries=[])
        assert outcome(town.upstream.deliver(call, savings)) is REPLY
        assert [type(each.error) for each in call.tries] in ([NoneType], [ConnectionClosed, NoneType])
    assert [town.pool(each).calls for each in MEMBERS[:2]] == [3, 6]
    assert savings.calls == 6


def test_it_goes_there_once(town):
    for instance in MEMBERS:
        town.pool(instance).outcome = ConnectionClosed()
    call = CALL.replace(tries=[])
    assert isinstance(outcome(town.upstream.deliver(call, Savings(0.1))), ConnectionClosed)
    assert len({each.instance for each in call.tries}) == len(call.tries) == 2


def test_it_goes_to_the_same_instance_where_there_is_no_other(town):
    town.upstream.update(MEMBERS[:1])
    pool = town.pool(MEMBERS[0])
    pool.outcome = None
    sent = town.upstream.deliver(CALL.replace(tries=[]), Savings(0.1))
    pool.waiting.pop().fail(ConnectionClosed())
    pool.waiting.pop().answer(REPLY)
    assert (outcome(sent), pool.calls) == (REPLY, 2)


@pytest.mark.parametrize("error", [DeadlineExceeded(), UnusableReply()])
def test_no_other_failure_of_a_safe_call_is_worth_another_try(town, error):
    for instance in MEMBERS:
        town.pool(instance).outcome = error
    call = CALL.replace(tries=[])
    assert outcome(town.upstream.deliver(call, Savings(0.1))) is error
    assert len(call.tries) == 1


def test_when_every_connection_is_lost_few_calls_are_repeated(town):
    for instance in MEMBERS:
        town.pool(instance).outcome = ConnectionClosed()
    savings = Savings(0.125)
    for _ in range(200):
        outcome(town.upstream.deliver(CALL.replace(policy=Policy(name="Svc.get"), tries=[]), savings))
    assert sum(pool.calls for pool in town.pools.values()) == 200 + 10 + 25


def test_six_are_tried_and_no_more(town):
    many = tuple(Instance(f"10.2.0.{number}", 9000) for number in range(9))
    for instance in many:
        town.pool(instance).outcome = ConnectFailed()
    town.upstream.update(many)
    call = CALL.replace()
    assert isinstance(outcome(town.upstream.send(call)), ConnectFailed)
    assert len({each.instance for each in call.tries}) == len(call.tries) == 6


@pytest.mark.parametrize("balancer", ["wrr", "iwrr", "random", "alias", "p2c", "ewma", "hash"])
def test_when_many_die_at_once_each_is_found_out_once_and_no_call_fails(balancer):
    town, many = Town(Governance()), tuple(Instance(f"10.3.0.{number}", 9000) for number in range(40))
    dead = many[5:35]
    for instance in dead:
        town.pool(instance).outcome = ConnectFailed()
    policy = Policy(name="Svc.get", choice=Choice(balancer))
    town.upstream.serve({"Svc.get": policy})
    town.upstream.update(many)
    failed = 0
    for number in range(400):
        call = CALL.replace(policy=policy, hash_key=b"%d" % number)
        failed += outcome(town.upstream.send(call)) is not REPLY
    # The first calls find out; each can meet six.
    assert failed <= 1
    assert all(town.pool(instance).calls <= 1 for instance in dead)
    for instance in dead:
        town.pool(instance).outcome = REPLY
    town.clock.advance(1.0)
    for number in range(400):
        call = CALL.replace(policy=policy, hash_key=b"%d" % number)
        assert outcome(town.upstream.send(call)) is REPLY
    assert sum(town.pool(instance).calls for instance in dead) > 100


def test_where_nobody_can_be_reached_all_are_tried(town):
    for instance in MEMBERS:
        town.pool(instance).outcome = ConnectFailed()
    for _ in range(3):
        assert isinstance(outcome(town.upstream.send(CALL)), NoInstance)
    assert [town.pool(each).calls for each in MEMBERS] == [3] * 4
    town.pool(MEMBERS[2]).outcome = REPLY
    assert outcome(town.upstream.send(CALL)) is REPLY


def test_a_second_try_avoids_the_first_one_while_there_are_others(town):
    town.upstream.update(MEMBERS[:2])
    call = CALL.replace(tries=[])
    for _ in range(2):
        outcome(town.upstream.deliver(call))
    assert {each.instance for each in call.tries} == set(MEMBERS[:2])
    assert outcome(town.upstream.deliver(call)) is REPLY


def test_a_call_that_is_given_up_leaves_no_trace(town):
    for instance in MEMBERS:
        town.pool(instance).outcome = None
    sent = [town.upstream.send(CALL) for _ in range(8)]
    for each in sent:
        each.addErrback(lambda _: None).cancel()
    assert [town.line(each)["in_flight"] for each in MEMBERS] == [0] * 4
    assert [town.line(each)["last_error"] for each in MEMBERS] == [None] * 4
    assert [town.line(each)["cost_ms"] for each in MEMBERS] == [0.0] * 4


def test_an_instance_is_ejected_and_comes_back(town):
    town.upstream.serve({"Svc.get": Policy(name="Svc.get")})
    call = CALL.replace(policy=Policy(name="Svc.get"))
    town.pool(MEMBERS[0]).outcome = DeadlineExceeded()
    for _ in range(100):
        outcome(town.upstream.send(call))
    assert town.pool(MEMBERS[0]).calls == 5
    assert town.line(MEMBERS[0])["state"] == "ejected"
    town.pool(MEMBERS[0]).outcome = REPLY
    town.clock.advance(10)
    assert town.line(MEMBERS[0])["state"] == "live"
    for _ in range(100):
        outcome(town.upstream.send(call))
    assert town.pool(MEMBERS[0]).calls == 30


def test_an_open_circuit_sends_a_call_elsewhere():
    town = Town(Governance(breaker=BreakerSettings(0.5, 4)))
    town.pool(MEMBERS[0]).outcome = ConnectFailed()
    call = CALL.replace(policy=Policy(name="Svc.get"))
    errors = []
    for _ in range(80):
        assert outcome(town.upstream.send(call)) is REPLY
        errors += [type(each.error) for each in call.tries if each.error]
        town.clock.advance(0.1)
    # Half of its own calls, and no fewer than four, have failed.
    assert errors == [ConnectFailed] * 4 + [CircuitOpen] * (len(errors) - 4)
    assert town.pool(MEMBERS[0]).calls == 4
    assert town.line(MEMBERS[0])["breaker"] == "open"


def test_without_instances_there_is_nobody(town):
    town.upstream.update(())
    with pytest.raises(NoInstance):
        town.upstream.send(CALL)


def test_who_left_is_shown_as_long_as_calls_run_there(town):
    town.pool(MEMBERS[0]).outcome = None
    town.upstream.update(MEMBERS[:1])
    town.upstream.send(CALL).addErrback(lambda _: None)
    town.upstream.update(MEMBERS[1:])
    assert town.pool(MEMBERS[0]).drained
    assert (town.line(MEMBERS[0])["state"], town.line(MEMBERS[0])["in_flight"]) == ("draining", 1)
    town.pool(MEMBERS[0]).in_flight = 0
    assert [line["address"] for line in town.upstream.status()] == [each.address for each in MEMBERS[1:]]


def test_the_same_set_again_starts_nothing_anew(town):
    picked = [town.upstream.pick(CALL.replace(policy=Policy())) for _ in range(2)]
    town.upstream.update(MEMBERS)
    picked += [town.upstream.pick(CALL.replace(policy=Policy())) for _ in range(2)]
    assert len(set(picked)) == 4


def test_refreshed_every_ten_calls_small_instances_do_not_starve(town):
    weighty = tuple(evolve(each, weight=weight) for each, weight in zip(MEMBERS, (100, 1, 1), strict=False))
    town.upstream.update(weighty)
    town.upstream.serve({"Svc.get": Policy(name="Svc.get")})
    for number in range(204):
        if number % 10 == 0:
            town.upstream.update(tuple(evolve(each) for each in weighty))
        outcome(town.upstream.send(CALL.replace(policy=Policy(name="Svc.get"))))
    assert [town.pool(each).calls for each in weighty] == [200, 2, 2]


def test_a_policy_that_stays_is_not_composed_again(town):
    other = Policy(name="Svc.put")
    town.upstream.serve({"Svc.get": EWMA, "Svc.put": other})
    town.upstream.serve({"Svc.get": evolve(EWMA, retries=1), "Svc.put": other})
    assert town.composed == ["Svc.get", "Svc.put", "Svc.get"]


@pytest.mark.parametrize(
    ("own", "longest"), [((0.05,), 0.05), ((0.05, 2.0), 2.0), ((0.05, 0.0), Limits().connect_timeout)]
)
def test_a_connect_has_the_time_that_the_most_patient_method_gives_it(town, own, longest):
    town.upstream.serve({f"Svc.get{n}": evolve(EWMA, connect_timeout=time) for n, time in enumerate(own)})
    town.upstream.update(MEMBERS[:1])
    town.upstream.send(CALL)
    assert town.pool(MEMBERS[0]).limits.connect_timeout == longest


@pytest.mark.parametrize(
    ("change", "renewed"),
    [({"transport": "mux"}, True), ({"pipeline": 8}, True), ({"connect_timeout": 0.1}, True), ({"retries": 2}, False)],
)
def test_a_service_that_is_to_be_spoken_to_in_another_way_gets_other_connections(town, change, renewed):
    one = town.upstream.open(MEMBERS[0])
    one.outcome = None
    running = one.call(CALL)
    town.upstream.serve({"Svc.get": evolve(EWMA, **change)})
    assert one.drained is renewed
    states = [line["address"] for line in town.upstream.status() if line.get("state") == "draining"]
    assert states == ([one.instance.address] if renewed else [])
    one.waiting.pop().answer(REPLY)
    assert outcome(running) == REPLY


def test_so_does_an_instance_whose_tag_says_so(town):
    pools = [town.upstream.open(instance) for instance in MEMBERS[:3]]
    tags = ({"transport": "ttheader"}, {"zone": "a"}, {"protocol": "compact"})
    changed = [evolve(instance, tags=tag) for instance, tag in zip(MEMBERS, tags, strict=False)]
    town.upstream.update((*changed, *MEMBERS[3:]))
    assert [pool.drained for pool in pools] == [True, False, True]


def test_a_list_that_is_the_same_is_no_reason_to_begin_anew():
    weighted = tuple(evolve(each, weight=weight) for each, weight in zip(MEMBERS, (5, 1, 1), strict=False))
    town = Town(Governance())
    call, picked = CALL.replace(policy=Policy(name="Svc.get")), []
    town.upstream.update(weighted)
    for _ in range(14):
        town.upstream.update(tuple(evolve(each) for each in weighted))
        outcome(town.upstream.send(call))
        picked.append(weighted.index(call.tries[0].instance))
    # Smooth, and each cycle by the weights.
    assert [picked[at : at + 7].count(0) for at in range(8)] == [5] * 8
    assert max(len(run) for run in "".join(map(str, picked)).replace("1", " ").replace("2", " ").split()) <= 4


@pytest.mark.parametrize("weights", [(100, 1, 1), (3, 2, 1), (1, 1, 1)])
def test_workers_with_few_calls_each_share_by_the_weights_together(weights):
    weighted = tuple(evolve(each, weight=weight) for each, weight in zip(MEMBERS, weights, strict=False))
    calls: Counter[Instance] = Counter()
    for worker in range(4):
        town = Town(Governance(), Random(worker))
        call = CALL.replace(policy=Policy(name="Svc.get"))
        for number in range(25):
            if number % 10 == 0:
                town.upstream.update(weighted)
            outcome(town.upstream.send(call))
            calls[call.tries[0].instance] += 1
    for instance, weight in zip(weighted, weights, strict=True):
        assert abs(calls[instance] / 100 - weight / sum(weights)) < 0.03


def test_a_new_instance_starts_slowly_and_gets_its_share():
    town = Town(Governance(slow_start=10.0))
    town.upstream.update(MEMBERS[:3])
    town.upstream.update(MEMBERS)
    call = CALL.replace(policy=Policy(name="Svc.get"))

    def share() -> int:
        before = town.pool(MEMBERS[3]).calls
        for _ in range(31 * 4):
            outcome(town.upstream.send(call))
        return town.pool(MEMBERS[3]).calls - before

    assert share() == 4
    for _ in range(10):
        town.clock.advance(1.0)
    assert share() == 31
    assert town.clock.getDelayedCalls() == []


def test_a_big_ring_is_made_without_holding_up_the_reactor():
    town = Town(Governance())
    many = tuple(Instance(f"10.1.0.{number}", 9000) for number in range(200))
    town.upstream.serve({"Svc.get": Policy(name="Svc.get", choice=Choice("hash"))})
    turns: list[float] = []
    later = town.clock.callLater

    def next_turn(delay: float, *call: Any) -> Any:
        turns.append(delay)
        return later(delay, *call)

    def seconds() -> float:
        """Each look at the clock takes half a slice."""
        town.clock.rightNow += 0.0005
        return town.clock.rightNow

    town.clock.callLater, town.clock.seconds = next_turn, seconds  # type: ignore[method-assign]
    town.upstream.update(many)
    town.clock.pump([0.001] * 10)
    assert len(turns) > 100
    assert set(turns) == {0}
    keyed = CALL.replace(policy=Policy(choice=Choice("hash")), hash_key=b"a key")
    assert len({town.upstream.pick(keyed) for _ in range(50)}) == 1


def test_in_the_end_nothing_is_left_running(town):
    outcome(town.upstream.send(CALL))
    assert len(town.clock.getDelayedCalls()) == 1
    outcome(town.upstream.close())
    assert town.clock.getDelayedCalls() == []
    assert all(pool.closed for pool in town.pools.values())


def test_services_that_stay_keep_what_they_know_and_get_their_policies():
    towns: dict[str, Town] = {}
    ended: list[str] = []

    def open_upstream(service: str) -> Any:
        towns[service] = Town(Governance())
        return towns[service].upstream, lambda: ended.append(service)

    upstreams = Upstreams(open_upstream)
    upstreams.serve({"one": {"Svc.get": EWMA}, "two": {}})
    one = upstreams["one"]
    upstreams.serve({"one": {"Svc.put": EWMA}, "three": {}})
    assert upstreams["one"] is one
    assert ended == ["two"]
    assert towns["one"].composed == ["Svc.get", "Svc.get"]
    with pytest.raises(NoInstance):
        upstreams["two"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(["p2c", "ewma", "hash", "wrr"])),
        st.tuples(st.sampled_from(["answer", "fail", "break", "lose", "give up"]), st.integers(0, 30)),
        st.tuples(st.just("change"), st.sets(st.integers(0, 3))),
        st.tuples(st.just("wait"), st.floats(0, 12)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_every_call_ends_once_and_is_counted_down(steps):
    governance = Governance(ejection=EjectionSettings(consecutive=2, interval=1.0, base=1.0), slow_start=5.0)
    town = Town(governance)
    policies = {
        name: Policy(name, Choice(name), retries=2, backup_after=0.5, idempotent=True, backoff=(0.0, 0.2))
        for name in ("p2c", "ewma", "hash", "wrr")
    }
    town.upstream.compose = lambda upstream, policy: compose(
        [
            backup(policy, Budget(0.5), town.clock),
            retry(policy, Budget(0.5), town.clock, Random(1)),
            circuit(Breaker(BreakerSettings(0.5, 5)), town.clock),
        ],
        partial(upstream.deliver, savings=Savings(0.5)),
    )
    town.upstream.serve(policies)
    for instance in MEMBERS:
        town.pool(instance).outcome = None
    loads: dict[int, Any] = {}
    ended: list[int] = []
    sent: list[Deferred[Any]] = []

    def running() -> list[Pending]:
        return [each for pool in town.pools.values() for each in pool.waiting if not each.deferred.called]

    for what, value in steps:
        if what == "send":
            call = CALL.replace(policy=policies[value], hash_key=b"key", deadline=town.clock.seconds() + 5)
            number = len(sent)
            sent.append(maybeDeferred(town.upstream.send, call).addBoth(lambda _, n=number: ended.append(n)))
        elif what == "change":
            town.upstream.update(tuple(MEMBERS[number] for number in sorted(value)))
        elif what == "wait":
            town.clock.advance(value)
        elif what == "give up" and sent:
            sent[value % len(sent)].cancel()
        elif waiting := running():
            pending = waiting[value % len(waiting)]
            errors = {"fail": DeadlineExceeded(), "break": ConnectFailed(), "lose": ConnectionClosed()}
            pending.answer(REPLY) if what == "answer" else pending.fail(errors.get(what, ConnectFailed()))
        for memory in town.upstream._pickers._memories.values():
            loads |= {id(load): load for load in memory.instances.values()}
    while running():
        running()[0].answer(REPLY)
    town.clock.pump([0.1] * 10)
    while running():
        running()[0].answer(REPLY)
    assert sorted(ended) == list(range(len(sent)))
    assert all(load.active == 0 for load in loads.values())
    outcome(town.upstream.close())
    assert town.clock.getDelayedCalls() == []
