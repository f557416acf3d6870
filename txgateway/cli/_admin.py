"""What the commands share that speak to a running gateway over HTTP."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import click
from attrs import frozen

from ._output import Unable

TIMEOUT = 30.0
# A page of a thousand instances has 400 kB; more than this is no answer of ours.
MAX_ANSWER = 64 * 1024 * 1024

ADMIN = "http://127.0.0.1:8081"

admin_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--admin",
    default=ADMIN,
    show_default=True,
    envvar="TGW_ADMIN",
    show_envvar=True,
    metavar="URL",
    help="The gateway's admin port.",
)


@frozen
class Answer:
    """:ivar headers: by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(
    url: str,
    body: bytes | None = None,
    headers: Sequence[tuple[str, str]] = (),
    timeout: float = TIMEOUT,
) -> Answer:
    """What a server answers, whatever its status; a POST if there is a body. Exits if there is none."""
    request = urllib.request.Request(url, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return _answer(answer.status, answer.headers, answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read(MAX_ANSWER))
    except (OSError, ValueError) as error:
        raise Unable(f"{url}: {_why(error)}") from None


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body)


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    match reason:
        case ConnectionRefusedError():
            return "nobody listens there (connection refused)"
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "there is no host of that name"
        case OSError():
            return reason.strerror or str(reason)
    return str(reason) or type(reason).__name__


def base_url(text: str) -> str:
    """A URL without a path, of HTTP; ``HOST:PORT`` will do."""
    url = text if "://" in text else f"http://{text}"
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{text}: expected the URL of an HTTP port, such as {ADMIN}")
    return url.rstrip("/")


def admin_page(admin: str, page: str, within: float = TIMEOUT) -> dict[str, Any]:
    """A page of the admin port; exits with the reason if there is none in so many seconds."""
    url = f"{base_url(admin)}{page}"
    return _object(fetch(url, timeout=within), url)


def ask(admin: str, page: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the page answers to a POST; exits with the reason if the gateway refuses or is not there."""
    url = f"{base_url(admin)}{page}"
    answer = fetch(url, json.dumps(body).encode(), [("Content-Type", "application/json")])
    if answer.status >= 400:
        raise click.ClickException(_reason(answer, url))
    return _object(answer, url)


def _object(answer: Answer, url: str) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        status = f"answers with {answer.status}" if answer.status != 200 else "answers with no JSON object"
        raise Unable(f"{url} {status}: is that an admin port? `twistd tgw --admin ENDPOINT` opens one")
    return found


def _reason(answer: Answer, url: str) -> str:
    try:
        return str(json.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{url}: HTTP {answer.status}"
