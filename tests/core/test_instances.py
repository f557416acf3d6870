"""Instances as etcd's values and keys, and the rules of what is announced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txgateway.core.instances import (
    DEFAULT_WEIGHT,
    Instance,
    InvalidInstance,
    announced,
    check_prefix,
    check_service,
    difference,
    format_instance,
    instance_key,
    parse_instance,
    parse_static,
    service_of,
)

# Written by Kitex's registry-etcd, and read back with etcdctl.
WRITTEN_BY_KITEX = [
    (
        Instance("10.1.2.3", 9001, 7, {"zone": "a", "env": "prod"}),
        b'{"network":"tcp","address":"10.1.2.3:9001","weight":7,"tags":{"env":"prod","zone":"a"}}',
    ),
    (
        Instance("192.0.2.2", 21290),
        b'{"network":"tcp","address":"192.0.2.2:21290","weight":10,"tags":null}',
    ),
    (
        Instance("::1", 21293),
        b'{"network":"tcp","address":"::1:21293","weight":10,"tags":null}',
    ),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
hosts = st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True) | st.ip_addresses().map(str)
instances = st.builds(
    Instance,
    host=hosts,
    port=st.integers(1, 65535),
    weight=st.integers(1, 2**63 - 1),
    tags=st.dictionaries(texts, texts, max_size=4),
    network=st.sampled_from(["tcp", "tcp4", "tcp6"]),
)


@pytest.mark.parametrize(("instance", "value"), WRITTEN_BY_KITEX)
def test_values_are_those_of_kitex(instance: Instance, value: bytes) -> None:
    assert format_instance(instance) == value
    assert parse_instance(value) == instance


def test_what_html_could_mistake_is_escaped_as_go_does() -> None:
    value = format_instance(Instance("h", 1, 1, {"<&>": "é\u2028\u2029\x7f\x08\x01"}))
    assert value == (
        b'{"network":"tcp","address":"h:1","weight":1,'
        b'"tags":{"\\u003c\\u0026\\u003e":"\xc3\xa9\\u2028\\u2029\x7f\\b\\u0001"}}'
    )


@given(instances)
def test_reading_undoes_writing(instance: Instance) -> None:
    assert parse_instance(format_instance(instance)) == instance


@given(instances)
def test_equal_instances_have_equal_hashes(instance: Instance) -> None:
    again = parse_instance(format_instance(instance))
    assert hash(again) == hash(instance)
    assert {instance, again} == {instance}


@pytest.mark.parametrize(
    ("value", "instance"),
    [
        (b'{"address":"h:1"}', Instance("h", 1)),
        (b'{"network":"","address":"h:1"}', Instance("h", 1)),
        (b'{"ADDRESS":"h:1","Weight":3,"NETWORK":"tcp4"}', Instance("h", 1, 3, network="tcp4")),
        (b'{"address":"h:1","weight":0}', Instance("h", 1, DEFAULT_WEIGHT)),
        (b'{"address":"h:1","weight":-5}', Instance("h", 1, DEFAULT_WEIGHT)),
        (b'{"address":"h:1","weight":null,"tags":null,"network":null}', Instance("h", 1)),
        (b'{"address":"h:1","tags":{"a":null}}', Instance("h", 1, tags={"a": ""})),
        (b'{"address":"h:1","since":12.5,"more":{"x":[1]}}', Instance("h", 1)),
        (b'{"address":"[::1]:80"}', Instance("::1", 80)),
        (b'{"address":"::1:80"}', Instance("::1", 80)),
        (b'{"address":"h:1","tags":{"a":"\xff"}}', Instance("h", 1, tags={"a": "\ufffd"})),
        (b'{"network":"unix","address":"/run/a.sock"}', Instance("/run/a.sock", 0, network="unix")),
        (b' {"address" : "h:65535"}\n', Instance("h", 65535)),
    ],
)
def test_values_are_read_as_go_reads_them(value: bytes, instance: Instance) -> None:
    assert parse_instance(value) == instance


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"address":"h:1"} x', "not JSON"),
        (b'{"address":"h:1","weight":NaN}', "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "is not host:port"),
        (b'{"address":7}', "address is not a string"),
        (b'{"address":"h:1","weight":"9"}', "weight is not a whole number"),
        (b'{"address":"h:1","weight":2.5}', "weight is not a whole number"),
        (b'{"address":"h:1","weight":1.0}', "weight is not a whole number"),
        (b'{"address":"h:1","weight":true}', "weight is not a whole number"),
        (b'{"address":"h:1","weight":9223372036854775808}', "weight is not a whole number"),
        (b'{"address":"h:1","weight":123456789012345678901234567890}', "weight is not a whole number"),
        (b'{"address":"h:1","tags":{"a":1}}', "tag 'a' is not a string"),
        (b'{"address":"h:1","tags":["a"]}', "tags is not an object"),
        (b'{"address":"h:1","network":"udp"}', "network is 'udp'"),
        (b'{"address":"h"}', "is not host:port"),
        (b'{"address":":1"}', "is not host:port"),
        (b'{"address":"[::1:80"}', "is not host:port"),
        (b'{"address":"a b:1"}', "is not host:port"),
        (b'{"address":"h:"}', "no port from 1 to 65535"),
        (b'{"address":"h:0"}', "no port from 1 to 65535"),
        (b'{"address":"h:65536"}', "no port from 1 to 65535"),
        (b'{"address":"h:1_0"}', "no port from 1 to 65535"),
        ('{"address":"h:٧"}'.encode(), "no port from 1 to 65535"),
        (b'{"network":"unix"}', "path of a socket"),
        (b'{"a":' * 5000, "not JSON"),
    ],
)
def test_a_value_that_cannot_be_used_says_why(value: bytes, why: str) -> None:
    with pytest.raises(InvalidInstance, match=why):
        parse_instance(value)


@given(st.binary(max_size=100))
def test_any_bytes_are_an_instance_or_refused(value: bytes) -> None:
    try:
        instance = parse_instance(value)
    except InvalidInstance:
        return
    assert instance.weight > 0


def test_a_suspect_is_another_instance_at_the_same_address() -> None:
    assert Instance("h", 1, suspect=True) != Instance("h", 1)
    assert Instance("h", 1, suspect=True).address == "h:1"


def test_tags_cannot_be_changed() -> None:
    tags = {"zone": "a"}
    instance = Instance("h", 1, tags=tags)
    tags["zone"] = "b"
    assert instance.tags["zone"] == "a"
    with pytest.raises(TypeError):
        instance.tags["zone"] = "c"  # type: ignore[index]


# Keys


def test_a_service_never_sees_the_keys_of_one_with_a_longer_name() -> None:
    keys = [instance_key("p", service, Instance("h", 1)) for service in ("book", "book-2", "bookstore")]
    assert keys == [b"p/book/h:1", b"p/book-2/h:1", b"p/bookstore/h:1"]
    assert [service_of("p", key) for key in keys] == ["book", "book-2", "bookstore"]


@pytest.mark.parametrize(
    ("prefix", "key", "service"),
    [
        ("", b"/echo/h:1", "echo"),
        ("kitex/registry-etcd", b"kitex/registry-etcd/echo/h:1", "echo"),
        ("p", b"p/echo/deeper/h:1", "echo"),
        ("p", b"p/echo", None),
        ("p", b"p/echo/", None),
        ("p", b"p//h:1", None),
        ("p", b"p/", None),
        ("p", b"p/\xff/h:1", "\ufffd"),
    ],
)
def test_the_service_of_a_key(prefix: str, key: bytes, service: str | None) -> None:
    assert service_of(prefix, key) == service


@pytest.mark.parametrize("name", ["", "a/b", "/", "a/"])
def test_names_that_no_service_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a service"):
        check_service(name)


@pytest.mark.parametrize("prefix", ["/", "/a", "a/", "a/b/"])
def test_prefixes_have_no_outer_slash(prefix: str) -> None:
    with pytest.raises(ValueError, match="neither begin nor end with '/'"):
        check_prefix(prefix)
    assert check_prefix("") == ""
    assert check_prefix("a/b") == "a/b"


# Announcing


def never() -> str | None:
    raise AssertionError("the machine's address is not needed")


@pytest.mark.parametrize(
    ("instance", "environ", "local", "address"),
    [
        (Instance("10.0.0.1", 80), {}, never, "10.0.0.1:80"),
        (Instance("name.example", 80), {}, never, "name.example:80"),
        (Instance("0.0.0.0", 80), {}, lambda: "192.0.2.7", "192.0.2.7:80"),
        (Instance("::", 80), {}, lambda: "192.0.2.7", "192.0.2.7:80"),
        (Instance("", 80), {}, lambda: "192.0.2.7", "192.0.2.7:80"),
        (Instance("0.0.0.0", 80), {"KITEX_IP_TO_REGISTRY": "10.9.9.9"}, never, "10.9.9.9:80"),
        (Instance("::1", 80), {"KITEX_IP_TO_REGISTRY": "10.9.9.9"}, never, "10.9.9.9:80"),
        (Instance("10.0.0.1", 80), {"KITEX_PORT_TO_REGISTRY": "8080"}, never, "10.0.0.1:8080"),
        (Instance("10.0.0.1", 80), {"KITEX_IP_TO_REGISTRY": "", "KITEX_PORT_TO_REGISTRY": ""}, never, "10.0.0.1:80"),
    ],
)
def test_what_address_is_announced(
    instance: Instance, environ: dict[str, str], local: Callable[[], str | None], address: str
) -> None:
    assert announced(instance, environ, local).address == address


@pytest.mark.parametrize(
    ("instance", "environ", "why"),
    [
        (Instance("0.0.0.0", 80), {}, "no IPv4 address but loopback: set KITEX_IP_TO_REGISTRY"),
        (Instance("::1", 80), {}, "::1 cannot be announced: Kitex clients cannot dial IPv6"),
        (Instance("/run/x", 0, network="unix"), {}, "unix socket /run/x cannot be announced"),
        (Instance("h", 0), {}, "no port from 1 to 65535"),
        (Instance("h", 80), {"KITEX_PORT_TO_REGISTRY": "http"}, "no port from 1 to 65535"),
        (Instance("h", 80), {"KITEX_IP_TO_REGISTRY": "fe80::1"}, "fe80::1 cannot be announced"),
        (Instance("h", 80), {"KITEX_IP_TO_REGISTRY": "a b"}, "is not host:port"),
    ],
)
def test_what_nobody_could_dial_is_not_announced(instance: Instance, environ: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidInstance, match=why):
        announced(instance, environ, lambda: None)


def test_a_weight_of_zero_is_announced_as_kitex_does() -> None:
    assert announced(Instance("h", 1, 0), {}, never).weight == 10


# Differences


def test_the_difference_of_two_snapshots() -> None:
    a, b, c = (Instance(host, 1) for host in "abc")
    heavier = Instance("b", 1, 99)
    found = difference((a, b), (heavier, c))
    assert (found.added, found.removed, found.changed) == ((c,), (a,), (heavier,))
    assert found
    assert not difference((a, b), (b, a))


# The command line


@pytest.mark.parametrize(
    ("text", "service", "instance"),
    [
        ("book=127.0.0.1:9001", "book", Instance("127.0.0.1", 9001)),
        ("book=127.0.0.1:9001*3", "book", Instance("127.0.0.1", 9001, 3)),
        ("book=[::1]:9001*3", "book", Instance("::1", 9001, 3)),
    ],
)
def test_static_instances(text: str, service: str, instance: Instance) -> None:
    assert parse_static(text) == (service, instance)


@pytest.mark.parametrize(
    "text", ["", "book", "book=", "book=h", "=h:1", "a/b=h:1", "book=h:1*", "book=h:1*0", "book=h:1*-1", "book=h:1*x"]
)
def test_static_instances_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_static(text)
