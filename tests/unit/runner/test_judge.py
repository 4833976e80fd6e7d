"""The verdict on a cell, by all its rounds, its baseline and the cells that were measured before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import nightly
import pytest
from load_made import loaded
from messages import assert_names
from plans import make_plan

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.records import (
    Baseline,
    CellKey,
    CellRecord,
    Clock,
    Conditions,
    Measurement,
    Night,
    Outcome,
    Pass,
    Round,
    Since,
    Unavailable,
    convert_published,
)
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.gate.verdicts import Cell, Prepared, prepare
from pytest_ddperf.history.nights import read_nights
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.runner.judge import (
    FELLOWS,
    STEP,
    Judge,
    build_gate_cell,
    describe_differences,
    find_fellows,
)
from pytest_ddperf.runner.plan import PlatformPlan

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

TK1 = load_catalog().platform("tk1")
NOW = Conditions(Clock.PREDICT, TK1.parameters.mllib, gpu=TK1.parameters.gpu)
SERVER = ServerOptions("http://h:1")
BATCH_SIZES = (1, 2, 4, 8)
SCATTER = (1.0, 1.01, 0.99, 1.005, 0.995)
TABLE = Baseline("report", 50.0, "tk1.csv, line 5")


def key(batch_size: int = 8, model: str = "googlenet") -> CellKey:
    return CellKey("tk1", model, batch_size)


def nodeid(cell: CellKey) -> str:
    return f"benchmarks/test_predict.py::test_predict[{cell}]"


def one_round(per_image_ms: float, batch_size: int) -> Round:
    times = [per_image_ms * batch_size * scatter for scatter in SCATTER]
    return Round(0.0, tuple(Pass(ms + 2.0, float(int(ms)), ms) for ms in times))


def measurement(*per_image_ms: float, cell: CellKey | None = None, conditions: Conditions = NOW) -> Measurement:
    """A cell with a round for each of these times."""
    cell = cell or key()
    return Measurement(cell, conditions, tuple(one_round(ms, cell.batch_size) for ms in per_image_ms))


def recorded(ms: float = 50.0, conditions: Conditions = NOW) -> Baseline:
    run = tuple(ms * scatter for scatter in SCATTER)
    return Baseline("recorded", ms, "baselines/tk1.json", (run, run, run), conditions=conditions)


def judge_of(*cells: CellKey, baseline: Baseline | Unavailable | None = None, least_rounds: int = 1) -> Judge:
    """A judge whose baseline holds the same for each cell (default: one cell)."""
    entries = {} if baseline is None else dict.fromkeys(cells or (key(),), baseline)
    plan = make_plan(TK1, SERVER, Plan(), 0.1, entries)
    return Judge(replace(plan, least_rounds=least_rounds))


def verdict(judge: Judge, measured: Measurement) -> CellRecord:
    return judge.judge(measured, nodeid(measured.key), None)


def test_an_unchanged_cell_is_ok_after_one_round() -> None:
    record = verdict(judge_of(baseline=recorded()), measurement(50.2))
    assert record.outcome is Outcome.OK
    assert record.change == pytest.approx(0.004, abs=0.001)
    assert record.now_ms == pytest.approx(50.2, rel=0.01)
    assert record.tolerance == 0.1


def test_the_figures_of_a_record_are_those_that_the_gate_compared() -> None:
    judge = judge_of(baseline=recorded())
    rounds = [measurement(*[75.0] * count) for count in range(1, 7)]
    record = next(one for one in (verdict(judge, each) for each in rounds) if one.outcome is not Outcome.REMEASURE)
    assert record.baseline_ms is not None
    assert record.limit is not None
    assert record.change is not None
    assert record.now_ms == pytest.approx(record.baseline_ms * (1 + record.change))
    assert record.change > record.limit >= 0.1


def test_a_published_baseline_is_recorded_as_it_was_compared() -> None:
    record = verdict(judge_of(baseline=TABLE), measurement(50.0))
    assert record.baseline_ms == pytest.approx(convert_published(Clock.PREDICT, 50.0, 8))
    assert record.baseline == TABLE


def test_the_common_shift_that_was_removed_is_recorded() -> None:
    cells = [key(size, model) for model in ("googlenet", "resnet50", "vgg16") for size in BATCH_SIZES]
    judge = judge_of(*cells, baseline=recorded())
    last = [verdict(judge, measurement(52.0, cell=cell)) for cell in cells][-1]
    assert last.shift_removed == pytest.approx(0.04, abs=0.01)
    assert last.change == pytest.approx(0.0, abs=0.01)


def test_cells_that_are_slower_with_their_whole_platform_share_a_cause() -> None:
    cells = [key(size, model) for model in ("googlenet", "resnet50", "vgg16") for size in BATCH_SIZES]
    judge = judge_of(*cells, baseline=recorded())
    for count in range(1, 7):
        records = [verdict(judge, measurement(*[75.0] * count, cell=cell)) for cell in cells]
    assert {(record.outcome, record.platform_shifted) for record in records} == {(Outcome.REGRESSED, True)}
    assert {bool(record.cause) for record in records} == {True}
    assert len({record.cause for record in records}) == 1


def test_the_time_and_the_change_are_those_of_the_rounds_that_count() -> None:
    judge = judge_of(baseline=recorded())
    after_two = verdict(judge, measurement(80.0, 50.2))
    after_three = verdict(judge, measurement(80.0, 50.2, 50.4))
    assert after_two.now_ms == pytest.approx(50.2, rel=0.01)
    assert after_three.now_ms == pytest.approx(50.3, rel=0.015)
    assert after_three.outcome is Outcome.OK
    assert after_three.change == pytest.approx(0.006, abs=0.003)


def test_a_cell_twice_as_fast_is_improved() -> None:
    assert verdict(judge_of(baseline=recorded()), measurement(25.0)).outcome is Outcome.IMPROVED


def test_a_slower_cell_is_undecided_after_one_round_and_says_why() -> None:
    record = verdict(judge_of(baseline=recorded()), measurement(75.0))
    assert record.outcome is Outcome.REMEASURE
    assert "after 1 round" in record.reason
    assert "to be measured again" in record.reason


def test_it_is_regressed_when_later_rounds_say_the_same() -> None:
    judge = judge_of(baseline=recorded())
    rounds = [75.0]
    while (record := verdict(judge, measurement(*rounds))).outcome is Outcome.REMEASURE:
        rounds.append(75.0)
    assert record.outcome is Outcome.REGRESSED
    assert 3 <= len(rounds) <= 6


def test_it_is_ok_when_a_later_round_says_that_it_was_an_accident() -> None:
    judge = judge_of(baseline=recorded())
    assert verdict(judge, measurement(75.0)).outcome is Outcome.REMEASURE
    assert verdict(judge, measurement(75.0, 50.0)).outcome is Outcome.OK


def test_it_is_judged_once_however_often_it_was_measured() -> None:
    cells = [key(size, model) for model in ("googlenet", "resnet50", "vgg16") for size in BATCH_SIZES]
    often, once = (judge_of(*cells, baseline=recorded()) for _ in range(2))
    for cell in cells[1:]:
        verdict(often, measurement(50.0, cell=cell))
        verdict(once, measurement(50.0, cell=cell))
    for count in range(1, 4):
        last = verdict(often, measurement(*[75.0] * count, cell=cells[0]))
    assert last == verdict(once, measurement(75.0, 75.0, 75.0, cell=cells[0]))


def test_the_cells_before_it_tell_how_far_the_platform_is_off() -> None:
    cells = [key(size, model) for model in ("googlenet", "resnet50", "vgg16") for size in BATCH_SIZES]
    judge = judge_of(*cells, baseline=recorded())
    records = [verdict(judge, measurement(52.0, cell=cell)) for cell in cells]
    assert records[0].suite_shift is None
    assert records[-1].suite_shift == pytest.approx(0.04, abs=0.01)


def test_cells_that_were_measured_again_do_not_stand_for_a_large_suite() -> None:
    cells = [key(size) for size in range(1, 301)]
    judge = judge_of(*cells, baseline=recorded())
    slow_at_first = cells[::2]
    for cell in cells:
        verdict(judge, measurement(56.0 if cell in slow_at_first else 50.0, cell=cell))
    for cell in slow_at_first[1:]:
        verdict(judge, measurement(56.0, 50.0, 50.0, cell=cell))
    slower = verdict(judge, measurement(*[56.0] * 6, cell=slow_at_first[0]))
    assert slower.suite_shift == pytest.approx(0.0, abs=0.01)
    assert slower.outcome is Outcome.REGRESSED


def prepared_suite(count: int) -> dict[str, Prepared]:
    return {str(number): prepare(Cell([[50.0 + number]])) for number in range(count)}


@pytest.mark.parametrize("place", [0, 1, 150, 298, 299])
def test_every_cell_of_a_large_suite_is_judged_with_as_many_others(place: int) -> None:
    suite = prepared_suite(300)
    fellows = find_fellows(suite, str(place))
    assert len(set(fellows)) == FELLOWS
    places = [number for number, one in enumerate(suite.values()) if one in fellows]
    assert min(abs(number - place) for number in places) < STEP
    assert max(abs(number - place) for number in places) < FELLOWS + STEP


def test_a_cell_of_a_suite_that_is_not_large_is_judged_with_all_of_it() -> None:
    suite = prepared_suite(FELLOWS)
    for name in ("0", str(FELLOWS - 1)):
        assert set(find_fellows(suite, name)) == set(suite.values())


def test_the_next_cells_of_a_large_suite_are_judged_with_the_same_fellows() -> None:
    whole, fellows = prepared_suite(FELLOWS + 2 * STEP), set()
    for count in range(FELLOWS, FELLOWS + 2 * STEP):
        suite = dict(islice(whole.items(), count))
        fellows.add(find_fellows(suite, str(count - 1)))
    assert len(fellows) == 2


def test_a_cell_without_a_baseline_is_new() -> None:
    record = verdict(judge_of(), measurement(50.0))
    assert record.outcome is Outcome.NEW
    assert (record.change, record.baseline, record.resolution) == (None, None, None)


def test_a_cell_that_the_baseline_marks_x_is_new_where_it_is_run_all_the_same() -> None:
    assert verdict(judge_of(baseline=Unavailable("tk1.csv, line 5")), measurement(50.0)).outcome is Outcome.NEW


def test_an_invalid_measurement_is_invalid() -> None:
    judge = judge_of(baseline=recorded())
    verdict(judge, measurement(75.0))
    record = verdict(judge, replace(measurement(75.0), invalid="somebody else used the server"))
    assert record.outcome is Outcome.INVALID
    assert "is invalid, not slower: somebody else used the server." in record.reason
    assert record.now_ms is None


def test_a_cell_that_turns_out_to_be_invalid_leaves_the_suite() -> None:
    cells = [key(size, model) for model in ("googlenet", "resnet50", "vgg16") for size in BATCH_SIZES]
    judge, without_it = (judge_of(*cells, baseline=recorded()) for _ in range(2))
    verdict(judge, measurement(75.0, cell=cells[0]))
    verdict(judge, replace(measurement(75.0, cell=cells[0]), invalid="somebody else used the server"))
    for cell in cells[1:]:
        assert verdict(judge, measurement(52.0, cell=cell)) == verdict(without_it, measurement(52.0, cell=cell))


@pytest.mark.parametrize(("rounds", "outcome"), [(1, Outcome.REMEASURE), (2, Outcome.REMEASURE), (3, Outcome.OK)])
def test_a_cell_that_is_to_be_recorded_takes_more_rounds(rounds: int, outcome: Outcome) -> None:
    judge = judge_of(baseline=recorded(), least_rounds=3)
    assert verdict(judge, measurement(*[50.0] * rounds)).outcome is outcome


def test_so_does_a_new_one() -> None:
    judge = judge_of(least_rounds=3)
    record = verdict(judge, measurement(50.0))
    assert record.outcome is Outcome.REMEASURE
    assert record.reason == "1 of 3 rounds needed to record a baseline"
    assert verdict(judge, measurement(50.0, 50.0, 50.0)).outcome is Outcome.NEW


def test_a_published_mean_is_held_against_as_the_gated_clock_would_show_it() -> None:
    table = Baseline("report", 50.0, "tk1.csv, line 5", conditions=None)
    expected = convert_published(Clock.PREDICT, 50.0, 8)
    assert verdict(judge_of(baseline=table), measurement(expected)).outcome is Outcome.OK
    record = verdict(judge_of(baseline=table), measurement(expected))
    assert record.change == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"clock": Clock.HEAD}, "the clock was predict and is head"),
        ({"backend": "ncnn"}, "the backend was caffe and is ncnn"),
        ({"datatype": "fp16"}, "the datatype was fp32 and is fp16"),
        ({"width": 300}, "the input size was 224x224 and is 300x224"),
        ({"gpu": False}, "the device was GPU and is CPU"),
        ({"image_route": "inline"}, "the image route was path and is inline"),
    ],
)
def test_a_recorded_baseline_of_other_conditions_is_not_compared_with(changed: dict[str, Any], said: str) -> None:
    record = verdict(judge_of(baseline=recorded()), measurement(75.0, conditions=replace(NOW, **changed)))
    assert (record.outcome, record.baseline) == (Outcome.NEW, None)
    assert record.notes == (f"not compared with baselines/tk1.json: {said}",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"clock": Clock.CLIENT}, "the client's clock is compared with head.time"),
        ({"backend": "ncnn"}, "the table was measured with caffe, this server runs ncnn"),
        ({"gpu": False}, "the table was measured on a GPU, this service runs on a CPU"),
    ],
)
def test_a_published_one_of_other_conditions_is_compared_with_and_says_so(changed: dict[str, Any], said: str) -> None:
    record = verdict(judge_of(baseline=TABLE), measurement(50.0, conditions=replace(NOW, **changed)))
    assert record.outcome is Outcome.OK
    assert record.notes == (said,)


def test_the_gate_is_asked_with_the_published_value_as_the_clock_would_show_it() -> None:
    published = replace(TABLE, reading_error_ms=0.5)
    cell = build_gate_cell(measurement(50.0, cell=key(2)), published)
    assert (cell.baseline, cell.reading_error_ms) == (50.25, 0.5)  # half a millisecond cut off two images
    by_head = measurement(50.0, cell=key(2), conditions=replace(NOW, clock=Clock.HEAD))
    assert build_gate_cell(by_head, published).baseline == 50.0


def test_the_gate_is_asked_with_the_raw_passes_of_a_recorded_baseline_and_without_one() -> None:
    measured, baseline = measurement(50.0, 51.0), recorded()
    assert build_gate_cell(measured, baseline) == Cell(measured.per_image_ms(), list(baseline.runs))
    assert build_gate_cell(measured, None).baseline is None


def test_like_conditions_differ_in_nothing() -> None:
    assert describe_differences(NOW, recorded(), TK1) == []
    assert describe_differences(NOW, Baseline("report", 50.0, "tk1.csv"), TK1) == []


def test_a_cell_under_load_is_held_against_its_own_scenario_alone() -> None:
    under_load = replace(key(), scenario="c4")
    judge = judge_of(key(), baseline=recorded(50.0))
    assert verdict(judge, measurement(50.0, cell=under_load)).outcome is Outcome.NEW
    conditions = replace(NOW, clock=Clock.CLIENT, requests=10)
    judge = judge_of(under_load, baseline=recorded(50.0, conditions))
    slower = verdict(judge, measurement(100.0, cell=under_load, conditions=conditions))
    assert (slower.baseline is not None, slower.outcome) == (True, Outcome.REMEASURE)


def test_a_baseline_of_other_passes_under_load_is_not_compared_with() -> None:
    under_load, now = replace(key(), scenario="c4"), replace(NOW, requests=10)
    judge = judge_of(under_load, baseline=recorded(50.0, replace(NOW, requests=40)))
    record = verdict(judge, measurement(50.0, cell=under_load, conditions=now))
    assert record.outcome is Outcome.NEW
    assert record.notes == ("not compared with baselines/tk1.json: --ddperf-load-requests was 40 and is 10",)


def test_cells_under_load_do_not_tell_how_far_the_platform_is_off() -> None:
    plain = [key(size) for size in BATCH_SIZES]
    loads = [replace(cell, scenario="c4") for cell in plain]
    judge = judge_of(*plain, *loads, baseline=recorded(50.0))
    for cell in loads:
        verdict(judge, measurement(75.0, cell=cell))
    records = [verdict(judge, measurement(50.0, cell=cell)) for cell in plain]
    assert [record.outcome for record in records] == [Outcome.OK] * 4
    assert all(abs(record.suite_shift or 0.0) < 0.01 for record in records)


def test_a_server_that_did_not_keep_up_is_noted() -> None:
    behind = loaded("r10", kept_up=False).measurement
    assert behind is not None
    (note,) = verdict(judge_of(), behind).notes
    assert note.startswith("the server did not keep up: it answered 5 of 10 requests per second, and up to 23 waited")


def recording_judge(baseline: Baseline | None, *, held: tuple[CellKey, ...] = ()) -> Judge:
    entries = {} if baseline is None else {key(): baseline}
    return Judge(replace(make_plan(TK1, SERVER, Plan(), 0.1, entries), recorded=held))


def test_a_first_recording_is_not_regressed_from_a_published_table() -> None:
    record = verdict(recording_judge(TABLE), measurement(80.0, 80.0, 80.0))
    assert (record.outcome, record.baseline) == (Outcome.NEW, TABLE)
    assert record.change == pytest.approx(0.6, abs=0.01)
    assert any("published table" in note and "regressed" in note for note in record.notes)


def test_what_is_recorded_already_is_regressed_also_from_a_published_table() -> None:
    assert verdict(recording_judge(TABLE, held=(key(),)), measurement(80.0, 80.0, 80.0)).outcome is Outcome.REGRESSED


def test_a_first_recording_is_regressed_from_figures_of_the_same_board() -> None:
    history = replace(recorded(), kind="history")
    assert verdict(recording_judge(history), measurement(80.0, 80.0, 80.0)).outcome is Outcome.REGRESSED


def test_a_first_recording_within_the_tolerance_keeps_its_verdict() -> None:
    assert verdict(recording_judge(TABLE), measurement(50.2)).outcome is Outcome.OK


def test_the_table_of_a_board_is_that_of_the_platform_that_it_is_like() -> None:
    board = replace(TK1, id="board2", parameters=ServiceParameters(mllib="ncnn"), alike=TK1)
    (note,) = describe_differences(replace(NOW, backend="ncnn"), TABLE, board)
    assert note == "the table was measured with caffe, this server runs ncnn"


def test_each_spelling_of_tensorrt_is_the_table_s_backend() -> None:
    platform = load_catalog().platform("tx2-tensorrt")
    notes = describe_differences(replace(NOW, backend="TensorRT"), TABLE, platform)
    assert not any("tensorrt" in note.lower() for note in notes)


@pytest.mark.parametrize(("table", "is_noted"), [("tx2-tensorrt", True), ("tk1", False)])
def test_only_a_table_of_tensorrt_has_an_engine(table: str, is_noted: bool) -> None:
    now = replace(NOW, backend="tensorrt", engine=1)
    notes = describe_differences(now, TABLE, load_catalog().platform(table))
    assert any("engine" in note for note in notes) is is_noted


@pytest.mark.parametrize(
    ("conditions", "is_noted"),
    [
        (Conditions(Clock.PREDICT, "torch", gpu=False), True),
        (Conditions(Clock.PREDICT, "torch", gpu=True), False),
    ],
)
def test_the_index_of_a_gpu_is_noted_where_the_service_runs_on_a_cpu(conditions: Conditions, is_noted: bool) -> None:
    server = replace(SERVER, parameters=ServiceParameters(gpu=True, gpuid=1))
    remarks = make_plan(TK1, server, Plan(), 0.1, {}).remarks("googlenet", conditions)
    assert any("gpuid = 1" in one for one in remarks) is is_noted


def with_files(measured: Measurement, **digests: str) -> Measurement:
    return replace(measured, network_files={name.replace("_", "."): digest for name, digest in digests.items()})


@pytest.mark.parametrize("kind", ["recorded", "history"])
def test_a_network_file_that_changed_is_a_note_and_the_comparison_goes_on(kind: str) -> None:
    baseline = replace(recorded(), kind=kind, network_files={"deploy.prototxt": "a", "net.caffemodel": "b"})
    record = verdict(
        judge_of(baseline=baseline), with_files(measurement(50.2), deploy_prototxt="a", net_caffemodel="c")
    )
    assert (record.outcome, record.baseline is not None) == (Outcome.OK, True)
    (note,) = record.notes
    assert "net.caffemodel" in note
    assert "deploy.prototxt" not in note


@pytest.mark.parametrize(
    "before",
    [{}, {"net.onnx": "a"}, {"old.onnx": "a"}],
    ids=["nothing is known of the recording", "the same", "another name of the same content"],
)
def test_network_files_that_did_not_change_are_no_note(before: dict[str, str]) -> None:
    baseline = replace(recorded(), network_files=before)
    assert verdict(judge_of(baseline=baseline), with_files(measurement(50.2), net_onnx="a")).notes == ()


def test_network_files_that_cannot_be_read_now_are_no_note() -> None:
    baseline = replace(recorded(), network_files={"net.onnx": "a"})
    assert verdict(judge_of(baseline=baseline), measurement(50.2)).notes == ()


# ---- slow creep


def creeping(
    folder: Path, values: Sequence[float], *, red: Collection[int] = (), commit: str = "0123456789abcdef"
) -> Judge:
    """A judge with a history of these nightly milliseconds; `red` are the nights that the gate found regressed."""
    for night, ms in enumerate(values):
        passes = [ms * scatter for scatter in SCATTER]
        outcome = Outcome.REGRESSED if night in red else Outcome.OK
        record = nightly.cell(key(), passes, outcome=outcome, conditions=NOW)
        nightly.write_night(folder, night, [record], commit=commit)
    nights = read_nights(folder, "tk1")
    baseline = {key(): recorded()}
    tonight = Night(nightly.moment(len(values)), "fedcba9876543210")
    return Judge(PlatformPlan(TK1, SERVER, Plan(), 0.1, baseline, nights, tonight, nights))


def rising(nights: int, percent: float, before: int = 20) -> list[float]:
    """Nightly milliseconds that rise by so many percent a night after some quiet ones."""
    small = (0.0, 0.004, -0.003, 0.002, -0.004, 0.003, -0.002)
    level = [1 + percent / 100 * max(0, night - before + 1) for night in range(before + nights)]
    return [50.0 * share * (1 + small[night % 7]) for night, share in enumerate(level)]


def rounds_of(judge: Judge, ms: float) -> CellRecord:
    """The final record of a cell that is measured until it is decided."""
    every = (verdict(judge, measurement(*[ms] * count)) for count in range(1, 7))
    return next(record for record in every if record.outcome is not Outcome.REMEASURE)


def test_a_cell_that_crept_says_since_which_night_and_commit(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, rising(14, 0.6)), 50.0)
    assert record.outcome is Outcome.REGRESSED
    assert record.creep is not None
    began = datetime.fromisoformat(record.creep.since)
    assert abs((began - datetime.fromisoformat(nightly.moment(20))).days) <= 4
    assert record.creep.commit == "0123456789abcdef"
    assert record.creep.nights == 34 - (began - datetime.fromisoformat(nightly.moment(0))).days
    assert_names(
        record.reason,
        f"slower since the night of {began:%Y-%m-%d} (commit 0123456789ab)",
        f"over {record.creep.nights} nights",
    )


def test_a_cell_that_crept_shows_the_figures_of_the_rise(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, rising(14, 0.6)), 50.0)
    assert record.creep is not None
    assert record.change == record.creep.change
    assert record.creep.change > 0.05
    assert record.limit == pytest.approx(0.05)
    assert record.baseline_ms == pytest.approx(50.0, rel=0.01)


def test_a_cell_that_crept_keeps_its_name_beyond_the_limit_of_a_single_night(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, rising(20, 1.0), red=range(33, 40)), 75.0)
    assert record.outcome is Outcome.REGRESSED
    assert record.creep is not None
    assert record.change == pytest.approx(0.5, abs=0.05)
    assert_names(record.reason, "slower since the night of", "this night")


def test_a_commit_that_is_unknown_is_left_out(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, rising(14, 0.6), commit=""), 50.0)
    assert "slower since the night of" in record.reason
    assert "commit" not in record.reason


def test_a_step_that_the_gate_of_its_night_saw_is_no_creep(tmp_path: Path) -> None:
    values = [*rising(0, 0.0, before=24), *(ms * 1.3 for ms in rising(0, 0.0, before=12))]
    record = rounds_of(creeping(tmp_path, values, red=range(24, 36)), 65.0)
    assert (record.outcome, record.creep) == (Outcome.REGRESSED, None)


def test_a_step_that_was_repaired_is_no_creep(tmp_path: Path) -> None:
    quiet = rising(0, 0.0, before=24)
    record = rounds_of(
        creeping(tmp_path, [*quiet, *(ms * 1.3 for ms in quiet[:10]), *quiet[:10]], red=range(24, 34)), 50.0
    )
    assert (record.outcome, record.creep) == (Outcome.OK, None)


def test_the_nights_between_which_a_creep_began_are_in_its_record(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, rising(14, 0.6)), 50.0)
    assert record.creep is not None
    assert record.since is not None
    assert record.since.good is not None
    assert record.since.night.started == record.creep.since
    nights = [datetime.fromisoformat(one.started) for one in (record.since.good, record.since.night)]
    assert (nights[1] - nights[0]).days == 1


# ---- the nights between which a cell became slower


def test_a_cell_that_is_regressed_says_between_which_nights_it_became_slower(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, [50.0, 50.3, 65.0, 65.2], red=(2, 3)), 65.0)
    assert record.since == Since(
        Night(nightly.moment(2), "0123456789abcdef"), Night(nightly.moment(1), "0123456789abcdef")
    )
    assert record.reason.endswith(f"; {record.since}")


def test_a_cell_that_is_regressed_for_the_first_time_became_slower_tonight(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, [50.0, 50.3]), 65.0)
    assert record.since == Since(
        Night(nightly.moment(2), "fedcba9876543210"), Night(nightly.moment(1), "0123456789abcdef")
    )


def test_a_cell_that_is_not_regressed_says_nothing_of_the_nights_on_which_it_was(tmp_path: Path) -> None:
    record = rounds_of(creeping(tmp_path, [50.0, 65.0, 65.2], red=(1, 2)), 50.0)
    assert (record.outcome, record.since) == (Outcome.OK, None)


def test_a_regressed_cell_without_a_history_has_no_nights() -> None:
    record = rounds_of(judge_of(baseline=recorded()), 65.0)
    assert (record.outcome, record.since) == (Outcome.REGRESSED, None)


def test_a_first_recording_has_no_nights(tmp_path: Path) -> None:
    judge = creeping(tmp_path, [50.0, 50.3])
    published = Baseline("report", 50.0, "baselines/tk1.csv")
    plan = replace(judge._plan, baseline={key(): published}, recorded=frozenset())
    record = rounds_of(Judge(plan), 65.0)
    assert (record.outcome, record.since) == (Outcome.NEW, None)


MODELS = ("alexnet", "caffenet", "densenet", "googlenet", "inception", "resnet50", "vgg16", "vgg19", "yolo", "ssd")


def suite_of(folder: Path, nights: Sequence[tuple[float, float]]) -> dict[str, CellRecord]:
    """The records of ten cells tonight, the last of `nights`; each is the factor of all cells, and that of googlenet.

    A night on which a cell is 20 % slower or more is red, and none is accepted.
    """
    for night, factors in enumerate(nights[:-1]):
        records = []
        for model in MODELS:
            factor = factors[0] * (factors[1] if model == "googlenet" else 1.0)
            passes = [50.0 * factor * scatter for scatter in SCATTER]
            outcome = Outcome.REGRESSED if factor >= 1.2 else Outcome.OK
            records.append(nightly.cell(key(model=model), passes, outcome=outcome, conditions=NOW))
        nightly.write_night(folder, night, records, commit=f"c{night}", accepted=False)
    baseline = {key(model=model): recorded() for model in MODELS}
    history, tonight = read_nights(folder, "tk1"), Night(nightly.moment(len(nights) - 1), "tonight")
    judge = Judge(PlatformPlan(TK1, SERVER, Plan(), 0.1, baseline, history, tonight, history))
    every, own = nights[-1]
    found: dict[str, CellRecord] = {}
    for rounds in range(1, 7):  # as in a run: the first round of all cells, then more of those that are undecided
        for model in MODELS:
            if model not in found or found[model].outcome is Outcome.REMEASURE:
                ms = 50.0 * every * (own if model == "googlenet" else 1.0)
                found[model] = verdict(judge, measurement(*[ms] * rounds, cell=key(model=model)))
    return found


def test_the_nights_of_a_step_are_found_among_common_shifts(tmp_path: Path) -> None:
    nights = [(1.0, 1.0)] * 4 + [(1.06, 1.0), (0.95, 1.3), (1.0, 1.3), (1.05, 1.3)]
    records = suite_of(tmp_path, nights)
    assert {model for model, record in records.items() if record.outcome is Outcome.REGRESSED} == {"googlenet"}
    since = records["googlenet"].since
    assert since is not None
    assert since.good is not None
    assert (since.good.commit, since.night.commit) == ("c4", "c5")


def test_the_cells_of_a_platform_that_shifted_are_slower_since_the_same_night(tmp_path: Path) -> None:
    records = suite_of(tmp_path, [(1.0, 1.0)] * 4 + [(1.3, 1.0)] * 3)
    assert all(record.platform_shifted for record in records.values())
    (since,) = {record.since for record in records.values()}
    assert since is not None
    assert since.good is not None
    assert (since.good.commit, since.night.commit) == ("c3", "c4")
