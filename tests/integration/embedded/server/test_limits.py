"""What one client may cost the embedded server: over real sockets, since that is where a client misbehaves."""

from __future__ import annotations

import json
import socket
import struct
import time
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from every_row import every_row
from targets import predict_body

from pytest_ddperf.cli.main import main
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.protocol import build_predict_body, build_service_body
from pytest_ddperf.embedded import launch
from pytest_ddperf.embedded.limits import MAX_HEAD_BYTES, MAX_NAME, MAX_NESTING, MAX_SERVICE_BYTES, MAX_VALUES
from pytest_ddperf.errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ddperf.embedded.launch import EmbeddedServer

SERVICE = build_service_body("shufflenet")
HOLD_S = 20.0
"""Longer than any of these takes: a test that waits so long has failed."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("data")
    cv2.imwrite(str(folder / "small.png"), np.zeros((10, 10, 3), np.uint8))
    limits = ("--max-body", "1", "--max-images", "3", "--max-services", "2")
    times = ("--max-connections", "8", "--request-timeout", "1", "--no-http")
    with launch.start(data_dir=folder, models=("shufflenet",), threads=1, extra=(*limits, *times)) as started:
        yield started


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as one:
        yield one
        assert one.info().services  # whatever was asked, it is there


def connected(server: EmbeddedServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=HOLD_S)


def rest(connection: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    received = bytearray()
    try:
        while chunk := connection.recv(2**16):
            received += chunk
    except ConnectionResetError:
        pass
    return bytes(received)


def status_of(answer: bytes) -> tuple[int, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["status"]


def exchanged(server: EmbeddedServer, content: bytes) -> tuple[int, Any]:
    with connected(server) as connection:
        connection.sendall(content)
        return status_of(rest(connection))


def refusal(client: Client, body: dict[str, object]) -> RequestRefusedError:
    with pytest.raises(RequestRefusedError) as caught:
        predict_body(client, body)
    return caught.value


def test_too_many_images_are_refused_before_they_are_read(client: Client) -> None:
    assert "at most 3 are allowed" in str(refusal(client, build_predict_body("shufflenet", ["small.png"] * 4)))


def test_a_folder_named_without_end_is_refused(client: Client) -> None:
    assert "at most 3 are allowed" in str(refusal(client, build_predict_body("shufflenet", ["."] * 50_000)))


def test_http_can_be_forbidden(client: Client) -> None:
    assert "http URLs are disabled" in str(
        refusal(client, build_predict_body("shufflenet", ["http://127.0.0.1:1/a.jpg"]))
    )


def test_there_are_only_so_many_services(client: Client) -> None:
    client.create_service("one", SERVICE)
    with pytest.raises(RequestRefusedError, match="2 services exist"):
        client.create_service("two", SERVICE)
    client.delete_service("one")


def test_a_name_is_only_so_long(client: Client) -> None:
    client.create_service("n" * MAX_NAME, SERVICE)
    client.delete_service("n" * MAX_NAME)
    with pytest.raises(RequestRefusedError, match=f"at most {MAX_NAME} characters"):
        client.create_service("n" * (MAX_NAME + 1), SERVICE)


def test_json_nests_only_so_deep(client: Client) -> None:
    deep: Any = {}
    for _ in range(MAX_NESTING):
        deep = {"a": deep}
    with pytest.raises(RequestRefusedError, match=f"nested at most {MAX_NESTING} levels"):
        client.create_service("deep", {**SERVICE, "deep": deep})
    client.create_service("deep", {**SERVICE, "deep": deep["a"]["a"]})
    client.delete_service("deep")


def test_json_has_only_so_many_values(client: Client) -> None:
    error = refusal(client, {"service": "shufflenet", "data": [[]] * MAX_VALUES})
    assert (error.http_status, f"at most {MAX_VALUES} values" in str(error)) == (413, True)


def test_what_is_kept_of_a_service_is_small(server: EmbeddedServer) -> None:
    head = f"PUT /services/a HTTP/1.1\r\nContent-Length: {MAX_SERVICE_BYTES + 1}\r\n\r\n".encode()
    assert exchanged(server, head)[0] == 413


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(server: EmbeddedServer) -> None:
    status, reported = exchanged(server, b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
    assert (status, reported["dd_code"]) == (413, 413)
    assert "at most 1048576 bytes" in reported["dd_msg"]


def test_a_body_without_a_length_is_refused_where_it_becomes_too_large(server: EmbeddedServer) -> None:
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with connected(server) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                connection.sendall(piece)
        except ConnectionError:
            return  # it hung up: what it said went with that
        assert status_of(rest(connection))[0] == 413


@every_row(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"hello\r\n\r\n",
        b"GET /info HTTP/9.9\r\n\r\n",
        b"GET /info HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}and more of it\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_with_400(server: EmbeddedServer, client: Client, content: bytes) -> None:
    status, reported = exchanged(server, content)
    assert (status, reported["code"], reported["msg"]) == (400, 400, "BadRequest")


@pytest.mark.parametrize("start", [b"GET /info HTTP/1.1\r\nX: ", b"GET /"], ids=["header", "url"])
def test_a_head_without_end_is_refused(server: EmbeddedServer, client: Client, start: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(start)
        try:
            for _ in range(64):
                connection.sendall(b"x" * MAX_HEAD_BYTES)
        except ConnectionError:
            return
        assert status_of(rest(connection))[0] in {400, 431}


BEGUN = (
    b"",
    b"GET /in",
    b"GET /info HTTP/1.1\r\nHost: x\r\n",
    b"POST /predict HTTP/1.1\r\nContent-Length: 50\r\n\r\n{",
)
"""Requests that stop before the request line, in it, in the headers, and in the body."""


def test_a_client_that_stops_in_the_middle_is_given_up(server: EmbeddedServer, client: Client) -> None:
    with ExitStack() as opened:
        connections = [opened.enter_context(connected(server)) for _ in BEGUN]
        for connection, begun in zip(connections, BEGUN, strict=True):
            connection.sendall(begun)
        answers = [status_of(rest(connection)) for connection in connections]
    assert [(status, reported["dd_msg"]) for status, reported in answers] == [
        (408, "the request did not arrive within 1 s")
    ] * len(BEGUN)


def test_a_byte_now_and_then_does_not_hold_a_connection(server: EmbeddedServer) -> None:
    with connected(server) as connection:
        connection.settimeout(0.1)
        received = b""
        for byte in b"GET /info HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
            try:
                connection.sendall(bytes([byte]))
                received = connection.recv(2**16)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        connection.settimeout(HOLD_S)
        assert status_of(received + rest(connection))[0] == 408


def test_an_idle_client_keeps_its_connection_between_two_requests(client: Client) -> None:
    client.info()
    time.sleep(1.5)
    assert client.info().services
    assert client._pool.num_connections == 1


def test_a_client_that_goes_away_in_the_middle_leaves_no_trace(server: EmbeddedServer, client: Client) -> None:
    client.info()
    before = server.log_tail
    for _ in range(5):
        with connected(server) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 500\r\n\r\n{")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert client.info().services
    assert server.log_tail == before


def test_too_many_connections_are_refused_and_the_others_go_on(server: EmbeddedServer, client: Client) -> None:
    client.info()
    with ExitStack() as opened:
        held = [opened.enter_context(connected(server)) for _ in range(12)]
        status, reported = status_of(rest(held[-1]))
        assert (status, reported["dd_msg"]) == (503, "at most 8 connections are allowed")
        assert client.info().services
    for connection in held:
        connection.close()
    time.sleep(0.2)
    assert client.info().services


def test_a_packed_bomb_is_refused(server: EmbeddedServer) -> None:
    packed = zlib.compress(bytes(2**21))
    head = b"POST /predict HTTP/1.1\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert exchanged(server, head + packed)[0] == 413


@pytest.mark.parametrize(
    "key",
    [{"mean": [10**400]}, {"std": [10**400]}, {"scale": 1e39}, {"mean": [1e39, 0, 0]}],
    ids=["mean", "std", "scale", "mean of a float"],
)
def test_a_number_that_no_float32_holds_is_refused(client: Client, key: dict[str, object]) -> None:
    with pytest.raises(RequestRefusedError, match="float32"):
        client.create_service("huge", {**SERVICE, "parameters": {"input": {"connector": "image", **key}}})


def test_a_threshold_that_no_float_holds_leaves_no_class(client: Client) -> None:
    body = build_predict_body("shufflenet", ["small.png"], output={"confidence_threshold": 10**400})
    assert predict_body(client, body).answer.predictions[0].classes == ()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104 - all are refused
def test_another_address_than_loopback_is_refused(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", "0", "--host", host])
    assert ended.value.code == 2
    assert "loopback" in capsys.readouterr().err
