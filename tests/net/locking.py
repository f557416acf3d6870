"""An etcd that wants a login."""

from __future__ import annotations

import json
import urllib.request

from txgateway.core.etcd import to_base64

ROOT = {"user": "root", "password": "master"}
APP = {"user": "app", "password": "secret"}


def lock(url: str, prefix: str = "p") -> None:
    """From now on ``app`` may read and write what lies under the prefix, and nobody else may do anything."""

    def ask(path: str, **fields: object) -> None:
        request = urllib.request.Request(f"{url}/v3/auth/{path}", json.dumps(fields).encode())
        urllib.request.urlopen(request, timeout=10).close()

    for who in (ROOT, APP):
        ask("user/add", name=who["user"], password=who["password"])
        ask("role/add", name=who["user"])
        ask("user/grant", user=who["user"], role=who["user"])
    # What lies between "p/" and "p0" begins with "p/".
    begin, end = (to_base64(f"{prefix}{sign}".encode()) for sign in "/0")
    ask("role/grant", name="app", perm={"permType": "READWRITE", "key": begin, "range_end": end})
    ask("enable")
