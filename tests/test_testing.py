"""The helpers for tests: what is relied on, and seen nowhere else."""

from __future__ import annotations

import socket
import sys

import pytest

from txgateway.testing import free_port


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a port kept")
def test_a_free_port_refuses_and_is_kept_for_the_server_that_asks_for_it_by_number():
    port = free_port()
    # As a bind to port 0 does, this wants a port that no one else has.
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 10)
        with (
            socket.create_server(("127.0.0.1", port)) as server,
            socket.create_connection(("127.0.0.1", port), 10) as client,
            server.accept()[0] as accepted,
        ):
            accepted.sendall(b"x")
            assert client.recv(1) == b"x"
