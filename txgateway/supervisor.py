"""Builds the process that owns the workers: their sockets, and one admin port for all of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, evolve
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from .config import ConfigError, Settings, Step, step_to
from .core import worker_pages
from .core.message import Request, Response
from .core.pages.changes import WORKERS, Changes, newest_of
from .net.admin import AdminPages, admin_app
from .net.admin.public import answered, asked
from .net.admin.ui import Ui, View, considerately
from .net.background import Background
from .net.explaining import WITHIN, of_processes
from .net.http.klein_server import web_site
from .net.listening import Listening, bind
from .net.mapping.live import NotKept
from .net.metrics import JoinedMetrics, of_process, of_workers
from .net.openapi import from_process
from .net.signals import heed
from .net.workers import Page, WorkerCommand, Workers
from .wiring import (
    CLOSE_WITHIN,
    check_settings,
    describe_address,
    endpoints_from,
    http_limits,
    public_address,
    tell_refused,
    tell_step,
)

log = Logger()


def build_workers(read_settings: Callable[[], Settings], reactor: Any) -> MultiService:
    """So many gateways as the settings say, on the same sockets, as one service.

    :param read_settings: is asked again at each SIGHUP; raises ConfigError.
    """
    return _Supervisor(read_settings, reactor)


# What is made here, once; all else is made in each worker anew.
_AT_START = ("http.listen", "http.admin", "http.admin_names", "http.explain_secret")


def run_by(settings: Settings) -> WorkerCommand:
    # The admin port is ours.
    job = asdict(evolve(settings, http=evolve(settings.http, admin=())))
    lifecycle = settings.lifecycle
    return WorkerCommand({"settings": job}, lifecycle.workers, lifecycle.drain_timeout + 2 * CLOSE_WITHIN)


class _Supervisor(MultiService):
    """Binds before anything else, so that a port that is taken ends the program with the reason."""

    def __init__(self, read_settings: Callable[[], Settings], reactor: Any) -> None:
        super().__init__()
        self.setName("tgw")
        self._read_settings = read_settings
        self._settings = read_settings()
        self._reactor = reactor
        self._admin_on = endpoints_from("http.admin", self._settings.http.admin, reactor)
        self.workers: Workers
        self._sockets: list[Listening] = []
        self._changes = Changes(time.time)

    def startService(self) -> None:
        settings = self._settings
        self._sockets = sockets = self._bind(settings)
        self.workers = Workers(self._reactor, run_by(settings), sockets)
        self.workers.told = lambda what, is_bad: self._changes.note(WORKERS, what, is_bad=is_bad)
        self.workers.setServiceParent(self)
        self._reactor.callWhenRunning(heed, self._reactor, signal.SIGUSR1, self.workers.reopen_logs)
        self._reactor.callWhenRunning(heed, self._reactor, signal.SIGHUP, self._reread)
        pages = self._pages(self.workers)
        ui = self._ui(pages)
        self.addService(ui)
        app = admin_app(self._reactor, pages, ui.pages)
        for endpoint in self._admin_on:
            _AdminPort(endpoint, web_site(app, http_limits(settings.http))).setServiceParent(self)
        for each in sockets:
            _say("public", each.address)
        super().startService()

    def stopService(self) -> Deferred[Any]:
        """The admin port answers until the last worker has ended."""
        ended = maybeDeferred(self.workers.disownServiceParent)
        return ended.addCallback(lambda _: MultiService.stopService(self))

    def _reread(self) -> None:
        try:
            wanted = self._read_settings()
            check_settings(wanted, self._reactor)
        except ConfigError as error:
            tell_refused(error, self._changes)
            return
        # There is no step between workers and this process alone.
        kept = _AT_START if wanted.lifecycle.workers else (*_AT_START, "lifecycle.workers")
        step = step_to(self._settings, wanted, lambda each: each.full_name not in kept)
        self.workers.replace(run_by(step.settings)).addCallback(self._replaced, step)

    def _replaced(self, are_new: bool, step: Step) -> None:
        if are_new:
            self._settings = step.settings
            tell_step(step, self._changes)

    def _bind(self, settings: Settings) -> list[Listening]:
        try:
            return bind(self._reactor, settings.http.listen)
        except OSError as error:
            raise SystemExit(f"tgw: http.listen: {error}") from None
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise SystemExit(f"tgw: http.listen: not a Twisted endpoint string ({error})") from None

    def _pages(self, workers: Workers) -> AdminPages:
        settings = self._settings

        def page(name: str, join: Callable[[Any], Page]) -> Callable[[], Deferred[Page]]:
            return lambda: workers.ask(name).addCallback(join)

        def view(name: str, join: Callable[[Mapping[int, Page | None]], Page]) -> View:
            return lambda about: workers.ask(f"{name} {about}").addCallback(_answers).addCallback(join)

        def action(name: str) -> Callable[[str], Deferred[Page]]:
            return lambda about: workers.ask(f"{name} {about}").addCallback(_carried_out)

        return AdminPages(
            page("health", worker_pages.health),
            page("ready", worker_pages.ready),
            page("services", worker_pages.services),
            page("routes", worker_pages.first),
            {name: action(name) for name in ("allow", "rollback")},
            metrics=JoinedMetrics(
                self._reactor, lambda: workers.ask("metrics all"), [lambda: of_workers(workers), of_process]
            ).text,
            openapi=from_process(lambda asked, within: workers.ask_one(f"openapi {asked}", within)),
            views={
                "overview": view("overview", worker_pages.overview),
                "service": view("service", worker_pages.service),
                "idl": view("idl", worker_pages.first),
                "log": lambda kind: (
                    workers.ask(f"log {kind}").addCallback(_answers).addCallback(self._log, kind or None)
                ),
            },
            explaining=of_processes(workers, settings.http.explain_secret, settings.upstream.deadline + WITHIN),
        )

    def _log(self, answers: Mapping[int, Page | None], kind: str | None) -> Page:
        """With what happened to the workers, which they do not know themselves."""
        page = worker_pages.log(answers)
        return page and {**page, "changes": newest_of(page["changes"], self._changes.newest(kind=kind))}

    def _ui(self, pages: AdminPages) -> _Pages:
        settings, workers = self._settings, self.workers
        within = settings.upstream.deadline + 1

        def public(request: Request) -> Deferred[Response]:
            return workers.ask_one(f"public {asked(request)}", within).addCallback(answered)

        drawing = Background(self._reactor, "pages")
        return _Pages(
            Ui(
                self._reactor,
                pages.views,
                pages.actions,
                considerately(drawing.run),
                public,
                lambda: public_address([each.text for each in self._sockets], [each.address for each in self._sockets]),
                settings.http.admin_names,
                pages.explaining.explain if pages.explaining else None,
            ),
            drawing,
        )


def _answers(pages: Mapping[int, Page | None]) -> dict[int, Page | None]:
    """Without those that could not say anything, and said why."""
    return {pid: None if page is None or "error" in page else page for pid, page in pages.items()}


def _carried_out(answers: Mapping[int, Page | None]) -> Page:
    """What the workers say that carried an order out; raises NotKept if one did not."""
    refusals = [
        answer["error"] if answer else f"worker {pid} said nothing"
        for pid, answer in answers.items()
        if not answer or "error" in answer
    ]
    if refusals or not answers:
        raise NotKept("; ".join(dict.fromkeys(refusals)) or "no worker runs")
    return next(answer for answer in answers.values() if answer)


class _Pages(Service):
    """:ivar pages: those for people, drawn while this runs."""

    def __init__(self, pages: Ui, drawing: Background) -> None:
        self.pages = pages
        self._drawing = drawing

    def startService(self) -> None:
        super().startService()
        self._drawing.start()

    def stopService(self) -> None:
        super().stopService()
        self.pages.stop()
        self._drawing.stop()


class _AdminPort(Service):
    def __init__(self, endpoint: Any, site: Any) -> None:
        self._endpoint = endpoint
        self._site = site
        self._port: Any = None

    def startService(self) -> None:
        super().startService()
        failures: list[Any] = []
        self._endpoint.listen(self._site).addCallbacks(self._listens, failures.append)
        if failures:
            raise SystemExit(f"tgw: http.admin: {failures[0].getErrorMessage()}")

    def stopService(self) -> Any:
        super().stopService()
        return self._port and self._port.stopListening()

    def _listens(self, port: Any) -> None:
        self._port = port
        _say("admin", port.getHost())


def _say(what: str, address: IAddress) -> None:
    log.info("{what} port: {address}", what=what, address=describe_address(address))
