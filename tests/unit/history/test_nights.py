from __future__ import annotations

import math
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightly import CONDITIONS, cell, moment, without_measurement, write_night

from pytest_ddperf.core.records import CellKey, CellRecord, Clock, Night, Outcome, ServerFacts, Since
from pytest_ddperf.gate.creep import judge_creep
from pytest_ddperf.gate.statistics import round_statistic
from pytest_ddperf.gate.verdicts import Verdict
from pytest_ddperf.history.index import FILE, HistoryIndex
from pytest_ddperf.history.nights import Nights, Tonight, describe_server_change, read_nights
from pytest_ddperf.history.run_file import RunHeader
from pytest_ddperf.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.records import Conditions

KEY, OTHER = CellKey("tk1", "resnet50", 2), CellKey("tk1", "vgg16", 1)
SUITE = tuple(CellKey("tk1", "googlenet", size) for size in range(1, 12))
PASSES = (5.0, 5.2, 5.1)


def of(folder: Path, platform: str = "tk1") -> Nights:
    return read_nights(folder, platform)


def held(folder: Path, key: CellKey = KEY) -> tuple[tuple[float, ...], ...]:
    """The runs that a cell is compared with."""
    baseline = of(folder).baselines().get(key)
    return () if baseline is None else baseline.runs


# ---- accepted nights


def test_an_empty_history_holds_nothing(tmp_path: Path) -> None:
    nights = of(tmp_path / "missing")
    assert (nights.started, nights.skipped, nights.baselines()) == ([], [], {})
    assert nights.creep_values(KEY) == ()


def test_a_baseline_is_the_median_of_the_nights_and_says_how_many_since_when(tmp_path: Path) -> None:
    for night, ms in enumerate((5.0, 7.0, 6.0)):
        write_night(tmp_path, night, [cell(KEY, [ms, ms + 0.2, ms + 0.1])])
    baseline = of(tmp_path).baselines()[KEY]
    assert baseline.kind == "history"
    assert baseline.value_ms == pytest.approx(6.1)
    assert baseline.source == "history, 3 accepted nights since 2026-11-01"
    assert baseline.conditions == CONDITIONS
    assert [run[0] for run in baseline.runs] == [5.0, 7.0, 6.0]


def test_the_network_files_of_a_baseline_are_those_of_its_newest_night(tmp_path: Path) -> None:
    for night, digest in enumerate("ab"):
        record = cell(KEY, PASSES)
        assert record.measurement is not None
        measured = replace(record.measurement, network_files={"net.onnx": digest})
        write_night(tmp_path, night, [replace(record, measurement=measured)])
    assert of(tmp_path).baselines()[KEY].network_files == {"net.onnx": "b"}


def test_one_night_is_one_night(tmp_path: Path) -> None:
    write_night(tmp_path, 4, [cell(KEY, PASSES)])
    assert of(tmp_path).baselines()[KEY].source == "history, 1 accepted night since 2026-11-05"


def test_the_rounds_of_a_night_are_one_run(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, (5.0, 6.0), (7.0, 8.0))])
    assert held(tmp_path) == ((5.0, 6.0, 7.0, 8.0),)


def test_the_rounds_of_a_night_are_kept_apart(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, (5.0, 6.0, 7.0), (8.0,))])
    assert of(tmp_path).baselines()[KEY].rounds == [((5.0, 6.0, 7.0), (8.0,))]


def test_of_a_cell_that_was_measured_again_all_rounds_count_once(tmp_path: Path) -> None:
    first = cell(KEY, (5.0, 6.0), outcome=Outcome.REMEASURE)
    write_night(tmp_path, 0, [first, cell(KEY, (5.0, 6.0), (7.0, 8.0))])
    assert held(tmp_path) == ((5.0, 6.0, 7.0, 8.0),)


@pytest.mark.parametrize("reversed_", [False, True])
def test_of_a_cell_that_several_tests_measured_the_reddest_verdict_counts(tmp_path: Path, reversed_: bool) -> None:
    both = [
        replace(cell(KEY, [9.0, 9.1], outcome=Outcome.UNSTABLE), nodeid="a"),
        replace(cell(KEY, PASSES), nodeid="b"),
    ]
    write_night(tmp_path, 0, both[::-1] if reversed_ else both)
    assert held(tmp_path) == ()


@pytest.mark.parametrize(
    ("accepted", "whole", "ended"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_a_night_that_is_not_accepted_whole_and_complete_is_no_baseline(
    tmp_path: Path, accepted: bool, whole: bool, ended: bool
) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)], accepted=accepted, whole=whole, ended=ended)
    assert of(tmp_path).baselines() == {}


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.IMPROVED, Outcome.NEW])
def test_a_green_cell_becomes_a_baseline(tmp_path: Path, outcome: Outcome) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES, outcome=outcome)])
    assert held(tmp_path) == (PASSES,)


@pytest.mark.parametrize(
    "outcome", sorted(set(Outcome) - {Outcome.OK, Outcome.IMPROVED, Outcome.NEW}, key=str), ids=str
)
def test_any_other_verdict_never_becomes_a_baseline(tmp_path: Path, outcome: Outcome) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)])
    write_night(tmp_path, 1, [cell(KEY, [9.0], outcome=outcome), cell(OTHER, PASSES)])
    assert held(tmp_path) == (PASSES, ())
    assert of(tmp_path).baselines()[KEY].value_ms == 5.1


@pytest.mark.parametrize(
    "record",
    [
        without_measurement(KEY, Outcome.OK),
        cell(KEY),
        cell(KEY, []),
        cell(KEY, PASSES, invalid="the host throttled"),
        cell(KEY, [5.0, 0.0]),
        cell(KEY, [5.0, -1.0]),
        replace(cell(KEY, PASSES), measurement=cell(OTHER, PASSES).measurement),
        replace(cell(KEY, PASSES), key=replace(KEY, batch_size=0)),
        cell(KEY, PASSES, conditions=replace(CONDITIONS, clock=Clock.HEAD)),
    ],
    ids=["nothing", "no round", "no pass", "invalid", "zero", "negative", "another", "no images", "no such clock"],
)
def test_a_cell_without_times_that_can_be_compared_counts_for_nothing(tmp_path: Path, record: CellRecord) -> None:
    write_night(tmp_path, 0, [record])
    nights = of(tmp_path)
    assert (nights.baselines(), nights.creep_values(KEY)) == ({}, ())


def test_only_nights_under_the_conditions_of_the_newest_accepted_one_count(tmp_path: Path) -> None:
    inline = replace(CONDITIONS, image_route="inline")
    write_night(tmp_path, 0, [cell(KEY, [5.0])])
    write_night(tmp_path, 1, [cell(KEY, [6.0], conditions=inline)])
    write_night(tmp_path, 2, [cell(KEY, [7.0])])
    write_night(tmp_path, 3, [cell(KEY, [8.0], conditions=inline)], accepted=False)
    assert held(tmp_path) == ((5.0,), (7.0,))
    assert of(tmp_path).creep_values(KEY) == pytest.approx((5.0, 7.0))


def test_runs_are_aligned_by_night_across_the_cells(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, [1.0])])
    write_night(tmp_path, 1, [cell(KEY, [2.0]), cell(OTHER, [20.0])])
    write_night(tmp_path, 2, [cell(OTHER, [30.0]), cell(KEY, [3.0], outcome=Outcome.REGRESSED)])
    write_night(tmp_path, 3, [cell(KEY, [4.0]), cell(OTHER, [40.0], outcome=Outcome.UNSTABLE)])
    assert held(tmp_path) == ((1.0,), (2.0,), (), (4.0,))
    assert held(tmp_path, OTHER) == ((), (20.0,), (30.0,), ())


def test_the_newest_30_nights_count(tmp_path: Path) -> None:
    for night in range(35):
        write_night(tmp_path, night, [cell(KEY, [10.0 + night]), cell(OTHER, PASSES)])
    assert held(tmp_path) == tuple((10.0 + night,) for night in range(5, 35))


def test_a_cell_that_is_red_for_long_stays_held_against_the_nights_before(tmp_path: Path) -> None:
    for night in range(50):
        outcome = Outcome.OK if night < 10 else Outcome.REGRESSED
        write_night(tmp_path, night, [cell(KEY, [5.0 if night < 10 else 8.0], outcome=outcome), cell(OTHER, PASSES)])
    assert held(tmp_path) == ((5.0,),) * 10 + ((),) * 30
    assert held(tmp_path, OTHER) == ((),) * 10 + (PASSES,) * 30


def test_a_recorded_baseline_restarts_a_cells_history_and_no_others(tmp_path: Path) -> None:
    for night in range(4):
        write_night(tmp_path, night, [cell(KEY, [1.0 + night]), cell(OTHER, [10.0 + night])])
    baselines = of(tmp_path).after({KEY: moment(1)}).baselines()
    assert baselines[KEY].runs == ((), (), (3.0,), (4.0,))
    assert baselines[KEY].source == "history, 2 accepted nights since 2026-11-03"
    assert baselines[OTHER].runs == ((10.0,), (11.0,), (12.0,), (13.0,))


def test_a_cell_that_was_recorded_after_the_last_night_has_no_history(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)])
    assert of(tmp_path).after({KEY: moment(3)}).baselines() == {}


@pytest.mark.parametrize(
    ("since", "left"),
    [("", 2), ("last week", 2), ("2026-11-01", 2), ("2026-11-02", 1), ("2026-11-02T03:30:00+02:00", 1),
     ("0001-01-01T00:00:00+14:00", 2)],
)  # fmt: skip
def test_a_date_is_compared_as_a_moment_and_what_is_none_restricts_nothing(
    tmp_path: Path, since: str, left: int
) -> None:
    for night in range(2):
        write_night(tmp_path, night, [cell(KEY, PASSES)])
    assert len(of(tmp_path).after({KEY: since}).baselines()[KEY].runs) == left


# ---- which files are read


def test_a_run_counts_for_the_platforms_that_it_names(tmp_path: Path) -> None:
    tx1 = replace(KEY, platform="tx1")
    write_night(tmp_path, 0, [cell(KEY, PASSES), cell(tx1, [9.0])], platforms=("tk1", "tx1"))
    write_night(tmp_path, 1, [cell(KEY, [1.0])], platforms=("nano",))
    assert held(tmp_path) == (PASSES,)
    assert [*of(tmp_path, "tx1").baselines()] == [tx1]


def test_what_is_no_history_is_named_and_passed_over(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)])
    undated = write_night(tmp_path, 1, [cell(KEY, PASSES)])
    undated.write_text(undated.read_text().replace(moment(1), "yesterday"))
    (tmp_path / "notes.jsonl").write_text("remember the milk\n")
    (tmp_path / "folder.jsonl").mkdir()
    nights = of(tmp_path)
    assert len(nights.started) == 1
    assert sorted(words.rpartition(".jsonl")[0].rpartition("/")[2] for words in nights.skipped) == [
        undated.stem,
        "folder",
        "notes",
    ]


def test_a_copy_of_a_run_is_not_a_second_night(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [cell(KEY, PASSES)])
    (tmp_path / "a copy.jsonl").write_bytes(path.read_bytes())
    assert held(tmp_path) == (PASSES,)


def test_nights_are_in_the_order_they_began_whatever_their_files_are_called(tmp_path: Path) -> None:
    write_night(tmp_path, 1, [cell(KEY, [2.0])])
    write_night(tmp_path, 0, [cell(KEY, [1.0])]).rename(tmp_path / "copied.jsonl")
    assert held(tmp_path) == ((1.0,), (2.0,))


def test_no_more_accepted_nights_are_read_than_asked_for(tmp_path: Path) -> None:
    for night in range(6):
        write_night(tmp_path, night, [cell(KEY, [1.0 + night])])
    nights = read_nights(tmp_path, "tk1", most=3)
    assert nights.baselines()[KEY].runs == ((4.0,), (5.0,), (6.0,))


def test_runs_that_nobody_accepted_do_not_push_accepted_ones_out(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, [1.0])])
    for night in range(1, 50):
        write_night(tmp_path, night, [cell(KEY, PASSES)], accepted=False)
    nights = read_nights(tmp_path, "tk1", most=40)
    assert nights.baselines()[KEY].runs == ((1.0,),)
    assert len(nights.started) == 41


def test_where_no_night_was_ever_accepted_the_newest_30_runs_are_read(tmp_path: Path) -> None:
    for night in range(40):
        write_night(tmp_path, night, [cell(KEY, PASSES)], accepted=False)
    assert [started.isoformat() for started in of(tmp_path).started] == [moment(night) for night in range(10, 40)]


# ---- the index that the gate shares with the reports


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000] + b"no database" * 400)


def outdate(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE run SET size = 1")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def replace_by_a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize("change", [Path.unlink, damage, cut, outdate, replace_by_a_folder])
def test_the_nights_are_the_same_whatever_became_of_the_index(tmp_path: Path, change: Callable[[Path], object]) -> None:
    for night in range(12):
        write_night(tmp_path, night, suite(night), accepted=night != 5)
    before = of(tmp_path)
    change(tmp_path / FILE)
    after = of(tmp_path)
    assert (after.started, after.baselines()) == (before.started, before.baselines())
    assert after.creep_values(SUITE[0]) == before.creep_values(SUITE[0])


def test_the_nights_of_a_folder_that_cannot_be_written_are_read_and_it_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)])
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert held(tmp_path) == (PASSES,)
    assert not (tmp_path / FILE).exists()


def test_the_gate_reports_an_index_that_it_could_not_use(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)])
    replace_by_a_folder(tmp_path / FILE)
    (text,) = of(tmp_path).skipped
    assert text.startswith(f"{tmp_path / FILE} ")


def test_the_gate_decodes_no_file_that_a_report_has_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_night(tmp_path, 0, [cell(KEY, PASSES)])
    HistoryIndex(tmp_path).close()
    monkeypatch.delattr("pytest_ddperf.history.index.summarize_file")
    assert held(tmp_path) == (PASSES,)


def test_two_runs_that_are_written_at_once_count_when_they_have_ended(tmp_path: Path) -> None:
    first = HistoryWriter(tmp_path, RunHeader("first", moment(0), "0", ("tk1",), accepted=True))
    second = HistoryWriter(tmp_path, RunHeader("second", moment(1), "0", ("tk1",), accepted=True))
    first.append(cell(KEY, [1.0]))
    second.append(cell(KEY, [2.0]))
    assert held(tmp_path) == ()
    second.close(0, whole=True)
    assert held(tmp_path) == ((2.0,),)
    first.close(0, whole=True)
    assert held(tmp_path) == ((1.0,), (2.0,))


# ---- creep


def suite(night: int, factor: float = 1.0) -> list[CellRecord]:
    """Cells that are as on any other night, up to the night's common factor."""
    return [cell(key, [size * factor * (1 + night % 2 * 1e-3)] * 5) for size, key in enumerate(SUITE, 5)]


def test_a_nightly_value_is_what_the_first_round_is_worth_to_the_gate(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, [5.0, 9.0, 5.2, 5.1, 7.0], [1.0] * 5)])
    assert of(tmp_path).creep_values(KEY) == pytest.approx((math.exp(round_statistic([5.0, 5.1, 5.2, 7.0, 9.0])),))


def test_a_night_on_which_all_cells_were_slower_is_taken_out(tmp_path: Path) -> None:
    for night in range(12):
        factor = 1.3 if night == 10 else 1.0
        write_night(tmp_path, night, [cell(KEY, [6.0 * factor] * 5), *suite(night, factor)])
    assert of(tmp_path).creep_values(KEY) == pytest.approx([6.0] * 12, rel=2e-3)


def test_below_8_cells_no_shift_is_taken_out(tmp_path: Path) -> None:
    for night in range(12):
        write_night(tmp_path, night, [cell(KEY, [6.0 + night / 10]), *suite(night)[:6]])
    assert of(tmp_path).creep_values(KEY) == pytest.approx([6.0 + night / 10 for night in range(12)])


def test_the_first_8_values_are_the_first_8_accepted_nights(tmp_path: Path) -> None:
    for night in range(20):
        write_night(tmp_path, night, [cell(KEY, [10.0 + night])], accepted=night % 2 == 0)
    assert of(tmp_path).creep_values(KEY) == pytest.approx([*range(10, 26, 2), 25, 26, 27, 28, 29])


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.IMPROVED, Outcome.NEW, Outcome.REGRESSED, Outcome.UNSTABLE])
def test_creep_looks_at_every_night_that_was_judged(tmp_path: Path, outcome: Outcome) -> None:
    for night in range(8):
        write_night(tmp_path, night, [cell(KEY, [5.0])])
    write_night(tmp_path, 8, [cell(KEY, [6.0], outcome=outcome)], accepted=False, whole=False, ended=False)
    assert of(tmp_path).creep_values(KEY) == pytest.approx([5.0] * 8 + [6.0])


@pytest.mark.parametrize(
    "outcome", [Outcome.INVALID, Outcome.ERROR, Outcome.CRASHED, Outcome.OOM, Outcome.REMEASURE, Outcome.UNAVAILABLE]
)
def test_creep_does_not_look_at_a_night_without_a_verdict(tmp_path: Path, outcome: Outcome) -> None:
    for night in range(8):
        write_night(tmp_path, night, [cell(KEY, [5.0])])
    write_night(tmp_path, 8, [cell(KEY, [6.0], outcome=outcome)])
    assert len(of(tmp_path).creep_values(KEY)) == 8


def test_creep_begins_anew_with_a_recorded_baseline(tmp_path: Path) -> None:
    for night in range(12):
        write_night(tmp_path, night, [cell(KEY, [5.0 if night < 6 else 7.0] * 5), *suite(night)])
    nights = of(tmp_path).after({KEY: moment(5)})
    assert nights.creep_values(KEY) == pytest.approx([7.0] * 6, rel=2e-3)
    assert len(nights.creep_values(SUITE[0])) == 12


def test_cells_that_were_recorded_at_different_times_do_not_disturb_each_others_shift(tmp_path: Path) -> None:
    since = dict.fromkeys(SUITE[:6], moment(9))
    for night in range(30):
        records = [cell(key, [(2.0 if key in since and night >= 10 else 1.0) * 7.0] * 5) for key in SUITE]
        write_night(tmp_path, night, [cell(KEY, [6.0] * 5), *records])
    assert of(tmp_path).after(since).creep_values(KEY) == pytest.approx([6.0] * 30)


def test_a_cell_that_creeps_among_others_raises_the_gates_alarm(tmp_path: Path) -> None:
    for night in range(60):
        wave = 1 + 0.02 * (night * 7 % 5 - 2) / 2  # the whole host is up to 2 % slower or faster
        slow = wave * 1.003 ** max(0, night - 10)
        write_night(tmp_path, night, [cell(KEY, [8.0 * slow] * 5), *suite(night, wave)], accepted=night < 40)
    nights = of(tmp_path)
    assert judge_creep(nights.creep_values(KEY))
    assert judge_creep(nights.creep_values(SUITE[0])) is None


def test_tonights_shift_is_compared_with_the_same_first_nights(tmp_path: Path) -> None:
    for night in range(8):
        write_night(tmp_path, night, [cell(key, [5.0] * 5) for key in SUITE])
    nights = of(tmp_path)
    tonight = dict.fromkeys(SUITE, math.log(5.5))
    assert nights.common_shift({**tonight, OTHER: 99.0}) == pytest.approx(math.log(1.1))
    assert nights.common_shift(dict.fromkeys(SUITE[:7], math.log(5.5))) == 0.0


def test_absurd_times_stay_finite_and_positive(tmp_path: Path) -> None:
    for night, ms in enumerate([1e-300] * 8 + [1e300]):
        write_night(tmp_path, night, [cell(key, [ms]) for key in SUITE])
    assert all(0 < value < math.inf for value in of(tmp_path).creep_values(SUITE[0]))


# ---- broken files, and many


LINES = st.one_of(
    st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")),
    st.sampled_from([b"{}", b"null", b'{"type":"cell"}', b'{"type":"end","exit_status":0,"whole":true}', b"1" * 400]),
)


# tests/fuzz tries many more
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(LINES, max_size=6), st.integers(0, 2000), st.binary(max_size=4))
def test_a_broken_file_is_never_fatal_and_costs_no_other_night(
    tmp_path: Path, lines: list[bytes], cut: int, junk: bytes
) -> None:
    # the newest night is the sound one: a letter changed in the other's conditions makes them others, and is no error
    sound = write_night(tmp_path, 1, [cell(KEY, PASSES)])
    broken = write_night(tmp_path, 0, [cell(KEY, [9.0]), cell(OTHER, [9.0])])
    whole = broken.read_bytes()
    broken.write_bytes(whole[:cut] + junk + whole[cut + len(junk) :] + b"\n".join(lines))
    (tmp_path / "lines.jsonl").write_bytes(b"\n".join(lines))
    try:
        nights = of(tmp_path)
        assert PASSES in nights.baselines()[KEY].runs
        assert any("lines.jsonl" in words for words in nights.skipped)
        nights.creep_values(KEY)
    finally:
        sound.unlink()
        broken.unlink()


def test_of_many_nights_those_of_the_platform_count_for_each_of_its_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_ddperf.history.writer.os.fsync", lambda _: None)
    keys = [CellKey("tk1", f"network{model}", size) for model, size in product(range(2), (1, 8))]
    for night in range(60):
        write_night(tmp_path, night, [cell(key, [5.0, 5.1, 5.2, 5.3, 5.4]) for key in keys])
        write_night(tmp_path, 100 + night, [cell(key, PASSES) for key in keys], platforms=("tx1",))
    nights = of(tmp_path)
    assert len(nights.baselines()) == len(keys)
    assert {len(nights.creep_values(key)) for key in keys} == {60}


# ---- the nights between which a cell became slower

RED = Outcome.REGRESSED


def since(
    folder: Path,
    ms: float,
    night: int,
    *,
    baseline_ms: float = 5.0,
    conditions: Conditions = CONDITIONS,
    others: float | None = None,
    others_conditions: Conditions = CONDITIONS,
    platform_shifted: bool = False,
    server: ServerFacts | None = None,
) -> Since | None:
    """Since when a cell is slower that takes `ms` tonight; `others` is tonight's factor of a suite's other cells."""
    cells = {KEY: (conditions, math.log(ms))}
    if others is not None:
        cells |= {key: (others_conditions, math.log(size * others)) for size, key in enumerate(SUITE, 5)}
    change = ms / baseline_ms / (1.0 if others is None or platform_shifted else others) - 1
    shift = None if others is None else others - 1
    verdict = Verdict("regressed", ms, baseline_ms, change, 0.05, "", shift, 0.05, platform_shifted=platform_shifted)
    tonight = Tonight(Night(moment(night), f"c{night}"), cells, server)
    return of(folder).slower_since(KEY, tonight, verdict, 0.05)


def write_steps(folder: Path, *levels: float | None, **facts: bool) -> None:
    """Write a night for each level, at the commits c0, c1 ...; None for a night without the cell."""
    for night, ms in enumerate(levels):
        cells = [cell(OTHER, PASSES)]
        if ms is not None:
            cells.append(cell(KEY, [ms] * 5, outcome=Outcome.OK if ms < 5.5 else RED))
        write_night(folder, night, cells, commit=f"c{night}", **facts)  # type: ignore[arg-type] # none is `platforms`


def commits(found: Since | None) -> tuple[str, str]:
    assert found is not None
    assert found.good is not None
    return found.good.commit, found.night.commit


def test_a_step_of_tonight_is_between_the_last_night_and_tonight(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1, 4.9)
    found = since(tmp_path, 6.0, 3)
    assert found == Since(Night(moment(3), "c3"), Night(moment(2), "c2"))


def test_a_step_some_red_nights_ago_is_between_the_nights_around_it(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1, 6.0, 6.1, 5.9)
    assert since(tmp_path, 6.0, 5) == Since(Night(moment(2), "c2"), Night(moment(1), "c1"))


@pytest.mark.parametrize("facts", [{"accepted": False}, {"whole": False}, {"ended": False}], ids=str)
def test_nights_that_are_no_baseline_count_for_the_step(tmp_path: Path, facts: dict[str, bool]) -> None:
    write_steps(tmp_path, 5.0, 5.1, 6.0, **facts)
    assert commits(since(tmp_path, 6.0, 3)) == ("c1", "c2")


def test_a_night_without_the_cell_is_between_the_two_nights(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1, None, 6.0)
    assert commits(since(tmp_path, 6.0, 4)) == ("c1", "c3")


def test_a_cell_without_a_night_before_has_no_step(tmp_path: Path) -> None:
    assert since(tmp_path, 6.0, 0) is None
    write_steps(tmp_path, None, None)
    assert since(tmp_path, 6.0, 2) is None


def test_nights_under_other_conditions_are_not_compared(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1)
    assert since(tmp_path, 6.0, 2, conditions=replace(CONDITIONS, backend="torch")) is None


def test_a_cell_that_was_slow_on_every_night_has_no_good_night(tmp_path: Path) -> None:
    write_steps(tmp_path, 6.0, 6.1)
    assert since(tmp_path, 6.0, 2) == Since(Night(moment(0), "c0"))


def test_the_level_that_was_recorded_since_is_good(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1, 6.0, 6.1)
    assert commits(since(tmp_path, 7.2, 4, baseline_ms=6.0)) == ("c3", "c4")


@pytest.mark.parametrize("tonight", [1.0, 1.2], ids=["not tonight", "tonight, too"])
def test_a_night_on_which_the_platform_was_slower_is_no_step_of_a_cell(tmp_path: Path, tonight: float) -> None:
    for night in range(12):
        factor = 1.2 if night == 6 else 1.0
        ms = 5.0 * factor * (1.2 if night >= 9 else 1.0)
        outcome = RED if night >= 9 else Outcome.OK
        write_night(tmp_path, night, [cell(KEY, [ms] * 5, outcome=outcome), *suite(night, factor)], commit=f"c{night}")
    assert commits(since(tmp_path, 6.0 * tonight, 12, others=tonight)) == ("c8", "c9")


def test_no_shift_is_removed_from_the_nights_if_that_of_tonight_is_unknown(tmp_path: Path) -> None:
    for night in range(12):
        factor = 1.2 if night >= 9 else 1.0
        cells = [cell(KEY, [5.0 * factor] * 5), *suite(night, factor)]
        write_night(tmp_path, night, cells, commit=f"c{night}")
    changed = replace(CONDITIONS, backend="torch")
    assert commits(since(tmp_path, 6.0, 12, others=1.0, others_conditions=changed)) == ("c8", "c9")


def test_a_cell_is_no_shift_of_the_platform_although_half_of_the_others_became_slower_too(tmp_path: Path) -> None:
    for night in range(12):
        slow = night >= 9
        others = suite(night)[:6] + [
            replace(one, outcome=RED if slow else Outcome.OK) for one in suite(night, 1.2 if slow else 1.0)[6:]
        ]
        write_night(
            tmp_path, night, [cell(KEY, [6.0 if slow else 5.0] * 5, outcome=RED if slow else Outcome.OK), *others],
            commit=f"c{night}",
        )  # fmt: skip
    assert commits(since(tmp_path, 6.0, 12, others=1.0)) == ("c8", "c9")


def test_a_shift_of_the_platform_is_found_on_its_night(tmp_path: Path) -> None:
    for night in range(12):
        factor, outcome = (1.2, RED) if night >= 9 else (1.0, Outcome.OK)
        others = [replace(one, outcome=outcome) for one in suite(night, factor)]
        write_night(tmp_path, night, [cell(KEY, [5.0 * factor] * 5, outcome=outcome), *others], commit=f"c{night}")
    assert commits(since(tmp_path, 6.0, 12, others=1.2, platform_shifted=True)) == ("c8", "c9")


def test_the_load_of_other_cells_is_no_shift_of_a_cell_without_load(tmp_path: Path) -> None:
    loaded = [replace(key, scenario="c4") for key in SUITE]
    for night in range(6):
        factor = 1.2 if night >= 3 else 1.0
        others = [cell(key, [7.0 * factor] * 5) for key in loaded]
        write_night(
            tmp_path, night, [cell(KEY, [5.0 * factor] * 5, outcome=RED if night >= 3 else Outcome.OK), *others],
            commit=f"c{night}",
        )  # fmt: skip
    assert commits(since(tmp_path, 6.0, 6)) == ("c2", "c3")


def test_a_night_with_uncommitted_changes_says_so(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1, dirty=True)
    found = since(tmp_path, 6.0, 2)
    assert found is not None
    assert found.good == Night(moment(1), "c1", is_dirty=True)


OLD_SERVER = ServerFacts("http://h:1", version="v0.19.0", commit="aaa", build_type="Release")
NEW_SERVER = replace(OLD_SERVER, version="v0.20.0", commit="bbb")


def test_the_change_of_the_server_between_the_two_nights_is_named(tmp_path: Path) -> None:
    for night, (ms, server) in enumerate([(5.0, OLD_SERVER), (5.1, OLD_SERVER), (6.0, NEW_SERVER)]):
        record = replace(cell(KEY, [ms] * 5, outcome=Outcome.OK if ms < 5.5 else RED), server=server)
        write_night(tmp_path, night, [record])
    found = since(tmp_path, 6.0, 3, server=replace(NEW_SERVER, version="v0.21.0"))
    assert found is not None
    assert found.server == "version v0.19.0 to v0.20.0, commit aaa to bbb"


def test_the_change_of_the_server_tonight_is_named(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [replace(cell(KEY, [5.0] * 5), server=OLD_SERVER)])
    found = since(tmp_path, 6.0, 1, server=NEW_SERVER)
    assert found is not None
    assert found.server == "version v0.19.0 to v0.20.0, commit aaa to bbb"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OLD_SERVER, OLD_SERVER),
        (OLD_SERVER, replace(OLD_SERVER, url="http://other:2")),
        (OLD_SERVER, replace(OLD_SERVER, version="unknown")),
        (replace(OLD_SERVER, deps_version="1"), OLD_SERVER),
        (None, OLD_SERVER),
        (OLD_SERVER, None),
    ],
    ids=["the same", "another address", "unknown version", "not reported", "unknown before", "unknown now"],
)
def test_facts_that_are_equal_or_unknown_are_no_change_of_the_server(
    before: ServerFacts | None, after: ServerFacts | None
) -> None:
    assert describe_server_change(before, after) == ""


def test_a_long_fact_of_the_server_is_cut_and_without_control_characters() -> None:
    text = describe_server_change(OLD_SERVER, replace(OLD_SERVER, version="v" * 99 + chr(27)))
    assert text == f"version v0.19.0 to {'v' * 37}..."


def test_a_night_whose_file_is_gone_has_what_the_index_knows(tmp_path: Path) -> None:
    write_steps(tmp_path, 5.0, 5.1)
    nights = of(tmp_path)
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    verdict = Verdict("regressed", 6.0, 5.0, 0.2, 0.05, "", None, 0.05)
    tonight = Tonight(Night(moment(2), "c2"), {KEY: (CONDITIONS, math.log(6.0))})
    assert nights.slower_since(KEY, tonight, verdict, 0.05) == Since(tonight.night, Night(moment(1), "c1"))
