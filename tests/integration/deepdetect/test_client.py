from __future__ import annotations

import contextlib
import json
import logging
import socket
import socketserver
import ssl
import threading
import zlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from every_row import every_row
from fake_observer import FakeObserver
from messages import assert_names
from replay import DATA, RECORDINGS, Exchange, Replay, load
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup, never_ends
from scripted_server import Reply, Request, ScriptedServer
from targets import predict_body
from turned_clock import TurnedClock

from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.deepdetect.client import Client, encode, extract_server_facts, wait_until_up
from pytest_ddperf.deepdetect.protocol import (
    build_predict_body,
    build_service_body,
    check_predictions,
    parse_prediction,
)
from pytest_ddperf.deepdetect.timed import Totals
from pytest_ddperf.deepdetect.url import ServerUrl
from pytest_ddperf.errors import (
    AnswerError,
    ConfigurationError,
    GatewayError,
    RequestRefusedError,
    ServerError,
    ServerFailedError,
    ServerGoneError,
    ServerUnreachableError,
    ServiceExistsError,
    ServiceNotFoundError,
)
from pytest_ddperf.measure.loop import Plan, measure_round
from pytest_ddperf.servers.batches import Batch
from pytest_ddperf.text import quote_server_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s3cr3t"  # noqa: S105 - of nobody
PREDICTED = {
    "status": {"code": 200, "msg": "OK"},
    "head": {"time": 104.0},
    "body": {"predictions": [{"uri": "a.jpg", "classes": [{"prob": 0.5, "cat": "n01"}]}]},
}
CERTIFICATE = DATA / "127.0.0.1.pem"  # with its key; valid until 2126, made for these tests alone
BODY = build_predict_body("resnet50", ["a.jpg"])


@pytest.fixture(scope="module")
def stage() -> Iterator[ScriptedServer]:
    """A server whose script each test sets; one for the module, since it takes a moment to close."""
    with ScriptedServer([Reply()]) as server:
        yield server


@pytest.fixture
def client(stage: ScriptedServer) -> Iterator[Client]:
    stage.hang_up()
    with Client(stage.url, timeout_s=5) as one:
        yield one


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# --- every recorded exchange


def expected_error(exchange: Exchange) -> type[ServerError] | None:
    """By the tables of the API: what the recorded answer stands for."""
    if exchange.status is None:
        return ServerGoneError
    if exchange.status == 404:
        status = exchange.answer["status"] if exchange.answer else {}
        gone = status.get("dd_code") == 1002 or (exchange.method == "DELETE" and status.get("msg") == "NotFound")
        return ServiceNotFoundError if gone else RequestRefusedError
    if exchange.status == 409:
        return ServiceExistsError
    if exchange.status >= 500:
        return ServerFailedError
    return RequestRefusedError if exchange.status >= 400 else None


def ask(client: Client, exchange: Exchange) -> object:
    """The exchange's request by the method that makes such requests, or else by the plain one."""
    name = exchange.path.removeprefix("/services/")
    match exchange.method, exchange.path, exchange.body:
        case "GET", "/info", None:
            return client.info()
        case "GET", _, None if exchange.path == f"/services/{name}" and name.isalnum():
            return client.service(name)
        case "DELETE", _, None if name.isalnum():
            client.delete_service(name)
            return None
        case "PUT", _, dict(body) if name.isalnum():
            return client.create_service(name, body)
        case "POST", "/predict", dict(body):
            return predict_body(client, body)
        case _:
            service = name if exchange.path.startswith("/services/") else ""
            answer, _ = client.request(exchange.method, exchange.path, exchange.content, service=service)
            return answer


def find_fault(client: Client, exchange: Exchange) -> str:
    """Make the exchange's request and describe how the result differs from the recorded answer; "" if it does not."""
    kind = expected_error(exchange)
    try:
        ask(client, exchange)
    except ServerError as error:
        if type(error) is not kind:
            return f"{type(error).__name__} instead of {kind and kind.__name__}: {error}"
        dd_msg = exchange.answer["status"].get("dd_msg", "") if exchange.answer else ""
        shown = quote_server_text(dd_msg)
        missing = [fact for fact in (client.display_url, shown) if fact not in str(error)]
        return f"{missing} not in {error}" if missing else ""
    return "" if kind is None else f"no {kind.__name__}"


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recorded_exchange_is_a_result_or_its_typed_error(
    stage: ScriptedServer, client: Client, recording: str
) -> None:
    offenders = {}
    for exchange in load(recording):
        stage.respond = replay = Replay([exchange])
        if fault := find_fault(client, exchange) or [one.path for one in replay.unmatched]:
            offenders[exchange.name] = fault
    assert offenders == {}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_whole_recording_is_played_back_in_its_order(stage: ScriptedServer, client: Client, recording: str) -> None:
    # the client asks again where a server dies at a GET, and would get the next answer then
    exchanges = [one for one in load(recording) if one.method != "GET" or one.status is not None]
    stage.respond = Replay(exchanges)
    for exchange in exchanges:
        if expected_error(exchange) is None:
            ask(client, exchange)
        else:
            with pytest.raises(ServerError):
                ask(client, exchange)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recorded_batch_matches_by_the_names_of_its_images(
    stage: ScriptedServer, client: Client, recording: str
) -> None:
    exchange = next(one for one in load(recording) if one.name == "predict_batch_4")
    stage.respond = Replay([exchange])
    elsewhere = [f"/elsewhere/{path.rpartition('/')[2]}" for path in exchange.body["data"]]
    timed = predict_body(client, exchange.body | {"data": elsewhere})
    check_predictions(timed.answer, exchange.body["data"])


# --- requests


def test_a_prediction_is_answered_with_head_time_and_the_clients_clock(
    stage: ScriptedServer,
) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED)
    clock = iter([10.0, 10.25])
    with Client(stage.url, now=lambda: next(clock)) as client:
        timed = predict_body(client, BODY)
    assert timed.client_ms == 250.0
    assert timed.answer == parse_prediction(PREDICTED)


def test_the_clock_covers_the_request_and_the_answer_but_not_the_parsing(stage: ScriptedServer) -> None:
    events: list[str] = []

    def respond(_: Request) -> Reply:
        events.append("answered")
        return Reply(200, PREDICTED)

    def now() -> float:
        events.append("clock")
        return 0.0

    stage.respond = respond
    with Client(stage.url, now=now) as client:
        predict_body(client, BODY)
    assert events == ["clock", "answered", "clock"]


def test_requests_ask_for_plain_json_on_a_connection_that_is_kept(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED, compressible=True)
    before, asked = stage.connections, len(stage.requests)
    for _ in range(5):
        predict_body(client, BODY)
    assert stage.connections == before + 1
    for request in stage.requests[asked:]:
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["connection"] == "keep-alive"
        assert request.headers["content-type"] == "application/json"
        assert request.json() == BODY


def test_the_connection_does_not_wait_to_fill_its_packets(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED)
    predict_body(client, BODY)
    assert client._pool.pool is not None
    connection = client._pool.pool.get_nowait()
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    client._pool.pool.put(connection)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED)
    for _ in range(3):
        assert predict_body(client, BODY).answer.head_ms == 104.0
        stage.hang_up()  # the client finds its connection closed when it wants to use it


def test_an_answer_that_was_compressed_all_the_same_is_read(stage: ScriptedServer, client: Client) -> None:
    compressed = zlib.compress(json.dumps(PREDICTED).encode())
    stage.respond = lambda _: Reply(200, compressed, headers={"Content-Encoding": "deflate"})
    assert predict_body(client, BODY).answer.head_ms == 104.0


def test_a_service_is_created_described_and_deleted() -> None:
    with ScriptedDeepDetect() as server, Client(server.url) as client:
        assert client.create_service("ResNet50", build_service_body("/m/resnet50", ServiceParameters(mllib="ncnn"))) > 0
        assert client.service("resnet50").mllib == "ncnn"
        with pytest.raises(ServiceExistsError, match="resnet50"):
            client.create_service("resnet50", build_service_body("/m/resnet50", ServiceParameters(mllib="ncnn")))
        client.delete_service("resnet50")
        with pytest.raises(ServiceNotFoundError):
            client.delete_service("resnet50")
        assert server.services == []


def test_the_name_of_a_service_is_one_segment_of_the_path(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, {"status": {"code": 200}})
    client.delete_service("squeezenet_v1.1 a/b?c")
    assert stage.requests[-1].path == "/services/squeezenet_v1.1%20a%2Fb%3Fc"


def test_the_base_path_of_the_url_is_kept(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(200, {"head": {"services": []}})
    with Client(f"{stage.url}/deep/detect/") as client:
        client.info()
        assert client.display_url == f"{stage.url}/deep/detect"
    assert stage.requests[-1].path == "/deep/detect/info"


def test_the_facts_of_a_server_are_those_of_its_info() -> None:
    with ScriptedDeepDetect(version="v0.9") as server, Client(server.url) as client:
        facts = extract_server_facts(client.info(), client.display_url)
    assert (facts.url, facts.version, facts.build_type) == (server.url, "v0.9", "release")


# --- faults


@every_row("zone", ["%eth0", "%25eth0"])
def test_a_link_local_address_is_looked_up_with_its_interface(zone: str) -> None:
    real, asked = socket.getaddrinfo, []

    def look_up(host: str, *args: Any) -> Any:  # noqa: ANN401 - those of getaddrinfo
        asked.append(host)
        return real("127.0.0.1", *args)

    info = [Reply(200, {"head": {"services": []}})]
    with (
        ScriptedServer(info) as server,
        pytest.MonkeyPatch.context() as patch,
        Client(f"http://[fe80::1{zone}]:{server.port}") as client,
    ):
        patch.setattr(socket, "getaddrinfo", look_up)
        client.info()
    assert asked == ["fe80::1%eth0"]


def test_a_server_that_is_down_is_reported_with_its_url() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    with Client(url) as client, pytest.raises(ServerUnreachableError, match="Connection refused") as caught:
        client.info()
    assert caught.value.url == url


def test_a_host_that_does_not_exist_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with (
        Client("http://no-such-host.invalid:8080") as client,
        pytest.raises(ServerUnreachableError) as caught,
    ):
        client.info()
    assert_names(caught, "no-such-host.invalid", "No connection")


def test_a_server_that_is_silent_too_long_is_reported_with_the_time(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED, delay_s=0.3)
    with (
        Client(stage.url, timeout_s=0.05) as client,
        pytest.raises(ServerUnreachableError) as caught,
    ):
        predict_body(client, BODY)
    assert_names(caught, "silent", "0.05 s")


def test_predictions_are_counted_from_one_info_to_the_next(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda request: Reply(200, PREDICTED if request.method == "POST" else {"head": {"services": []}})
    client.info()
    for _ in range(2):
        predict_body(client, BODY)
    assert client.in_flight._asked["resnet50"] == 2
    client.create_service("resnet50", build_service_body("/m"))
    assert client.in_flight._asked["resnet50"] == 0
    predict_body(client, BODY)
    client.info()
    assert client.in_flight._asked["resnet50"] == 0
    assert not client.in_flight.is_open


def test_a_prediction_that_was_not_answered_in_time_is_open_until_it_is_counted() -> None:
    with (
        ScriptedDeepDetect(services=["resnet50"], works_s=never_ends(2)) as server,
        Client(server.url, timeout_s=0.05) as client,
    ):
        client.info()
        predict_body(client, BODY, timeout_s=5)
        with pytest.raises(ServerUnreachableError):
            predict_body(client, BODY)
        client.info()
        assert client.in_flight.running == ("resnet50",)
        server.use_elsewhere("resnet50")
        client.info()
        assert not client.in_flight.is_open


def test_one_request_may_be_given_more_time(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED, delay_s=0.1)
    with Client(stage.url, timeout_s=0.01) as client:
        assert predict_body(client, BODY, timeout_s=5).answer.head_ms == 104.0


def test_a_connection_that_is_cut_names_the_service(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(drop=True)
    with pytest.raises(ServerGoneError) as caught:
        predict_body(client, BODY)
    assert_names(caught, "resnet50", "cut")
    assert caught.value.service == "resnet50"


def test_half_an_answer_is_a_connection_that_was_cut(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, PREDICTED, cut_after=20)
    with pytest.raises(ServerGoneError, match="cut"):
        predict_body(client, BODY)


def test_after_a_cut_the_next_request_has_a_new_connection(stage: ScriptedServer, client: Client) -> None:
    replies = iter([Reply(200, PREDICTED, cut_after=20), Reply(200, PREDICTED)])
    stage.respond = lambda _: next(replies)
    with pytest.raises(ServerUnreachableError):
        predict_body(client, BODY)
    assert predict_body(client, BODY).answer.head_ms == 104.0


def test_nothing_is_asked_twice_by_itself(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(drop=True)
    asked = len(stage.requests)
    with pytest.raises(ServerUnreachableError):
        predict_body(client, BODY)
    assert len(stage.requests) == asked + 1


def test_html_instead_of_json_is_no_deepdetect_server(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, b"<html>hello</html>", headers={"Content-Type": "text/html"})
    with pytest.raises(AnswerError) as caught:
        client.info()
    assert_names(caught, "JSON", "text/html", "18 bytes")


@every_row("content", [b"", b"[" * 100_000, b"9" * 5000, b"\xff\xfe", b'{"head": ', b"null", b"3", b'"a"'])
def test_an_answer_of_any_bytes_is_an_error_of_ours(stage: ScriptedServer, client: Client, content: bytes) -> None:
    stage.respond = lambda _: Reply(200, content)
    with pytest.raises(AnswerError):
        client.info()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, RequestRefusedError), (404, RequestRefusedError), (502, GatewayError), (301, AnswerError)],
)
def test_an_html_error_page_has_the_type_of_its_status(
    stage: ScriptedServer, client: Client, status: int, kind: type[ServerError]
) -> None:
    stage.respond = lambda _: Reply(status, b"<html>")
    with pytest.raises(ServerError) as caught:
        client.info()
    assert_names(caught, "JSON", f"HTTP {status}")
    assert type(caught.value) is kind


@every_row("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_but_named_without_credentials(
    stage: ScriptedServer, client: Client, status: int
) -> None:
    stage.respond = lambda _: Reply(status, b"", headers={"Location": f"https://me:{SECRET}@elsewhere.invalid/info"})
    with pytest.raises(AnswerError) as caught:
        client.info()
    assert_names(caught, "elsewhere.invalid/info", f"HTTP {status}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "remedies"), [(401, ("user_env", "password_env")), (413, ("--ddperf-data-dir", "client_max_body_size"))]
)
def test_a_status_with_a_known_remedy_names_it(
    stage: ScriptedServer, client: Client, status: int, remedies: tuple[str, ...]
) -> None:
    stage.respond = lambda _: Reply(status, b"<html>")
    with pytest.raises(RequestRefusedError) as caught:
        predict_body(client, BODY)
    assert_names(caught, f"HTTP {status}", *remedies)


def test_an_answer_that_cannot_be_decompressed_is_no_cut_connection(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, b"{}", headers={"Content-Encoding": "gzip"})
    with pytest.raises(AnswerError) as caught:
        client.info()
    assert_names(caught, "decompressed")


@contextlib.contextmanager
def raw_server(sent: bytes) -> Iterator[str]:
    """Yield the URL of a server that sends these bytes after a request, and closes the connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(sent)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@every_row(
    "sent", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x01\x00\x02\x02F", b"220 mail.example ESMTP\r\n", b"-ERR\r\n"]
)
def test_an_answer_that_is_not_http_is_reported_on_one_line(sent: bytes) -> None:
    with raw_server(sent) as url, Client(url) as client, pytest.raises(AnswerError) as caught:
        client.info()
    assert_names(caught, "HTTP", url)
    assert "\n" not in str(caught.value)


@every_row("sent", [b"", b"HT", b"HTTP/1.1 2"])
def test_the_beginning_of_an_answer_in_http_is_a_cut_connection(sent: bytes) -> None:
    with raw_server(sent) as url, Client(url) as client, pytest.raises(ServerGoneError):
        predict_body(client, BODY)


def test_an_error_under_http_200_is_an_error(stage: ScriptedServer, client: Client) -> None:
    reported = {"status": {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": "it broke"}}
    stage.respond = lambda _: Reply(200, reported)
    with pytest.raises(ServerFailedError, match="it broke") as caught:
        predict_body(client, BODY)
    assert (caught.value.http_status, caught.value.code, caught.value.dd_code) == (200, 500, 1007)


# --- the URL and its credentials


def test_credentials_of_the_url_are_sent_as_basic_authentication(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(200, {"head": {"services": []}})
    with Client(f"http://me:{SECRET}%40%C3%A9@127.0.0.1:{stage.port}") as client:
        client.info()
    sent = stage.requests[-1].headers["authorization"]
    assert b64decode(sent.removeprefix("Basic ")).decode() == f"me:{SECRET}@é"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(drop=True),
        Reply(500, {"status": {"code": 500}}),
        Reply(200, b"<html>"),
        Reply(401, b"no"),
        Reply(delay_s=0.3),
    ],
)
def test_credentials_appear_nowhere(stage: ScriptedServer, caplog: pytest.LogCaptureFixture, reply: Reply) -> None:
    caplog.set_level(logging.DEBUG)
    stage.respond = lambda _: reply
    with Client(f"http://me:{SECRET}@127.0.0.1:{stage.port}", timeout_s=0.1) as client:
        with pytest.raises(ServerError) as caught:
            predict_body(client, BODY)
        shown = [repr(client), client.display_url, caplog.text, repr(caught.value.__dict__), str(caught.value)]
    shown.append(str(caught.getrepr(style="long", showlocals=True)))
    for text in shown:
        assert SECRET not in text
        assert "Basic " not in text


def test_netrc_is_not_read(
    stage: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    stage.respond = lambda _: Reply(200, {"head": {"services": []}})
    with Client(stage.url) as client:
        client.info()
    assert "authorization" not in stage.requests[-1].headers


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_does_not_touch_this_host(
    stage: ScriptedServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{unused_port()}")
    stage.respond = lambda _: Reply(200, {"head": {"services": []}})
    with Client(stage.url) as client:
        assert client.info().services == ()


def test_a_proxy_of_the_environment_is_used_for_other_hosts(
    stage: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, stage.url)
    stage.respond = lambda _: Reply(200, {"head": {"services": []}})
    with Client("http://board.invalid:8080") as client:
        client.info()
    assert stage.requests[-1].path == "http://board.invalid:8080/info"


def test_a_proxy_that_is_down_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    with Client("http://board.invalid:8080") as client, pytest.raises(ServerUnreachableError, match="NO_PROXY"):
        client.info()


def test_a_host_that_does_not_take_connections_is_reported_with_the_time() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.socket() as first, socket.socket() as second:  # they fill its queue: the next one waits
            for waiting in (first, second):
                waiting.setblocking(False)
                waiting.connect_ex(address)
            with (
                Client(f"http://127.0.0.1:{address[1]}", connect_timeout_s=0.05) as client,
                pytest.raises(ServerUnreachableError) as caught,
            ):
                client.info()
            assert_names(caught, "No connection", "0.05 s")


def test_certificates_to_trust_that_are_not_there_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client("https://127.0.0.1:1", ca_path=tmp_path / "ca.pem")
    assert_names(caught, "CA", tmp_path / "ca.pem")


@every_row(
    "content", [b"", b"img_000.jpg\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x00\xff"]
)
def test_a_file_without_certificates_is_refused_and_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Client("https://localhost:1", ca_path=tmp_path / "ca.pem")
    assert_names(caught, tmp_path / "ca.pem", "PEM")


@pytest.fixture
def tls_server() -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with ScriptedServer([Reply(200, {"head": {"services": []}})], tls=context) as server:
        yield server


def test_the_certificates_to_trust_may_be_given(tls_server: ScriptedServer) -> None:
    with Client(tls_server.url, ca_path=CERTIFICATE) as client:
        assert client.info().services == ()


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server: ScriptedServer) -> None:
    with Client(tls_server.url) as client, pytest.raises(ServerUnreachableError) as caught:
        client.info()
    assert_names(caught, tls_server.url, "TLS", "self-signed", "--ddperf-ca-file")


def test_a_server_that_speaks_no_tls_is_reported(stage: ScriptedServer) -> None:
    with Client(f"https://127.0.0.1:{stage.port}") as client, pytest.raises(ServerUnreachableError) as caught:
        client.info()
    assert_names(caught, "TLS", "scheme")
    assert "--ddperf-ca-file" not in str(caught.value)


@every_row(
    "url",
    [
        "localhost:8080",
        "http://",
        "ftp://board",
        f"http://me:{SECRET}@board:port",
        f"http://me:{SECRET}/x@board:8080",
        f"me:{SECRET}@board:8080",
        f"http://me:{SECRET}@board:8080/?a=b",
        f"http://me:{SECRET}@[::1:8080",
        f"http://me:{SECRET}@{'x' * 70}.com",
        f"http://me:{SECRET}@a b:80",
        "",
    ],
)
def test_a_url_that_is_none_is_refused_without_its_credentials(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(url)
    assert_names(caught, "URL")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "display"),
    [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("https://me:pw@Board.example/dd/", "https://board.example/dd"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_url_is_shown_without_credentials(url: str, display: str) -> None:
    assert ServerUrl.parse(url).display == display
    assert "pw" not in repr(ServerUrl.parse(url))


@every_row("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "dd.localhost"])
def test_this_host_is_recognised(host: str) -> None:
    assert ServerUrl.parse(f"http://{host}:8080").loopback
    assert not ServerUrl.parse("http://board:8080").loopback


# --- waiting


def test_a_server_that_is_up_is_not_waited_for(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, {"head": {"version": "v1", "services": []}})
    clock = TurnedClock(100.0)
    assert wait_until_up(client, 60, now=clock.now, sleep=clock.sleep).version == "v1"
    assert clock.slept == []


def test_without_waiting_a_server_that_is_down_is_asked_once(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(drop=True)
    asked = len(stage.requests)
    with pytest.raises(ServerUnreachableError):
        wait_until_up(client)
    assert len(stage.requests) == asked + 1


def test_a_server_that_comes_up_is_waited_for_less_and_less_often(stage: ScriptedServer, client: Client) -> None:
    replies = iter([Reply(drop=True)] * 4 + [Reply(503, b"")] * 2 + [Reply(200, {"head": {"services": []}})])
    stage.respond = lambda _: next(replies)
    clock = TurnedClock(100.0)
    wait_until_up(client, 60, now=clock.now, sleep=clock.sleep)
    assert clock.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]


def test_waiting_ends_when_the_time_is_over(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(drop=True)
    clock = TurnedClock(100.0)
    with pytest.raises(ServerUnreachableError):
        wait_until_up(client, 1.0, now=clock.now, sleep=clock.sleep)
    assert sum(clock.slept) == pytest.approx(1.0)


def test_what_is_no_deepdetect_server_is_not_waited_for(stage: ScriptedServer, client: Client) -> None:
    stage.respond = lambda _: Reply(200, b"<html>")
    clock = TurnedClock(100.0)
    with pytest.raises(AnswerError):
        wait_until_up(client, 60, now=clock.now, sleep=clock.sleep)
    assert clock.slept == []


# --- the endpoint that is measured


def test_totals_are_those_of_the_service_and_the_counts_of_the_others() -> None:
    with ScriptedDeepDetect(services=["resnet50", "vgg16"]) as server, Client(server.url) as client:
        endpoint = Batch(client, "ResNet50", encode(BODY), lambda _: None)
        endpoint.predict()
        server.use_elsewhere("vgg16")
        totals = endpoint.totals()
    assert totals is not None
    assert (totals.own.predict_count, totals.own.total_predict_duration_ms) == (1, 10.0)
    assert totals.others == {"vgg16": 1}


def test_an_older_server_has_no_totals() -> None:
    with ScriptedDeepDetect(services=["resnet50"], totals="none") as server, Client(server.url) as client:
        assert Batch(client, "resnet50", encode(BODY), lambda _: None).totals() is None


def test_totals_that_only_the_service_itself_tells_are_found(stage: ScriptedServer, client: Client) -> None:
    stats = {"predict_count": 4}
    answers = {
        "/info": {"head": {"services": [{"name": "resnet50"}, {"name": "vgg16"}]}},
        "/services/resnet50": {"body": {"name": "resnet50", "service_stats": stats}},
    }
    stage.respond = lambda request: Reply(200, answers[request.path])
    totals = Batch(client, "resnet50", encode(BODY), lambda _: None).totals()
    assert isinstance(totals, Totals)
    assert (totals.own.predict_count, totals.others) == (4, None)


def test_a_round_against_a_scripted_server_has_the_scripted_times() -> None:
    setup = ServiceSetup("resnet50", width=227, height=227)
    with ScriptedDeepDetect(lambda _, batch: 20.25 * batch, [setup]) as server, Client(server.url) as client:
        images = [f"/srv/{number}.jpg" for number in range(4)]
        done = measure_round(
            Batch(
                client,
                "resnet50",
                encode(build_predict_body("resnet50", images, output={"best": 1})),
                lambda answer: check_predictions(answer, images),
            ),
            Plan(),
            FakeObserver(),
        )
        assert server.connections == 1
    assert [(one.predict_ms, one.head_ms, one.transform_ms) for one in done.passes] == [(81.0, 81.0, 20.25)] * 5
    assert done.exclusive is True
    assert len(server.predictions) == 6
