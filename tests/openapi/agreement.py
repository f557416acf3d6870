"""Whether requests that a document allows are taken, others refused, and answers are as it says: schemathesis asks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.openapi.checks import RejectedPositiveData

Json = dict[str, Any]

# Another one finds others: `TGW_SEED=2 TGW_FUZZ=20` asks 20 times as often.
SEED = int(os.environ.get("TGW_SEED", "1"))

# How a declared exception is told from a failure.
EXCEPTION = "x-thrift-exception"


class Agreement:
    """One gateway and its document.

    :param url: where the gateway is.
    :ivar statuses: how often each was answered, by mode.
    """

    def __init__(self, document: Json, url: str, session: requests.Session) -> None:
        self.document = document
        self._schema = schemathesis.openapi.from_dict(document)
        self._schema.config.update(base_url=url)
        self._schema.hook("map_body")(lambda context, body: _whole(body))
        self._session = session
        self.statuses: dict[GenerationMode, Counter[int]] = {mode: Counter() for mode in GenerationMode}

    @property
    def operations(self) -> list[str]:
        return [found.ok().label for found in self._schema.get_all_operations()]

    def differences(self, label: str, mode: GenerationMode, examples: int) -> list[str]:
        """What differs when so many requests are sent to an operation: allowed ones, or others."""
        (operation,) = [o for found in self._schema.get_all_operations() if (o := found.ok()).label == label]
        found: list[str] = []

        @seed(SEED)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            response = case.call(session=self._session)
            self.statuses[mode][response.status_code] += 1
            found.extend(self._judge(case, response))

        try:
            ask()
        except Unsatisfiable:
            # It takes anything, so there is nothing that it refuses.
            assert mode is GenerationMode.NEGATIVE
        return found

    def _judge(self, case: Any, response: Any) -> Iterator[str]:
        if response.status_code >= 500 and EXCEPTION not in response.headers:
            yield f"{response.status_code}: {response.text}"
        try:
            # A declared exception may have any status.
            case.validate_response(response, excluded_checks=[not_a_server_error])
        except FailureGroup as group:
            for failure in group.exceptions:
                if not self._is_expected(failure, case, response):
                    yield f"{failure}\n{case.as_curl_command()}\n{response.status_code}: {response.text}"

    def _is_expected(self, failure: BaseException, case: Any, response: Any) -> bool:
        """Whether it is what docs/openapi.md says that no document can say."""
        if isinstance(failure, RejectedPositiveData):
            # A service may say no for its own reasons, and a rule that no schema says all of for its.
            is_ours = response.headers.get("content-type") == ["application/problem+json"]
            is_rule = is_ours and "validation-failed" in response.text
            return not is_ours or (is_rule and has_words(self.document, case.operation.definition.raw))
        return isinstance(failure, AcceptedNegativeData) and _sends_nothing(case, response.request)


def _sends_nothing(case: Any, request: Any) -> bool:
    """Whether a parameter is empty or the body null, which is as good as none."""
    if request.body == b"null":
        return True
    headers = {parameter.name for parameter in case.operation.headers}
    query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    sent = [*query, *((name, value) for name, value in request.headers.items() if name in headers)]
    return any(not value for _, value in sent)


def has_words(document: Json, part: Any, seen: frozenset[str] = frozenset()) -> bool:
    """Whether rules stand in a part of the document, or in what it refers to, that no schema says all of."""
    if isinstance(part, list):
        return any(has_words(document, each, seen) for each in part)
    if not isinstance(part, dict):
        return False
    if any(not line["in_schema"] for line in part.get("x-tgw-rule", ())):
        return True
    reference = part.get("$ref")
    if isinstance(reference, str) and reference not in seen and reference.startswith("#/components/schemas/"):
        named = document["components"]["schemas"][reference.rpartition("/")[2]]
        return has_words(document, named, seen | {reference})
    return any(has_words(document, each, seen) for each in part.values())


def _whole(body: Any) -> Any:
    """With each whole number written as one: to JSON Schema ``1.0`` is the integer 1, to the gateway it is a double."""
    match body:
        case dict():
            return {name: _whole(value) for name, value in body.items()}
        case list():
            return [_whole(value) for value in body]
        case float() if body.is_integer():
            return int(body)
    return body
