"""The cost of a network: multiply-adds and parameters, counted in its graph as the report counts them.

The rules were recovered from the report's own table:

- Multiply-adds are the weights of convolutions and fully connected layers times their output positions.
- Parameters are those weights, and two per channel for each batch normalisation with its scale (mean and gamma). Biases
  are never counted.
- A depthwise convolution (as many groups as channels) has no multiply-adds, because the report treats it as a separate
  layer type.
- In the printed "Giga flops", layers without multiply-adds count with their parameters instead. Only this rule
  reproduces every printed digit. All figures are truncated, not rounded.
- Weights count once, however many layers share them, and in whatever form the file stores them: quantised, transposed
  or as a Constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import TensorProto

from pytest_ddperf.embedded.networks.onnx_graph import bodies, read_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx

    from pytest_ddperf.embedded.networks.onnx_graph import OnnxGraph

GIGA = 9
"""Exponent of ten of a GFLOP."""

MILLION = 6
"""Exponent of ten of a million parameters."""

_PRINTED_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one image.

    Args:
        multiply_adds: multiply-adds of convolutions and fully connected layers, without depthwise layers.
        true_multiply_adds: the same, including depthwise layers.
        parameters: number of weights, plus two per channel for each batch normalisation.
        other_parameters: the parameters of layers without multiply-adds (batch normalisation and depthwise).
        uncounted: name, type and reason of each operator whose multiply-adds cannot be counted. If there are any, the
            counts are lower bounds.
    """

    multiply_adds: int
    true_multiply_adds: int
    parameters: int
    other_parameters: int
    uncounted: tuple[tuple[str, str, str], ...] = ()

    @property
    def reported_operations(self) -> int:
        """The count behind the report's "Giga flops": multiply-adds, or parameters for layers without multiply-adds."""
        return self.multiply_adds + self.other_parameters

    @property
    def giga_flops_text(self) -> str:
        """Giga multiply-adds as the report prints them: `3.8580`."""
        return format_count(self.reported_operations, GIGA)

    @property
    def million_params_text(self) -> str:
        """Millions of parameters as the report prints them: `25.556`."""
        return format_count(self.parameters, MILLION)


def format_count(count: int, power: int) -> str:
    """Format a count in units of 10**power, truncated to the report's five digits: `0.5687`, `11.282`, `138.34`."""
    whole = str(count // 10**power)
    decimals = _PRINTED_DIGITS - len(whole)
    digits = count * 10**decimals // 10**power % 10**decimals
    return f"{whole}.{digits:0{decimals}d}"


def compute_cost(model: onnx.ModelProto) -> Cost:
    """Count the cost of a network per image. It needs the dimensions of the weights, not their values.

    Products of two intermediate results, as in attention, count as multiply-adds without parameters. Operators that
    cannot be counted are listed in `Cost.uncounted`.
    """
    return graph_cost(read_graph(model))


def graph_cost(graph: OnnxGraph) -> Cost:
    """Count the cost per image of a graph returned by `read_graph`; see `compute_cost`."""
    multiply_adds = depthwise = parameters = other_parameters = 0
    uncounted: list[tuple[str, str, str]] = []
    for node, own in _layers(graph):
        parameters += own
        operations = None if (why := _why_uncounted(node)) else _multiply_adds(node, graph)
        if operations is None:
            uncounted.append((node.name, node.op_type, why or "unknown sizes"))
            continue
        operations //= graph.batch
        is_depthwise = _is_depthwise(node, graph)
        if is_depthwise:
            depthwise += operations
        else:
            multiply_adds += operations
        if is_depthwise or not operations:
            other_parameters += own
    return Cost(multiply_adds, multiply_adds + depthwise, parameters, other_parameters, tuple(uncounted))


def count_parameters(model: onnx.ModelProto) -> int:
    """Count only the parameters. No shapes are inferred, so the model may have any size."""
    return sum(own for _, own in _layers(read_graph(model, infer=False)))


def _layers(graph: OnnxGraph) -> Iterator[tuple[onnx.NodeProto, int]]:
    """Yield the operators that depend on the inputs, each with the number of weights not used by an earlier one."""
    seen: set[str] = set()
    for node in graph.nodes:
        if all(name in graph.constants for name in node.output):
            continue
        weights = (node.input[at] for at in _WEIGHTS.get(node.op_type, ()) if at < len(node.input))
        tensors = {name for weight in weights for name in graph.constants.get(weight, ())}
        own = [name for name in tensors - seen if _holds_weights(graph, name, node)]
        seen |= tensors
        yield node, sum(graph.elements(name) for name in own)


def _holds_weights(graph: OnnxGraph, name: str, node: onnx.NodeProto) -> bool:
    """Return whether a stored tensor contains weights. Integers (such as indices) and a Mul's single factor do not."""
    whole = {TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING}
    return graph.stored[name].data_type not in whole and (node.op_type != "Mul" or graph.elements(name) > 1)


def _why_uncounted(node: onnx.NodeProto) -> str:
    """Return why the multiply-adds of an operator cannot be counted; "" if they can, or if it has none."""
    if any(inner.op_type in _COUNTED or _why_uncounted(inner) for body in bodies(node) for inner in body.node):
        return "layers in a branch or loop"
    is_standard = node.domain in {"", "ai.onnx"}
    if node.op_type == "Attention" or not (is_standard or node.op_type in _FREE or node.op_type in _COUNTED):
        return "unknown operator"
    return ""


def _multiply_adds(node: onnx.NodeProto, graph: OnnxGraph) -> int | None:
    """Count the multiply-adds of an operator for the graph's whole batch; None if a size is unknown."""
    if node.op_type not in _COUNTED:
        return 0
    if node.op_type == "Einsum":
        return _einsum(node, graph)
    names = [node.input[at] for at in _COUNTED[node.op_type] if at < len(node.input)]
    if node.op_type not in _RECURRENT:
        names.append(node.output[0])
    known = [graph.shapes[name] for name in names if name in graph.shapes]
    if len(known) < 3:
        return None
    images, weights, third = known  # third: the output, or for recurrent layers the recurrent weights
    if node.op_type in _RECURRENT:
        return (math.prod(weights) + math.prod(third)) * math.prod(images[:2])
    if node.op_type in _CONVOLUTIONS or node.op_type == "ConvTranspose":
        positions = third if node.op_type in _CONVOLUTIONS else images
        return math.prod(weights) * positions[0] * math.prod(positions[2:])
    return math.prod(third) * images[-2 if _attribute(node, "transA") else -1]


def _einsum(node: onnx.NodeProto, graph: OnnxGraph) -> int | None:
    """Count one product for each combination of indices.

    Returns:
        The count; None for more than two operands, because their order of evaluation is open, or if a size is unknown.
    """
    equation = next((attribute.s.decode() for attribute in node.attribute if attribute.name == "equation"), "")
    terms = equation.partition("->")[0].replace(" ", "").split(",")
    shapes = [graph.shapes.get(name) for name in node.input]
    if len(terms) == 1:
        return 0
    if len(terms) > 2 or "." in equation or len(shapes) != len(terms):
        return None
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if shape is None or len(shape) != len(term):
            return None
        sizes |= {label: max(size, sizes.get(label, 1)) for label, size in zip(term, shape, strict=True)}
    return math.prod(sizes.values())


def _is_depthwise(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    if node.op_type not in _CONVOLUTIONS:
        return False
    shape, groups = graph.shapes.get(node.input[_COUNTED[node.op_type][1]], ()), _attribute(node, "group", 1)
    return groups > 1 and shape[:2] == (groups, 1)


def _attribute(node: onnx.NodeProto, name: str, default: int = 0) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)


_CONVOLUTIONS: Mapping[str, tuple[int, ...]] = {
    "Conv": (0, 1),
    "ConvInteger": (0, 1),
    "DeformConv": (0, 1),
    "FusedConv": (0, 1),
    "QLinearConv": (0, 3),
}
_RECURRENT: Mapping[str, tuple[int, ...]] = dict.fromkeys(("GRU", "LSTM", "RNN"), (0, 1, 2))
_COUNTED: Mapping[str, tuple[int, ...]] = {
    **_CONVOLUTIONS,
    **_RECURRENT,
    **dict.fromkeys(("ConvTranspose", "Einsum", "FusedGemm", "FusedMatMul", "Gemm", "MatMul", "MatMulInteger"), (0, 1)),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat"), (0, 1)),
    **dict.fromkeys(("QGemm", "QLinearMatMul"), (0, 3)),
}
"""Operators with multiply-adds, and the indices of the inputs that they multiply. Some operators belong to ONNX Runtime
(com.microsoft)."""

_WEIGHTS: Mapping[str, tuple[int, ...]] = {
    **_COUNTED,
    "Attention": (1,),
    "BatchNormalization": (1, 3),
    "Gather": (0,),
    "GroupNormalization": (1,),
    "InstanceNormalization": (1,),
    "LayerNormalization": (1,),
    "Mul": (0, 1),
    "PRelu": (1,),
    "RMSNormalization": (1,),
    "SkipLayerNormalization": (2,),
}
"""Indices of the inputs of each operator that are weights if they are constant, without biases. For BatchNormalization,
they are the scale and the mean, as in Caffe. A Mul by constants is Caffe's Scale, a Gather from constants its Embed."""

_FREE = frozenset(
    {
        "BiasGelu",
        "DequantizeLinear",
        "FastGelu",
        "Gelu",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QuantizeLinear",
        "QuickGelu",
        "SkipLayerNormalization",
    }
)
"""Operators of ONNX Runtime without multiply-adds of weights."""
