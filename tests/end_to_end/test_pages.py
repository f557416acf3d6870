"""The pages of the admin port as people use them: in a real browser, in front of a gateway, an etcd and two Books."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.browser import Window, chromium  # noqa: F401
from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess

pytestmark = pytest.mark.slow


class Demo:
    """What ``scripts/demo`` starts, on an IDL that a test may change."""

    def __init__(self, stack: ExitStack, etcd_url: str, folder: Path, prefix: str = "") -> None:
        self.idl = folder / "book.thrift"
        shutil.copy(ROOT / "idl" / "book.thrift", self.idl)
        self.good = self.idl.read_text("utf-8")
        self._etcd, self._prefix = etcd_url, prefix or f"test-{uuid.uuid4().hex}"
        self.where = ("--etcd", etcd_url, "--prefix", self._prefix)
        for weight in ("3", "1"):
            stack.enter_context(BookProcess(*self.where, "--weight", weight))
        self.gateway = stack.enter_context(GatewayProcess(*self.where, idl=folder))
        self.gateway.wait_for_instances("book", 2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.admin_port}"

    def query(self, times: int = 1, num: int = 7) -> None:
        for _ in range(times):
            self.gateway.get(f"/book/query?num={num}")

    def register(self, service: str, address: str, tags: dict[str, str]) -> None:
        """As any process that can reach etcd might."""
        key, value = f"{self._prefix}/{service}/{address}", json.dumps({"address": address, "weight": 1, "tags": tags})
        body = {name: base64.b64encode(text.encode()).decode() for name, text in (("key", key), ("value", value))}
        urllib.request.urlopen(f"{self._etcd}/v3/kv/put", json.dumps(body).encode(), timeout=10).close()


@pytest.fixture(scope="module")
def demo(etcd, chromium, tmp_path_factory) -> Iterator[Demo]:  # noqa: F811
    with ExitStack() as stack:
        demo = Demo(stack, etcd.url, tmp_path_factory.mktemp("idl"))
        yield demo
        assert not demo.gateway.tracebacks


@pytest.fixture
def window(demo, chromium, request) -> Iterator[Window]:  # noqa: F811
    with Window(chromium, demo.url, **getattr(request, "param", {})) as window:
        yield window
        assert not window.complaints
        assert not window.strangers


PAGES = ("/ui/", "/ui/service?name=book", "/ui/log", "/ui/try", "/ui/explain?verb=GET&target=/book/query?num=700")


def whole(window: Window, path: str) -> object:
    """The page, once all of it is drawn: Swagger UI takes its time."""
    page = window.open(path)
    if path == "/ui/try":
        page.locator("#swagger .opblock").first.wait_for()
    return page


def wait_for(page: object, text: str) -> None:
    """Until the text can be read, without the page being loaded anew."""
    page.get_by_text(text).first.wait_for()


def test_a_strangers_path(window, demo):
    """Both Books share 3:1; a broken IDL is seen and mended; a request is tried, and a refused one explained."""
    page = window.live("/ui/")
    demo.query(40)
    rows = page.locator(".instances tbody tr")
    shares = {"3": "75", "1": "25"}
    for weight, share in shares.items():
        rows.filter(has=page.locator(f"td[data-of=weight]:text-is('{weight}')")).get_by_text(f"{share} %").wait_for()
    # Broken: told at once, where it is, and that the version before goes on being served.
    demo.idl.write_text(demo.good.replace("struct InsertBookResp", "strukt InsertBookResp"), "utf-8")
    wait_for(page, "did you mean 'struct'?")
    wait_for(page, "an earlier version is served")
    assert demo.gateway.get("/book/query?num=7").status == 200
    assert window.axe() == []
    page.get_by_role("link", name="book.thrift:21:1").click()
    page.wait_for_selector(".liveness.good")
    assert window.axe() == []
    line = page.locator("tr.said-of")
    assert line.inner_text().split() == ["21", "strukt", "InsertBookResp", "{"]
    assert line.evaluate("row => row.matches(':target')")
    assert "found 'strukt'" in page.locator("tr.saying").inner_text()
    # Mended: the page says so by itself.
    demo.idl.write_text(demo.good, "utf-8")
    page.locator("tr.saying").wait_for(state="detached")
    assert page.get_by_text("as it stands now, not served").count() == 0
    # Tried, as any client would send it.
    page.get_by_role("link", name="Try it").click()
    page.locator(".opblock-summary", has_text="/book/query").click()
    operation = page.locator(".opblock.is-open")
    operation.get_by_placeholder("num").fill("7")
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    answer.get_by_text("Anna Karenina").wait_for()
    assert f"http://127.0.0.1:{demo.gateway.port}/book/query?num=7" in operation.locator(".curl").inner_text()
    # Refused, and why.
    operation.get_by_placeholder("num").fill("700")
    operation.get_by_role("button", name="Execute").click()
    answer.get_by_text("num must less than 100").first.wait_for()
    wait_for(page, "GET /book/query?num=700 was answered with 400.")
    page.get_by_role("link", name="Explain it").click()
    assert page.locator(".outcome h2").inner_text() == "400 Validation failed: num must less than 100"
    part = page.locator(".parts tr", has_text="$<100")
    assert part.inner_text().split() == ["$<100", "false"]


def test_instances_come_and_go_before_ones_eyes(window, demo, etcd):
    page = window.live("/ui/")
    with BookProcess(*demo.where, "--weight", "2") as third:
        row = page.locator(".instances tbody tr", has_text=third.address)
        row.wait_for()
        assert "live" in row.inner_text()
        third.end()
    row.wait_for(state="detached")
    window.live("/ui/log?kind=instances")
    newest = [page.locator(".changes li").nth(at).inner_text() for at in (0, 1)]
    assert "1 left" in newest[0]
    assert "1 joined" in newest[1]
    assert f"+ {third.address} weight 2" in newest[1]


def test_the_keyboard_is_enough_and_keeps_its_place(window, demo):
    page = window.live("/ui/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "book"
    before = page.locator(".instances td[data-of=calls]").all_inner_texts()
    demo.query(8)
    page.wait_for_function(
        "before => [...document.querySelectorAll('td[data-of=calls]')].map(e => e.innerText).join() !== before",
        arg=",".join(before),
    )
    # What is new was put around what has the focus.
    assert page.evaluate("document.activeElement.textContent") == "book"
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/service?name=book")
    assert page.evaluate("getComputedStyle(document.querySelector('.mark')).outlineStyle") == "none"
    page.locator(".mark").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.querySelector('.mark')).outlineStyle") == "solid"


def tab_to(page, selector: str) -> None:
    """By the keyboard alone, from what has the focus; where it is can be seen all the way."""
    for _ in range(60):
        page.keyboard.press("Tab")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style in ("solid", "auto"), page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no way to {selector}")


def test_a_request_is_tried_and_explained_by_the_keyboard(window):
    page = whole(window, "/ui/try")
    tab_to(page, ".opblock-summary-control[aria-label*='/book/query'], #swagger [id*=queryBook] button")
    page.keyboard.press("Enter")
    page.locator(".opblock.is-open input").wait_for()
    tab_to(page, ".opblock.is-open input")
    page.keyboard.type("700")
    tab_to(page, ".opblock.is-open .execute")
    page.keyboard.press("Enter")
    wait_for(page, "GET /book/query?num=700 was answered with 400.")
    page.locator("#main").focus()
    tab_to(page, "#last a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/explain?**")
    assert page.locator(".outcome h2").inner_text() == "400 Validation failed: num must less than 100"


def test_swagger_ui_shows_every_operation_of_a_rich_idl(chromium):  # noqa: F811
    with GatewayProcess(idl=ROOT / "tests" / "openapi" / "rich.thrift") as gateway:
        document = gateway.admin("/openapi.json")
        with Window(chromium, f"http://127.0.0.1:{gateway.admin_port}") as window:
            page = whole(window, "/ui/try")
            operations = page.locator("#swagger .opblock")
            assert operations.count() == sum(map(len, document["paths"].values())) > 10
            for each in operations.all():
                each.locator(".opblock-summary-control").click()
                each.locator(".opblock-body").wait_for()
            assert page.locator("#swagger .errors-wrapper").count() == 0
            operations.filter(has_text="/rules").first.get_by_role("button", name="Add integer item").click()
            # Where it has no field of its own for a form of number, it says so and takes its usual one.
            odd = [each for each in window.complaints if not each.startswith("Could not find component: JsonSchema_")]
            assert (odd, window.strangers) == ([], [])


def test_a_version_is_gone_back_to_by_a_button(window, demo):
    demo.idl.write_text(demo.good.replace('api.get="book/query"', 'api.get="book/find"'), "utf-8")
    page = window.live("/ui/service?name=book")
    page.locator(".routes", has_text="/book/find").wait_for()
    back = page.locator(".versions li").nth(1)
    back.locator("summary").press("Enter")
    demo.query(3)
    # Open details stay so while the page changes around them.
    page.wait_for_timeout(1200)
    back.get_by_role("button").press("Enter")
    page.wait_for_load_state()
    page.locator(".routes", has_text="/book/query").wait_for()
    assert page.url.endswith("/ui/service?name=book")
    assert demo.gateway.get("/book/query?num=7").status == 200
    window.live("/ui/")
    wait_for(page, "rolled back")
    demo.idl.write_text(demo.good + "\n", "utf-8")
    page.get_by_text("rolled back").wait_for(state="detached")


def test_axe_finds_nothing_in_light_and_dark(window, demo):
    page = window.page
    for path in PAGES:
        whole(window, path)
        # Swagger UI is not ours to mend.
        assert window.axe(without="#swagger") == []
        page.emulate_media(color_scheme="dark")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(int(part) for part in ground[4:-1].split(",")) < 200
        assert window.axe(["color-contrast"], without="#swagger") == []
        page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("window", [{"viewport": {"width": 320, "height": 640}}], indirect=True, ids=["320"])
def test_on_a_phone_nothing_has_to_be_scrolled_sideways(window, demo):
    for path in PAGES:
        whole(window, path)
        assert (path, window.too_wide()) == (path, False)
    demo.query(4)
    demo.query(4, num=700)
    page = window.live("/ui/")
    page.locator(".trends small:text-is('mean')").first.wait_for()
    page.locator(".trends small", has_text="refused").first.wait_for()
    assert window.axe() == []
    # Beside its figure, or right below it.
    gaps = page.evaluate("""[...document.querySelectorAll('.trends dd')].map(dd => {
        const [figure, word] = ['b', 'small'].map(name => dd.querySelector(name).getBoundingClientRect());
        return word.top - figure.bottom;
    })""")
    assert len(gaps) >= 6
    assert max(gaps) < 8
    # The heads of the columns stand at each value instead.
    label = page.locator("td[data-of='in flight']").first.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert label == '"in flight"'


@pytest.mark.parametrize("window", [{"java_script_enabled": False}], indirect=True, ids=["no-js"])
def test_without_javascript_everything_can_be_read(window, demo):
    page = window.open("/ui/")
    assert page.locator(".instances tbody tr").count() == 2
    assert page.locator("svg.spark").count() == 6
    page.get_by_label("Find").fill("boo")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("article").count() == 1
    page.get_by_role("link", name="book", exact=True).click()
    assert "struct QueryBookReq" in page.locator(".code").first.inner_text()
    page.get_by_role("link", name="Changes").click()
    assert "2 joined" in page.locator(".changes").inner_text()


def test_what_comes_from_outside_never_runs(window, demo, etcd):
    evil = "<img src=x onerror=alert(1)>"
    file = demo.idl.parent / f"{evil}.thrift"
    text = (
        f'// </code></pre><script>alert(2)</script>\nservice S {{ void f() (api.get="/evil", api.nothing="{evil}") }}\n'
    )
    file.write_text(text, "utf-8")
    page = window.live("/ui/")
    page.get_by_role("link", name=evil, exact=True).wait_for()
    demo.register(evil, "127.0.0.1:1", {evil: evil, "idl": evil})
    wait_for(page, f"{evil}={evil}")
    page.get_by_role("link", name=evil, exact=True).click()
    page.wait_for_selector(".liveness.good")
    assert "</code></pre><script>alert(2)</script>" in page.locator(".code").inner_text()
    assert page.locator("img").count() == 1
    file.write_text(text.replace("service", f'"{evil}"'), "utf-8")
    wait_for(page, "an error in")
    window.open("/ui/log")
    assert evil in page.locator(".changes").inner_text()
    file.unlink()
    window.live("/ui/")
    page.get_by_role("link", name=evil, exact=True).wait_for(state="detached")


def test_a_gateway_that_is_gone_is_seen_to_be(chromium, tmp_path):  # noqa: F811
    shutil.copy(ROOT / "idl" / "book.thrift", tmp_path)
    with GatewayProcess("--workers", "2", idl=tmp_path) as gateway:
        with Window(chromium, f"http://127.0.0.1:{gateway.admin_port}") as window:
            # Reloads itself as long as no worker has anything to tell.
            page = window.live("/ui/")
            workers = page.locator("dt:text-is('workers') + dd .state")
            assert ["ok" in text for text in workers.all_inner_texts()] == [True, True]
            wait_for(page, "no instance")
            window.live("/ui/service?name=book")
            wait_for(page, "No instance of")
            gateway.end()
            wait_for(page, "not live: the gateway does not answer")
        assert not gateway.tracebacks
