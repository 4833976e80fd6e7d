"""Services of DeepDetect's Torch backend, with engines that a test controls, in place of networks."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.runtime.delay import DelayedEngine
from pytest_ddperf.embedded.server.services import Services
from pytest_ddperf.embedded.wire import PredictRequest, parse_service
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES = tuple(f"{index}.png" for index in range(5))


class CountingEngine(DelayedEngine):
    """Three classes; records the size of each batch. The first pixel of an image is its most probable class."""

    def __init__(self, fixed_batch: int = 0) -> None:
        super().__init__(0.0, classes=3, parameters=7, fixed_batch=fixed_batch)
        self.batches: list[int] = []

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(len(batch))
        rows = np.zeros((len(batch), self.classes), np.float32)
        rows[np.arange(len(batch)), batch[:, 0, 0, 0].astype(int) % self.classes] = 1
        return rows


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[ImageReader]:
    for index, name in enumerate(IMAGES):
        Image.new("RGB", (20, 20), (index, index, index)).save(tmp_path / name)
    one = ImageReader(tmp_path, workers=1)
    yield one
    one.close()


def build(engine: CountingEngine, reader: ImageReader, mllib: str = "torch", **given: object) -> Services:
    """Services with one named `one`, created as by a PUT."""
    services = Services(lambda _name, _torch: lambda: engine, reader)
    parameters = {"input": {"connector": "image", "width": 8, "height": 8}, "mllib": given}
    services.create("one", parse_service({"mllib": mllib, "parameters": parameters, "model": {"repository": "r"}}))
    asyncio.run(services.load_torch("one"))
    return services


def predict(services: Services, *images: str, output: object = None, **mllib: object) -> dict[str, Any]:
    parameters = {"mllib": mllib, "output": output or {}}
    return asyncio.run(services.predict(PredictRequest("one", images, parameters)))


def describe(services: Services) -> dict[str, Any]:
    return services.get("one").describe(in_list=False, jobs=False)


def test_images_run_one_at_a_time_unless_the_prediction_has_a_batch_size(reader: ImageReader) -> None:
    rows: list[tuple[dict[str, object], list[int]]] = [
        ({}, [1, 1, 1, 1, 1]),
        ({"net": {"test_batch_size": 1}}, [1, 1, 1, 1, 1]),
        ({"net": {"batch_size": 5}}, [1, 1, 1, 1, 1]),
        ({"net": {"test_batch_size": 2}}, [2, 2, 1]),
        ({"net": {"test_batch_size": 5}}, [5]),
        ({"net": {"test_batch_size": 64}}, [5]),
        ({"net": {"test_batch_size": -1}}, [5]),
        ({"net": {"test_batch_size": 0}}, []),
    ]
    ran = []
    for given, _ in rows:
        engine = CountingEngine()
        predict(build(engine, reader), *IMAGES, **given)
        ran.append((given, engine.batches))
    assert ran == rows


def test_a_batch_size_given_at_creation_is_ignored(reader: ImageReader) -> None:
    engine = CountingEngine()
    predict(build(engine, reader, net={"test_batch_size": 5}), *IMAGES)
    assert engine.batches == [1] * 5


def test_other_backends_run_a_request_as_one_batch_whatever_it_says(reader: ImageReader) -> None:
    engine = CountingEngine()
    predict(build(engine, reader, "ncnn"), *IMAGES, net={"test_batch_size": 2}, datatype="int8")
    assert engine.batches == [5]


def test_pieces_give_each_image_its_own_classes(reader: ImageReader) -> None:
    services = build(CountingEngine(), reader)
    answer = predict(services, *IMAGES, output={"best": 1}, net={"test_batch_size": 2})
    found = {one["uri"]: one["classes"][0]["cat"] for one in answer["body"]["predictions"]}
    assert found == {name: str(index % 3) for index, name in enumerate(IMAGES)}


def test_a_batch_size_of_zero_is_a_success_without_predictions(reader: ImageReader) -> None:
    services = build(CountingEngine(), reader)
    answer = predict(services, *IMAGES, net={"test_batch_size": 0})
    assert (answer["status"]["code"], answer["body"]["predictions"]) == (200, [])
    stats = describe(services)["service_stats"]
    assert (stats["predict_success"], stats["inference_count"]) == (1, 0)


def test_without_best_all_classes_are_returned(reader: ImageReader) -> None:
    answer = predict(build(CountingEngine(), reader), IMAGES[0])
    assert [entry["cat"] for entry in answer["body"]["predictions"][0]["classes"]] == ["0", "1", "2"]


def test_a_refused_datatype_counts_as_a_failure_that_ran_nothing(reader: ImageReader) -> None:
    engine = CountingEngine()
    services = build(engine, reader, datatype="fp16")
    with pytest.raises(ApiError) as caught:
        predict(services, IMAGES[0], datatype="fp16")
    assert (caught.value.status, caught.value.dd_code) == (400, 1006)
    assert predict(services, IMAGES[0])["status"]["code"] == 200  # the datatype of the creation is not read
    stats = describe(services)["service_stats"]
    assert (engine.batches, stats["predict_failure"], stats["inference_count"]) == ([1], 1, 1)


def test_the_network_is_loaded_at_creation(reader: ImageReader) -> None:
    described = describe(build(CountingEngine(), reader))
    assert (described["mllib"], described["model_stats"]) == ("torch", {"params": 7})


def test_a_network_that_cannot_be_loaded_leaves_no_service(reader: ImageReader) -> None:
    services = Services(lambda _name, _torch: _fail, reader)
    services.create("one", parse_service({"mllib": "torch", "parameters": {"input": {"connector": "image"}}}))
    with pytest.raises(ApiError) as caught:
        asyncio.run(services.load_torch("one"))
    assert (caught.value.status, caught.value.dd_code) == (500, 1007)
    assert services.describe_all(jobs=False) == []


def test_a_name_is_taken_and_predictions_wait_while_the_network_loads(reader: ImageReader) -> None:
    may_load = threading.Event()

    def load() -> CountingEngine:
        assert may_load.wait(20)
        return CountingEngine()

    async def scenario() -> None:
        services = Services(lambda _name, _torch: load, reader)
        services.create("one", parse_service({"mllib": "torch", "parameters": {"input": {"connector": "image"}}}))
        loading = asyncio.create_task(services.load_torch("one"))
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as caught:
            services.require_absent("one")
        assert caught.value.dd_code == 1014
        predicting = asyncio.create_task(services.predict(PredictRequest("one", IMAGES, None)))
        assert services.describe_all(jobs=False)[0]["model_stats"] == {}
        may_load.set()
        await loading
        assert len((await predicting)["body"]["predictions"]) == 5

    asyncio.run(scenario())


@pytest.mark.parametrize("mllib", ["torch", "onnxruntime"])
def test_a_fixed_batch_is_in_the_description_and_in_the_log(
    reader: ImageReader, mllib: str, caplog: pytest.LogCaptureFixture
) -> None:
    services = build(CountingEngine(fixed_batch=4), reader, mllib, maxBatchSize=32)
    predict(services, IMAGES[0])
    assert describe(services)["parameters"]["mllib"]["maxBatchSize"] == 4
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "one" in record.getMessage()
    assert "batch of 4" in record.getMessage()


def test_a_network_of_any_batch_has_no_batch_size_of_its_own(reader: ImageReader) -> None:
    for services in (build(CountingEngine(), reader), build(CountingEngine(), reader, maxBatchSize=32)):
        assert "maxBatchSize" not in describe(services)["parameters"]["mllib"]


def _fail() -> CountingEngine:
    raise DdperfError("no model there")
