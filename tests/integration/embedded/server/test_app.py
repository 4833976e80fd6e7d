"""The embedded server over a socket, beyond what was recorded of real ones."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import psutil
import pytest
import requests
from every_row import every_row
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pytest_ddperf.embedded import launch
from pytest_ddperf.embedded.limits import MAX_IMAGE_PIXELS
from pytest_ddperf.embedded.networks.networks import NETWORK_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_ddperf.embedded.launch import EmbeddedServer

Answer = tuple[int, dict[str, Any]]


class Client:
    """One kept-alive connection."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.pid = server.process.pid
        self._connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)

    def send(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, headers or {})
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def create(self, name: str, repository: str, **given: object) -> Answer:
        parameters = {"input": {"connector": "image", **given}, "mllib": {}, "output": {}}
        return self.send(
            "PUT",
            f"/services/{name}",
            {"mllib": "caffe", "parameters": parameters, "model": {"repository": repository}},
        )

    def predict(self, service: str, *data: str, **output: object) -> Answer:
        return self.send("POST", "/predict", {"service": service, "parameters": {"output": output}, "data": list(data)})

    def stats(self, service: str) -> dict[str, float]:
        stats: dict[str, float] = self.send("GET", f"/services/{service}")[1]["body"]["service_stats"]
        return stats

    def predict_at(self, side: int, *data: str) -> Answer:
        """A prediction of images of so many pixels a side."""
        parameters = {"input": {"width": side, "height": side}}
        return self.send("POST", "/predict", {"service": "shufflenet", "parameters": parameters, "data": list(data)})

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    root = tmp_path_factory.mktemp("embedded")
    draw = np.random.default_rng(5)
    (root / "images").mkdir()
    for index in range(8):
        Image.fromarray(draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(root / "images" / f"{index}.png")
    too_large = int(MAX_IMAGE_PIXELS**0.5) + 10
    (root / "images" / "bomb.png").write_bytes(bomb(too_large))
    (root / "images" / "bomb.jpg").write_bytes(jpeg_that_claims(too_large))
    save_mean_model(root / "models" / "mine" / "model.onnx")
    save_mean_model(root / "models" / "two" / "a.onnx")
    save_mean_model(root / "models" / "two" / "b.onnx")
    (root / "models" / "broken").mkdir()
    (root / "models" / "empty").mkdir()
    (root / "models" / "broken" / "model.onnx").write_bytes(b"no model")
    with launch.start(
        models=("shufflenet",), data_dir=root / "images", model_dirs=[root / "models"], threads=2
    ) as started:
        yield started


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[Client]:
    one = Client(server)
    yield one
    one.close()


def save_mean_model(path: Path) -> None:
    """Three classes: the shares of blue, green and red in an image of 16x16 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "scale"], ["small"]),
        helper.make_node("Softmax", ["small"], ["prob"], axis=1),
    ]
    scale = numpy_helper.from_array(np.array(64.0, np.float32), "scale")
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("prob", TensorProto.FLOAT, ["n", 3])],
        [scale],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def bomb(side: int) -> bytes:
    """A small PNG of very many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (side + 1)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg_that_claims(side: int) -> bytes:
    """A JPEG of 16x16 pixels whose header gives more: decoders take it for one that is cut."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, "JPEG")
    return content.getvalue().replace(struct.pack(">HH", 16, 16), struct.pack(">HH", side, side), 1)


def test_a_scale_that_is_an_integer_is_refused_at_creation(client: Client) -> None:
    status, body = client.create("scaled", "shufflenet", scale=1)
    assert status == 400
    assert body["status"]["dd_code"] == 1005
    assert client.create("scaled", "shufflenet", scale=1.0)[0] == 201
    assert client.send("DELETE", "/services/scaled")[0] == 200


def test_a_scale_that_is_an_integer_is_refused_in_a_prediction(client: Client) -> None:
    body = {"service": "shufflenet", "parameters": {"input": {"scale": 1}}, "data": ["0.png"]}
    status, answer = client.send("POST", "/predict", body)
    assert (status, answer["status"]["dd_code"]) == (400, 1005)


@every_row("name", NETWORK_IDS)
def test_every_network_can_be_created_by_its_id(client: Client, name: str) -> None:
    assert client.create(f"by-id-{name}", name)[0] == 201
    assert client.send("DELETE", f"/services/by-id-{name}")[0] == 200


def test_a_model_of_the_users_own_predicts(client: Client) -> None:
    assert client.create("mine", "mine", width=16, height=16)[0] == 201
    status, answer = client.predict("mine", "0.png", "1.png")
    assert status == 200
    classes = answer["body"]["predictions"][0]["classes"]
    assert {entry["cat"] for entry in classes} == {f"n{index:08d} class_{index}" for index in range(3)}
    assert sum(entry["prob"] for entry in classes) == pytest.approx(1)
    assert client.send("DELETE", "/services/mine?clear=full")[0] == 200


def test_a_service_without_a_size_takes_its_models(client: Client) -> None:
    assert client.create("sizeless", "mine")[0] == 201
    assert client.predict("sizeless", "0.png")[0] == 200
    described = client.send("GET", "/services/sizeless")[1]["body"]
    assert (described["width"], described["height"]) == (16, 16)
    assert client.send("DELETE", "/services/sizeless")[0] == 200


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("two", "[a.onnx, b.onnx]"),
        ("..", "does not exist"),
        ("/etc", "does not exist"),
        ("nowhere", "directory nowhere is not writable or does not exist"),
        ("x" * 5000, "does not exist"),
    ],
    ids=["two", "parent", "absolute", "nowhere", "long"],
)
def test_a_repository_without_one_model_is_refused(client: Client, repository: str, said: str) -> None:
    status, body = client.create("bad", repository)
    assert (status, body["status"]["dd_code"]) == (400, 1006)
    assert said in body["status"]["dd_msg"]


def test_a_model_that_cannot_be_loaded_is_reported_at_every_prediction(client: Client) -> None:
    assert client.create("broken", "broken")[0] == 201
    for _ in range(2):
        status, body = client.predict("broken", "0.png")
        assert (status, body["status"]["dd_code"]) == (400, 1006)
    assert client.stats("broken")["predict_failure"] == 2
    assert client.send("DELETE", "/services/broken")[0] == 200


def test_a_template_has_other_weights_with_each_creation_and_takes_images_of_any_size(client: Client) -> None:
    body = {
        "mllib": "torch",
        "parameters": {"input": {"connector": "image"}, "mllib": {"template": "resnet18", "nclasses": 6}, "output": {}},
        "model": {"repository": "empty"},
    }
    answers = []
    for _ in range(2):
        assert client.send("PUT", "/services/template", body)[0] == 201
        for side in (64, 64, 33):
            parameters = {"input": {"width": side, "height": side}, "output": {"best": 6}}
            sent = {"service": "template", "parameters": parameters, "data": ["0.png"]}
            (prediction,) = client.send("POST", "/predict", sent)[1]["body"]["predictions"]
            answers.append({entry["cat"]: entry["prob"] for entry in prediction["classes"]})
        assert client.send("DELETE", "/services/template")[0] == 200
    assert {tuple(sorted(answer)) for answer in answers} == {("0", "1", "2", "3", "4", "5")}
    assert answers[0] == answers[1] != answers[3]
    assert answers[3] == answers[4] != answers[5]


@pytest.mark.parametrize("name", ["bomb.png", "bomb.jpg"])
def test_an_image_of_too_many_pixels_is_not_decoded(client: Client, name: str) -> None:
    status, body = client.predict("shufflenet", name)
    assert (status, body["status"]["dd_code"]) == (400, 1005)


def test_an_input_that_would_take_all_memory_is_refused(client: Client) -> None:
    for (status, body), said in (
        (client.predict_at(2048, *["0.png"] * 256), "pixels are allowed"),
        (client.predict_at(2049, "0.png"), "between 1 and 2048"),
    ):
        assert status == 400
        assert said in body["status"]["dd_msg"]


def test_the_time_is_the_totals_growth_cut_to_whole_milliseconds(client: Client) -> None:
    before = client.stats("shufflenet")
    head = client.predict("shufflenet", *[f"{index}.png" for index in range(8)], best=1)[1]["head"]
    after = client.stats("shufflenet")
    grown = {key: after[key] - before[key] for key in after}
    assert head["time"] == int(grown["total_predict_duration_ms"] + 1e-6)
    assert isinstance(head["time"], float)
    assert 0 < grown["total_transform_duration_ms"] < grown["total_predict_duration_ms"]
    assert (grown["predict_count"], grown["inference_count"]) == (1, 8)


def test_the_same_images_give_the_same_probabilities_in_any_batch(client: Client) -> None:
    def probabilities(*data: str) -> dict[str, list[float]]:
        answer = client.predict("shufflenet", *data, best=3)[1]
        return {one["uri"]: [entry["prob"] for entry in one["classes"]] for one in answer["body"]["predictions"]}

    together = probabilities("0.png", "1.png", "2.png")
    for uri, values in together.items():
        assert probabilities(uri)[uri] == pytest.approx(values, rel=1e-3)


def test_info_answers_while_predictions_wait_for_each_other(server: EmbeddedServer) -> None:
    def predict(_index: int) -> int:
        own = Client(server)
        try:
            return own.predict("shufflenet", *[f"{index}.png" for index in range(8)] * 2, best=1)[0]
        finally:
            own.close()

    client = Client(server)
    with ThreadPoolExecutor(4) as pool:
        running = list(pool.map(lambda index: pool.submit(predict, index), range(3)))
        answered = 0
        while not all(future.done() for future in running):
            assert client.send("GET", "/info")[0] == 200
            answered += 1
            threading.Event().wait(0.01)
        assert [future.result() for future in running] == [200] * 3
    client.close()
    assert answered > 1


def test_deleting_gives_the_memory_back(client: Client) -> None:
    process_of = psutil.Process(client.pid)
    assert client.create("large", "resnet50")[0] == 201
    before = process_of.memory_info().rss
    assert client.predict("large", "0.png", best=1)[0] == 200
    used = process_of.memory_info().rss - before
    assert client.send("DELETE", "/services/large")[0] == 200
    assert used > 80 * 2**20  # 25 million weights
    assert process_of.memory_info().rss - before < used / 4


def test_a_connection_survives_errors_of_the_api(server: EmbeddedServer) -> None:
    client = Client(server)
    client._connection.connect()
    socket = client._connection.sock
    assert client.send("GET", "/services/none")[0] == 404
    assert client.send("POST", "/predict", b"{")[0] == 400
    assert client.send("GET", "/info")[0] == 200
    assert client._connection.sock is socket
    client.close()


@pytest.mark.parametrize(
    "document", [b"\xff\xfe", b"[" * 100_000, b"nul", b'{"service": "a\xff"}'], ids=lambda b: repr(b[:9])
)
def test_what_is_no_json_is_refused_without_a_code(client: Client, document: bytes) -> None:
    assert client.send("POST", "/predict", document) == (400, {"status": {"code": 400, "msg": "BadRequest"}})


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_request_is_unpacked(client: Client, encoding: str) -> None:
    content = json.dumps({"service": "shufflenet", "data": ["0.png"]}).encode()
    packed = gzip.compress(content) if encoding == "gzip" else zlib.compress(content)
    assert client.send("POST", "/predict", packed, {"Content-Encoding": encoding})[0] == 200
    assert client.send("POST", "/predict", content, {"Content-Encoding": encoding})[0] == 400


def test_a_request_that_unpacks_to_too_much_is_refused(client: Client) -> None:
    packer = zlib.compressobj(1)
    first, next_one = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    packed = first + next_one * 256  # each MiB is packed as the one before
    assert client.send("POST", "/predict", packed, {"Content-Encoding": "deflate"})[0] == 413


@every_row("path", ["/services", "/services/", "/predict/x", "/info/x", "/services/a/b", "/train/x"])
def test_an_unknown_route_has_no_mapping(client: Client, path: str) -> None:
    status, body = client.send("GET", path)
    assert status == 404
    assert body["status"]["msg"] == f"Not Found: No mapping for HTTP-method: 'GET', URL: '{path}'"


@pytest.mark.parametrize(("query", "status"), [("service=none&job=1", 404), ("service=shufflenet", 400), ("", 404)])
def test_there_is_no_training(client: Client, query: str, status: int) -> None:
    assert client.send("GET", f"/train?{query}")[0] == status


def test_a_client_that_hangs_up_does_not_stop_the_work(server: EmbeddedServer, client: Client) -> None:
    before = client.stats("shufflenet")["predict_success"]
    body = json.dumps({"service": "shufflenet", "data": [f"{index}.png" for index in range(8)] * 4}).encode()
    leaving = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    leaving.request("POST", "/predict", body)
    assert client.send("GET", "/info")[0] == 200
    leaving.close()
    done = threading.Event()
    for _ in range(200):
        if client.stats("shufflenet")["predict_success"] == before + 1:
            done.set()
            break
        threading.Event().wait(0.05)
    assert done.is_set()


def test_too_many_services_are_refused(client: Client) -> None:
    made: list[str] = []
    while (answer := client.create(f"many-{len(made)}", "vgg19"))[0] == 201:
        made.append(f"many-{len(made)}")
    assert answer[1]["status"]["dd_code"] == 1006
    assert len(made) > 50
    assert {client.send("DELETE", f"/services/{name}")[0] for name in made} == {200}


def test_the_build_flags_name_the_backends_that_the_server_behaves_as_and_no_gpu(client: Client) -> None:
    head = client.send("GET", "/info")[1]["head"]
    flags = dict(word.split("=") for word in head["compile_flags"].split())
    assert {name for name, value in flags.items() if value == "ON"} == {"USE_TORCH", "USE_ONNXRUNTIME"}
    versions = dict(word.split("=") for word in head["deps_version"].split())
    assert (versions["CUDA_VERSION"], versions["TENSORRT_VERSION"]) == ("", "")


FOREIGN = [{"Host": "evil.example"}, {"Origin": "http://evil.example"}]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/info"), ("POST", "/predict"), ("PUT", "/services/a"), ("DELETE", "/services/a"), ("GET", "/nowhere")],
)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_request_is_refused_on_every_route_in_deepdetect_s_shape(
    server: EmbeddedServer, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = requests.request(method, server.url + path, headers=headers, data=b"{", timeout=10)
    assert answer.status_code == 403
    status = answer.json()["status"]
    assert (status["code"], status["msg"], status["dd_code"]) == (403, "Forbidden", 403)
    assert "evil.example" in status["dd_msg"]
    assert answer.headers["Connection"] == "close"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_browser_that_asks_beforehand_whether_it_may_is_refused(server: EmbeddedServer) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    assert requests.options(f"{server.url}/services/a", headers=headers, timeout=10).status_code == 403


def test_the_server_is_there_for_its_own_host_by_name_and_address(server: EmbeddedServer) -> None:
    port = server.url.rpartition(":")[2]
    for host in ("localhost", "127.0.0.1"):
        assert requests.get(f"http://{host}:{port}/info", timeout=10).status_code == 200


def test_an_older_server_has_no_service_stats() -> None:
    with launch.start(models=("all",), extra=("--no-service-stats",)) as server:
        client = Client(server)
        services = client.send("GET", "/info")[1]["head"]["services"]
        client.close()
    assert {service["name"] for service in services} == set(NETWORK_IDS)
    assert not any("service_stats" in service for service in services)
