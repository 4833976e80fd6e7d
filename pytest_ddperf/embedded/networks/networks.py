"""The 13 networks of the report, built in code as ONNX graphs.

Each network is the variant that the report measured, recovered from the report's table of multiply-adds and parameters:
`cost` reproduces every printed digit of that table from these graphs. The input `data` is float32 [N, 3, 224, 224]; the
output `prob` is float32 [N, 1000], a softmax; N is free.

The gain of each last layer was chosen by experiment so that the logarithms of an image's probabilities spread by 1 to 3
among the classes and different images have different most probable classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.embedded.networks.graph import CENTRED_RELU_GAIN, GraphBuilder, NetworkGraph, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CLASSES = 1000

PIXEL_GAIN = CENTRED_RELU_GAIN / 64**2
"""Gain of a first layer: pixels minus their mean have a spread of about 64, inputs of later layers one of about 1."""

RESIDUAL_GAMMA = 0.3
"""Scale at the end of a residual branch, which keeps the sum of 50 successive branches finite."""


def _norm_relu(net: GraphBuilder, source: Tensor, name: str) -> Tensor:
    return net.relu(net.norm(source, name))


def _mobilenet(net: GraphBuilder, *, split: bool) -> Tensor:
    """MobileNet v1, width 1.0."""
    x = net.conv(net.input, "conv1", 32, 3, stride=2, pad=1, bias=False, gain=PIXEL_GAIN)
    x = _norm_relu(net, x, "conv1.norm")
    layers = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for i, (channels, stride) in enumerate(layers, start=1):
        x = net.depthwise(x, f"unit{i}.depthwise", stride=stride, split=split)
        x = _norm_relu(net, x, f"unit{i}.depthwise.norm")
        x = net.conv(x, f"unit{i}.pointwise", channels, bias=False)
        x = _norm_relu(net, x, f"unit{i}.pointwise.norm")
    return net.conv(net.global_pool(x, "pool"), "classify", CLASSES, gain=80)


def _resnet(net: GraphBuilder, blocks: Sequence[int]) -> Tensor:
    """ResNet v1: the first 1x1 convolution of a block has the stride."""
    x = net.conv(net.input, "conv1", 64, 7, stride=2, pad=3, bias=False, gain=PIXEL_GAIN)
    x = net.pool(_norm_relu(net, x, "conv1.norm"), "pool1", 3, 2)
    for stage, (count, width) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=2):
        for block in range(count):
            name = f"stage{stage}.{block}"
            stride = 2 if block == 0 and stage > 2 else 1
            shortcut = x
            if block == 0:
                shortcut = net.conv(x, f"{name}.shortcut", 4 * width, stride=stride, bias=False)
                shortcut = net.norm(shortcut, f"{name}.shortcut.norm")
            branch = net.conv(x, f"{name}.a", width, stride=stride, bias=False)
            branch = net.conv(_norm_relu(net, branch, f"{name}.a.norm"), f"{name}.b", width, 3, pad=1, bias=False)
            branch = net.conv(_norm_relu(net, branch, f"{name}.b.norm"), f"{name}.c", 4 * width, bias=False)
            branch = net.norm(branch, f"{name}.c.norm", gamma=RESIDUAL_GAMMA)
            x = net.relu(net.add(shortcut, branch, name))
    return net.dense(net.global_pool(x, "pool5"), "classify", CLASSES, gain=8)


def _inception(net: GraphBuilder, x: Tensor, name: str, widths: Sequence[int]) -> Tensor:
    one, reduce3, three, reduce5, five, projected = widths

    def conv(source: Tensor, part: str, channels: int, kernel: int = 1) -> Tensor:
        return net.relu(net.conv(source, f"{name}.{part}", channels, kernel, pad=kernel // 2))

    pooled = net.pool(x, f"{name}.pool", 3, 1, pad=1)
    branches = [
        conv(x, "1x1", one),
        conv(conv(x, "3x3_reduce", reduce3), "3x3", three, 3),
        conv(conv(x, "5x5_reduce", reduce5), "5x5", five, 5),
        conv(pooled, "pool_proj", projected),
    ]
    return net.concat(branches, name)


def _googlenet(net: GraphBuilder) -> Tensor:
    """GoogLeNet with its 5x5 convolutions, and only the last of its heads."""
    x = net.relu(net.conv(net.input, "conv1", 64, 7, stride=2, pad=3, gain=PIXEL_GAIN))
    x = net.lrn(net.pool(x, "pool1", 3, 2), "norm1")
    x = net.relu(net.conv(x, "conv2_reduce", 64))
    x = net.relu(net.conv(x, "conv2", 192, 3, pad=1))
    x = net.pool(net.lrn(x, "norm2"), "pool2", 3, 2)
    stages = (
        {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64)},
        {
            "4a": (192, 96, 208, 16, 48, 64),
            "4b": (160, 112, 224, 24, 64, 64),
            "4c": (128, 128, 256, 24, 64, 64),
            "4d": (112, 144, 288, 32, 64, 64),
            "4e": (256, 160, 320, 32, 128, 128),
        },
        {"5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)},
    )
    for number, stage in enumerate(stages, start=3):
        for name, widths in stage.items():
            x = _inception(net, x, f"inception_{name}", widths)
        if number < 5:
            x = net.pool(x, f"pool{number}", 3, 2)
    return net.dense(net.global_pool(x, "pool5"), "classify", CLASSES, gain=8)


def _densenet(net: GraphBuilder, blocks: Sequence[int]) -> Tensor:
    """DenseNet-BC with growth rate 32. All its pooling layers round up: 112, 57, 29, 15, 8."""
    growth = 32
    x = net.conv(net.input, "conv1", 64, 7, stride=2, pad=3, bias=False, gain=PIXEL_GAIN)
    x = net.pool(_norm_relu(net, x, "conv1.norm"), "pool1", 3, 2, pad=1)
    for block, count in enumerate(blocks, start=2):
        for layer in range(count):
            name = f"block{block}.{layer}"
            new = net.conv(_norm_relu(net, x, f"{name}.a.norm"), f"{name}.a", 4 * growth, bias=False)
            new = net.conv(_norm_relu(net, new, f"{name}.b.norm"), f"{name}.b", growth, 3, pad=1, bias=False)
            x = net.concat([x, new], name)
        x = _norm_relu(net, x, f"block{block}.norm")
        if block < 5:
            x = net.conv(x, f"transition{block}", x.channels // 2, bias=False)
            x = net.pool(x, f"pool{block}", 2, 2, kind="AveragePool")
    return net.conv(net.global_pool(x, "pool5"), "classify", CLASSES, gain=120)


FIRES = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
"""Channels of SqueezeNet's fire modules, squeezed and expanded."""


def add_fire_modules(
    net: GraphBuilder, x: Tensor, fires: Sequence[tuple[int, int]], pools_before: Sequence[int]
) -> Tensor:
    """Add SqueezeNet's fire modules, numbered from 2: 1x1 convolutions to few channels, then 1x1 and 3x3 to many."""
    for number, (squeezed, expanded) in enumerate(fires, start=2):
        if number in pools_before:
            x = net.pool(x, f"pool{number - 1}", 3, 2)
        name = f"fire{number}"
        x = net.relu(net.conv(x, f"{name}.squeeze", squeezed))
        one = net.relu(net.conv(x, f"{name}.expand1x1", expanded))
        three = net.relu(net.conv(x, f"{name}.expand3x3", expanded, 3, pad=1))
        x = net.concat([one, three], name)
    return x


def _squeezenet(net: GraphBuilder, *, first: tuple[int, int], pools_before: Sequence[int], last_pad: int) -> Tensor:
    """SqueezeNet; `first` is the number of channels and the kernel of its first layer."""
    x = net.relu(net.conv(net.input, "conv1", first[0], first[1], stride=2, gain=PIXEL_GAIN))
    x = add_fire_modules(net, x, FIRES, pools_before)
    x = net.relu(net.conv(x, "conv10", CLASSES, pad=last_pad, gain=150))
    return net.global_pool(x, "pool10")


def _vgg(net: GraphBuilder, layers: Sequence[int]) -> Tensor:
    """VGG; `layers` is the number of 3x3 convolutions in each of its five blocks."""
    x = net.input
    for block, (count, channels) in enumerate(zip(layers, (64, 128, 256, 512, 512), strict=True), start=1):
        for layer in range(1, count + 1):
            gain = PIXEL_GAIN if block == layer == 1 else CENTRED_RELU_GAIN
            x = net.relu(net.conv(x, f"conv{block}_{layer}", channels, 3, pad=1, gain=gain))
        x = net.pool(x, f"pool{block}", 2, 2)
    x = net.relu(net.dense(x, "fc6", 4096))
    x = net.relu(net.dense(x, "fc7", 4096))
    return net.dense(x, "classify", CLASSES)


def _shufflenet(net: GraphBuilder) -> Tensor:
    """ShuffleNet 1x with 3 groups. The very first 1x1 convolution is not grouped, because its input has 24 channels."""
    groups = 3
    x = net.conv(net.input, "conv1", 24, 3, stride=2, pad=1, bias=False, gain=PIXEL_GAIN)
    x = net.pool(_norm_relu(net, x, "conv1.norm"), "pool1", 3, 2)
    for stage, (count, channels) in enumerate(((4, 240), (8, 480), (4, 960)), start=2):
        for unit in range(count):
            name = f"stage{stage}.{unit}"
            stride = 2 if unit == 0 else 1
            # The branch of a first unit computes only the channels that its pooled shortcut does not provide.
            new = channels - x.channels if unit == 0 else channels
            first_groups = 1 if stage == 2 and unit == 0 else groups
            branch = net.conv(x, f"{name}.a", new // 4, groups=first_groups, bias=False)
            branch = net.shuffle(_norm_relu(net, branch, f"{name}.a.norm"), f"{name}.shuffle", groups)
            branch = net.depthwise(branch, f"{name}.b", stride=stride, split=False)
            branch = net.conv(net.norm(branch, f"{name}.b.norm"), f"{name}.c", new, groups=groups, bias=False)
            if unit == 0:
                branch = net.norm(branch, f"{name}.c.norm")
                shortcut = net.pool(x, f"{name}.pool", 3, 2, kind="AveragePool")
                x = net.relu(net.concat([shortcut, branch], name))
            else:
                branch = net.norm(branch, f"{name}.c.norm", gamma=RESIDUAL_GAMMA)
                x = net.relu(net.add(x, branch, name))
    return net.dense(net.global_pool(x, "pool5"), "classify", CLASSES, gain=8)


_ARCHITECTURES: dict[str, Callable[[GraphBuilder], Tensor]] = {
    "mobilenet": lambda net: _mobilenet(net, split=True),
    "mobilenet_depthwise": lambda net: _mobilenet(net, split=False),
    "resnet50": lambda net: _resnet(net, (3, 4, 6, 3)),
    "resnet101": lambda net: _resnet(net, (3, 4, 23, 3)),
    "resnet152": lambda net: _resnet(net, (3, 8, 36, 3)),
    "googlenet": _googlenet,
    "densenet121": lambda net: _densenet(net, (6, 12, 24, 16)),
    "densenet201": lambda net: _densenet(net, (6, 12, 48, 32)),
    "squeezenet_v1.0": lambda net: _squeezenet(net, first=(96, 7), pools_before=(2, 5, 9), last_pad=1),
    "squeezenet_v1.1": lambda net: _squeezenet(net, first=(64, 3), pools_before=(2, 4, 6), last_pad=0),
    "vgg16": lambda net: _vgg(net, (2, 2, 3, 3, 3)),
    "vgg19": lambda net: _vgg(net, (2, 2, 4, 4, 4)),
    "shufflenet": _shufflenet,
}

NETWORK_IDS = tuple(_ARCHITECTURES)
"""Ids of the networks, in the order of the report's columns."""


def build(name: str) -> NetworkGraph:
    """Build the graph of one of `NETWORK_IDS`, without its weights."""
    net = GraphBuilder(name)
    return net.finish(_ARCHITECTURES[name](net))
