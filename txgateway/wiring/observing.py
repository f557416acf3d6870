"""What is kept of requests: counts, lines of the access log, and the ids that they are told apart by."""

from __future__ import annotations

import secrets
import signal
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from ..config import ConfigError, LogSettings, Settings
from ..core.annotations import Failure as FailedRule
from ..core.enforcement import ObservedRules
from ..core.errors import GatewayError
from ..core.metrics.requests import RequestCounts
from ..core.request_id import RequestIds
from ..filters.ledger import Ledger, Observer
from ..net.log_file import LogFile
from ..net.signals import heed
from .making import access_log, id_header, start_log_file

log = Logger()


class Observing:
    """
    :ivar id_header: where a request's id comes and goes.
    :ivar ledger: the filter that tells the observers of each request.
    :ivar counts: of the methods; None: they are not counted.
    :ivar rules: what the rules would have refused that are watched only.
    :ivar refused: what the listener refused, by the kind of failure.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._reactor = reactor
        self._settings = settings.log
        self._log_file = LogFile(reactor, settings.log.access_file) if settings.log.access_file else None
        self._access_log = access_log(settings.log, reactor, self._log_file)
        self._others: list[Observer] = []
        self._observers: list[Observer] = []
        self.counts = RequestCounts() if settings.metrics.requests else None
        self.rules = ObservedRules()
        self.refused: Counter[str] = Counter()
        self.id_header = id_header(settings.http)
        # 40 bits tell the processes of one installation apart.
        ids = RequestIds(self.id_header, f"{secrets.token_hex(5)}-")
        self.ledger = Ledger(reactor.seconds, ids.next_for, self._observers)
        self._observe()

    def tell(self, observer: Observer) -> None:
        """Of the end of each request, after all others."""
        self._others.append(observer)
        self._observe()

    def open(self) -> None:
        """Raises SystemExit if the access log cannot be written."""
        try:
            start_log_file(self._log_file)
        except ConfigError as error:
            raise SystemExit(f"tgw: {error}") from None
        self._end_heeding = heed(self._reactor, signal.SIGUSR1, self._reopen)

    def close(self) -> Deferred[None]:
        """Fires when every line is written."""
        if self._access_log is not None:
            self._access_log.flush()
        self._end_heeding()
        return succeed(None) if self._log_file is None else self._log_file.stop()

    def log_by(self, settings: LogSettings) -> None:
        """Write the access log by these settings from now on; raises ConfigError, and all stays as it was."""
        if settings == self._settings:
            return
        old, file = self._log_file, self._log_file
        if settings.access_file != self._settings.access_file:
            file = LogFile(self._reactor, settings.access_file) if settings.access_file else None
            start_log_file(file)
        if self._access_log is not None:
            self._access_log.flush()
        self._settings, self._log_file = settings, file
        self._access_log = access_log(settings, self._reactor, file)
        self._observe()
        if old is not None and old is not file:
            old.stop()

    @property
    def lines_dropped(self) -> int | None:
        """Lines of the access log that found no room; None: it has no file of its own."""
        return None if self._log_file is None else self._log_file.dropped

    def count_refused(self, error: GatewayError) -> None:
        self.refused[error.kind] += 1

    def rule_observed(self, service: str, method: str, rule: FailedRule) -> None:
        """A rule that is watched only would have refused a request."""
        self.rules.count(service, method, rule)
        log.info(
            "{service} {method}: observed: {field}: {rule}",
            service=service,
            method=method,
            field=rule.path,
            rule=rule.rule,
        )

    def _observe(self) -> None:
        kept = (self.counts, self._access_log, *self._others)
        # The ledger holds this list.
        self._observers[:] = [each for each in kept if each is not None]

    def _reopen(self) -> None:
        if self._log_file is not None:
            self._log_file.reopen()
