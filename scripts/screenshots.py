"""Takes the pictures of docs/admin.md from a running gateway, as a reader would see it."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.end_to_end.browser import Window, find_chromium
from tests.end_to_end.test_pages import Demo
from txgateway.testing import EtcdServer

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "img"
WIDE, PHONE = {"width": 1120, "height": 720}, {"width": 360, "height": 760}
# So long requests are sent, for trends that can be seen.
SECONDS = 45
# What is broken for the picture of an error.
BROKEN = ("struct InsertBookResp", "strukt InsertBookResp")


def send(demo: Demo, seconds: float) -> None:
    """Requests in waves, some of which are refused."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        demo.query(12 if int(left) % 9 < 5 else 3)
        demo.query(1, num=700)
        time.sleep(0.1)


def take(browser: Browser, demo: Demo) -> None:
    def picture(name: str, path: str, *, wait: str = "", do: str = "", **options: object) -> None:
        with Window(browser, demo.url, **{"viewport": WIDE, **options}) as window:
            page = window.open(path)
            page.wait_for_selector(wait or ".liveness.good")
            if do:
                page.evaluate(do)
            page.screenshot(path=PICTURES / f"{name}.png", full_page=not do)
            print(f"{name}.png {(PICTURES / f'{name}.png').stat().st_size // 1024} kB")

    send(demo, SECONDS)
    picture("overview", "/ui/")
    picture("overview-dark", "/ui/", color_scheme="dark")
    picture("overview-phone", "/ui/", viewport=PHONE)
    picture("explain", "/ui/explain?verb=GET&target=/book/query?num=700", wait=".outcome")
    demo.idl.write_text(demo.good.replace(*BROKEN), "utf-8")
    picture("error", "/ui/service?name=book", wait="tr.saying", do="document.querySelector('.file').scrollIntoView()")
    picture("changes", "/ui/log", wait=".changes li.bad")
    try_it(browser, demo)


def try_it(browser: Browser, demo: Demo) -> None:
    with Window(browser, demo.url, viewport={**WIDE, "height": 1000}) as window:
        page = window.open("/ui/try")
        page.locator(".opblock-summary", has_text="/book/query").click()
        operation = page.locator(".opblock.is-open")
        operation.get_by_placeholder("num").fill("700")
        operation.get_by_role("button", name="Execute").click()
        operation.locator(".live-responses-table").wait_for()
        page.screenshot(path=PICTURES / "try.png")
        print(f"try.png {(PICTURES / 'try.png').stat().st_size // 1024} kB")


def main() -> None:
    program = find_chromium()
    if program is None:
        sys.exit("no Chromium here")
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        # Paths are shown as they are given: so from where a reader would stand.
        os.chdir(stack.enter_context(tempfile.TemporaryDirectory()))
        Path("idl").mkdir()
        etcd = stack.enter_context(EtcdServer())
        demo = Demo(stack, etcd.url, Path("idl"), "kitex/registry-etcd")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        take(browser, demo)
        browser.close()


if __name__ == "__main__":
    main()
