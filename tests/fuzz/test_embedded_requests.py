"""Whatever a client asks the embedded server, it is answered in DeepDetect's shape, and the next one is, too."""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from asgi_caller import AsgiAnswer, AsgiCaller
from fuzzing import DAMAGE, JUNK, REQUESTS, TOKENS, as_json, counted, damaged_bytes, damaged_json, refused_so_far, tried
from hypothesis import given
from hypothesis import strategies as st
from targets import predict_body

from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.protocol import build_predict_body, build_service_body
from pytest_ddperf.embedded import launch
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.limits import Limits
from pytest_ddperf.embedded.runtime.delay import DelayedEngine
from pytest_ddperf.embedded.server.app import build_app
from pytest_ddperf.embedded.server.repository import Repository
from pytest_ddperf.embedded.server.services import Services
from pytest_ddperf.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fuzzing import Damage
    from numpy.typing import NDArray

    from pytest_ddperf.embedded.launch import EmbeddedServer
    from pytest_ddperf.embedded.wire import TorchService


class Mean(DelayedEngine):
    """A network that takes no time, and any image."""

    def __init__(self) -> None:
        super().__init__(0.0, classes=4, parameters=4)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.tile(batch.mean(axis=(1, 2, 3))[:, None], (1, self.classes))
        return rows.astype(np.float32)


def picture(suffix: str) -> bytes:
    drawn = np.random.default_rng(1).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return bytes(cv2.imencode(suffix, drawn)[1])


PNG, JPEG = picture(".png"), picture(".jpg")
INLINE = base64.b64encode(PNG).decode()
SERVICE = build_service_body("shufflenet", ServiceParameters(img_width=8, img_height=8, mllib="onnxruntime"))
PREDICT = build_predict_body(
    "steady",
    ["0.png", INLINE],
    ServiceParameters(img_width=8, img_height=8),
    output={"best": 2, "confidence_threshold": 0.1},
)
PREDICT["parameters"]["input"] |= {"mean": [1.0, 2.0, 3.0], "std": [1.0], "scale": 0.5, "rgb": True, "bw": False}  # type: ignore[index] # it is one
TORCH_SERVICE = build_service_body("shufflenet", ServiceParameters(img_width=8, img_height=8, mllib="torch"))
TORCH_SERVICE["parameters"]["mllib"] |= {"template": "resnet18", "nclasses": 4, "gpuid": [0]}  # type: ignore[index] # it is one
TORCH_PREDICT = {**PREDICT, "service": "steady-torch"}
TORCH_PREDICT["parameters"] = {
    **PREDICT["parameters"],  # type: ignore[dict-item] # it is one
    "mllib": {"net": {"test_batch_size": 2}, "datatype": "fp64"},
}
TARGETS = (
    ("POST", "/predict", TORCH_PREDICT),
    ("PUT", "/services/other", TORCH_SERVICE),
    ("POST", "/predict", PREDICT),
    ("POST", "/predict", PREDICT),
    ("POST", "/predict", PREDICT),
    ("PUT", "/services/other", SERVICE),
    ("PUT", "/services/other", SERVICE),
    ("POST", "/services/more", SERVICE),
    ("DELETE", "/services/other", None),
    ("GET", "/services/steady", None),
    ("GET", "/services/other?status=true", None),
    ("GET", "/info?status=false", None),
    ("GET", "/train?service=steady&job=1", None),
    ("PATCH", "/predict", PREDICT),
)
ENCODINGS: tuple[dict[str, str], ...] = (
    {},
    {},
    {},
    {"content-encoding": "gzip"},
    {"accept-encoding": "gzip, deflate"},
    {"content-length": "-1"},
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, content in (("0.png", PNG), ("1.jpg", JPEG), ("torn.jpg", JPEG[: len(JPEG) // 2])):
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def caller(data_dir: Path) -> Iterator[AsgiCaller]:
    def find(name: str, torch: TorchService | None) -> Callable[[], Mean]:
        Repository().find(name, torch)
        return Mean

    reader = ImageReader(data_dir, workers=2, limits=Limits(fetch=False))
    services = Services(find, reader)
    with AsgiCaller(build_app(services, threads=1)) as one:
        assert one.send("PUT", "/services/steady", as_json(SERVICE)).status == 201
        assert one.send("PUT", "/services/steady-torch", as_json(TORCH_SERVICE)).status == 201
        yield one
    services.close()


def assert_answered(answer: AsgiAnswer) -> Any:  # noqa: ANN401 - JSON
    """DeepDetect's shape; what failed inside says why."""
    assert answer.raised is None
    document = answer.json()
    status = document.get("status", {"code": answer.status})
    assert status["code"] == answer.status
    assert 200 <= answer.status < 600
    if answer.status >= 500:
        assert status["dd_code"] in {500, 503, 1007}  # 500: Torch's, for a missing template
        assert status["dd_msg"].strip()
        assert "Error" not in status["dd_msg"] or "ERROR_INVALID" in status["dd_msg"]
    return document


@tried(0.08)
@given(
    which=st.integers(0, len(TARGETS) - 1),
    damage=DAMAGE,
    torn=st.tuples(st.integers(0, 4), DAMAGE).map(lambda drawn: drawn[1][:2] if drawn[0] == 4 else []),
    headers=st.sampled_from(ENCODINGS),
)
@counted(REQUESTS)
def test_requests(
    caller: AsgiCaller, which: int, damage: list[Damage], torn: list[Damage], headers: dict[str, str]
) -> None:
    method, target, body = TARGETS[which]
    content = b"" if body is None else as_json(damaged_json(body, damage))
    if body is None and damage:
        target += quote("".join(TOKENS[what % len(TOKENS)][:300] for _, _, what in damage), safe="?&=/")
    answer = caller.send(method, target, damaged_bytes(content, torn), headers)
    assert_answered(answer)
    refused_so_far[REQUESTS] += answer.status >= 400
    info = assert_answered(caller.send("GET", "/info"))
    assert any(service["name"] == "steady" for service in info["head"]["services"])


IMAGES = st.one_of(
    st.builds(lambda damage: base64.b64encode(damaged_bytes(PNG, damage)).decode(), DAMAGE),
    st.builds(lambda damage: base64.b64encode(damaged_bytes(JPEG, damage)).decode(), DAMAGE),
    st.sampled_from(["0.png", "1.jpg", "torn.jpg", ".", "/", "..", "../..", "/etc/passwd", "http://127.0.0.1:1/x"]),
    st.sampled_from([junk for junk in JUNK if isinstance(junk, str)]),
)


@tried(0.02)
@given(images=st.lists(IMAGES, max_size=3), damage=DAMAGE)
@counted(REQUESTS)
def test_images(caller: AsgiCaller, images: list[str], damage: list[Damage]) -> None:
    body = {**PREDICT, "data": images, "parameters": damaged_json(PREDICT["parameters"], damage[:1])}
    document = assert_answered(caller.send("POST", "/predict", as_json(body)))
    refused_so_far[REQUESTS] += document["status"]["code"] >= 400
    if document["status"]["code"] == 200:
        for one in document["body"]["predictions"]:
            assert not one["uri"].startswith(("..", "/"))


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[EmbeddedServer]:
    with launch.start(data_dir=data_dir, threads=1, extra=("--request-timeout", "1", "--no-http")) as started:
        yield started


RAW = [
    b"GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
    % (len(as_json(PREDICT)), as_json(PREDICT)),
    b'PUT /services/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
    b"DELETE /services/a HTTP/1.0\r\n\r\n",
    b"GET /info HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


def exchanged(server: EmbeddedServer, content: bytes) -> bytes:
    """What comes back until the server hangs up; nothing more is sent, and that is said."""
    port = int(server.url.rpartition(":")[2])
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(2**16):
                received += chunk
        except ConnectionError:  # it did not want to read all of it
            pass
    return bytes(received)


@tried(0.005)
@given(which=st.integers(0, len(RAW) - 1), damage=DAMAGE)
@counted(REQUESTS)
def test_bytes_on_a_socket(server: EmbeddedServer, which: int, damage: list[Damage]) -> None:
    content = damaged_bytes(RAW[which], damage)
    received = exchanged(server, content)
    assert not received or received.startswith(b"HTTP/1.")
    assert b" 500 " not in received.partition(b"\r\n")[0] or b"dd_msg" in received
    assert server.process.poll() is None
    refused_so_far[REQUESTS] += not received.startswith(b"HTTP/1.1 2")


def test_after_all_of_it_the_server_answers_as_before(server: EmbeddedServer) -> None:
    with Client(server.url) as client:
        assert client.info().services == ()
        client.create_service("last", build_service_body("shufflenet"))
        timed = predict_body(client, build_predict_body("last", ["0.png"]))
        assert [one.uri for one in timed.answer.predictions] == ["0.png"]
        with pytest.raises(ServerError):
            predict_body(client, build_predict_body("last", ["../0.png"]))
    assert "Traceback" not in server.log_tail
