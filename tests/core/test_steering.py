"""Where the key of a call and the value of its tag are found in a request."""

from __future__ import annotations

import pytest

from tests.mapped import Mapped, request
from txgateway.core.message import Call

IDL = """
enum Kind {{ A = 1, B = 2 }}
struct Req {{
    1: string user (api.query="user"), 2: optional i64 number (api.query="number")
    3: Kind kind (api.query="kind"), 4: bool flag (api.query="flag"), 5: binary raw (api.query="raw")
}}
struct Resp {{ 1: string text }}
service Svc {{ Resp get(1: Req req) (api.get="/get", {annotations}) }}
"""


def steered(annotations: str, target: str, **headers: str) -> Call:
    mapping = Mapped.of(IDL.format(annotations=annotations)).mapping
    asked = request("GET", target, {name.replace("_", "-"): value for name, value in headers.items()})
    asked.client = "192.0.2.7"
    route, path = mapping.route(asked)
    plan = route.plan
    assert plan.steer is not None
    return plan.steer(Call("svc", b"get", b""), asked, plan.bind(asked, path))


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("header:X-User", b"Ann"),
        ("header:x-nobody", b""),
        ("cookie:session", b"s1"),
        ("cookie:nothing", b""),
        ("query:user", b"a b"),
        ("query:nothing", b""),
        ("arg:user", b"a b"),
        ("arg:number", b"42"),
        ("arg:kind", b"2"),
        ("arg:flag", b"true"),
        ("arg:raw", b"\xff"),
        ("ip", b"192.0.2.7"),
    ],
)
def test_where_a_key_is_found(source, key):
    call = steered(
        f'tgw.hash_key="{source}"',
        "/get?user=a%20b&user=c&number=42&kind=2&flag=true&raw=%ff",
        x_user="Ann",
        cookie="session=s1; session=s2",
    )
    assert (call.hash_key, call.subset) == (key, "")


def test_a_field_that_is_unset_gives_no_key():
    assert steered('tgw.hash_key="arg:number"', "/get").hash_key == b""


@pytest.mark.parametrize(("source", "subset"), [("header:x-lane", "blue"), ("blue", "blue"), ("query:lane", "")])
def test_where_the_value_of_a_tag_is_found(source, subset):
    assert steered(f'tgw.tag="lane={source}"', "/get", x_lane="blue").subset == subset


def test_several_tags_have_a_value_each():
    call = steered('tgw.tag="lane=header:x-lane", tgw.tag="ring=query:ring", tgw.tag="os=linux"', "/get", x_lane="blue")
    assert call.subset == "blue\0\0linux"


def test_a_method_that_steers_by_nothing_pays_nothing():
    mapping = Mapped.of(IDL.format(annotations='tgw.retries="1"')).mapping
    assert mapping.generic("svc", "get").steer is None
