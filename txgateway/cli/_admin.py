"""What the commands share that speak to the admin port of a running gateway."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import click

TIMEOUT = 30.0

admin_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--admin", default="http://127.0.0.1:8081", show_default=True, metavar="URL", help="The gateway's admin port."
)


def ask(admin: str, page: str, body: dict[str, str]) -> dict[str, Any]:
    """What the page answers to a POST; exits with the reason if the gateway refuses or is not there."""
    request = urllib.request.Request(
        f"{admin.rstrip('/')}{page}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            found = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise click.ClickException(_reason(error)) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{admin}: {getattr(error, 'reason', error)}") from None
    return dict(found)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: HTTP {error.code}"
