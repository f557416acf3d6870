"""The example in the documents is run as it stands, but for its addresses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.twistd import ROOT, GatewayProcess
from txgateway.testing import free_port

pytestmark = pytest.mark.slow


def test_the_service_of_the_documents_is_served(etcd, tmp_path):
    page = (ROOT / "docs" / "services.md").read_text("utf-8")
    blocks = dict(re.findall(r"```(thrift|python)\n(.*?)```", page, re.DOTALL))
    program = blocks["python"].replace("http://127.0.0.1:2379", etcd.url).replace("tcp:9100", f"tcp:{free_port()}")
    (tmp_path / "greeter.thrift").write_text(blocks["thrift"])
    (tmp_path / "greeter.tac").write_text(program)
    twistd = Path(sys.executable).parent / "twistd"
    service = subprocess.Popen([twistd, "--pidfile=", "-ny", "greeter.tac"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        with GatewayProcess("--etcd", etcd.url, idl=tmp_path) as gateway:
            gateway.wait_for_instances("greeter", 1)
            greeted, whom = gateway.get("/greet?name=Ada"), gateway.get("/greet?name=")
            assert (greeted.status, greeted.body) == (200, b'{"text":"Hello Ada"}')
            assert (whom.status, whom.body) == (404, b'{"msg":"whom?"}')
            assert gateway.get(f"/greet?name={'a' * 21}").json["detail"] == "a name has at most 20 bytes"
    finally:
        service.terminate()
        service.wait(20)
