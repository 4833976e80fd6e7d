"""What figures show, as values: what a run adds to its baseline, what is left out, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from figure_results import MEASURED, in_pairs, measured, published, trend
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.plots.api import describe
from pytest_ddperf.plots.describe import against, against_baseline, cost, efficiency, history, latency, names, pareto
from pytest_ddperf.plots.describe.charts import LineChart
from pytest_ddperf.plots.describe.common import fps_levels

PARTLY: dict[tuple[str, int], float | Outcome | None] = {
    ("squeezenet_v1.1", 8): 0.3,
    ("googlenet", 1): -0.4,
    ("resnet101", 1): None,
    ("resnet101", 2): None,
    ("resnet50", 16): 0.0,
    ("vgg16", 1): Outcome.OOM,
}
"""Regressed, improved, not measured, measured where the baseline has an x, out of memory."""


def series(chart: LineChart, label: str, *, of_run: bool) -> dict[float, float]:
    (one,) = [one for one in chart.series if one.label == label and one.of_run is of_run]
    return {x: y for x, y in zip(one.x, one.y, strict=True) if y is not None}


# ---- which figures there are


def test_every_family_of_the_report_is_there_without_a_run() -> None:
    charts = describe(published(), [], published().platforms)
    families: dict[str, int] = {}
    for name in charts:
        family = name.partition("/")[0]
        families[family] = families.get(family, 0) + 1
    assert families["latency"] == 7 * 2 + 2
    assert families["model"] == 13 + 8
    assert families["cost"] == 2
    assert families["mobilenet"] == 4
    assert families["throughput"] == 7
    assert families["efficiency"] == 9 + 2
    assert set(families) == {"latency", "model", "cost", "mobilenet", "throughput", "efficiency", "pareto"}


def test_only_the_figures_of_the_platforms_that_are_asked_for() -> None:
    charts = describe(published(), [], ["nano"])
    assert {name for name in charts if "nano" in name} == {
        "latency/nano_log", "latency/nano_linear", "throughput/nano", "efficiency/nano",
    }  # fmt: skip
    assert not any("tk1" in name for name in charts)
    shufflenet = charts["model/shufflenet"]
    assert isinstance(shufflenet, LineChart)
    assert "GTX 1080 Ti" in {title for _, title in shufflenet.ticks}


def test_a_platform_without_cells_has_no_figures() -> None:
    charts = describe(published(), [], ["local"])
    assert set(charts) == {"cost/all", "cost/small", "efficiency/per_watt", "efficiency/per_gflop"}


def test_file_names_stay_in_their_folder() -> None:
    assert names.figure("history", "../x", "a/b") == "history/_x/a_b"
    assert names.figure("model", "..") == "model/_"
    assert names.figure("latency", "tk1_log") == "latency/tk1_log"


# ---- a run over its baseline


def test_a_run_s_lines_stand_beside_those_of_its_baseline() -> None:
    chart = latency.latency_lines(measured(PARTLY), MEASURED)
    assert chart.with_run
    assert series(chart, "SqueezeNet v1.1", of_run=False)[8] == 53.6
    assert series(chart, "SqueezeNet v1.1", of_run=True)[8] == pytest.approx(53.6 * 1.3)


def test_cells_of_one_side_are_shown_as_such() -> None:
    chart = latency.latency_lines(measured(PARTLY), MEASURED)
    lone = {(one.label, one.of_run): one.lone for one in chart.series if one.lone}
    assert lone == {("ResNet-101", False): (1.0, 2.0), ("ResNet-50", True): (16.0,)}


def test_without_a_run_nothing_is_called_one_sided() -> None:
    chart = latency.latency_lines(published(), MEASURED)
    assert not chart.with_run
    assert all(one.lone == () for one in chart.series)


def test_networks_that_cannot_be_measured_are_named() -> None:
    chart = latency.latency_lines(published(), MEASURED)
    assert "Not measurable here at any batch size: VGG-16, VGG-19." in chart.text.notes


def test_a_figure_says_where_its_numbers_come_from() -> None:
    chart = latency.latency_lines(measured(), MEASURED)
    assert chart.text.notes[:2] == (
        "Measured: run of 2026-11-24 02:00 UTC, commit 0123456789.",
        "Baseline: reference values of 2019 on Caffe: report, TK1 table (mean of 5 passes of head.time).",
    )


def test_networks_of_the_user_s_own_are_drawn_too() -> None:
    results = measured()
    key = CellKey(MEASURED, "my net/2", 4)
    own = replace(results.of(MEASURED)[0], key=key, now_ms=77.0, baseline_ms=None, outcome=Outcome.NEW)
    charts = describe(replace(results, cells=(*results.cells, own)), [], [MEASURED])
    chart = charts["latency/tk1_log"]
    assert isinstance(chart, LineChart)
    assert series(chart, "my net/2", of_run=True) == {4.0: 77.0}
    assert "model/my_net_2" in charts


def test_cells_under_load_are_no_points_of_plain_latency() -> None:
    results = measured()
    under_load = replace(results.of(MEASURED)[0], key=CellKey(MEASURED, "googlenet", 1, "c4"), now_ms=900.0)
    both = replace(results, cells=(*results.cells, under_load))
    charts, others = (describe(each, [], [MEASURED]) for each in (both, results))
    assert [name for name in charts if charts[name] != others[name]] == ["against_baseline/tk1"]


def test_bars_of_a_run_stand_beside_those_of_its_baseline() -> None:
    published_cells = published().of("raspi4-ncnn")
    cells = (replace(published_cells[0], now_ms=1.0, outcome=Outcome.OK), *published_cells[1:])
    chart = latency.latency_bars(replace(published(), cells=cells), "raspi4-ncnn")
    run, baseline = chart.panels[0].bars
    row = [model for model, _ in chart.rows].index(published_cells[0].key.model)
    assert (run.emphasis, run.values[row], sum(value is not None for value in run.values)) == (True, 1.0, 1)
    assert (baseline.emphasis, None in baseline.values) == (False, False)


@given(st.lists(st.floats(0.5, 5000.0), min_size=1))
def test_fps_lines_are_those_inside_the_range_and_only_these(values: list[float]) -> None:
    drawn = {level.value for level in fps_levels(values)}
    assert drawn == {level for level in (1000.0, 100.0, 40.0) if min(values) <= level <= max(values)}


def test_no_values_have_no_fps_lines() -> None:
    assert fps_levels([]) == ()


def test_images_per_second_are_the_inverse() -> None:
    chart = latency.throughput_chart(published(), "tx1")
    assert series(chart, "SqueezeNet v1.1", of_run=False)[64] == pytest.approx(1000 / 11.5)
    assert [level.value for level in chart.levels] == [10, 25]


def test_a_model_s_figure_takes_what_was_measured_before_the_baseline() -> None:
    chart = latency.model_chart(measured(), "resnet50")
    place = {title: x for x, title in chart.ticks}
    assert series(chart, "batch size 1", of_run=False)[place["Jetson TK1"]] == pytest.approx(203 * 1.02)
    assert series(chart, "batch size 1", of_run=False)[place["Jetson TX1"]] == 89
    assert "Measured: Jetson TK1; otherwise baselines." in chart.text.notes


def test_the_gain_of_depthwise_layers_is_said() -> None:
    (chart,) = latency.mobilenet_charts(published(), "tk1").values()
    assert chart.text.subtitle == "grouped convolutions take 1.4 to 3.4 times as long"


# ---- cost


def test_small_is_a_rule_on_both_numbers() -> None:
    networks = published().catalog.networks
    assert not cost.is_small(networks["densenet121"])  # few parameters, many operations
    assert not cost.is_small(replace(networks["squeezenet_v1.1"], million_params=11.0))
    assert not cost.is_small(networks["crnn_ocr"])  # of unknown cost


# ---- accuracy against time


def test_a_front_is_what_nothing_else_beats() -> None:
    assert pareto.find_front([(10, 60), (20, 70), (15, 55), (30, 70), (5, 50)]) == (True, True, False, False, True)


POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda p: (float(p[0]), float(p[1]))), min_size=1)


@given(POINTS)
def test_nothing_on_the_front_is_beaten_and_everything_else_is(points: list[tuple[float, float]]) -> None:
    best = pareto.find_front(points)
    assert any(best)
    for (ms, accuracy), on_front in zip(points, best, strict=True):
        beaten = any((a <= ms and b > accuracy) or (a < ms and b >= accuracy) for a, b in points)
        assert on_front is not beaten


def test_the_front_of_the_tk1_at_batch_size_1() -> None:
    chart = pareto.pareto_chart(published(), "tk1", 1)
    assert [choice.label for choice in chart.choices if choice.on_front] == [
        "SqueezeNet v1.1", "GoogLeNet", "ResNet-50", "ResNet-101", "ResNet-152", "DenseNet-201",
    ]  # fmt: skip
    assert "Not shown, accuracy unknown: MobileNet depthwise, ShuffleNet." in chart.text.notes


def test_one_network_alone_has_no_front() -> None:
    assert "pareto/tx1_b128" not in pareto.pareto_charts(published(), "tx1")
    assert "pareto/tx1_b64" in pareto.pareto_charts(published(), "tx1")


def test_a_run_has_its_front_over_that_of_its_baseline() -> None:
    chart = pareto.pareto_chart(measured(PARTLY), MEASURED, 1)
    now = {choice.label: choice.ms for choice in chart.choices}
    before = {choice.label: choice.ms for choice in chart.before}
    assert now["GoogLeNet"] == pytest.approx(197 * 0.6)
    assert before["GoogLeNet"] == 197
    assert "Not measured, baseline shown: ResNet-101." in chart.text.notes


# ---- efficiency


def test_images_per_second_per_watt_and_per_gflop() -> None:
    (cell,) = [one for one in published().of("tk1") if one.key == CellKey("tk1", "squeezenet_v1.1", 16)]
    assert efficiency.per_watt(published(), cell) == pytest.approx(1000 / 40 / 12.5)
    assert efficiency.per_gflop(published(), cell) == pytest.approx(1000 / 40 / 0.3491)


def test_a_platform_shows_each_network_at_its_best_batch_size() -> None:
    (chart,) = efficiency.platform_charts(published(), "tk1").values()
    assert [panel.x_label for panel in chart.panels] == [efficiency.PER_WATT, efficiency.PER_GFLOP]
    best, first = chart.panels[0].bars
    row = [model for model, _ in chart.rows].index("squeezenet_v1.1")
    assert best.remarks[row] == "b16"
    assert best.values[row] == pytest.approx(2.0)
    assert first.values[row] == pytest.approx(1000 / 90.2 / 12.5)


def test_platforms_without_watts_are_left_out_and_it_is_said() -> None:
    across = efficiency.across_charts(published())[names.PER_WATT]
    assert {one.id for one in across.series} == {"gtx1080ti", "tx1", "nano", "tk1", "raspi3", "raspi3-ncnn"}
    (note,) = [note for note in across.text.notes if "states no watts" in note]
    assert note.endswith(": Jetson TX2, Jetson TX2, TensorRT, Raspberry Pi 4, NCNN.")
    (own,) = efficiency.platform_charts(published(), "tx2").values()
    assert [panel.x_label for panel in own.panels] == [efficiency.PER_GFLOP]
    assert any("no watts of Jetson TX2" in note for note in own.text.notes)


# ---- against the baseline


def test_the_heat_map_has_every_cell_with_change_and_verdict() -> None:
    (chart,) = against_baseline.against_baseline_charts(measured(PARTLY), MEASURED).values()
    at = {(chart.rows[cell.row][0], chart.columns[cell.column]): cell for cell in chart.cells}
    assert (at["squeezenet_v1.1", "8"].change, at["squeezenet_v1.1", "8"].outcome) == (0.3, Outcome.REGRESSED)
    assert at["squeezenet_v1.1", "8"].lines == ("\u25b2 +30.0 %", "69.7 ms")
    assert at["googlenet", "1"].lines == ("\u25bc -40.0 %", "118 ms")
    assert at["mobilenet", "1"].lines[0] == "+2.0 %"


def test_one_sided_cells_of_the_heat_map_say_so() -> None:
    (chart,) = against_baseline.against_baseline_charts(measured(PARTLY), MEASURED).values()
    at = {(chart.rows[cell.row][0], chart.columns[cell.column]): cell for cell in chart.cells}
    assert at["resnet101", "1"].lines == ("not measured", "(283 ms)")
    assert at["resnet50", "16"].lines == ("+ new", "100 ms")
    assert at["vgg16", "1"].lines == ("oom",)
    assert at["vgg16", "2"].lines == ("x",)
    assert all(at[key].change is None for key in (("resnet101", "1"), ("resnet50", "16"), ("vgg16", "1")))
    assert chart.text.subtitle.endswith("2 not measured")


def test_without_a_run_there_is_no_heat_map() -> None:
    assert against_baseline.against_baseline_charts(published(), MEASURED) == {}


# ---- against a server, in pairs


def test_the_cells_measured_in_pairs_are_sorted_with_their_intervals_in_percent() -> None:
    (chart,) = against.against_charts(in_pairs(measured(PARTLY)), MEASURED).values()
    first, last = chart.rows[0], chart.rows[-1]
    assert (first.label, first.outcome) == ("SqueezeNet v1.1, b8", Outcome.REGRESSED)
    assert [first.change, *(first.interval or ()), first.tolerance] == pytest.approx([30, 26, 34, 10])
    assert (last.label, last.outcome) == ("GoogLeNet, b1", Outcome.IMPROVED)
    assert [row.change for row in chart.rows] == sorted((row.change for row in chart.rows), reverse=True)
    assert chart.text.title.endswith("against http://old:8080 (v0.27)")
    assert chart.text.subtitle.startswith("24 pairs a cell")


def test_a_cell_without_an_estimate_has_no_row() -> None:
    (chart,) = against.against_charts(in_pairs(measured(PARTLY)), MEASURED).values()
    assert {"VGG-16, b1", "ResNet-101, b1"}.isdisjoint(row.label for row in chart.rows)


def test_a_cell_between_two_looks_has_no_interval() -> None:
    results = in_pairs(measured())
    results = replace(results, cells=tuple(replace(cell, interval=None) for cell in results.cells))
    (chart,) = against.against_charts(results, MEASURED).values()
    assert {row.interval for row in chart.rows} == {None}


def test_a_run_against_a_baseline_has_no_figure_of_pairs() -> None:
    assert against.against_charts(measured(), MEASURED) == {}


# ---- the nights

KEY = CellKey("tk1", "resnet50", 1)


def test_a_night_has_its_band_about_its_baseline() -> None:
    (first, second) = history.panel(trend(KEY, [101.0, 95.0])).nights
    assert [first.low_ms, first.baseline_ms, first.high_ms] == pytest.approx([90, 100, 110])
    assert (first.ms, second.ms) == (101.0, 95.0)


def test_a_night_without_a_baseline_has_no_band() -> None:
    nights = trend(KEY, [101.0]).nights
    (bare,) = history.panel(replace(trend(KEY, []), nights=(replace(nights[0], baseline_ms=None),))).nights
    assert (bare.low_ms, bare.high_ms, bare.rebaselined) == (None, None, False)


def test_changes_are_regressed_and_improved_nights_and_another_baseline() -> None:
    values = [100.0, 120.0, 80.0, 80.0, 80.0]
    outcomes = {1: Outcome.REGRESSED, 2: Outcome.IMPROVED}
    nights = history.panel(trend(KEY, values, outcomes, {3: ("recorded", 80.0)})).nights
    assert [history.is_change(night) for night in nights] == [False, True, True, True, False]
    assert [night.rebaselined for night in nights] == [False, False, False, True, False]


def test_a_history_that_moves_by_itself_is_no_other_baseline() -> None:
    baselines = {1: ("history", 99.0), 2: ("history", 98.5), 3: ("report", 100.0), 4: ("report", 90.0)}
    nights = history.panel(trend(KEY, [100.0] * 5, {}, baselines)).nights
    assert [night.rebaselined for night in nights] == [False, True, False, True, True]


def test_a_commit_is_named_where_it_changes() -> None:
    nights = history.panel(trend(KEY, [100.0] * 4, commits={2: "abcdef0123456789"})).nights
    assert [night.commit for night in nights] == ["0000000", "", "abcdef0", ""]


def test_a_network_s_cells_are_panels_of_one_figure_batch_sizes_ascending() -> None:
    trends = [trend(replace(KEY, batch_size=size), [100.0]) for size in (16, 1, 2)]
    trends += [trend(replace(KEY, platform="tx1"), [1.0])]
    charts = history.trend_charts(published(), trends, ["tk1"])
    assert list(charts) == ["history/tk1/resnet50"]
    assert [panel.title for panel in charts["history/tk1/resnet50"].panels] == [
        "batch size 1", "batch size 2", "batch size 16",
    ]  # fmt: skip
