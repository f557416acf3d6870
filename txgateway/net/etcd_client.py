"""A client of etcd's JSON gateway: txaioetcd, with its way to the network replaced.

txaioetcd 18.10 assembles requests and reads answers; that part is used as it is. It
speaks under a URL that etcd gave up in 3.4, takes errors for answers, and its watch
loses what does not come in one piece. All its calls but the watch and those of a lease
go through ``_post``; so that method, the lease and the watch are ours.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
from attrs import field, frozen
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet import error, ssl
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, DeferredSemaphore, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from txaioetcd import Client, Comp, Expired, Header, KeySet, Lease
from txaioetcd._client_commons import GetRequestAssembler, LeaseRequestAssembler
from zope.interface import implementer  # type: ignore[import-untyped]

from ..core.errors import WireError
from ..core.etcd import (
    FAILED_PRECONDITION,
    NOT_FOUND,
    EtcdConnectionRefused,
    EtcdError,
    EtcdTimeout,
    EtcdUnreachable,
    JsonStream,
    KeyRange,
    Snapshot,
    WatchMessage,
    read_answer,
    read_snapshot,
    read_watch,
    split_watch,
    watch_request,
)

T = TypeVar("T")

TIMEOUT = 3.0
# No answer to a plain call may be larger; 1,000 instances are 255 kB.
ANSWER_LIMIT = 64 * 2**20
# After a refused login none is tried for so long: a password does not mend itself.
LOGIN_PAUSE = 10.0

# Of plain calls, on as many connections, which are kept: with a thousand registrations in a process each would else
# make one of its own every time, and behind TLS be busy with nothing else for seconds.
CALLS_AT_ONCE = 16

# The longest that the messages of a watch hold up the reactor at once.
SLICE = 0.002

# How soon the next address of a name is tried; also how soon a refusal is believed.
ATTEMPT_DELAY = 0.05

# The path in the URLs that txaioetcd assembles, and the one that etcd answers under.
_OLD_PATH = "/v3alpha/"
_PATH = "/v3/"

# What Twisted's HTTP client fails with when the network, TLS or the file of a certificate does,
# or when it is cancelled.
_NETWORK_FAILURES = (
    CancelledError,
    error.ConnectingCancelledError,
    RequestGenerationFailed,
    error.ConnectError,
    error.ConnectionClosed,
    RequestTransmissionFailed,
    ResponseFailed,
    SSL.Error,
    OSError,
)


_ENDPOINT = re.compile(r"(?P<scheme>https?)://(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\])(:(?P<port>[0-9]{1,5}))?/?", re.ASCII)


def _endpoint(url: str) -> str:
    found = _ENDPOINT.fullmatch(url)
    if found is None:
        raise ValueError(f"{url!r:.80} is not an etcd endpoint: http://HOST:PORT or https://HOST:PORT")
    return f"{found['scheme']}://{found['host']}:{found['port'] or 2379}"


def _endpoints(urls: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    if not urls or isinstance(urls, str):
        raise ValueError("etcd: endpoints has to be a list of at least one http://HOST:PORT")
    return tuple(map(_endpoint, urls))


@frozen
class Access:
    """Where etcd is, and what opens it.

    :ivar endpoints: ``http://HOST:PORT`` or ``https://HOST:PORT`` of each member, without a path.
    :ivar user: with ``password``, for a token; empty: none is asked for.
    :ivar ca: file with the certificates that are trusted; None: the system's.
    :ivar certificate: file with ours and those between it and the root, if etcd wants to see one.
    :ivar key: file with its private key.
    :ivar timeout: seconds for any call, connecting included, and for the first message of a watch.
    """

    endpoints: tuple[str, ...] = field(converter=_endpoints)
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout: float = TIMEOUT

    def __attrs_post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("etcd: certificate and key belong together")


_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@implementer(IAgentEndpointFactory)
class _Connector:
    """Makes connections to etcd, plain or by TLS."""

    def __init__(self, reactor: Any, access: Access) -> None:
        self._reactor = reactor
        self._access = access

    def endpointForURI(self, uri: Any) -> Any:
        host = uri.host.decode("ascii").strip("[]")
        plain: Any = HostnameEndpoint(self._reactor, host, uri.port, self._access.timeout, attemptDelay=ATTEMPT_DELAY)
        return plain if uri.scheme == b"http" else wrapClientTLS(self._tls(host), plain)

    def _tls(self, host: str) -> Any:
        """The files are read anew for each connection: whoever renews certificates has nobody to tell."""
        access = self._access
        trust = ssl.platformTrust()
        if access.ca is not None:
            trust = ssl.trustRootFromCertificates(list(map(ssl.Certificate.loadPEM, _PEM.findall(_read(access.ca)))))
        if access.certificate is None or access.key is None:
            return ssl.optionsForClientTLS(host, trust)
        chain = _PEM.findall(_read(access.certificate))
        if not chain:
            raise OSError(f"{access.certificate} holds no certificate")
        return ssl.optionsForClientTLS(
            host,
            trust,
            ssl.PrivateCertificate.loadPEM(chain[0] + b"\n" + _read(access.key)),
            extraCertificateOptions={"extraCertChain": [ssl.Certificate.loadPEM(pem).original for pem in chain[1:]]},
        )


def _read(path: Path) -> bytes:
    return path.read_bytes()


class CompLease(Comp):
    """Compares the lease that a key hangs on, which txaioetcd has no comparison for."""

    def __init__(self, key: bytes, compare: str, lease: int) -> None:
        super().__init__(key, compare)
        self.lease = lease

    def _marshal(self) -> dict[str, Any]:
        return {**super()._marshal(), "target": "LEASE", "lease": self.lease}


class EtcdLease(Lease):
    """A lease whose calls take the same way as all others."""

    _client: EtcdClient

    def remaining(self) -> Deferred[int]:
        """Seconds left. Fails with :class:`txaioetcd.Expired` if it has run out."""
        return Deferred.fromCoroutine(self._remaining({}, lambda answer: int(answer["TTL"])))

    def keys(self) -> Deferred[list[bytes]]:
        """The keys that hang on it. Fails like :meth:`remaining`."""
        return Deferred.fromCoroutine(
            self._remaining({"keys": True}, lambda answer: [base64.b64decode(key) for key in answer.get("keys", ())])
        )

    def refresh(self, timeout: float | None = None) -> Deferred[Any]:
        """One keepalive; gives the header. Fails with :class:`txaioetcd.Expired` if the lease is lost."""
        return Deferred.fromCoroutine(self._refresh(timeout))

    def revoke(self) -> Deferred[Any]:
        """End it, and its keys with it; gives the header. Fails with :class:`txaioetcd.Expired` if it is lost."""
        return Deferred.fromCoroutine(self._revoke())

    async def _remaining(self, more: dict[str, Any], read: Callable[[dict[str, Any]], Any]) -> Any:
        answer = await self._call("lease/timetolive", more)
        self._check(answer)
        return read(answer)

    async def _refresh(self, timeout: float | None) -> Any:
        # The answer is a stream of one message.
        answer = (await self._call("lease/keepalive", {}, timeout)).get("result", {})
        self._check(answer)
        return _header(answer)

    async def _revoke(self) -> Any:
        answer = await self._call("lease/revoke", {})
        self._expired = True
        return _header(answer)

    async def _call(self, path: str, more: dict[str, Any], timeout: float | None = None) -> dict[str, Any]:
        if self._expired:
            raise Expired()
        try:
            return await self._client.call(path, {"ID": self.lease_id, **more}, timeout)
        except EtcdError as failure:
            if failure.code != NOT_FOUND:
                raise
            self._expired = True
            raise Expired() from None

    def _check(self, answer: dict[str, Any]) -> None:
        """A lease that has run out has a TTL of -1, or none."""
        if int(answer.get("TTL", 0)) <= 0:
            self._expired = True
            raise Expired()


def _header(answer: dict[str, Any]) -> Any:
    return Header._parse(answer["header"]) if "header" in answer else None


class EtcdClient(Client):
    """txaioetcd's client for any etcd since 3.4: several endpoints, a login, TLS, and errors that are errors.

    One endpoint is used for everything until it fails; then the next, which is kept in turn.

    :ivar endpoint: the one in use.
    """

    log = Logger()

    def __init__(self, reactor: Any, access: Access) -> None:
        pool = HTTPConnectionPool(reactor, persistent=True)
        pool.maxPersistentPerHost = CALLS_AT_ONCE
        self._free = DeferredSemaphore(CALLS_AT_ONCE)
        super().__init__(reactor, access.endpoints[0], pool, access.timeout, access.timeout)
        # The parent writes this in front of its URLs; which endpoint it is, is decided for each call.
        self._url = ""
        self._reactor = reactor
        self._access = access
        self._current = 0
        connector = _Connector(reactor, access)
        self._http = HTTPClient(Agent.usingEndpointFactory(reactor, connector, pool))
        # Closing a connection is the only way to end a watch: it is not shared.
        unshared = HTTPConnectionPool(reactor, persistent=False)
        self._streams = HTTPClient(Agent.usingEndpointFactory(reactor, connector, unshared))
        # None: not asked for yet; empty: none is needed.
        self._token: str | None = None if access.user else ""
        self._login = DeferredLock()
        self._refusal: tuple[float, EtcdError] | None = None

    @property
    def endpoints(self) -> tuple[str, ...]:
        return self._access.endpoints

    @property
    def endpoint(self) -> str:
        return self._access.endpoints[self._current]

    # Plain calls

    def _post(self, url: bytes, data: dict[str, Any], timeout: float | None) -> Deferred[dict[str, Any]]:
        """The way of all of the parent's calls; ``url`` is what its assemblers make of an empty root."""
        old, found, path = url.decode("ascii").partition(_OLD_PATH)
        if old or not found:
            raise ValueError(f"txaioetcd asks for {url!r}, which is not under {_OLD_PATH}")
        return Deferred.fromCoroutine(self.call(path, data, timeout))

    async def call(self, path: str, data: dict[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """One call by its path behind ``/v3/``.

        A connection that fails is tried again at once: once on each endpoint, and once more for
        a connection of the pool that had died unseen. A token that has become worthless is renewed
        once. All our calls may be run twice: at worst a lease is granted that nobody keeps.

        :raises EtcdError: etcd refused, or none of it could be reached.
        """
        tries, may_login = len(self._access.endpoints) + 1, bool(self._access.user)
        while True:
            endpoint, token = self.endpoint, self._token
            try:
                if token is None:
                    token = await self._log_in(None)
                return await self._exchange(endpoint, path, data, token, timeout or self._access.timeout)
            except EtcdError as failure:
                self._leave(endpoint, failure)
                tries -= 1
                if failure.wants_login and may_login:
                    may_login = False
                    await self._log_in(token)
                elif not tries or not isinstance(failure, EtcdUnreachable) or isinstance(failure, EtcdTimeout):
                    raise

    async def _exchange(
        self, endpoint: str, path: str, data: dict[str, Any], token: str, timeout: float
    ) -> dict[str, Any]:
        self._stats.log_post(path.encode("ascii"), data, timeout)

        async def exchange(_: Callable[[], None]) -> tuple[int, bytes]:
            body = _Bytes(orjson.dumps(data))
            response = await self._http.post(f"{endpoint}{_PATH}{path}", body, headers=_headers(token), **_AS_IT_IS)
            return response.code, await _whole(response)

        async with self._free:
            return read_answer(*await self._bounded(endpoint, timeout, exchange))

    async def _bounded(
        self, endpoint: str, timeout: float, work: Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
    ) -> T:
        """Run ``work`` until it ends, or until the time is over, unless it calls its argument before.

        The border to Twisted's HTTP client: what fails there fails here as an EtcdError. Which way
        a cancelled request fails depends on how far it was ("DNS lookup failed" is one of them), so
        we remember that it was us.
        """
        ending: Exception | None = None

        def end(why: Exception) -> None:
            nonlocal ending
            ending = why
            running.cancel()

        def in_time() -> None:
            if deadline.active():
                deadline.cancel()

        def done(result: Any) -> None:
            if not outcome.called:
                outcome.callback(result)

        outcome: Deferred[T] = Deferred(lambda _: end(CancelledError()))
        late = EtcdTimeout(f"{endpoint}: no answer within {timeout:g} s")
        deadline = self._reactor.callLater(timeout, end, late)
        running = Deferred.fromCoroutine(work(in_time))
        running.addBoth(done)
        try:
            return await outcome
        except (EtcdError, WireError, *_NETWORK_FAILURES) as failure:
            if ending is not None:
                raise ending from None
            raise _ours(endpoint, failure) from failure
        finally:
            in_time()

    def _leave(self, endpoint: str, failure: EtcdError) -> None:
        """Turn to the next endpoint, unless another call has done that already."""
        if failure.wants_other_member and endpoint == self.endpoint:
            self._current = (self._current + 1) % len(self._access.endpoints)

    # Login

    def login(self) -> Deferred[None]:
        """Ask for a new token instead of the one we have; without credentials this does nothing."""
        return Deferred.fromCoroutine(self._renew())

    async def _renew(self) -> None:
        if self._access.user:
            await self._log_in(self._token)

    async def _log_in(self, worthless: str | None) -> str:
        """The token that takes the place of a worthless one; only the first who asks is sent to etcd."""
        await self._login.acquire()
        try:
            if self._token == worthless:
                self._token = None
                self._token = await self._authenticate()
            return self._token or ""
        finally:
            self._login.release()

    async def _authenticate(self) -> str:
        now = self._reactor.seconds()
        if self._refusal is not None and now < self._refusal[0]:
            raise self._refusal[1]
        who = {"name": self._access.user, "password": self._access.password}
        try:
            answer = await self._exchange(self.endpoint, "auth/authenticate", who, "", self._access.timeout)
        except EtcdError as failure:
            if failure.code == FAILED_PRECONDITION:
                self.log.info("etcd wants no login: {text}", text=failure.text)
                return ""
            if not failure.wants_other_member:
                self.log.error("etcd refuses the login of {user}: {text}", user=self._access.user, text=failure.text)
                self._refusal = now + LOGIN_PAUSE, failure
            raise
        return str(answer.get("token", ""))

    # What the parent has in another form

    def lease(
        self, time_to_live: int, lease_id: int | None = None, timeout: float | None = None
    ) -> Deferred[EtcdLease]:
        return Deferred.fromCoroutine(self._grant(time_to_live, lease_id, timeout))

    async def _grant(self, time_to_live: int, lease_id: int | None, timeout: float | None) -> EtcdLease:
        assembler = LeaseRequestAssembler(self._url, time_to_live, lease_id)
        answer = await self._post(assembler.url, assembler.data, timeout)
        try:
            granted = Lease._parse(self, answer)
        except (KeyError, TypeError, ValueError) as failure:
            raise EtcdUnreachable(f"{self.endpoint}: granted no lease") from failure
        return EtcdLease(self, granted.header, granted.time_to_live, granted.lease_id)

    def existing_lease(self, lease_id: int) -> EtcdLease:
        """A lease by its number, whoever holds it."""
        return EtcdLease(self, None, None, lease_id)

    async def snapshot(self, keys: KeyRange, *, keys_only: bool = False, limit: int = 0) -> Snapshot:
        """The keys of a range, by a linearizable read, with the leases that the parent's ``get`` drops.

        :param keys_only: without their values.
        :param limit: no more keys than that; 0: all.
        :raises EtcdError: as all calls.
        """
        assembler = GetRequestAssembler(self._url, KeySet(keys.begin, range_end=keys.end))
        return await self._range(assembler, {"keys_only": keys_only, "limit": limit})

    async def look(self, key: bytes) -> Snapshot:
        """One key, or none, as :meth:`snapshot`."""
        return await self._range(GetRequestAssembler(self._url, key), {})

    async def _range(self, assembler: Any, more: dict[str, Any]) -> Snapshot:
        answer = await self._post(assembler.url, {**assembler.data, **more}, None)
        try:
            return read_snapshot(answer)
        except WireError as failure:
            raise EtcdUnreachable(f"{self.endpoint}: {failure}") from failure

    def watch(self, keys: KeyRange, revision: int, received: Callable[[WatchMessage], None]) -> Deferred[None]:
        """Hand each message of a watch that begins at ``revision`` to ``received``.

        Fails with an EtcdError when the stream ends, or if the first message does not come in
        time; it never succeeds. Cancel it to end the watch.
        """
        return Deferred.fromCoroutine(self._follow(keys, revision, received))

    async def _follow(self, keys: KeyRange, revision: int, received: Callable[[WatchMessage], None]) -> None:
        endpoint = self.endpoint
        messages = _Messages(self._reactor, received)

        async def stream(in_time: Callable[[], None]) -> None:
            # Without this header a member that has lost its leader keeps the stream, and keeps silent.
            headers = {**_headers(token), "Grpc-Metadata-hasleader": "true"}
            body = _Bytes(watch_request(keys, revision))
            response = await self._streams.post(f"{endpoint}{_PATH}watch", body, headers=headers, **_AS_IT_IS)
            if response.code != 200:
                read_answer(response.code, await _whole(response))
            messages.begun = in_time
            reader = _Reader(messages.feed)
            messages.fail = reader.fail
            response.deliverBody(reader)
            await reader.ended
            raise EtcdUnreachable(f"{endpoint}: the watch ended")

        try:
            token = self._token if self._token is not None else await self._log_in(None)
            await self._bounded(endpoint, self._access.timeout, stream)
        except EtcdError as failure:
            self._leave(endpoint, failure)
            raise
        finally:
            messages.end()

    def close(self) -> Deferred[None]:
        """Close idle connections."""
        return self._pool.closeCachedConnections()


# For treq: no redirects, since a token goes to the endpoints of the configuration only, and no
# buffering, which would hide the end of a body from whoever reads it.
_AS_IT_IS = {"allow_redirects": False, "unbuffered": True}


def _headers(token: str) -> dict[str, str]:
    # etcd before 3.7 takes a bare token only.
    return {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})


def _ours(endpoint: str, failure: Exception) -> EtcdError:
    """A failure of whatever kind as one of ours."""
    if isinstance(failure, EtcdError):
        return failure
    if isinstance(failure, error.ConnectionRefusedError):
        return EtcdConnectionRefused(f"{endpoint}: connection refused")
    # Failures of the HTTP client wrap the ones that tell something.
    reasons = [reason.value for reason in getattr(failure, "reasons", ())] or [failure]
    return EtcdUnreachable(f"{endpoint}: {reasons[0]}")


@implementer(IBodyProducer)
class _Bytes:
    """A body that is there: it is written at once, with no turn of the reactor in between."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """There is nothing left to pause."""

    def resumeProducing(self) -> None:
        """There is nothing left to resume."""

    def stopProducing(self) -> None:
        """There is nothing left to stop."""


class _Reader(Protocol):
    """Hands on what a body brings, until the body ends or ``ended`` is cancelled, which closes the connection."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._closed = False
        self.ended: Deferred[None] = Deferred(lambda _: self._close())

    def dataReceived(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            self._received(data)
        except (EtcdError, WireError) as failure:
            self.fail(failure)

    def fail(self, failure: Exception) -> None:
        """What came is of no use: close the connection."""
        if not self._closed:
            self._close()
            self.ended.errback(failure)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._closed:
            return
        self._closed = True
        if reason.check(ResponseDone, PotentialDataLoss):
            self.ended.callback(None)
        else:
            self.ended.errback(reason)

    def _close(self) -> None:
        self._closed = True
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


class _Messages:
    """Makes the messages of a watch from its bytes, and hands on in a turn of the reactor what does not hold it up.

    After a while away a thousand events come as one message, which is split up.

    :ivar begun: called with each message.
    :ivar fail: called when something is no message, though not by :meth:`feed`, which raises.
    """

    def __init__(self, clock: Any, received: Callable[[WatchMessage], None]) -> None:
        self.begun: Callable[[], None] = lambda: None
        self.fail: Callable[[Exception], None] = lambda failure: None
        self._clock = clock
        self._received = received
        self._stream = JsonStream()
        self._line: deque[Mapping[str, Any]] = deque()
        self._later: Any = None
        self._ended = False

    def feed(self, data: bytes) -> None:
        for message in self._stream.feed(data):
            self._line += split_watch(message)
        if self._later is None:
            self._hand_on()

    def end(self) -> None:
        """Whoever received the last message may have ended the watch; what came with it is not wanted."""
        self._ended = True
        self._line.clear()
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _hand_on(self) -> None:
        until = self._clock.seconds() + SLICE
        while self._line and not self._ended:
            message = read_watch(self._line.popleft())
            self.begun()
            self._received(message)
            if self._line and self._clock.seconds() >= until:
                self._later = self._clock.callLater(0, self._go_on)
                return

    def _go_on(self) -> None:
        self._later = None
        try:
            self._hand_on()
        except (EtcdError, WireError) as failure:
            self.fail(failure)


def _deliver(response: Any, received: Callable[[bytes], None]) -> Deferred[None]:
    reader = _Reader(received)
    response.deliverBody(reader)
    return reader.ended


async def _whole(response: Any) -> bytes:
    """The whole body of an answer."""
    pieces: list[bytes] = []
    size = 0

    def collect(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > ANSWER_LIMIT:
            raise EtcdUnreachable(f"an answer of more than {ANSWER_LIMIT} bytes")
        pieces.append(data)

    await _deliver(response, collect)
    return b"".join(pieces)
