from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

onnx = pytest.importorskip("onnx", reason="the extra `embedded` is not installed")

from messages import assert_names  # noqa: E402 - after the skip
from model_folders import onnx_folder  # noqa: E402 - after the skip

from pytest_ddperf.embedded.networks.cost import compute_cost  # noqa: E402 - after the skip
from pytest_ddperf.embedded.networks.networks import build  # noqa: E402 - after the skip
from pytest_ddperf.embedded.networks.onnx_files import read_onnx  # noqa: E402 - after the skip
from pytest_ddperf.errors import ModelFileError  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from pathlib import Path


def test_inputs_outputs_and_the_last_operator(tmp_path: Path) -> None:
    net = read_onnx(onnx_folder(tmp_path / "a") / "model.onnx")
    assert net.inputs == (("images", "float", (None, 3, 96, 96)),)
    assert net.outputs == (("prob", "float", (None, 5)),)
    assert (net.last, net.nodes) == ("Softmax", 5)


def test_weights_and_what_is_needed_at_a_time(tmp_path: Path) -> None:
    net = read_onnx(onnx_folder(tmp_path / "a") / "model.onnx")
    assert net.weight_bytes == 4 * (8 * 27 + 5 * 8)
    assert net.live_numbers == 3 * 96 * 96 + 8 * 47 * 47


@pytest.mark.parametrize("network", ["squeezenet_v1.1", "shufflenet"])
def test_the_reports_networks_cost_what_their_graphs_cost(tmp_path: Path, network: str) -> None:
    model = build(network).model
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    net = read_onnx(path)
    assert net.cost == compute_cost(model)
    assert net.live_numbers is not None
    assert net.live_numbers > 3 * 224 * 224


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x08"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_onnx(path)
    assert_names(caught, "net.onnx", "ONNX")
