"""Weights from a seed."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_ddperf.embedded.networks.graph import WeightSpec
from pytest_ddperf.embedded.networks.networks import build
from pytest_ddperf.embedded.networks.weights import draw, draw_weights

FILTERS = WeightSpec("conv.weight", (8, 16, 3, 3), -0.5, 0.5, centred=True)


def test_the_same_seed_draws_the_same_values() -> None:
    np.testing.assert_array_equal(draw(FILTERS, 7), draw(FILTERS, 7))


@pytest.mark.parametrize("other", [(FILTERS, 8), (WeightSpec("other.weight", (8, 16, 3, 3), -0.5, 0.5), 7)])
def test_another_seed_or_name_draws_other_values(other: tuple[WeightSpec, int]) -> None:
    assert not np.array_equal(draw(*other), draw(FILTERS, 7))


def test_values_are_float32_and_fill_their_range() -> None:
    values = draw(WeightSpec("scale", (10_000,), 0.9, 1.1), 0)
    assert values.dtype == np.float32
    assert values.min() == pytest.approx(0.9, abs=0.001)
    assert values.max() == pytest.approx(1.1, abs=0.001)


def test_centred_filters_sum_to_zero() -> None:
    sums = draw(FILTERS, 0).reshape(8, -1).sum(axis=1)
    np.testing.assert_allclose(sums, 0, atol=1e-4)


def test_a_tensor_in_pieces_holds_the_values_of_the_whole() -> None:
    split, whole = (draw_weights(build(name), 0) for name in ("mobilenet", "mobilenet_depthwise"))
    pieces = [split[f"unit1.depthwise.weight.{i}"] for i in range(32)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole["unit1.depthwise.weight"])


def test_every_initializer_without_values_is_drawn_in_its_shape() -> None:
    graph = build("squeezenet_v1.1")
    drawn = draw_weights(graph, 0)
    empty = {tensor.name: tuple(tensor.dims) for tensor in graph.model.graph.initializer if tensor.external_data}
    assert {name: values.shape for name, values in drawn.items()} == empty
