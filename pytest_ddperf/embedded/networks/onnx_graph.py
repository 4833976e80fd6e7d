"""The graph of an ONNX model with the sizes and constants needed to count the cost and memory of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, inliner, shape_inference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Dims = tuple[int, ...]

_SMALL = 4096
"""Most elements of a constant whose values are kept; shape inference may need them, such as a Reshape's target."""

_JOINING = frozenset({"Add", "Concat", "Div", "Einsum", "MatMul", "Mul", "Sub", "Sum", "Where"})
"""Operators that combine several constants into one. The others change only the form of their first input."""


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A graph with its sizes for a batch of one image, or for the batch size that the file fixes.

    Args:
        nodes: operators in the order of the file, with the model's functions inlined.
        shapes: dimensions of all tensors whose sizes are known.
        batch: number of images that these sizes are for.
        constants: for every tensor that does not depend on an input, the stored tensors that its values come from.
        stored: the initialisers and the values of Constant nodes.
    """

    nodes: Sequence[onnx.NodeProto]
    shapes: Mapping[str, Dims]
    batch: int
    constants: Mapping[str, frozenset[str]]
    stored: Mapping[str, TensorProto]

    def elements(self, stored: str) -> int:
        """Return the number of elements of a stored tensor."""
        return math.prod(self.stored[stored].dims)


def bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs inside an operator, such as the branches of an If.

    Values that these graphs use are not among the operator's inputs.
    """
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def read_graph(model: onnx.ModelProto, *, infer: bool = True) -> OnnxGraph:
    """Read the graph of a model, and its sizes if `infer` is set. The values of large weights are not needed."""
    light = _without_large_values(model)
    if light.functions:
        light = inliner.inline_local_functions(light)
    stored = {tensor.name: tensor for tensor in _stored(light.graph)}
    batch, shapes = (_settle_batch(light.graph, stored), _infer(light, stored)) if infer else (1, {})
    answer = shapes.get(light.graph.output[0].name, ()) if light.graph.output else ()
    if answer and answer[0] % batch:  # the first input has no batch dimension
        batch = 1
    return OnnxGraph(list(light.graph.node), shapes, batch, _constants(light.graph, stored), stored)


def _infer(model: onnx.ModelProto, stored: Mapping[str, TensorProto]) -> dict[str, Dims]:
    """Return the known sizes of all tensors. Sizes stated in the file are used only if they cannot be inferred.

    Stated sizes may be outdated: tools that make the batch size free change only the sizes of inputs and outputs.
    """
    inferred = onnx.ModelProto()
    inferred.CopyFrom(model)
    inferred.graph.ClearField("value_info")
    for value in inferred.graph.output:
        value.type.tensor_type.ClearField("shape")
    shapes = _known_shapes(inferred)
    if not {name for node in model.graph.node for name in node.output if name} <= shapes.keys():
        shapes = _known_shapes(model) | shapes
    return {name: tuple(tensor.dims) for name, tensor in stored.items()} | shapes


def _known_shapes(model: onnx.ModelProto) -> dict[str, Dims]:
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    found: dict[str, Dims] = {}
    for value in (*graph.value_info, *graph.input, *graph.output):
        dims = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        if value.type.tensor_type.HasField("shape") and all(dims):
            found[value.name] = dims
    return found


def _without_large_values(model: onnx.ModelProto) -> onnx.ModelProto:
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    source = model.graph
    light.graph.MergeFrom(
        onnx.GraphProto(
            name=source.name,
            node=source.node,
            input=source.input,
            output=source.output,
            value_info=source.value_info,
            sparse_initializer=source.sparse_initializer,
        )
    )
    for tensor in source.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            light.graph.initializer.append(tensor)
        else:
            light.graph.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    return light


def _stored(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield TensorProto(name=sparse.values.name, dims=sparse.dims, data_type=sparse.values.data_type)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute:
            yield _constant_value(node.output[0], node.attribute[0])


def _constant_value(name: str, attribute: onnx.AttributeProto) -> TensorProto:
    """Return the tensor of a Constant node, without its values, from the node's only attribute."""
    if attribute.name == "value":
        return TensorProto(name=name, dims=attribute.t.dims, data_type=attribute.t.data_type)
    if attribute.name == "sparse_value":
        sparse = attribute.sparse_tensor
        return TensorProto(name=name, dims=sparse.dims, data_type=sparse.values.data_type)
    kinds = {"value_float": TensorProto.FLOAT, "value_floats": TensorProto.FLOAT, "value_ints": TensorProto.INT64}
    kind = kinds.get(attribute.name, TensorProto.INT64 if attribute.name == "value_int" else TensorProto.STRING)
    count = max(len(attribute.floats), len(attribute.ints), len(attribute.strings))
    return TensorProto(name=name, dims=[count] if attribute.name.endswith("s") else [], data_type=kind)


def _settle_batch(graph: onnx.GraphProto, stored: Mapping[str, TensorProto]) -> int:
    """Set a free batch size to 1 wherever it occurs, and return the batch size: the first input's first dimension."""
    inputs = [value for value in graph.input if value.name not in stored]
    dims = inputs[0].type.tensor_type.shape.dim if inputs else []
    if not dims or dims[0].dim_value > 0:
        return dims[0].dim_value if dims else 1
    free = dims[0].dim_param
    dims[0].dim_value = 1
    for value in (*inputs, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if free and dim.dim_param == free:
                dim.dim_value = 1
    return 1


def _constants(graph: onnx.GraphProto, stored: Mapping[str, TensorProto]) -> Mapping[str, frozenset[str]]:
    found = {name: frozenset({name}) for name in stored}
    for node in graph.node:
        given = [name for name in node.input if name]
        if given and not bodies(node) and all(name in found for name in given):
            sources = given if node.op_type in _JOINING else given[:1]
            found.update(dict.fromkeys(node.output, frozenset().union(*(found[name] for name in sources))))
    return found
