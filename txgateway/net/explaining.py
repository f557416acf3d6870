"""Explains requests, in a thread of its own, with what only a running gateway knows of instances and live requests."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson
from attrs import evolve, frozen
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred, fail, succeed
from twisted.python.failure import Failure

from ..core.errors import GatewayError
from ..core.explain import Clocks, Served, explain, explain_ended, page_of, with_answer, with_pick
from ..core.explain.asking import Asked, NotAsked, read_asked
from ..core.explain.kept import Ended, Kept
from ..core.explain.pick import Seen, hints
from ..core.explain.tokens import HEADER, LONGEST, NONCE, USUAL, Tokens
from ..core.message import Call, Request, Response
from .background import Background, considerate
from .http import Handler
from .registry import Registry
from .upstream import Upstream
from .workers import Workers

T = TypeVar("T")

Page = dict[str, Any]
# Does work in another thread.
Run = Callable[[Callable[[], Any]], "Deferred[Any]"]
Explain = Callable[[str], "Deferred[Page]"]

# So many are explained at once.
MOST_AT_ONCE = 8
# Seconds for an explanation, its call included.
WITHIN = 30.0


# What a worker calls them.
EXPLAIN, LIVE = "explain", "explain_live"


class NotExplained(Exception):
    """There is no explanation now; the text says why."""


@frozen
class ExplainedParts:
    """What of the gateway is looked at.

    :ivar served: gives what requests are served by now.
    :ivar seen: gives the instances of a service as they are now; raises GatewayError if it is not served.
    :ivar next: gives the address of the instance that a call would go to now; empty: that cannot be told.
    :ivar handler: what the public port would hand a request to.
    """

    served: Callable[[], Served]
    seen: Callable[[str], Seen]
    next: Callable[[Call], str]
    handler: Handler


class Explainer:
    """:param clock: an IReactorTime."""

    def __init__(self, clock: Any, run: Run, parts: ExplainedParts, clocks: Clocks) -> None:
        self._clock = clock
        self._run = run
        self._parts = parts
        self._clocks = clocks
        self._running = 0

    def explain(self, text: str) -> Deferred[Page]:
        """Explains what the text asks for. Raises NotAsked; fails with NotExplained."""
        asked = read_asked(text)
        return self._bounded(lambda: ensureDeferred(self._explain(asked)))

    def explain_ended(self, all_ended: Iterable[Ended]) -> Deferred[list[Page]]:
        """Explains live requests. Fails with NotExplained."""
        return self._bounded(lambda: self._run(lambda: [self._live_page(each) for each in all_ended]))

    def _bounded(self, begin: Callable[[], Deferred[T]]) -> Deferred[T]:
        if self._running >= MOST_AT_ONCE:
            return fail(NotExplained("too many explanations are under way; try again in a second"))
        self._running += 1
        return begin().addTimeout(WITHIN, self._clock).addErrback(_not_explained).addBoth(self._end)

    def _end(self, outcome: T) -> T:
        self._running -= 1
        return outcome

    async def _explain(self, asked: Asked) -> Page:
        served = self._parts.served()
        explained = await self._run(lambda: explain(asked.request, served, self._clocks))
        if explained.call is not None:
            call = explained.call
            seen = self._parts.seen(call.service)
            if not asked.calls:
                seen = evolve(seen, next=self._parts.next(call))
            explanation = await self._run(lambda: with_pick(explained, seen))
            explained = evolve(explained, explanation=explanation)
        if not asked.calls:
            return page_of(explained.explanation)
        request, began = asked.request, self._clock.seconds()
        response = await self._parts.handler(request)
        return page_of(with_answer(explained, request, response, self._clock.seconds() - began))

    def _live_page(self, ended: Ended) -> Page:
        return {"id": ended.request.id, "at": ended.at, "explanation": page_of(explain_ended(ended, self._clocks))}


class LiveRequests:
    """Keeps the requests that bring a token until somebody asks for their explanations; an observer of the ledger.

    :param now: gives seconds since 1970.
    """

    def __init__(self, tokens: Tokens, explainer: Explainer, parts: ExplainedParts, now: Callable[[], float]) -> None:
        self._tokens = tokens
        self._explainer = explainer
        self._parts = parts
        self._now = now
        self._kept = Kept()

    def __call__(self, request: Request, response: Response, error: GatewayError | None, seconds: float) -> None:
        for name, value in request.headers:
            if name == HEADER:
                self._keep(value, request, response, seconds)
                return

    def _keep(self, token: bytes, request: Request, response: Response, seconds: float) -> None:
        now = self._now()
        expires = self._tokens.expiry(token, now)
        if expires:
            seen = None if request.call is None else self._seen(request.call.service)
            self._kept.add(token, expires, Ended(request, response, seconds, self._parts.served(), now, seen))

    def _seen(self, service: str) -> Seen | None:
        try:
            return self._parts.seen(service)
        except GatewayError:  # It is served no more.
            return None

    def take(self, text: str) -> Deferred[Page]:
        """The explanations of the requests that brought ``{"token": ...}``, each given once.

        Raises NotAsked; fails with NotExplained.
        """
        token = _said(text, "token")
        if not isinstance(token, str) or not self._tokens.expiry(token.encode("ascii", "replace"), self._now()):
            raise NotAsked("the token has expired, or is none")
        ended, missed = self._kept.take(token.encode("ascii"), self._now())
        return self._explainer.explain_ended(ended).addCallback(lambda pages: {"explanations": pages, "missed": missed})


def _not_explained(failure: Failure) -> Any:
    """In our words, what may go wrong without anybody's fault."""
    failure.trap(TimeoutError, GatewayError)
    slow = failure.check(TimeoutError)
    raise NotExplained("the explanation took too long" if slow else str(failure.value)) from None


@frozen
class Explaining:
    """What the admin port offers; each takes JSON as text, and raises or fails with NotAsked or NotExplained.

    :ivar explain: explains a request; see ``core.explain.asking``.
    :ivar token: gives a token that has live requests explained.
    :ivar live: explains those that have come with a token.
    """

    explain: Explain
    token: Explain
    live: Explain


class Explanations:
    """All of it in one process.

    :param secret: signs tokens; empty: there are none.
    :ivar live: an observer for the ledger; None if live requests are not looked at.
    """

    def __init__(self, reactor: Any, parts: ExplainedParts, secret: str) -> None:
        self._thread = Background(reactor, "explain")
        self._tokens = Tokens(secret) if secret else None
        explainer = Explainer(reactor, self._run, parts, Clocks(time.perf_counter, time.time_ns))
        self.live = LiveRequests(self._tokens, explainer, parts, time.time) if self._tokens else None
        self.offered = Explaining(explainer.explain, self._token, self.live.take if self.live else _off)

    @property
    def views(self) -> dict[str, Explain]:
        """What is offered, by the names that a process asks for which owns several of us."""
        return {EXPLAIN: self.offered.explain, LIVE: self.offered.live}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks until what runs has ended."""
        self._thread.stop()

    def _token(self, text: str) -> Deferred[Page]:
        return succeed(issue_token(self._tokens, text))

    def _run(self, work: Callable[[], Any]) -> Deferred[Any]:
        def beside() -> Any:
            with considerate():
                return work()

        return self._thread.run(beside)


def issue_token(tokens: Tokens | None, text: str) -> Page:
    """A token that is good for ``{"seconds": ...}`` from now on. Raises NotAsked."""
    if tokens is None:
        raise NotAsked(_OFF)
    seconds = _said(text, "seconds", USUAL)
    if type(seconds) is not int or not 1 <= seconds <= LONGEST:
        raise NotAsked(f'"seconds" has to be a whole number from 1 to {LONGEST}')
    expires = int(time.time()) + seconds
    token = tokens.issue(expires, secrets.token_bytes(NONCE))
    return {"header": "Tgw-Explain", "token": token, "expires": expires}


_OFF = "live requests are not explained here: the setting http.explain_secret is empty"


def _off(text: str) -> Deferred[Page]:
    raise NotAsked(_OFF)


def of_processes(workers: Workers, secret: str, within: float) -> Explaining:
    """The same of several processes: one explains, each has its live requests.

    :param within: seconds that a worker gets for an explanation.
    """
    tokens = Tokens(secret) if secret else None

    def explain(text: str) -> Deferred[Page]:
        return workers.ask_one(f"{EXPLAIN} {text}", within).addCallback(_said_by_worker)

    def live(text: str) -> Deferred[Page]:
        return workers.ask(f"{LIVE} {text}", within).addCallback(_joined)

    return Explaining(explain, lambda text: succeed(issue_token(tokens, text)), live)


def _said_by_worker(page: Page | None) -> Page:
    if page is None:
        raise NotExplained("no worker answers")
    if "error" in page:
        raise NotAsked(page["error"])
    return page


def _joined(pages: Mapping[int, Page | None]) -> Page:
    """What several workers kept, the oldest first."""
    said = [_said_by_worker(page) for page in pages.values() if page is not None]
    explanations = [each for page in said for each in page["explanations"]]
    return {
        "explanations": sorted(explanations, key=lambda each: float(each["at"])),
        "missed": sum(page["missed"] for page in said),
    }


def _said(text: str, key: str, otherwise: Any = None) -> Any:
    try:
        said = orjson.loads(text or "{}")
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        said = None
    if not isinstance(said, dict):
        raise NotAsked("the body has to be a JSON object")
    return said.get(key, otherwise)


def seen_of(upstream: Upstream, registries: Iterable[Registry]) -> Seen:
    """The instances of a service as they are now."""
    standing = {line["address"]: line for line in upstream.status() if line["state"] != "draining"}
    told: tuple[str, ...] = ()
    if not upstream.instances:
        each = list(registries)
        known = [name for registry in each for name in registry.names()]
        told = hints(upstream.service, known, [registry.summary() for registry in each])
    return Seen(upstream.instances, standing, upstream.governance, told)
