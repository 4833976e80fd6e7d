"""The ResNets that DeepDetect's Torch backend creates from a template, built in code as ONNX graphs.

They are torchvision's, which differ from those of the report: the 3x3 convolution of a block has the stride, sizes are
rounded down after pooling, and images may have any size. Their parameters equal those that a DeepDetect server reports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import TensorProto, helper

from pytest_ddperf.embedded.networks.graph import GraphBuilder, NetworkGraph, Tensor
from pytest_ddperf.embedded.networks.networks import PIXEL_GAIN, RESIDUAL_GAMMA

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class _ResNet:
    """A ResNet.

    Args:
        blocks: number of blocks in each of the four stages.
        bottleneck: whether blocks have three convolutions and four times as many channels at their end; else two.
        groups: groups of the 3x3 convolutions.
        width: channels of each group in the first stage.
    """

    blocks: Sequence[int]
    bottleneck: bool = True
    groups: int = 1
    width: int = 64


_TEMPLATES = {
    "resnet18": _ResNet((2, 2, 2, 2), bottleneck=False),
    "resnet34": _ResNet((3, 4, 6, 3), bottleneck=False),
    "resnet50": _ResNet((3, 4, 6, 3)),
    "resnet101": _ResNet((3, 4, 23, 3)),
    "resnet152": _ResNet((3, 8, 36, 3)),
    "resnext50_32x4d": _ResNet((3, 4, 6, 3), groups=32, width=4),
    "resnext101_32x8d": _ResNet((3, 4, 23, 3), groups=32, width=8),
    "wideresnet50_2": _ResNet((3, 4, 6, 3), width=128),
    "wideresnet101_2": _ResNet((3, 4, 23, 3), width=128),
}

TEMPLATE_NAMES = tuple(_TEMPLATES)
"""Names of the templates. A DeepDetect server compares these names exactly."""


class _TemplateBuilder(GraphBuilder):
    """A graph builder for images of any size. The sizes of intermediate results are those for 224x224."""

    def pool_down(self, source: Tensor, name: str) -> Tensor:
        """Add a 3x3 max pooling with stride 2 and padding 1, whose output size is rounded down."""
        self._node("MaxPool", [source.name], name, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        return Tensor(name, source.channels, (source.height + 1) // 2, (source.width + 1) // 2)

    def finish(self, source: Tensor) -> NetworkGraph:
        """Add the final softmax and return the graph, which accepts any height and width."""
        graph = super().finish(source)
        (data,) = graph.model.graph.input
        data.CopyFrom(helper.make_tensor_value_info(data.name, TensorProto.FLOAT, ["N", 3, "height", "width"]))
        return graph


def build_template(name: str, classes: int) -> NetworkGraph:
    """Build the graph of one of `TEMPLATE_NAMES`, without its weights."""
    shape = _TEMPLATES[name]
    net = _TemplateBuilder(name)
    x = net.conv(net.input, "conv1", 64, 7, stride=2, pad=3, bias=False, gain=PIXEL_GAIN)
    x = net.pool_down(net.relu(net.norm(x, "conv1.norm")), "pool1")
    for stage, count in enumerate(shape.blocks):
        for block in range(count):
            stride = 2 if block == 0 and stage else 1
            x = _add_block(net, x, f"stage{stage + 2}.{block}", shape, stage=stage, stride=stride)
    return net.finish(net.dense(net.global_pool(x, "pool5"), "classify", classes, gain=8))


def _add_block(net: GraphBuilder, x: Tensor, name: str, shape: _ResNet, *, stage: int, stride: int) -> Tensor:
    inner = shape.width * shape.groups * 2**stage
    outer = 256 * 2**stage if shape.bottleneck else inner
    three = {"kernel": 3, "pad": 1}
    layers = (
        [(inner, {}), (inner, {**three, "stride": stride, "groups": shape.groups}), (outer, {})]
        if shape.bottleneck
        else [(inner, {**three, "stride": stride}), (outer, three)]
    )
    branch = x
    for number, (channels, window) in enumerate(layers):
        last = number == len(layers) - 1
        branch = net.conv(branch, f"{name}.{number}", channels, bias=False, **window)
        branch = net.norm(branch, f"{name}.{number}.norm", gamma=RESIDUAL_GAMMA if last else 1.0)
        if not last:
            branch = net.relu(branch)
    if x.channels != outer or stride > 1:
        x = net.norm(net.conv(x, f"{name}.shortcut", outer, stride=stride, bias=False), f"{name}.shortcut.norm")
    return net.relu(net.add(x, branch, name))


def count_torch_parameters(graph: NetworkGraph) -> int:
    """Count the parameters as Torch does: with biases, without the running statistics of batch normalisations."""
    statistics = (".mean", ".variance")
    return sum(math.prod(spec.shape) for spec in graph.weights if not spec.name.endswith(statistics))
