"""Description of the network in an .onnx file, without running it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper, shape_inference

from pytest_ddperf.embedded.networks.cost import graph_cost
from pytest_ddperf.embedded.networks.onnx_graph import read_graph
from pytest_ddperf.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.core.network_cost import Cost
    from pytest_ddperf.embedded.networks.onnx_graph import OnnxGraph

Dims = tuple[int | None, ...]

_PASSING = frozenset({"Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze"})
"""Operators that change only the form of a result."""


@dataclass(frozen=True, slots=True)
class OnnxNet:
    """The network of an .onnx file.

    Args:
        inputs: name, type and dimensions of each input; None for a free dimension.
        outputs: name, type and dimensions of each output; None for a free dimension.
        last: type of the operator that computes the first output; "" if no operator does.
        weight_bytes: size of all initialisers and Constant nodes, in bytes.
        live_numbers: most numbers in memory at a time for one image, including its input; None if sizes cannot be
            determined from the file.
    """

    inputs: tuple[tuple[str, str, Dims], ...]
    outputs: tuple[tuple[str, str, Dims], ...]
    last: str
    nodes: int
    cost: Cost
    weight_bytes: int
    live_numbers: int | None


def read_onnx(path: Path) -> OnnxNet:
    """Read the description of a network. Files with external weights are not read.

    Raises:
        ModelFileError: the file is not an ONNX model, or contains no operators.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        found = _describe(model)
    except Exception as error:  # protobuf's and onnx's exceptions have no narrower base
        raise ModelFileError(path, None, f"it cannot be read ({first_line(error)})", "a complete ONNX model") from error
    if not found.nodes:
        raise ModelFileError(path, None, "no operator", "a complete ONNX model")
    return found


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _describe(model: onnx.ModelProto) -> OnnxNet:
    outputs = tuple(_value(one) for one in shape_inference.infer_shapes(model).graph.output)
    graph = read_graph(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    maker = makers.get(outputs[0][0]) if outputs else None
    while maker is not None and maker.op_type in _PASSING and maker.input[0] in makers:
        maker = makers.pop(maker.input[0])
    return OnnxNet(
        tuple(_value(one) for one in model.graph.input if one.name not in graph.stored),
        outputs,
        "" if maker is None else maker.op_type.removeprefix("QLinear"),
        len(model.graph.node),
        graph_cost(graph),
        sum(
            math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
            for tensor in graph.stored.values()
        ),
        _live_numbers(graph, [one.name for one in model.graph.input], [name for name, _, _ in outputs]),
    )


def _value(value: onnx.ValueInfoProto) -> tuple[str, str, Dims]:
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return value.name, kind, tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)


def _live_numbers(graph: OnnxGraph, inputs: Sequence[str], outputs: Sequence[str]) -> int | None:
    """Return the most numbers in memory at a time for one image, if each result is freed after its last use."""
    uses = [(set(node.input) | set(node.output)) - graph.constants.keys() - {""} for node in graph.nodes]
    last_use = {name: at for at, names in enumerate(uses) for name in names}
    live = set(inputs) - graph.stored.keys()
    most = 0
    for at, names in enumerate(uses):
        live |= names
        if not live <= graph.shapes.keys():
            return None
        most = max(most, sum(math.prod(graph.shapes[name]) for name in live))
        live = {name for name in live if name in outputs or last_use.get(name, -1) > at}
    return most // graph.batch
