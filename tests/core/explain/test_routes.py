"""Which route matched, and what is said of those that nearly do."""

from __future__ import annotations

import pytest

from tests.core.explain.told import served, told
from tests.mapped import request
from txgateway.core.explain.routes import MOST_NEAR, near_misses

IDL = """
struct Req { 1: optional string id (api.path = "id") }
service S {
    void list(1: Req r) (api.get = "/books")
    void one(1: Req r) (api.get = "/books/:id")
    void best(1: Req r) (api.get = "/books/best")
    void add(1: Req r) (api.post = "/books")
    void edition(1: Req r) (api.get = "/v:id/book")
    void file(1: Req r) (api.get = "/files/*id")
    void folder(1: Req r) (api.get = "/shelves/")
}
"""


def near(verb: str, target: str) -> list[tuple[str, str, str]]:
    return [(miss.verb, miss.path, miss.why) for miss in told(IDL, verb, target).near]


def test_the_route_that_matched_with_its_parameters():
    route = told(IDL, "GET", "/books/a%2Fb").route
    assert route is not None
    assert (route.verb, route.path, route.service, route.method) == ("GET", "/books/:id", "svc", "one")
    assert route.parameters == {"id": "a/b"}


def test_head_is_served_by_get():
    route = told(IDL, "HEAD", "/books").route
    assert route is not None
    assert (route.verb, route.path) == ("GET", "/books")


@pytest.mark.parametrize(
    ("verb", "target", "miss"),
    [
        ("PUT", "/books", ("GET", "/books", "the verb is GET, not PUT")),
        ("GET", "/boks", ("GET", "/books", "segment 1 is 'books', not 'boks'")),
        ("GET", "/Books", ("GET", "/books", "segment 1 is 'books', not 'Books': letter case counts")),
        ("GET", "/books/7/8", ("GET", "/books/:id", "it ends 1 segment earlier")),
        ("PUT", "/books/", ("GET", "/books/:id", "segment 2 is a parameter, :id, and empty; the verb is GET, not PUT")),
        ("POST", "/shelves", ("GET", "/shelves/", "behind it comes /; the verb is GET, not POST")),
        ("GET", "/files", ("GET", "/files/*id", "behind it comes /*id")),
        ("GET", "/1/book", ("GET", "/v:id/book", "segment 1 begins with 'v', not '1'")),
    ],
)
def test_why_a_route_does_not_match(verb, target, miss):
    assert miss in near(verb, target)


def test_what_has_nothing_in_common_is_not_near():
    assert near("GET", "/somewhere/else/entirely") == []


def test_a_route_that_matches_too_says_that_another_goes_first():
    why = {path: why for _, path, why in near("GET", "/books/best")}
    assert why["/books/:id"].startswith("it matches too, but the other goes first")


def test_next_to_a_route_that_matched_only_what_may_be_mistaken_for_it_is_shown():
    assert near("GET", "/files/a") == []
    assert [path for _, path, _ in near("GET", "/books")] == ["/books", "/books/:id", "/books/best"]


def test_the_nearest_come_first_and_not_more_than_a_few():
    many = " ".join(f'void m{n}(1: R r) (api.get = "/item{n}/x")' for n in range(40))
    mapping = served(f"struct R {{}} service S {{ {many} }}").mapping
    found = near_misses(mapping, request("POST", "/item7/x"), None)
    assert len(found) == MOST_NEAR
    assert found[0].path == "/item7/x"


@pytest.mark.parametrize(
    ("verb", "path", "miss"),
    [
        ("POST", "/gateway/svc/lst", ("/gateway/svc/list", "the method is 'list', not 'lst'")),
        ("POST", "/gateway/svk/list", ("/gateway/svc/list", "the service is 'svc', not 'svk'")),
        ("GET", "/gateway/svc/list", ("/gateway/svc/list", "the verb is POST, not GET")),
    ],
)
def test_what_a_json_call_may_have_meant(verb, path, miss):
    explanation = told(IDL, verb, path)
    assert [(each.path, each.why) for each in explanation.near] == [miss]
    assert explanation.outcome.status in (404, 405)
    assert explanation.route is None


def test_a_json_call_of_nothing_known_has_no_near_miss():
    assert told(IDL, "POST", "/gateway/elsewhere/whatever").near == ()


def test_a_route_of_an_idl_goes_before_a_json_call():
    idl = 'struct R {} service S { void a(1: R r) (api.post = "/gateway/svc/a") void b(1: R r) }'
    route = told(idl, "POST", "/gateway/svc/a").route
    assert route is not None
    assert route.path == "/gateway/svc/a"
    assert told(idl, "POST", "/gateway/svc/b").outcome.status is None


def test_what_the_router_answers_by_itself():
    outcome = told(IDL, "GET", "/shelves").outcome
    assert (outcome.status, outcome.says) == (301, "the router answers by itself")
    assert ("location", "/shelves/") in outcome.headers
