"""Cost of a Caffe network, computed from its layer definitions: multiply-adds, parameters, memory. Pure.

`core.network_cost` has the rules. A layer's parameters are its first blob; in layer types that the
report's networks do not use, all blobs with weights. Blobs that layers share by name count once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.core.network_cost import add_up
from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.caffe.inputs import SOURCES
from pytest_ddperf.models.caffe.layer import format_size, layer_error
from pytest_ddperf.models.caffe.shapes import compute_layer_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_ddperf.core.network_cost import Cost
    from pytest_ddperf.models.caffe.layer import LayerSizes, Shape
    from pytest_ddperf.models.caffe.net import CaffeNet, Layer

BYTES = 4
"""Size of a number in bytes: fp32."""

_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class LayerWithSizes:
    """A layer of a network with its sizes."""

    layer: Layer
    step: LayerSizes

    @property
    def is_known(self) -> bool:
        """Whether the weights and all output sizes are known."""
        return not self.step.uncounted and None not in self.step.tops[: len(self.layer.tops)]


def truncate_count(count: int, power: int) -> str:
    """Format a count in units of 10**power with four decimals, truncated as in the report: `11.2824`."""
    parts = count * 10**_DECIMALS // 10**power
    return f"{parts // 10**_DECIMALS}.{parts % 10**_DECIMALS:0{_DECIMALS}d}"


def compute_sizes(net: CaffeNet, batch: int = 1) -> list[LayerWithSizes]:
    """Compute the sizes of all layers of a network.

    Raises:
        ModelFileError: the layers do not fit together; names the line.
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
                    layer, f"the unknown bottom {name!r}", "the name of an input, or of a top of an earlier layer"
                )
        made = compute_layer_sizes(layer, [blobs[name] for name in layer.bottoms])
        if layer.type in SOURCES:  # ignore the batch size in the file
            made = replace(made, tops=tuple(top and (batch, *top[1:]) for top in made.tops))
        _check_tops(layer, made.tops, blobs)
        blobs.update(zip(layer.tops, made.tops, strict=False))
        found.append(LayerWithSizes(layer, made))
    return found


def compute_model_cost(layers: Sequence[LayerWithSizes]) -> Cost:
    """Compute the cost of a network, per image, from the sizes of its layers."""
    counted = [
        (each.step.multiply_adds, sum(blobs[at] for at in each.step.counted if at < len(blobs)), each.step.depthwise)
        for each, blobs in zip(layers, _own_blobs(layers), strict=True)
    ]
    return add_up(
        counted,
        ((each.layer.name, each.layer.type, each.step.uncounted) for each in layers if each.step.uncounted),
    )


def count_stored_numbers(layers: Sequence[LayerWithSizes]) -> int:
    """Count all numbers that a network stores, including biases, means and variances."""
    return sum(map(sum, _own_blobs(layers)))


def estimate_memory(net: CaffeNet, batch: int) -> tuple[int, int] | None:
    """Estimate the memory that Caffe needs to predict one batch, in bytes of fp32: a lower bound.

    Caffe keeps every output of every layer, even when it is no longer needed. A layer that works in place adds none,
    and the outputs of Split, Flatten and Reshape share the memory of their input. Work space of layers and their
    backend (im2col, cuDNN) is not counted.

    Returns:
        The size of all parameters, including biases, and that of all layer outputs, including the network's input; None
        if a layer's size or weights are unknown.

    Raises:
        ModelFileError: the layers do not fit together at that batch size; names the line.
    """
    layers = compute_sizes(net, batch)
    if not all(one.dims for one in net.inputs) or not all(each.is_known for each in layers):
        return None
    inputs = sum(batch * math.prod(one.dims[1:]) for one in net.inputs)
    tops = sum(_held(each) for each in layers)
    return BYTES * count_stored_numbers(layers), BYTES * (inputs + tops)


def _own_blobs(layers: Sequence[LayerWithSizes]) -> Iterator[tuple[int, ...]]:
    """Yield the sizes of each layer's blobs; 0 for a blob that an earlier layer holds under the same name."""
    seen: set[str] = set()
    for each in layers:
        names = (*each.layer.shared, *("" for _ in each.step.blobs))
        yield tuple(0 if name in seen else size for name, size in zip(names, each.step.blobs, strict=False))
        seen.update(name for name, _ in zip(names, each.step.blobs, strict=False) if name)


def _held(each: LayerWithSizes) -> int:
    """Return how many numbers of memory the outputs of a layer add."""
    if each.step.shares:
        return 0
    tops = zip(each.layer.tops, each.step.tops, strict=False)
    return sum(math.prod(shape or ()) for name, shape in tops if name not in each.layer.bottoms)


def _check_tops(layer: Layer, tops: Sequence[Shape | None], blobs: Mapping[str, Shape | None]) -> None:
    if len(layer.tops) > len(tops):
        found = f"{len(layer.tops)} tops"
        raise layer_error(layer, found, f"at most {len(tops)}, as many as the type has outputs")
    for name in layer.tops:
        if name in blobs and name not in layer.bottoms:
            raise layer_error(layer, f"the top {name!r}, which an earlier layer also has", "a unique name")
