"""One timer rings at the earliest of many deadlines."""

from __future__ import annotations

from twisted.internet.task import Clock

from txgateway.net.alarm import NEVER, Alarm


def test_rings_at_the_earliest_and_once() -> None:
    clock, rung = Clock(), []
    alarm = Alarm(clock, lambda: rung.append(clock.seconds()))
    for when in (5.0, 3.0, 4.0):
        alarm.set(when)
    assert alarm.at == 3.0
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(10)
    assert rung == [10.0]
    assert alarm.at == NEVER


def test_a_deadline_that_has_passed_rings_at_once_but_not_inside_set() -> None:
    clock, rung = Clock(), []
    clock.advance(100)
    Alarm(clock, lambda: rung.append(1)).set(50.0)
    assert rung == []
    clock.advance(0)
    assert rung == [1]


def test_may_be_set_while_it_rings() -> None:
    clock, rung = Clock(), []

    def ring() -> None:
        rung.append(clock.seconds())
        if len(rung) < 3:
            alarm.set(clock.seconds() + 1)

    alarm = Alarm(clock, ring)
    alarm.set(1.0)
    clock.pump([1, 1, 1, 1])
    assert rung == [1.0, 2.0, 3.0]


def test_never_takes_no_timer_and_stop_takes_it_back() -> None:
    clock = Clock()
    alarm = Alarm(clock, lambda: None)
    alarm.set(NEVER)
    assert clock.getDelayedCalls() == []
    alarm.set(1.0)
    alarm.stop()
    alarm.stop()
    assert clock.getDelayedCalls() == []
    assert alarm.at == NEVER
