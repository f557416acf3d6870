"""Which instances the gateway prefers where some run an IDL that breaks with ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve
from twisted.internet import reactor
from twisted.logger import LogLevel, globalLogPublisher

from txgateway.config import Settings, merge
from txgateway.core.instances import Instance, Instances
from txgateway.core.skew import Verdict
from txgateway.wiring import build_gateway

A, B, C = (Instance(f"10.0.0.{number}", 9000, tags={"idl": "old"} if number == 2 else {}) for number in (1, 2, 3))


class Told:
    """Stands for an upstream.

    :ivar sets: what it was told to serve by.
    """

    service = "book"

    def __init__(self) -> None:
        self.sets: list[Instances] = []

    def update(self, instances: Instances) -> None:
        self.sets.append(instances)


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """The addresses that the log warns of."""
    seen: list[str] = []

    def observe(event: Any) -> None:
        if event["log_level"] is LogLevel.warn and "breaks with ours" in str(event["log_format"]):
            seen.append(event["address"])

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def took(skew: str, *sets: Instances) -> list[Instances]:
    """What becomes of these sets where instances with the tag ``idl`` break with us."""
    settings = {"http": {"listen": ["tcp:0"]}, "mapping": {"skew": skew}}
    gateway: Any = build_gateway(merge(Settings(), settings), reactor)
    following = gateway._following
    following.skew.of = lambda service, instance: Verdict.BREAKING if instance.tags else Verdict.SAME
    following._found["book"] = ()
    told = Told()
    for instances in sets:
        following.take(told, instances)
    return told.sets


def test_they_are_picked_last_where_that_is_wanted_and_warned_of_once(warned: list[str]) -> None:
    assert took("prefer", (A, B), (A, B, C)) == [(A, evolve(B, suspect=True)), (A, evolve(B, suspect=True), C)]
    assert warned == [B.address]


def test_where_all_of_them_are_so_none_is_preferred() -> None:
    assert took("prefer", (B,)) == [(B,)]


def test_else_they_are_only_warned_of(warned: list[str]) -> None:
    assert took("show", (A, B), (A,), (A, B)) == [(A, B), (A,), (A, B)]
    assert warned == [B.address, B.address], "it had left in between"
