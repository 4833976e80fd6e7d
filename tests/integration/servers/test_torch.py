"""Predictions of Torch services: N images as one batch, in the requested precision."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from replay import Exchange, load
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup
from scripted_server import Reply, Request, ScriptedServer

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.embedded import launch
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.runtime.delay import DelayedEngine
from pytest_ddperf.embedded.server.services import Services
from pytest_ddperf.embedded.wire import parse_predict, parse_service
from pytest_ddperf.servers.batches import bind_batch, build_batch
from pytest_ddperf.servers.request_images import BenchImages
from pytest_ddperf.servers.services import open_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_ddperf.servers.batches import Batch
    from pytest_ddperf.servers.services import OpenService

RESNET = Network("resnet50", "ResNet-50")
IMAGES = BenchImages("path", tuple(f"/srv/images/img_{number:03d}.jpg" for number in range(8)))
TORCH = ServiceParameters(mllib="torch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight images, named as in `OWN_IMAGES`."""
    for name in OWN_IMAGES.data:
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    return tmp_path


OWN_IMAGES = BenchImages("path", tuple(f"{number}.png" for number in range(8)))


def predicted(server: ScriptedServer) -> Any:  # noqa: ANN401 - JSON
    """The parameters of the last prediction."""
    body: Any = server.asked("POST", "/predict")[-1].json()
    return body["parameters"]


def measure_as_dd_bench(client: Client, service: OpenService, images: BenchImages, batch_size: int) -> Batch:
    """A batch with dd_bench's request."""
    data, uris = images.batch(batch_size)
    body = BenchOptions(service=service.name).predict_body(data)
    return bind_batch(client, service.name, body, uris, task=Task.CLASSIFICATION, input_size=None)


# --- requests

EXISTING = ServiceSetup("resnet50", mllib="torch", datatype="fp16")
ROWS = [
    # (existing service, parameters, mllib of a prediction of 4 images)
    (None, TORCH, {"datatype": "fp32"}),
    (None, ServiceParameters(mllib="torch", datatype="fp64"), {"datatype": "fp64"}),
    (EXISTING, ServiceParameters(), {"datatype": "fp16"}),
    (EXISTING, TORCH, {"datatype": "fp16"}),
    (EXISTING, ServiceParameters(datatype="fp32", named=frozenset({"datatype"})), {"datatype": "fp32"}),
    (EXISTING, ServiceParameters(datatype="fp64"), {"datatype": "fp64"}),
]


def test_each_prediction_requests_one_batch_its_precision_and_the_best_class() -> None:
    asked = []
    for existing, parameters, _ in ROWS:
        with ScriptedDeepDetect(services=[existing] if existing else []) as server, Client(server.url) as client:
            options = ServerOptions(server.url, repository="/models/{model}", parameters=parameters)
            service = open_service(client, options, RESNET, 4)
            build_batch(client, options, IMAGES, service, 4).predict()
            asked.append((predicted(server), service.datatype))
    assert [(one["mllib"]["net"], one["output"]) for one, _ in asked] == [({"test_batch_size": 4}, {"best": 1})] * 6
    assert [{"datatype": one["mllib"]["datatype"]} for one, _ in asked] == [mllib for _, _, mllib in ROWS]
    assert [datatype for _, datatype in asked] == [mllib["datatype"] for _, _, mllib in ROWS]


def test_a_created_service_has_the_precision_of_its_predictions() -> None:
    with ScriptedDeepDetect() as server, Client(server.url) as client:
        parameters = ServiceParameters(mllib="torch", datatype="fp16", concurrent_predict=False)
        open_service(client, ServerOptions(server.url, repository="/m", parameters=parameters), RESNET, 1)
        (created,) = server.asked("PUT")
    body: Any = created.json()
    assert (body["parameters"]["mllib"]["datatype"], body["parameters"]["mllib"]["concurrent_predict"]) == (
        "fp16",
        False,
    )


@pytest.mark.parametrize("mllib", ["caffe", "ncnn", "tensorrt", "onnxruntime", "dlib"])
def test_predictions_of_other_backends_contain_neither(mllib: str) -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", mllib=mllib)]) as server, Client(server.url) as client:
        options = ServerOptions(server.url)
        build_batch(client, options, IMAGES, open_service(client, options, RESNET, 4), 4).predict()
        assert {"net", "datatype"}.isdisjoint(predicted(server)["mllib"])


# --- the recorded server


class RecordedTorch:
    """Answers with the recorded Torch server's description, and with its recorded batch of the requested kind."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        recorded = load("torch-v0.29")
        self._described = next(one for one in recorded if one.name == "get_service_before_predict")
        batches = [one for one in recorded if one.name.startswith("predict_batch_")]
        self._batches = {self._kind(one.body): one for one in reversed(batches)}

    @staticmethod
    def _kind(body: Any) -> tuple[int, int]:  # noqa: ANN401 - JSON
        """Images, and images per forward pass."""
        return len(body["data"]), body["parameters"]["mllib"].get("net", {}).get("test_batch_size", 1)

    def __call__(self, request: Request) -> Reply:
        if request.method == "GET":
            return self._described.reply()
        body: Any = request.json()
        images, at_once = self._kind(body)
        self.asked.append(at_once)
        found: Exchange = self._batches[images, at_once]
        assert body["parameters"]["mllib"].get("datatype", "fp32") == "fp32"
        return found.reply()


def test_on_the_recorded_server_a_larger_batch_is_faster_per_image_only_with_the_batch_size() -> None:
    torch, per_image_ms = RecordedTorch(), {}
    with ScriptedServer(torch) as server, Client(server.url) as client:
        options = ServerOptions(server.url)
        service = open_service(client, options, RESNET, 1)
        for batch_size in (1, 8):
            ours = build_batch(client, options, IMAGES, service, batch_size)
            for name, batch in (
                ("ours", ours),
                ("dd_bench", measure_as_dd_bench(client, service, IMAGES, batch_size)),
            ):
                head_ms = batch.predict().answer.head_ms
                assert head_ms is not None
                per_image_ms[name, batch_size] = head_ms / batch_size
    assert torch.asked == [1, 1, 8, 1]
    assert per_image_ms["ours", 8] < per_image_ms["ours", 1]
    assert per_image_ms["dd_bench", 8] >= per_image_ms["dd_bench", 1]


# --- the embedded server


class CountingEngine(DelayedEngine):
    """Records the size of each batch that runs."""

    def __init__(self) -> None:
        super().__init__(0.0, classes=3, parameters=7)
        self.batches: list[int] = []

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(len(batch))
        return super().run(batch)


class InProcess:
    """Passes a client's requests to services of the embedded server in this process."""

    def __init__(self, folder: Path, engine: CountingEngine) -> None:
        self._reader = ImageReader(folder, workers=1)
        self._services = Services(lambda _name, _torch: lambda: engine, self._reader)

    def __call__(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if request.path == "/info":
            return Reply(200, {"head": {"services": [], "compile_flags": "USE_TORCH=ON"}})
        if request.method == "GET":
            return Reply(404, {"status": {"code": 404, "msg": "NotFound", "dd_code": 1002}})
        if request.method == "PUT":
            self._services.create(name, parse_service(request.json()))
            asyncio.run(self._services.load_torch(name))
            return Reply(201, {"status": {"code": 201, "msg": "Created"}})
        return Reply(200, asyncio.run(self._services.predict(parse_predict(request.json()))))

    def close(self) -> None:
        self._services.close()


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
def in_process(folder: Path, engine: CountingEngine) -> Iterator[ScriptedServer]:
    services = InProcess(folder, engine)
    with ScriptedServer(services) as server:
        yield server
    services.close()


def test_on_the_embedded_server_our_batches_are_one_forward_pass_and_dd_bench_s_one_per_image(
    in_process: ScriptedServer, engine: CountingEngine
) -> None:
    options = ServerOptions(in_process.url, repository="/m", parameters=TORCH)
    with Client(in_process.url) as client:
        service = open_service(client, options, RESNET, 1)
        for batch_size in (1, 4, 8):
            build_batch(client, options, OWN_IMAGES, service, batch_size).predict()
        ours, engine.batches = engine.batches, []
        for batch_size in (1, 4, 8):
            measure_as_dd_bench(client, service, OWN_IMAGES, batch_size).predict()
    assert (ours, engine.batches) == ([1, 4, 8], [1] * 13)


def test_the_delay_of_a_server_is_spent_on_each_forward_pass(folder: Path) -> None:
    with launch.start(data_dir=folder, extra=["--delay", "0.05"]) as server, Client(server.url) as client:
        options = ServerOptions(server.url, repository="{model}", parameters=TORCH)
        service = open_service(client, options, RESNET, 1)
        ours = build_batch(client, options, OWN_IMAGES, service, 4).predict().answer.head_ms
        theirs = measure_as_dd_bench(client, service, OWN_IMAGES, 4).predict().answer.head_ms
    assert (ours or 0) >= 50
    assert (theirs or 0) >= 4 * 50
