"""The cost of a network: multiply-adds and parameters, counted in its graph as the report counts them.

`core.network_cost` has the rules. Weights count once, however many layers share them, and in whatever form the
file stores them: quantised, transposed or as a Constant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from onnx import TensorProto

from pytest_ddperf.core.network_cost import add_up
from pytest_ddperf.embedded.networks.onnx_graph import bodies, read_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx

    from pytest_ddperf.core.network_cost import Cost
    from pytest_ddperf.embedded.networks.onnx_graph import OnnxGraph


def compute_cost(model: onnx.ModelProto) -> Cost:
    """Count the cost of a network per image. It needs the dimensions of the weights, not their values.

    Products of two intermediate results, as in attention, count as multiply-adds without parameters. Operators that
    cannot be counted are listed in `Cost.uncounted`.
    """
    return graph_cost(read_graph(model))


def graph_cost(graph: OnnxGraph) -> Cost:
    """Count the cost per image of a graph returned by `read_graph`; see `compute_cost`."""
    counted: list[tuple[int | None, int, bool]] = []
    uncounted: list[tuple[str, str, str]] = []
    for node, own in _layers(graph):
        operations = None if (why := _why_uncounted(node)) else _multiply_adds(node, graph)
        if operations is None:
            uncounted.append((node.name, node.op_type, why or "unknown sizes"))
        counted.append((operations and operations // graph.batch, own, _is_depthwise(node, graph)))
    return add_up(counted, uncounted)


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
