"""The drawn lines, read back from the figures, against the published tables, which this file reads by itself."""

from __future__ import annotations

import csv
import itertools
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from every_row import every_row
from figure_results import figure_of, published

from pytest_ddperf.plots.describe import cost, latency

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPO = Path(__file__).resolve().parents[4]
LINES = ("gtx1080ti", "tx1", "nano", "tk1", "raspi3", "tx2", "tx2-tensorrt")
BARS = ("raspi3-ncnn", "raspi4-ncnn")
LEVELS = {
    "gtx1080ti": {"25 fps"},
    "tx1": {"10 fps", "25 fps"},
    "nano": {"10 fps", "25 fps"},
    "tk1": {"10 fps", "25 fps"},
    "raspi3": {"1 fps"},
    "tx2": {"10 fps", "25 fps"},
    "tx2-tensorrt": {"10 fps", "25 fps"},
    "raspi3-ncnn": {"1 fps"},
    "raspi4-ncnn": {"10 fps"},
}
"""What of 1000, 100 and 40 ms lies between the least and the greatest figure of each table, by hand."""

Table = dict[str, dict[int, float]]


def table_of(platform: str) -> Table:
    """Milliseconds per image by the network's title and batch size; `x` is left out."""
    catalog = published().catalog
    columns = tomllib.loads((REPO / "baselines" / "platforms.toml").read_text(encoding="utf-8"))["platforms"]
    named = columns[platform].get("columns", {})
    read: Table = {}
    with (REPO / "baselines" / f"{platform}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            size = int(row.pop("batch_size"))
            for column, text in row.items():
                title = catalog.model(named.get(column, column)).title
                if text != "x":
                    read.setdefault(title, {})[size] = float(text)
    return read


def axes_of(platform: str, scale: str) -> Axes:
    chart = latency.latency_charts(published(), platform)[f"latency/{platform}_{scale}"]
    (axes,) = figure_of(chart).axes
    return axes


def numbers(data: object) -> list[float]:
    return [float(value) for value in np.asarray(data, dtype=float)]


def drawn(axes: Axes, kind: str = "baseline") -> Table:
    """The points of every line of that kind; a gap is no point."""
    read: Table = {}
    for line in axes.lines:
        prefix, _, label = str(line.get_gid()).partition(":")
        if prefix == kind:
            points = zip(numbers(line.get_xdata()), numbers(line.get_ydata()), strict=True)
            read[label] = {int(x): y for x, y in points if not math.isnan(y)}
    return read


def levels(axes: Axes, coordinate: str = "y") -> dict[str, float]:
    read = {}
    for line in axes.lines:
        prefix, _, label = str(line.get_gid()).partition(":")
        if prefix == "level":
            (value,) = set(numbers(line.get_ydata() if coordinate == "y" else line.get_xdata()))
            read[label] = value
    return read


def bars(axes: Axes) -> dict[str, float]:
    """The length of each bar by the title of its row."""
    titles = [label.get_text() for label in axes.get_yticklabels()]
    return {titles[round(bar.get_y() + bar.get_height() / 2)]: float(bar.get_width()) for bar in axes.patches}  # type: ignore[attr-defined] # Rectangles


@every_row("scale, platform", itertools.product(["log", "linear"], LINES))
def test_the_lines_are_those_of_the_table_number_by_number(platform: str, scale: str) -> None:
    assert drawn(axes_of(platform, scale)) == table_of(platform)


@pytest.mark.parametrize("platform", BARS)
def test_the_bars_are_those_of_a_table_of_one_batch_size(platform: str) -> None:
    assert bars(axes_of(platform, "bars")) == {title: of[1] for title, of in table_of(platform).items()}


@pytest.mark.parametrize("platform", BARS)
def test_a_table_of_one_batch_size_has_no_lines(platform: str) -> None:
    assert list(latency.latency_charts(published(), platform)) == [f"latency/{platform}_bars"]


@pytest.mark.parametrize(("platform", "scale"), [*((one, "log") for one in LINES), *((one, "linear") for one in LINES)])
def test_the_fps_lines_are_those_that_fall_inside_the_range(platform: str, scale: str) -> None:
    found = levels(axes_of(platform, scale))
    assert set(found) == LEVELS[platform]
    assert all(value == 1000 / int(label.removesuffix(" fps")) for label, value in found.items())


@pytest.mark.parametrize("platform", BARS)
def test_bars_have_the_fps_lines_too(platform: str) -> None:
    assert set(levels(axes_of(platform, "bars"), "x")) == LEVELS[platform]


def test_an_x_is_a_gap_in_its_line() -> None:
    axes = axes_of("tx1", "log")
    line = next(one for one in axes.lines if one.get_gid() == "baseline:ResNet-152")
    values = numbers(line.get_ydata())
    assert values[:2] == [195.0, 180.0]
    assert all(math.isnan(value) for value in values[2:])


@pytest.mark.parametrize(("scale", "expected"), [("log", "log"), ("linear", "linear")])
def test_the_scales_are_logarithmic_and_linear(scale: str, expected: str) -> None:
    axes = axes_of("tk1", scale)
    assert axes.get_yscale() == expected
    assert expected == "log" or axes.get_ylim()[0] == 0


def test_the_ticks_are_the_batch_sizes() -> None:
    labels = [label.get_text() for label in axes_of("nano", "log").get_xticklabels()]
    assert labels == ["1", "2", "4", "8", "16", "32", "48", "64"]


def test_the_report_s_sentences_hold_in_the_figures() -> None:
    tx1 = drawn(axes_of("tx1", "log"))["SqueezeNet v1.1"]
    assert all(1000 / ms >= 84 for size, ms in tx1.items() if size >= 16)
    assert max(1000 / ms for ms in tx1.values()) >= 85
    nano = drawn(axes_of("nano", "log"))
    assert round(1000 / nano["SqueezeNet (version not stated)"][1]) >= 25
    assert all(1000 / nano[title][64] >= 48 for title in ("SqueezeNet (version not stated)", "ResNet-18 OCR"))
    fastest = min(ms for of in drawn(axes_of("raspi3", "log")).values() for ms in of.values())
    assert 1 <= 1000 / fastest < 1.2
    tx1_fast = {title for title, of in drawn(axes_of("tx1", "log")).items() if min(of.values()) < 40}
    assert tx1_fast == {"SqueezeNet v1.0", "SqueezeNet v1.1", "MobileNet depthwise", "GoogLeNet", "ShuffleNet"}


def test_a_model_s_figure_has_every_platform_s_numbers() -> None:
    expected: dict[str, dict[str, float]] = {}
    for platform in (*LINES, *BARS):
        for size, value in table_of(platform).get("ResNet-50", {}).items():
            expected.setdefault(f"batch size {size}", {})[published().catalog.platforms[platform].title] = value
    (axes,) = figure_of(latency.model_chart(published(), "resnet50")).axes
    titles = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    found = {label: {titles[place]: value for place, value in of.items()} for label, of in drawn(axes).items()}
    assert found == expected


@every_row("platform", ["gtx1080ti", "tx1", "tk1", "raspi3"])
def test_both_mobilenets_are_drawn_against_each_other(platform: str) -> None:
    (chart,) = latency.mobilenet_charts(published(), platform).values()
    (axes,) = figure_of(chart).axes
    table = table_of(platform)
    assert drawn(axes) == {title: table[title] for title in ("MobileNet", "MobileNet depthwise")}


@pytest.mark.parametrize("platform", ["nano", "tx2", "raspi4-ncnn"])
def test_a_platform_that_lacks_one_mobilenet_has_no_such_figure(platform: str) -> None:
    assert latency.mobilenet_charts(published(), platform) == {}


def test_costs_are_those_of_the_report() -> None:
    with (REPO / "baselines" / "networks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    catalog = published().catalog
    chart = cost.cost_chart(catalog, small=False)
    assert chart is not None
    flops, params = figure_of(chart).axes
    by_title = {catalog.model(row["model"]).title: row for row in rows}
    assert bars(flops) == {title: float(row["giga_flops"]) for title, row in by_title.items()}
    lengths = [float(bar.get_width()) for bar in params.patches]  # type: ignore[attr-defined] # Rectangles
    order = [title for _, title in chart.rows]
    assert lengths == [float(by_title[title]["million_params"]) for title in order]


def test_the_small_networks_are_those_that_the_report_finds_suited_for_embedded_systems() -> None:
    chart = cost.cost_chart(published().catalog, small=True)
    assert chart is not None
    assert {model for model, _ in chart.rows} == {
        "squeezenet_v1.0", "squeezenet_v1.1", "shufflenet", "mobilenet", "mobilenet_depthwise", "googlenet",
    }  # fmt: skip
