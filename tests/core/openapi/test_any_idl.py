"""Documents of services of any shape: valid, and true of whatever they answer."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.core.codec.any_idl import idls, replies
from tests.core.idl_schemas import SCALE
from tests.mapped import answer, service_of
from txgateway.core.errors import GatewayError, IdlError
from txgateway.core.mapping import MappedService, join
from txgateway.core.message import Response
from txgateway.core.openapi.document import About, Document


def mapped(idl: str) -> MappedService | None:
    try:
        return service_of(idl)
    except IdlError:
        return None


def documents(service: MappedService) -> tuple[dict[str, Any], bytes]:
    """The document twice: as values and as text."""
    mapping, _ = join([service])
    about = About(calls=True)
    whole = Document([service], mapping.routes, about).whole()
    return whole, b"".join(Document([service], mapping.routes, about).text())


@settings(
    max_examples=15 * SCALE,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(idls(), st.data())
def test_a_document_is_valid_and_true_of_answers(idl, data):
    service = mapped(idl)
    if service is None:
        return
    document, text = documents(service)
    assert json.loads(text) == document
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    (route,) = service.routes
    ((_, item),) = [pair for pair in document["paths"].items() if not pair[0].startswith("/gateway/")]
    for payload in data.draw(st.lists(replies(service.schema, 0), min_size=1, max_size=3)):
        try:
            answered = answer(route.plan, payload)
        except GatewayError:
            continue
        assert fits(document, item["post"]["responses"], answered), (idl, answered)


def fits(document: dict[str, Any], responses: dict[str, Any], answered: Response) -> bool:
    """Whether an answer is one of those that are described."""
    described = responses.get(str(answered.status), responses["default"])
    if not answered.body and "content" not in described:
        return True
    media_type = dict(answered.headers)[b"content-type"].decode().partition(";")[0]
    content = described["content"].get(media_type, described["content"].get("*/*"))
    if content is None:
        return False
    if media_type != "application/json" or "schema" not in content:
        return True
    schema = {**content["schema"], "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema).is_valid(json.loads(answered.body))
