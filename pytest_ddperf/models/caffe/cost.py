"""What a Caffe network costs, by the definitions of its layers alone: multiply-adds, parameters, memory. Pure.

The rule is the report's own (recovered from its table): multiply-adds are the weights of convolutions and fully
connected layers times their output positions; parameters are the first blob of each layer, so the weights, and two per
channel for a BatchNorm and its Scale (mean and gamma); biases count nowhere. A depthwise convolution that is a layer
type of its own has no multiply-adds there. What the report prints as "Giga flops" counts layers without multiply-adds
with their parameters instead, and every figure is cut, not rounded. Of layers that the report's networks do not have,
all weights count; blobs that layers share by name count once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.caffe.inputs import SOURCES
from pytest_ddperf.models.caffe.layer import format_size, layer_error
from pytest_ddperf.models.caffe.shapes import compute_layer_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_ddperf.models.caffe.layer import LayerSizes, Shape
    from pytest_ddperf.models.caffe.net import CaffeNet, Layer

BYTES = 4
"""Of a number: fp32."""

_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class LayerWithSizes:
    """A layer of a network with its sizes.

    Args:
        bottoms: sizes of what it takes, the batch first; None for a size that is not known.
        step: what it makes of them.
    """

    layer: Layer
    bottoms: tuple[Shape | None, ...]
    step: LayerSizes

    @property
    def is_known(self) -> bool:
        """Whether its weights and the sizes of all its tops are known."""
        return not self.step.uncounted and None not in self.step.tops[: len(self.layer.tops)]


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What one image costs; lower bounds where a layer is not counted.

    Args:
        multiply_adds: of convolutions and fully connected layers; depthwise layers count none.
        true_multiply_adds: the same, depthwise layers included.
        parameters: as the report counts them: no biases.
        other_parameters: those of them in layers without multiply-adds.
        stored_parameters: all numbers that the network holds, biases, means and variances included.
        uncounted: layers that are not counted: name, type and the reason.
    """

    multiply_adds: int
    true_multiply_adds: int
    parameters: int
    other_parameters: int
    stored_parameters: int
    uncounted: tuple[tuple[str, str, str], ...] = ()

    @property
    def reported_operations(self) -> int:
        """What the report's "Giga flops" were cut from: layers without multiply-adds count their parameters."""
        return self.multiply_adds + self.other_parameters


@dataclass(frozen=True, slots=True)
class Memory:
    """What Caffe holds to predict one batch, in bytes of fp32: a lower bound.

    Caffe keeps every top of every layer, not only what is still needed; a layer that works in place adds none, and the
    tops of Split, Flatten and Reshape lie in their bottom's memory. What layers and their backend use besides, to work
    in (im2col, cuDNN), is not counted.

    Args:
        weights: of all parameters, biases included.
        activations: of all tops, the input's included.
    """

    weights: int
    activations: int

    @property
    def total(self) -> int:
        """Both."""
        return self.weights + self.activations


def truncate_count(count: int, power: int) -> str:
    """A count in units of 10**power with four decimals, cut and not rounded, as the report prints: `11.2824`."""
    parts = count * 10**_DECIMALS // 10**power
    return f"{parts // 10**_DECIMALS}.{parts % 10**_DECIMALS:0{_DECIMALS}d}"


def compute_sizes(net: CaffeNet, batch: int = 1) -> list[LayerWithSizes]:
    """The layers of a network with their sizes.

    Args:
        net: the network.
        batch: images at a time.

    Raises:
        ModelFileError: the layers do not fit each other; names the line.
    """
    blobs: dict[str, Shape | None] = {}
    for one in net.inputs:
        if min(one.dims, default=1) < 1:
            expected = "dimensions of 1 or more: batch, channels, height, width"
            raise ModelFileError(net.path, one.line, f"the input {one.name!r} of {format_size(one.dims)}", expected)
        blobs[one.name] = (batch, *one.dims[1:]) if one.dims else None
    found: list[LayerWithSizes] = []
    for layer in net.layers:
        for name in layer.bottoms:
            if name not in blobs:
                raise layer_error(
                    layer, f"the bottom {name!r}", "the name of an input, or of a top of a layer before it"
                )
        bottoms = tuple(blobs[name] for name in layer.bottoms)
        made = compute_layer_sizes(layer, bottoms)
        if layer.type in SOURCES:  # the file's own batch does not matter
            made = replace(made, tops=tuple(top and (batch, *top[1:]) for top in made.tops))
        _check_tops(layer, made.tops, blobs)
        blobs.update(zip(layer.tops, made.tops, strict=False))
        found.append(LayerWithSizes(layer, bottoms, made))
    return found


def compute_model_cost(net: CaffeNet) -> ModelCost:
    """The cost of a network, per image.

    Raises:
        ModelFileError: the layers do not fit each other; names the line.
    """
    multiply_adds = depthwise = parameters = other = stored = 0
    layers = compute_sizes(net)
    for one, blobs in zip((each.step for each in layers), _own_blobs(layers), strict=True):
        own = sum(size for at, size in enumerate(blobs) if at in one.counted)
        parameters += own
        stored += sum(blobs)
        if one.depthwise:
            depthwise += one.multiply_adds
        else:
            multiply_adds += one.multiply_adds
        if one.depthwise or not one.multiply_adds:
            other += own
    uncounted = tuple((each.layer.name, each.layer.type, each.step.uncounted) for each in layers if each.step.uncounted)
    return ModelCost(multiply_adds, multiply_adds + depthwise, parameters, other, stored, uncounted)


def estimate_memory(net: CaffeNet, batch: int) -> Memory | None:
    """The memory that the prediction of one batch needs; None where the size of a layer is not known.

    Args:
        net: the network.
        batch: images at a time.

    Raises:
        ModelFileError: the layers do not fit each other at that batch size; names the line.
    """
    layers = compute_sizes(net, batch)
    if not all(one.dims for one in net.inputs) or not all(each.is_known for each in layers):
        return None
    inputs = sum(batch * math.prod(one.dims[1:]) for one in net.inputs)
    tops = sum(_held(each) for each in layers)
    return Memory(BYTES * sum(map(sum, _own_blobs(layers))), BYTES * (inputs + tops))


def _own_blobs(layers: Sequence[LayerWithSizes]) -> Iterator[tuple[int, ...]]:
    """The sizes of each layer's blobs; 0 for one that a layer before it holds under the same name."""
    seen: set[str] = set()
    for each in layers:
        names = (*each.layer.shared, *("" for _ in each.step.blobs))
        yield tuple(0 if name in seen else size for name, size in zip(names, each.step.blobs, strict=False))
        seen.update(name for name, _ in zip(names, each.step.blobs, strict=False) if name)


def _held(each: LayerWithSizes) -> int:
    """How many numbers the tops of a layer need memory for."""
    if each.step.shares:
        return 0
    tops = zip(each.layer.tops, each.step.tops, strict=False)
    return sum(math.prod(shape or ()) for name, shape in tops if name not in each.layer.bottoms)


def _check_tops(layer: Layer, tops: Sequence[Shape | None], blobs: Mapping[str, Shape | None]) -> None:
    if len(layer.tops) > len(tops):
        found = f"{len(layer.tops)} tops"
        raise layer_error(layer, found, f"{len(tops)}, as many as the type has")
    for name in layer.tops:
        if name in blobs and name not in layer.bottoms:
            raise layer_error(layer, f"the top {name!r}, which a layer before it has, too", "a name of its own")
