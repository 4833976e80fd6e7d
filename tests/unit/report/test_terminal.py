from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_made import loaded
from messages import assert_names

from pytest_ddperf.core.catalog import Catalog
from pytest_ddperf.core.load_summary import summarise_load
from pytest_ddperf.core.network_cost import Cost
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import (
    AGAINST,
    Baseline,
    CellKey,
    CellRecord,
    Clock,
    Conditions,
    Creep,
    Measurement,
    Night,
    Outcome,
    Pass,
    Round,
    Since,
)
from pytest_ddperf.report.gather import join_records
from pytest_ddperf.report.phrases import Line, wrap_text
from pytest_ddperf.report.terminal import (
    describe_regression,
    format_costs,
    format_failures,
    format_gate_notes,
    format_new_cells,
    format_platform_table,
    format_progress,
    format_table_title,
    format_totals,
    format_verdict,
    note_lines,
    run_lines,
)
from pytest_ddperf.text import format_change, format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.core.results import Result

BASELINE = Baseline("report", 53.6, "report, TK1 table; baselines/tk1.csv, line 5")
MODELS = ("resnet50", "squeezenet_v1.1", "shufflenet")
CATALOG = Catalog(
    {model: Network(model, model) for model in MODELS},
    {"tx1": Platform("tx1", "Jetson TX1"), "tk1": Platform("tk1", "Jetson TK1")},
)


def measured(
    outcome: Outcome = Outcome.OK,
    *,
    model: str = "squeezenet_v1.1",
    batch_size: int = 8,
    now_ms: float = 53.6,
    change: float | None = 0.0,
    clock: Clock = Clock.PREDICT,
) -> CellRecord:
    key = CellKey("tk1", model, batch_size)
    whole_ms = now_ms * batch_size
    passes = (Pass(whole_ms, whole_ms, whole_ms),) * 2
    measurement = Measurement(key, Conditions(clock, "caffe"), (Round(0.0, passes),))
    return CellRecord(
        key,
        f"x::test_predict[{key}]",
        outcome,
        reason="slower than the baseline by more than the tolerance",
        now_ms=now_ms,
        change=change,
        tolerance=0.1,
        baseline=None if change is None else BASELINE,
        measurement=measurement,
    )


def unmeasured(outcome: Outcome, reason: str = "because", model: str = "resnet50", batch_size: int = 8) -> CellRecord:
    return CellRecord(CellKey("tk1", model, batch_size), "x::y", outcome, reason=reason)


def cells(records: Iterable[CellRecord]) -> list[Result]:
    """The records as a run shows them, with a resolution: several of a cell are one, in the order of the catalogue."""
    return [replace(cell, resolution=cell.resolution or 0.11) for cell in join_records(CATALOG, records).cells]


def text(line: Line) -> str:
    return "".join(part for part, _ in line)


def texts(lines: list[Line]) -> list[str]:
    return [text(line) for line in lines]


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(12345.6, "12346"), (100.0, "100"), (88.71, "88.7"), (10.04, "10.0"), (9.876, "9.88"), (0.01234, "0.0123")],
)
def test_milliseconds_have_three_significant_digits(ms: float, shown: str) -> None:
    assert format_ms(ms) == shown


@given(st.floats(min_value=1e-4, max_value=1e7))
def test_milliseconds_are_never_written_in_powers_of_ten(ms: float) -> None:
    assert "e" not in format_ms(ms)
    assert float(format_ms(ms)) == pytest.approx(ms, rel=0.006)


@pytest.mark.parametrize(
    ("change", "shown"),
    [(-0.017, "-1.7 %"), (0.0, "+0.0 %"), (-0.0001, "+0.0 %"), (0.298, "+29.8 %"), (1.5, "+150 %"), (0.9999, "+100 %")],
)
def test_a_change_has_its_sign(change: float, shown: str) -> None:
    assert format_change(change) == shown


def test_a_verdict_s_text_is_the_value_and_its_change() -> None:
    assert format_verdict(measured(now_ms=88.7, change=-0.017)) == "88.7 ms/img -1.7 %"


def test_a_verdict_s_text_names_what_the_word_before_it_does_not_tell() -> None:
    assert format_verdict(measured(Outcome.NEW, change=None)) == "53.6 ms/img new"
    assert format_verdict(measured(Outcome.UNSTABLE, change=0.12)) == "53.6 ms/img +12.0 % unstable"
    assert format_verdict(unmeasured(Outcome.ERROR)) == "error"


def test_the_passes_stand_round_by_round() -> None:
    record = measured(now_ms=50.0)
    assert record.measurement is not None
    twice = replace(record, measurement=replace(record.measurement, rounds=record.measurement.rounds * 2))
    assert "50.0 50.0 | 50.0 50.0" in describe_regression(twice, BASELINE, "again")


def test_the_message_of_a_regression_holds_everything_to_act_on() -> None:
    record = replace(measured(Outcome.REGRESSED, now_ms=69.7, change=0.3), notes=("another backend",))
    said = describe_regression(record, BASELINE, "pytest x.py::y --platform=tk1")
    for part in (
        "squeezenet_v1.1",
        "batch size 8",
        "tk1",
        "69.7 ms",
        "53.6 ms",
        "+30.0 %",
        BASELINE.source,
        "69.7 69.7",
        "the server's predict time",
        "another backend",
        "To measure it again: pytest x.py::y --platform=tk1\n",
        "--ddperf-update-baselines=all",
    ):
        assert part in said
    assert "another backend.\n" in said


def test_a_regression_without_a_measurement_still_has_a_message() -> None:
    record = replace(measured(Outcome.REGRESSED, change=0.3), measurement=None)
    assert "squeezenet_v1.1" in describe_regression(record, BASELINE, "again")


def test_the_table_has_batch_sizes_down_and_models_across() -> None:
    records = [
        measured(batch_size=8),
        measured(batch_size=1, now_ms=90.2, change=0.004),
        measured(Outcome.REGRESSED, model="shufflenet", now_ms=67.6, change=0.3),
        unmeasured(Outcome.UNAVAILABLE, model="resnet50"),
        unmeasured(Outcome.ERROR, model="resnet50", batch_size=1),
    ]
    lines = texts(format_platform_table("tk1: Jetson TK1.", cells(records), width=80))
    assert lines == [
        "tk1: Jetson TK1.",
        "batch  resnet50  squeezenet_v1.1    shufflenet",
        "    1     error       90.2 +0.4%             -",
        "    8         x       53.6 +0.0%  67.6 +30.0%!",
        "       ! regressed",
    ]


@pytest.mark.parametrize("reversed_", [False, True])
def test_the_table_shows_the_reddest_of_several_records_of_a_cell(reversed_: bool) -> None:
    both = [measured(Outcome.REGRESSED, now_ms=70.0, change=0.3), measured(now_ms=53.6)]
    lines = texts(format_platform_table("tk1", cells(both[::-1] if reversed_ else both), width=80))
    assert any("70.0 +30.0%!" in line for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_fits_the_width_in_blocks(width: int) -> None:
    models = [f"network_number_{number}" for number in range(13)]
    records = [
        measured(model=model, batch_size=size, now_ms=1234.0, change=0.1) for model in models for size in (1, 128)
    ]
    lines = texts(format_platform_table("a title of several words " * 6, cells(records), width=width))
    assert max(map(len, lines)) <= width
    assert [sum(model in line.split() for line in lines) for model in models] == [1] * 13


def test_a_column_wider_than_the_terminal_stands_alone() -> None:
    records = [measured(model="a" * 50), measured(model="b" * 50)]
    lines = texts(format_platform_table("t", cells(records), width=40))
    assert [line.split()[0] for line in lines] == ["t", "batch", "8", "batch", "8"]


def test_a_model_that_nobody_describes_any_more_is_the_last_column() -> None:
    records = [measured(model="mine"), measured()]
    lines = texts(format_platform_table("t", cells(records), width=80))
    assert lines[1].split() == ["batch", "squeezenet_v1.1", "mine"]


def test_models_that_were_not_run_have_no_column() -> None:
    lines = texts(format_platform_table("t", cells([measured()]), width=80))
    assert lines[1].split() == ["batch", "squeezenet_v1.1"]


@pytest.mark.parametrize(
    ("outcome", "shown", "style"),
    [
        (Outcome.OK, "53.6 +0.0%", ""),
        (Outcome.IMPROVED, "53.6 +0.0%*", "green"),
        (Outcome.REGRESSED, "53.6 +0.0%!", "red"),
        (Outcome.UNSTABLE, "53.6 +0.0%~", "yellow"),
        (Outcome.CRASHED, "53.6 +0.0% crashed", "red"),
    ],
)
def test_a_cell_is_marked_and_coloured_by_its_verdict(outcome: Outcome, shown: str, style: str) -> None:
    row = format_platform_table("t", cells([measured(outcome)]), width=80)[2]
    assert row[1][0].strip() == shown
    assert row[1][1] == style


def test_a_new_cell_has_its_value_alone() -> None:
    row = format_platform_table("t", cells([measured(Outcome.NEW, change=None)]), width=80)[2]
    assert (row[1][0].strip(), row[1][1]) == ("53.6", "yellow")


def test_the_title_says_clock_and_kind_of_baseline() -> None:
    title = format_table_title(
        "Jetson TK1", "tk1", cells([measured(), measured(Outcome.NEW, batch_size=1, change=None)])
    )
    assert title == "tk1: Jetson TK1. ms per image (server's predict time), change against: report baseline"


def test_the_title_of_nothing_measured_says_so() -> None:
    title = format_table_title("Jetson TK1", "tk1", cells([unmeasured(Outcome.ERROR)]))
    assert title == "tk1: Jetson TK1. ms per image (nothing measured)"


def test_the_title_of_cells_that_crashed_after_a_round_does_not_deny_their_baseline() -> None:
    crashed = replace(measured(Outcome.CRASHED), now_ms=None, change=None, baseline=None)
    title = format_table_title("Jetson TK1", "tk1", cells([crashed]))
    assert title == "tk1: Jetson TK1. ms per image (nothing measured)"


def test_the_title_names_several_clocks() -> None:
    title = format_table_title("Jetson TK1", "tk1", cells([measured(), measured(batch_size=1, clock=Clock.HEAD)]))
    assert "(head.time, server's predict time)" in title


def test_a_failure_s_line_has_its_numbers() -> None:
    record = measured(Outcome.REGRESSED, now_ms=69.7, change=0.3)
    assert texts(format_failures(cells([record, measured()]))) == [
        "regressed tk1-squeezenet_v1.1-b8: 69.7 ms/img, baseline 53.6, +30.0 %"
    ]


def test_a_failure_in_pairs_names_the_reference_not_a_baseline() -> None:
    (cell,) = cells([measured(Outcome.REGRESSED, now_ms=69.7, change=0.3)])
    (line,) = texts(
        format_failures([replace(cell, baseline_kind=AGAINST, baseline_source="a on http://old:8080 (v1)")])
    )
    assert_names(line, "69.7 ms/img", "reference 53.6")
    assert "baseline" not in line


def test_a_failure_without_numbers_has_its_reason_s_first_line() -> None:
    lines = format_failures(cells([unmeasured(Outcome.ERROR, "no answer\nsecond line")]))
    assert texts(lines) == ["error tk1-resnet50-b8: no answer"]
    assert lines[0][0] == ("error ", "red")


def test_a_failure_without_a_reason_says_so() -> None:
    assert texts(format_failures(cells([unmeasured(Outcome.ERROR, "")]))) == ["error tk1-resnet50-b8: no reason given"]


def test_a_long_reason_goes_on_indented() -> None:
    lines = texts(format_failures(cells([unmeasured(Outcome.ERROR, "word " * 40)]), width=60))
    assert max(map(len, lines)) <= 60
    assert all(line.startswith("  ") for line in lines[1:])


def test_new_cells_say_how_to_record_them() -> None:
    (line,) = texts(format_new_cells(cells([measured(Outcome.NEW, change=None)]), recorded=False, width=120))
    assert line.startswith("1 cell has no baseline")
    assert "--ddperf-update-baselines" in line
    two = [measured(Outcome.NEW, batch_size=size, change=None) for size in (1, 2)]
    assert texts(format_new_cells(cells(two), recorded=False, width=120))[0].startswith("2 cells have no baseline")


def test_new_cells_that_were_recorded_say_nothing() -> None:
    assert format_new_cells(cells([measured(Outcome.NEW, change=None)]), recorded=True) == []
    assert format_new_cells(cells([measured()]), recorded=False) == []


def test_the_totals_count_each_verdict() -> None:
    line = format_totals(
        cells([measured(), measured(Outcome.REGRESSED, batch_size=1), unmeasured(Outcome.UNAVAILABLE)]), 4
    )
    assert text(line) == "3 cells: 1 ok, 1 regressed, 1 unavailable, 4 baseline cells not measured"
    assert line[0][1] == "red"


def test_a_cell_that_several_tests_measured_counts_once_with_its_worst_verdict() -> None:
    several = [replace(measured(outcome), nodeid=str(outcome)) for outcome in (Outcome.OK, Outcome.REGRESSED)]
    assert texts(run_lines(join_records(CATALOG, several), width=80, recorded=True))[-1] == "1 cell: 1 regressed"


def test_the_totals_of_one_good_cell_are_green() -> None:
    assert format_totals(cells([measured()])) == [("1 cell: 1 ok", "green")]


@pytest.mark.parametrize(
    ("done", "left_s", "shown"),
    [
        (0, None, "resnet50 b8: warming up"),
        (2, 3.4, "resnet50 b8: pass 2/5, 3 s left"),
        (5, 0.2, "resnet50 b8: pass 5/5, under 1 s left"),
        (7, None, "resnet50 b8: pass 5/5"),
    ],
)
def test_the_live_line_says_model_batch_pass_and_time_left(done: int, left_s: float | None, shown: str) -> None:
    assert format_progress(CellKey("tk1", "resnet50", 8), done, 5, left_s, 80) == shown


@given(st.integers(-5, 40))
def test_the_live_line_never_is_wider_than_it_may_be(width: int) -> None:
    assert len(format_progress(CellKey("tk1", "resnet50", 8), 1, 5, 3.0, width)) <= max(width, 0)


@given(st.lists(st.text("ab", min_size=1, max_size=12), max_size=30), st.integers(30, 100))
def test_wrapping_keeps_every_word_within_the_width(words: list[str], width: int) -> None:
    lines = texts(wrap_text(" ".join(words), width))
    assert " ".join(lines).split() == words
    assert all(len(line) <= width for line in lines)


def test_wrapping_leaves_a_path_whole() -> None:
    path = "/a/very-long/" * 10
    assert path in texts(wrap_text(f"history: {path}", 40))[1]


def test_the_cost_table_shows_the_report_s_figures_beside_the_counted_ones() -> None:
    counted = Cost(4_089_184_256, 4_089_184_256, 25_557_032, other_parameters=0)
    networks = {
        "resnet50": Network("resnet50", "ResNet-50", giga_flops_text="4.09", million_params_text="25.5"),
        "vgg16": Network("vgg16", "VGG-16", giga_flops_text="15.47", million_params_text="138.3"),
        "mobilenet_v2": Network("mobilenet_v2", "MobileNet v2"),
    }
    lines = format_costs(networks, {"resnet50": counted}, 80)
    assert [line.split() for line in lines[-2:]] == [
        ["resnet50", "4.09", "4.0891", "25.5", "25.557", "4,089,184,256"],
        ["vgg16", "15.47", "-", "138.3", "-", "-"],
    ]
    narrow = format_costs(networks, {"resnet50": counted}, 40)
    assert max(map(len, narrow)) <= 40
    rows = [line.split() for line in narrow if line.startswith("resnet50")]
    assert rows == [["resnet50", "4.09", "4.0891"], ["resnet50", "25.5", "25.557"], ["resnet50", "4,089,184,256"]]


def test_known_top_5_accuracies_follow_the_cost_table() -> None:
    networks = {
        "mobilenet": Network("mobilenet", "MobileNet", giga_flops_text="0.57", top5_accuracy_percent=89.5),
        "vgg16": Network("vgg16", "VGG-16", giga_flops_text="15.47"),
    }
    last = format_costs(networks, {}, 80)[-1]
    assert "mobilenet 89.5 %" in last
    assert "vgg16" not in last


def test_a_run_s_lines_are_tables_then_failures_warnings_and_totals() -> None:
    slow = replace(measured(Outcome.REGRESSED, now_ms=69.7, change=0.3), resolution=0.11)
    records = [slow, measured(Outcome.NEW, batch_size=1, change=None)]
    results = join_records(CATALOG, records, missing={"tk1": 2}, warnings=["full"])
    lines = texts(run_lines(results, width=120, recorded=False))
    assert lines[0].startswith("tk1: Jetson TK1.")
    assert lines[1].split() == ["batch", "squeezenet_v1.1"]
    begun = [line.partition(" ")[0] for line in lines[lines.index("") + 1 :]]
    assert begun == ["regressed", "1", "warning:", "2"]
    assert lines[-1].endswith("2 baseline cells not measured")


@pytest.mark.parametrize(("shift", "shown"), [(0.25, "25 % slower"), (-0.124, "12 % faster")])
def test_a_platform_that_shifted_as_a_whole_has_a_note_with_size_and_direction(shift: float, shown: str) -> None:
    shifted = [replace(measured(change=0.3), suite_shift=shift)]
    (line,) = texts(format_gate_notes(cells(shifted), width=200))
    assert line.startswith("tk1 shifted as a whole: ")
    assert shown in line


def shifted_platform() -> list[CellRecord]:
    """Three regressed cells of a platform that shifted by 30 %, and one that did not."""
    slower = {"platform_shifted": True, "suite_shift": 0.3, "cause": "the platform became slower"}
    cell = measured(Outcome.REGRESSED, now_ms=69.7, change=0.3)
    red = [replace(cell, key=CellKey("tk1", "shufflenet", size), nodeid=str(size), **slower) for size in (1, 2, 4)]  # type: ignore[arg-type]
    return [*red, measured()]


def test_a_platform_that_shifted_is_stated_first_and_its_cells_are_no_list() -> None:
    lines = texts(run_lines(join_records(CATALOG, shifted_platform()), width=400, recorded=False))
    assert_names(lines[0], "tk1 as a whole is 30.0 % slower", "3 of 4 cells are beyond the tolerance")
    (failed,) = [line for line in lines if line.startswith("regressed")]
    assert "in 3 cells" in failed
    assert not any("tk1-shufflenet-b1" in line for line in lines)


def test_a_shift_of_the_cells_of_one_network_may_be_the_network() -> None:
    (line, *_) = texts(run_lines(join_records(CATALOG, shifted_platform()[:3]), width=400, recorded=False))
    assert "of the network or of the platform" in line


SINCE = Since(Night("2026-11-03T02:00:00+00:00", "b" * 40), Night("2026-11-02T02:00:00+00:00", "a" * 40))


def test_a_platform_that_shifted_says_since_when_most_of_its_cells_are_slower() -> None:
    first, *others = shifted_platform()
    records = [first, *(replace(one, since=SINCE) for one in others[:2]), others[2]]
    (line, *_) = texts(run_lines(join_records(CATALOG, records), width=900, recorded=False))
    assert line.endswith(f"It has been {SINCE}.")


def test_a_platform_that_shifted_says_nothing_of_nights_on_which_few_of_its_cells_became_slower() -> None:
    first, *others = shifted_platform()
    (line, *_) = texts(
        run_lines(join_records(CATALOG, [replace(first, since=SINCE), *others]), width=900, recorded=False)
    )
    assert "2026-11-03" not in line


def test_a_regressed_cell_says_since_when_after_its_numbers() -> None:
    record = replace(measured(Outcome.REGRESSED, now_ms=69.7, change=0.3), since=SINCE)
    (line,) = texts(format_failures(cells([record]), width=900))
    assert line.endswith(f"69.7 ms/img, baseline 53.6, +30.0 %; {SINCE}")


def crept(model: str, since: str = "2026-11-03", change: float = 0.086) -> CellRecord:
    creep = Creep(f"{since}T02:00:00+00:00", 14, change, "0123456789abcdef")
    return replace(measured(Outcome.REGRESSED, model=model, now_ms=58.2, change=change), creep=creep, limit=0.05)


def test_cells_that_crept_are_a_group_in_which_each_says_since_when() -> None:
    records = [
        crept("resnet50"),
        measured(Outcome.REGRESSED, now_ms=69.7, change=0.3),
        crept("shufflenet", "2026-11-05"),
    ]
    lines = texts(format_failures(cells(records), width=200))
    assert lines == [
        "regressed in 2 cells, night by night:",
        "  tk1-resnet50-b8: slower since the night of 2026-11-03 (commit 0123456789ab), +8.6 % over 14 nights",
        "  tk1-shufflenet-b8: slower since the night of 2026-11-05 (commit 0123456789ab), +8.6 % over 14 nights",
        "regressed tk1-squeezenet_v1.1-b8: 69.7 ms/img, baseline 53.6, +30.0 %",
    ]


def test_a_single_cell_that_crept_has_its_numbers_too() -> None:
    (line,) = texts(format_failures(cells([crept("resnet50")]), width=200))
    assert_names(line, "since the night of 2026-11-03", "58.2 ms/img", "+8.6 % (limit +5.0 %)")


def test_the_figure_of_a_verdict_is_beside_its_limit_and_states_a_removed_shift() -> None:
    record = replace(measured(change=0.031), limit=0.1, shift_removed=0.042, resolution=0.12)
    assert_names(format_verdict(record), "+3.1 % (limit +10.0 %, common shift of +4.2 % removed, resolution 12.0 %)")


@pytest.mark.parametrize(
    ("change", "limits", "shown"),
    [
        (0.1004, (0.1,), "+10.04 %"),
        (0.0996, (0.1,), "+9.96 %"),
        (0.1, (0.1,), "+10.0 %"),
        (0.3, (0.1, 0.12), "+30.0 %"),
        (1.004, (1.001,), "+100.4 %"),
        (-0.10004, (0.1, -0.1), "-10.004 %"),
        (0.0004, (0.1, None), "+0.0 %"),
    ],
)
def test_a_change_has_the_digits_that_tell_it_from_its_limits(
    change: float, limits: tuple[float | None, ...], shown: str
) -> None:
    assert format_change(change, *limits) == shown


def test_the_message_of_a_regression_has_limit_mean_and_median() -> None:
    record = replace(measured(Outcome.REGRESSED, now_ms=69.7, change=0.3), limit=0.121, baseline_ms=53.66)
    first, _, passes, *_ = describe_regression(record, BASELINE, "again").splitlines()
    assert_names(first, "baseline 53.7 ms", "+30.0 % (tolerance 10 %, limit +12.1 %)")
    assert_names(passes, "Mean 69.7, median 69.7")


def test_a_shift_within_the_tolerance_has_no_note() -> None:
    assert format_gate_notes(cells([replace(measured(), suite_shift=0.05)])) == []
    assert format_gate_notes(cells([measured(change=None)])) == []


def test_cells_with_a_resolution_coarser_than_the_tolerance_are_counted_and_the_coarsest_is_named() -> None:
    recorded = replace(BASELINE, kind="recorded")
    coarse = [replace(measured(batch_size=size), resolution=size / 10, baseline=recorded) for size in (4, 8)]
    (line,) = texts(format_gate_notes(cells(coarse), width=400))
    assert line.startswith("warning: in 2 of 2 cells ")
    assert "the tolerance, 10 %" in line
    assert "coarsest: tk1-squeezenet_v1.1-b8, 80.0 %" in line
    assert_names(line, "--ddperf-tune", "--ddperf-accept", "--ddperf-against")


def test_a_coarse_resolution_against_a_published_table_needs_a_recording() -> None:
    (line,) = texts(format_gate_notes(cells([replace(measured(), resolution=0.8)]), width=400))
    assert_names(line, "published table", "--ddperf-update-baselines")


@pytest.mark.parametrize(("resolution", "warns"), [(0.149, False), (0.151, True)])
def test_a_resolution_is_coarse_beyond_one_and_a_half_times_the_tolerance(resolution: float, warns: bool) -> None:
    assert bool(format_gate_notes(cells([replace(measured(), resolution=resolution)]))) is warns


def test_cells_whose_noise_nothing_shows_have_a_note_that_a_recording_shows_it() -> None:
    unknown = [replace(cell, resolution=None) for cell in cells([measured(), measured(batch_size=4)])]
    (line,) = texts(format_gate_notes(unknown, width=400))
    assert_names(line, "note: tk1, 2 cells", "published table", "--ddperf-update-baselines")
    assert format_gate_notes([unknown[0], replace(unknown[1], resolution=0.11)]) == []


def test_unstable_cells_have_a_line_of_their_own() -> None:
    (line,) = texts(format_gate_notes(cells([replace(measured(Outcome.UNSTABLE), reason="too noisy")])))
    assert line == "unstable tk1-squeezenet_v1.1-b8: too noisy"


def test_the_text_of_a_verdict_contains_the_resolution() -> None:
    assert format_verdict(replace(measured(), resolution=0.042)) == "53.6 ms/img +0.0 % (resolution 4.2 %)"


def test_cells_under_load_are_not_in_the_table_of_plain_latency() -> None:
    lines = format_platform_table("title", cells([measured(), loaded("c4", batch_size=8)]), width=80)
    assert ["53.6" in "".join(text for text, _ in line) for line in lines].count(True) == 1
    assert format_platform_table("title", cells([loaded("c4")]), width=80) == []


def test_the_cells_under_load_are_below_a_platform_s_table() -> None:
    lines = texts(run_lines(join_records(CATALOG, [measured(), loaded("c4")]), width=80, recorded=False))
    heads = [place for place, line in enumerate(lines) if line.startswith(("tk1: ", "tk1 under load"))]
    assert len(heads) == 2
    assert lines[heads[0]].startswith("tk1: ")


def test_a_regression_under_load_says_under_which() -> None:
    record = replace(loaded("r10", outcome=Outcome.REGRESSED, change=0.5), baseline=BASELINE)
    said = describe_regression(record, BASELINE, "again")
    assert said.startswith("squeezenet_v1.1, batch size 1, on tk1, 10 requests per second, regressed:")


def test_the_live_line_says_under_which_load() -> None:
    assert format_progress(CellKey("tk1", "resnet50", 8, "c4"), 1, 5, None, 80) == "resnet50 b8 c4: pass 1/5"


def failed(batch_size: int, cause: str, outcome: Outcome = Outcome.ERROR) -> CellRecord:
    key = CellKey("tk1", "resnet50", batch_size)
    record = unmeasured(outcome, f"{key} could not be measured: {cause}")
    return replace(record, key=key, cause=cause, detail=cause)


def test_cells_that_share_a_cause_are_one_paragraph_and_a_list() -> None:
    records = [failed(1, "no service"), measured(), failed(2, "no service"), failed(4, "cut off")]
    assert texts(format_failures(cells(records))) == [
        "error in 2 cells: no service",
        "  tk1-resnet50-b1, tk1-resnet50-b2",
        "error tk1-resnet50-b4: cut off",
    ]


def test_cells_of_one_cause_and_different_verdicts_are_apart() -> None:
    lines = texts(format_failures(cells([failed(1, "cut off"), failed(2, "cut off", Outcome.CRASHED)])))
    assert [line.partition(":")[0] for line in lines] == ["error tk1-resnet50-b1", "crashed tk1-resnet50-b2"]


def test_a_cell_s_id_is_not_printed_twice_in_a_line() -> None:
    for record in (failed(1, "no answer"), replace(failed(1, "no answer"), detail="")):
        (line,) = texts(format_failures(cells([record])))
        assert line.count("tk1-resnet50-b1") == 1


def test_a_cell_that_has_numbers_and_is_no_regression_says_why_it_failed() -> None:
    record = replace(measured(Outcome.ERROR, change=0.3), reason="not confirmed, the run ended")
    assert "not confirmed" in " ".join(texts(format_failures(cells([record]), width=200)))


def test_notes_are_shown_in_a_green_run_once_for_a_platform() -> None:
    noted = [replace(measured(batch_size=size), notes=("another backend",)) for size in (1, 2)]
    lines = texts(run_lines(join_records(CATALOG, noted), width=80, recorded=True))
    assert [line for line in lines if "another backend" in line] == ["note: tk1, 2 cells: another backend."]


def test_notes_of_different_platforms_are_apart() -> None:
    other = CellKey("tx1", "resnet50", 1)
    noted = [
        replace(measured(), notes=("another backend",)),
        replace(measured(), key=other, notes=("another backend",)),
    ]
    assert len(note_lines(cells(noted))) == 2


def test_what_a_load_lacks_is_shown_with_the_load_and_is_no_note() -> None:
    record = loaded("r50", kept_up=False)
    shortfall = summarise_load(record.measurement)
    assert shortfall is not None
    assert note_lines(cells([replace(record, notes=(shortfall.shortfall,))])) == []


def test_the_totals_say_how_many_cells_the_run_ended_before() -> None:
    assert (
        text(format_totals(cells([measured(), measured(batch_size=1)]), 0, (6, 8)))
        == "2 cells: 2 ok, 6 of 8 cells not measured"
    )
