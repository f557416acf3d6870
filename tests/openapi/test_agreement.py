"""The document of a rich IDL against the gateway that serves it."""

from __future__ import annotations

from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.generation import GenerationMode

from tests.core.idl_schemas import SCALE
from tests.mapped import service_of
from tests.openapi.agreement import Agreement
from tests.openapi.door import URL, Door
from txgateway.core.openapi.document import About

pytestmark = pytest.mark.slow

SERVICE = service_of((Path(__file__).parent / "rich.thrift").read_text("utf-8"), "rich")
EXAMPLES = 5 * SCALE


@pytest.fixture(scope="module")
def agreement() -> Agreement:
    door = Door(SERVICE, 1, About(calls=True))
    return Agreement(door.document, URL, door.session())


def test_the_document_is_valid(agreement):
    assert list(OpenAPIV31SpecValidator(agreement.document).iter_errors()) == []


OPERATIONS = Agreement(Door(SERVICE, 1, About(calls=True)).document, URL, None).operations


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_document_and_gateway_agree(agreement, label, mode):
    assert agreement.differences(label, mode, EXAMPLES) == []
