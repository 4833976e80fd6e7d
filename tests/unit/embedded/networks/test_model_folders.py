"""Models come from below the model folder, wherever links and the weights that a model names lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from messages import assert_names
from onnx import TensorProto, helper, numpy_helper

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.runtime.engine import ModelLoadError, load_file
from pytest_ddperf.embedded.server.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, weights: str = "") -> None:
    """A network of one layer, whose weights lie in another file where one is named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weight = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "weight")
    if weights:
        (path.parent / weights).parent.mkdir(parents=True, exist_ok=True)
        (path.parent / weights).write_bytes(weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", weights), ("offset", "0"), ("length", "24")):
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
    nodes = [helper.make_node("Conv", ["x", "weight"], ["y"]), helper.make_node("GlobalAveragePool", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2, 1, 1])],
        [weight],
    )
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


def test_a_model_below_the_folder_is_found(tmp_path: Path) -> None:
    save(tmp_path / "models" / "mine" / "a.onnx")
    (tmp_path / "models" / "linked").mkdir()
    (tmp_path / "models" / "linked" / "b.onnx").symlink_to("../mine/a.onnx")
    for name in ("mine", "linked"):
        engine = Repository(model_dirs=(tmp_path / "models",), threads=1).find(name)()
        assert engine.run(np.zeros((1, 3, 4, 4), np.float32)).shape[1] == 2
        engine.close()


@pytest.mark.parametrize("name", ["../secret", "out", "link", "link/../../secret"])
def test_a_model_outside_of_it_is_not(tmp_path: Path, name: str) -> None:
    save(tmp_path / "secret" / "a.onnx")
    (tmp_path / "models" / "link").mkdir(parents=True)
    (tmp_path / "models" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "models" / "link" / "a.onnx").symlink_to(tmp_path / "secret" / "a.onnx")
    with pytest.raises(ApiError) as caught:
        Repository(model_dirs=(tmp_path / "models",), threads=1).find(name)
    assert caught.value.dd_code == 1006


@pytest.mark.parametrize("weights", ["weights.bin", "sub/weights.bin"])
def test_weights_beside_a_model_are_read(tmp_path: Path, weights: str) -> None:
    save(tmp_path / "a.onnx", weights)
    engine = load_file(tmp_path / "a.onnx", threads=1)
    assert engine.run(np.ones((1, 3, 4, 4), np.float32)).tolist() == [[3.0, 3.0]]
    engine.close()


@pytest.mark.parametrize("how", ["dots", "absolute", "link"])
def test_weights_elsewhere_are_not(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "models"
    save(folder / "a.onnx", "weights.bin")
    (folder / "weights.bin").rename(tmp_path / "secret.bin")
    location = "weights.bin"
    if how == "link":
        (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    else:
        location = "../secret.bin" if how == "dots" else str(tmp_path / "secret.bin")
        model = onnx.load(folder / "a.onnx", load_external_data=False)
        model.graph.initializer[0].external_data[0].value = location
        (folder / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadError) as caught:
        load_file(folder / "a.onnx", threads=1)
    assert_names(caught, "a.onnx", repr(location), "not a file in its folder")
