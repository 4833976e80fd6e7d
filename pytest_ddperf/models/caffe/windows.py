"""Sizes of Caffe layers that slide a window over the image: convolution, im2col and pooling. Pure.

The rules raise `ModelFileError` for settings that are invalid or do not fit the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.core.network_cost import compute_pooled_size
from pytest_ddperf.models.caffe.layer import LARGEST, LayerSizes, find_bias, format_size, layer_error, resolve_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.models.caffe.layer import Shape
    from pytest_ddperf.models.caffe.net import Layer
    from pytest_ddperf.models.caffe.prototxt import Message


@dataclass(frozen=True, slots=True)
class _Window:
    """Geometry of a filter, in pixels along each spatial axis."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    @property
    def extent(self) -> Shape:
        """Pixels that the dilated filter spans."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilation, strict=True))

    def over(self, sizes: Sequence[int]) -> Shape:
        """Return the sizes after a convolution."""
        moves = zip(sizes, self.extent, self.stride, self.pad, strict=True)
        return tuple((size + 2 * pad - extent) // stride + 1 for size, extent, stride, pad in moves)

    def back(self, sizes: Sequence[int]) -> Shape:
        """Return the sizes after a transposed convolution."""
        moves = zip(sizes, self.extent, self.stride, self.pad, strict=True)
        return tuple(stride * (size - 1) + extent - 2 * pad for size, extent, stride, pad in moves)


_DEFAULT_AND_LEAST = {"kernel_size": (0, 1), "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1)}


def _along(layer: Layer, settings: Message, name: str, axes: int) -> Shape:
    """Return a setting's value for each spatial axis.

    `kernel_size` is given once or per axis; with two axes, `kernel_h` and `kernel_w` override it. The other settings
    follow the same scheme.
    """
    default, least = _DEFAULT_AND_LEAST[name]
    stem = "kernel" if name == "kernel_size" else name
    each = settings.wholes(name) or [default]
    found = tuple(each[min(axis, len(each) - 1)] for axis in range(axes))
    if axes == 2:
        found = (settings.whole(f"{stem}_h", found[0]), settings.whole(f"{stem}_w", found[1]))
    if any(not least <= value <= LARGEST for value in found):
        raise layer_error(layer, f"{name} {format_size(found)}", f"{name}: a whole number of {least} or more")
    return found


def _window(layer: Layer, settings: Message, axes: int = 2) -> _Window:
    return _Window(*(_along(layer, settings, name, axes) for name in _DEFAULT_AND_LEAST))


def image(layer: Layer, shape: Shape) -> Shape:
    """Return the size unchanged if it is that of images: batch, channels, height, width."""
    if len(shape) != 4:
        raise layer_error(layer, f"a bottom of {format_size(shape)}", "images: batch, channels, height, width")
    return shape


def convolution(
    layer: Layer, bottoms: Sequence[Shape], *, depthwise: bool = False, transposed: bool = False
) -> LayerSizes:
    """Compute a convolution over any number of axes.

    Sizes: caffe/src/caffe/layers/conv_layer.cpp, deconv_layer.cpp.
    """
    settings = layer.settings.message("convolution_param")
    axis = resolve_axis(layer, settings, "axis", 1, bottoms[0])
    before, channels, sizes = bottoms[0][:axis], bottoms[0][axis], bottoms[0][axis + 1 :]
    outputs = settings.whole("num_output", channels if depthwise else 0)
    group = channels if depthwise else settings.whole("group", 1)
    if group < 1 or channels % group or outputs % group:
        raise layer_error(
            layer, f"group {group} of {channels} channels and num_output {outputs}", "a group that divides both"
        )
    window = _window(layer, settings, len(sizes))
    after = window.back(sizes) if transposed else window.over(sizes)
    weights = channels * (outputs // group) * math.prod(window.kernel)
    positions = math.prod(sizes if transposed else after)
    return LayerSizes(
        ((*before, outputs, *after),) * len(layer.tops),
        (weights, *find_bias(settings, outputs)),
        multiply_adds=weights * positions * math.prod(before) * len(layer.tops),
        depthwise=depthwise,
    )


def im2col(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Compute im2col: the pixels of each window become channels; caffe/src/caffe/layers/im2col_layer.cpp."""
    settings = layer.settings.message("convolution_param")
    axis = resolve_axis(layer, settings, "axis", 1, bottoms[0])
    sizes = bottoms[0][axis + 1 :]
    window = _window(layer, settings, len(sizes))
    return LayerSizes(((*bottoms[0][:axis], bottoms[0][axis] * math.prod(window.kernel), *window.over(sizes)),))


def pooling(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Compute max or average pooling."""
    settings = layer.settings.message("pooling_param")
    batch, channels, *sizes = image(layer, bottoms[0])
    if settings.flag("global_pooling", default=False):
        return LayerSizes(((batch, channels, 1, 1),) * len(layer.tops))
    window = _window(layer, settings)
    floor = settings.text("round_mode") in {"FLOOR", "1"} or not settings.flag("ceil_mode", default=True)
    moves = zip(sizes, window.kernel, window.stride, window.pad, strict=True)
    after = tuple(compute_pooled_size(*move, floor=floor) for move in moves)
    return LayerSizes(((batch, channels, *after),) * len(layer.tops))
