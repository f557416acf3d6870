"""The client where etcd wants a login or certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread

from txgateway.core.etcd import EtcdError, EtcdUnreachable, KeyRange, WatchMessage
from txgateway.net.etcd_client import LOGIN_PAUSE, Access, EtcdClient
from txgateway.testing import EtcdServer, find_etcd

from .certificates import Authority
from .locking import APP, ROOT, lock
from .waiting import until

reactor: Any = global_reactor


def client_of(url: str, **access: Any) -> EtcdClient:
    return EtcdClient(reactor, Access((url,), **access))


def logins(client: EtcdClient) -> int:
    found: int = client.stats()["posts"].get("auth/authenticate", 0)
    return found


# Logins


@pytest.fixture
def locked(own_etcd: EtcdServer) -> EtcdServer:
    """An etcd that wants a login; see ``lock``."""
    lock(own_etcd.url)
    return own_etcd


async def forget_tokens_of_app(etcd: EtcdServer) -> None:
    """A new password, be it the old one, makes all tokens of a user worthless."""
    await client_of(etcd.url, **ROOT).call("auth/user/changepw", {"name": "app", "password": APP["password"]})


@pytest_twisted.ensureDeferred
async def test_a_login_is_asked_for_once(locked: EtcdServer) -> None:
    client = client_of(locked.url, **APP)
    await gatherResults([client.set(b"p/%d" % number, b"") for number in range(5)])
    assert len((await client.snapshot(KeyRange.under(b"p/"))).keys) == 5
    assert logins(client) == 1


@pytest_twisted.ensureDeferred
async def test_what_is_forbidden_is_an_error_and_no_reason_to_log_in(locked: EtcdServer) -> None:
    client = client_of(locked.url, **APP)
    with pytest.raises(EtcdError, match="permission denied"):
        await client.set(b"other", b"")
    assert logins(client) == 1
    with pytest.raises(EtcdError, match="user name is empty"):
        await client_of(locked.url).set(b"p/a", b"")


@pytest_twisted.ensureDeferred
async def test_a_token_that_etcd_forgot_is_replaced_by_one_login(locked: EtcdServer) -> None:
    client = client_of(locked.url, **APP)
    lease = await client.lease(60)
    await client.set(b"p/a", b"", lease)
    await forget_tokens_of_app(locked)
    await gatherResults([client.set(b"p/a", b"", lease) for _ in range(5)])
    assert logins(client) == 2
    await forget_tokens_of_app(locked)
    await lease.refresh()
    assert await lease.keys() == [b"p/a"]


@pytest_twisted.ensureDeferred
async def test_a_restart_of_etcd_is_survived(locked: EtcdServer) -> None:
    client = client_of(locked.url, **APP)
    await client.set(b"p/a", b"")
    await deferToThread(locked.restart)
    await client.set(b"p/a", b"")


@pytest_twisted.ensureDeferred
async def test_a_change_of_users_is_survived(locked: EtcdServer) -> None:
    client, root = client_of(locked.url, **APP), client_of(locked.url, **ROOT)
    await client.set(b"p/a", b"")
    await root.call("auth/user/add", {"name": "new", "password": "x"})
    await client.set(b"p/a", b"")
    messages: list[WatchMessage] = []
    watching = client.watch(KeyRange.under(b"p/"), 0, messages.append)
    watching.addErrback(lambda _: None)
    await until(lambda: any(message.created for message in messages))
    watching.cancel()


@pytest_twisted.ensureDeferred
async def test_a_watch_with_a_token_that_is_forgotten_is_refused_and_a_login_mends_it(locked: EtcdServer) -> None:
    client = client_of(locked.url, **APP)
    await client.set(b"p/a", b"")
    await forget_tokens_of_app(locked)
    messages: list[WatchMessage] = []
    watching = client.watch(KeyRange.under(b"p/"), 0, messages.append)
    watching.addErrback(lambda _: None)
    await until(lambda: messages and messages[-1].canceled)
    watching.cancel()
    await client.login()
    del messages[:]
    watching = client.watch(KeyRange.under(b"p/"), 0, messages.append)
    watching.addErrback(lambda _: None)
    await until(lambda: messages)
    await client.set(b"p/a", b"")
    await until(lambda: any(message.events for message in messages))
    watching.cancel()


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_is_not_tried_again_at_once(locked: EtcdServer) -> None:
    client = client_of(locked.url, user="app", password="wrong")
    for _ in range(5):
        with pytest.raises(EtcdError, match="authentication failed"):
            await client.set(b"p/a", b"")
    assert logins(client) == 1


@pytest_twisted.ensureDeferred
async def test_credentials_that_etcd_does_not_want_do_no_harm(own_etcd: EtcdServer) -> None:
    client = client_of(own_etcd.url, **APP)
    await client.set(b"p/a", b"")
    await client.set(b"p/a", b"")
    assert logins(client) == 1


def test_a_refused_login_is_tried_again_after_a_pause() -> None:
    """By a Clock, and by what the client would send."""
    clock, asked = Clock(), []

    class Refusing(EtcdClient):
        async def _exchange(self, endpoint: str, path: str, *rest: Any) -> dict[str, Any]:
            asked.append(path)
            raise EtcdError(3, "authentication failed")

    client = Refusing(clock, Access(("http://127.0.0.1:1",), **APP))
    for _ in range(3):
        Deferred.fromCoroutine(client.call("kv/put", {})).addErrback(lambda failure: failure.trap(EtcdError) and None)
    assert asked == ["auth/authenticate"]
    clock.advance(LOGIN_PAUSE)
    Deferred.fromCoroutine(client.call("kv/put", {})).addErrback(lambda failure: failure.trap(EtcdError) and None)
    assert asked == ["auth/authenticate"] * 2


# Certificates


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls_etcd(authority: Authority) -> Iterator[EtcdServer]:
    """An etcd that shows a certificate and wants to see one."""
    if find_etcd() is None:
        pytest.skip("no etcd program here")
    certificate, key = authority.issue("server")
    files = ["--cert-file", certificate, "--key-file", key, "--trusted-ca-file", authority.certificate]
    with EtcdServer(*map(str, files), "--client-cert-auth", scheme="https") as server:
        yield server


async def up(client: EtcdClient) -> None:
    """Wait until this etcd has elected itself, which cannot be asked without a certificate."""
    for _ in range(100):
        try:
            await client.set(b"p/up", b"")
        except EtcdError:
            await deferLater(reactor, 0.1)
        else:
            return
    await client.set(b"p/up", b"")


@pytest_twisted.ensureDeferred
async def test_both_sides_show_certificates(tls_etcd: EtcdServer, authority: Authority) -> None:
    certificate, key = authority.issue("client")
    client = client_of(tls_etcd.url, ca=authority.certificate, certificate=certificate, key=key)
    await up(client)
    messages: list[WatchMessage] = []
    watching = client.watch(KeyRange.under(b"p/"), 0, messages.append)
    watching.addErrback(lambda _: None)
    await until(lambda: messages)
    await client.set(b"p/a", b"1")
    await until(lambda: any(message.events for message in messages))
    watching.cancel()


@pytest_twisted.ensureDeferred
async def test_a_side_that_shows_none_is_refused(tls_etcd: EtcdServer, authority: Authority) -> None:
    with pytest.raises(EtcdUnreachable, match="certificate"):
        await client_of(tls_etcd.url, ca=authority.certificate).status()


@pytest_twisted.ensureDeferred
async def test_a_server_that_nobody_vouches_for_is_refused(
    tls_etcd: EtcdServer, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate, key = authority.issue("client")
    other = Authority(tmp_path_factory.mktemp("other"))
    for ca in (None, other.certificate):
        with pytest.raises(EtcdUnreachable, match="certificate verify failed"):
            await client_of(tls_etcd.url, ca=ca, certificate=certificate, key=key).status()


@pytest_twisted.ensureDeferred
async def test_certificates_are_read_anew(tls_etcd: EtcdServer, authority: Authority, tmp_path: Path) -> None:
    certificate, key = tmp_path / "mine.pem", tmp_path / "mine.key"
    client = client_of(tls_etcd.url, ca=authority.certificate, certificate=certificate, key=key)
    with pytest.raises(EtcdUnreachable, match=r"mine\.pem"):
        await client.status()
    for made, wanted in zip(authority.issue("client"), (certificate, key), strict=True):
        wanted.write_bytes(made.read_bytes())
    await up(client)
    certificate.write_bytes(b"")
    await client.close()
    with pytest.raises(EtcdUnreachable, match="holds no certificate"):
        await client.status()
