"""What one layer comes to, and what every rule needs to work it out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.errors import ModelFileError
    from pytest_ddperf.models.caffe.net import Layer
    from pytest_ddperf.models.caffe.prototxt import Message

Shape: TypeAlias = tuple[int, ...]

LARGEST = 2**40
"""Numbers of a blob that no machine holds: a size beyond it is a mistake in the file."""


@dataclass(frozen=True, slots=True)
class LayerSizes:
    """One layer with everything that follows from its sizes.

    Args:
        tops: sizes of what it gives, the batch first; None for a size that is not known.
        blobs: how many numbers each of its own blobs holds, in Caffe's order.
        counted: which of the blobs hold weights; the others hold biases and the like.
        multiply_adds: of its weights, for the whole batch.
        depthwise: whether it is a layer type of its own that convolves each channel by itself.
        shares: whether its tops lie in the memory of its first bottom.
        uncounted: why its weights and multiply-adds are not known; "" where they are.
    """

    tops: tuple[Shape | None, ...]
    blobs: tuple[int, ...] = ()
    counted: tuple[int, ...] = (0,)
    multiply_adds: int = 0
    depthwise: bool = False
    shares: bool = False
    uncounted: str = ""


class UnknownSizeError(Exception):
    """A rule needs a size that is not known, or the prototxt does not determine the size of a top."""


class Bottoms(Sequence["Shape"]):
    """The sizes of a layer's bottoms, the batch first. Reading one that is not known raises `UnknownSizeError`."""

    def __init__(self, shapes: Sequence[Shape | None]) -> None:
        self._shapes = shapes

    @overload
    def __getitem__(self, at: int) -> Shape: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Shape]: ...

    def __getitem__(self, at: int | slice) -> Shape | Sequence[Shape]:
        found = self._shapes[at] if isinstance(at, slice) else [self._shapes[at]]
        shapes = [shape for shape in found if shape is not None]
        if len(shapes) < len(found):
            raise UnknownSizeError
        return shapes if isinstance(at, slice) else shapes[0]

    def __len__(self) -> int:
        return len(self._shapes)


def format_size(shape: Sequence[int]) -> str:
    """A size as a person reads it: `1x3x224x224`."""
    return "x".join(str(size) for size in shape) or "a single number"


def layer_error(layer: Layer, found: str, expected: str) -> ModelFileError:
    """The error of a layer that cannot be."""
    return layer.settings.error(layer.line, f"layer {layer.name!r} ({layer.type}): {found}", expected)


def resolve_axis(layer: Layer, settings: Message, name: str, default: int, shape: Shape) -> int:
    """An axis, counted from the front; negative ones count from the end.

    Raises:
        ModelFileError: there is no such axis.
    """
    at = settings.whole(name, default)
    if not -len(shape) <= at < len(shape):
        raise layer_error(layer, f"{name} {at} of a bottom of {format_size(shape)}", "an axis that the bottom has")
    return at % len(shape)


def find_bias(settings: Message, outputs: int, *, default: bool = True) -> Shape:
    """The blob of the biases, where the layer has them."""
    return (outputs,) if settings.flag("bias_term", default=default) else ()


Rule: TypeAlias = "Callable[[Layer, Sequence[Shape]], LayerSizes]"
"""From a layer and the sizes of its bottoms to what it comes to; raises `ModelFileError` where they do not fit."""
