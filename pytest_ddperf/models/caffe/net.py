"""A network as a Caffe prototxt describes it: inputs and layers, those of the phase that predicts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.models.caffe.prototxt import Message, Scalar, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

_V1_TYPES = {
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IMAGE_DATA": "ImageData",
    "IM2COL": "Im2col",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}
"""The layer types of older files (`layers { type: CONVOLUTION }`), and what they are called since."""


@dataclass(frozen=True, slots=True)
class NetInput:
    """An input that stands at the head of the file, outside of any layer.

    Args:
        dims: as they are written, the batch first; empty where the file does not state them.
        line: where it stands, counted from 1.
    """

    name: str
    dims: tuple[int, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Args:
        bottoms: what it takes, by name.
        tops: what it gives, by name; one that is a bottom, too, is worked on in place.
        shared: names of its blobs, "" for a blob without one; layers share the blobs of one name.
        settings: everything that stands in it, such as `convolution_param`.
        line: where it begins, counted from 1.
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
        name: as the file has it, "" where it has none.
        inputs: those at the head of the file.
        layers: in the order of the file, without those of training alone.
        path: the file, for messages.
    """

    name: str
    inputs: tuple[NetInput, ...]
    layers: tuple[Layer, ...]
    path: object


def read_net(text: str, path: object = "prototxt") -> CaffeNet:
    """The network of a prototxt.

    Args:
        text: of the file.
        path: its name, for messages.

    Raises:
        ModelFileError: it is no network; names the line.
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
        _V1_TYPES.get(kind, kind),
        tuple(message.texts("bottom")),
        tuple(message.texts("top")),
        tuple(_blob_name(param) for name, param in message.fields if name == "param"),
        message,
        message.line,
    )


def _blob_name(param: Scalar | Message) -> str:
    """The name of a blob: `param { name: "w" }`, in older files `param: "w"`."""
    return param.text if isinstance(param, Scalar) else param.text("name")


def _predicts(message: Message) -> bool:
    """Whether a layer is there when the network predicts: Caffe's phase TEST."""
    included, excluded = ([rule.text("phase") for rule in message.messages(key)] for key in ("include", "exclude"))
    if included:
        return any(phase in {"", "TEST", "1"} for phase in included)
    return not any(phase in {"TEST", "1"} for phase in excluded)


def _inputs(message: Message) -> Iterator[NetInput]:
    names, flat = message.texts("input"), message.wholes("input_dim")
    shapes = [tuple(shape.wholes("dim")) for shape in message.messages("input_shape")]
    shapes = shapes or [tuple(flat[at : at + 4]) for at in range(0, len(flat), 4)]
    if not shapes:
        shapes = [()] * len(names)
    if len(shapes) < len(names):
        found = f"{len(names)} inputs and sizes of {len(shapes)}"
        raise message.error(None, found, "input_shape { dim: 1 dim: 3 dim: 224 dim: 224 } for each input")
    for name, dims in zip(names, shapes, strict=False):  # Caffe ignores further sizes
        yield NetInput(name, dims, message.line)
