"""A builder of ONNX graphs with the layers of Caffe, in which the report's networks were written.

The graph's initializers contain the shapes of weights but no values, so that a model of 550 MB takes a few kilobytes
until its weights are drawn (`weights.draw_weights`). This module handles all differences between Caffe and ONNX: sizes
after pooling follow Caffe's rule instead of ONNX's `ceil_mode`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import onnx
from onnx import TensorProto, helper

from pytest_ddperf.core.network_cost import compute_pooled_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    Attribute = float | str | Sequence[int]

OPSET = 17
IR_VERSION = 8
INPUT_NAME = "data"
OUTPUT_NAME = "prob"

CENTRED_RELU_GAIN = 1 / (0.5 - 0.5 / math.pi)
"""Gain that preserves the variance through a ReLU if every filter sums to zero.

A standard normal variable after a ReLU has the variance 1/2 - 1/(2 pi). (He's factor of 2 applies to filters that do
not sum to zero. With those, all images get nearly the same probabilities.)
"""

DEPTHWISE_GAIN = 4.5
"""The same gain for filters over one channel. Its neighbouring pixels are similar, so such filters reduce the variance
more."""


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """A weight tensor whose values have not been drawn yet.

    Args:
        name: name of the tensor; together with the seed, it determines the values.
        shape: dimensions; the first is the number of filters.
        low: lower bound of the values, inclusive.
        high: upper bound of the values, exclusive.
        centred: whether to shift each filter so that it sums to zero.
        pieces: number of initializers, named `<name>.<i>`, that the tensor is split into along the first dimension; 1
            for no split.
    """

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    centred: bool = False
    pieces: int = 1

    @property
    def initializers(self) -> tuple[str, ...]:
        """Names of the graph's initializers that contain this tensor, in order."""
        return (self.name,) if self.pieces == 1 else tuple(f"{self.name}.{i}" for i in range(self.pieces))

    @property
    def piece_shape(self) -> tuple[int, ...]:
        """Dimensions of each initializer."""
        return (self.shape[0] // self.pieces, *self.shape[1:])


@dataclass(frozen=True, slots=True)
class NetworkGraph:
    """A network without its weights: its graph, and how to draw the values of the graph's initializers."""

    name: str
    model: onnx.ModelProto
    weights: tuple[WeightSpec, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An intermediate result of the graph, of shape [N, channels, height, width]."""

    name: str
    channels: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class _Window:
    """The window of a convolution, in pixels."""

    kernel: int
    stride: int
    pad: int

    def over(self, source: Tensor, name: str, channels: int) -> Tensor:
        """Return the output of the convolution. Sizes are rounded down, as in Caffe."""
        height, width = (
            (size + 2 * self.pad - self.kernel) // self.stride + 1 for size in (source.height, source.width)
        )
        return Tensor(name, channels, height, width)


class GraphBuilder:
    """Builds a graph layer by layer. Each method for a layer returns the layer's output."""

    def __init__(self, name: str, *, width: int = 224, height: int = 224) -> None:
        self._name = name
        self._width = width
        self._height = height
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._weights: list[WeightSpec] = []

    @property
    def input(self) -> Tensor:
        """The input images: 3 channels, float32, from about -128 to 128."""
        return Tensor(INPUT_NAME, 3, self._height, self._width)

    def conv(
        self,
        source: Tensor,
        name: str,
        channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        pad: int = 0,
        groups: int = 1,
        bias: bool = True,
        gain: float = CENTRED_RELU_GAIN,
    ) -> Tensor:
        """Add a convolution; `gain` is the variance of its output divided by that of its input, a ReLU's output."""
        fan_in = source.channels // groups * kernel * kernel
        weight = self._draw(f"{name}.weight", (channels, fan_in // kernel**2, kernel, kernel), gain, fan_in)
        inputs = [source.name, weight, *([self._bias(name, channels)] if bias else [])]
        window = _Window(kernel, stride, pad)
        self._conv_node(inputs, name, window, groups)
        return window.over(source, name, channels)

    def depthwise(self, source: Tensor, name: str, *, stride: int, split: bool) -> Tensor:
        """Add a 3x3 convolution of each channel separately, with padding 1 and without bias.

        With `split` it is one convolution per channel, as in plain Caffe, instead of one depthwise convolution; the
        weights are the same.
        """
        channels = source.channels
        window = _Window(3, stride, 1)
        pieces = channels if split else 1
        self._draw(f"{name}.weight", (channels, 1, 3, 3), DEPTHWISE_GAIN, 9, pieces=pieces)
        if split:
            slices = [f"{name}.in.{i}" for i in range(channels)]
            parts = [f"{name}.out.{i}" for i in range(channels)]
            sizes = self._constant(f"{name}.split", [1] * channels)
            self._node("Split", [source.name, sizes], f"{name}.split", slices, axis=1)
            for i in range(channels):
                self._conv_node([slices[i], f"{name}.weight.{i}"], parts[i], window, 1)
            self._node("Concat", parts, name, axis=1)
        else:
            self._conv_node([source.name, f"{name}.weight"], name, window, channels)
        return window.over(source, name, channels)

    def norm(self, source: Tensor, name: str, *, gamma: float = 1.0) -> Tensor:
        """Add a batch normalisation: Caffe's BatchNorm and Scale in one node. `gamma` is the mean of the scales."""
        shape = (source.channels,)
        for part, low, high in (
            ("gamma", 0.9 * gamma, 1.1 * gamma),
            ("beta", -0.1 * gamma, 0.1 * gamma),
            ("mean", -0.1, 0.1),
            ("variance", 0.9, 1.1),
        ):
            self._add(WeightSpec(f"{name}.{part}", shape, low, high))
        parts = [f"{name}.{part}" for part in ("gamma", "beta", "mean", "variance")]
        self._node("BatchNormalization", [source.name, *parts], name, epsilon=1e-5)
        return replace(source, name=name)

    def relu(self, source: Tensor) -> Tensor:
        """Add a ReLU, named after its input."""
        name = f"{source.name}.relu"
        self._node("Relu", [source.name], name)
        return replace(source, name=name)

    def pool(
        self,
        source: Tensor,
        name: str,
        kernel: int,
        stride: int,
        *,
        pad: int = 0,
        kind: Literal["MaxPool", "AveragePool"] = "MaxPool",
    ) -> Tensor:
        """Add a pooling layer whose output has Caffe's size.

        The padding is explicit, so that ONNX does not round sizes. Average pooling must have none: Caffe and ONNX would
        divide by different numbers of pixels.
        """
        height, width = (compute_pooled_size(size, kernel, stride, pad) for size in (source.height, source.width))
        ends = [
            max((out - 1) * stride + kernel - size - pad, 0)
            for out, size in ((height, source.height), (width, source.width))
        ]
        shape = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": [pad, pad, *ends]}
        self._node(kind, [source.name], name, **shape)
        return Tensor(name, source.channels, height, width)

    def global_pool(self, source: Tensor, name: str) -> Tensor:
        """Add a layer that computes the mean of each channel."""
        self._node("GlobalAveragePool", [source.name], name)
        return Tensor(name, source.channels, 1, 1)

    def lrn(self, source: Tensor, name: str) -> Tensor:
        """Add a local response normalisation over 5 neighbouring channels, with GoogLeNet's constants."""
        self._node("LRN", [source.name], name, size=5, alpha=1e-4, beta=0.75, bias=1.0)
        return replace(source, name=name)

    def concat(self, sources: Sequence[Tensor], name: str) -> Tensor:
        """Add a concatenation of the channels of all sources."""
        self._node("Concat", [one.name for one in sources], name, axis=1)
        return Tensor(name, sum(one.channels for one in sources), sources[0].height, sources[0].width)

    def add(self, one: Tensor, other: Tensor, name: str) -> Tensor:
        """Add an element-wise sum."""
        self._node("Add", [one.name, other.name], name)
        return replace(one, name=name)

    def shuffle(self, source: Tensor, name: str, groups: int) -> Tensor:
        """Add a channel shuffle: the first channel of each group, then the second of each group, and so on."""
        size = [source.height, source.width]
        apart = self._constant(f"{name}.apart", [0, groups, source.channels // groups, *size])
        together = self._constant(f"{name}.together", [0, source.channels, *size])
        self._node("Reshape", [source.name, apart], f"{name}.grouped")
        self._node("Transpose", [f"{name}.grouped"], f"{name}.dealt", perm=[0, 2, 1, 3, 4])
        self._node("Reshape", [f"{name}.dealt", together], name)
        return replace(source, name=name)

    def dense(self, source: Tensor, name: str, classes: int, *, gain: float = CENTRED_RELU_GAIN) -> Tensor:
        """Add a fully connected layer over all values of the source."""
        fan_in = source.channels * source.height * source.width
        weight = self._draw(f"{name}.weight", (classes, fan_in), gain, fan_in)
        self._node("Flatten", [source.name], f"{name}.input", axis=1)
        self._node("Gemm", [f"{name}.input", weight, self._bias(name, classes)], name, transB=1)
        return Tensor(name, classes, 1, 1)

    def finish(self, source: Tensor) -> NetworkGraph:
        """Add the final softmax and return the graph."""
        self._node("Flatten", [source.name], "logits", axis=1)
        self._node("Softmax", ["logits"], OUTPUT_NAME, axis=1)
        return self._build(source.channels)

    def _build(self, numbers: int) -> NetworkGraph:
        """Return the graph, whose output has `numbers` numbers for each image."""
        size: list[str | int | None] = ["N", 3, self._height, self._width]
        images = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, size)
        answer = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", numbers])
        graph = helper.make_graph(self._nodes, self._name, [images], [answer], self._initializers)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pytest-ddperf")
        return NetworkGraph(self._name, model, tuple(self._weights))

    def _draw(self, name: str, shape: tuple[int, ...], gain: float, fan_in: int, *, pieces: int = 1) -> str:
        # A uniform distribution over +-a has the variance a^2 / 3.
        reach = math.sqrt(3 * gain / fan_in)
        self._add(WeightSpec(name, shape, -reach, reach, centred=True, pieces=pieces))
        return name

    def _bias(self, name: str, channels: int) -> str:
        self._add(WeightSpec(f"{name}.bias", (channels,), -0.05, 0.05))
        return f"{name}.bias"

    def _add(self, spec: WeightSpec) -> None:
        self._weights.append(spec)
        for name in spec.initializers:
            tensor = TensorProto(
                name=name,
                data_type=TensorProto.FLOAT,
                dims=spec.piece_shape,
                data_location=TensorProto.EXTERNAL,
            )
            tensor.external_data.add(key="location", value=name)
            self._initializers.append(tensor)

    def _constant(self, name: str, values: Sequence[float], kind: int = TensorProto.INT64) -> str:
        self._initializers.append(helper.make_tensor(name, kind, [len(values)], values))
        return name

    def _conv_node(self, inputs: list[str], name: str, window: _Window, groups: int) -> None:
        shape = {
            "kernel_shape": [window.kernel] * 2,
            "strides": [window.stride] * 2,
            "pads": [window.pad] * 4,
        }
        self._node("Conv", inputs, name, group=groups, **shape)

    def _node(
        self, kind: str, inputs: Sequence[str], name: str, outputs: Sequence[str] = (), /, **attributes: Attribute
    ) -> None:
        """Add an operator, whose only output has its name unless there are several `outputs`."""
        node = helper.make_node(kind, inputs, outputs or [name], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(node)
