"""Which reactor ``twistd tgw`` runs on."""

from __future__ import annotations

import sys

import pytest

from tests.end_to_end.twistd import ROOT, Twistd

LEAN = "txgateway.net.reactor.LeanEPollReactor"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="epoll is Linux's")
@pytest.mark.parametrize(
    ("reactor", "runs_on"), [("", LEAN), ("poll", "twisted.internet.pollreactor.PollReactor"), ("tgw-epoll", LEAN)]
)
def test_the_lean_one_unless_another_is_chosen(reactor: str, runs_on: str) -> None:
    listen = "tcp:0:interface=127.0.0.1"
    with Twistd("tgw", "--idl", str(ROOT / "idl"), "--listen", listen, reactor=reactor) as gateway:
        assert gateway.find(r"reactor class: (\S+)\.") == runs_on
