"""The layout of the figures, by the renderer's own boxes.

No label is crossed by a line, covered by a mark or by another label; nothing reaches over the edge; legends cover no
axes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from figure_geometry import crossings, labels, layout_faults, overlaps
from figure_results import figure_of, measured, published, trend, with_budgets
from load_made import loaded, result
from matplotlib.text import Text as Label

from pytest_ddperf.core.budgets import Budget
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars, Level, LineChart, Series, Text
from pytest_ddperf.plots.describe.history import trend_charts
from pytest_ddperf.plots.draw import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from pytest_ddperf.plots.describe.charts import Chart

CHANGES: dict[tuple[str, int], float | Outcome | None] = {
    ("squeezenet_v1.1", 8): 0.3, ("resnet101", 1): None, ("resnet50", 16): 0.0, ("vgg16", 1): Outcome.OOM,
    ("googlenet", 1): -0.5, ("densenet121", 1): 1.5,
}  # fmt: skip


@cache
def of_tables() -> dict[str, Chart]:
    return api.describe(published(), [], published().platforms)


def of_a_run(budgets: Mapping[str, Budget] = {}) -> dict[str, Chart]:
    """What only a run adds: its figures, under load too, and nights of which every one has another commit."""
    key = CellKey("tk1", "resnet50", 1)
    commits = {night: f"{night:07x}".ljust(40, "f") for night in range(30)}
    values = [100.0 + 10 * (night % 5) for night in range(29)] + [0.4]
    outcomes = {5: Outcome.REGRESSED, 11: Outcome.IMPROVED}
    baselines = {night: ("recorded", 90.0 + night) for night in (3, 14, 22)}
    nights = [trend(replace(key, batch_size=size), values, outcomes, baselines, commits) for size in (1, 2, 4)]
    under_load = tuple(result(loaded(load)) for load in ("c1", "c4", "c16", "r10", "r20"))
    results = with_budgets(measured(CHANGES), {"tk1": budgets})
    charts = api.describe(replace(results, cells=(*results.cells, *under_load)), nights, ["tk1"])
    single = trend_charts(results, nights[:1], ["tk1"])
    return charts | {f"{name}, one batch size": chart for name, chart in single.items()}


def of_one_batch_size(budgets: Mapping[str, Budget] = {}) -> dict[str, Chart]:
    """A run over its baseline, of a platform whose figure is bars."""
    cells = [replace(cell, now_ms=(cell.baseline_ms or 1) * 1.1) for cell in published().of("raspi3-ncnn")]
    results = with_budgets(replace(published(), cells=tuple(cells)), {"raspi3-ncnn": budgets})
    return api.describe(results, [], ["raspi3-ncnn"])


BUDGETS: dict[str, Mapping[str, Budget]] = {
    "all limits": {"*": Budget(max_ms=333.25, min_fps=2.5, max_latency_ms=1234.5, p95_ms=1250, p99_ms=1300.5)},
    "per request": {"*": Budget(max_latency_ms=12345.5, p95_ms=100, p99_ms=100)},
    "beside a level": {"*": Budget(min_fps=10.2), "resnet50": Budget(min_fps=9.9, p95_ms=80)},
    "of some networks": {model: Budget(max_ms=300 + 33 * number) for number, model in enumerate(NETWORK_IDS[::3])},
    "of each network": {model: Budget(max_ms=1000.5 + 50 * number) for number, model in enumerate(NETWORK_IDS)},
}
DRAWN = (
    "latency/tk1_log", "latency/tk1_linear", "throughput/tk1", "model/squeezenet_v1.1", "mobilenet/tk1",
    "pareto/tk1_b1", "concurrency/tk1/squeezenet_v1.1_b1", "rate/tk1/squeezenet_v1.1_b1", "history/tk1/resnet50",
    "history/tk1/resnet50, one batch size", "latency/raspi3-ncnn_bars",
)  # fmt: skip
"""A figure of each kind that has an axis of times."""


@cache
def with_limits(of: str) -> dict[str, Chart]:
    """The figures that show these budgets."""
    plain, charts = (of_a_run(each) | of_one_batch_size(each) for each in ({}, BUDGETS[of]))
    return {name: charts[name] for name in DRAWN if charts[name] != plain[name]}


def faults(charts: Mapping[str, Chart]) -> dict[str, list[str]]:
    """The layout faults of each figure that has some."""
    found = {name: layout_faults(figure_of(chart)) for name, chart in charts.items()}
    return {name: one for name, one in found.items() if one}


@pytest.mark.slow
def test_figures_of_the_published_tables_have_no_layout_faults() -> None:
    assert faults(of_tables()) == {}


@pytest.mark.slow
def test_figures_of_a_run_have_no_layout_faults() -> None:
    assert faults(of_a_run()) == {}


def test_figures_of_one_batch_size_have_no_layout_faults() -> None:
    charts = of_one_batch_size()
    assert all(len(figure_of(chart).findobj(Label)) > 5 for chart in charts.values())
    assert faults(charts) == {}


@pytest.mark.slow
@pytest.mark.parametrize("of", BUDGETS)
def test_figures_with_budgets_have_no_layout_faults(of: str) -> None:
    assert faults(with_limits(of)) == {}


def test_the_name_of_a_level_keeps_clear_of_its_neighbours() -> None:
    levels = (Level("25 fps", 40.0), Level("10 fps", 100.0), Level("1 fps", 1000.0))
    series = (Series("vgg16", "VGG-16", (1.0, 2.0), (30.0, 9000.0)),)
    ticks = ((1.0, "1"), (2.0, "2"))
    assert overlaps(labels(figure_of(LineChart(Text("levels"), "x", "y", ticks, series, levels, y_log=False)))) == []
    bars = (Bars("", (30.0, 95.0, 9000.0)),)
    rows = (("vgg16", "VGG-16"), ("vgg19", "VGG-19"), ("resnet50", "ResNet-50"))
    assert layout_faults(figure_of(BarChart(Text("levels"), rows, (BarPanel("x", bars, levels),)))) == []


def test_a_line_through_a_label_and_a_label_on_another_are_found() -> None:
    figure = figure_of(of_tables()["mobilenet/tk1"])
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    axes.text(4, 150, "in the way")
    axes.plot([4.2, 4.2], [low, high], gid="wall")
    assert crossings(figure, labels(figure)) == ["'in the way' is crossed by 'wall'"]
    axes.text(4, 152, "on top of it")
    assert len(overlaps(labels(figure))) == 1


def test_a_label_over_the_edge_is_found() -> None:
    figure = figure_of(of_tables()["mobilenet/tk1"])
    figure.text(0.99, 0.5, "a long label")
    assert layout_faults(figure) == ["something reaches over the right edge"]


def test_a_legend_over_the_lines_is_found() -> None:
    figure = figure_of(of_tables()["latency/tk1_log"])
    figure.axes[0].legend(loc="lower right")
    assert "the legend covers the axes" in " ".join(layout_faults(figure))


def budget_lines(figure: Figure) -> list[Line2D]:
    return [line for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith("budget:")]


def is_within_its_axes(line: Line2D) -> bool:
    axes = line.axes
    assert axes is not None
    box = axes.get_window_extent()
    points = line.get_transform().transform(line.get_xydata())
    points = points[np.isfinite(points).all(axis=1)]
    return bool((points >= np.asarray(box.min) - 1).all() and (points <= np.asarray(box.max) + 1).all())


@pytest.mark.parametrize(
    "of", [of if of == "all limits" else pytest.param(of, marks=pytest.mark.slow) for of in BUDGETS]
)
def test_a_budget_is_within_the_limits_of_its_axes_and_in_the_legend(of: str) -> None:
    for name, chart in with_limits(of).items():
        figure = figure_of(chart)
        lines = budget_lines(figure)
        assert lines, name
        assert all(map(is_within_its_axes, lines)), name
        assert "budget" in [label.text for label in labels(figure)], name


def test_a_budget_that_many_networks_share_is_labelled_beside_the_axes() -> None:
    for name in ("latency/tk1_log", "pareto/tk1_b1", "history/tk1/resnet50", "rate/tk1/squeezenet_v1.1_b1"):
        shown = [label.text for label in labels(figure_of(with_limits("per request")[name]))]
        assert "budget 12345.5 ms/request" in shown or "p95 budget 100 ms" in shown


def test_the_budget_of_one_network_has_its_colour() -> None:
    chart = with_limits("beside a level")["latency/tk1_log"]
    colours = {str(line.get_gid()): line.get_color() for line in budget_lines(figure_of(chart))}
    assert colours == {
        "budget:budget 10.2 fps": style.INK,
        "budget:budget 9.9 fps": style.look_of("model", "resnet50").colour,
    }
