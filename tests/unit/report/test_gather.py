from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from figure_results import published
from messages import assert_names
from nightly import cell, moment, write_night

from pytest_ddperf.baselines.recordings import write_recorded
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.budgets import BudgetCheck, Standing, TimeLimit
from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Outcome, ServerFacts
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.index import MOST_NIGHTS
from pytest_ddperf.history.run_file import RunHeader, read_run
from pytest_ddperf.history.writer import HistoryWriter
from pytest_ddperf.report import gather
from pytest_ddperf.report.gather import extract_run_facts, gather_results, load_stored, load_trends

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.history.run_file import Run

KEY, OTHER = CellKey("tk1", "resnet50", 1), CellKey("tx1", "resnet50", 1)
SECOND, THIRD = CellKey("tk1", "resnet50", 2), CellKey("tk1", "vgg16", 1)
CATALOG = published().catalog


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def at(key: CellKey, now_ms: float | None, test: str = "") -> CellRecord:
    record = replace(cell(key, [now_ms or 1.0]), now_ms=now_ms, server=ServerFacts(f"http://{key.platform}"))
    return replace(record, nodeid=test) if test else record


def test_every_cell_of_the_baselines_is_there() -> None:
    results = gather_results(CATALOG, [], {})
    assert len(results.of("tk1")) == 13 * 8
    assert sum(one.side == "x" for one in results.of("tk1")) == 60
    assert [one.baseline_ms for one in results.of("tk1") if one.key == KEY] == [203.0]


def test_a_board_that_is_like_a_platform_is_there_once_it_was_measured(tmp_path: Path) -> None:
    (tmp_path / "ddperf.toml").write_text('[platforms.spare]\nlike = "tk1"\n', encoding="utf-8")
    catalog, key = load_catalog(tmp_path), CellKey("spare", "resnet50", 1)
    assert gather_results(catalog, [], {}, project_dir=tmp_path).of("spare") == ()
    assert len(gather_results(catalog, [], {}, project_dir=tmp_path, platforms=["spare"]).of("spare")) == 13 * 8
    assert len(gather_results(catalog, [at(key, 250.0)], {}, project_dir=tmp_path).of("spare")) == 13 * 8
    write_recorded(tmp_path / "baselines" / "spare.json", [at(key, 250.0)], machine_info={})
    assert len(gather_results(catalog, [], {}, project_dir=tmp_path).of("spare")) == 13 * 8


def test_records_are_joined_cell_by_cell_and_of_equals_the_last_counts() -> None:
    new = CellKey("tk1", "resnet50", 3)
    results = gather_results(CATALOG, [at(KEY, 250.0, "a"), at(KEY, 210.0, "b"), at(new, 5.0)], {})
    assert {one.key.batch_size: one.side for one in results.of("tk1") if one.key.model == "resnet50"} == {
        1: "both", 2: "baseline", 3: "measured", 4: "baseline", 8: "x", 16: "x", 32: "x", 64: "x", 128: "x",
    }  # fmt: skip
    assert [one.now_ms for one in results.of("tk1") if one.key == KEY] == [210.0]


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_tests_that_measured_a_cell_the_reddest_counts(order: int) -> None:
    slow = replace(at(KEY, 250.0, "a"), outcome=Outcome.REGRESSED)
    results = gather_results(CATALOG, [slow, at(KEY, 210.0, "b")][::order], {})
    assert [(one.now_ms, one.nodeid) for one in results.of("tk1") if one.key == KEY] == [(250.0, "a")]


def test_a_baseline_that_cannot_be_read_costs_its_platform_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tx1.json").write_text("{", encoding="utf-8")
    results = gather_results(CATALOG, [at(KEY, 210.0)], {}, project_dir=tmp_path)
    assert [one.now_ms for one in results.of("tk1") if one.key == KEY] == [210.0]
    assert "tx1" not in results.platforms
    (warning,) = results.warnings
    assert warning.startswith("The baseline of tx1 is not shown: ")
    assert str(tmp_path / "baselines" / "tx1.json") in warning


def test_a_baseline_that_cannot_be_read_is_an_error_where_its_platform_is_named(tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tx1.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"tx1\.json"):
        gather_results(CATALOG, [], {}, project_dir=tmp_path, platforms=["tx1"])


def test_only_the_platforms_that_are_asked_for() -> None:
    results = gather_results(CATALOG, [at(OTHER, 1.0)], {}, platforms=["tk1"])
    assert results.platforms == ("tk1",)


def test_a_project_s_own_table_comes_first(tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tk1.csv").write_text("batch_size,res50\n1,99.5\n", encoding="utf-8")
    results = gather_results(CATALOG, [], {}, project_dir=tmp_path, platforms=["tk1"])
    assert [one.baseline_ms for one in results.of("tk1") if one.key == KEY] == [99.5]


def test_without_a_history_the_baselines_are_shown_and_it_is_said(tmp_path: Path) -> None:
    results = load_stored(CATALOG, tmp_path / ".ddperf")
    assert results.cells == gather_results(CATALOG, [], {}).cells
    (warning,) = results.warnings
    assert f"no run in {tmp_path / '.ddperf'}" in warning
    assert "only the baselines are shown" in warning


def test_of_each_platform_its_newest_run_is_shown(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0), at(OTHER, 80.0)], platforms=("tk1", "tx1"))
    write_night(tmp_path, 1, [at(KEY, 210.0)])
    results = load_stored(CATALOG, tmp_path)
    now = {one.key: one.now_ms for one in results.cells if one.now_ms is not None}
    assert now == {KEY: 210.0, OTHER: 80.0}
    assert {platform: run.started for platform, run in results.runs.items()} == {"tk1": moment(1), "tx1": moment(0)}
    assert results.runs["tx1"].servers["tx1"].url == "http://tx1"
    assert results.warnings == ()


def test_of_each_cell_the_newest_verdict_is_shown_and_an_earlier_one_says_so(tmp_path: Path) -> None:
    oldest = write_night(tmp_path, 0, [at(THIRD, 500.0), at(SECOND, 190.0)])
    older = write_night(tmp_path, 1, [at(KEY, 200.0), at(SECOND, 180.0)])
    newest = write_night(tmp_path, 2, [at(KEY, 210.0)])
    results = load_stored(CATALOG, tmp_path)
    shown = {one.key: one for one in results.cells if one.now_ms is not None}
    assert {key: one.now_ms for key, one in shown.items()} == {KEY: 210.0, SECOND: 180.0, THIRD: 500.0}
    assert {key: run.run for key, one in shown.items() if (run := results.run_of(one))} == {
        KEY: newest.stem, SECOND: older.stem, THIRD: oldest.stem,
    }  # fmt: skip
    assert [one.earlier is None for one in shown.values()] == [True, False, False]
    assert shown[SECOND].notes == (f"measured by an earlier run, {older.stem} of {moment(1)}",)
    assert results.runs["tk1"].run == newest.stem
    (warning,) = results.warnings
    assert warning.startswith(f"tk1: 2 of the 3 cells shown come from 2 earlier runs, the oldest of {moment(0)}: ")


def test_the_newest_verdict_of_a_cell_counts_although_it_is_no_measurement(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)])
    write_night(tmp_path, 1, [replace(at(KEY, None), outcome=Outcome.OOM, measurement=None), at(SECOND, 180.0)])
    results = load_stored(CATALOG, tmp_path)
    assert [(one.now_ms, one.outcome) for one in results.of("tk1") if one.key == KEY] == [(None, Outcome.OOM)]


def test_each_file_is_read_once_and_only_those_of_the_platforms_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = write_night(tmp_path, 0, [at(KEY, 200.0), at(OTHER, 80.0)], platforms=("tk1", "tx1"))
    write_night(tmp_path, 1, [at(OTHER, 81.0)], platforms=("tx1",))
    third = write_night(tmp_path, 2, [at(SECOND, 190.0)])
    read: list[str] = []
    original = read_run

    def counting(path: Path) -> Run:
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(gather, "read_run", counting)
    load_stored(CATALOG, tmp_path, platforms=["tk1"])
    assert read == [both.name, third.name]


def test_lines_that_hold_no_record_are_named(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0), at(SECOND, 180.0)])
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[2] = lines[2].replace('"measurement":{', '"measurement":{"rounds":1,', 1)
    path.write_text("".join(lines), encoding="utf-8")
    results = load_stored(CATALOG, tmp_path)
    assert [one.key for one in results.cells if one.now_ms is not None] == [KEY]
    (warning,) = results.warnings
    assert warning.startswith(f"{path}: 1 line could not be read and was skipped (line 3: ")


def test_a_time_below_nothing_is_no_record(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, -1.0), at(SECOND, 180.0)])
    results = load_stored(CATALOG, tmp_path)
    (warning,) = results.warnings
    assert warning.startswith(f"{path}: 1 line ")
    assert "line 2: now_ms is -1; expected 0 or more" in warning


def test_measurements_of_a_platform_that_is_none_any_more_are_said(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(replace(KEY, platform="gone"), 200.0), at(KEY, 210.0)], platforms=("gone", "tk1"))
    results = load_stored(CATALOG, tmp_path)
    (warning,) = results.warnings
    assert warning.startswith(f"{tmp_path} contains measurements of 'gone'")
    assert "they are not shown" in warning
    assert "ddperf.toml" in warning
    assert load_stored(CATALOG, tmp_path, platforms=["tk1"]).warnings == ()


WHOLE = {"tk1": {"models": ["resnet50", "vgg16"], "batch_sizes": [1, 2, 4]}}


@pytest.mark.parametrize(
    ("matrix", "missing"), [(WHOLE, {"tk1": 2}), ({}, {}), ("nonsense", {}), ({"tk1": {"models": 1}}, {})]
)
def test_what_a_whole_run_did_not_measure_is_counted_by_platform(
    tmp_path: Path, matrix: object, missing: dict[str, int]
) -> None:
    header = RunHeader("run", moment(0), "0", ("tk1",), facts={"matrix": matrix})
    with HistoryWriter(tmp_path, header) as writer:
        writer.append(at(KEY, 200.0))
    results = load_stored(CATALOG, tmp_path)
    assert (results.missing, results.not_measured) == (missing, sum(missing.values()))


def test_a_run_that_measured_nothing_hides_none_that_did(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)])
    write_night(tmp_path, 1, [replace(at(KEY, None), outcome=Outcome.ERROR, measurement=None)])
    assert load_stored(CATALOG, tmp_path).runs["tk1"].started == moment(0)


def test_a_run_can_be_named(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0)])
    write_night(tmp_path, 1, [at(KEY, 210.0), at(SECOND, 180.0)])
    results = load_stored(CATALOG, tmp_path, run=path.stem)
    assert [one.now_ms for one in results.of("tk1") if one.key == KEY] == [200.0]
    assert [one.key for one in results.cells if one.now_ms is not None] == [KEY]
    assert results.warnings == ()


def test_a_run_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0)])
    with pytest.raises(ConfigurationError) as caught:
        load_stored(CATALOG, tmp_path, run="what")
    assert_names(caught, "'what'", tmp_path, path.stem)


def test_broken_files_are_named_and_counted(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)])
    (tmp_path / "broken.jsonl").write_text("nonsense\n", encoding="utf-8")
    results = load_stored(CATALOG, tmp_path)
    named, counted = results.warnings
    assert str(tmp_path / "broken.jsonl") in named
    assert counted.startswith(f"1 of the 2 files in {tmp_path} ")
    assert set(results.runs) == {"tk1"}


def test_a_history_of_broken_files_alone_is_not_called_empty(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("nonsense\n", encoding="utf-8")
    assert not any("There is no run" in warning for warning in load_stored(CATALOG, tmp_path).warnings)


def test_a_file_that_is_gone_meanwhile_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0)])
    original = read_run

    def losing(wanted: Path) -> Run:
        wanted.unlink()
        return original(wanted)

    monkeypatch.setattr(gather, "read_run", losing)
    results = load_stored(CATALOG, tmp_path)
    assert results.runs == {}
    assert [str(path) in warning for warning in results.warnings] == [True]


def test_an_interrupted_run_is_shown_as_one(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)], ended=False)
    assert not load_stored(CATALOG, tmp_path).runs["tk1"].complete


def test_trends_are_of_the_cells_that_were_measured_on_two_nights_or_more(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0), at(OTHER, 80.0)], platforms=("tk1", "tx1"))
    write_night(tmp_path, 1, [at(KEY, 210.0)])
    (trend,), problems = load_trends(tmp_path, ["tk1", "tx1"])
    assert problems == []
    assert (trend.key, [one.now_ms for one in trend.nights]) == (KEY, [200.0, 210.0])
    assert load_trends(tmp_path, ["tx1"]) == ([], [])
    assert load_trends(tmp_path / "missing", ["tk1"]) == ([], [])


LIMIT = BudgetCheck("min_fps", 25.0, 4.0, 3.9, 4.1, Standing.OVER)


@pytest.mark.parametrize("earlier", [1, 3, MOST_NIGHTS])
@pytest.mark.parametrize("accepted", [True, False])
def test_the_run_that_ended_is_added_to_its_trends_as_the_history_has_it(
    tmp_path: Path, earlier: int, accepted: bool
) -> None:
    for night in range(earlier):
        write_night(tmp_path, night, [at(KEY, 200.0 + night)])
    before, _ = load_trends(tmp_path, ["tk1"], least=1)
    baseline = Baseline("recorded", 190.0, "a file")
    records = [
        replace(at(KEY, 250.0, "a"), outcome=Outcome.REGRESSED, change=0.2, baseline=baseline, budgets=(LIMIT,)),
        at(KEY, 201.0, "b"),
        at(SECOND, 100.0),
        replace(at(THIRD, 90.0), outcome=Outcome.CRASHED),
    ]
    run = read_run(write_night(tmp_path, earlier, records, accepted=accepted))
    facts = extract_run_facts(run.header, records, complete=True)
    added = gather.add_run(before, facts, records, accepted=accepted)
    assert added == load_trends(tmp_path, ["tk1"])[0]
    assert [(trend.key, trend.nights[-1].now_ms) for trend in added] == [(KEY, 250.0)]
    assert [one.budget for one in added[0].nights[-2:]] == [None, TimeLimit("25 fps", 40.0)]


def test_facts_are_those_of_the_header_and_of_the_servers() -> None:
    header = RunHeader("name", moment(0), "0", ("tk1",), facts={"commit": {"id": "abc"}})
    facts = extract_run_facts(header, [at(KEY, 1.0), replace(at(OTHER, 1.0), server=None)], complete=False)
    assert (facts.run, facts.started, facts.commit, facts.complete) == ("name", moment(0), "abc", False)
    assert set(facts.servers) == {"tk1"}


@pytest.mark.parametrize(("scenarios", "missing"), [(["", "c4"], 1), ([""], 0), (None, 0)])
def test_cells_under_load_are_missed_where_they_were_asked_for(
    tmp_path: Path, scenarios: list[str] | None, missing: int
) -> None:
    recorded = replace(at(KEY, 200.0), key=replace(KEY, scenario="c4"), outcome=Outcome.NEW)
    write_recorded(tmp_path / "baselines" / "tk1.json", [recorded], machine_info={})
    matrix = {
        "tk1": {"models": ["resnet50"], "batch_sizes": [1]} | ({} if scenarios is None else {"scenarios": scenarios})
    }
    header = RunHeader("run", moment(0), "0", ("tk1",), facts={"matrix": matrix})
    with HistoryWriter(tmp_path / "runs", header) as writer:
        writer.append(at(KEY, 200.0))
    assert load_stored(CATALOG, tmp_path / "runs", project_dir=tmp_path).not_measured == missing
