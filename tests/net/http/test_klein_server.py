"""A new mapping is served at once, and its routes are declared without holding anybody up."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from txgateway.core.message import Request, Response
from txgateway.net.http import HttpLimits, HttpRoute, PublicHandlers
from txgateway.net.http.handover import handover
from txgateway.net.http.klein_server import DECLARE_EVERY, KleinServer


def routes(*paths: str) -> list[HttpRoute]:
    return [HttpRoute("GET", path) for path in paths]


class Bench:
    """A Klein server whose answers name the handler that a request came to."""

    def __init__(self, *paths: str) -> None:
        self.clock = Clock()
        self.server = KleinServer(self.handlers("first", *paths), HttpLimits(), self.clock)

    @staticmethod
    def handlers(name: str, *paths: str) -> PublicHandlers:
        def answering(kind: str):
            return lambda request: succeed(Response(200, (), f"{name} {kind}".encode()))

        return PublicHandlers(answering("route"), answering("generic"), routes(*paths))

    def get(self, path: str) -> str:
        request = Request("GET", path.encode(), ((b"host", b"gw"),), b"")
        return handover(self.server._site)(request).result.body.decode()

    @property
    def declared(self) -> set[str]:
        """The rules of the app that serves now, but for those of every app."""
        rules = {rule.rule for rule in self.server._site.resource._app.url_map.iter_rules()}
        return rules - {"/", "/<path:__rest__>", "/gateway/<service>/<method>"}

    def step(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.clock.advance(DECLARE_EVERY)


def test_a_new_mapping_is_served_before_its_routes_are_declared():
    bench = Bench("/a")
    bench.step(3)
    assert bench.declared == {"/a"}
    bench.server.serve(bench.handlers("second", "/b", "/c/:id"))
    assert bench.declared == set()
    assert [bench.get(path) for path in ("/a", "/b", "/c/7")] == ["second route"] * 3
    assert bench.get("/gateway/x/y") == "second generic"
    bench.step(3)
    assert bench.declared == {"/b", "/c/<p0>"}
    assert [bench.get(path) for path in ("/a", "/b", "/c/7")] == ["second route"] * 3


def test_one_route_is_declared_at_a_time():
    bench = Bench(*(f"/a{number}" for number in range(10)))
    bench.step(10)
    assert bench.declared == set()
    bench.step()
    assert len(bench.declared) == 10
    assert not bench.clock.getDelayedCalls()


def test_routes_where_json_calls_have_their_place_are_declared_at_once():
    bench = Bench("/gateway/x/y", "/a")
    assert bench.declared == {"/gateway/x/y"}
    assert bench.get("/gateway/x/y") == "first route"
    assert bench.get("/gateway/x/z") == "first generic"


def test_routes_that_are_declared_already_are_not_declared_again():
    bench = Bench("/a")
    bench.step(3)
    handlers = bench.handlers("second", "/a")
    bench.server.serve(handlers)
    bench.step(3)
    app = bench.server._site.resource
    bench.server.serve(handlers)
    assert not bench.clock.getDelayedCalls()
    assert bench.server._site.resource is app


def test_a_mapping_that_is_replaced_while_it_is_declared_never_is():
    bench = Bench("/a", "/b")
    bench.step()
    bench.server.serve(bench.handlers("second", "/c"))
    bench.step(10)
    assert bench.declared == {"/c"}


def test_a_server_that_takes_nobody_any_more_declares_nothing():
    bench = Bench("/a", "/b")
    Deferred.fromCoroutine(bench.server.stop_listening())
    bench.step(10)
    assert bench.declared == set()
    assert not bench.clock.getDelayedCalls()
