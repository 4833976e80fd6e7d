"""Layers that move a window over the image: convolutions and pooling, with Caffe's sizes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.caffe.steps import LARGEST, Step, bias_of, refused, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.caffe.net import Layer
    from pytest_ddperf.caffe.steps import Shape
    from pytest_ddperf.prototxt import Message


def pooled(size: int, kernel: int, stride: int, pad: int, *, floor: bool = False) -> int:
    """Size after pooling: rounded up (unless `floor`), but no window starts in the padding beyond the end."""
    span = size + 2 * pad - kernel
    count = (span // stride if floor else -(-span // stride)) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count


@dataclass(frozen=True, slots=True)
class _Window:
    """How a filter moves over height and width, in pixels each."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)

    @property
    def extent(self) -> tuple[int, int]:
        """How many pixels it spans."""
        (height, width), (down, across) = self.kernel, self.dilation
        return (height - 1) * down + 1, (width - 1) * across + 1

    def over(self, sizes: Sequence[int]) -> Shape:
        """Sizes after a convolution."""
        moves = zip(sizes, self.extent, self.stride, self.pad, strict=True)
        return tuple((size + 2 * pad - extent) // stride + 1 for size, extent, stride, pad in moves)

    def back(self, sizes: Sequence[int]) -> Shape:
        """Sizes after the transposed convolution."""
        moves = zip(sizes, self.extent, self.stride, self.pad, strict=True)
        return tuple(stride * (size - 1) + extent - 2 * pad for size, extent, stride, pad in moves)


def _pair(layer: Layer, settings: Message, name: str, default: int, least: int) -> tuple[int, int]:
    """Height's and width's value: `kernel_h` and `kernel_w`, or `kernel_size` once or twice."""
    stem = "kernel" if name == "kernel_size" else name
    both = settings.wholes(name) or [default]
    found = (
        settings.whole(f"{stem}_h", both[0]),
        settings.whole(f"{stem}_w", both[min(1, len(both) - 1)]),
    )
    if min(found) < least or max(found) > LARGEST:
        raise refused(layer, f"{name} {shown(found)}", f"{name}: a whole number of {least} or more")
    return found


def _window(layer: Layer, settings: Message) -> _Window:
    return _Window(
        _pair(layer, settings, "kernel_size", 0, 1),
        _pair(layer, settings, "stride", 1, 1),
        _pair(layer, settings, "pad", 0, 0),
        _pair(layer, settings, "dilation", 1, 1),
    )


def image(layer: Layer, shape: Shape) -> Shape:
    """A size that is one of images.

    Raises:
        ModelFileError: it is another one.
    """
    if len(shape) != 4:
        raise refused(layer, f"a bottom of {shown(shape)}", "images: batch, channels, height, width")
    return shape


def convolution(layer: Layer, bottoms: Sequence[Shape], *, depthwise: bool = False, transposed: bool = False) -> Step:
    """A convolution, a depthwise one (a type of its own), or a transposed one (Deconvolution).

    Raises:
        ModelFileError: its settings cannot be, or do not fit its bottom.
    """
    settings = layer.settings.message("convolution_param")
    batch, channels, *sizes = image(layer, bottoms[0])
    outputs = settings.whole("num_output", channels if depthwise else 0)
    group = channels if depthwise else settings.whole("group", 1)
    if group < 1 or channels % group or outputs % group:
        raise refused(layer, f"group {group} of {channels} channels and num_output {outputs}", "one that divides both")
    window = _window(layer, settings)
    after = window.back(sizes) if transposed else window.over(sizes)
    weights = channels * (outputs // group) * math.prod(window.kernel)
    positions = math.prod(sizes if transposed else after)
    return Step(
        ((batch, outputs, *after),) * len(layer.tops),
        (weights, *bias_of(settings, outputs)),
        weights * positions * batch * len(layer.tops),
        depthwise=depthwise,
    )


def pooling(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    """The most or the mean of each window.

    Raises:
        ModelFileError: its settings cannot be, or do not fit its bottom.
    """
    settings = layer.settings.message("pooling_param")
    batch, channels, *sizes = image(layer, bottoms[0])
    if settings.flag("global_pooling", default=False):
        return Step(((batch, channels, 1, 1),) * len(layer.tops))
    window = _window(layer, settings)
    floor = settings.text("round_mode") in {"FLOOR", "1"} or not settings.flag("ceil_mode", default=True)
    moves = zip(sizes, window.kernel, window.stride, window.pad, strict=True)
    after = tuple(pooled(*move, floor=floor) for move in moves)
    return Step(((batch, channels, *after),) * len(layer.tops))
