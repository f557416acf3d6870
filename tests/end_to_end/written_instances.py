"""Instances of the Book service in etcd that are written by hand, so that they change when the test says."""

from __future__ import annotations

import json
import urllib.request
import uuid
from base64 import b64encode


class WrittenInstances:
    """:ivar prefix: where they are, a new place each time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"test-{uuid.uuid4().hex}"

    def put(self, port: int, weight: int, *, service: str = "book", **tags: str) -> None:
        address = f"127.0.0.1:{port}"
        instance = {"network": "tcp", "address": address, "weight": weight, "tags": tags}
        self._ask("put", f"{service}/{address}", value=json.dumps(instance))

    def delete(self, port: int) -> None:
        self._ask("deleterange", f"book/127.0.0.1:{port}")

    def _ask(self, what: str, key: str, **values: str) -> None:
        texts = {"key": f"{self.prefix}/{key}", **values}
        body = json.dumps({name: b64encode(text.encode()).decode() for name, text in texts.items()})
        with urllib.request.urlopen(f"{self.url}/v3/kv/{what}", body.encode(), timeout=10):
            pass
