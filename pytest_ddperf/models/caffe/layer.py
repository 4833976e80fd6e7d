"""Sizes of one layer, and helpers for the rules that compute them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.errors import ModelFileError
    from pytest_ddperf.models.caffe.net import Layer
    from pytest_ddperf.models.caffe.prototxt import Message

Shape: TypeAlias = tuple[int, ...]

LARGEST = 2**40
"""Maximum number of elements in a blob; a larger size is a mistake in the file."""


@dataclass(frozen=True, slots=True)
class LayerSizes:
    """Output sizes, weights and multiply-adds of one layer.

    Args:
        tops: sizes of the outputs, batch first; None for an unknown size.
        blobs: number of elements in each of the layer's own blobs, in Caffe's order.
        counted: indices of the blobs that hold weights; the others hold biases and the like.
        depthwise: whether the layer type is a depthwise convolution.
        shares: whether the outputs share the memory of the first input.
        uncounted: why weights and multiply-adds are unknown; "" if they are known.
    """

    tops: tuple[Shape | None, ...]
    blobs: tuple[int, ...] = ()
    counted: tuple[int, ...] = (0,)
    multiply_adds: int = 0
    depthwise: bool = False
    shares: bool = False
    uncounted: str = ""


class UnknownSizeError(Exception):
    """A rule needs an unknown size, or the prototxt does not determine an output size."""


class Bottoms(Sequence["Shape"]):
    """The sizes of a layer's inputs, batch first. Reading an unknown size raises `UnknownSizeError`."""

    def __init__(self, shapes: Sequence[Shape | None]) -> None:
        self._shapes = shapes

    def __getitem__(self, at: int) -> Shape:  # type: ignore[override]  # no rule slices its inputs
        shape = self._shapes[at]
        if shape is None:
            raise UnknownSizeError
        return shape

    def __len__(self) -> int:
        return len(self._shapes)


def format_size(shape: Sequence[int | None]) -> str:
    """Format a size: `1x3x224x224`; a dimension that is not fixed is `N`."""
    return "x".join("N" if size is None else str(size) for size in shape) or "a single number"


def layer_error(layer: Layer, found: str, expected: str) -> ModelFileError:
    """Create the error for an invalid layer."""
    return layer.settings.error(layer.line, f"layer {layer.name!r} ({layer.type}): {found}", expected)


def resolve_axis(layer: Layer, settings: Message, name: str, default: int, shape: Shape) -> int:
    """Read an axis from the settings; negative values count from the end and are converted."""
    at = settings.whole(name, default)
    if not -len(shape) <= at < len(shape):
        raise layer_error(layer, f"{name} {at} of a bottom of {format_size(shape)}", "an existing axis")
    return at % len(shape)


def find_bias(settings: Message, outputs: int, *, default: bool = True) -> Shape:
    """Return the size of the bias blob; empty if the layer has no biases."""
    return (outputs,) if settings.flag("bias_term", default=default) else ()


Rule: TypeAlias = "Callable[[Layer, Sequence[Shape]], LayerSizes]"
"""Function from a layer and its input sizes to a `LayerSizes`; raises `ModelFileError` if they do not match."""
