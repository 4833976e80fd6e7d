"""What a network costs: multiply-adds and parameters, counted in the graph that runs, as the report counts them.

The rule, recovered from the report's own table: multiply-adds are the weights of convolutions and fully connected
layers times their output positions; parameters are those weights and two per channel for each batch normalisation with
its scale (mean and gamma); biases count nowhere. A depthwise convolution (as many groups as channels) was a layer type
of its own to the report, and has no multiply-adds there. In the figures that it prints, layers without multiply-adds
stand with their parameters instead: only so does each printed digit come out, all of them cut and none rounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import shape_inference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import onnx

GIGA = 9
"""Power of ten of a GFLOP."""

MILLION = 6
"""Power of ten of a million parameters."""

_PRINTED_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image costs.

    Args:
        multiply_adds: of convolutions and fully connected layers; depthwise layers count none.
        true_multiply_adds: the same, depthwise layers included.
        parameters: weights, and two per channel for each batch normalisation.
        other_parameters: those of them in layers without multiply-adds: batch normalisation and depthwise.
    """

    multiply_adds: int
    true_multiply_adds: int
    parameters: int
    other_parameters: int

    @property
    def reported_operations(self) -> int:
        """What the report's "Giga flops" were cut from: layers without multiply-adds count their parameters."""
        return self.multiply_adds + self.other_parameters

    @property
    def giga_flops_text(self) -> str:
        """Giga multiply-adds as the report prints them: `3.8580`."""
        return as_printed(self.reported_operations, GIGA)

    @property
    def million_params_text(self) -> str:
        """Millions of parameters as the report prints them: `25.556`."""
        return as_printed(self.parameters, MILLION)


def as_printed(count: int, power: int) -> str:
    """A count in units of 10**power, cut (not rounded) to the report's five digits: `0.5687`, `11.282`, `138.34`.

    Raises:
        ValueError: the count is negative, or has more than five digits before the point.
    """
    whole = str(count // 10**power)
    decimals = _PRINTED_DIGITS - len(whole)
    if count < 0 or decimals < 0:
        raise ValueError(f"{count} cannot be printed in {_PRINTED_DIGITS} digits in units of 10**{power}")
    if decimals == 0:
        return whole
    digits = count * 10**decimals // 10**power % 10**decimals
    return f"{whole}.{digits:0{decimals}d}"


def cost(model: onnx.ModelProto) -> Cost:
    """The cost of a network per image; its weights are not needed, only their dimensions.

    Args:
        model: a graph whose weights are initializers. Layers whose weights or positions are not known before the
            graph runs count nothing.
    """
    shapes = _shapes(model)
    multiply_adds = true_multiply_adds = parameters = other_parameters = 0
    for node, shape in _layers(model):
        parameters += (own := _parameters_of(node, shape))
        operations = 0 if node.op_type == "BatchNormalization" else own * _positions(node, shapes)
        true_multiply_adds += operations
        if node.op_type == "BatchNormalization" or _is_depthwise(node, shape):
            other_parameters += own
        else:
            multiply_adds += operations
    return Cost(multiply_adds, true_multiply_adds, parameters, other_parameters)


def count_parameters(model: onnx.ModelProto) -> int:
    """The parameters alone; for a model of any size, since no shape need be inferred."""
    return sum(_parameters_of(node, shape) for node, shape in _layers(model))


def _layers(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, Sequence[int]]]:
    """The layers that have weights, with the dimensions of these."""
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in {"Conv", "Gemm", "MatMul", "BatchNormalization"} and node.input[1] in weights:
            yield node, weights[node.input[1]]


def _parameters_of(node: onnx.NodeProto, shape: Sequence[int]) -> int:
    return math.prod(shape) * (2 if node.op_type == "BatchNormalization" else 1)


def _shapes(model: onnx.ModelProto) -> Mapping[str, Sequence[int]]:
    """Dimensions of all intermediate results; 0 stands for one that is free, as the batch is."""
    inferred = shape_inference.infer_shapes(model)
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*inferred.graph.value_info, *inferred.graph.output]
    }


def _positions(node: onnx.NodeProto, shapes: Mapping[str, Sequence[int]]) -> int:
    """How many positions of one image the weights are applied to."""
    return math.prod(shapes.get(node.output[0], [0, 0, 0])[2:]) if node.op_type == "Conv" else 1


def _is_depthwise(node: onnx.NodeProto, shape: Sequence[int]) -> bool:
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return node.op_type == "Conv" and groups > 1 and groups == shape[0] and shape[1] == 1
