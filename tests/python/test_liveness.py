"""Connections to machines that may disappear."""

from __future__ import annotations

import socket

from buildbot_nix.liveness import SILENCE_MAX, expect_answers


def test_a_silent_machine_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as connection:
        connection.connect(server.getsockname())
        expect_answers(connection)

        def option(name: str) -> int:
            return connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))

        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        silence = option("TCP_KEEPIDLE") + option("TCP_KEEPINTVL") * option("TCP_KEEPCNT")
        assert silence == SILENCE_MAX
        assert option("TCP_USER_TIMEOUT") == SILENCE_MAX * 1000
