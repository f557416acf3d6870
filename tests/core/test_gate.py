"""What is done about a breaking change depends on the policy, and on what was allowed."""

from __future__ import annotations

from tests.mapped import service_of
from txgateway.core.gate import REFUSE, SERVE, WARN, Gate

IDL = 'struct A { 1: i32 n (api.query="n") }\nservice S { A f(1: A a) (api.get="/f") }'
OLD, SAFE, BREAKING = (
    service_of(text)
    for text in (IDL, IDL.replace("}\nservice", ", 2: i32 m }\nservice"), IDL.replace("1: i32", "1: i64"))
)


def test_a_safe_change_is_no_concern():
    assert Gate(REFUSE).judge("svc", OLD, SAFE) is None
    assert Gate(REFUSE).judge("svc", OLD, OLD) is None


def test_a_breaking_change_is_warned_of_refused_or_served_in_silence():
    warned = Gate(WARN).judge("svc", OLD, BREAKING)
    assert warned is not None
    assert not warned.refused
    assert warned.breaking[0].startswith("breaks the Thrift wire: A.n: the field is i64, not i32 (svc.thrift:1")
    refused = Gate(REFUSE).judge("svc", OLD, BREAKING)
    assert refused is not None
    assert refused.refused
    assert (refused.position.file, refused.position.line) == ("svc.thrift", 1)
    assert Gate(SERVE).judge("svc", OLD, BREAKING) is None


def test_what_is_allowed_is_this_change_and_no_other():
    gate = Gate(REFUSE)
    refused = gate.judge("svc", OLD, BREAKING)
    assert refused is not None
    gate.allow(refused.fingerprint)
    allowed, gone = gate.judge("svc", OLD, BREAKING), gate.judge("svc", OLD, None)
    assert allowed is not None
    assert not allowed.refused
    assert gone is not None
    assert gone.refused
    assert gone.fingerprint != refused.fingerprint
    assert Gate(REFUSE, [refused.fingerprint]).judge("svc", OLD, BREAKING) == allowed


def test_a_fingerprint_is_of_the_contract_not_of_the_text():
    again = service_of("// A comment.\n" + IDL.replace("1: i32", "1: i64"))
    first, second = Gate(REFUSE).judge("svc", OLD, BREAKING), Gate(REFUSE).judge("svc", OLD, again)
    assert first is not None
    assert second is not None
    assert first.fingerprint == second.fingerprint


def test_of_many_differences_some_are_told():
    fields = ", ".join(f"{n}: i32 f{n}" for n in range(1, 60))
    many = f"struct A {{ {fields} }} service S {{ A f(1: A a) }}"
    judged = Gate().judge("svc", service_of(many), service_of(many.replace("i32", "string")))
    assert judged is not None
    assert len(judged.breaking) == 21
    assert judged.breaking[-1] == "and 39 more"
