"""An admin port that says what a test says."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest


@pytest.fixture
def admin_pages() -> Iterator[Callable[..., str]]:
    """A function that serves pages, by their paths, and gives the address of their server."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(pages: Mapping[str, Any], status: int = 200) -> str:
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path, b"")
                self.send_response(status if self.path in pages else 404)
                self.end_headers()
                self.wfile.write(page if isinstance(page, bytes) else json.dumps(page).encode())

            def log_message(self, *_: Any) -> None:
                """Tests are quiet."""

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def admin(admin_pages: Callable[..., str]) -> Callable[..., str]:
    """The same, for the page of services alone."""
    return lambda page, status=200: admin_pages({"/services": page}, status)
