"""The same network costs the same in whatever form an exporter writes it; what is not counted is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from every_row import every_row

pytest.importorskip("onnx", reason="the extra `embedded` is not installed")

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from pytest_ddperf.core.network_cost import Cost
from pytest_ddperf.embedded.networks.cost import compute_cost, count_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOAT, INT8, UINT8, INT64 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT64
FILTERS = 8 * 3 * 3 * 3
CONVOLVED = FILTERS * 32 * 32


def tensor(name: str, dims: Sequence[int], kind: int = FLOAT) -> TensorProto:
    """A stored tensor of ones."""
    count = 1
    for size in dims:
        count *= size
    return helper.make_tensor(name, kind, dims, [1] * count)


def whole(name: str, *values: int) -> TensorProto:
    return helper.make_tensor(name, INT64, [len(values)], values)


def graph_of(
    nodes: Sequence[NodeProto],
    stored: Sequence[TensorProto] = (),
    *,
    images: Sequence[int | str | None] = ("N", 3, 32, 32),
    answer: Sequence[int | str | None] | None = None,
    kind: int = FLOAT,
) -> ModelProto:
    """A model from `x` to `y`, which is of the type `kind`."""
    x = helper.make_tensor_value_info("x", FLOAT, images)
    y = helper.make_tensor_value_info("y", kind, answer)
    opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 17), ("com.microsoft", 1), ("own", 1))]
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], list(stored)), opset_imports=opsets, ir_version=8)


def conv(weights: str = "k") -> NodeProto:
    return helper.make_node("Conv", ["x", weights], ["y"], pads=[1, 1, 1, 1])


def node(kind: str, given: str, result: str = "k", **attributes: int | str | list[int]) -> NodeProto:
    made = helper.make_node(kind, given.split(), [result])
    made.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return made


W = tensor("w", (8, 3, 3, 3))
FORMS = {
    "initialiser": ([conv("w")], [W]),
    "constant": ([helper.make_node("Constant", [], ["k"], value=W), conv()], []),
    "identity": ([node("Identity", "w"), conv()], [W]),
    "quantised by DequantizeLinear": (
        [node("DequantizeLinear", "q s"), conv()],
        [tensor("q", (8, 3, 3, 3), INT8), tensor("s", ())],
    ),
    "quantised and dequantised": (
        [node("QuantizeLinear", "w s z", "q"), node("DequantizeLinear", "q s z"), conv()],
        [W, tensor("s", ()), tensor("z", (), INT8)],
    ),
    "fp16 by Cast": ([node("Cast", "h", to=FLOAT), conv()], [tensor("h", (8, 3, 3, 3), TensorProto.FLOAT16)]),
    "transposed": ([node("Transpose", "t", perm=[3, 2, 0, 1]), conv()], [tensor("t", (3, 3, 3, 8))]),
    "reshaped": ([node("Reshape", "t n"), conv()], [tensor("t", (8, 27)), whole("n", 8, 3, 3, 3)]),
    "in two parts": (
        [node("Concat", "a b", axis=0), conv()],
        [tensor("a", (3, 3, 3, 3)), tensor("b", (5, 3, 3, 3))],
    ),
    "in several steps": (
        [node("Identity", "t", "i"), node("Cast", "i", "c", to=FLOAT), node("Reshape", "c n"), conv()],
        [tensor("t", (8, 27), TensorProto.FLOAT16), whole("n", 8, 3, 3, 3)],
    ),
}


@every_row("form", FORMS)
def test_a_convolution_counts_however_its_weights_are_stored(form: str) -> None:
    model = graph_of(*FORMS[form])
    assert compute_cost(model) == Cost(CONVOLVED, CONVOLVED, FILTERS, 0)
    assert count_parameters(model) == FILTERS


SCALES = [tensor(name, ()) for name in ("xs", "ws", "ys")] + [tensor(name, (), UINT8) for name in ("xz", "wz", "yz")]
QUANTISE = node("QuantizeLinear", "x xs xz", "xq")


@pytest.mark.parametrize(
    ("convolution", "kind"),
    [
        (node("QLinearConv", "xq xs xz q ws wz ys yz", "y", pads=[1, 1, 1, 1]), UINT8),
        (node("ConvInteger", "xq q xz wz", "y", pads=[1, 1, 1, 1]), TensorProto.INT32),
    ],
    ids=["QLinearConv", "ConvInteger"],
)
def test_quantised_convolutions(convolution: NodeProto, kind: int) -> None:
    found = compute_cost(graph_of([QUANTISE, convolution], [tensor("q", (8, 3, 3, 3), UINT8), *SCALES], kind=kind))
    assert found == Cost(CONVOLVED, CONVOLVED, FILTERS, 0)


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        (node("QLinearMatMul", "xq xs xz q ws wz ys yz", "y"), UINT8),
        (node("MatMulInteger", "xq q xz wz", "y"), TensorProto.INT32),
    ],
    ids=["QLinearMatMul", "MatMulInteger"],
)
def test_quantised_products(product: NodeProto, kind: int) -> None:
    stored = [tensor("q", (6, 10), UINT8), *SCALES]
    found = compute_cost(graph_of([QUANTISE, product], stored, images=("N", 4, 6), kind=kind))
    assert found == Cost(4 * 60, 4 * 60, 60, 0)


def test_a_quantised_depthwise_convolution_is_one_of_a_layer_type_of_its_own() -> None:
    nodes = [node("DequantizeLinear", "q s"), helper.make_node("Conv", ["x", "k"], ["y"], group=3)]
    found = compute_cost(graph_of(nodes, [tensor("q", (3, 1, 3, 3), INT8), tensor("s", ())]))
    assert (found.multiply_adds, found.true_multiply_adds, found.other_parameters) == (0, 27 * 30 * 30, 27)


def test_a_transposed_convolution_applies_its_weights_at_the_positions_of_its_input() -> None:
    found = compute_cost(graph_of([node("ConvTranspose", "x w", "y", strides=[2, 2])], [tensor("w", (3, 5, 2, 2))]))
    assert found == Cost(60 * 32 * 32, 60 * 32 * 32, 60, 0)


@pytest.mark.parametrize(
    ("nodes", "stored", "images", "operations", "parameters"),
    [
        ([node("MatMul", "x w", "y")], [tensor("w", (6, 10))], ("N", 4, 6), 4 * 60, 60),
        ([node("MatMul", "w x", "y")], [tensor("w", (10, 4))], ("N", 4, 6), 6 * 40, 40),
        ([node("MatMul", "x w", "y")], [tensor("w", (4, 6, 10))], ("N", 4, 5, 6), 5 * 240, 240),
        ([node("Gemm", "x w", "y", transB=1)], [tensor("w", (10, 6))], ("N", 6), 60, 60),
        (
            [node("Reshape", "x n", "r"), node("Gemm", "r w", "y")],
            [whole("n", -1, 6), tensor("w", (6, 10))],
            ("N", 4, 6),
            4 * 60,
            60,
        ),
        ([node("Einsum", "x w", "y", equation="nij,jk->nik")], [tensor("w", (6, 10))], ("N", 4, 6), 4 * 60, 60),
        (
            [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "y")],
            [],
            ("N", 4, 6),
            4 * 6 * 4,
            0,
        ),
    ],
    ids=["MatMul", "weights first", "weights per head", "Gemm", "positions as rows", "Einsum", "of two results"],
)
def test_products_over_many_positions(
    nodes: list[NodeProto],
    stored: list[TensorProto],
    images: tuple[int | str, ...],
    operations: int,
    parameters: int,
) -> None:
    for batch in ("N", 1):
        found = compute_cost(graph_of(nodes, stored, images=(batch, *images[1:])))
        assert found == Cost(operations, operations, parameters, 0)


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers_apply_all_their_weights_at_each_step(kind: str, gates: int) -> None:
    nodes = [
        node("Transpose", "x", "steps", perm=[1, 0, 2]),
        helper.make_node(kind, ["steps", "w", "r"], ["", "y"], hidden_size=5),
    ]
    weights = [tensor("w", (1, gates * 5, 6)), tensor("r", (1, gates * 5, 5))]
    found = compute_cost(graph_of(nodes, weights, images=("N", 7, 6)))
    count = gates * 5 * (6 + 5)
    assert found == Cost(7 * count, 7 * count, count, 0)


@pytest.mark.parametrize(
    ("images", "answer"),
    [
        ((4, 3, 32, 32), (4, 8, 32, 32)),
        ((4, 3, 32, 32), None),
        ((None, 3, 32, 32), None),
        (("b", 3, 32, 32), None),
        (("b", 3, 32, 32), ("c", 8, 32, 32)),
    ],
)
def test_the_batch_of_the_file_does_not_matter(
    images: Sequence[int | str | None], answer: Sequence[int | str | None] | None
) -> None:
    assert compute_cost(graph_of([conv("w")], [W], images=images, answer=answer)).multiply_adds == CONVOLVED


def test_an_input_without_a_batch_is_one_image() -> None:
    nodes = [node("Unsqueeze", "x a", "u"), node("Conv", "u w", "c", pads=[1, 1, 1, 1]), node("Squeeze", "c a", "y")]
    assert compute_cost(graph_of(nodes, [W, whole("a", 0)], images=(3, 32, 32))).multiply_adds == CONVOLVED


def test_sizes_in_the_file_that_are_out_of_date_do_not_matter() -> None:
    model = graph_of([conv("w")], [W], answer=("N", 8, 32, 32))
    model.graph.node[0].output[0] = "c"
    model.graph.node.append(node("Relu", "c", "y"))
    model.graph.value_info.append(helper.make_tensor_value_info("c", FLOAT, (16, 8, 32, 32)))
    assert compute_cost(model).multiply_adds == CONVOLVED


def test_sizes_in_the_file_count_where_none_can_be_inferred() -> None:
    nodes = [helper.make_node("Swoosh", ["x"], ["s"], domain="own"), node("MatMul", "s w", "y")]
    model = graph_of(nodes, [tensor("w", (6, 10))], images=("N", 4, 6))
    model.graph.value_info.append(helper.make_tensor_value_info("s", FLOAT, ("N", 4, 6)))
    found = compute_cost(model)
    assert found.multiply_adds == 4 * 60
    assert [kind for _, kind, _ in found.uncounted] == ["Swoosh"]


def test_weights_that_layers_share_count_once_and_multiply_each_time() -> None:
    nodes = [node("MatMul", "x w", "a"), node("Identity", "w"), node("MatMul", "a k", "y")]
    assert compute_cost(graph_of(nodes, [tensor("w", (6, 6))], images=("N", 4, 6))) == Cost(288, 288, 36, 0)


def test_an_embedding_that_is_the_last_layer_too_counts_once() -> None:
    nodes = [
        node("Cast", "x", "i", to=INT64),
        node("Gather", "w i", "e"),
        node("Transpose", "w", perm=[1, 0]),
        node("MatMul", "e k", "y"),
    ]
    assert compute_cost(graph_of(nodes, [tensor("w", (9, 6))], images=("N", 4))) == Cost(4 * 54, 4 * 54, 54, 54)


@pytest.mark.parametrize(
    ("nodes", "stored", "parameters"),
    [
        ([node("BatchNormalization", "x s b m v", "y")], [tensor(name, (3,)) for name in "sbmv"], 6),
        ([node("InstanceNormalization", "x s b", "y")], [tensor(name, (3,)) for name in "sb"], 3),
        ([node("LayerNormalization", "x s b", "y")], [tensor(name, (32,)) for name in "sb"], 32),
        ([node("PRelu", "x s", "y")], [tensor("s", (3, 1, 1))], 3),
        ([node("Mul", "x s", "y")], [tensor("s", (3, 1, 1))], 3),
        ([node("Mul", "x s", "y")], [tensor("s", ())], 0),
        ([node("Add", "x s", "y")], [tensor("s", (3, 1, 1))], 0),
    ],
)
def test_layers_without_multiply_adds_count_their_weights_and_no_biases(
    nodes: list[NodeProto], stored: list[TensorProto], parameters: int
) -> None:
    assert compute_cost(graph_of(nodes, stored)) == Cost(0, 0, parameters, parameters)


def test_functions_of_the_model_are_counted_inside() -> None:
    inner = helper.make_function(
        "own", "Block", ["a", "b"], ["c"], [node("MatMul", "a b", "c")], [helper.make_opsetid("", 17)]
    )
    outer = graph_of(
        [helper.make_node("Block", ["x", "w"], ["y"], domain="own")], [tensor("w", (6, 10))], images=("N", 6)
    )
    outer.functions.append(inner)
    assert compute_cost(outer) == Cost(60, 60, 60, 0)


def branch(*nodes: NodeProto, stored: Sequence[TensorProto] = ()) -> GraphProto:
    return helper.make_graph(nodes, "b", [], [helper.make_tensor_value_info("o", FLOAT, None)], list(stored))


CONDITION = helper.make_node("Constant", [], ["t"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True]))


@pytest.mark.parametrize(
    ("nodes", "stored", "uncounted"),
    [
        (
            [helper.make_node("Attention", ["x", "w", "b"], ["y"], name="att", domain="com.microsoft", num_heads=2)],
            [tensor("w", (6, 18)), tensor("b", (18,))],
            [("att", "Attention", "unknown operator")],
        ),
        (
            [helper.make_node("Swoosh", ["x"], ["s"], domain="own"), node("MatMul", "s w", "y")],
            [tensor("w", (6, 10))],
            [("", "Swoosh", "unknown operator"), ("", "MatMul", "unknown sizes")],
        ),
        (
            [
                CONDITION,
                helper.make_node(
                    "If",
                    ["t"],
                    ["y"],
                    then_branch=branch(node("MatMul", "x w", "o"), stored=[tensor("w", (6, 10))]),
                    else_branch=branch(node("Identity", "x", "o")),
                ),
            ],
            [],
            [("", "If", "layers in a branch or loop")],
        ),
        (
            [helper.make_node("Einsum", ["x", "w", "w"], ["y"], equation="nij,jk,jk->nik")],
            [tensor("w", (6, 10))],
            [("", "Einsum", "unknown sizes")],
        ),
    ],
    ids=["Attention", "an operator of one's own", "a branch", "a product of three"],
)
def test_operators_that_are_not_counted_are_named(
    nodes: list[NodeProto], stored: list[TensorProto], uncounted: list[tuple[str, str, str]]
) -> None:
    assert list(compute_cost(graph_of(nodes, stored, images=("N", 4, 6))).uncounted) == uncounted


def test_a_branch_without_layers_is_no_gap() -> None:
    bodies = {name: branch(node("Identity", "x", "o")) for name in ("then_branch", "else_branch")}
    assert compute_cost(graph_of([CONDITION, helper.make_node("If", ["t"], ["y"], **bodies)])).uncounted == ()


def test_a_convolution_over_images_of_any_size_is_named() -> None:
    found = compute_cost(graph_of([conv("w")], [W], images=("N", 3, "height", "width")))
    assert found.uncounted == (("", "Conv", "unknown sizes"),)
    assert (found.multiply_adds, found.parameters) == (0, FILTERS)
