"""Say what has become of changed settings, in the log and on the page of changes."""

from __future__ import annotations

from twisted.logger import Logger

from ..config import ConfigError, Step
from ..core.pages.changes import CONFIG, Changes

log = Logger()


def tell_step(step: Step, changes: Changes) -> None:
    for name in step.waiting:
        log.warn("settings: {name} has changed, which waits for the next start", name=name)
    if step.taken:
        log.info("settings: {names} taken over", names=", ".join(step.taken))
        changes.note(CONFIG, f"settings are taken over: {', '.join(step.taken)}")
    elif not step.waiting:
        log.info("settings: read again, and nothing has changed")


def tell_refused(error: ConfigError, changes: Changes) -> None:
    """Say why settings stay as they were."""
    for complaint in error.complaints:
        log.error("settings: all stay as they were: {complaint}", complaint=complaint)
    changes.note(CONFIG, "changed settings are refused", details=[str(each) for each in error.complaints], is_bad=True)
