"""Every family of metrics that is the gateway's own."""

from __future__ import annotations

from . import COUNTER, GAUGE, GREATEST, HISTOGRAM, LEAST, Family

_METHOD = ("service", "method")

INFO = Family("tgw_info", GAUGE, "Always 1; the labels say what runs", ("version", "http_server"), GREATEST)

# Requests. What no route fits has neither service nor method.
REQUESTS = Family("tgw_requests_total", COUNTER, "Requests answered, by status", (*_METHOD, "code"))
DURATIONS = Family(
    "tgw_request_duration_seconds",
    HISTOGRAM,
    "From a request that has been read to its answer",
    _METHOD,
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
IN_FLIGHT = Family("tgw_requests_in_flight", GAUGE, "Requests that are not answered yet")
FAILURES = Family(
    "tgw_failures_total",
    COUNTER,
    "Requests answered with a failure, by its kind as in the problem document, and by whose fault it is",
    (*_METHOD, "failure", "fault"),
)
REFUSALS = Family(
    "tgw_validation_refusals_total", COUNTER, "Failures of a rule that refused a request", (*_METHOD, "rule")
)
OBSERVED = Family(
    "tgw_validation_observed_total", COUNTER, "Failures of a rule that is only observed", (*_METHOD, "rule")
)

# Calls to services.
CALLS = Family(
    "tgw_upstream_calls_total",
    COUNTER,
    "Calls, all tries together: answered, or the kind of failure",
    (*_METHOD, "outcome"),
)
TRIES = Family(
    "tgw_upstream_tries_total",
    COUNTER,
    "Calls given to an instance: answered, or the kind of failure",
    (*_METHOD, "outcome"),
)
UPSTREAM_SECONDS = Family(
    "tgw_upstream_seconds_total", COUNTER, "Time from the first try of a call to the end of its last", _METHOD
)
INSTANCES = Family("tgw_instances", GAUGE, "Instances by state", ("service", "state"), GREATEST)
INSTANCE_CALLS = Family("tgw_instance_calls_total", COUNTER, "Calls given to an instance", ("service", "address"))
CALLS_IN_FLIGHT = Family("tgw_upstream_calls_in_flight", GAUGE, "Calls that are not answered yet", ("service",))
CALLS_WAITING = Family("tgw_upstream_calls_waiting", GAUGE, "Of these, calls that wait for a connection", ("service",))
CONNECTIONS = Family("tgw_upstream_connections", GAUGE, "Connections to instances, by state", ("service", "state"))
BREAKERS = Family("tgw_breakers", GAUGE, "Circuit breakers by state", ("service", "of", "state"), GREATEST)

# Where instances and routes come from.
DISCOVERY_CONNECTED = Family("tgw_discovery_connected", GAUGE, "1 while etcd is heard of", ("prefix",), LEAST)
DISCOVERY_REVISION = Family(
    "tgw_discovery_revision", GAUGE, "The revision of etcd that is known", ("prefix",), GREATEST
)
DISCOVERY_AGE = Family("tgw_discovery_age_seconds", GAUGE, "Since etcd was last heard of", ("prefix",), GREATEST)
DISCOVERY_RECONNECTS = Family("tgw_discovery_reconnects_total", COUNTER, "Connections to etcd that broke", ("prefix",))
DISCOVERY_SNAPSHOTS = Family(
    "tgw_discovery_snapshots_total", COUNTER, "Times that everything was read anew", ("prefix",)
)
MAPPING_GENERATION = Family("tgw_mapping_generation", GAUGE, "How many mappings have been served", (), GREATEST)
MAPPING_SERVICES = Family("tgw_mapping_services", GAUGE, "Services that are served", (), GREATEST)
MAPPING_ROUTES = Family("tgw_mapping_routes", GAUGE, "Routes that are served", (), GREATEST)
MAPPING_ERRORS = Family("tgw_mapping_errors", GAUGE, "Mistakes in the IDL as it is now", (), GREATEST)
MAPPING_KEPT = Family(
    "tgw_mapping_kept_services",
    GAUGE,
    "Services that are served in an earlier version, since the present one cannot be",
    (),
    GREATEST,
)
RELOADS = Family("tgw_mapping_reloads_total", COUNTER, "Loads after the first, by what came of them", ("outcome",))

# The process.
HTTP_REFUSED = Family(
    "tgw_http_refused_total",
    COUNTER,
    "What the listener refused before it was a request: more than its limits, or not HTTP",
    ("reason",),
)
LINES_DROPPED = Family("tgw_access_log_dropped_lines_total", COUNTER, "Lines that the disk did not take")
SPANS_DROPPED = Family("tgw_trace_dropped_spans_total", COUNTER, "Spans that the collector did not take")
WORKERS = Family("tgw_workers", GAUGE, "Processes that serve")
WORKER_RESTARTS = Family("tgw_worker_restarts_total", COUNTER, "Processes that ended unasked and were replaced")
