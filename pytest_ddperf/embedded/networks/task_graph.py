"""A graph builder with additional layers for tasks other than classification."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from onnx import TensorProto

from pytest_ddperf.embedded.networks.graph import OUTPUT_NAME, GraphBuilder, NetworkGraph, Tensor, WeightSpec

if TYPE_CHECKING:
    from collections.abc import Sequence


class TaskGraphBuilder(GraphBuilder):
    """Builds a graph whose output is one row of numbers per image: the concatenated outputs of its parts."""

    def by_position(self, source: Tensor, name: str) -> str:
        """Flatten the source to a row in which all channels of a position are adjacent."""
        self._node("Transpose", [source.name], f"{name}.last", perm=[0, 2, 3, 1])
        return self.flat(f"{name}.last", name)

    def classes_by_position(self, source: Tensor, name: str, classes: int, *, background: float) -> str:
        """Add a softmax over each group of `classes` numbers in the output of `by_position`.

        `background` is added to the score of the first class of each group, because most boxes contain no object.
        """
        row = self.by_position(source, name)
        rows = source.height * source.width * source.channels // classes
        shape = self._constant(f"{name}.groups", [0, rows, classes])
        self._node("Reshape", [row, shape], f"{name}.grouped")
        bias = self._constant(f"{name}.background", [background, *[0.0] * (classes - 1)], TensorProto.FLOAT)
        self._node("Add", [f"{name}.grouped", bias], f"{name}.biased")
        self._node("Softmax", [f"{name}.biased"], f"{name}.softmax", axis=2)
        return self.flat(f"{name}.softmax", f"{name}.softmax")

    def flat(self, source: str, name: str) -> str:
        """Flatten the tensor of that name to a row without changing the order."""
        self._node("Flatten", [source], f"{name}.flat", axis=1)
        return f"{name}.flat"

    def enlarge(self, source: Tensor, name: str, factor: int) -> Tensor:
        """Add a linear enlargement by an integer factor."""
        scales = self._constant(f"{name}.scales", [1, 1, factor, factor], TensorProto.FLOAT)
        self._node("Resize", [source.name, "", scales], name, mode="linear")
        return Tensor(name, source.channels, source.height * factor, source.width * factor)

    def best_channel(self, source: Tensor, name: str) -> str:
        """Return a row with the index of the channel with the highest value at each position."""
        self._node("ArgMax", [source.name], f"{name}.index", axis=1)
        self._node("Cast", [f"{name}.index"], f"{name}.real", to=TensorProto.FLOAT)
        return self.flat(f"{name}.real", name)

    def read_columns(self, source: Tensor, name: str, hidden: int) -> Tensor:
        """Add a bidirectional LSTM over the columns of the source, with 2 * `hidden` numbers per column as output.

        Returns:
            Tensor of shape [columns, images, numbers]; its `width` is the number of columns, its `channels` the number
            of numbers.
        """
        inputs = source.channels * source.height
        shape = self._constant(f"{name}.shape", [0, inputs, source.width])
        self._node("Reshape", [source.name, shape], f"{name}.columns")
        self._node("Transpose", [f"{name}.columns"], f"{name}.sequence", perm=[2, 0, 1])
        weights = []
        for part, columns in (("input", inputs), ("recurrent", hidden)):
            reach = math.sqrt(3 / columns)
            self._add(WeightSpec(f"{name}.{part}", (2, 4 * hidden, columns), -reach, reach))
            weights.append(f"{name}.{part}")
        states, read = f"{name}.states", [f"{name}.sequence", *weights]
        self._node("LSTM", read, states, hidden_size=hidden, direction="bidirectional")
        self._node("Transpose", [states], f"{name}.beside", perm=[0, 2, 1, 3])
        joined = self._constant(f"{name}.joined", [0, 0, 2 * hidden])
        self._node("Reshape", [f"{name}.beside", joined], name)
        return Tensor(name, 2 * hidden, 1, source.width)

    def column_classes(self, source: Tensor, name: str, classes: int, *, gain: float) -> str:
        """Add a softmax over classes for each column of the output of `read_columns`, flattened column by column."""
        weight = self._draw(f"{name}.weight", (source.channels, classes), gain, source.channels)
        self._node("MatMul", [source.name, weight], f"{name}.scores")
        self._node("Softmax", [f"{name}.scores"], f"{name}.softmax", axis=2)
        self._node("Transpose", [f"{name}.softmax"], name, perm=[1, 0, 2])
        return self.flat(name, name)

    def finish_row(self, parts: Sequence[str], numbers: int) -> NetworkGraph:
        """Return the graph, whose output is the concatenation of the parts, with `numbers` numbers in total."""
        self._node("Concat", parts, OUTPUT_NAME, axis=1)
        return self._build(numbers)
