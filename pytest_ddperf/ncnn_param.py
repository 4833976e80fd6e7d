"""NCNN's .param files: what can be said of a network by them alone. Pure.

A text of one layer a line, behind a number that says that it is one: type, name, how many blobs it takes and gives,
their names, and settings `0=64 1=3`. It counts the weights; sizes it mostly leaves open, and multiply-adds with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = "7767517"
"""The first line of every such file."""

_WEIGHTS = {
    "Convolution": 6,
    "ConvolutionDepthWise": 6,
    "Convolution1D": 6,
    "Deconvolution": 6,
    "DeconvolutionDepthWise": 6,
    "InnerProduct": 2,
    "Embed": 3,
    "LSTM": 1,
    "Scale": 0,
    "BatchNorm": 0,
    "PReLU": 0,
}
"""Which setting of a layer counts its weights; of Scale and BatchNorm it is the channels."""

_LARGEST = 2**40


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    """One layer.

    Args:
        tops: the blobs that it gives.
        settings: as they are written, by number.
        line: counted from 1.
    """

    type: str
    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    settings: Mapping[int, str]
    line: int


@dataclass(frozen=True, slots=True)
class NcnnNet:
    """A network.

    Args:
        layers: in the order of the file.
        parameters: weights, as the report counts them: one of a Scale and one of a BatchNorm per channel, no biases.
        inputs: by name, their width, height and channels; None where the file leaves them open.
    """

    layers: tuple[NcnnLayer, ...]
    parameters: int
    inputs: Mapping[str, tuple[int, int, int] | None]

    @property
    def outputs(self) -> list[NcnnLayer]:
        """The layers that give what no other takes."""
        taken = {name for layer in self.layers for name in layer.bottoms}
        return [layer for layer in self.layers if layer.tops and not taken.intersection(layer.tops)]


def read_param(text: str, path: object = ".param") -> NcnnNet:
    """The network of a .param file.

    Raises:
        ModelFileError: it is none; names the line.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines or lines[0][1] != [MAGIC]:
        found = f"{' '.join(lines[0][1])[:40]!r}" if lines else "an empty file"
        raise ModelFileError(path, lines[0][0] if lines else 1, found, f"{MAGIC}, the first line of NCNN's text format")
    if len(lines) < 2 or len(lines[1][1]) != 2 or not all(word.isdecimal() for word in lines[1][1]):
        raise ModelFileError(path, lines[-1][0], "no counts", "the number of layers and the number of blobs")
    layers = tuple(_layer(path, number, words) for number, words in lines[2:])
    told = lines[1][1][0]
    if str(len(layers)) != told.lstrip("0"):
        raise ModelFileError(path, lines[-1][0], f"{len(layers)} layers", f"{told[:20]}, as line {lines[1][0]} says")
    parameters = sum(_weights(path, layer) for layer in layers)
    return NcnnNet(layers, parameters, {layer.name: _size(path, layer) for layer in layers if layer.type == "Input"})


def _layer(path: object, number: int, words: list[str]) -> NcnnLayer:
    expected = "a layer: type, name, how many blobs it takes and gives, their names, and settings such as 0=64"
    counts = words[2:4]
    if len(counts) != 2 or not all(word.isdecimal() and len(word) < 6 for word in counts):
        raise ModelFileError(path, number, repr(" ".join(words)[:40]), expected)
    taken, given = int(counts[0]), int(counts[1])
    names, settings = words[4 : 4 + taken + given], words[4 + taken + given :]
    pairs = [one.partition("=") for one in settings]
    if len(names) < taken + given or not all(_is_key(key) and sign for key, sign, _ in pairs):
        raise ModelFileError(path, number, repr(" ".join(words)[:40]), expected)
    values = {int(key): value for key, _, value in pairs}
    return NcnnLayer(words[0], words[1], tuple(names[:taken]), tuple(names[taken:]), values, number)


def _is_key(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) < 9


def _weights(path: object, layer: NcnnLayer) -> int:
    return _whole(path, layer, _WEIGHTS[layer.type]) if layer.type in _WEIGHTS else 0


def _size(path: object, layer: NcnnLayer) -> tuple[int, int, int] | None:
    width, height, channels = (_whole(path, layer, key) for key in (0, 1, 2))
    return (width, height, channels) if width and height and channels else None


def _whole(path: object, layer: NcnnLayer, key: int) -> int:
    text = layer.settings.get(key, "0")
    value = int(text) if text.isdecimal() and len(text) < 20 else -1
    if not 0 <= value <= _LARGEST and not (key == 0 and text == "-233"):  # of a Scale: its factors are a bottom
        raise ModelFileError(path, layer.line, f"{key}={text[:20]} of {layer.name!r}", "a whole number")
    return max(value, 0)
