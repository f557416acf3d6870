"""A gateway in memory that the HTTP client of schemathesis can be told to use."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3.response import HTTPResponse

from tests.openapi.replies import Replies
from tests.recorded.front_door import FrontDoor
from txgateway.core.framing import Message
from txgateway.core.mapping import MappedService, join
from txgateway.core.openapi.document import About, Document

URL = "http://gateway"


class Door(BaseAdapter):
    """The whole gateway before a scripted service that answers at random.

    :ivar document: what it says of itself.
    :ivar requests: how many were sent.
    """

    def __init__(self, service: MappedService, seed: int, about: About) -> None:
        super().__init__()
        mapping, refused = join([service])
        assert not refused
        self.document = Document([service], mapping.routes, about).whole()
        self.requests = 0
        self._door = FrontDoor(mapping)
        replies = Replies(service.schema, seed)
        methods = {each.name: each for one in service.schema.services for each in one.methods}

        def answer(call: Message) -> bytes:
            return replies.to(methods[call.method.decode()])

        self._door.answers(answer)

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount(URL, self)
        return session

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.requests += 1
        parts = urlsplit(str(request.url))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = [(_bytes(name), _bytes(value)) for name, value in request.headers.items()]
        # The door counts the body itself.
        headers = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"connection")]
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
        answered = self._door.send(str(request.method), target.encode("ascii"), headers, body)
        return self._response(request, answered)

    def close(self) -> None:
        """Nothing is open."""

    def _response(self, request: requests.PreparedRequest, answered: Any) -> requests.Response:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answered.headers]
        response = requests.Response()
        response.status_code = answered.status
        response.headers.update(headers)
        response._content = answered.body
        response.request = request
        response.url = str(request.url)
        response.raw = HTTPResponse(body=answered.body, headers=dict(headers), status=answered.status)
        return response


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
