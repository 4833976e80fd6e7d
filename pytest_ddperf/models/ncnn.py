"""Reader of NCNN's .param files: the layers of a network and the number of its weights. Pure.

A .param file is a text: a number that marks the format, the numbers of layers and of blobs, then the layers. Each layer
has a type, a name, the numbers of its input and output blobs, their names, and settings such as `0=64 1=3`. The file is
read as ncnn reads it (ncnn/src/net.cpp, paramdict.cpp): words are separated by white space, the first count gives the
number of layers, and anything after the last layer is ignored. The weights can be counted. Most sizes are not stated,
so multiply-adds are unknown.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_ddperf.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAGIC = "7767517"
"""The first line of every .param file."""

_LARGEST = 2**40
_WORD = re.compile(r"[^ \t\v\f\r]+")
_SETTING = re.compile(r"(-?[0-9]{1,8})=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    """One layer.

    Args:
        settings: values as written in the file, by number.
        path: the file, for messages.
    """

    type: str
    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    settings: Mapping[int, str]
    line: int
    path: object

    def whole(self, key: int, default: int = 0) -> int:
        """Return a setting as an integer, or the default; raises `ModelFileError` if it is not a whole number."""
        text = self.settings.get(key, str(default))
        digits = text.removeprefix("-").removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or abs(int(text)) > _LARGEST:
            raise ModelFileError(self.path, self.line, f"{key}={text[:20]} of {self.name!r}", "a whole number")
        return int(text)


@dataclass(frozen=True, slots=True)
class NcnnNet:
    """A network.

    Args:
        parameters: number of weights as the report counts them: one per channel for a Scale and for a BatchNorm, no
            biases. A lower bound if some layers are not counted.
        least_bytes: minimum size of these weights: one byte each (int8), or half a byte in layers that may use 4 bits.
        uncounted: name, type and reason of each layer that is not counted.
        inputs: width, height and channels of each input, by name; None if the file does not state them.
    """

    layers: tuple[NcnnLayer, ...]
    parameters: int
    least_bytes: int
    uncounted: tuple[tuple[str, str, str], ...]
    inputs: Mapping[str, tuple[int, int, int] | None]

    @property
    def outputs(self) -> list[NcnnLayer]:
        """The layers whose outputs no layer reads."""
        taken = {name for layer in self.layers for name in layer.bottoms}
        return [layer for layer in self.layers if layer.tops and not taken.intersection(layer.tops)]


def read_param(text: str, path: object = ".param") -> NcnnNet:
    """Parse the text of a .param file.

    Raises:
        ModelFileError: the text is not a valid .param file; names the line.
    """
    words = _Words(text, path)
    if words.next_word != MAGIC:
        found = repr(words.next_word[:40]) if words.next_word else "an empty file"
        raise words.error(found, f"{MAGIC}, the first line of NCNN's text format")
    words.take()
    counts = [words.take() for _ in range(2)]
    if not all(_is_count(word) and int(word) for word in counts):
        raise words.error("no counts", "the number of layers and the number of blobs")
    layers: list[NcnnLayer] = []
    while len(layers) < int(counts[0]):
        if not words.next_word:
            raise words.error(f"{len(layers)} layers", f"{counts[0]} layers, the first count of the file")
        layers.append(_layer(words))
    weights = [_weights(layer) for layer in layers]
    uncounted = tuple(
        (layer.name, layer.type, "unknown number of weights" if layer.type in _WEIGHTS else "unknown layer type")
        for layer, count in zip(layers, weights, strict=True)
        if count is None
    )
    inputs = {layer.name: _size(layer) for layer in layers if layer.type == "Input"}
    numbers = [count or 0 for count in weights]
    least = sum(count // _numbers_a_byte(layer) for layer, count in zip(layers, numbers, strict=True))
    return NcnnNet(tuple(layers), sum(numbers), least, uncounted, inputs)


class _Words:
    """The words of a file in order, with their line numbers."""

    def __init__(self, text: str, path: object) -> None:
        self.path = path
        lines = enumerate(text.split("\n"), start=1)
        words = ((number, word) for number, line in lines for word in _WORD.findall(line))
        self.left: deque[tuple[int, str]] = deque(words)
        self.line = 1

    @property
    def next_word(self) -> str:
        """The next word, without consuming it; "" at the end of the file."""
        return self.left[0][1] if self.left else ""

    def take(self) -> str:
        """Consume and return the next word; "" at the end of the file."""
        if not self.left:
            return ""
        self.line, taken = self.left.popleft()
        return taken

    def error(self, found: str, expected: str) -> ModelFileError:
        """Create an error located at the next word."""
        line = self.left[0][0] if self.left else self.line
        return ModelFileError(self.path, line, found, expected)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 8


def _layer(words: _Words) -> NcnnLayer:
    expected = "a layer: type, name, numbers of input and output blobs, their names, and settings such as 0=64"
    kind = words.take()
    line = words.line
    name, *counts = (words.take() for _ in range(3))
    if not all(_is_count(word) for word in counts) or _is_count(kind[:1]):
        raise ModelFileError(words.path, line, repr(" ".join((kind, name, *counts)).strip()[:40]), expected)
    taken, given = (int(word) for word in counts)
    if taken + given > len(words.left):
        raise ModelFileError(words.path, line, f"{taken} input and {given} output blobs of {name[:40]!r}", expected)
    blobs = [words.take() for _ in range(taken + given)]
    settings: dict[int, str] = {}
    while match := _SETTING.fullmatch(words.next_word):
        words.take()
        settings[int(match[1])] = match[2] or words.take()
    return NcnnLayer(kind, name, tuple(blobs[:taken]), tuple(blobs[taken:]), settings, line, words.path)


def _weights(layer: NcnnLayer) -> int | None:
    """Return the number of weights of a layer, without biases; None if unknown."""
    if layer.type not in _WEIGHTS:
        return 0 if layer.type in KNOWN_TYPES else None
    count = _WEIGHTS[layer.type](layer.whole)
    return None if count is None or not 0 <= count <= _LARGEST else count


def _numbers_a_byte(layer: NcnnLayer) -> int:
    """Return how many weights may share a byte: `quantize_term` (setting 18) >= 400 means blocks of 4 to 8 bits."""
    in_blocks = layer.type in {"Gemm", "MultiHeadAttention"} and layer.whole(18) >= 400
    return 2 if in_blocks else 1


def _size(layer: NcnnLayer) -> tuple[int, int, int] | None:
    width, height, channels = (layer.whole(key) for key in (0, 1, 2))
    return (width, height, channels) if min(width, height, channels) > 0 else None


_Setting: TypeAlias = "Callable[..., int]"
"""Function that returns a layer's setting by key; an optional second argument is the default (else 0)."""


def _stated(key: int, dynamic: int | None = None) -> Callable[[_Setting], int | None]:
    """Count the weights by the setting `key`; 0 if the setting `dynamic` is on, as the weights are then an input."""
    return lambda of: 0 if dynamic is not None and of(dynamic) else of(key) or None


def _affine(key: int, flag: int) -> Callable[[_Setting], int | None]:
    """Count one factor per channel (setting `key`); 0 if the setting `flag` turns the factors off."""
    return lambda of: of(key) or None if of(flag, 1) else 0


def _recurrent(gates: int) -> Callable[[_Setting], int | None]:
    """Count the input weights (setting 1) and the recurrent weights; an LSTM's output may be a projection."""

    def count(of: _Setting) -> int | None:
        outputs, directions = of(0), 2 if of(2) == 2 else 1
        hidden = of(3, outputs) if gates == 4 else outputs
        projected = hidden * outputs if hidden != outputs else 0
        return of(1) + directions * (gates * hidden * outputs + projected) if of(1) and outputs else None

    return count


def _attention(of: _Setting) -> int | None:
    """Count the weights of query and output (setting 2 each), and of key and value from their sizes."""
    size = of(0)
    return 2 * of(2) + size * (of(3, size) + of(4, size)) if size and of(2) else None


def _gemm(of: _Setting) -> int | None:
    """Count the elements of A and B if they are constant; C holds biases."""
    rows, columns, inner = of(7), of(8), of(9)
    first, second = rows * inner if of(4) else 0, inner * columns if of(5) else 0
    return None if (of(4) and not first) or (of(5) and not second) else first + second


def _memory_data(of: _Setting) -> int | None:
    return math.prod(of(key) or 1 for key in (0, 1, 2, 11)) if of(0) else None


_CONVOLUTIONS = "Convolution ConvolutionDepthWise Convolution1D ConvolutionDepthWise1D"
_TRANSPOSED = "Deconvolution DeconvolutionDepthWise Deconvolution1D DeconvolutionDepthWise1D"
_OTHER_CONVOLUTIONS = "Convolution3D ConvolutionDepthWise3D Deconvolution3D DeconvolutionDepthWise3D DeformableConv2D"
_WEIGHTS: Mapping[str, Callable[[_Setting], int | None]] = {
    **dict.fromkeys(_CONVOLUTIONS.split(), _stated(6, dynamic=19)),
    **dict.fromkeys(_TRANSPOSED.split(), _stated(6, dynamic=28)),
    **dict.fromkeys(_OTHER_CONVOLUTIONS.split(), _stated(6)),
    "InnerProduct": _stated(2),
    "Embed": _stated(3),
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
    "MultiHeadAttention": _attention,
    "Gemm": _gemm,
    "Scale": lambda of: max(of(0), 0) if of(0) else None,  # -233: the factors are an input
    "BatchNorm": _stated(0),
    "PReLU": _stated(0),
    "Normalize": _stated(3),
    "LayerNorm": _affine(0, 2),
    "RMSNorm": _affine(0, 2),
    "GroupNorm": _affine(1, 3),
    "InstanceNorm": _affine(0, 2),
    "MemoryData": _memory_data,
}
"""Number of weights of each layer type, computed from its settings; ncnn/src/layer/*.cpp (load_param, load_model)."""

_WITHOUT_WEIGHTS = (
    "AbsVal ArgMax Bias BinaryOp BNLL Cast CELU Clip Concat CopyTo Crop CumulativeSum DeepCopy Dequantize "
    "DetectionOutput Diag Dropout Einsum Eltwise ELU Erf Exp ExpandDims Flatten Flip Fold GELU GLU GridSample "
    "HardSigmoid HardSwish Input Interp InverseSpectrogram Log LRN MatMul Mish MVN Noop Packing Padding Permute "
    "PixelShuffle Pooling Pooling1D Pooling3D Power PriorBox Proposal PSROIPooling Quantize Reduction ReLU Reorg "
    "Requantize Reshape ROIAlign ROIPooling RotaryEmbed SDPA SELU Shrink ShuffleChannel Sigmoid Slice Softmax "
    "Softplus Spectrogram Split SPP Squeeze StatisticsPooling Swish TanH Threshold Tile UnaryOp Unfold "
    "Yolov3DetectionOutput YoloDetectionOutput"
)
"""Other layer types of ncnn (ncnn/src/CMakeLists.txt). Bias has biases only; quantisation and padding have no weights.
"""

KNOWN_TYPES = frozenset((*_WITHOUT_WEIGHTS.split(), *_WEIGHTS))
"""All supported ncnn layer types."""
