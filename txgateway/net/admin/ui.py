"""The pages for people: at ``/`` and below ``/ui/`` of the admin port; programs have the JSON pages beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from klein import Klein
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from ...core.errors import BadRequest, GatewayError
from ...core.explain.asking import NotAsked
from ...core.message import Response
from ...core.pages.changes import KINDS
from ...core.pages.origin import refusal, unknown_host
from ...core.rendering import render_failure
from ..background import considerate
from ..explaining import Explain, NotExplained
from ..http import Handler
from ..http.klein_server import read_request, write_response
from ..mapping.live import NotKept
from .drawing import LIVE, Asset, asset, assets, document, live_parts
from .live import LISTENERS, Live, Parts, Subject
from .public import tried

T = TypeVar("T")
Page = dict[str, Any]
View = Callable[[str], Page | Deferred[Page]]
Action = Callable[[str], Deferred[Page]]

PREFIX = "/ui"
PUBLIC = f"{PREFIX}/public".encode()
# Bytes of a form.
MAX_FORM = 4096

# Nothing from elsewhere, nothing that stands inside of a page: what slips into one as text stays text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": POLICY.encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    # Forms of ours have to say where they come from.
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
}

# The package that brings Swagger UI, of which the files alone are used: it is not imported.
SWAGGER, SWAGGER_FILES = "flask_swagger_ui", ("swagger-ui.css", "swagger-ui-bundle.js")


class Ui:
    """The pages, by what they are made of.

    :param views: what is shown, by ``overview``, ``service``, ``idl`` and ``log``: each of its argument as text.
    :param actions: what an operator may order, by its name.
    :param draw: does the drawing, beside the reactor's work.
    :param public: the public handlers; None: requests cannot be tried.
    :param public_address: where the public port is, as a URL without a path; empty: not known.
    :param names: by which the admin port takes orders from browsers.
    :param explain: explains a request; None: that cannot be done here.
    """

    def __init__(
        self,
        clock: Any,
        views: Mapping[str, View],
        actions: Mapping[str, Action],
        draw: Callable[[Callable[[], Any]], Deferred[Any]],
        public: Handler | None = None,
        public_address: Callable[[], str] = lambda: "",
        names: Collection[str] = (),
        explain: Explain | None = None,
    ) -> None:
        self.names = names
        self._explain = explain
        self._views = views
        self._actions = actions
        self._draw = draw
        self._public = public
        self._public_address = public_address
        self._live = Live(clock, lambda subject: Deferred.fromCoroutine(self._parts(subject)))
        # The text of the service of a page that is looked at, as it was drawn last; it is long and changes seldom.
        self._drawn: dict[Subject, tuple[bytes, Parts]] = {}

    def stop(self) -> None:
        """End what goes on without end."""
        self._live.stop()

    def declare(self, app: Klein) -> None:
        """Add the pages to an app."""
        for path, view in (
            ("/", self._home),
            (PREFIX, self._home),
            (f"{PREFIX}/", self._overview),
            (f"{PREFIX}/service", self._service),
            (f"{PREFIX}/log", self._log),
            (f"{PREFIX}/try", self._try),
            (f"{PREFIX}/explain", self._explained),
            (f"{PREFIX}/events", self._events),
            (f"{PREFIX}/assets/<digest>/<name>", self._asset),
        ):
            app.route(path, methods=["GET"], endpoint=path, strict_slashes=True)(_plain(view))
        app.route(f"{PREFIX}/mapping/<action>", methods=["POST"], endpoint="order")(_plain(self._order))

    def around(self, resource: IResource) -> IResource:
        """Takes the requests that are tried, whose paths are not ours to read; the others are the resource's."""
        return cast(IResource, _Door(resource, self._tried))

    # Pages

    def _home(self, request: Request) -> bytes:
        request.redirect(f"{PREFIX}/".encode())
        return b""

    def _overview(self, request: Request) -> Deferred[bytes]:
        number = _argument(request, "page")
        wanted = {"find": _argument(request, "find"), "page": int(number) if number.isdecimal() else 0}
        return self._page(request, ("overview", orjson.dumps(wanted).decode()))

    def _service(self, request: Request) -> Deferred[bytes]:
        return self._page(request, ("service", _argument(request, "name")))

    def _log(self, request: Request) -> Deferred[bytes]:
        kind = _argument(request, "kind")
        return self._page(request, ("log", kind if kind in KINDS else ""))

    def _try(self, request: Request) -> Deferred[bytes]:
        swagger = {name: file.address for name, file in swagger_files().items()} if self._public is not None else {}
        public = _seen_from(request, self._public_address())
        values = {"here": "try", "live": "", "swagger": swagger, "public": public}
        return self._drawn_page(request, lambda: document("try", values))

    def _explained(self, request: Request) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._tell(request))

    async def _tell(self, request: Request) -> bytes:
        asked = {name: _argument(request, name) for name in ("verb", "target", "headers", "body")}
        asked["verb"] = asked["verb"] or "GET"
        told, refused = None, "" if self._explain else "Requests cannot be explained here."
        if self._explain is not None and asked["target"]:
            try:
                told = await self._explain(orjson.dumps(_question(asked)).decode())
            except (NotAsked, NotExplained) as error:
                request.setResponseCode(400)
                refused = str(error)
        values = {"here": "explain", "live": "", "asked": asked, "told": told, "refused": refused}
        return await self._drawn_page(request, lambda: document("explain", values))

    def _page(self, request: Request, subject: Subject) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._look(request, subject))

    async def _look(self, request: Request, subject: Subject) -> bytes:
        name, argument = subject
        values = await self._values(subject)
        if not values:
            request.setResponseCode(503)
            request.setHeader(b"refresh", b"1")
            return await self._refuse(request, "No worker answers just now.", f"{PREFIX}/")
        values |= {"here": name, "live": urlencode({"page": name, "argument": argument})}
        if name == "service":
            if values["service"] is None:
                request.setResponseCode(404)
            else:
                values |= await self._view("idl", argument)
        return await self._drawn_page(request, lambda: document(name, values))

    async def _values(self, subject: Subject) -> Page:
        """What a page shows, without long texts."""
        name, argument = subject
        asked = {"find": "", "page": 0, **orjson.loads(argument)} if name == "overview" else {"kind": argument}
        values = await self._view(name, argument)
        return {**asked, **values, "time": time.time()} if values else {}

    def _view(self, name: str, argument: str) -> Deferred[Page]:
        return cast("Deferred[Page]", maybeDeferred(cast(Any, self._views[name]), argument))

    def _drawn_page(self, request: Request, drawing: Callable[[], bytes]) -> Deferred[bytes]:
        _be_a_page(request)
        return self._draw(drawing)

    # Live parts

    def _events(self, request: Request) -> Deferred[bytes] | bytes:
        _set_headers(request)
        if request.getHeader("sec-fetch-site") not in (None, "same-origin"):
            # It could not read them, but it would take a place from those who can.
            request.setResponseCode(403)
            return b"Only our own pages may listen."
        name, argument = _argument(request, "page"), _argument(request, "argument")
        if name not in LIVE or (name == "overview" and not _is_object(argument)):
            request.setResponseCode(404)
            return b"There is no such page."
        listening = self._live.listen(request, (name, argument))
        if listening is not None:
            return listening
        request.setResponseCode(503)
        request.setHeader(b"retry-after", b"30")
        return b"Too many look at the pages just now."

    async def _parts(self, subject: Subject) -> Parts:
        name, _ = subject
        values = await self._values(subject)
        if not values:
            return {}
        if name != "service":
            return await self._draw(lambda: live_parts(name, values))
        now = await self._draw(lambda: live_parts(name, values, ["service"]))
        return {**now, **await self._text(subject, values)}

    async def _text(self, subject: Subject, values: Page) -> Parts:
        service = values["service"]
        if service is None:
            return {}
        state = orjson.dumps([service["version"], service["errors"], service["warnings"], values["mapping"]["digest"]])
        known, parts = self._drawn.get(subject, (b"", {}))
        if known != state:
            texts = {**values, **await self._view("idl", subject[1])}
            parts = await self._draw(lambda: live_parts("service", texts, ["idl"]))
            if len(self._drawn) >= LISTENERS:
                self._drawn.clear()
            self._drawn[subject] = (state, parts)
        return parts

    # Orders

    def _order(self, request: Request, action: str) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._carry_out(request, action))

    async def _carry_out(self, request: Request, action: str) -> bytes:
        form = _form(request)
        service = form.get("service", "")
        back = f"{PREFIX}/service?{urlencode({'name': service})}" if service else f"{PREFIX}/log"
        origin = request.getHeader("origin")
        # A form is a browser's, and browsers say where it was.
        why = "the form does not say where it was" if origin is None else refused_origin(request, self.names)
        if why or action not in self._actions:
            request.setResponseCode(403 if why else 404)
            return await self._refuse(request, why or "There is no such order.", back)
        try:
            await self._actions[action](form.get("name", ""))
        except NotKept as error:
            request.setResponseCode(409)
            return await self._refuse(request, str(error), back)
        request.setResponseCode(303)
        request.setHeader(b"location", back.encode())
        return b""

    def _refuse(self, request: Request, why: str, back: str) -> Deferred[bytes]:
        return self._drawn_page(
            request, lambda: document("refused", {"here": "", "live": "", "why": why, "back": back})
        )

    # Files

    def _asset(self, request: Request, digest: str, name: str) -> bytes:
        _set_headers(request)
        found = assets().get(name) or swagger_files().get(name)
        if found is None or found.address != f"{PREFIX}/assets/{digest}/{name}":
            request.setResponseCode(404)
            return b"There is no such file."
        request.setHeader(b"content-type", found.type)
        request.setHeader(b"cache-control", b"public, max-age=31536000, immutable")
        return found.content

    # Requests that are tried

    def _tried(self, web_request: Request) -> Deferred[Response]:
        if self._public is None:
            raise BadRequest("Requests cannot be tried here")
        # A page under a name that was pointed at us asks without an Origin: to its browser we are its own site.
        host = web_request.getHeader("host") or ""
        why = refused_origin(web_request, self.names) or unknown_host(host, self.names)
        if why:
            raise BadRequest(why)
        return self._public(tried(read_request(web_request), PUBLIC))


class _Door(Resource):
    isLeaf = True

    def __init__(self, inside: IResource, handler: Callable[[Request], Deferred[Response]]) -> None:
        super().__init__()
        self._inside = inside
        self._handler = handler

    def render(self, request: Any) -> Any:
        if not request.uri.startswith(PUBLIC + b"/"):
            return cast(Any, self._inside).render(request)
        answer = maybeDeferred(self._handler, request)
        request.notifyFinish().addErrback(lambda _: answer.cancel())
        answer.addErrback(_failed).addCallback(_send, request)
        return NOT_DONE_YET


def _failed(failure: Failure) -> Response:
    failure.trap(GatewayError)
    return render_failure(cast(GatewayError, failure.value))


def _send(response: Response, request: Any) -> None:
    if request.channel is None:
        return
    # Whatever a service sends is shown by a script of ours; opened as a page it is worth nothing.
    _set_headers(request)
    request.setHeader(b"content-security-policy", b"sandbox")
    request.write(write_response(response, request))
    request.finish()


def considerately(run: Callable[[Callable[[], Any]], Deferred[Any]]) -> Callable[[Callable[[], Any]], Deferred[Any]]:
    """:param run: does work in a thread of its own."""

    def draw(work: Callable[[], Any]) -> Deferred[Any]:
        def beside() -> Any:
            with considerate():
                return work()

        return run(beside)

    return draw


def refused_origin(request: Any, names: Collection[str]) -> str:
    """Why this request may give no order; empty if it may."""
    return refusal(request.getHeader("origin"), request.getHeader("host") or "", names)


@cache
def swagger_files() -> Mapping[str, Asset]:
    """Those of the installed package; none if it is not installed."""
    found = find_spec(SWAGGER)
    if found is None or not found.submodule_search_locations:
        return {}
    folder = Path(found.submodule_search_locations[0]) / "dist"
    return {name: asset(name, (folder / name).read_bytes()) for name in SWAGGER_FILES}


def _plain(view: Callable[..., T]) -> Callable[..., T]:
    """Klein names things after functions, and marks them; methods cannot be marked."""

    def plain(request: Request, **parts: str) -> T:
        return view(request, **parts)

    return plain


def _argument(request: Any, name: str) -> str:
    return str(request.args.get(name.encode(), [b""])[0].decode("utf-8", "replace"))


def _seen_from(request: Any, address: str) -> str:
    """An address that stands for all of a machine, as whoever asks sees it: by the name that led here."""
    parts = urlsplit(address)
    if parts.hostname not in ("0.0.0.0", "::"):
        return address
    here = request.getRequestHostname().decode("ascii", "replace")
    return f"{parts.scheme}://{f'[{here}]' if ':' in here else here}:{parts.port}"


def _question(form: Mapping[str, str]) -> Page:
    """What was put into the form, as it is asked in JSON."""
    lines = (line.partition(":") for line in form["headers"].splitlines())
    headers = [[name.strip(), value.strip()] for name, _, value in lines if name.strip()]
    return {**form, "headers": headers}


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _form(request: Any) -> dict[str, str]:
    text = request.content.read(MAX_FORM).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text, max_num_fields=10).items()}


def _set_headers(request: Any) -> None:
    request.responseHeaders.removeHeader(b"server")
    for name, value in HEADERS.items():
        request.setHeader(name, value)


def _be_a_page(request: Any) -> None:
    _set_headers(request)
    request.setHeader(b"content-type", b"text/html; charset=utf-8")
    request.setHeader(b"cache-control", b"no-store")
