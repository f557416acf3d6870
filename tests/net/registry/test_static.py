"""The registry that was written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from txgateway.core.instances import Instance, Instances
from txgateway.net.registry import registries
from txgateway.net.registry.static import StaticRegistry, build


def test_it_tells_what_it_was_given_in_the_order_given() -> None:
    registry = build(None, {"instances": ["book=b:1", "book=a:1*3", "other=c:1"]})
    assert registries["static"] is build
    told: list[Instances] = []
    registry.watch("book", told.append)()
    registry.watch("none", told.append)
    assert told == [(Instance("b", 1), Instance("a", 1, 3)), ()]
    assert registry.ready
    assert registry.start().called
    assert registry.stop().called


def test_the_status() -> None:
    assert build(None, {"instances": ["book=b:1"]}).status() == {
        "kind": "static",
        "ready": True,
        "services": {"book": [{"address": "b:1", "weight": 10, "network": "tcp"}]},
    }


def test_nothing_can_be_announced() -> None:
    failures: list[Any] = []
    StaticRegistry({}).announce("book", Instance("a", 1)).addErrback(failures.append)
    assert failures[0].check(ValueError)


def test_wrong_settings_say_so() -> None:
    with pytest.raises(ValueError, match="unknown setting x"):
        build(None, {"x": 1})
    with pytest.raises(ValueError, match="cannot name a service"):
        build(None, {"instances": ["a/b=h:1"]})
