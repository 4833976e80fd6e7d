"""What a network costs, against the report's own table."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import onnx
import pytest
from every_row import every_row
from onnx import TensorProto, helper

from pytest_ddperf.core.network_cost import GIGA, MILLION, Cost, format_count
from pytest_ddperf.embedded.networks.cost import compute_cost, count_parameters
from pytest_ddperf.embedded.networks.networks import NETWORK_IDS, build

REPORT = {
    "mobilenet": ("0.5687", "4.2309"),
    "mobilenet_depthwise": ("0.5514", "4.2309"),
    "resnet50": ("3.8580", "25.556"),
    "resnet101": ("7.5702", "44.548"),
    "resnet152": ("11.282", "60.191"),
    "googlenet": ("1.5826", "6.9902"),
    "densenet121": ("3.0631", "7.9778"),
    "densenet201": ("4.7727", "20.012"),
    "squeezenet_v1.0": ("0.8475", "1.2444"),
    "squeezenet_v1.1": ("0.3491", "1.2315"),
    "vgg16": ("15.470", "138.34"),
    "vgg19": ("19.632", "143.65"),
    "shufflenet": ("0.1234", "1.8137"),
}
"""Giga flops and million parameters as printed in the report's last table."""

COUNTED = {
    "mobilenet": (568_740, 4_230_976),
    "mobilenet_depthwise": (551_354, 4_230_976),
    "resnet50": (3_857_973, 25_556_032),
    "resnet101": (7_570_194, 44_548_160),
    "resnet152": (11_282_416, 60_191_808),
    "googlenet": (1_582_672, 6_990_272),
    "densenet121": (3_063_058, 7_977_856),
    "densenet201": (4_772_560, 20_012_928),
    "squeezenet_v1.0": (847_597, 1_244_448),
    "squeezenet_v1.1": (349_152, 1_231_552),
    "vgg16": (15_470_264, 138_344_128),
    "vgg19": (19_632_062, 143_652_544),
    "shufflenet": (123_452, 1_813_734),
}
"""Thousands of multiply-adds, rounded, and parameters of the architectures that the report ran."""


@cache
def cost_of(name: str) -> Cost:
    return compute_cost(build(name).model)


@pytest.mark.slow
@every_row("name", NETWORK_IDS)
def test_every_printed_digit_of_the_report_comes_out(name: str) -> None:
    counted = cost_of(name)
    assert (counted.giga_flops_text, counted.million_params_text) == REPORT[name]


@every_row("name", NETWORK_IDS)
def test_multiply_adds_and_parameters_are_those_of_the_architecture(name: str) -> None:
    counted = cost_of(name)
    assert (round(counted.multiply_adds / 1000), counted.parameters) == COUNTED[name]


def test_the_expected_digits_are_the_reports() -> None:
    table = Path(__file__).resolve().parents[4] / "baselines" / "networks.csv"
    with table.open(newline="", encoding="utf-8") as lines:
        printed = [(row["giga_flops"], row["million_params"]) for row in csv.DictReader(lines)]
    assert printed == list(REPORT.values())


@pytest.mark.parametrize(("name", "thousands"), [("mobilenet_depthwise", 568_740), ("shufflenet", 127_061)])
def test_the_true_count_includes_depthwise_layers(name: str, thousands: int) -> None:
    assert round(cost_of(name).true_multiply_adds / 1000) == thousands


def test_splitting_depthwise_layers_into_convolutions_changes_no_true_count() -> None:
    split, whole = (cost_of(name) for name in ("mobilenet", "mobilenet_depthwise"))
    assert split.true_multiply_adds == whole.true_multiply_adds == split.multiply_adds
    assert split.parameters == whole.parameters


@every_row("name", NETWORK_IDS)
def test_parameters_can_be_counted_alone(name: str) -> None:
    assert count_parameters(build(name).model) == cost_of(name).parameters


def test_grouped_convolutions_of_several_channels_are_no_depthwise_layers() -> None:
    counted = compute_cost(_convolution(groups=2, weight=[4, 2, 3, 3]))
    assert counted.multiply_adds == counted.true_multiply_adds == 4 * 2 * 9 * 6 * 6
    assert counted.other_parameters == 0


def test_a_depthwise_convolution_counts_its_parameters_only() -> None:
    counted = compute_cost(_convolution(groups=4, weight=[4, 1, 3, 3]))
    assert (counted.multiply_adds, counted.true_multiply_adds) == (0, 4 * 9 * 6 * 6)
    assert counted.reported_operations == counted.parameters == 4 * 9


@pytest.mark.parametrize(
    ("count", "power", "text"),
    [
        (568_799_999, GIGA, "0.5687"),
        (4_772_789_000, GIGA, "4.7727"),
        (15_470_000_000, GIGA, "15.470"),
        (138_349_999, MILLION, "138.34"),
        (0, MILLION, "0.0000"),
    ],
)
def test_figures_are_cut_to_five_digits_and_never_rounded(count: int, power: int, text: str) -> None:
    assert format_count(count, power) == text


def _convolution(*, groups: int, weight: list[int]) -> onnx.ModelProto:
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, 6, 6])
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=groups)
    weights = [TensorProto(name="w", data_type=TensorProto.FLOAT, dims=weight)]
    biases = [TensorProto(name="b", data_type=TensorProto.FLOAT, dims=[4])]
    return helper.make_model(helper.make_graph([node], "one", [images], [answer], weights + biases))
