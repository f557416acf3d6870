"""What becomes of a request that fails its rules: refused at the first, refused with all, or only noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .annotations import Check, Failure
from .errors import ValidationFailed
from .policy import ALL, OBSERVE

# Takes a request struct's object; raises ValidationFailed, or does not.
Enforce = Callable[[Any], None]
# Is told of a failure that is let pass.
Observed = Callable[[Failure], None]


def compile_enforcement(mode: str, checks: Sequence[Check], observed: Observed) -> Enforce:
    """
    :param mode: of a policy: ``first``, ``all`` or ``observe``.
    :param checks: in the order in which they are asked; at least one.
    """
    if mode == OBSERVE:
        return _observe(checks, observed)
    return _refuse_with_all(checks) if mode == ALL else _refuse_at_the_first(checks)


def _refuse_at_the_first(checks: Sequence[Check]) -> Enforce:
    firsts = [check.first for check in checks]

    def enforce(request: Any) -> None:
        for first in firsts:
            failure = first(request)
            if failure is not None:
                raise ValidationFailed(failure.message, field=failure.path, rule=failure.rule)

    return enforce


def _refuse_with_all(checks: Sequence[Check]) -> Enforce:
    def enforce(request: Any) -> None:
        failures = [failure for check in checks for failure in check.all(request)]
        if failures:
            # Whoever reads but one finds the same as without the list.
            first = failures[0]
            errors = [{"field": each.path, "rule": each.rule, "detail": each.message} for each in failures]
            raise ValidationFailed(first.message, field=first.path, rule=first.rule, errors=errors)

    return enforce


def _observe(checks: Sequence[Check], observed: Observed) -> Enforce:
    def enforce(request: Any) -> None:
        for check in checks:
            for failure in check.all(request):
                observed(failure)

    return enforce


class ObservedRules:
    """How often each rule that is only observed was failed; by the IDL's own words, so no client can make it grow."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}

    def count(self, service: str, method: str, failure: Failure) -> None:
        key = (service, method, failure.rule)
        self._counts[key] = self._counts.get(key, 0) + 1

    def status(self) -> list[dict[str, Any]]:
        """A line for each such rule, for the admin page."""
        return [
            {"service": service, "method": method, "rule": rule, "failures": failures}
            for (service, method, rule), failures in self._counts.items()
        ]
