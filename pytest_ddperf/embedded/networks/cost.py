"""What a network costs: multiply-adds and parameters, counted in the graph that runs, as the report counts them.

The rule, recovered from the report's own table: multiply-adds are the weights of convolutions and fully connected
layers times their output positions; parameters are those weights and two per channel for each batch normalisation with
its scale (mean and gamma); biases count nowhere. A depthwise convolution (as many groups as channels) was a layer type
of its own to the report, and has no multiply-adds there. In the figures that it prints, layers without multiply-adds
stand with their parameters instead: only so does each printed digit come out, all of them cut and none rounded. Weights
count once, however many layers share them, and in whatever form the file stores them: quantised, transposed, as a
Constant.
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
        uncounted: operators whose multiply-adds are not counted: name, type and the reason. The counts are lower bounds
            then.
    """

    multiply_adds: int
    true_multiply_adds: int
    parameters: int
    other_parameters: int
    uncounted: tuple[tuple[str, str, str], ...] = ()

    @property
    def reported_operations(self) -> int:
        """What the report's "Giga flops" were cut from: layers without multiply-adds count their parameters."""
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


def compute_cost(model: onnx.ModelProto) -> Cost:
    """The cost of a network per image; the values of its weights are not needed, only their dimensions.

    Products of two results, as in attention, count as multiply-adds without parameters. What cannot be counted is named
    in `Cost.uncounted`.
    """
    return graph_cost(read_graph(model))


def graph_cost(graph: OnnxGraph) -> Cost:
    """The cost per image of a graph that was read; see `cost`."""
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
    """The parameters alone; for a model of any size, since no shape need be inferred."""
    return sum(own for _, own in _layers(read_graph(model, infer=False)))


def _layers(graph: OnnxGraph) -> Iterator[tuple[onnx.NodeProto, int]]:
    """The operators that the inputs change, each with the number of its weights that no operator before it has."""
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
    """Whether a stored tensor holds weights: whole numbers, such as indices, are not; nor is one factor for all."""
    whole = {TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING}
    return graph.stored[name].data_type not in whole and (node.op_type != "Mul" or graph.elements(name) > 1)


def _why_uncounted(node: onnx.NodeProto) -> str:
    """Why there is no rule for the multiply-adds of an operator; "" where there is one, or where it has none."""
    if any(inner.op_type in _COUNTED or _why_uncounted(inner) for body in bodies(node) for inner in body.node):
        return "layers in a branch or loop"
    is_standard = node.domain in {"", "ai.onnx"}
    if node.op_type == "Attention" or not (is_standard or node.op_type in _FREE or node.op_type in _COUNTED):
        return "unknown operator"
    return ""


def _multiply_adds(node: onnx.NodeProto, graph: OnnxGraph) -> int | None:
    """Of all images of the graph's batch; None where a size is not known."""
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
    images, weights, third = known  # third: the result; of recurrent layers the weights of their last output
    if node.op_type in _RECURRENT:
        return (math.prod(weights) + math.prod(third)) * math.prod(images[:2])
    if node.op_type in _CONVOLUTIONS or node.op_type == "ConvTranspose":
        positions = third if node.op_type in _CONVOLUTIONS else images
        return math.prod(weights) * positions[0] * math.prod(positions[2:])
    return math.prod(third) * images[-2 if _attribute(node, "transA") else -1]


def _einsum(node: onnx.NodeProto, graph: OnnxGraph) -> int | None:
    """One product for each combination of indices, of two operands; further operands leave their order open."""
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
"""Operators whose multiply-adds count, and which inputs they multiply; some are ONNX Runtime's (com.microsoft)."""

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
"""Which inputs of an operator hold weights, where they are constant: no biases. Of a BatchNormalization the scale and
the mean, as in Caffe; a Mul by constants is Caffe's Scale, a Gather from constants its Embed."""

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
"""ONNX Runtime's operators without multiply-adds of weights."""
