"""A request that fails its rules is refused at the first, refused with all of them, or only noticed."""

from __future__ import annotations

import pytest

from txgateway.core.annotations import Surroundings
from txgateway.core.enforcement import ObservedRules
from txgateway.core.errors import IdlError, ValidationFailed
from txgateway.core.linker import load
from txgateway.core.mapping import MappingSettings, compile_service, join
from txgateway.core.message import Request
from txgateway.core.policy import Policies, Policy

IDL = """
struct Req {
    1: i32 low (api.query="low", api.vd="$>0; msg:'low is too low'")
    2: string name (api.query="name", api.vd="len($)>0", vt.max_size="3")
}
service Shop {
    Req first(1: Req r) (api.get="/first")
    Req all(1: Req r) (api.get="/all", tgw.validate="all")
    Req observe(1: Req r) (api.get="/observe", tgw.validate="observe")
}
"""


def compiled(text: str = IDL, policies: Policies | None = None, observed: ObservedRules | None = None):
    schema = load("shop.thrift", {"shop.thrift": text}.__getitem__).schema
    surroundings = Surroundings(observed=observed.count) if observed else Surroundings()
    mapping, _ = join([compile_service("shop", schema, MappingSettings(policies=policies or Policies()), surroundings)])
    return mapping


def validate(mapping, target: str) -> None:
    request = Request("GET", target.encode())
    route, path = mapping.route(request)
    plan = route.plan
    plan.validate(plan.bind(request, path))


def test_the_first_failure_refuses_unless_something_else_is_asked_for():
    with pytest.raises(ValidationFailed) as caught:
        validate(compiled(), "/first?low=0&name=")
    assert caught.value.detail == "low is too low"
    assert caught.value.members == {"field": "low", "rule": "$>0; msg:'low is too low'"}


def test_all_failures_are_listed_those_of_vt_after_those_of_vd():
    with pytest.raises(ValidationFailed) as caught:
        validate(compiled(), "/all?low=0&name=")
    assert caught.value.detail == "low is too low"
    assert [error["field"] for error in caught.value.members["errors"]] == ["low", "name"]
    with pytest.raises(ValidationFailed) as caught:
        validate(compiled(), "/all?low=0&name=abcd")
    first, second = caught.value.members["errors"]
    assert first == {"field": "low", "rule": "$>0; msg:'low is too low'", "detail": "low is too low"}
    assert "vt.max_size" in second["rule"] or "max_size" in second["rule"]


def test_what_is_observed_passes_and_is_counted_by_the_words_of_the_idl():
    observed = ObservedRules()
    mapping = compiled(observed=observed)
    validate(mapping, "/observe?low=1&name=abc")
    assert observed.status() == []
    for _ in range(3):
        validate(mapping, "/observe?low=0&name=abc")
    assert observed.status() == [
        {"service": "shop", "method": "observe", "rule": "$>0; msg:'low is too low'", "failures": 3}
    ]


@pytest.mark.parametrize("where", ["setting", "service"])
def test_a_setting_and_a_service_say_it_for_all_their_methods(where):
    text, policies = IDL, Policies()
    if where == "setting":
        policies = Policies(defaults=Policy(validate="all"))
    else:
        text = f'{IDL} (tgw.validate="all")'
    with pytest.raises(ValidationFailed) as caught:
        validate(compiled(text, policies), "/first?low=0&name=")
    assert len(caught.value.members["errors"]) == 2


def test_a_method_says_it_against_its_service():
    with pytest.raises(ValidationFailed) as caught:
        validate(compiled(f'{IDL} (tgw.validate="observe")'), "/all?low=0&name=")
    assert len(caught.value.members["errors"]) == 2


def test_a_mode_that_there_is_not_refuses_the_idl():
    with pytest.raises(IdlError, match=r"tgw\.validate: expected one of first, all, observe, got 'some'"):
        compiled(IDL.replace('"observe"', '"some"'))
