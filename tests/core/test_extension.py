"""Implementations are found by their names, and a wrong name is told what there is."""

from __future__ import annotations

import pytest

from txgateway.core.extension import Extensions


@pytest.fixture
def extensions():
    return Extensions[str]("txgateway.core.balancing")


def test_what_is_registered_is_found(extensions):
    extensions.register("one")("first")
    assert extensions["one"] == "first"
    assert "one" in extensions
    assert "two" not in extensions


def test_a_name_is_taken_once(extensions):
    extensions.register("one")("first")
    extensions.register("one")(extensions["one"])
    with pytest.raises(ValueError, match="'one' is registered twice"):
        extensions.register("one")("second")


def test_an_unknown_name_is_told_what_there_is(extensions):
    for name in ("b", "a"):
        extensions.register(name)(name)
    with pytest.raises(KeyError, match="no 'c' among a, b"):
        extensions["c"]


def test_loading_imports_every_module_of_the_package():
    from txgateway.core.balancing import balancers

    balancers.load()
    assert "wrr" in balancers
