"""Routes: what they match, which is preferred, and what the router answers by itself."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.mapped import request
from txgateway.core.errors import Answered, BadRoute, GatewayError, NotFound, VerbNotAllowed
from txgateway.core.rendering import render_failure
from txgateway.core.routing import Router, normalise, parse_route, shape


def router_of(*routes):
    router = Router()
    for route in routes:
        verb, path = route.split(" ")
        router.add(verb, path, route)
    return router


def found(router, verb, target):
    route, parameters = router.find(request(verb, target))
    return route, dict(parameters)


ROUTER = router_of(
    "GET /users/:id",
    "GET /users/me",
    "GET /users/:id/books/:bid",
    "GET /files/*path",
    "PUT /users/:id",
    "ANY /any/:id",
    "GET /slash/",
    "GET /v:id/x",
    "GET /vv:id/x",
    "GET /v1/x",
    "GET /two",
    "POST /two",
    "HEAD /two",
    "OPTIONS /asked",
    "POST /图书/x",
    "GET /deep/a/b",
    "GET /deep/:x/c",
    "GET /",
)


@pytest.mark.parametrize(
    ("verb", "target", "route", "parameters"),
    [
        ("GET", "/users/7", "GET /users/:id", {"id": b"7"}),
        ("GET", "/users/me", "GET /users/me", {}),
        ("GET", "/users/mee", "GET /users/:id", {"id": b"mee"}),
        ("PUT", "/users/me", "PUT /users/:id", {"id": b"me"}),
        ("GET", "/users/7/books/9", "GET /users/:id/books/:bid", {"id": b"7", "bid": b"9"}),
        ("GET", "/files/a/b", "GET /files/*path", {"path": b"a/b"}),
        ("GET", "/files/", "GET /files/*path", {"path": b""}),
        ("GET", "/v7/x", "GET /v:id/x", {"id": b"7"}),
        ("GET", "/vv7/x", "GET /vv:id/x", {"id": b"7"}),
        ("GET", "/vv/x", "GET /v:id/x", {"id": b"v"}),
        ("GET", "/v1/x", "GET /v1/x", {}),
        ("GET", "/deep/a/c", "GET /deep/:x/c", {"x": b"a"}),
        ("GET", "/users/a%2Fb", "GET /users/:id", {"id": b"a/b"}),
        ("GET", "/users/%6De", "GET /users/me", {}),
        ("GET", "/users/f%C3%B6%ff", "GET /users/:id", {"id": b"f\xc3\xb6\xff"}),
        ("GET", "/files/a%2Fb/c", "GET /files/*path", {"path": b"a/b/c"}),
        ("POST", "/%E5%9B%BE%E4%B9%A6/x", "POST /图书/x", {}),
        ("POST", "/图书/x", "POST /图书/x", {}),
        ("GET", "/users//7", "GET /users/:id", {"id": b"7"}),
        ("GET", "/x/../users/./7", "GET /users/:id", {"id": b"7"}),
        ("GET", "/x/%2e%2E/users/7", "GET /users/:id", {"id": b"7"}),
        ("GET", "/../../two", "GET /two", {}),
        ("GET", "/", "GET /", {}),
        ("GET", "//", "GET /", {}),
        ("GET", "/two?x=/y", "GET /two", {}),
        ("HEAD", "/two", "HEAD /two", {}),
        ("HEAD", "/users/me", "GET /users/me", {}),
        ("OPTIONS", "/asked", "OPTIONS /asked", {}),
        ("PROPFIND", "/any/x", "ANY /any/:id", {"id": b"x"}),
        ("OPTIONS", "/any/x", "ANY /any/:id", {"id": b"x"}),
    ],
)
def test_a_request_finds_its_route(verb, target, route, parameters):
    assert found(ROUTER, verb, target) == (route, parameters)


@pytest.mark.parametrize(
    "target",
    ["/nowhere", "/users", "/users/", "/users/7/books", "/v/x", "/Users/7", "/users/7/books/9/x", "*", "", "two"],
)
def test_what_no_route_has_is_not_found(target):
    for verb in ("GET", "OPTIONS"):
        with pytest.raises(NotFound):
            ROUTER.find(request(verb, target))


@pytest.mark.parametrize(
    ("verb", "target", "allowed"),
    [
        ("DELETE", "/users/7", ("GET", "HEAD", "PUT", "OPTIONS")),
        ("get", "/two", ("GET", "HEAD", "POST", "OPTIONS")),
        ("PATCH", "/users/me", ("GET", "HEAD", "PUT", "OPTIONS")),
        ("GET", "/asked", ("OPTIONS",)),
    ],
)
def test_a_known_path_tells_its_verbs(verb, target, allowed):
    with pytest.raises(VerbNotAllowed) as refused:
        ROUTER.find(request(verb, target))
    assert refused.value.allowed == allowed


def test_options_tells_the_verbs_without_a_call():
    with pytest.raises(Answered) as answered:
        ROUTER.find(request("OPTIONS", "/users/7"))
    response = render_failure(answered.value)
    assert (response.status, response.headers, response.body) == (204, ((b"allow", b"GET, HEAD, PUT, OPTIONS"),), b"")


@pytest.mark.parametrize(
    ("verb", "target", "status", "location"),
    [
        ("GET", "/slash", 301, b"/slash/"),
        ("HEAD", "/slash", 301, b"/slash/"),
        ("GET", "/two/?a=1&b=%20", 301, b"/two?a=1&b=%20"),
        ("POST", "/two/", 307, b"/two"),
        ("GET", "/files", 301, b"/files/"),
        ("GET", "//two//", 301, b"/two"),
        ("GET", "/users/a%2Fb/", 301, b"/users/a%2Fb"),
        ("GET", "/users/\r\nx: y/", 301, b"/users/%0D%0Ax:%20y"),
    ],
)
def test_the_other_spelling_of_the_last_slash_redirects(verb, target, status, location):
    with pytest.raises(Answered) as answered:
        ROUTER.find(request(verb, target))
    assert answered.value.response.status == status
    assert answered.value.response.headers == ((b"location", location),)


def test_no_redirect_leads_to_another_host():
    router = router_of("GET /*path")
    assert found(router, "GET", "//evil.example/x") == ("GET /*path", {"path": b"evil.example/x"})
    with pytest.raises(Answered) as answered:
        router_of("GET /:a/b/").find(request("GET", "//evil.example/b"))
    assert answered.value.response.headers == ((b"location", b"/evil.example/b/"),)


def test_routes_may_name_the_same_parameter_differently():
    router = router_of("GET /a/:id/x", "GET /a/:name/y")
    assert found(router, "GET", "/a/1/x")[1] == {"id": b"1"}
    assert found(router, "GET", "/a/1/y")[1] == {"name": b"1"}


def test_an_escaped_slash_of_a_route_is_data_too():
    router = router_of("GET /a%2Fb")
    assert found(router, "GET", "/a%2fb")[0] == "GET /a%2Fb"
    with pytest.raises(NotFound):
        router.find(request("GET", "/a/b"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "needs a path"),
        ("/a/:id:name", "two parameters"),
        ("/a/:id*name", "two parameters"),
        ("/a/:/b", "has no name"),
        ("/a/*", "has no name"),
        ("/a/*name/b", "only stand at the end"),
        ("/a/b*name", "only stand behind a slash"),
    ],
)
def test_a_route_that_cannot_be_says_why(path, message):
    with pytest.raises(BadRoute, match=message):
        parse_route(path)


def test_a_missing_first_slash_is_added():
    assert parse_route("a/:b") == parse_route("/a/:b")


def test_only_names_do_not_tell_two_routes_apart():
    assert shape("/a/:id/*x") == shape("/a/:name/*y")
    assert shape("/a/:id") != shape("/a/x:id")


segments = st.sampled_from(["a", "b", "ab", ":p", "a:p", "ab:p"])
routes = st.lists(
    st.tuples(st.lists(segments, min_size=1, max_size=3), st.sampled_from(["", "/", "/*t"])).map(
        lambda parts: "/" + "/".join(parts[0]) + parts[1]
    ),
    max_size=8,
    unique_by=shape,
)
paths = st.lists(st.sampled_from(["a", "b", "ab", "abc", "", "%61", "."]), max_size=4).map(lambda s: "/" + "/".join(s))


def matches(route, path):
    """Whether the route takes the path, its rank, segment by segment, and its parameters: by trying, not by a tree."""
    wanted, given_ = route.strip("/").split("/"), normalise(path.encode())[1:].split(b"/")
    given_ = [unquote_to_bytes(segment) for segment in given_]
    if route.endswith("/"):
        wanted.append("")
    rank, values = [], []
    for index, segment in enumerate(wanted):
        literal, sign, _ = segment.partition("*" if "*" in segment else ":")
        if sign == "*":
            return (*rank, (2, 0)), [*values, b"/".join(given_[index:])] if index < len(given_) else None
        if index >= len(given_):
            return None, None
        value = given_[index]
        if sign:
            if not (value.startswith(literal.encode()) and len(value) > len(literal)):
                return None, None
            rank.append((1, -len(literal)))
            values.append(value[len(literal) :])
        elif value != segment.encode():
            return None, None
        else:
            rank.append((0, 0))
    return (tuple(rank), values) if len(wanted) == len(given_) else (None, None)


@given(routes, paths)
@example(["/a/*t", "/a"], "/a/")
def test_the_tree_finds_what_trying_each_route_finds(routes, path):
    router = Router()
    for route in routes:
        router.add("GET", route, route)
    candidates = [
        (rank, route, values) for route in routes for rank, values in [matches(route, path)] if values is not None
    ]
    try:
        route, parameters = router.find(request("GET", path))
    except GatewayError:
        assert not candidates
        return
    _, wanted, values = min(candidates, key=lambda each: each[0])
    assert route == wanted
    assert list(parameters.values())[-1:] == values[-1:]


@given(st.binary(max_size=30).map(lambda data: b"/" + data))
def test_any_path_is_routed_or_refused(path):
    with suppress(GatewayError):
        assert ROUTER.find(request("GET", path))[0].split()[0] in ("GET", "ANY")


@given(st.lists(st.sampled_from(["a", ".", "..", "", "%2e", "%2E.", "b%2Fc"]), max_size=6))
def test_a_normal_path_stays_as_it_is(segments):
    once = normalise(("/" + "/".join(segments)).encode())
    assert normalise(once) == once
    assert once.startswith(b"/")
    assert not {b".", b".."} & set(map(unquote_to_bytes, once.split(b"/")))


def test_many_routes_are_no_longer_way():
    router = Router()
    for number, verb in product(range(300), ("GET", "POST")):
        router.add(verb, f"/s{number}/:id/x", (verb, number))
        router.add(verb, f"/s{number}/all", (verb, number, "all"))
    assert found(router, "POST", "/s299/7/x") == (("POST", 299), {"id": b"7"})
    assert found(router, "GET", "/s0/all") == (("GET", 0, "all"), {})
