"""What an .onnx file says of its network, without running it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper, shape_inference

from pytest_ddperf.embedded.cost import cost
from pytest_ddperf.errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.embedded.cost import Cost

Dims = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OnnxNet:
    """A network of an .onnx file.

    Args:
        inputs: name, type and dimensions of what it takes; None for a dimension that is free.
        outputs: the same of what it gives.
        last: the operator that gives the first output, "" where an input is handed through.
        nodes: how many operators there are.
        cost: as the report counts; layers whose weights are no initialisers count nothing.
        weight_bytes: of all initialisers.
        live_numbers: most numbers that one image needs at a time, between the first operator and the last, input
            included; None where the file does not tell the sizes.
    """

    inputs: tuple[tuple[str, str, Dims], ...]
    outputs: tuple[tuple[str, str, Dims], ...]
    last: str
    nodes: int
    cost: Cost
    weight_bytes: int
    live_numbers: int | None


def read_onnx(path: Path) -> OnnxNet:
    """What the file says; weights of its own that lie in other files are not read.

    Raises:
        ModelFileError: it is no ONNX model.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        inferred = shape_inference.infer_shapes(model)
        found = _described(model, inferred)
    except Exception as error:  # protobuf's and onnx's exceptions have no other base
        what = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelFileError(path, None, f"it cannot be read ({what})", "a whole ONNX model") from error
    if not found.nodes:
        raise ModelFileError(path, None, "no operator", "a whole ONNX model")
    return found


def _described(model: onnx.ModelProto, inferred: onnx.ModelProto) -> OnnxNet:
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    outputs = tuple(_value(one) for one in inferred.graph.output)
    last = next((node.op_type for node in graph.node if outputs and outputs[0][0] in node.output), "")
    return OnnxNet(
        tuple(_value(one) for one in graph.input if one.name not in weights),
        outputs,
        last,
        len(graph.node),
        cost(model),
        sum(_tensor_bytes(tensor) for tensor in graph.initializer),
        _live_numbers(inferred, weights),
    )


def _tensor_bytes(tensor: TensorProto) -> int:
    return int(math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _value(value: onnx.ValueInfoProto) -> tuple[str, str, Dims]:
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return value.name, kind, _dims(value)


def _dims(value: onnx.ValueInfoProto) -> Dims:
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)


def _live_numbers(inferred: onnx.ModelProto, weights: set[str]) -> int | None:
    """Most numbers that are needed at a time where each result goes once it was used last; of one image."""
    graph = inferred.graph
    sizes = {value.name: _numbers(_dims(value)) for value in (*graph.input, *graph.value_info, *graph.output)}
    uses = [(set(node.input) | set(node.output)) - weights - {""} for node in graph.node]
    constants = {name for node in graph.node if not node.input for name in node.output}
    last_use = {name: at for at, names in enumerate(uses) for name in names - constants}
    kept = {value.name for value in graph.output}
    live: set[str] = {value.name for value in graph.input} - weights
    most = 0
    for at, names in enumerate(uses):
        live |= names - constants
        held = [sizes.get(name) for name in live]
        if None in held:
            return None
        most = max(most, sum(size for size in held if size is not None))
        live = {name for name in live if name in kept or last_use.get(name, -1) > at}
    return most


def _numbers(dims: Dims) -> int | None:
    """Of one image: the first dimension is the batch."""
    rest = dims[1:]
    return None if None in rest else math.prod(size for size in rest if size is not None)
