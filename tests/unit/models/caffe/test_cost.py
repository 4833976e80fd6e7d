from __future__ import annotations

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from messages import assert_names
from prototxt_networks import NetWriter, prototxt

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.caffe.cost import (
    compute_model_cost,
    compute_sizes,
    count_stored_numbers,
    estimate_memory,
    truncate_count,
)
from pytest_ddperf.models.caffe.net import read_net

TINY = NetWriter("tiny", side=8)
TINY.softmax(TINY.dense(TINY.relu(TINY.norm(TINY.conv("data", "conv", 4, 3, pad=1))), "fc", 5))


def as_the_report_prints(count: int, power: int, printed: str) -> str:
    """The count in units of 10**power, cut to the digits that the report prints."""
    decimals = len(printed.partition(".")[2])
    digits = f"{count * 10**decimals // 10**power:0{decimals + 1}d}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


@every_row("network", NETWORK_IDS)
def test_the_reports_networks_cost_what_its_table_says_to_every_digit(network: str) -> None:
    known = load_catalog().networks[network]
    found = compute_model_cost(compute_sizes(read_net(prototxt(network))))
    assert as_the_report_prints(found.reported_operations, 9, known.giga_flops_text) == known.giga_flops_text
    assert as_the_report_prints(found.parameters, 6, known.million_params_text) == known.million_params_text
    assert found.uncounted == ()


@pytest.mark.slow
@every_row("network", NETWORK_IDS)
def test_the_definitions_count_what_the_graphs_that_run_count(network: str) -> None:
    pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    from pytest_ddperf.embedded.networks.cost import compute_cost  # noqa: PLC0415 - an optional extra
    from pytest_ddperf.embedded.networks.networks import build  # noqa: PLC0415 - an optional extra

    ran, defined = compute_cost(build(network).model), compute_model_cost(compute_sizes(read_net(prototxt(network))))
    assert (defined.parameters, defined.true_multiply_adds) == (ran.parameters, ran.true_multiply_adds)
    assert defined.reported_operations == ran.reported_operations


def test_a_small_network_counted_by_hand() -> None:
    found = compute_model_cost(compute_sizes(read_net(TINY.text())))
    convolution, dense, norm = 4 * 3 * 3 * 3, 5 * 4 * 8 * 8, 4
    assert found.multiply_adds == found.true_multiply_adds == convolution * 8 * 8 + dense
    assert found.parameters == convolution + dense + 2 * norm
    assert found.other_parameters == 2 * norm
    biases, means_variances_and_their_count, beta = 4 + 5, 4 + 1, 4
    stored = count_stored_numbers(compute_sizes(read_net(TINY.text())))
    assert stored == found.parameters + biases + means_variances_and_their_count + beta


def test_caffe_holds_every_top_and_what_works_in_place_adds_none() -> None:
    net = read_net(TINY.text())
    image, convolved, answers = 3 * 8 * 8 + 1, 4 * 8 * 8, 5 + 5
    weights = 4 * count_stored_numbers(compute_sizes(net))
    for batch in (1, 3):
        assert estimate_memory(net, batch) == (weights, 4 * batch * (image + convolved + answers))


def test_what_only_looks_at_its_bottom_needs_no_memory_of_its_own() -> None:
    head = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 9 dim: 3 dim: 4 dim: 4 } } }'
    flat = 'layer { name: "f" type: "Flatten" bottom: "d" top: "f" }'
    copy = 'layer { name: "s" type: "Split" bottom: "f" top: "s1" top: "s2" }'
    assert estimate_memory(read_net(head + flat + copy), 2) == (0, 4 * 2 * 3 * 4 * 4)


@given(st.integers(1, 300))
def test_activations_grow_with_the_batch_and_weights_do_not(batch: int) -> None:
    net = read_net(TINY.text())
    one, many = estimate_memory(net, 1), estimate_memory(net, batch)
    assert one is not None
    assert many is not None
    assert many == (one[0], batch * one[1])


def test_the_files_own_batch_does_not_matter() -> None:
    text = prototxt("squeezenet_v1.1")
    one, many = (
        compute_model_cost(compute_sizes(read_net(each)))
        for each in (text, text.replace("batch_size: 1\n", "batch_size: 32\n"))
    )
    assert one == many


def test_the_input_at_the_head_of_the_file_is_held_too() -> None:
    net = read_net(
        'input: "data" input_dim: 9 input_dim: 3 input_dim: 4 input_dim: 4 layer { type: "Silence" bottom: "data" }'
    )
    assert estimate_memory(net, 2) == (0, 4 * 2 * 3 * 4 * 4)


UNKNOWN_IN_THE_MIDDLE = read_net(TINY.text().replace('"ReLU"', '"Swoosh"'))
"""Its convolution and normalisation come before the layer of an unknown type, its fully connected layer after it."""


def test_an_unknown_layer_and_those_whose_sizes_follow_from_it_are_named() -> None:
    assert compute_model_cost(compute_sizes(UNKNOWN_IN_THE_MIDDLE)).uncounted == (
        ("conv/relu", "Swoosh", "unknown layer type"),
        ("fc", "InnerProduct", "unknown input size"),
    )


def test_what_comes_before_an_unknown_layer_is_counted() -> None:
    found = compute_model_cost(compute_sizes(UNKNOWN_IN_THE_MIDDLE))
    assert (found.multiply_adds, found.parameters) == (4 * 27 * 8 * 8, 4 * 27 + 2 * 4)


def test_sizes_after_an_unknown_layer_are_unknown() -> None:
    assert [each.step.tops for each in compute_sizes(UNKNOWN_IN_THE_MIDDLE)][-3:] == [(None,), (None,), (None,)]


def test_the_memory_of_a_network_with_an_unknown_layer_is_unknown() -> None:
    assert estimate_memory(UNKNOWN_IN_THE_MIDDLE, 1) is None


def test_a_size_that_the_input_states_nowhere_is_unknown() -> None:
    net = read_net(
        'input: "data" layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param '
        "{ num_output: 2 kernel_size: 1 } }"
    )
    assert [kind for _, kind, _ in compute_model_cost(compute_sizes(net)).uncounted] == ["Convolution"]
    assert estimate_memory(net, 1) is None


SIAMESE = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 80 }} }} }}
layer {{ name: "a" type: "InnerProduct" bottom: "data" top: "a" {0} inner_product_param {{ num_output: 80 }} }}
layer {{ name: "c" type: "InnerProduct" bottom: "a" top: "c" {1} inner_product_param {{ num_output: 80 }} }}
"""


@pytest.mark.parametrize(
    ("first", "second", "weights", "biases"),
    [
        ('param { name: "w" } param { name: "b" }', 'param { name: "w" } param { name: "b" }', 6400, 80),
        ('param { name: "w" }', 'param { name: "w" }', 6400, 160),
        ('param { lr_mult: 1 } param { name: "b" }', 'param { lr_mult: 1 } param { name: "b" }', 12800, 80),
        ('param: "w" param: "b"', 'param: "w" param: "b"', 6400, 80),
        ('param { name: "w" }', 'param { name: "v" }', 12800, 160),
        ("", "", 12800, 160),
    ],
)
def test_blobs_that_layers_share_by_name_count_once(first: str, second: str, weights: int, biases: int) -> None:
    net = read_net(SIAMESE.format(first, second))
    found = compute_model_cost(compute_sizes(net))
    held = estimate_memory(net, 1)
    assert (found.parameters, count_stored_numbers(compute_sizes(net))) == (weights, weights + biases)
    assert held is not None
    assert held[0] == 4 * (weights + biases)


def test_layers_that_share_their_weights_multiply_each() -> None:
    layers = compute_sizes(read_net(SIAMESE.format('param { name: "w" }', 'param { name: "w" }')))
    assert compute_model_cost(layers).multiply_adds == 2 * 6400


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ('name: "n"\n\ninput: "d" input_shape { dim: 1 dim: 0 }\nlayer { type: "Silence" }', 3, "input 'd' of 1x0"),
        (
            'input: "a" input_dim: 1\ninput: "b"\ninput_dim: 3 input_dim: 4 input_dim: 4\nlayer { type: "Silence" }',
            2,
            "2 inputs, but 1 sizes",
        ),
        ('\nlayer { name: "r" type: "ReLU" bottom: "x" top: "r" }', 2, "bottom 'x'"),
        ('input: "d" input_shape { dim: 1 dim: 0 }\nlayer { type: "Silence" bottom: "d" }', 1, "input 'd' of 1x0"),
    ],
)
def test_layers_that_do_not_fit_are_named_with_their_line(text: str, line: int, found: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        compute_sizes(read_net(text, "deploy.prototxt"))
    assert caught.value.line == line
    assert_names(caught, found)


def test_two_layers_may_not_give_the_same_top() -> None:
    source = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }'
    twice = 'layer { name: "f" type: "Flatten" bottom: "d" top: "f" }\n'
    with pytest.raises(ModelFileError) as caught:
        compute_sizes(read_net(source + twice + twice))
    assert_names(caught, "line 2", "top 'f'")


def test_figures_are_cut_not_rounded() -> None:
    assert (truncate_count(11_282_499_999, 9), truncate_count(99_999, 9), truncate_count(12_345_678_900_000, 9)) == (
        "11.2824",
        "0.0000",
        "12345.6789",
    )
