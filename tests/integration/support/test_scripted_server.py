"""The scripted server counts what a client asked, and nothing that a client only began to ask."""

from __future__ import annotations

import socket

from scripted_server import Reply, ScriptedServer


def test_a_request_whose_client_went_away_before_its_end_is_not_counted() -> None:
    with ScriptedServer(lambda _: Reply()) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 20\r\n\r\n{")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        assert server.requests == []
