"""What the commands share that speak to a running gateway over HTTP."""

from __future__ import annotations

import http.client
import json
import os
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
IN_ENVIRONMENT = "TGW_ADMIN"

admin_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--admin",
    default=ADMIN,
    show_default=True,
    envvar=IN_ENVIRONMENT,
    show_envvar=True,
    metavar="URL",
    help="The gateway's admin port.",
)


def admin_or_idl(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same for a command that reads IDL if it is given some; see `asked`."""
    return click.option(
        "--admin",
        metavar="URL",
        show_default=f"{IN_ENVIRONMENT}, or {ADMIN}",
        help=f"{what} the gateway with this admin port, instead of IDL.",
    )


def asked(admin: str | None, paths: Sequence[str], *about_idl: object) -> str | None:
    """The admin port to be asked; None: the IDL at the paths is read instead.

    :param about_idl: what options say that a running gateway has nothing to do with.
    """
    if paths and admin is not None:
        raise click.UsageError("give IDL or --admin of a running gateway, not both")
    if not paths and any(about_idl):
        raise click.UsageError("a running gateway reads its IDL by its own settings; give some to be read here")
    return None if paths else admin or os.environ.get(IN_ENVIRONMENT) or ADMIN


class Refused(click.ClickException):
    """The gateway does not do what it was asked for."""


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
    try:
        # As a terminal has it: in UTF-8, of which urllib knows nothing.
        encoded = {name: value.encode().decode("latin-1") for name, value in headers}
        request = urllib.request.Request(url, body, encoded)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return _answer(answer.status, answer.headers, answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read(MAX_ANSWER))
    except (OSError, ValueError, http.client.HTTPException) as error:
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
        case http.client.InvalidURL() | UnicodeError():
            return "that is no URL"
        case http.client.HTTPException():
            return "what listens there does not speak HTTP"
        case OSError():
            return reason.strerror or str(reason)
    return str(reason) or type(reason).__name__


def header_of(text: str) -> tuple[str, str]:
    """A header as an option has it."""
    name, colon, value = text.partition(":")
    if not colon or not text.isprintable():
        raise click.UsageError(f"{text!r} is no header; one is written 'Name: value'")
    return name.strip(), value.strip()


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
    """What the page answers to a POST. Raises Refused; exits with the reason if there is no such page."""
    url = f"{base_url(admin)}{page}"
    answer = fetch(url, json.dumps(body).encode(), [("Content-Type", "application/json")])
    found = _object(answer, url)
    if answer.status < 400:
        return found
    if not isinstance(found.get("error"), str):
        raise _stranger(answer, url)
    raise Refused(found["error"])


def _object(answer: Answer, url: str) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _stranger(answer, url)
    return found


def _stranger(answer: Answer, url: str) -> Unable:
    status = f"answers with {answer.status}" if answer.status != 200 else "answers with no JSON object"
    return Unable(f"{url} {status}: is that an admin port? `twistd tgw --admin ENDPOINT` opens one")
