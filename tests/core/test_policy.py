"""Annotations and settings to policies; what is wrong is named with its place."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapped import schema_of
from txgateway.core.errors import IdlError
from txgateway.core.mapping import MappingSettings, compile_service
from txgateway.core.policy import Choice, Policies, Policy, PolicyError, duration

IDL = """struct Req {{ 1: string key }}
struct Resp {{ 1: string text }}
service Svc {{
    Resp get(1: Req req) (api.get="/get"{method})
    Resp put(1: Req req) (api.put="/put")
    Resp both(1: Req req) (api.get="/both", api.post="/both")
    Resp plain(1: Req req)
}} ({service})
"""
BALANCERS = frozenset({"wrr", "p2c", "hash"})
KNOWN = Policies(balancers=BALANCERS)


def policies(method: str = "", service: str = "", known: Policies = KNOWN) -> dict[str, Policy]:
    idl = IDL.format(method=f", {method}" if method else "", service=service)
    compiled = compile_service("svc", schema_of(idl), MappingSettings(policies=known))
    return {name.removeprefix("Svc."): policy for name, policy in compiled.policies.items()}


def refused(method: str = "", service: str = "") -> list[str]:
    with pytest.raises(IdlError) as error:
        policies(method, service)
    return [str(each).splitlines()[0] for each in error.value.diagnostics]


def test_without_annotations_only_the_verbs_say_something():
    found = policies()
    assert {name: policy.idempotent for name, policy in found.items()} == {
        "get": True,
        "put": False,
        "both": False,
        "plain": False,
    }
    assert found["put"] == Policy(name="Svc.put")


def test_which_verbs_are_safe_is_a_setting():
    found = policies(known=Policies(safe_verbs=frozenset({"PUT"})))
    assert (found["get"].idempotent, found["put"].idempotent) == (False, True)


def test_every_annotation_is_read():
    found = policies(
        'tgw.timeout="200ms", tgw.retries="2", tgw.retry_on="timeout, exception", tgw.backup_after="0.05s",'
        'tgw.balancer="p2c", tgw.hash_key="header:X-User", tgw.tag="lane=query:lane", tgw.tag_fallback="any"',
        'tgw.connect_timeout="100ms"',
    )["get"]
    assert found == Policy(
        name="Svc.get",
        choice=Choice("p2c", ("lane",), True),
        timeout=0.2,
        connect_timeout=0.1,
        retries=2,
        repeats_lost=False,
        retry_on=frozenset({"timeout", "exception"}),
        backup_after=0.05,
        idempotent=True,
        hash_key="header:X-User",
        subset=("query:lane",),
    )


def test_a_method_overrides_its_service():
    found = policies('tgw.retries="3", tgw.idempotent="false"', 'tgw.retries="1", tgw.idempotent="true"')
    assert {name: (policy.retries, policy.idempotent) for name, policy in found.items()} == {
        "get": (3, False),
        "put": (1, True),
        "both": (1, True),
        "plain": (1, True),
    }


def test_who_names_a_key_means_the_balancer_that_uses_it():
    assert policies('tgw.hash_key="ip"')["get"].choice == Choice("hash")
    assert policies('tgw.hash_key="ip", tgw.balancer="p2c"')["get"].choice == Choice("p2c")


def test_the_configuration_wins_over_annotations():
    known = Policies(Policy(retries=1), balancers=BALANCERS).checked(
        {"svc": {"timeout": 0.5, "retries": 4}, "svc.get": {"retries": 0, "retry_on": ["closed"], "idempotent": True}}
    )
    found = policies('tgw.retries="2", tgw.timeout="9s"', known=known)
    assert (found["get"].retries, found["get"].timeout, found["get"].retry_on) == (0, 0.5, frozenset({"closed"}))
    assert (found["put"].retries, found["put"].timeout) == (4, 0.5)


def test_whoever_says_how_often_a_call_may_be_repeated_means_that():
    found = policies('tgw.retries="0"')
    assert (found["get"].repeats_lost, found["put"].repeats_lost) == (False, True)
    assert not policies(known=Policies(Policy(repeats_lost=False)))["get"].repeats_lost


def test_several_tags_of_a_method_replace_those_of_its_service():
    found = policies('tgw.tag="lane=query:lane", tgw.tag="ring=canary"', 'tgw.tag="zone=header:x-zone"')
    assert (found["get"].choice.tags, found["get"].subset) == (("lane", "ring"), ("query:lane", "canary"))
    assert (found["put"].choice.tags, found["put"].subset) == (("zone",), ("header:x-zone",))
    known = Policies(balancers=BALANCERS).checked({"svc": {"tag": "os=linux"}, "svc.get": {"tag": ["a=1", "b=2"]}})
    found = policies('tgw.tag="lane=query:lane"', known=known)
    assert [found[name].choice.tags for name in ("get", "put")] == [("a", "b"), ("os",)]


def test_a_method_may_wait_for_connections_as_it_wants():
    found = policies('tgw.connect_timeout="50ms"', 'tgw.connect_timeout="2s"')
    assert (found["get"].connect_timeout, found["put"].connect_timeout) == (0.05, 2.0)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ('tgw.timeout="soon"', "tgw.timeout: expected a time such as 200ms or 1.5s, at most 3600s, got 'soon'"),
        ('tgw.timeout="5"', "tgw.timeout: expected a time such as 200ms or 1.5s, at most 3600s, got '5'"),
        ('tgw.timeout="3601s"', "tgw.timeout: expected a time such as 200ms or 1.5s, at most 3600s, got '3601s'"),
        ('tgw.retries="6"', "tgw.retries: expected a whole number from 0 to 5, got '6'"),
        ('tgw.retries="-1"', "tgw.retries: expected a whole number from 0 to 5, got '-1'"),
        ('tgw.retry_on="rain"', "tgw.retry_on: expected some of unavailable, timeout, closed, exception, got 'rain'"),
        ('tgw.idempotent="yes"', "tgw.idempotent: expected true or false, got 'yes'"),
        ('tgw.balancer="best"', "tgw.balancer: expected one of hash, p2c, wrr, got 'best'"),
        (
            'tgw.hash_key="body:x"',
            "tgw.hash_key: expected header:NAME, cookie:NAME, query:NAME, arg:FIELD or ip, got 'body:x'",
        ),
        ('tgw.tag_fallback="all"', "tgw.tag_fallback: expected any or none, got 'all'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(annotation, expected):
    (got,) = refused(annotation)
    place, _, message = got.partition(": error: ")
    assert message == expected
    assert place.startswith("svc.thrift:4:")
    column = int(place.rpartition(":")[2])
    line = IDL.format(method=f", {annotation}", service="").splitlines()[3]
    assert line[column - 1 :].startswith(annotation.split('"')[1])


def test_everything_that_is_wrong_is_named_at_once():
    assert len(refused('tgw.timeout="x", tgw.retries="x"')) == 2


def test_a_field_to_steer_by_must_exist():
    (got,) = refused('tgw.hash_key="arg:nobody"')
    assert (
        got
        == "svc.thrift:4:10: error: get: calls are to be steered by arg:nobody, which is no scalar field of its request"
    )


def test_a_backup_request_is_for_what_may_run_twice():
    (got,) = refused('tgw.backup_after="10ms", tgw.idempotent="false"')
    assert "a backup request may run the method twice" in got


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"svc": {"retry": 1}}, "svc.retry: no such policy; did you mean retry_on?"),
        ({"svc": 1}, "svc: expected a table"),
        ({"svc.get": {"pipeline": 2}}, "svc.get.pipeline: it can be set for a whole service only"),
        ({"svc": {"tag": ["lane=blue", "ring"]}}, "svc.tag: expected TAG=VALUE, or TAG= and where the value is"),
        ({"svc": {"retries": 6}}, "svc.retries: expected a whole number from 0 to 5, got 6"),
        ({"svc": {"timeout": -1}}, "svc.timeout: expected a time such as 200ms or 1.5s, at most 3600s, got -1"),
        ({"svc": {"balancer": "best"}}, "svc.balancer: expected one of hash, p2c, wrr, got 'best'"),
    ],
)
def test_a_wrong_setting_is_named(overrides, expected):
    with pytest.raises(PolicyError) as error:
        Policies(balancers=BALANCERS).checked(overrides)
    assert str(error.value).startswith(expected)


def test_a_setting_for_nobody_is_found_out():
    known = Policies().checked({place: {"retries": 1} for place in ("svc", "svc.get", "svc.gte", "other", "other.get")})
    assert known.unmet({"svc": policies(known=known)}) == ["svc.gte", "other", "other.get"]


@given(st.integers(0, 3_600_000))
def test_times_are_read_in_either_unit(milliseconds):
    assert duration(f"{milliseconds}ms") == pytest.approx(duration(f"{milliseconds / 1000:.3f}s"))


@given(st.text(max_size=8))
def test_any_other_text_is_refused(text):
    with contextlib.suppress(ValueError):
        assert 0 <= duration(text) <= 3600
