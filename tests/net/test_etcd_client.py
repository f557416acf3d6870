"""The client against a real etcd, against servers that misbehave, and against changes of txaioetcd."""

from __future__ import annotations

import inspect
from typing import Any

import orjson
import pytest
import pytest_twisted
import txaioetcd
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock, deferLater
from txaioetcd import CompModified, Expired, Failed, KeySet, OpDel, OpSet, Transaction
from txaioetcd import _client_commons as commons

from txgateway.core.etcd import EtcdConnectionRefused, EtcdError, EtcdTimeout, EtcdUnreachable, KeyRange, WatchMessage
from txgateway.net.etcd_client import CALLS_AT_ONCE, Access, CompLease, EtcdClient, _Messages
from txgateway.testing import EtcdServer, free_port

from .misbehaving import Silent, Talker
from .proxy import Proxy
from .waiting import until

reactor: Any = global_reactor


def client_of(*urls: str, **access: Any) -> EtcdClient:
    return EtcdClient(reactor, Access(urls, **access))


@pytest.fixture
def client(etcd: Any) -> EtcdClient:
    return client_of(etcd.url)


# A watch's messages, in memory


class Told:
    """What is made of the bytes of a watch; each look at the clock takes 0.5 ms."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.events: list[int] = []
        self.failures: list[Exception] = []
        self.messages = _Messages(self, self._receive)
        self.messages.fail = self.failures.append

    def seconds(self) -> float:
        self.clock.rightNow += 0.0005
        return self.clock.rightNow

    def callLater(self, delay: float, *call: Any) -> Any:
        return self.clock.callLater(delay, *call)

    def feed(self, *numbers: int, then: bytes = b"") -> None:
        events = [{"kv": {"key": "cC8=", "mod_revision": str(number)}} for number in numbers]
        message = {"result": {"header": {"cluster_id": "1", "revision": "999"}, "events": events}}
        self.messages.feed(orjson.dumps(message) + b"\n" + then)

    def _receive(self, message: WatchMessage) -> None:
        self.events += [event.kv.mod_revision for event in message.events]
        if self.events[-1] == 666:
            self.messages.end()


def test_a_thousand_events_do_not_come_in_one_turn() -> None:
    told = Told()
    told.feed(*range(1000))
    assert told.events == list(range(400))
    told.feed(1000)
    assert len(told.events) == 400, "in their order, however they come"
    told.clock.advance(0)
    assert told.events == list(range(1001))
    assert told.clock.getDelayedCalls() == []


def test_who_has_ended_the_watch_is_told_no_more() -> None:
    told = Told()
    told.feed(1, 666, then=b'{"result":{}}')
    told.feed(*range(2, 500))
    assert told.events == [1, 666]
    other = Told()
    other.feed(*range(600))
    other.messages.end()
    other.clock.advance(1)
    assert other.events == list(range(400))


def test_what_is_no_message_is_found_out_in_a_later_turn_too() -> None:
    told = Told()
    told.feed(*range(500), then=b'{"error":{"grpc_code":14,"message":"no leader"}}\n')
    told.clock.advance(1)
    assert (len(told.events), [str(failure) for failure in told.failures]) == (500, ["no leader (code 14)"])


# What we rely on in txaioetcd


def test_all_calls_of_txaioetcd_go_through_post() -> None:
    assert list(inspect.signature(txaioetcd.Client._post).parameters) == ["self", "url", "data", "timeout"]
    assert list(inspect.signature(EtcdClient._post).parameters) == ["self", "url", "data", "timeout"]
    for name in ("status", "set", "get", "delete", "submit", "lease"):
        source = inspect.getsource(getattr(txaioetcd.Client, name))
        assert "yield self._post(" in source, name


def test_the_urls_of_txaioetcd_are_those_that_we_replace() -> None:
    assert commons.StatusRequestAssembler("").url == b"/v3alpha/maintenance/status"
    assert commons.PutRequestAssembler("", b"k", b"v").url == b"/v3alpha/kv/put"
    assert commons.GetRequestAssembler("", b"k").url == b"/v3alpha/kv/range"
    assert commons.DeleteRequestAssembler("", b"k").url == b"/v3alpha/kv/deleterange"
    assert commons.LeaseRequestAssembler("", 5).url == b"/v3alpha/lease/grant"
    assert commons.ENDPOINT_SUBMIT.format("") == "/v3alpha/kv/txn"


def test_the_requests_of_txaioetcd() -> None:
    keys = KeySet(b"p/", range_end=b"p0")
    assert commons.GetRequestAssembler("", keys).data == {"key": "cC8=", "range_end": "cDA="}
    assert commons.LeaseRequestAssembler("", 5).data == {"TTL": 5, "ID": 0}
    assert CompLease(b"k", "==", 7)._marshal() == {"key": "aw==", "result": "EQUAL", "target": "LEASE", "lease": 7}


def test_the_lease_of_txaioetcd_is_read_as_we_read_it() -> None:
    header = {"cluster_id": "1", "member_id": "2", "revision": "3", "raft_term": "4"}
    lease = txaioetcd.Lease._parse(None, {"ID": "77", "TTL": "5", "header": header})
    assert (lease.lease_id, lease.time_to_live, lease.header.revision, lease.header.cluster_id) == (77, 5, 3, 1)
    assert list(inspect.signature(txaioetcd.Lease.__init__).parameters)[1:] == [
        "client",
        "header",
        "time_to_live",
        "lease_id",
    ]


def test_a_url_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="not under /v3alpha/"):
        client_of("http://127.0.0.1:1")._post(b"/v4/kv/put", {}, None)


# Calls on a real etcd


@pytest_twisted.ensureDeferred
async def test_the_calls_of_the_parent(client: EtcdClient) -> None:
    assert (await client.status()).version.startswith("3.")
    await client.set(b"calls/a", b"1")
    revision = (await client.set(b"calls/b", b"2")).header.revision
    found = await client.get(KeySet(b"calls/", range_end=b"calls0"))
    assert [(kv.key, kv.value) for kv in found.kvs] == [(b"calls/a", b"1"), (b"calls/b", b"2")]
    swap = Transaction([CompModified(b"calls/b", "==", revision)], [OpSet(b"calls/b", b"3"), OpDel(b"calls/a")])
    await client.submit(swap)
    with pytest.raises(Failed):
        await client.submit(swap)
    assert (await client.delete(KeySet(b"calls/", range_end=b"calls0"))).deleted == 1


@pytest_twisted.ensureDeferred
async def test_a_lease(client: EtcdClient) -> None:
    lease = await client.lease(60)
    await client.set(b"lease/a", b"", lease)
    assert 30 < await lease.remaining() <= 60
    assert await lease.keys() == [b"lease/a"]
    assert (await lease.refresh()).revision > 0
    with pytest.raises(Failed):
        await client.submit(Transaction([CompLease(b"lease/a", "==", lease.lease_id + 1)], [OpDel(b"lease/a")]))
    (found,) = (await client.look(b"lease/a")).keys
    assert (found.key, found.lease) == (b"lease/a", lease.lease_id)
    await client.submit(Transaction([CompLease(b"lease/a", "==", lease.lease_id)], [OpDel(b"lease/a")]))
    assert (await client.look(b"lease/a")).keys == ()
    await lease.revoke()
    with pytest.raises(Expired):
        await lease.refresh()
    for lost in (client.existing_lease(lease.lease_id), client.existing_lease(12345)):
        with pytest.raises(Expired):
            await lost.refresh()
    with pytest.raises(Expired):
        await client.existing_lease(12345).remaining()


@pytest_twisted.ensureDeferred
async def test_an_error_of_etcd_is_an_error(client: EtcdClient) -> None:
    with pytest.raises(EtcdError, match="requested lease not found") as caught:
        await client.set(b"errors/a", b"", client.existing_lease(12345))
    assert caught.value.code == 5
    with pytest.raises(Expired):
        await client.existing_lease(12345).revoke()


@pytest_twisted.ensureDeferred
async def test_a_snapshot_with_and_without_values(client: EtcdClient) -> None:
    for name in (b"snapshot/b", b"snapshot/a", b"snapshot2/a"):
        await client.set(name, b"v")
    keys = KeyRange.under(b"snapshot/")
    whole = await client.snapshot(keys)
    assert [(kv.key, kv.value) for kv in whole.keys] == [(b"snapshot/a", b"v"), (b"snapshot/b", b"v")]
    bare = await client.snapshot(keys, keys_only=True)
    assert [(kv.key, kv.value, kv.mod_revision) for kv in bare.keys] == [
        (kv.key, b"", kv.mod_revision) for kv in whole.keys
    ]
    assert len((await client.snapshot(keys, limit=1)).keys) == 1
    assert whole.cluster == bare.cluster > 0
    assert whole.revision >= max(kv.mod_revision for kv in whole.keys)


# Watching a real etcd


class Watching:
    """A watch and what it brought."""

    def __init__(self, client: EtcdClient, prefix: bytes, revision: int = 0) -> None:
        self.messages: list[WatchMessage] = []
        self.failures: list[Any] = []
        self.ended: Deferred[None] = client.watch(KeyRange.under(prefix), revision, self.messages.append)
        self.ended.addErrback(lambda failure: self.failures.append(failure.value))

    @property
    def values(self) -> list[bytes]:
        return [event.kv.value for message in self.messages for event in message.events]

    @property
    def created(self) -> bool:
        return any(message.created for message in self.messages)


@pytest_twisted.ensureDeferred
async def test_a_watch(client: EtcdClient) -> None:
    watching = Watching(client, b"watch/")
    await until(lambda: watching.created)
    lease = await client.lease(60)
    await client.set(b"watch/a", b"1", lease)
    await client.set(b"watch2/a", b"2")
    await lease.revoke()
    await until(lambda: len(watching.values) == 2)
    put, gone = (event for message in watching.messages for event in message.events)
    assert (put.kv.key, put.kv.value, put.kv.lease, put.deleted) == (b"watch/a", b"1", lease.lease_id, False)
    assert (gone.kv.key, gone.deleted) == (b"watch/a", True)
    watching.ended.cancel()
    assert [type(failure) for failure in watching.failures] == [CancelledError]


@pytest.mark.parametrize("piece", [0, 1, 7, 1000])
@pytest_twisted.ensureDeferred
async def test_a_watch_loses_nothing_however_it_is_cut(etcd: Any, client: EtcdClient, piece: int) -> None:
    proxy = Proxy(reactor, int(etcd.url.rpartition(":")[2]))
    proxy.piece = piece
    prefix = b"cut-%d/" % piece
    watching = Watching(client_of(proxy.url), prefix)
    await until(lambda: watching.created)
    sent = [b"%d" % number for number in range(50)]
    if piece > 100:
        sent.append(b"x" * 1_000_000)
    for value in sent:
        await client.set(prefix + b"k", value)
    await until(lambda: len(watching.values) >= len(sent), 30)
    assert watching.values == sent
    watching.ended.cancel()
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_a_watch_that_is_ended_by_its_receiver_brings_nothing_more(serve: Any) -> None:
    body = b'{"result":{"header":{"cluster_id":"1","revision":"2"}}}\n' * 3
    client = client_of(serve(lambda: Talker(b"HTTP/1.1 200 OK\r\n\r\n" + body, False)))
    messages: list[WatchMessage] = []

    def receive(message: WatchMessage) -> None:
        messages.append(message)
        watching.cancel()

    watching = client.watch(KeyRange.under(b"p/"), 0, receive)
    with pytest.raises(CancelledError):
        await watching
    await deferLater(reactor, 0)
    assert len(messages) == 1


@pytest_twisted.ensureDeferred
async def test_a_watch_that_is_reset_fails(etcd: Any) -> None:
    proxy = Proxy(reactor, int(etcd.url.rpartition(":")[2]))
    watching = Watching(client_of(proxy.url), b"reset/")
    await until(lambda: watching.created)
    assert proxy.reset() == 1
    await until(lambda: watching.failures)
    assert type(watching.failures[0]) is EtcdUnreachable
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_many_calls_at_once_take_turns_on_few_connections(etcd: Any) -> None:
    proxy = Proxy(reactor, int(etcd.url.rpartition(":")[2]))
    client = client_of(proxy.url)
    for _ in range(2):
        await gatherResults([client.set(b"turns/%d" % number, b"") for number in range(100)])
    assert proxy.connections == CALLS_AT_ONCE
    await client.close()
    await proxy.cut()


@pytest_twisted.ensureDeferred
async def test_what_is_compacted_cannot_be_watched(own_etcd: EtcdServer) -> None:
    client = client_of(own_etcd.url)
    revision = 0
    for _ in range(5):
        revision = (await client.set(b"p/k", b"v")).header.revision
    await client.call("kv/compaction", {"revision": revision})
    watching = Watching(client, b"p/", 2)
    await until(lambda: len(watching.messages) == 2)
    assert watching.messages[1].compact_revision == revision
    with pytest.raises(EtcdError, match="compacted") as caught:
        await client.call("kv/range", {"key": "cC9r", "revision": 2})
    assert caught.value.code == 11
    watching.ended.cancel()


# Endpoints


def refusing() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest_twisted.ensureDeferred
async def test_one_member_refuses_one_hangs_and_the_third_serves(etcd: Any, serve: Any) -> None:
    client = client_of(refusing(), serve(Silent), etcd.url, timeout=2.0)
    with pytest.raises(EtcdTimeout, match="no answer within 2 s"):
        await client.status()
    assert (await client.status()).version
    assert client.endpoint == etcd.url, "the one that served is kept"
    assert (await client.status()).version


@pytest_twisted.ensureDeferred
async def test_a_watch_that_hangs_is_given_up_and_the_next_member_is_watched(etcd: Any, serve: Any) -> None:
    client = client_of(serve(Silent), etcd.url, timeout=0.5)
    watching = Watching(client, b"hang/")
    await until(lambda: watching.failures)
    assert type(watching.failures[0]) is EtcdTimeout
    again = Watching(client, b"hang/")
    await until(lambda: again.created)
    again.ended.cancel()


@pytest_twisted.ensureDeferred
async def test_nobody_listens() -> None:
    client = client_of(refusing(), refusing())
    with pytest.raises(EtcdConnectionRefused, match="connection refused") as caught:
        await client.status()
    assert caught.value.refused
    watching = Watching(client, b"p/")
    await until(lambda: watching.failures)
    assert type(watching.failures[0]) is EtcdConnectionRefused


@pytest_twisted.ensureDeferred
async def test_a_connection_that_died_while_it_was_idle_is_replaced(etcd: Any) -> None:
    proxy = Proxy(reactor, int(etcd.url.rpartition(":")[2]))
    client = client_of(proxy.url)
    await client.status()
    await client.status()
    assert proxy.connections == 1
    proxy.reset()
    await client.status()
    assert proxy.connections == 2
    await proxy.cut()


@pytest.mark.parametrize(
    ("answer", "close", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False, "no answer of etcd's: HTTP 200, hello"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n", False, "no answer of etcd's: HTTP 404, no"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", False, "HTTP 302"),
        (b"\x00\x01\x02\x03\r\n\r\n", True, "127.0.0.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", True, "127.0.0.1"),
        (b"", True, "127.0.0.1"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_no_etcd_is_unreachable(serve: Any, answer: bytes, close: bool, why: str) -> None:
    client = client_of(serve(lambda: Talker(answer, close)))
    with pytest.raises(EtcdUnreachable, match=why):
        await client.status()
    watching = Watching(client, b"p/")
    await until(lambda: watching.failures)
    assert type(watching.failures[0]) is EtcdUnreachable


@pytest_twisted.ensureDeferred
async def test_a_grant_that_is_none_is_told_as_such(serve: Any) -> None:
    client = client_of(serve(lambda: Talker(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"header":{}}', False)))
    with pytest.raises(EtcdUnreachable, match="granted no lease"):
        await client.lease(5)
    with pytest.raises(Expired):
        await client.existing_lease(7).refresh()


@pytest.mark.parametrize(
    "body", [b'{"result":{}}\n', b"hello", b'{"result":{"header":{"cluster_id":"1"},"events":[{"kv":{}}]}}\n', b""]
)
@pytest_twisted.ensureDeferred
async def test_a_stream_that_is_no_watch_is_unreachable(serve: Any, body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    watching = Watching(client_of(serve(lambda: Talker(answer, False))), b"p/")
    await until(lambda: watching.failures)
    assert type(watching.failures[0]) is EtcdUnreachable


@pytest_twisted.ensureDeferred
async def test_the_last_word_of_a_stream(serve: Any) -> None:
    body = b'{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}\n'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    other = refusing()
    client = client_of(serve(lambda: Talker(answer, False)), other)
    watching = Watching(client, b"p/")
    await until(lambda: watching.failures)
    assert (watching.failures[0].code, watching.failures[0].text) == (14, "etcdserver: no leader")
    assert client.endpoint == other


@pytest_twisted.ensureDeferred
async def test_an_answer_has_a_limit(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txgateway.net.etcd_client.ANSWER_LIMIT", 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    client = client_of(serve(lambda: Talker(head + b" " * 1001, False)))
    with pytest.raises(EtcdUnreachable, match="more than 1000 bytes"):
        await client.status()


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("what", ["call", "watch"])
@pytest_twisted.ensureDeferred
async def test_a_cancellation_is_one_however_far_it_was(serve: Any, what: str, turns: int) -> None:
    client = client_of(serve(Silent))
    running = client.status() if what == "call" else client.watch(KeyRange.under(b"p/"), 0, print)
    for _ in range(turns):
        await deferLater(reactor, 0)
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    await client.close()


@pytest_twisted.ensureDeferred
async def test_every_watch_asks_for_a_member_that_has_a_leader(serve: Any) -> None:
    seen: list[bytes] = []

    class Listening(Protocol):
        def dataReceived(self, data: bytes) -> None:
            seen.append(data)

    watching = Watching(client_of(serve(Listening)), b"p/", 7)
    await until(lambda: b"create_request" in b"".join(seen))
    request = b"".join(seen)
    assert request.startswith(b"POST /v3/watch HTTP/1.1\r\n")
    assert b"grpc-metadata-hasleader: true\r\n" in request.lower()
    assert b"authorization" not in request.lower()
    watching.ended.cancel()
