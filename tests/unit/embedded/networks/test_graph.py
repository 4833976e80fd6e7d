"""The layers, against Caffe's arithmetic worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pytest_ddperf.core.network_cost import compute_pooled_size
from pytest_ddperf.embedded.networks.graph import GraphBuilder, Tensor
from pytest_ddperf.embedded.networks.weights import draw_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def run_layer(layer: Callable[[GraphBuilder], Tensor], images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output of one layer on images [N, 3, side, side]."""
    net = GraphBuilder("one", width=images.shape[-1], height=images.shape[-2])
    out = layer(net)
    graph = net.finish(net.global_pool(out, "rest"))
    model = graph.model
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(out.name, TensorProto.FLOAT, None))
    drawn = draw_weights(graph, 0)
    options = ort.SessionOptions()
    files = [values.reshape(-1).view(np.uint8) for values in drawn.values()]
    options.add_external_initializers_from_files_in_memory(list(drawn), files, [one.size for one in files])
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values: NDArray[np.float32] = session.run([out.name], {"data": images})[0]
    assert values.shape[1:] == (out.channels, out.height, out.width)
    return values


def noise(side: int, count: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((count, 3, side, side)).astype(np.float32)


def caffe_pool(
    images: NDArray[np.float32], kernel: int, stride: int, pad: int, *, average: bool
) -> NDArray[np.float32]:
    side = images.shape[-1]
    out = compute_pooled_size(side, kernel, stride, pad)
    pooled = np.zeros((*images.shape[:2], out, out), np.float32)
    for row in range(out):
        for column in range(out):
            top, left = row * stride - pad, column * stride - pad
            window = images[:, :, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
            pooled[:, :, row, column] = window.mean(axis=(2, 3)) if average else window.max(axis=(2, 3))
    return pooled


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "pooled"),
    [
        (112, 3, 2, 0, 56),  # ResNet's and GoogLeNet's first
        (112, 3, 2, 1, 57),  # DenseNet's first
        (57, 2, 2, 0, 29),  # DenseNet's transitions
        (29, 2, 2, 0, 15),
        (15, 2, 2, 0, 8),
        (109, 3, 2, 0, 54),  # SqueezeNet v1.0
        (54, 3, 2, 0, 27),
        (28, 3, 1, 1, 28),  # inside an inception module
        (5, 2, 3, 1, 2),  # a third window would start in the padding
    ],
)
def test_sizes_after_pooling_are_caffes(size: int, kernel: int, stride: int, pad: int, pooled: int) -> None:
    assert compute_pooled_size(size, kernel, stride, pad) == pooled


@given(st.integers(4, 60), st.integers(2, 4), st.integers(1, 4), st.integers(0, 1))
def test_the_last_window_starts_inside_the_image(size: int, kernel: int, stride: int, pad: int) -> None:
    stride = min(stride, kernel)
    last = (compute_pooled_size(size, kernel, stride, pad) - 1) * stride - pad
    assert last < size
    assert last + stride + kernel > size, "a further window would still fit"


@pytest.mark.parametrize("side", [8, 9, 10, 11])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 0), (3, 2, 1), (2, 2, 0), (3, 1, 1)])
def test_max_pooling_gives_caffes_values(side: int, kernel: int, stride: int, pad: int) -> None:
    images = noise(side)
    pooled = run_layer(lambda net: net.pool(net.input, "pool", kernel, stride, pad=pad), images)
    np.testing.assert_array_equal(pooled, caffe_pool(images, kernel, stride, pad, average=False))


@pytest.mark.parametrize("side", [8, 9, 10, 11])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2)])
def test_average_pooling_gives_caffes_values(side: int, kernel: int, stride: int) -> None:
    images = noise(side)
    pooled = run_layer(lambda net: net.pool(net.input, "pool", kernel, stride, kind="AveragePool"), images)
    np.testing.assert_allclose(pooled, caffe_pool(images, kernel, stride, 0, average=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_split_depthwise_layer_gives_what_one_depthwise_convolution_gives(stride: int) -> None:
    images = noise(9)
    split, whole = (
        run_layer(lambda net, split=split: net.depthwise(net.input, "d", stride=stride, split=split), images)  # type: ignore[misc]
        for split in (True, False)
    )
    np.testing.assert_allclose(split, whole, rtol=1e-5, atol=1e-6)


def test_shuffling_deals_out_the_channels_of_the_groups_in_turn() -> None:
    images = noise(4)
    six = run_layer(lambda net: net.concat([net.input, net.input], "six"), images)
    shuffled = run_layer(lambda net: net.shuffle(net.concat([net.input, net.input], "six"), "deal", 2), images)
    np.testing.assert_array_equal(shuffled, six[:, [0, 3, 1, 4, 2, 5]])


def test_weights_take_no_room_before_they_are_drawn() -> None:
    net = GraphBuilder("one")
    graph = net.finish(net.dense(net.input, "large", 1000))
    assert graph.weights[0].shape == (1000, 3 * 224 * 224)
    assert graph.model.ByteSize() < 2000


def test_a_graph_passes_onnxs_own_checks() -> None:
    net = GraphBuilder("one")
    model = net.finish(net.dense(net.norm(net.conv(net.input, "conv", 4, 3), "norm"), "large", 10)).model
    for tensor in model.graph.initializer:
        if tensor.external_data:
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT
            tensor.raw_data = bytes(4 * int(np.prod(tensor.dims)))
    onnx.checker.check_model(model, full_check=True)
