"""The embedded server against ONNX Runtime called directly on the same decoded batch, in turns, in one run."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import onnxruntime as ort
import pytest

from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.embedded import launch
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.runtime import engine
from pytest_ddperf.embedded.wire import ImageSettings
from pytest_ddperf.servers import generated_images
from pytest_ddperf.servers.batches import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH_SIZE = 8
TURNS = {"squeezenet_v1.1": 15, "resnet50": 5}
PASSES = 6
"""In a turn, one behind the other as in a benchmark; the first is a warm-up and does not count."""

PREDICT_BOUND = 1.10
REQUEST_BOUND = 1.30
PAUSE_S = 0.05
"""Before each turn: ONNX Runtime's threads go on spinning for a while after a run, and would take the other's cores."""


class Direct:
    """ONNX Runtime in this process: the graph, the weights and the settings of the server, without the server."""

    def __init__(self, model: str) -> None:
        self._engine = engine.load_builtin(model)
        session = self._engine._session
        assert isinstance(session, ort.InferenceSession)
        self._session = session
        self._input = session.get_inputs()[0].name

    def ms(self, batch: NDArray[np.float32]) -> float:
        began_s = time.perf_counter()
        self._session.run(None, {self._input: batch})
        return (time.perf_counter() - began_s) * 1000


@pytest.mark.parametrize("model", TURNS)
def test_the_server_adds_at_most_10_percent_to_inference_and_30_to_the_whole_request(model: str) -> None:
    folder = generated_images.ensure_bench_images()
    names = generated_images.list_bench_images(folder)[:BATCH_SIZE]
    data = [str(folder / name) for name in names]
    batch = ImageReader(folder, workers=2).read(data, ImageSettings(), (224, 224)).pixels
    direct = Direct(model)
    direct_ms, predict_ms, request_ms = [], [], []
    with launch.start(models=(model,), data_dir=folder) as server, Client(server.url) as client:
        body = protocol.build_predict_body(model, data, output={"best": 1})
        endpoint = Batch(client, model, body, lambda _: None)
        for _ in range(3):
            direct.ms(batch)
            endpoint.predict()
        for _ in range(TURNS[model]):
            time.sleep(PAUSE_S)
            direct_ms += [direct.ms(batch) for _ in range(PASSES)][1:]
            time.sleep(PAUSE_S)
            before = endpoint.totals()
            for number in range(PASSES):
                timed = endpoint.predict()
                after = endpoint.totals()
                if number:
                    request_ms.append(timed.client_ms)
                    predict_ms.append(inference_ms(after) - inference_ms(before))
                before = after
    rows = [
        ("ONNX Runtime, directly", direct_ms),
        ("server: inference and output", predict_ms),
        ("client: the whole request", request_ms),
    ]
    base = lower_quartile(direct_ms)
    title = f"{model}, batch size {BATCH_SIZE}, {TURNS[model]} turns"
    print(f"\n{title:<40}{'median ms':>12}{'quartile':>12}{'ratio':>8}")
    for what, times in rows:
        quartile = lower_quartile(times)
        print(f"{what:<40}{statistics.median(times):>12.2f}{quartile:>12.2f}{quartile / base:>8.3f}")
    print(f"bounds: {PREDICT_BOUND:.2f} for inference, {REQUEST_BOUND:.2f} for the whole request")
    assert lower_quartile(predict_ms) <= PREDICT_BOUND * base
    assert lower_quartile(request_ms) <= REQUEST_BOUND * base


def lower_quartile(times: list[float]) -> float:
    """What a quarter of the turns stayed under: what else runs on the host only ever adds time."""
    return statistics.quantiles(times, n=4)[0]


def inference_ms(totals: object) -> float:
    """The service's predict time so far, less what fetching, decoding and resizing took."""
    own = totals.own  # type: ignore[attr-defined]
    return float(own.total_predict_duration_ms - own.total_transform_duration_ms)
