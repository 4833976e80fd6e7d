"""Network described by a Caffe prototxt: the inputs and layers that are active during prediction. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.models.caffe.prototxt import Message, Scalar, parse
from pytest_ddperf.models.caffe.shapes import KNOWN_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

_V1_TYPES = {kind.upper(): kind for kind in KNOWN_TYPES} | {"SOFTMAXLOSS": "SoftmaxWithLoss"}
"""Current names of the layer types in older files (`layers { type: INNER_PRODUCT }`), by those names without `_`."""


@dataclass(frozen=True, slots=True)
class NetInput:
    """An input that is declared at the top of the file, outside any layer.

    Args:
        dims: dimensions as written in the file, batch first; empty if the file does not state them.
    """

    name: str
    dims: tuple[int, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Args:
        tops: names of the outputs; an output that is also an input is modified in place.
        shared: names of its blobs, "" for a blob without a name; layers share blobs of the same name.
        settings: all fields of the layer, such as `convolution_param`.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    shared: tuple[str, ...]
    settings: Message
    line: int


@dataclass(frozen=True, slots=True)
class CaffeNet:
    """A network.

    Args:
        layers: the layers in file order, without layers used only in training.
    """

    name: str
    inputs: tuple[NetInput, ...]
    layers: tuple[Layer, ...]
    path: object


def read_net(text: str, path: object = "prototxt") -> CaffeNet:
    """Parse the text of a prototxt into a network.

    Raises:
        ModelFileError: the text does not describe a network; names the line.
    """
    message = parse(text, path)
    layers = tuple(_layer(one) for one in (*message.messages("layers"), *message.messages("layer")) if _predicts(one))
    if not layers:
        raise message.error(None, "no layer", "a network: layer { name: ... type: ... }")
    return CaffeNet(message.text("name"), tuple(_inputs(message)), layers, path)


def _layer(message: Message) -> Layer:
    kind = message.text("type")
    if not kind and message.has("layer"):  # the oldest format: layers { layer { name: ... type: ... } bottom: ... }
        inner = message.message("layer")
        message = Message((*inner.fields, *message.fields), message.line, message.path)
        kind = inner.text("type")
    if not kind:
        raise message.error(message.line, "a layer without a type", 'layer { type: "Convolution" ... }')
    return Layer(
        message.text("name"),
        _V1_TYPES.get(kind.replace("_", ""), kind),
        tuple(message.texts("bottom")),
        tuple(message.texts("top")),
        tuple(_blob_name(param) for name, param in message.fields if name == "param"),
        message,
        message.line,
    )


def _blob_name(param: Scalar | Message) -> str:
    """Return the name of a blob: `param { name: "w" }`, or `param: "w"` in older files."""
    return param.text if isinstance(param, Scalar) else param.text("name")


def _predicts(message: Message) -> bool:
    """Whether a layer is active during prediction (Caffe's phase TEST)."""
    included, excluded = ([rule.text("phase") for rule in message.messages(key)] for key in ("include", "exclude"))
    if included:
        return any(phase in {"", "TEST", "1"} for phase in included)
    return not any(phase in {"TEST", "1"} for phase in excluded)


def _inputs(message: Message) -> Iterator[NetInput]:
    names, flat = message.scalars("input"), message.wholes("input_dim")
    shapes = [tuple(shape.wholes("dim")) for shape in message.messages("input_shape")]
    shapes = shapes or [tuple(flat[at : at + 4]) for at in range(0, len(flat), 4)]
    if not shapes:
        shapes = [()] * len(names)
    if len(shapes) < len(names):
        found = f"{len(names)} inputs, but {len(shapes)} sizes"
        raise message.error(
            names[len(shapes)].line, found, "input_shape { dim: 1 dim: 3 dim: 224 dim: 224 } for each input"
        )
    for name, dims in zip(names, shapes, strict=False):  # Caffe ignores further sizes
        yield NetInput(name.text, dims, name.line)
