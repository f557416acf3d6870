"""What a gateway tells for its pages, made up; and a reader of what is drawn of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

Page = dict[str, Any]

NOW = 1_000_000.0


def common(**more: Any) -> Page:
    return {
        "second": 1000,
        "health": {"status": "ok", "reasons": [], "version": "1", "in_flight": 2},
        "ready": {"ready": True, "waiting_for": []},
        "samples": [[995, 20, 1, 3, 50.0]],
        "registries": [
            {
                "kind": "etcd",
                "prefixes": [
                    {
                        "prefix": "p",
                        "connected": True,
                        "trouble": "",
                        "revision": 12,
                        "keys": 3,
                        "age": 0.5,
                        "dropped": [],
                    }
                ],
                "changed": 65.0,
            }
        ],
        "mapping": {
            "digest": "0123456789abcdef",
            "services": 1,
            "routes": 1,
            "since": NOW,
            "errors": 0,
            "kept": [],
            "rolled_back": False,
            "trouble": "",
        },
        **more,
    }


def instance(**more: Any) -> Page:
    line = {"address": "10.0.0.1:9001", "weight": 3, "tags": {"zone": "a"}, "state": "live", "calls": 9, "in_flight": 0}
    return {**line, "idle": 1, "breaker": None, "last_error": None, "recent": 3, "lease_age": 5.0, "idl": "", **more}


def service(name: str = "book", **more: Any) -> Page:
    return {
        "name": name,
        "file": "book.thrift",
        "version": "v1",
        "kept": False,
        "errors": [],
        "warnings": 0,
        "refused": [],
        "states": {"live": 1},
        "count": 1,
        "weight": 3,
        "recent": 4,
        "instances": [instance()],
        "route_count": 1,
        "routes": [
            {"verb": "GET", "path": "/book/query", "method": "queryBook", "file": "book.thrift", "line": 3, "doc": ""}
        ],
        "samples": [],
        **more,
    }


def overview(*services: Page, **more: Any) -> Page:
    page = {"found": len(services), "page": 0, "pages": 1, "services": list(services), "errors": [], "warnings": 0}
    return common(**{**page, **more})


def one_service(told: Page | None, **more: Any) -> Page:
    registry = {"kind": "etcd", "elsewhere": [], "dropped": [], "known": []}
    return common(**{"name": "book", "service": told, "registry": registry, "changes": [], **more})


def complaint(**more: Any) -> Page:
    said = {"severity": "error", "message": "no such type", "hint": "", "file": "book.thrift", "line": 2, "column": 1}
    return {**said, "source": "  1: Strnig s", **more}


def idl(text: str = "struct A {\n  1: Strnig s\n}\n", *complaints: Page, **more: Any) -> Page:
    file = {"path": "book.thrift", "text": text, "cut": False, "state": "served", "complaints": list(complaints)}
    return {"texts": [file], "versions": [], "difference": [], **more}


def change(**more: Any) -> Page:
    return {"time": NOW, "kind": "mapping", "service": "", "what": "w", "is_bad": False, "details": [], **more}


def log(*changes: Page, **more: Any) -> Page:
    return common(**{"changes": list(changes), "history": [], **more})


class Drawn(HTMLParser):
    """A page as a browser would read it.

    :ivar elements: each with its attributes, in order.
    :ivar text: all of it, blanks made one.
    """

    def __init__(self, page: bytes | str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self.feed(page.decode("utf-8") if isinstance(page, bytes) else page)
        self.text = " ".join("".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]
