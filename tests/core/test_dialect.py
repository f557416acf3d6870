"""Who says how an instance is spoken to, and who wins."""

from __future__ import annotations

import pytest

from tests.mapped import schema_of
from txgateway.core.dialect import Dialect, dialect_of
from txgateway.core.errors import IdlError
from txgateway.core.framing import framings
from txgateway.core.instances import Instance
from txgateway.core.mapping import MappingSettings, compile_service
from txgateway.core.policy import Policies, Policy, PolicyError

framings.load()

SETTINGS = Dialect("buffered", "binary", 4)


@pytest.mark.parametrize(
    ("tags", "policies", "dialect"),
    [
        ({}, [], SETTINGS),
        ({}, [Policy(), Policy(transport="ttheader", pipeline=8), Policy()], Dialect("ttheader", "binary", 8)),
        ({}, [Policy(protocol="compact")], Dialect("buffered", "compact", 4)),
        ({"transport": "mux"}, [Policy(transport="ttheader", pipeline=8)], Dialect("mux", "binary", 8)),
        ({"protocol": "compact", "transport": "framed"}, [], Dialect("framed", "compact", 4)),
        ({"protocol": "binary"}, [Policy(protocol="compact")], Dialect("buffered", "binary", 4)),
        # Meant for somebody else.
        ({"transport": "grpc", "protocol": "json"}, [Policy(transport="framed")], Dialect("framed", "binary", 4)),
    ],
)
def test_tags_win_over_the_idl_and_that_over_the_settings(
    tags: dict[str, str], policies: list[Policy], dialect: Dialect
) -> None:
    assert dialect_of(Instance("h", 1, tags=tags), policies, framings, SETTINGS) == dialect


@pytest.mark.parametrize(
    ("transport", "protocol", "framing"),
    [
        ("ttheader", "binary", "ttheader"),
        ("framed", "compact", "framed-compact"),
        ("buffered", "compact", "buffered-compact"),
        ("buffered-compact", "compact", "buffered-compact"),
        ("buffered-compact", "binary", "buffered-compact"),
        ("mux", "compact", "framed-compact"),
    ],
)
def test_every_dialect_has_a_framing(transport: str, protocol: str, framing: str) -> None:
    assert Dialect(transport, protocol).framing(framings) == framing
    assert framing in framings


def policy(annotations: str, **overrides: object) -> Policy:
    policies = Policies(transports=frozenset(framings)).checked(overrides)
    idl = f"service S {{ void m() }} ({annotations})"
    return compile_service("s", schema_of(idl), MappingSettings(policies=policies)).calls["m"][0].policy


def test_a_service_says_how_it_is_spoken_to() -> None:
    said = policy('tgw.transport="mux", tgw.pipeline="16", tgw.protocol="compact"')
    assert (said.transport, said.pipeline, said.protocol) == ("mux", 16, "compact")
    assert policy('tgw.transport="mux"', s={"transport": "framed", "pipeline": 2}).transport == "framed"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ('tgw.transport="grpc"', "expected one of buffered, "),
        ('tgw.pipeline="0"', "expected a whole number from 1 to 1024"),
        ('tgw.pipeline="1025"', "expected a whole number from 1 to 1024"),
        ('tgw.protocol="json"', "expected binary or compact"),
    ],
)
def test_a_value_that_is_wrong_is_an_error_in_the_idl(annotation: str, words: str) -> None:
    with pytest.raises(IdlError, match=words):
        policy(annotation)


def test_a_methods_own_connections_there_are_not() -> None:
    with pytest.raises(PolicyError, match="for a whole service only"):
        Policies().checked({"s.m": {"transport": "mux"}})
