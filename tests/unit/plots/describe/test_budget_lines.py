"""Budgets in the descriptions of figures."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from figure_results import measured, published, trend, with_budgets
from load_made import loaded, result

from pytest_ddperf.core.budgets import Budget, BudgetCheck, Standing, TimeLimit
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe.charts import (
    BarChart,
    BudgetLine,
    LineChart,
    LoadChart,
    NightChart,
    ScatterChart,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.results import Results, Trend
    from pytest_ddperf.plots.describe.charts import Chart

OF_ALL = Budget(max_ms=40)
OLD, NEW = TimeLimit("50 ms", 50.0), TimeLimit("25 fps", 40.0)


def describe(results: Results, trends: list[Trend], **platforms: dict[str, Budget]) -> dict[str, Chart]:
    return api.describe(with_budgets(results, platforms), trends, list(platforms))


def lines(chart: Chart) -> LineChart:
    assert isinstance(chart, LineChart)
    return chart


@every_row("name", ["latency/tk1_log", "latency/tk1_linear", "mobilenet/tk1"])
def test_the_budget_of_all_networks_is_a_straight_line_over_the_batch_sizes(name: str) -> None:
    chart = lines(describe(published(), [], tk1={"*": OF_ALL})[name])
    assert chart.budgets == (BudgetLine("budget 40 ms", (40.0,)),)


def test_a_figure_without_a_budget_has_no_line_and_no_note() -> None:
    for chart in describe(published(), [], tk1={}).values():
        assert "budget" not in repr(chart).replace("budgets=()", "").replace("budget=None", "").lower()


def test_a_budget_of_another_platform_is_not_drawn() -> None:
    charts = describe(published(), [], tk1={}, tx1={"*": OF_ALL})
    assert lines(charts["latency/tk1_log"]).budgets == ()


@pytest.mark.parametrize(("budget", "fps"), [(Budget(min_fps=25), 25.0), (Budget(max_ms=50), 20.0)])
def test_the_throughput_axis_has_the_budget_in_images_per_second(budget: Budget, fps: float) -> None:
    (line,) = lines(describe(published(), [], tk1={"*": budget})["throughput/tk1"]).budgets
    assert (line.y, line.x) == ((fps,), ())


def test_a_budget_per_request_falls_with_the_batch_size() -> None:
    chart = lines(describe(published(), [], tk1={"*": Budget(max_latency_ms=800)})["latency/tk1_log"])
    (line,) = chart.budgets
    assert line.label == "budget 800 ms/request"
    assert line.x == tuple(place for place, _ in chart.ticks)
    assert line.y == tuple(800 / size for size in line.x)


def test_where_different_limits_are_strictest_the_note_states_them() -> None:
    chart = lines(describe(published(), [], tk1={"*": Budget(max_ms=100, max_latency_ms=800)})["latency/tk1_log"])
    (line,) = chart.budgets
    assert line.y == tuple(min(100, 800 / size) for size in line.x)
    assert line.label == "budget 800 ms/request", "which limits the end of the line"
    assert any(note.startswith("Budgets: 100 ms, 800 ms/request (") for note in chart.text.notes)


def test_networks_with_the_same_budget_share_a_line_and_the_note_states_which_have_it() -> None:
    budgets = {"*": OF_ALL, "resnet50": Budget(max_ms=200), "shufflenet": OF_ALL}
    chart = lines(describe(published(), [], tk1=budgets)["latency/tk1_log"])
    assert set(chart.budgets) == {
        BudgetLine("budget 40 ms", (40.0,)),
        BudgetLine("budget 200 ms", (200.0,), id="resnet50"),
    }
    (note,) = [note for note in chart.text.notes if note.startswith("Budgets:")]
    assert "200 ms (ResNet-50)" in note
    assert note.index("40 ms (") < note.index("ShuffleNet")


def test_a_network_that_is_not_drawn_has_no_line() -> None:
    chart = lines(describe(published(), [], tk1={"vgg16": OF_ALL})["latency/tk1_log"])
    assert "vgg16" not in {one.id for one in chart.series}
    assert chart.budgets == ()


def test_a_network_across_platforms_has_the_budget_of_each_platform_at_its_place() -> None:
    chart = lines(describe(published(), [], tk1={"*": Budget(min_fps=5)}, tx1={"*": OF_ALL})["model/resnet50"])
    places = {label: place for place, label in chart.ticks}
    (line,) = chart.budgets
    assert line.label == "budget", "the note states which"
    assert dict(zip(line.x, line.y, strict=True)) == {places["Jetson TK1"]: 200.0, places["Jetson TX1"]: 40.0}
    assert "Budgets: 40 ms (Jetson TX1); 5 fps (Jetson TK1)." in chart.text.notes


def test_across_platforms_a_budget_per_request_has_a_line_for_each_batch_size() -> None:
    chart = lines(describe(published(), [], tk1={"*": Budget(max_latency_ms=800)})["model/resnet50"])
    assert {line.id: line.y for line in chart.budgets} == {one.id: (800 / int(one.id),) for one in chart.series}


def test_bars_of_one_batch_size_have_a_line_or_one_at_each_row() -> None:
    platform = "raspi3-ncnn"
    of_all = describe(published(), [], **{platform: {"*": OF_ALL}})[f"latency/{platform}_bars"]
    assert isinstance(of_all, BarChart)
    assert of_all.panels[0].budgets == (BudgetLine("budget 40 ms", (40.0,)),)
    of_one = describe(published(), [], **{platform: {"resnet50": OF_ALL}})[f"latency/{platform}_bars"]
    assert isinstance(of_one, BarChart)
    row = [model for model, _ in of_one.rows].index("resnet50")
    assert of_one.panels[0].budgets == (BudgetLine("budget 40 ms", (40.0,), (float(row),)),)


def test_the_time_axis_of_the_pareto_figure_has_the_budgets() -> None:
    chart = describe(published(), [], tx1={"*": Budget(max_latency_ms=400)})["pareto/tx1_b8"]
    assert isinstance(chart, ScatterChart)
    assert chart.budgets == (BudgetLine("budget 400 ms/request", (50.0,)),)


def test_a_cell_under_load_has_its_throughput_and_its_percentiles_limited() -> None:
    budget = Budget(min_fps=25, max_latency_ms=10, p95_ms=90, p99_ms=120)
    cells = tuple(result(loaded(load)) for load in ("c1", "c4", "r10", "r20"))
    charts = describe(replace(published(), cells=cells), [], tk1={"*": budget})
    clients, rate = (charts[f"{name}/tk1/squeezenet_v1.1_b1"] for name in ("concurrency", "rate"))
    assert isinstance(clients, LoadChart)
    assert isinstance(rate, LoadChart)
    percentiles = (
        BudgetLine("p95 budget 90 ms", (90.0,), id="p95"),
        BudgetLine("p99 budget 120 ms", (120.0,), id="p99"),
    )
    assert clients.panels[0].budgets == (BudgetLine("budget 25 fps", (25.0,)),)
    assert rate.panels[0].budgets == (), "the load decides the throughput"
    assert clients.panels[1].budgets == rate.panels[1].budgets == percentiles


def test_the_nights_of_a_cell_have_its_budget() -> None:
    nights = [trend(CellKey("tk1", "resnet50", size), [100.0, 101.0]) for size in (1, 4)]
    chart = describe(published(), nights, tk1={"resnet50": Budget(max_ms=90, max_latency_ms=200)})[
        "history/tk1/resnet50"
    ]
    assert isinstance(chart, NightChart)
    assert [panel.budget for panel in chart.panels] == [
        BudgetLine("budget 90 ms", (90.0,)),
        BudgetLine("budget 200 ms/request", (50.0,)),
    ]


def limited(limits: Sequence[TimeLimit | None]) -> Trend:
    """A cell whose nights had these budgets."""
    plain = trend(CellKey("tk1", "resnet50", 1), [100.0] * len(limits))
    return replace(
        plain, nights=tuple(replace(one, budget=limit) for one, limit in zip(plain.nights, limits, strict=True))
    )


@every_row(
    "limits, label, y",
    [
        ([OLD, OLD, NEW], "budget 25 fps", (50.0, 50.0, 40.0)),
        ([None, OLD, NEW], "budget 25 fps", (math.nan, 50.0, 40.0)),
        ([OLD, None], "budget 50 ms", (50.0, math.nan)),
        ([OLD, OLD], "budget 50 ms", (50.0,)),
        ([None, None], "budget 80 ms", (80.0,)),
    ],
)
def test_each_night_has_the_budget_of_its_run(limits: list[TimeLimit | None], label: str, y: tuple[float, ...]) -> None:
    chart = describe(published(), [limited(limits)], tk1={"*": Budget(max_ms=80)})["history/tk1/resnet50"]
    assert isinstance(chart, NightChart)
    assert chart.panels[0].budget is not None
    assert chart.panels[0].budget.label == label
    assert chart.panels[0].budget.y == pytest.approx(y, nan_ok=True)


def test_what_the_run_applied_is_drawn_rather_than_what_ddperf_toml_states_now() -> None:
    check = BudgetCheck("min_fps", 20.0, 25.0, 24.0, 26.0, Standing.WITHIN)
    cells = tuple(
        replace(cell, budgets=(check,)) if cell.key == CellKey("tk1", "resnet50", 1) else cell
        for cell in measured().cells
    )
    chart = describe(
        replace(measured(), cells=cells), [trend(CellKey("tk1", "resnet50", 1), [100.0, 101.0])], tk1={"*": OF_ALL}
    )["history/tk1/resnet50"]
    assert isinstance(chart, NightChart)
    assert chart.panels[0].budget == BudgetLine("budget 20 fps", (50.0,))
