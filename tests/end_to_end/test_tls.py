"""TLS and HTTP/2 on the public port, by real clients: names, renewed certificates, old versions."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.end_to_end.twistd import BookProcess, GatewayProcess, request
from tests.end_to_end.waiting import wait_until

pytestmark = pytest.mark.slow
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
TARGET = "/book/query?num=7"


def write_certificate(file, *names):
    """A key and its certificate for these names; gives the serial number."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    written = file.with_suffix(".new")
    written.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    written.rename(file)
    return certificate.serial_number


@pytest.fixture(scope="module")
def book():
    with BookProcess() as book:
        yield book


@pytest.fixture(scope="module", params=[("httptools",), ("klein",), ("klein", "--workers", "2")], ids=" ".join)
def server(request, book, tmp_path_factory):
    """A gateway whose certificates one test alone may change."""
    folder = tmp_path_factory.mktemp("certificates")
    serials = {
        "default": write_certificate(folder / "default.pem", "gateway.example"),
        "other": write_certificate(folder / "other.pem", "other.example", "*.wild.example"),
    }
    listen = f"https:0:certificates={folder}:interface=127.0.0.1"
    with GatewayProcess("--http", *request.param, "--listen", listen, "--static", f"book={book.address}") as gateway:
        # The last of two public ports is the one behind TLS.
        gateway.tls_port = int(gateway.find(r"public port: [\d.:]+[^|]*?public port: 127\.0\.0\.1:(\d+)"))
        gateway.serials = serials
        gateway.folder = folder
        gateway.http = request.param[0]
        wait_until(lambda: gateway.admin("/readyz")["ready"])
        yield gateway
        assert not gateway.tracebacks, gateway.output


def handshake(port, name=None, **settings):
    """The certificate's serial number and the protocol that was agreed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    for key, value in settings.items():
        setattr(context, key, value)
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        certificate = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))
        return certificate.serial_number, secure.selected_alpn_protocol()


def test_each_name_has_its_certificate_and_a_new_one_without_a_restart(server):
    port, serials = server.tls_port, server.serials
    agreed = "h2" if server.http == "klein" else None
    assert handshake(port) == (serials["default"], agreed)
    assert handshake(port, "gateway.example") == (serials["default"], agreed)
    assert handshake(port, "nobody.example") == (serials["default"], agreed)
    assert handshake(port, "other.example") == (serials["other"], agreed)
    assert handshake(port, "a.wild.example") == (serials["other"], agreed)

    renewed = write_certificate(server.folder / "other.pem", "other.example")
    wait_until(lambda: all(handshake(port, "other.example")[0] == renewed for _ in range(8)))
    # What cannot be read changes nothing.
    (server.folder / "default.pem").write_text("nonsense")
    time.sleep(1.1)
    assert handshake(port) == (serials["default"], agreed)


def test_old_versions_are_refused(server):
    with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises(ssl.SSLError):
        handshake(server.tls_port, maximum_version=ssl.TLSVersion.TLSv1_1, minimum_version=ssl.TLSVersion.TLSv1)
    assert handshake(server.tls_port, maximum_version=ssl.TLSVersion.TLSv1_2)


@needs_curl
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_curl_gets_its_answer_by_either_version(server, version):
    said = subprocess.run(
        ["curl", "-sk", f"--http{version}", "-w", "\n%{http_version}", f"https://127.0.0.1:{server.tls_port}{TARGET}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    body, _, spoken = said.rpartition("\n")
    assert spoken == (version if server.http == "klein" else "1.1")
    assert json.loads(body)["ID"]


def test_many_requests_share_a_connection_of_http_2(server):
    if server.http != "klein":
        pytest.skip("HTTP/2 comes by twisted.web")
    if shutil.which("h2load") is None:
        pytest.skip("no h2load here")
    said = subprocess.run(
        ["h2load", "-n500", "-c2", "-m10", f"https://127.0.0.1:{server.tls_port}{TARGET}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "500 succeeded, 0 failed, 0 errored" in said, said
    assert "status codes: 500 2xx" in said


@needs_curl
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_body_above_the_limit_is_refused_by_either_version(server, version, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(b" " * 6_000_000)
    url = f"https://127.0.0.1:{server.tls_port}/book/insert"
    said = subprocess.run(
        ["curl", "-sk", f"--http{version}", "-w", "\n%{http_code}", "--data-binary", f"@{file}", url],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    body, _, status = said.rpartition("\n")
    assert status == "413"
    assert json.loads(body)["title"] == "Content too large"


@needs_curl
def test_too_many_headers_are_refused_by_either_version(server):
    for version in ("1.1", "2"):
        many = [part for number in range(120) for part in ("-H", f"x-{number}: {number}")]
        command = ["curl", "-sk", f"--http{version}", "-w", "%{http_code}", "-o", "/dev/null", *many]
        url = f"https://127.0.0.1:{server.tls_port}{TARGET}"
        said = subprocess.run([*command, url], capture_output=True, text=True, check=False)
        assert said.stdout == "431", (version, said)


@needs_curl
def test_a_body_by_http_2_that_does_not_end_is_given_up_and_others_go_on(book, tmp_path):
    write_certificate(tmp_path / "default.pem", "gateway.example")
    config = tmp_path / "tgw.toml"
    config.write_text("[http]\nbody_timeout = 2.0\nmax_body = 1000\n")
    listen = f"https:0:certificates={tmp_path}:interface=127.0.0.1"
    options = ["--config", str(config), "--http", "klein", "--listen", listen, "--static", f"book={book.address}"]
    with GatewayProcess(*options) as gateway:
        port = int(gateway.find(r"public port: [\d.:]+[^|]*?public port: 127\.0\.0\.1:(\d+)"))
        endless = ["curl", "-sk", "--http2", "-m30", "-T", "-", "-X", "POST", f"https://127.0.0.1:{port}/book/insert"]
        with subprocess.Popen(endless, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            client.stdin.write(b"id=7")
            client.stdin.flush()
            wait_until(lambda: "request-timeout" in metrics(gateway), 20)
            client.stdin.close()
            # The stream did not end as it should.
            assert client.wait(20) == 92
        # More than is read and dropped, which is sixteen times the limit, and said to be so much.
        for length in ([], ["-H", "content-length: 1000000"]):
            said = subprocess.run([*endless, *length], input=bytes(1_000_000), capture_output=True, check=False)
            assert said.returncode == 92
        answer = subprocess.run(["curl", "-sk", "--http2", f"https://127.0.0.1:{port}{TARGET}"], capture_output=True)
        assert json.loads(answer.stdout)["ID"]
        # Each was refused for what it was.
        refused = re.findall(r'^tgw_http_refused_total\{reason="([\w-]+)"\} (\d+)', metrics(gateway), re.MULTILINE)
        assert dict(refused) == {"request-timeout": "1", "body-too-large": "2"}
        assert not gateway.tracebacks, gateway.output


def metrics(gateway):
    return request(gateway.admin_port, "GET", "/metrics").body.decode()
