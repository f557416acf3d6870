"""Debian's Chromium, driven by Playwright; pages may reach nothing but this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# CHROMIUM names another one.
NAMES = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
# What axe is asked about: the rules that a page meets or not, and those that are no more than good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def find_chromium() -> str | None:
    return next(filter(None, (shutil.which(name) for name in NAMES if name)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser for every test; each opens a window of its own."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: scripts/chromium installs Debian's")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root has no sandbox, and CI is root; nothing but our own pages is opened.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Window:
    """One window, which remembers everything that a page should not do.

    :ivar complaints: errors of scripts, and what the policy of the page forbade.
    :ivar strangers: addresses outside of this machine that were asked for.
    """

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.url = url
        self._context = browser.new_context(base_url=url, **options)
        self.page = self._context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self, path: str) -> Any:
        self.page.goto(path)
        return self.page

    def live(self, path: str) -> Any:
        """Open a page and wait until it is live."""
        page = self.open(path)
        page.wait_for_selector(".liveness.good")
        return page

    def axe(self, rules: list[str] = RULES, *, without: str = "") -> list[str]:
        """What axe finds wrong, a line each.

        :param rules: their names, or tags that several have.
        :param without: a selector of what is not ours.
        """
        package = find_spec("axe_playwright_python")
        assert package is not None
        assert package.submodule_search_locations is not None
        script = Path(package.submodule_search_locations[0]) / "axe.min.js"
        # The policy of our pages lets no script in, not even this one; the browser's own tools are not bound by it.
        if self.page.evaluate("typeof axe") == "undefined":
            self.page.evaluate(script.read_text("utf-8"))
        found = self.page.evaluate(
            "([where, how]) => axe.run(where ?? document, how)",
            [{"exclude": [without]} if without else None, {"runOnly": rules, "resultTypes": ["violations"]}],
        )
        return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]

    def too_wide(self) -> bool:
        """Whether a reader would have to scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        # A request that is refused on purpose is an error to the console too.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.strangers.append(request.url)
