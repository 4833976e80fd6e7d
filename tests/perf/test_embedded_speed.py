"""The embedded server against ONNX Runtime called directly on the same decoded batch, in turns, in one run."""

from __future__ import annotations

import itertools
import statistics
import time
from typing import TYPE_CHECKING

import onnxruntime as ort
import pytest

from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.deepdetect.client import Client, encode
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
TURNS = {"squeezenet_v1.1": 40, "resnet50": 5}
PASSES = 6
"""In a turn, one behind the other as in a benchmark. The first is a warm-up and does not count, of the others the
shortest does: what else runs on the host only ever adds time. The ratio is the median over the turns."""

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
    exceeded: list[str] = []
    direct_ms, predict_ms, request_ms = [], [], []  # of each turn, the shortest
    with launch.start(models=(model,), data_dir=folder) as server, Client(server.url) as client:
        body = protocol.build_predict_body(model, data, output={"best": 1})
        endpoint = Batch(client, model, encode(body), lambda _: None)
        for _ in range(3):
            direct.ms(batch)
            endpoint.predict()
        for _ in range(TURNS[model]):
            time.sleep(PAUSE_S)
            direct_ms.append(min([direct.ms(batch) for _ in range(PASSES)][1:]))
            time.sleep(PAUSE_S)
            totals, times_ms = [], []
            for _ in range(PASSES):
                times_ms.append(endpoint.predict().client_ms)
                totals.append(inference_ms(endpoint))
            request_ms.append(min(times_ms[1:]))
            predict_ms.append(min(after - before for before, after in itertools.pairwise(totals)))
    print(f"\n{f'{model}, batch size {BATCH_SIZE}, {TURNS[model]} turns':<40}{'ms':>8}{'ratio':>8}{'bound':>8}")
    print(f"{'ONNX Runtime, directly':<40}{statistics.median(direct_ms):>8.2f}{1:>8.3f}")
    for what, times_ms, bound in (
        ("server: inference and output", predict_ms, PREDICT_BOUND),
        ("client: the whole request", request_ms, REQUEST_BOUND),
    ):
        ratio = statistics.median(one / base for one, base in zip(times_ms, direct_ms, strict=True))
        print(f"{what:<40}{statistics.median(times_ms):>8.2f}{ratio:>8.3f}{bound:>8.2f}")
        exceeded += [what] * (ratio > bound)
    assert not exceeded


def inference_ms(endpoint: Batch) -> float:
    """The service's predict time so far, less what fetching, decoding and resizing took."""
    totals = endpoint.totals()
    assert totals is not None
    predict_ms, transform_ms = totals.own.total_predict_duration_ms, totals.own.total_transform_duration_ms
    assert predict_ms is not None
    assert transform_ms is not None
    return predict_ms - transform_ms
