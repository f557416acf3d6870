"""Settings to policies: which stand around a call and in which order, and which settings are refused."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.mapped import schema_of
from txgateway.config import ConfigError, Settings, merge
from txgateway.core.balancing import balancers
from txgateway.core.framing import framings
from txgateway.core.policy import Policy
from txgateway.governing import call_policies, governance_from, policies_from

balancers.load()
framings.load()

SCHEMA = schema_of('struct Req {} struct Resp {} service Svc { Resp get(1: Req req) (api.get="/get") }')


def settings(**tables: dict[str, Any]) -> Settings:
    return merge(Settings(), tables)


def policy(**tables: dict[str, Any]) -> Policy:
    (declared,) = SCHEMA.services
    return policies_from(settings(**tables)).policy("svc", declared, declared.methods[0], ["GET"])


def around(**tables: dict[str, Any]) -> list[str]:
    """The names of the files, outermost first."""
    chosen = call_policies(policy(**tables), settings(**tables), Clock(), Random(1))
    return [each.__module__.rpartition(".")[2] for each in chosen]


def test_without_settings_nothing_stands_around_a_call():
    assert around() == []


def test_the_order_of_policies():
    everything = {"timeout": 0.5, "retries": 2, "methods": {"svc.get": {"backup_after": 0.1}}}
    assert around(policy=everything, breaker={"per_method": True}) == ["backup", "retry", "circuit", "try_timeout"]


def test_settings_are_the_defaults_of_methods():
    found = policy(
        upstream={"balancer": "ewma"},
        policy={"retries": 3, "retry_on": "timeout", "backoff_min": 0.1, "backoff_max": 0.2, "validate": "all"},
    )
    assert (found.choice.balancer, found.retries, found.retry_on) == ("ewma", 3, frozenset({"timeout"}))
    assert (found.backoff, found.validate, found.idempotent) == ((0.1, 0.2), "all", True)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"methods": {"svc": {"retries": "many"}}}, "policy.methods.svc.retries: expected a whole number from 0 to 5"),
        ({"methods": {"svc": {"balancer": "best"}}}, "policy.methods.svc.balancer: expected one of alias, ewma, hash"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(table, said):
    with pytest.raises(ConfigError) as error:
        policies_from(settings(policy=table))
    assert str(error.value).startswith(said)


def test_ejection_is_on_and_breakers_are_off_unless_told_otherwise():
    usual = governance_from(settings())
    assert usual.ejection is not None
    assert usual.breaker is None
    other = governance_from(settings(health={"ejection": False}, breaker={"per_instance": True, "min_calls": 7}))
    assert other.ejection is None
    assert other.breaker is not None
    assert other.breaker.min_calls == 7
