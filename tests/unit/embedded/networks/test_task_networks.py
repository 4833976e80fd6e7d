"""The graphs of the networks for other tasks than classification."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from every_row import every_row
from onnx import shape_inference

from pytest_ddperf.embedded.networks.boxes import PER_POSITION
from pytest_ddperf.embedded.networks.cost import count_parameters
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.networks.task_networks import COLUMNS, FEATURES, GRIDS, build_task
from pytest_ddperf.embedded.networks.weights import draw_weights
from pytest_ddperf.embedded.runtime.engine import IMAGES_AT_ONCE, load_builtin

BOXES = PER_POSITION * sum(side * side for side in GRIDS)
ROI = BOXES * 25 + FEATURES * GRIDS[0] ** 2
NUMBERS = {
    "task_detection": BOXES * 25,
    "task_segmentation": 224 * 224,
    "task_regression": 1,
    "task_search": FEATURES,
    "task_roi_search": ROI,
    "task_multibox_search": ROI,
    "task_ocr": COLUMNS * 37,
}


@every_row("name", TASK_MODELS)
def test_a_graph_takes_batches_of_its_size_and_gives_a_row_an_image(name: str) -> None:
    model, (taken,), (given,) = (
        build_task(name).model,
        build_task(name).model.graph.input,
        build_task(name).model.graph.output,
    )
    reported = TASK_MODELS[name]
    assert [one.dim_param or one.dim_value for one in taken.type.tensor_type.shape.dim] == [
        "N",
        3,
        reported.height,
        reported.width,
    ]
    assert given.type.tensor_type.shape.dim[1].dim_value == NUMBERS[name]
    shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


@every_row("name", TASK_MODELS)
def test_a_graph_is_small_without_its_weights_and_its_weights_are_no_larger_than_a_squeezenets(name: str) -> None:
    graph = build_task(name)
    assert len(graph.model.SerializeToString()) < 100_000
    assert 0 < count_parameters(graph.model) < 4_000_000
    assert isinstance(graph.model, onnx.ModelProto)


def test_the_weights_come_from_the_seed() -> None:
    graph = build_task("task_ocr")
    first, again, other = (draw_weights(graph, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["lstm.input"], other["lstm.input"])


@pytest.mark.parametrize("name", [pytest.param("task_detection", marks=pytest.mark.slow), "task_ocr"])
def test_a_batch_larger_than_a_slice_is_a_row_an_image_all_the_same(name: str) -> None:
    reported = TASK_MODELS[name]
    engine = load_builtin(name, threads=2)
    rows = engine.run(np.zeros((IMAGES_AT_ONCE + 1, 3, reported.height, reported.width), np.float32))
    engine.close()
    assert rows.shape == (IMAGES_AT_ONCE + 1, NUMBERS[name])
    assert np.isfinite(rows).all()


def test_an_unknown_task_is_no_graph() -> None:
    with pytest.raises(KeyError, match="task_poetry"):
        build_task("task_poetry")
