"""The pages over HTTP: what is shown, what is refused, and that nothing from outside is ever code."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_twisted
import treq
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred, succeed

from tests.net.admin import told
from txgateway.core.errors import NotFound
from txgateway.core.message import Response
from txgateway.core.rendering import render_failure
from txgateway.net.admin import AdminPages, admin_app
from txgateway.net.admin import ui as ui_module
from txgateway.net.admin.ui import Ui
from txgateway.net.http import HttpLimits
from txgateway.net.http.klein_server import web_site
from txgateway.net.mapping.live import NotKept

reactor: Any = global_reactor

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}&amp;"


class Admin:
    """An admin port that shows what a test says.

    :ivar pages: what the views tell, by name.
    :ivar asked: the views that were asked, with their arguments.
    :ivar orders: what was ordered.
    :ivar tried: requests that came to the public handlers.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {
            "overview": told.overview(told.service()),
            "service": told.one_service(told.service()),
            "idl": told.idl(),
            "log": told.log(),
        }
        self.asked: list[tuple[str, str]] = []
        self.orders: list[tuple[str, str]] = []
        self.tried: list[Any] = []
        self.ui = Ui(
            reactor,
            {name: self._view(name) for name in self.pages},
            {"allow": self._order("allow"), "rollback": self._order("rollback")},
            lambda work: maybeDeferred(work),
            self._public,
            lambda: "http://0.0.0.0:8080",
            ["admin.example"],
        )
        page = lambda: {"status": "ok", "ready": True}  # noqa: E731
        pages = AdminPages(page, page, page, page, {"allow": self._order("allow")})
        self.port = reactor.listenTCP(
            0, web_site(admin_app(reactor, pages, self.ui), HttpLimits(body=1000)), interface="127.0.0.1"
        )
        self.url = f"http://127.0.0.1:{self.port.getHost().port}"

    def _view(self, name: str) -> Any:
        def view(argument: str) -> Any:
            self.asked.append((name, argument))
            return self.pages[name]

        return view

    def _order(self, action: str) -> Any:
        def order(about: str) -> Deferred[Any]:
            if about == "unheard-of":
                raise NotKept("there is no such version <b>")
            self.orders.append((action, about))
            return succeed({"done": about})

        return order

    def _public(self, request: Any) -> Deferred[Response]:
        self.tried.append(request)
        if request.path == b"/missing":
            return succeed(render_failure(NotFound("There is nothing")))
        return succeed(Response(200, ((b"content-type", b"text/html"),), b"<script>alert(3)</script>"))

    @inlineCallbacks
    def ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """The answer, with its body as ``read``."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = yield treq.request(
            verb, self.url + path, data=body, headers=given, allow_redirects=False, persistent=False
        )
        answer.read = yield answer.content()
        return answer

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("GET", path, **headers)

    def order(self, path: str, form: dict[str, str], **headers: str) -> Any:
        return self.ask(
            "POST", path, urlencode(form).encode(), content_type="application/x-www-form-urlencoded", **headers
        )


@pytest.fixture
def admin():
    admin = Admin()
    yield admin
    admin.ui.stop()
    pytest_twisted.blockon(maybeDeferred(admin.port.stopListening))


# What is shown


@pytest_twisted.inlineCallbacks
def test_the_front_door_leads_to_the_overview(admin):
    for path in ("/", "/ui"):
        answer = yield admin.get(path)
        assert (answer.code, answer.headers.getRawHeaders("location")) == (302, ["/ui/"])
    answer = yield admin.get("/ui/?find=oo&page=2")
    assert answer.code == 200
    assert admin.asked == [("overview", '{"find":"oo","page":2}')]
    page = told.Drawn(answer.read)
    assert "127.0.0.1" not in page.text
    for word in ("book", "10.0.0.1:9001", "live", "75 %", "GET /book/query queryBook", "connected", "revision 12"):
        assert word in page.text
    assert [each["value"] for each in page.all("input")] == ["oo"]
    # Two trends with three drawings each, and the bar of a share.
    assert len(page.all("svg")) == 7


@pytest_twisted.inlineCallbacks
def test_nothing_but_what_is_ours_may_run_in_a_page(admin):
    for path in ("/ui/", "/ui/service?name=book", "/ui/log", "/ui/try"):
        answer = yield admin.get(path)
        assert answer.code == 200
        (policy,) = answer.headers.getRawHeaders("content-security-policy")
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers.getRawHeaders("x-content-type-options") == ["nosniff"]
        assert answer.headers.getRawHeaders("cache-control") == ["no-store"]
        assert not answer.headers.hasHeader("server")
        page = told.Drawn(answer.read)
        for tag, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            assert tag != "style"
            for name in ("src", "href", "action"):
                assert (attributes.get(name) or "/").startswith(("/", "#"))
        assert all(script["src"] for script in page.all("script"))


@pytest_twisted.inlineCallbacks
def test_why_the_gateway_is_degraded_is_said_at_the_top(admin):
    health = {"status": "degraded", "reasons": ["etcd is lost", f"worker 7 {HOSTILE}"], "version": "1", "in_flight": 0}
    admin.pages["overview"] = told.overview(told.service("book"), health=health)
    answer = yield admin.get("/ui/")
    page = told.Drawn(answer.read)
    assert [each["class"] for each in page.all("p") if "reason" in (each.get("class") or "")] == ["reason"] * 2
    assert "etcd is lost" in page.text
    assert f"worker 7 {HOSTILE}" in page.text


@pytest_twisted.inlineCallbacks
def test_names_texts_and_tags_from_outside_stay_text(admin):
    admin.pages["overview"] = told.overview(
        told.service(
            HOSTILE,
            instances=[
                told.instance(address=HOSTILE, tags={HOSTILE: HOSTILE, "items": HOSTILE}, state=HOSTILE, idl=HOSTILE)
            ],
            routes=[{"verb": HOSTILE, "path": HOSTILE, "method": HOSTILE, "file": HOSTILE, "line": 1, "doc": HOSTILE}],
            states={HOSTILE: 1},
        ),
        errors=[told.complaint(message=HOSTILE, hint=HOSTILE, file=HOSTILE, source=HOSTILE, service=HOSTILE)],
    )
    admin.pages["service"] = told.one_service(
        told.service(
            HOSTILE,
            errors=[told.complaint(message=HOSTILE, file=HOSTILE)],
            refused=[{"fingerprint": HOSTILE, "breaking": [HOSTILE]}],
            count=0,
            instances=[],
        ),
        name=HOSTILE,
        registry={
            "kind": "etcd",
            "elsewhere": [HOSTILE],
            "dropped": [{"key": HOSTILE, "why": HOSTILE}],
            "known": [HOSTILE],
        },
        changes=[told.change(what=HOSTILE, service=HOSTILE, kind=HOSTILE, details=[HOSTILE])],
    )
    text = f'// {HOSTILE}\nstruct A {{ 1: i32 n (api.vd="{HOSTILE}") }} /* {HOSTILE}'
    admin.pages["idl"] = told.idl(
        text,
        told.complaint(message=HOSTILE, hint=HOSTILE, source=HOSTILE, file="book.thrift"),
        versions=[{"digest": HOSTILE, "time": 1.0, "source": HOSTILE}] * 2,
        difference=[f"+{HOSTILE}", f"-{HOSTILE}", HOSTILE],
    )
    admin.pages["log"] = told.log(
        told.change(what=HOSTILE, service=HOSTILE, kind=HOSTILE, details=[HOSTILE]), history=[]
    )
    paths = ("/ui/", f"/ui/?{urlencode({'find': HOSTILE})}", f"/ui/service?{urlencode({'name': HOSTILE})}", "/ui/log")
    for path in paths:
        answer = yield admin.get(path)
        assert answer.code == 200
        page = told.Drawn(answer.read)
        assert [script["src"][-8:] for script in page.all("script")] == ["/live.js"]
        assert [image["src"][-9:] for image in page.all("img")] == ["/mark.svg"]
        assert not [attributes for _, attributes in page.elements if "onerror" in attributes]
        assert HOSTILE in page.text


@pytest_twisted.inlineCallbacks
def test_a_complaint_stands_behind_its_line_and_a_link_leads_there(admin):
    error = told.complaint(message="no type 'Strnig'", hint="did you mean 'string'?", column=6)
    admin.pages["service"] = told.one_service(told.service(errors=[error], kept=True))
    admin.pages["idl"] = told.idl("struct A {\n  1: Strnig s\n}\n", error)
    answer = yield admin.get("/ui/service?name=book")
    page = told.Drawn(answer.read)
    assert "1: Strnig s ^ no type 'Strnig' did you mean 'string'? 3}" in page.text.replace("3 }", "3}")
    assert "#book.thrift:2" in [link.get("href") for link in page.all("a")]
    assert "book.thrift:2" in [row.get("id") for row in page.all("tr")]
    assert "the version before goes on being served" in page.text


@pytest_twisted.inlineCallbacks
def test_why_a_service_has_no_instance_is_told(admin):
    admin.pages["service"] = told.one_service(
        told.service(count=0, instances=[], states={}),
        registry={
            "kind": "etcd",
            "elsewhere": ["other"],
            "dropped": [{"key": "p/book/x", "why": "no JSON"}],
            "known": ["boook", "shop"],
        },
    )
    answer = yield admin.get("/ui/service?name=book")
    text = told.Drawn(answer.read).text
    assert "No instance of book is known" in text
    sought = "Sought under p/book/ in etcd: connected, revision 12, 3 keys of all services"
    assert f"{sought}, heard of 0 s ago, changed 1 min ago" in text
    assert "There are instances of that name under the prefix other." in text
    assert "There are instances of boook. The name of a service is that of its file of IDL" in text
    assert "p/book/x no JSON" in text


@pytest_twisted.inlineCallbacks
def test_what_there_is_not_is_404_and_no_worker_is_503(admin):
    admin.pages["service"] = told.one_service(None)
    answer = yield admin.get("/ui/service?name=unheard-of")
    assert answer.code == 404
    assert "No service of this name is served." in told.Drawn(answer.read).text
    answer = yield admin.get("/ui/nothing")
    assert answer.code == 404
    admin.pages["overview"] = {}
    answer = yield admin.get("/ui/")
    assert answer.code == 503
    assert "No worker answers" in told.Drawn(answer.read).text


@pytest_twisted.inlineCallbacks
def test_long_files_are_cut_and_odd_ones_keep_their_lines(admin, monkeypatch):
    monkeypatch.setattr("txgateway.net.admin.drawing.MOST_LINES", 5)
    admin.pages["idl"] = told.idl("a\r\nb\rc\n\td // x\n" + "x" * 2000 + "\n\n\n\n\n")
    answer = yield admin.get("/ui/service?name=book")
    page = told.Drawn(answer.read)
    assert len([row for row in page.all("tr") if "id" in row]) == 5
    assert "the rest of the file is not shown" in page.text
    assert "1a 2b c" in page.text
    assert "x" * 1000 in page.text
    assert "x" * 1001 not in page.text


@pytest_twisted.inlineCallbacks
def test_files_never_change_under_their_address(admin):
    answer = yield admin.get("/ui/")
    page = told.Drawn(answer.read)
    addresses = [link["href"] for link in page.all("link")] + [page.all("script")[0]["src"]]
    assert len(addresses) == 3
    for address in addresses:
        file = yield admin.get(address)
        assert file.code == 200
        assert "immutable" in file.headers.getRawHeaders("cache-control")[0]
        other = yield admin.get(re.sub("[0-9a-f]{16}", "0" * 16, address))
        assert other.code == 404
    for name in ("../ui.py", "..%2fui.py", "nothing.css"):
        answer = yield admin.get(f"/ui/assets/{'0' * 16}/{name}")
        assert answer.code == 404


@pytest_twisted.inlineCallbacks
def test_swagger_ui_comes_from_its_package(admin):
    answer = yield admin.get("/ui/try")
    page = told.Drawn(answer.read)
    sizes = {}
    for attributes in page.all("script") + page.all("link"):
        address = attributes.get("src") or attributes["href"]
        file = yield admin.get(address)
        sizes[address.rpartition("/")[2]] = (file.code, len(file.read) > 100_000)
    assert sizes["swagger-ui-bundle.js"] == sizes["swagger-ui.css"] == (200, True)
    (place,) = [attributes for tag, attributes in page.elements if attributes.get("id") == "swagger"]
    # The public port listens everywhere: so it is where this page is.
    assert place["data-public"] == "http://127.0.0.1:8080"


@pytest_twisted.inlineCallbacks
def test_without_the_package_the_page_says_how_to_get_it(admin, monkeypatch):
    monkeypatch.setattr(ui_module, "swagger_files", dict)
    answer = yield admin.get("/ui/try")
    assert "pip install 'txgateway[ui]'" in told.Drawn(answer.read).text


# Orders


@pytest_twisted.inlineCallbacks
def test_a_form_of_ours_is_carried_out_and_leads_back(admin):
    form = {"name": "0123", "service": "b&k"}
    answer = yield admin.order("/ui/mapping/rollback", form, origin=admin.url)
    assert (answer.code, answer.headers.getRawHeaders("location")) == (303, ["/ui/service?name=b%26k"])
    answer = yield admin.order("/ui/mapping/allow", {"name": "4567"}, origin=admin.url)
    assert answer.headers.getRawHeaders("location") == ["/ui/log"]
    assert admin.orders == [("rollback", "0123"), ("allow", "4567")]


@pytest_twisted.inlineCallbacks
def test_what_cannot_be_done_is_told(admin):
    answer = yield admin.order("/ui/mapping/rollback", {"name": "unheard-of"}, origin=admin.url)
    assert answer.code == 409
    assert "there is no such version <b>" in unescape(answer.read.decode())
    assert not told.Drawn(answer.read).all("b")
    answer = yield admin.order("/ui/mapping/destroy", {"name": "x"}, origin=admin.url)
    assert answer.code == 404


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
@pytest_twisted.inlineCallbacks
def test_a_form_from_elsewhere_is_not(admin, origin):
    headers = {} if origin is None else {"origin": origin}
    answer = yield admin.order("/ui/mapping/rollback", {"name": "0123"}, **headers)
    assert answer.code == 403
    assert admin.orders == []


@pytest_twisted.inlineCallbacks
def test_orders_in_json_come_from_programs_or_our_own_pages(admin):
    json, name = {"content_type": "application/json"}, b'{"name": "0123"}'
    answer = yield admin.ask("POST", "/mapping/allow", name, **json)
    assert (answer.code, answer.read) == (200, b'{\n  "done": "0123"\n}\n')
    answer = yield admin.ask("POST", "/mapping/allow", name, origin=admin.url, **json)
    assert answer.code == 200
    answer = yield admin.ask("POST", "/mapping/allow", name, origin="http://evil.example", **json)
    assert (answer.code, answer.read) == (403, b'{\n  "error": "a page of another site asked for this"\n}\n')
    rebound = {"origin": "http://evil.example:1", "host": "evil.example:1"}
    answer = yield admin.ask("POST", "/mapping/allow", name, **rebound, **json)
    assert answer.code == 403
    ours = {"origin": "http://admin.example:1", "host": "admin.example:1"}
    answer = yield admin.ask("POST", "/mapping/allow", name, **ours, **json)
    assert answer.code == 200
    assert len(admin.orders) == 3


# Requests that are tried


@pytest_twisted.inlineCallbacks
def test_a_request_goes_to_the_public_handlers_as_it_would_come_there(admin):
    target = "/ui/public/a%2Fb/%FF?x=%C3%A9"
    answer = yield admin.ask("PUT", target, b"body", tgw_try_it="1", origin=admin.url, referer=admin.url, x_own="y")
    assert answer.code == 200
    (request,) = admin.tried
    assert (request.verb, request.target, request.body) == ("PUT", b"/a%2Fb/%FF?x=%C3%A9", b"body")
    names = {name for name, _ in request.headers}
    assert b"x-own" in names
    assert not names & {b"tgw-try-it", b"origin", b"referer"}
    # Opened as a page, it could do nothing.
    assert answer.headers.getRawHeaders("content-security-policy") == ["sandbox"]
    answer = yield admin.get("/ui/public/missing", tgw_try_it="1")
    assert (answer.code, answer.headers.getRawHeaders("content-type")) == (404, ["application/problem+json"])


@pytest_twisted.inlineCallbacks
def test_only_our_page_may_try(admin):
    answer = yield admin.get("/ui/public/book/query")
    assert answer.code == 400
    answer = yield admin.get("/ui/public/book/query", tgw_try_it="1", origin="http://evil.example")
    assert answer.code == 400
    # A name that was pointed at us: the browser takes us for that page's own site.
    answer = yield admin.get("/ui/public/book/query", tgw_try_it="1", host="evil.example")
    assert answer.code == 400
    assert admin.tried == []


@pytest_twisted.inlineCallbacks
def test_a_body_that_is_tried_has_the_same_limit(admin):
    answer = yield admin.ask("POST", "/ui/public/book/insert", b"x" * 2000, tgw_try_it="1")
    assert answer.code == 413
    assert admin.tried == []


# Live


@pytest_twisted.inlineCallbacks
def test_events_bring_the_parts_of_a_page(admin):
    come: Deferred[bytes] = Deferred()
    data = bytearray()

    def collect(chunk: bytes) -> None:
        data.extend(chunk)
        if data.endswith(b"\n\n") and b"data:" in data and not come.called:
            come.callback(bytes(data))

    answer = yield treq.get(f"{admin.url}/ui/events?{urlencode({'page': 'service', 'argument': 'book'})}")
    assert answer.headers.getRawHeaders("content-type") == ["text/event-stream; charset=utf-8"]
    ended = treq.collect(answer, collect)
    events = yield come
    assert events.startswith(b"retry: 2000\n\nevent: parts\ndata: {")
    assert b'"service":' in events
    assert b'"idl":' in events
    admin.ui.stop()
    yield ended
    answer = yield admin.get("/ui/events?page=overview&argument={}", sec_fetch_site="cross-site")
    assert answer.code == 403
    answer = yield admin.get("/ui/events?page=unheard-of")
    assert answer.code == 404
    answer = yield admin.get("/ui/events?page=overview&argument=[")
    assert answer.code == 404
