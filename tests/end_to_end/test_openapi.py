"""The document of a running gateway before real Book services: as it is served, and as it is meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.generation import GenerationMode

from tests.core.idl_schemas import SCALE
from tests.end_to_end.twistd import BookProcess, GatewayProcess, request
from tests.openapi.agreement import Agreement
from txgateway.testing import free_port

pytestmark = pytest.mark.slow

EXAMPLES = 10 * SCALE


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[GatewayProcess]:
    port = free_port()
    config = tmp_path_factory.mktemp("gateway") / "gateway.toml"
    config.write_text("[openapi]\npublic = true\ncalls = true\n")
    listen = ("--listen", f"tcp:{port}:interface=127.0.0.1")
    with BookProcess(*listen), GatewayProcess("--static", f"book=127.0.0.1:{port}*1", "--config", str(config)) as place:
        yield place


def test_both_ports_serve_it(gateway):
    here = request(gateway.admin_port, "GET", "/openapi.json")
    assert (here.status, here.headers["content-type"]) == (200, "application/json")
    there = gateway.get("/openapi.json?service=book")
    assert here.json["servers"] == [{"url": f"http://127.0.0.1:{gateway.port}"}]
    assert {**there.json, "servers": here.json["servers"]} == here.json
    assert list(OpenAPIV31SpecValidator(here.json).iter_errors()) == []
    assert gateway.get("/openapi.json?service=x").status == 404
    assert request(gateway.admin_port, "GET", "/openapi.json?service=x").status == 404


def test_who_has_it_is_told_so_by_either_port(gateway):
    for port in (gateway.admin_port, gateway.port):
        tag = request(port, "GET", "/openapi.json").headers["etag"]
        again = request(port, "GET", "/openapi.json", If_None_Match=f"W/{tag}")
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in again.headers
        of_one = request(port, "GET", "/openapi.json?service=book", If_None_Match='"other"')
        assert (of_one.status, of_one.headers["cache-control"]) == (200, "no-cache")


def test_workers_make_it_for_the_process_that_owns_them(gateway):
    with GatewayProcess("--workers", "1") as owner:
        owner.get("/")  # Answered once a worker serves.
        answer = request(owner.admin_port, "GET", "/openapi.json")
        document, tag = answer.json, answer.headers["etag"]
        assert request(owner.admin_port, "GET", "/openapi.json", If_None_Match=tag).status == 304
        served = request(gateway.admin_port, "GET", "/openapi.json").json
        # Without JSON calls, which were wanted there.
        assert document["paths"].keys() == {"/book/query", "/book/insert"} < served["paths"].keys()
        assert owner.get("/openapi.json").status == 404


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_document_and_gateway_agree(gateway, mode):
    document = request(gateway.admin_port, "GET", "/openapi.json").json
    with requests.Session() as session:
        agreement = Agreement(document, f"http://127.0.0.1:{gateway.port}", session)
        assert len(agreement.operations) == 4
        for label in agreement.operations:
            assert agreement.differences(label, mode, EXAMPLES) == []
    assert not gateway.tracebacks
