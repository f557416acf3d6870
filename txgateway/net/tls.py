"""TLS with certificates from a folder: by the name that the client asks for, and read again when they change.

``https:8443:certificates=/etc/tgw/tls`` is an endpoint string. Each ``*.pem`` of the folder
holds a private key and its certificate with the chain behind it; it serves the names that are
in the certificate. A client that asks for no name, or for one that no certificate has, gets
``default.pem``, or the first by name. Renewing means writing a file (or renaming one into place).
Twisted's own ``tls:`` looks into its folder again only for a name that it does not know, so a
renewed certificate is never seen, and any client can have it look as often as it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from attrs import define
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocolNegotiationFactory,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.logger import Logger
from twisted.plugin import IPlugin
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer  # type: ignore[import-untyped]

log = Logger()

# Between two looks at the folder; a look costs a few microseconds a file.
LOOK_AGAIN_AFTER = 1.0
DEFAULT = "default.pem"
# TLS 1.2 with forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"

# What of a file tells that it has changed.
_Stamp = tuple[str, int, int, int]


class NoCertificate(ValueError):
    """The folder has no certificate that can be used."""


@define
class _Contexts:
    """What one reading of the folder has given."""

    by_name: dict[str, SSL.Context]
    default: SSL.Context
    _prepared: bool = False

    def prepare(self, factory: Any) -> None:
        """Before the first connection, after which a context cannot be changed: names, and HTTP/2 or not."""
        if self._prepared:
            return
        self._prepared = True
        self.default.set_tlsext_servername_callback(self._switch)
        if IProtocolNegotiationFactory.providedBy(factory):
            offered = factory.acceptableProtocols()
            for context in {self.default, *self.by_name.values()}:
                context.set_alpn_select_callback(lambda connection, wanted: _choose(offered, wanted))

    def _switch(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        if name:
            connection.set_context(self.find(name.decode("ascii", "replace")))

    def find(self, name: str) -> SSL.Context:
        """By the name itself, or by one with a star for its first label."""
        name = name.lower().rstrip(".")
        found = self.by_name.get(name) or self.by_name.get("*." + name.partition(".")[2])
        return found or self.default


def _choose(offered: list[bytes], wanted: list[bytes]) -> Any:
    return next((protocol for protocol in offered if protocol in wanted), SSL.NO_OVERLAPPING_PROTOCOLS)


@implementer(IOpenSSLServerConnectionCreator)
class CertificateFolder:
    """The certificates of a folder. Raises NoCertificate.

    A change that cannot be read is logged, and what was read before stays.

    :param seconds: the reactor's.
    """

    def __init__(self, folder: Path, seconds: Callable[[], float]) -> None:
        self._folder = folder
        self._seconds = seconds
        self._stamps = self._look()
        self._looked = seconds()
        self._contexts = self._load()

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Twisted asks for this at each connection."""
        self._refresh()
        self._contexts.prepare(tlsProtocol.factory.wrappedFactory)
        return SSL.Connection(self._contexts.default, None)

    def _refresh(self) -> None:
        now = self._seconds()
        if now - self._looked < LOOK_AGAIN_AFTER:
            return
        self._looked = now
        try:
            stamps = self._look()
            if stamps == self._stamps:
                return
            self._stamps = stamps
            self._contexts = self._load()
        except (OSError, NoCertificate) as error:
            log.error("{folder}: the certificates stay as they were: {error}", folder=self._folder, error=error)
        else:
            log.info("{folder}: certificates read again", folder=self._folder)

    def _look(self) -> list[_Stamp]:
        return sorted(
            (path.name, status.st_mtime_ns, status.st_size, status.st_ino)
            for path in self._folder.glob("*.pem")
            for status in (path.stat(),)
        )

    def _load(self) -> _Contexts:
        loaded = {name: _load(self._folder / name) for name, *_ in self._stamps}
        if not loaded:
            raise NoCertificate(f"{self._folder}: no file *.pem")
        by_name = {name: context for context, names in loaded.values() for name in names}
        default, _ = loaded.get(DEFAULT) or next(iter(loaded.values()))
        return _Contexts(by_name, default)


def _load(file: Path) -> tuple[SSL.Context, list[str]]:
    """A context, and the names that its certificate is for. Raises NoCertificate."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    try:
        context.use_certificate_chain_file(str(file))
        context.use_privatekey_file(str(file))
        context.check_privatekey()
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (SSL.Error, ValueError) as error:
        raise NoCertificate(f"{file}: not a private key and its certificate ({error!r})") from None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return context, []
    return context, [name.lower() for name in names.get_values_for_type(x509.DNSName)]


@implementer(IStreamServerEndpoint)
class HttpsEndpoint:
    """Listens on TCP and speaks TLS."""

    def __init__(self, reactor: Any, port: int, certificates: CertificateFolder, interface: str, backlog: int) -> None:
        endpoint = TCP6ServerEndpoint if ":" in interface else TCP4ServerEndpoint
        self._tcp = endpoint(reactor, port, backlog, interface)
        self._certificates = certificates

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        """Twisted calls this."""
        return self._tcp.listen(TLSMemoryBIOFactory(cast(Any, self._certificates), False, protocolFactory))


@implementer(IPlugin, IStreamServerEndpointStringParser)
class HttpsParser:
    """``https:PORT:certificates=FOLDER[:interface=ADDRESS][:backlog=N]``."""

    prefix = "https"

    def parseStreamServer(
        self, reactor: Any, port: str, certificates: str, interface: str = "", backlog: str = "50"
    ) -> HttpsEndpoint:
        """Twisted calls this. Raises ValueError."""
        try:
            folder = CertificateFolder(Path(certificates), reactor.seconds)
        except OSError as error:
            raise NoCertificate(f"{certificates}: {error.strerror}") from None
        return HttpsEndpoint(reactor, int(port), folder, interface, int(backlog))
