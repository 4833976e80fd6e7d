"""Loading, running and dropping networks, built in and the user's own."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import onnx
import psutil
import pytest
from messages import assert_names
from onnx import TensorProto, helper

from pytest_ddperf.embedded.runtime.engine import (
    IMAGES_AT_ONCE,
    Engine,
    ModelLoadError,
    ModelRunError,
    load_builtin,
    load_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SMALL = "squeezenet_v1.1"
CLASSES = 5


def pictures(count: int, side: int = 224) -> NDArray[np.float32]:
    return np.random.default_rng(count).uniform(-128, 128, (count, 3, side, side)).astype(np.float32)


@pytest.fixture(scope="module")
def small() -> Iterator[Engine]:
    engine = load_builtin(SMALL, seed=0, threads=2)
    yield engine
    engine.close()


def write_model(
    path: Path,
    dims: Sequence[int | str] = ("N", 3, 8, 8),
    *,
    kind: int = TensorProto.FLOAT,
    flatten: bool = True,
    output_dims: Sequence[int | str] | None = ("N", CLASSES),
) -> Path:
    """A small model of a user's: 1x1 convolution, global pooling, softmax over 5 classes."""
    weight = np.random.default_rng(0).standard_normal((CLASSES, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["picture", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Softmax", ["p"], ["s"], axis=1),
        helper.make_node("Flatten" if flatten else "Identity", ["s"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "user",
        [helper.make_tensor_value_info("picture", kind, dims)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, output_dims)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_built_in_network_says_what_it_is(small: Engine) -> None:
    assert (small.name, small.input_size) == (SMALL, (224, 224))
    assert small.parameters == 1_231_552


def test_each_image_gets_the_probabilities_that_it_gets_alone(small: Engine) -> None:
    batch = pictures(3)
    alone = np.concatenate([small.run(batch[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(small.run(batch), alone, rtol=1e-3, atol=1e-7)


def test_a_batch_larger_than_runs_at_once_comes_back_whole_and_in_order(small: Engine) -> None:
    batch = pictures(IMAGES_AT_ONCE + 3)
    last = small.run(batch[-1:])
    probabilities = small.run(batch)
    assert probabilities.shape == (IMAGES_AT_ONCE + 3, 1000)
    np.testing.assert_allclose(probabilities[-1:], last, rtol=1e-3, atol=1e-7)


def test_the_same_seed_gives_the_same_probabilities(small: Engine) -> None:
    again = load_builtin(SMALL, seed=0, threads=2)
    np.testing.assert_allclose(again.run(pictures(1)), small.run(pictures(1)), rtol=1e-3, atol=1e-7)


def test_another_seed_gives_others(small: Engine) -> None:
    other = load_builtin(SMALL, seed=1, threads=2)
    assert np.abs(other.run(pictures(1)) - small.run(pictures(1))).max() > 0.001


def test_several_threads_may_run_one_engine(small: Engine) -> None:
    batches = [pictures(count) for count in (1, 2, 3, 4)]
    one_by_one = [small.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(small.run, batches))
    for expected, found in zip(one_by_one, at_once, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_images_of_a_wrong_size_are_refused_by_name_and_shape(small: Engine) -> None:
    with pytest.raises(ModelRunError) as caught:
        small.run(pictures(1, side=100))
    assert_names(caught, "squeezenet_v1.1", "1x3x100x100")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_onnx_runtimes(threads: int) -> None:
    engine = load_builtin(SMALL, threads=threads)
    assert engine._session.get_session_options().intra_op_num_threads == threads


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries keep freed memory")
def test_closing_gives_the_memory_back(small: Engine) -> None:
    small.run(pictures(1))
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    engine = load_builtin("resnet50", threads=2)
    kept = engine.run(pictures(4))
    loaded = process.memory_info().rss
    engine.close()
    after = process.memory_info().rss
    assert loaded - before > 100e6
    assert after - before < 30e6
    assert kept.shape == (4, 1000)


def test_a_slowed_network_gives_the_same_probabilities(small: Engine) -> None:
    slowed = load_builtin(SMALL, threads=2, slow_factor=1.1)
    np.testing.assert_allclose(slowed.run(pictures(2)), small.run(pictures(2)), rtol=1e-3, atol=1e-7)


def test_a_users_model_says_what_it_is(tmp_path: Path) -> None:
    engine = load_file(write_model(tmp_path / "own.onnx"), threads=1)
    assert (engine.name, engine.input_size) == (str(tmp_path / "own.onnx"), (8, 8))
    assert engine.parameters == CLASSES * 3


def test_a_users_model_runs(tmp_path: Path) -> None:
    engine = load_file(write_model(tmp_path / "own.onnx"), threads=1)
    probabilities = engine.run(pictures(3, side=8))
    assert probabilities.shape == (3, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_model_that_takes_any_size_has_no_input_size(tmp_path: Path) -> None:
    engine = load_file(write_model(tmp_path / "own.onnx", ("N", 3, "H", "W")), threads=1)
    assert engine.input_size is None
    assert engine.run(pictures(2, side=33)).shape == (2, CLASSES)


@pytest.mark.parametrize("images", [1, 2])
def test_a_model_with_a_fixed_batch_takes_batches_of_any_size(tmp_path: Path, images: int) -> None:
    fixed = load_file(write_model(tmp_path / "fixed.onnx", (images, 3, 8, 8), output_dims=(images, CLASSES)), threads=1)
    free = load_file(write_model(tmp_path / "free.onnx"), threads=1)
    np.testing.assert_allclose(fixed.run(pictures(3, side=8)), free.run(pictures(3, side=8)), rtol=1e-5)
    assert (fixed.fixed_batch, free.fixed_batch) == (images, 0)


@pytest.mark.parametrize("output_dims", [None, ("N", CLASSES, 1, 1), ("N", "classes", 1, 1)])
def test_the_classes_of_an_output_with_more_dimensions_are_found(
    tmp_path: Path, output_dims: Sequence[int | str] | None
) -> None:
    engine = load_file(write_model(tmp_path / "own.onnx", flatten=False, output_dims=output_dims), threads=1)
    assert engine.run(pictures(2, side=8)).shape == (2, CLASSES)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError) as caught:
        load_file(tmp_path / "own.onnx")
    assert_names(caught, "own.onnx", "no such file")


@pytest.mark.parametrize("content", [b"", b"this is no model", b"\x08\x08\x12\xff"])
def test_a_file_that_is_no_model_is_refused_in_one_paragraph(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError) as error:
        load_file(path)
    assert_names(error, "own.onnx", "ONNX")
    assert "\n" not in str(error.value)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "own.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelLoadError) as caught:
        load_file(path)
    assert_names(caught, path, "ONNX")


def test_an_operator_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "own.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Telepathy"
    onnx.save(model, path)
    with pytest.raises(ModelLoadError, match="Telepathy"):
        load_file(path)


@pytest.mark.parametrize(
    ("dims", "kind"),
    [
        (("N", 1, 8, 8), TensorProto.FLOAT),
        (("N", 8, 8, 3), TensorProto.FLOAT),
        (("N", 3, 8), TensorProto.FLOAT),
        (("N", 3, 8, 8), TensorProto.DOUBLE),
    ],
)
def test_a_model_that_takes_no_batch_of_rgb_images_is_refused(
    tmp_path: Path, dims: Sequence[int | str], kind: int
) -> None:
    path = tmp_path / "own.onnx"
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["picture"], ["answer"])],
        "user",
        [helper.make_tensor_value_info("picture", kind, dims)],
        [helper.make_tensor_value_info("answer", kind, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(ModelLoadError) as caught:
        load_file(path)
    assert_names(caught, "float32 [N, 3, height, width]")


def test_a_model_that_loads_but_does_not_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    shape = onnx.numpy_helper.from_array(np.array([1, 7], np.int64), "shape")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["picture", "shape"], ["answer"])],
        "user",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
        [shape],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(ModelLoadError) as caught:
        load_file(path)
    assert_names(caught, "own.onnx", "1x3x224x224")
