"""The report's 13 networks as deploy.prototxt files, generated from their known architectures.

They are as a user would give them to DeepDetect: a MemoryData layer of 224x224 for the images, a softmax at the end,
rectifiers and normalisations in place.

    (folder / "deploy.prototxt").write_text(prototxt("resnet50"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CLASSES = 1000


class Word(str):
    """A value that is written without quotes."""

    __slots__ = ()


class NetWriter:
    """Writes layer after layer; each method returns the name of the layer's output.

    Args:
        name: of the network.
        side: height and width of its input in pixels.
    """

    def __init__(self, name: str, side: int = 224) -> None:
        self._layers: list[str] = []
        self._name = name
        self._side = side
        self._channels = {"data": 3}

    def channels(self, blob: str) -> int:
        """Return the number of channels of a blob."""
        return self._channels[blob]

    def text(self) -> str:
        """Return the contents of the file."""
        source = {"batch_size": 1, "channels": 3, "height": self._side, "width": self._side}
        first = _layer("data", "MemoryData", (), ("data", "label"), {"memory_data_param": source})
        return "".join((_field("name", self._name), first, *self._layers))

    def conv(
        self,
        source: str,
        name: str,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        pad: int = 0,
        groups: int = 1,
        bias: bool = True,
        kind: str = "Convolution",
    ) -> str:
        """A convolution."""
        settings: dict[str, str | float] = {"num_output": outputs, "kernel_size": kernel}
        if not bias:
            settings["bias_term"] = Word("false")
        settings |= {key: value for key, value in (("pad", pad),) if value}
        settings |= {key: value for key, value in (("stride", stride), ("group", groups)) if value != 1}
        return self._add(name, kind, [source], name, outputs, convolution_param=settings)

    def depthwise(self, source: str, name: str, *, stride: int, kind: str) -> str:
        """A 3x3 convolution of each channel by itself: as a grouped Convolution, or as a layer type of its own."""
        channels = self.channels(source)
        return self.conv(source, name, channels, 3, stride=stride, pad=1, groups=channels, bias=False, kind=kind)

    def norm(self, source: str, top: str | None = None) -> str:
        """Batch normalisation and its scale, in place unless the output has a name of its own (`top`)."""
        made = top or source
        self._add(f"{made}/bn", "BatchNorm", [source], made, batch_norm_param={"use_global_stats": Word("true")})
        return self._add(f"{made}/scale", "Scale", [made], made, scale_param={"bias_term": Word("true")})

    def relu(self, source: str) -> str:
        """The rectifier, in place."""
        return self._add(f"{source}/relu", "ReLU", [source], source)

    def pool(self, source: str, name: str, kernel: int, stride: int, *, pad: int = 0, kind: str = "MAX") -> str:
        """Pooling."""
        settings: dict[str, str | float] = {"pool": Word(kind), "kernel_size": kernel, "stride": stride}
        settings |= {"pad": pad} if pad else {}
        return self._add(name, "Pooling", [source], name, pooling_param=settings)

    def global_pool(self, source: str, name: str) -> str:
        """The mean of each channel."""
        settings = {"pool": Word("AVE"), "global_pooling": Word("true")}
        return self._add(name, "Pooling", [source], name, pooling_param=settings)

    def lrn(self, source: str, name: str) -> str:
        """Normalisation over 5 neighbouring channels."""
        return self._add(name, "LRN", [source], name, lrn_param={"local_size": 5, "alpha": 0.0001, "beta": 0.75})

    def concat(self, sources: Sequence[str], name: str) -> str:
        """The channels of all sources, one after the other."""
        return self._add(name, "Concat", sources, name, sum(self.channels(one) for one in sources))

    def add(self, one: str, other: str, name: str) -> str:
        """The sum, element by element."""
        return self._add(name, "Eltwise", [one, other], name, eltwise_param={"operation": Word("SUM")})

    def shuffle(self, source: str, name: str, groups: int) -> str:
        """Channel shuffle: take the channels of the groups in turn."""
        return self._add(name, "ShuffleChannel", [source], name, shuffle_channel_param={"group": groups})

    def dense(self, source: str, name: str, outputs: int) -> str:
        """A fully connected layer."""
        return self._add(name, "InnerProduct", [source], name, outputs, inner_product_param={"num_output": outputs})

    def dropout(self, source: str) -> str:
        """Dropout, in place."""
        return self._add(f"{source}/drop", "Dropout", [source], source, dropout_param={"dropout_ratio": 0.5})

    def softmax(self, source: str) -> str:
        """The probabilities."""
        return self._add("prob", "Softmax", [source], "prob")

    def _add(
        self,
        name: str,
        kind: str,
        bottoms: Sequence[str],
        top: str,
        channels: int | None = None,
        **settings: Mapping[str, str | float],
    ) -> str:
        self._layers.append(_layer(name, kind, bottoms, [top], settings))
        self._channels[top] = self.channels(bottoms[0]) if channels is None else channels
        return top


def _layer(
    name: str,
    kind: str,
    bottoms: Sequence[str],
    tops: Sequence[str],
    settings: Mapping[str, Mapping[str, str | float]],
) -> str:
    fields = [("name", name), ("type", kind), *(("bottom", one) for one in bottoms), *(("top", one) for one in tops)]
    inner = [_field(key, value, "  ") for key, value in fields]
    for key, values in settings.items():
        inner += [f"  {key} {{\n", *(_field(each, value, "    ") for each, value in values.items()), "  }\n"]
    return "".join(("layer {\n", *inner, "}\n"))


def _field(key: str, value: str | float, indent: str = "") -> str:
    quoted = isinstance(value, str) and not isinstance(value, Word)
    return f'{indent}{key}: "{value}"\n' if quoted else f"{indent}{key}: {value}\n"


def _norm_relu(net: NetWriter, source: str) -> str:
    return net.relu(net.norm(source))


def _mobilenet(net: NetWriter, kind: str) -> str:
    """MobileNet v1, width 1.0; `kind`: of its depthwise layers."""
    x = _norm_relu(net, net.conv("data", "conv1", 32, 3, stride=2, pad=1, bias=False))
    units = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for number, (outputs, stride) in enumerate(units, start=2):
        x = _norm_relu(net, net.depthwise(x, f"conv{number}/dw", stride=stride, kind=kind))
        x = _norm_relu(net, net.conv(x, f"conv{number}/sep", outputs, bias=False))
    return net.conv(net.global_pool(x, "pool6"), "fc7", CLASSES)


def _resnet(net: NetWriter, blocks: Sequence[int]) -> str:
    """ResNet v1: the stride is in the first 1x1 of a block."""
    x = _norm_relu(net, net.conv("data", "conv1", 64, 7, stride=2, pad=3, bias=False))
    x = net.pool(x, "pool1", 3, 2)
    for stage, (count, width) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=2):
        for block in range(count):
            name = f"res{stage}_{block}"
            stride = 2 if block == 0 and stage > 2 else 1
            shortcut = x
            if block == 0:
                shortcut = net.norm(net.conv(x, f"{name}/shortcut", 4 * width, stride=stride, bias=False))
            branch = _norm_relu(net, net.conv(x, f"{name}/a", width, stride=stride, bias=False))
            branch = _norm_relu(net, net.conv(branch, f"{name}/b", width, 3, pad=1, bias=False))
            branch = net.norm(net.conv(branch, f"{name}/c", 4 * width, bias=False))
            x = net.relu(net.add(shortcut, branch, name))
    return net.dense(net.global_pool(x, "pool5"), "fc1000", CLASSES)


_INCEPTIONS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of 1x1, of 3x3 and the 1x1 before it, of 5x5 and the 1x1 before it, and after the pooling."""


def _googlenet(net: NetWriter) -> str:
    """GoogLeNet with its 5x5 convolutions and its last head only."""
    x = net.relu(net.conv("data", "conv1", 64, 7, stride=2, pad=3))
    x = net.lrn(net.pool(x, "pool1", 3, 2), "norm1")
    x = net.relu(net.conv(x, "conv2/reduce", 64))
    x = net.relu(net.conv(x, "conv2/3x3", 192, 3, pad=1))
    x = net.pool(net.lrn(x, "norm2"), "pool2", 3, 2)
    for name, (one, reduce3, three, reduce5, five, projected) in _INCEPTIONS.items():
        if name in {"4a", "5a"}:
            x = net.pool(x, f"pool{name}", 3, 2)
        a = net.relu(net.conv(x, f"inception_{name}/1x1", one))
        b = net.relu(net.conv(x, f"inception_{name}/3x3_reduce", reduce3))
        b = net.relu(net.conv(b, f"inception_{name}/3x3", three, 3, pad=1))
        c = net.relu(net.conv(x, f"inception_{name}/5x5_reduce", reduce5))
        c = net.relu(net.conv(c, f"inception_{name}/5x5", five, 5, pad=2))
        d = net.pool(x, f"inception_{name}/pool", 3, 1, pad=1)
        d = net.relu(net.conv(d, f"inception_{name}/pool_proj", projected))
        x = net.concat([a, b, c, d], f"inception_{name}/output")
    return net.dense(net.dropout(net.global_pool(x, "pool5")), "classifier", CLASSES)


def _densenet(net: NetWriter, blocks: Sequence[int]) -> str:
    """DenseNet-BC, growth 32."""
    x = _norm_relu(net, net.conv("data", "conv1", 64, 7, stride=2, pad=3, bias=False))
    x = net.pool(x, "pool1", 3, 2, pad=1)
    for block, count in enumerate(blocks, start=2):
        for layer in range(count):
            name = f"conv{block}_{layer}"
            new = net.relu(net.norm(x, f"{name}/x1/bn"))  # x is used again
            new = _norm_relu(net, net.conv(new, f"{name}/x1", 128, bias=False))
            new = net.conv(new, f"{name}/x2", 32, 3, pad=1, bias=False)
            x = net.concat([x, new], f"concat_{block}_{layer}")
        x = _norm_relu(net, x)
        if block < 5:
            x = net.conv(x, f"conv{block}_blk", net.channels(x) // 2, bias=False)
            x = net.pool(x, f"pool{block}", 2, 2, kind="AVE")
    return net.conv(net.global_pool(x, "pool5"), "fc6", CLASSES)


def _squeezenet(net: NetWriter, first: tuple[int, int], pools_before: Sequence[int], last_pad: int) -> str:
    """SqueezeNet; `first`: channels and kernel of its first layer; `pools_before`: fire modules after a pooling."""
    x = net.relu(net.conv("data", "conv1", first[0], first[1], stride=2))
    for number in range(2, 10):
        if number in pools_before:
            x = net.pool(x, f"pool{number - 1}", 3, 2)
        squeezed = 16 * (number // 2)
        x = net.relu(net.conv(x, f"fire{number}/squeeze1x1", squeezed))
        one = net.relu(net.conv(x, f"fire{number}/expand1x1", 4 * squeezed))
        three = net.relu(net.conv(x, f"fire{number}/expand3x3", 4 * squeezed, 3, pad=1))
        x = net.concat([one, three], f"fire{number}/concat")
    x = net.relu(net.conv(net.dropout(x), "conv10", CLASSES, pad=last_pad))
    return net.global_pool(x, "pool10")


def _vgg(net: NetWriter, layers: Sequence[int]) -> str:
    """VGG: `layers` counts the 3x3 convolutions of each of its five blocks."""
    x = "data"
    for block, (count, outputs) in enumerate(zip(layers, (64, 128, 256, 512, 512), strict=True), start=1):
        for layer in range(1, count + 1):
            x = net.relu(net.conv(x, f"conv{block}_{layer}", outputs, 3, pad=1))
        x = net.pool(x, f"pool{block}", 2, 2)
    for name in ("fc6", "fc7"):
        x = net.dropout(net.relu(net.dense(x, name, 4096)))
    return net.dense(x, "fc8", CLASSES)


def _shufflenet(net: NetWriter) -> str:
    """ShuffleNet 1x with 3 groups; the very first 1x1 is not grouped."""
    x = _norm_relu(net, net.conv("data", "conv1", 24, 3, stride=2, pad=1, bias=False))
    x = net.pool(x, "pool1", 3, 2)
    for stage, (count, width) in enumerate(((4, 240), (8, 480), (4, 960)), start=2):
        for unit in range(count):
            name = f"resx{stage}_{unit}"
            new = width - net.channels(x) if unit == 0 else width
            groups = 1 if (stage, unit) == (2, 0) else 3
            branch = _norm_relu(net, net.conv(x, f"{name}/conv1", new // 4, groups=groups, bias=False))
            branch = net.shuffle(branch, f"{name}/shuffle", 3)
            branch = net.depthwise(branch, f"{name}/conv2", stride=2 if unit == 0 else 1, kind="ConvolutionDepthwise")
            branch = net.norm(net.conv(net.norm(branch), f"{name}/conv3", new, groups=3, bias=False))
            if unit == 0:
                shortcut = net.pool(x, f"{name}/match", 3, 2, kind="AVE")
                x = net.relu(net.concat([shortcut, branch], f"{name}/concat"))
            else:
                x = net.relu(net.add(x, branch, f"{name}/sum"))
    return net.dense(net.global_pool(x, "pool_ave"), "fc1000", CLASSES)


_ARCHITECTURES: dict[str, Callable[[NetWriter], str]] = {
    "mobilenet": lambda net: _mobilenet(net, "Convolution"),
    "mobilenet_depthwise": lambda net: _mobilenet(net, "ConvolutionDepthwise"),
    "resnet50": lambda net: _resnet(net, (3, 4, 6, 3)),
    "resnet101": lambda net: _resnet(net, (3, 4, 23, 3)),
    "resnet152": lambda net: _resnet(net, (3, 8, 36, 3)),
    "googlenet": _googlenet,
    "densenet121": lambda net: _densenet(net, (6, 12, 24, 16)),
    "densenet201": lambda net: _densenet(net, (6, 12, 48, 32)),
    "squeezenet_v1.0": lambda net: _squeezenet(net, (96, 7), (2, 5, 9), 1),
    "squeezenet_v1.1": lambda net: _squeezenet(net, (64, 3), (2, 4, 6), 0),
    "vgg16": lambda net: _vgg(net, (2, 2, 3, 3, 3)),
    "vgg19": lambda net: _vgg(net, (2, 2, 4, 4, 4)),
    "shufflenet": _shufflenet,
}


def prototxt(network: str) -> str:
    """Return the deploy.prototxt of one of the 13 networks, by its id."""
    net = NetWriter(network)
    net.softmax(_ARCHITECTURES[network](net))
    return net.text()
