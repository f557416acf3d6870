"""``tgw call``: call a method of a service, through a gateway or at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import click
from attrs import evolve
from twisted.internet import task
from twisted.internet.defer import Deferred, maybeDeferred

from ..core.dialect import Dialect, dialect_of
from ..core.errors import ConnectFailed, GatewayError
from ..core.framing import framings
from ..core.instances import Instance, InvalidInstance, parse_static
from ..core.loading import LoadedMapping
from ..core.mapping import MappedService
from ..core.message import Call, Reply, Request
from ..core.policy import PROTOCOLS
from ..core.rendering import render_failure
from ..gateway import Gateway
from ..net.pool import Limits, Pool
from ._admin import Answer, base_url, fetch, header_of
from ._idl import idl_options, load, styled
from ._output import Bar, Unable, format_option, print_json

# Says which exception a service threw; see ``core.rendering``.
EXCEPTION = "x-thrift-exception"
PROBLEM_TYPE = "application/problem+json"
RESULT, THROWN, PROBLEM, OTHER = "result", "exception", "problem", "other"
# What a problem says besides its status, title and detail, in this order.
_MEMBERS = ("field", "rule", "request_id")


@click.command()
@click.argument("method", metavar="SERVICE.METHOD")
@click.argument("arguments", default="{}", metavar="[JSON]")
@click.option(
    "--gateway",
    default="http://127.0.0.1:8080",
    show_default=True,
    envvar="TGW_GATEWAY",
    show_envvar=True,
    metavar="URL",
    help="The public port of a running gateway.",
)
@click.option("--header", "-H", "headers", multiple=True, metavar="NAME: VALUE", help="A header for the gateway.")
@click.option("--to", metavar="HOST:PORT", help="Call this instance, instead of a gateway; needs --idl.")
@click.option("--idl", "paths", multiple=True, metavar="PATH", type=click.Path(exists=True), help="A file or folder.")
@idl_options
@click.option("--transport", metavar="NAME", help="How messages to the instance are framed, whatever the IDL says.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="How structs are spelled, whatever the IDL says.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.001, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For all of it.",
)
@format_option()
def command(
    method: str,
    arguments: str,
    gateway: str,
    headers: Sequence[str],
    to: str | None,
    paths: Sequence[str],
    include_dirs: Sequence[str],
    legacy: bool,
    transport: str | None,
    protocol: str | None,
    timeout: float,
    form: str,
) -> None:
    """Call a method of a service, through a gateway or at once.

    JSON is an object with the fields of the request struct; - reads it from standard input. Prints the result. What
    came instead of one is named on standard error: an exception that the IDL declares, or why there is no answer;
    the exit code is then 1. It is 2 if there is no gateway or no instance.
    """
    service, dot, name = method.rpartition(".")
    if not dot:
        raise click.UsageError(f"{method}: expected SERVICE.METHOD, such as book.queryBook")
    if (to is None) != (not paths):
        raise click.UsageError("--to and --idl belong together: the IDL says how an instance is spoken to")
    body = _body(arguments)
    if to is None:
        url = f"{base_url(gateway)}/gateway/{quote(service, safe='')}/{quote(name, safe='')}"
        with Bar("waiting for the answer"):
            answer = fetch(url, body, [("Content-Type", "application/json"), *map(header_of, headers)], timeout)
    else:
        instance = _instance(to, transport, protocol)
        loaded = load(paths, include_dirs, legacy)
        for error in loaded.errors:
            click.echo(styled(error), err=True)
        answer = _called(loaded, instance, _request(service, name, body), timeout)
    _tell(method, answer, form)
    sys.exit(0 if _outcome(answer) == RESULT else 1)


def _body(arguments: str) -> bytes:
    text = sys.stdin.read() if arguments == "-" else arguments
    try:
        is_object = isinstance(json.loads(text), dict)
    except ValueError as error:
        raise click.UsageError(f"the arguments are no JSON: {error}") from None
    if not is_object:
        raise click.UsageError("the arguments have to be a JSON object: the fields of the request struct")
    return text.encode()


# Without a gateway


def _instance(to: str, transport: str | None, protocol: str | None) -> Instance:
    try:
        _, instance = parse_static(f"x={to}")
    except InvalidInstance:
        raise click.UsageError(f"{to}: expected HOST:PORT") from None
    framings.load()
    if transport is not None and transport not in framings:
        raise click.UsageError(f"there is no transport {transport}; there are {', '.join(framings)}")
    # Nothing goes before an instance's own tags.
    tags = {"transport": transport, "protocol": protocol}
    return evolve(instance, tags={name: value for name, value in tags.items() if value})


def _request(service: str, method: str, body: bytes) -> Request:
    target = f"/gateway/{quote(service, safe='')}/{quote(method, safe='')}"
    return Request("POST", target.encode(), ((b"content-type", b"application/json"),), body)


def _called(loaded: LoadedMapping, instance: Instance, request: Request, timeout: float) -> Answer:
    """What comes of a call that goes to this instance and nowhere else."""
    outcome: list[Answer | None] = []
    with Bar("waiting for the answer"), suppress(SystemExit):
        task.react(_call, (loaded, instance, request, timeout, outcome))
    if not outcome:
        raise Unable("interrupted")
    if outcome[0] is None:
        raise Unable(f"{instance.address}: nobody can be connected to there")
    return outcome[0]


async def _call(
    reactor: Any,
    loaded: LoadedMapping,
    instance: Instance,
    request: Request,
    timeout: float,
    outcome: list[Answer | None],
) -> None:
    request.deadline = reactor.seconds() + timeout
    upstream = _OneInstance(reactor, loaded.services, instance, timeout)
    try:
        response = await maybeDeferred(Gateway(loaded.mapping, upstream).handle_generic, request)
    except ConnectFailed:
        outcome.append(None)
        return
    except GatewayError as error:
        response = render_failure(error)
    finally:
        await upstream.close()
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    outcome.append(Answer(response.status, headers, response.body))


class _OneInstance:
    """Whatever service is asked for, it is this instance."""

    def __init__(self, reactor: Any, services: Mapping[str, MappedService], instance: Instance, timeout: float) -> None:
        self._reactor = reactor
        self._services = services
        self._instance = instance
        self._timeout = timeout
        self._pool: Pool | None = None

    def __getitem__(self, service: str) -> _OneInstance:
        return self

    def send(self, call: Call) -> Deferred[Reply]:
        policies = self._services[call.service].policies.values()
        dialect = dialect_of(self._instance, policies, framings, Dialect())
        framing = framings[dialect.framing(framings)]
        self._pool = Pool(self._reactor, self._instance, Limits(connect_timeout=self._timeout), framing)
        return self._pool.call(call)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


# What came of it


def _outcome(answer: Answer) -> str:
    if EXCEPTION in answer.headers:
        return THROWN
    if answer.status < 400:
        return RESULT
    return PROBLEM if answer.headers.get("content-type") == PROBLEM_TYPE else OTHER


def _tell(method: str, answer: Answer, form: str) -> None:
    outcome, body = _outcome(answer), _read(answer.body)
    if form == "json":
        thrown = answer.headers.get(EXCEPTION)
        print_json({"outcome": outcome, "status": answer.status, "exception": thrown, "body": body})
        return
    if outcome != RESULT:
        click.echo(_complaint(method, outcome, answer, body), err=True)
    if outcome != PROBLEM:
        click.echo(body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False))


def _read(body: bytes) -> Any:
    """As JSON, or else as text."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _complaint(method: str, outcome: str, answer: Answer, body: Any) -> str:
    where = click.style(method, bold=True)
    if outcome == THROWN:
        return f"{where} threw {click.style(answer.headers[EXCEPTION], fg='yellow')} (status {answer.status}):"
    if outcome == OTHER:
        return f"{where}: {click.style(f'status {answer.status}', fg='red')}, and not by a gateway:"
    lines = [f"{where}: {click.style(body['title'], fg='red')} (status {answer.status}): {body.get('detail', '')}"]
    lines += [f"    {name}: {body[name]}" for name in _MEMBERS if name in body]
    # Of a method that has all of its rules looked at.
    lines += [f"    {each['field']}: {each['detail']}" for each in body.get("errors", ())]
    return "\n".join(lines)
