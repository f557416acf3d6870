"""A request leaves its marks: its id everywhere, a line in the log, numbers in the metrics, spans at the collector."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import pytest_twisted
import treq
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import LogLevel, globalLogPublisher

from tests.end_to_end.twistd import ROOT, BookProcess, GatewayProcess, request
from tests.end_to_end.waiting import wait_until
from tests.net.collector import Collector, attributes
from txgateway.config import ConfigError, Settings, merge
from txgateway.core.framing.ttheader import TTHeader
from txgateway.net import slices, tracing
from txgateway.testing import Conduct, ScriptedServer, free_port
from txgateway.wiring import GatewayService, build_gateway

WITHIN = 10
# A book with the ID 7.
BOOK = b"\x0c\x00\x00\x0b\x00\x01\x00\x00\x00\x017\x00\x00"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Running:
    def __init__(self, gateway: GatewayService) -> None:
        self.gateway = gateway

    async def stop(self) -> None:
        """All that waits to be written or sent is, then."""
        if self.gateway.running:
            await self.gateway.stopService()

    async def get(self, target: str = "/book/query?num=7", verb: str = "GET", body: bytes = b"", **headers: str):
        port = self.gateway.public.addresses[0].port
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await treq.request(
            verb, f"http://127.0.0.1:{port}{target}", headers=named, data=body, persistent=False, timeout=WITHIN
        )
        return response.code, response.headers, await response.content()

    async def metrics(self) -> dict[tuple, float]:
        """Every sample of ``/metrics``, by its name and the values of its labels."""
        port = self.gateway.admin_addresses[0].port
        response = await treq.get(f"http://127.0.0.1:{port}/metrics", persistent=False, timeout=WITHIN)
        assert response.headers.getRawHeaders("content-type") == ["text/plain; version=0.0.4; charset=utf-8"]
        families = text_string_to_metric_families((await response.content()).decode())
        return {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}


@pytest_twisted.async_yield_fixture
async def start():
    """A function that starts a gateway before services at these ports, with these settings."""
    running: list[Running] = []
    events: list = []
    globalLogPublisher.addObserver(events.append)

    def start(*ports: int, idl: Path = ROOT / "idl", **tables: dict) -> Running:
        free = ["tcp:0:interface=127.0.0.1"]
        given = {
            "http": {"listen": free, "admin": free},
            "mapping": {"idl": [str(idl)]},
            "discovery": {"static": [f"book=127.0.0.1:{port}" for port in ports]},
            "upstream": {"transport": "ttheader"},
        }
        gateway = build_gateway(merge(merge(Settings(), given), tables), reactor)
        gateway.startService()
        running.append(Running(gateway))
        return running[-1]

    yield start
    for each in running:
        await each.stop()
    globalLogPublisher.removeObserver(events.append)
    assert not [event for event in events if event["log_level"] >= LogLevel.error]


@pytest_twisted.async_yield_fixture
async def book():
    server = ScriptedServer({"queryBook": BOOK}, framing=TTHeader)
    yield await server.start(reactor)
    await server.stop()


@pytest_twisted.async_yield_fixture
async def collector(monkeypatch):
    monkeypatch.setattr(tracing, "SEND_AFTER", 0.01)
    collector = Collector()
    yield collector
    await collector.stop()


@pytest.fixture
def lines(tmp_path):
    """The lines of the access log, once there are so many."""

    async def lines(count: int) -> list[dict]:
        path = tmp_path / "access.log"
        for _ in range(500):
            found = path.read_text("utf-8").splitlines() if path.exists() else []
            if len(found) >= count:
                break
            await deferLater(reactor, 0.02)
        assert len(found) == count
        return [json.loads(line) for line in found]

    return lines


@pytest_twisted.ensureDeferred
async def test_the_id_of_a_request_is_in_its_answer_its_line_and_the_call(start, book, lines, tmp_path):
    gateway = start(book.instance.port, log={"access_file": str(tmp_path / "access.log")})
    _, headers, _ = await gateway.get(x_request_id="mine-1")
    assert headers.getRawHeaders("x-request-id") == ["mine-1"]
    _, headers, body = await gateway.get("/book/query?num=700&secret", x_request_id="not good")
    (made,) = headers.getRawHeaders("x-request-id")
    problem = json.loads(body)
    assert problem["request_id"] == made != "not good"
    _, headers, _ = await gateway.get("/nowhere/secret")
    (nowhere,) = headers.getRawHeaders("x-request-id")
    assert [message.info.strings["RPC_PERSIST_REQUEST_ID"] for message in book.received] == ["mine-1"]
    answered, refused, unknown = await lines(3)
    method = {"route": "/book/query", "service": "book", "method": "queryBook"}
    assert answered.items() >= {**method, "id": "mine-1", "status": 200, "tries": 1}.items()
    assert answered["instance"] == book.instance.address
    assert 0 < answered["upstream_ms"] < answered["ms"]
    assert refused.items() >= {**method, "id": made, "failure": "validation-failed", "fault": "client"}.items()
    assert "instance" not in refused
    assert unknown.items() >= {"id": nowhere, "status": 404, "failure": "not-found"}.items()
    assert "secret" not in str([answered, refused, unknown])


@pytest_twisted.ensureDeferred
async def test_the_log_goes_on_in_a_new_file_when_the_old_one_was_moved(start, book, lines, tmp_path):
    path = tmp_path / "access.log"
    gateway = start(book.instance.port, log={"access_file": str(path), "access_sample": 1.0})
    await gateway.get(x_request_id="old")
    await lines(1)
    path.rename(tmp_path / "access.log.1")
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(500):
        if path.exists():
            break
        await deferLater(reactor, 0.02)
    await gateway.get(x_request_id="new")
    (line,) = await lines(1)
    assert line["id"] == "new"


@pytest_twisted.ensureDeferred
async def test_a_log_file_that_cannot_be_opened_refuses_the_start(start, tmp_path):
    with pytest.raises(SystemExit, match=r"tgw: log\.access_file: .*nowhere.*: No such file"):
        start(log={"access_file": str(tmp_path / "nowhere" / "access.log")})


@pytest_twisted.ensureDeferred
async def test_requests_and_what_became_of_them_are_counted(start, book):
    gateway = start(book.instance.port, free_port())
    for number in (7, 7, 700):
        await gateway.get(f"/book/query?num={number}")
    await gateway.get("/nowhere")
    await gateway.get("/gateway/book/queryBook", "POST", b'{"Num": 7}')
    port = gateway.gateway.public.addresses[0].port
    await treq.get(f"http://127.0.0.1:{port}/{'x' * 9000}", persistent=False, timeout=WITHIN)
    shown = await gateway.metrics()
    method = ("book", "queryBook")
    rule = "$<100; msg:'num must less than 100'"
    expected = {
        ("tgw_requests_total", *method, "200"): 3,
        ("tgw_requests_total", *method, "400"): 1,
        ("tgw_requests_total", "", "", "404"): 1,
        ("tgw_request_duration_seconds_count", *method): 4,
        ("tgw_requests_in_flight",): 0,
        ("tgw_failures_total", *method, "validation-failed", "client"): 1,
        ("tgw_validation_refusals_total", *method, rule): 1,
        ("tgw_upstream_calls_total", *method, "answered"): 3,
        ("tgw_upstream_tries_total", *method, "answered"): 3,
        ("tgw_instance_calls_total", "book", book.instance.address): 3,
        ("tgw_instances", "book", "live"): 2,
        ("tgw_instances", "book", "ejected"): 0,
        ("tgw_upstream_connections", "book", "idle"): 1,
        ("tgw_http_refused_total", "uri-too-long"): 1,
        ("tgw_mapping_generation",): 1,
        ("tgw_mapping_routes",): 2,
        ("tgw_mapping_errors",): 0,
        ("tgw_mapping_reloads_total", "failed"): 0,
    }
    assert {key: shown.get(key) for key in expected} == expected
    assert shown["tgw_upstream_tries_total", *method, "connect-failed"] >= 1
    assert shown["process_cpu_seconds_total",] > 0


@pytest_twisted.ensureDeferred
async def test_requests_are_served_while_the_metrics_of_a_thousand_routes_are_told(start, book, tmp_path, monkeypatch):
    for number in range(100):
        methods = "\n".join(f'A m{m}(1: A a) (api.get="/s{number}/m{m}")' for m in range(10))
        (tmp_path / f"s{number}.thrift").write_text(f"struct A {{}}\nservice S {{\n{methods}\n}}\n")
    shutil.copy(ROOT / "idl" / "book.thrift", tmp_path)
    gateway = start(book.instance.port, idl=tmp_path)
    for number in range(100):
        assert (await gateway.get(f"/s{number}/m7"))[0] == 503
    # Each step is as long as a slice: whatever takes one of the reactor's turns alone leaves others to requests.
    monkeypatch.setattr(slices, "SLICE", 0.0)
    scrape = Deferred.fromCoroutine(gateway.metrics())
    served = 0
    while not scrape.called:
        assert (await gateway.get())[0] == 200
        served += 1
    shown = await scrape
    assert {key[1] for key in shown if key[0] == "tgw_requests_total"} >= {f"s{number}" for number in range(100)}
    assert shown["tgw_mapping_routes",] == 1_002
    # In one go it would be one, or two.
    assert served > 2


@pytest_twisted.ensureDeferred
async def test_without_metrics_requests_are_not_counted(start, book):
    gateway = start(book.instance.port, metrics={"requests": False})
    await gateway.get()
    shown = await gateway.metrics()
    assert not [key for key in shown if key[0].startswith("tgw_request_") or key[0] == "tgw_requests_total"]
    assert shown["tgw_instance_calls_total", "book", book.instance.address] == 1


@pytest_twisted.ensureDeferred
async def test_a_trace_goes_from_the_client_to_the_service(start, book, collector):
    gateway = start(book.instance.port, tracing={"endpoint": collector.endpoint, "sample": 0.0})
    # Without a trace of its client nothing is recorded here, and the service hears so.
    await gateway.get()
    await gateway.get(traceparent=PARENT, tracestate="a=1", x_request_id="mine-1")
    await gateway.get("/book/query?num=700", traceparent=PARENT)
    await gateway.stop()
    quiet, traced = (message.info.strings for message in book.received)
    assert quiet["RPC_TRANSIT_traceparent"].endswith("-00")
    call, request, refused = collector.spans
    assert {span.trace_id.hex() for span in collector.spans} == {PARENT[3:35]}
    assert request.parent_span_id.hex() == PARENT[36:52]
    assert call.parent_span_id == request.span_id
    assert traced["RPC_TRANSIT_traceparent"] == f"00-{PARENT[3:35]}-{call.span_id.hex()}-01"
    assert traced["RPC_TRANSIT_tracestate"] == "a=1"
    assert [span.name for span in collector.spans] == ["book/queryBook", "GET /book/query", "GET /book/query"]
    assert attributes(request)["tgw.request_id"] == "mine-1"
    assert attributes(call)["server.port"] == book.instance.port
    assert attributes(refused)["http.response.status_code"] == 400
    assert request.start_time_unix_nano <= call.start_time_unix_nano < call.end_time_unix_nano


@pytest_twisted.ensureDeferred
async def test_a_collector_that_never_answers_or_is_not_there_costs_no_request(start, book, collector, monkeypatch):
    monkeypatch.setattr(tracing, "SEND_WITHIN", 0.5)
    collector.status = None
    away = f"http://127.0.0.1:{free_port()}/v1/traces"
    slow, gone = (
        start(book.instance.port, tracing={"endpoint": each, "sample": 1.0}) for each in (collector.endpoint, away)
    )
    held = collector.next()
    assert (await slow.get())[0] == 200
    await held
    # The collector holds what it was sent, and goes on to.
    for gateway in (slow, gone):
        for _ in range(20):
            assert (await gateway.get())[0] == 200
    await gone.stop()
    await slow.stop()
    assert [gateway.gateway._spans.dropped for gateway in (slow, gone)] == [42, 40]


@pytest_twisted.ensureDeferred
async def test_each_try_is_in_the_trace(start, book, collector):
    book.script["queryBook"] = Conduct.CLOSE
    gateway = start(
        book.instance.port,
        tracing={"endpoint": collector.endpoint, "sample": 1.0},
        policy={"retries": 1, "retry_budget": 1.0},
    )
    status, _, _ = await gateway.get()
    assert status == 502
    await gateway.stop()
    *tries, request = collector.spans
    assert [attributes(span)["error.type"] for span in tries] == ["connection-closed", "connection-closed"]
    assert {span.parent_span_id for span in tries} == {request.span_id}
    heard = [message.info.strings["RPC_TRANSIT_traceparent"].split("-")[2] for message in book.received]
    assert heard == [span.span_id.hex() for span in tries]


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"tracing": {"endpoint": "127.0.0.1:4318"}}, "tracing.endpoint: expected a URL of http or https, got "),
        ({"http": {"request_id": "X Id"}}, "http.request_id: 'X Id' is no name of a header"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_setting(tables, says):
    with pytest.raises(ConfigError) as caught:
        build_gateway(merge(Settings(), tables), reactor)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("verb", "target", "headers", "status", "failure"),
    [
        ("GET", "/book/qeury?num=7", {}, 404, "not-found"),
        ("DELETE", "/book/query?num=7", {}, 405, "verb-not-allowed"),
        ("POST", "/book/insert", {"content_type": "text/csv"}, 415, "unsupported-body"),
        ("GET", "/book/query?num=abc", {}, 400, "bad-request"),
        ("POST", "/book/insert", {"content_type": "application/json"}, 400, "bad-request"),
        ("GET", "/book/query?num=7", {}, 503, "no-instance"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_every_failure_is_json_that_names_the_request_and_is_counted(
    start, verb, target, headers, status, failure
):
    gateway = start()
    got, head, body = await gateway.get(target, verb, b"{broken" if verb == "POST" else b"", **headers)
    problem = json.loads(body)
    assert got == problem["status"] == status
    assert head.getRawHeaders("content-type") == ["application/problem+json"]
    assert head.getRawHeaders("x-request-id") == [problem["request_id"]]
    assert problem["type"] == f"urn:txgateway:problem:{failure}"
    assert (head.getRawHeaders("retry-after") is not None) is (status == 503)
    for internal in ("Traceback", "twisted", "127.0.0.1", "orjson", "int()", "File "):
        assert internal not in str(problem)
    shown = await gateway.metrics()
    assert [key[3] for key in shown if key[0] == "tgw_failures_total"] == [failure]
    # Nobody has to be asked why: there is no instance.
    assert shown["tgw_instances", "book", "live"] == 0


SECRET = """
struct Login { 1: i32 pin (api.path="pin", tgw.sensitive="true") }
struct Ack {}
service Login_ { Ack login(1: Login login) (api.get="/login/:pin") }
"""


@pytest_twisted.ensureDeferred
async def test_what_is_sensitive_is_nowhere(start, tmp_path, lines, collector):
    idl = tmp_path / "idl"
    idl.mkdir()
    (idl / "login.thrift").write_text(SECRET)
    events: list = []
    globalLogPublisher.addObserver(events.append)
    gateway = start(
        idl=idl,
        log={"access_file": str(tmp_path / "access.log")},
        tracing={"endpoint": collector.endpoint, "sample": 1.0},
    )
    answers = [await gateway.get(f"/login/{pin}") for pin in ("47x11", "99999999994711", "4711")]
    assert [status for status, _, _ in answers] == [400, 400, 503]
    shown = await gateway.metrics()
    await gateway.stop()
    globalLogPublisher.removeObserver(events.append)
    told = [*answers, await lines(3), shown, collector.batches, events]
    for secret in ("47x11", "4711"):
        assert secret not in str(told)


@pytest.mark.slow
def test_workers_are_shown_as_one_and_what_one_has_counted_outlives_it(tmp_path):
    path = tmp_path / "access.log"
    (tmp_path / "tgw.toml").write_text(f'log.access_file = "{path}"\nlifecycle.workers = 2\n')
    with (
        BookProcess() as book,
        GatewayProcess("--config", str(tmp_path / "tgw.toml"), "--static", f"book={book.address}") as gateway,
    ):

        def metrics() -> dict[tuple, float]:
            text = request(gateway.admin_port, "GET", "/metrics").body.decode()
            return {
                (sample.name, *sample.labels.values()): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }

        wait_until(lambda: metrics().get(("tgw_workers",)) == 2)
        for _ in range(20):
            assert gateway.get("/book/query?num=7").status == 200
        answered = ("tgw_requests_total", "book", "queryBook", "200")
        shown = metrics()
        assert shown[answered] == 20
        assert shown["tgw_instances", "book", "live"] == 1
        assert len(wait_until(lambda: len(path.read_text().splitlines()) == 20 and path.read_text().splitlines())) == 20
        # All is written into the new file once the owner of the workers is told.
        path.rename(tmp_path / "access.log.1")
        gateway.process.send_signal(signal.SIGUSR1)
        wait_until(path.exists)
        (victim, *_) = gateway.admin("/healthz")["workers"]
        os.kill(int(victim), signal.SIGKILL)
        wait_until(lambda: metrics().get(("tgw_worker_restarts_total",)) == 1)
        wait_until(lambda: metrics()["tgw_workers",] == 2)
        gateway.get("/book/query?num=7", x_request_id="new")
        assert metrics()[answered] == 21
        (line,) = wait_until(lambda: path.read_text().splitlines())
        assert json.loads(line)["id"] == "new"
        assert len((tmp_path / "access.log.1").read_text().splitlines()) == 20
        assert gateway.tracebacks == []
