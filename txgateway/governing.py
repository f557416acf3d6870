"""Settings to policies: what stands around the calls of a method, and how instances are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from . import config
from .config import ConfigError, Settings
from .core.balancing import balancers
from .core.framing import framings
from .core.health.breaker import Breaker, BreakerSettings
from .core.health.ejection import EjectionSettings
from .core.health.standing import Governance
from .core.policy import Choice, Policies, Policy, PolicyError
from .core.retrying import Budget, Savings
from .net.checks import Checks, answers, connects
from .net.upstream import Send, Upstream
from .policies import CallPolicy, compose
from .policies.backup import backup
from .policies.circuit import circuit
from .policies.retry import retry
from .policies.try_timeout import try_timeout


def nobody(breaker: Breaker) -> None:
    """Wants to know of no breaker."""


def call_policies(
    policy: Policy, settings: Settings, reactor: Any, random: Random, told: Callable[[Breaker], None] = nobody
) -> list[CallPolicy]:
    """What stands around the calls of one method, outermost first; the upstream's own delivery stands in the middle.

    :param told: of the method's breaker, if it has one.
    """
    policies: list[CallPolicy] = []
    share = settings.policy.retry_budget
    if policy.backup_after:
        # Around retries: a first call that is being repeated is as slow as one that waits.
        policies.append(backup(policy, Budget(share), reactor))
    if policy.retries:
        policies.append(retry(policy, Budget(share), reactor, random))
    if settings.breaker.per_method:
        # Sees each try, and lets none through once it is open, whoever repeats it.
        breaker = Breaker(_breaker(settings.breaker))
        told(breaker)
        policies.append(circuit(breaker, reactor))
    if policy.timeout:
        # Each try has its own time, which begins before an instance is picked.
        policies.append(try_timeout(policy.timeout, reactor.seconds))
    return policies


def sender(
    upstream: Upstream,
    policy: Policy,
    settings: Settings,
    reactor: Any,
    told: Callable[[Breaker], None] = nobody,
    innermost: Sequence[CallPolicy] = (),
) -> Send:
    """The policies of a method, around an upstream; see :func:`call_policies`.

    :param innermost: stand inside of all others.
    """
    policies = [*call_policies(policy, settings, reactor, Random(), told), *innermost]
    return compose(policies, _delivery(upstream, policy, settings))


def _delivery(upstream: Upstream, policy: Policy, settings: Settings) -> Send:
    if policy.retries or not (policy.idempotent and policy.repeats_lost):
        return upstream.deliver
    savings = Savings(settings.policy.retry_budget)
    return lambda call: upstream.deliver(call, savings)


def policies_from(settings: Settings) -> Policies:
    """What gives each method its policy; raises ConfigError."""
    policy = settings.policy
    defaults = Policy(
        choice=Choice(settings.upstream.balancer),
        timeout=policy.timeout,
        retries=policy.retries,
        repeats_lost=policy.repeat_lost,
        retry_on=frozenset(policy.retry_on),
        backoff=(policy.backoff_min, policy.backoff_max),
        validate=policy.validate,
    )
    try:
        known = Policies(defaults, frozenset(policy.safe_verbs), frozenset(balancers), frozenset(framings))
        return known.checked(policy.methods)
    except PolicyError as error:
        raise ConfigError(*(f"policy.methods.{each}" for each in error.complaints)) from None


def governance_from(settings: Settings) -> Governance:
    health = settings.health
    ejection = EjectionSettings(
        consecutive=health.consecutive_failures,
        consecutive_unanswered=health.consecutive_unanswered,
        deviations=health.deviations,
        failure_share=health.failure_share,
        min_instances=health.min_instances,
        min_calls=health.min_calls,
        interval=health.interval,
        base=health.ejection_time,
        longest=health.max_ejection_time,
        share=health.max_ejected,
    )
    return Governance(
        zone=settings.upstream.zone,
        slow_start=settings.upstream.slow_start,
        ejection=ejection if health.ejection else None,
        breaker=_breaker(settings.breaker) if settings.breaker.per_instance else None,
        panic=health.panic,
    )


def checks_of(upstream: Upstream, settings: Settings, reactor: Any) -> Checks | None:
    """The checks of an upstream's instances, where there are to be any; raises ConfigError."""
    health = settings.health
    method, within = health.check_methods.get(upstream.service), health.check_timeout
    if method is None and not health.check:
        return None
    probe = connects(reactor)
    if method is not None:
        probe = answers(str(method), upstream.service, upstream.open, lambda: reactor.seconds() + within)
    return Checks(reactor, Random(), health.check_interval, within, probe, upstream.checked)


def _breaker(settings: config.BreakerSettings) -> BreakerSettings:
    return BreakerSettings(settings.error_rate, settings.min_calls)
