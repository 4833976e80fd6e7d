"""Services, used side by side: engines that a test holds, in place of networks."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.runtime.delay import DelayedEngine
from pytest_ddperf.embedded.server.services import Services
from pytest_ddperf.embedded.wire import PredictRequest, ServiceRequest, parse_service
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

REQUEST = PredictRequest(service="one", data=("a.png",), parameters=None)


class HeldEngine(DelayedEngine):
    """Two classes; runs when it is let, and says when it does."""

    def __init__(self, failure: Exception | None = None, *, held: bool = False) -> None:
        super().__init__(0.0, classes=2, parameters=7, input_size=(16, 8))
        self.running = threading.Event()
        self.let = threading.Event()
        self.closed = False
        self.loaded = 0
        self.batches: list[NDArray[np.float32]] = []
        self._failure = failure
        if not held:
            self.let.set()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(batch)
        self.running.set()
        assert self.let.wait(20)
        assert not self.closed
        if self._failure is not None:
            raise self._failure
        return np.tile(np.array([0.25, 0.75], np.float32), (len(batch), 1))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[ImageReader]:
    Image.new("RGB", (20, 20), (1, 2, 3)).save(tmp_path / "a.png")
    one = ImageReader(tmp_path, workers=1)
    yield one
    one.close()


def request(**given: object) -> ServiceRequest:
    document = {
        "mllib": "ncnn",
        "parameters": {"input": {"connector": "image", **given}},
        "model": {"repository": "somewhere"},
    }
    return parse_service(document)


def build(engine: HeldEngine | DdperfError, reader: ImageReader, *names: str) -> Services:
    """Services that all use one engine, or fail to load it."""

    def load() -> HeldEngine:
        if isinstance(engine, DdperfError):
            raise engine
        engine.loaded += 1
        return engine

    services = Services(lambda _name, _torch: load, reader)
    for name in names:
        services.create(name, request(width=16, height=8))
    return services


def stats(services: Services) -> dict[str, float]:
    described: dict[str, float] = services.get("one").describe(in_list=False, jobs=False)["service_stats"]
    return described


async def until_running(engine: HeldEngine) -> None:
    assert await asyncio.to_thread(engine.running.wait, 20)


def test_a_network_is_loaded_when_it_is_first_used_and_once(reader: ImageReader) -> None:
    async def scenario() -> None:
        engine = HeldEngine()
        services = build(engine, reader, "one")
        assert engine.loaded == 0
        await services.predict(REQUEST)
        await services.predict(REQUEST)
        assert engine.loaded == 1

    asyncio.run(scenario())


def test_the_network_gets_the_image_as_blue_green_red(reader: ImageReader) -> None:
    engine = HeldEngine()

    async def scenario() -> None:
        await build(engine, reader, "one").predict(REQUEST)

    asyncio.run(scenario())
    assert engine.batches[0].shape == (1, 3, 8, 16)
    assert engine.batches[0][0, :, 0, 0].tolist() == [3, 2, 1]


def test_predictions_of_one_service_queue_and_the_wait_counts(reader: ImageReader) -> None:
    async def scenario() -> None:
        engine = HeldEngine(held=True)
        services = build(engine, reader, "one")
        first = asyncio.create_task(services.predict(REQUEST))
        await until_running(engine)
        second = asyncio.create_task(services.predict(REQUEST))
        await asyncio.sleep(0.05)
        assert len(engine.batches) == 1
        engine.let.set()
        times = [(await task)["head"]["time"] for task in (first, second)]
        assert len(engine.batches) == 2
        assert times[1] >= 45  # it slept 50 ms while the first one ran

    asyncio.run(scenario())


def test_a_deletion_waits_for_the_predictions_before_it(reader: ImageReader) -> None:
    async def scenario() -> None:
        engine = HeldEngine(held=True)
        services = build(engine, reader, "one")
        running = asyncio.create_task(services.predict(REQUEST))
        await until_running(engine)
        queued = asyncio.create_task(services.predict(REQUEST))
        await asyncio.sleep(0)
        deletion = asyncio.create_task(services.delete("One"))
        await asyncio.sleep(0.02)
        assert not deletion.done()
        engine.let.set()
        await deletion
        assert [(await task)["status"]["code"] for task in (running, queued)] == [200, 200]
        assert engine.closed

    asyncio.run(scenario())


def test_a_service_is_not_found_while_its_deletion_waits_and_its_name_is_free(reader: ImageReader) -> None:
    async def scenario() -> None:
        engine = HeldEngine(held=True)
        services = build(engine, reader, "one")
        running = asyncio.create_task(services.predict(REQUEST))
        await until_running(engine)
        deletion = asyncio.create_task(services.delete("one"))
        await asyncio.sleep(0)
        assert await _refusal(services) == (404, 1002)
        services.create("one", request())
        engine.let.set()
        await asyncio.gather(running, deletion)
        assert services.get("one").name == "one"

    asyncio.run(scenario())


def test_two_services_run_side_by_side(reader: ImageReader) -> None:
    async def scenario() -> None:
        engine = HeldEngine(held=True)
        services = build(engine, reader, "one", "two")
        first = asyncio.create_task(services.predict(REQUEST))
        second = asyncio.create_task(services.predict(PredictRequest("two", ("a.png",), None)))
        for _ in range(400):
            if len(engine.batches) == 2:
                break
            await asyncio.sleep(0.01)
        assert [len(engine.batches), services.busy] == [2, True]
        engine.let.set()
        await asyncio.gather(first, second)
        assert [len(engine.batches), services.busy] == [2, False]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (HeldEngine(RuntimeError("no such kernel")), (500, 1007)),
        (HeldEngine(MemoryError()), (500, 1007)),
        (DdperfError("no model there"), (400, 1006)),
    ],
    ids=["failure", "memory", "load"],
)
def test_what_fails_is_answered_and_counted(
    reader: ImageReader, engine: HeldEngine | DdperfError, expected: tuple[int, int]
) -> None:
    services = build(engine, reader, "one")
    assert asyncio.run(_refusal(services)) == expected
    assert (stats(services)["predict_failure"], stats(services)["predict_count"]) == (1, 1)


def test_an_image_of_another_size_than_the_networks_is_a_failure_inside(reader: ImageReader) -> None:
    services = build(HeldEngine(), reader, "one")
    parameters = {"input": {"width": 32}}
    assert asyncio.run(_refusal(services, parameters)) == (500, 1007)
    assert stats(services)["inference_count"] == 1  # as on a real server: it was decoded


def test_a_network_of_any_size_takes_what_the_request_says(reader: ImageReader) -> None:
    engine = HeldEngine()
    engine.input_size = None
    services = build(engine, reader, "one")
    asyncio.run(services.predict(PredictRequest("one", ("a.png",), {"input": {"width": 32}})))
    assert engine.batches[0].shape == (1, 3, 8, 32)


def test_with_measures_the_time_stands_in_the_body(reader: ImageReader) -> None:
    services = build(HeldEngine(), reader, "one")
    measured = PredictRequest("one", ("a.png",), {"output": {"measure": ["acc"]}})
    answer = asyncio.run(services.predict(measured))
    assert "time" not in answer["head"]
    assert isinstance(answer["body"]["time"], float)


def test_a_name_is_the_same_in_any_case(reader: ImageReader) -> None:
    services = build(HeldEngine(), reader, "ONE")
    assert services.get("One").name == "one"
    with pytest.raises(ApiError, match="already exists"):
        services.require_absent("oNe")


def test_the_description_holds_what_was_given_and_the_defaults_of_a_real_server(reader: ImageReader) -> None:
    services = build(HeldEngine(), reader, "one")
    described = services.get("one").describe(in_list=False, jobs=True)
    assert described["mllib"] == "onnxruntime"
    assert (described["width"], described["height"], described["jobs"]) == (16, 8, [])
    assert described["parameters"]["input"]["width"] == 16
    assert described["parameters"]["output"]["best_bbox"] == -1
    assert described["model_stats"] == {}


def test_the_weights_are_reported_once_the_network_is_loaded(reader: ImageReader) -> None:
    services = build(HeldEngine(), reader, "one")
    asyncio.run(services.predict(REQUEST))
    assert services.describe_all(jobs=False)[0]["stats"] == {"params": 7}


async def _refusal(services: Services, parameters: object = None) -> tuple[int, int | None]:
    with pytest.raises(ApiError) as caught:
        await services.predict(PredictRequest("one", ("a.png",), parameters))
    return caught.value.status, caught.value.dd_code
