from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from figure_results import published
from nightly import cell, moment, write_night

from pytest_ddperf import gathering
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.gathering import facts_of, gathered, stored, trends
from pytest_ddperf.history import RunHeader
from pytest_ddperf.records import CellKey, CellRecord, Outcome, ServerFacts

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.history_index import HistoryIndex

KEY, OTHER = CellKey("tk1", "resnet50", 1), CellKey("tx1", "resnet50", 1)
CATALOG = published().catalog


def at(key: CellKey, now_ms: float | None, test: str = "") -> CellRecord:
    record = replace(cell(key, [now_ms or 1.0]), now_ms=now_ms, server=ServerFacts(f"http://{key.platform}"))
    return replace(record, nodeid=test) if test else record


def test_every_cell_of_the_baselines_is_there() -> None:
    results = gathered(CATALOG, [], {})
    assert len(results.of("tk1")) == 13 * 8
    assert sum(one.side == "x" for one in results.of("tk1")) == 60
    assert [one.baseline_ms for one in results.of("tk1") if one.key == KEY] == [203.0]


def test_records_are_joined_cell_by_cell_and_of_several_the_last_counts() -> None:
    new = CellKey("tk1", "resnet50", 3)
    results = gathered(CATALOG, [at(KEY, 250.0, "a"), at(KEY, 210.0, "b"), at(new, 5.0)], {})
    assert {one.key.batch_size: one.side for one in results.of("tk1") if one.key.model == "resnet50"} == {
        1: "both", 2: "baseline", 3: "measured", 4: "baseline", 8: "x", 16: "x", 32: "x", 64: "x", 128: "x",
    }  # fmt: skip
    assert [one.now_ms for one in results.of("tk1") if one.key == KEY] == [210.0]


def test_only_the_platforms_that_are_asked_for() -> None:
    results = gathered(CATALOG, [at(OTHER, 1.0)], {}, platforms=["tk1"])
    assert results.platforms == ("tk1",)


def test_a_project_s_own_table_comes_first(tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tk1.csv").write_text("batch_size,res50\n1,99.5\n", encoding="utf-8")
    results = gathered(CATALOG, [], {}, project_dir=tmp_path, platforms=["tk1"])
    assert [one.baseline_ms for one in results.of("tk1") if one.key == KEY] == [99.5]


def test_without_a_history_the_baselines_are_shown_and_it_is_said(tmp_path: Path) -> None:
    results = stored(CATALOG, tmp_path / ".ddperf")
    assert results.cells == gathered(CATALOG, [], {}).cells
    assert results.warnings == (
        f"There is no run in {tmp_path / '.ddperf'} yet: what is shown is the baselines alone.",
    )


def test_of_each_platform_its_newest_run_is_shown(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0), at(OTHER, 80.0)], platforms=("tk1", "tx1"))
    write_night(tmp_path, 1, [at(KEY, 210.0)])
    results = stored(CATALOG, tmp_path)
    now = {one.key: one.now_ms for one in results.cells if one.now_ms is not None}
    assert now == {KEY: 210.0, OTHER: 80.0}
    assert {platform: run.started for platform, run in results.runs.items()} == {"tk1": moment(1), "tx1": moment(0)}
    assert results.runs["tx1"].servers["tx1"].url == "http://tx1"
    assert results.warnings == ()


def test_a_run_that_measured_nothing_hides_none_that_did(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)])
    write_night(tmp_path, 1, [replace(at(KEY, None), outcome=Outcome.ERROR, measurement=None)])
    assert stored(CATALOG, tmp_path).runs["tk1"].started == moment(0)


def test_a_run_can_be_named(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0)])
    write_night(tmp_path, 1, [at(KEY, 210.0)])
    results = stored(CATALOG, tmp_path, run=path.stem)
    assert [one.now_ms for one in results.of("tk1") if one.key == KEY] == [200.0]


def test_a_run_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0)])
    with pytest.raises(ConfigurationError, match=f"The run 'what' is not in .*; the last ones there are {path.stem}"):
        stored(CATALOG, tmp_path, run="what")


def test_broken_files_are_named_and_counted(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)])
    (tmp_path / "broken.jsonl").write_text("nonsense\n", encoding="utf-8")
    results = stored(CATALOG, tmp_path)
    named, counted = results.warnings
    assert str(tmp_path / "broken.jsonl") in named
    assert counted == f"1 of the 2 files in {tmp_path} could not be read and were skipped."
    assert set(results.runs) == {"tk1"}


def test_a_history_of_broken_files_alone_is_not_called_empty(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("nonsense\n", encoding="utf-8")
    assert not any("There is no run" in warning for warning in stored(CATALOG, tmp_path).warnings)


def test_a_file_that_is_gone_meanwhile_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 200.0)])
    original = gathering._paths

    def losing(index: HistoryIndex, storage: Path, run: str | None) -> dict[str, Path]:
        paths = original(index, storage, run)
        path.unlink()
        return paths

    monkeypatch.setattr(gathering, "_paths", losing)
    results = stored(CATALOG, tmp_path)
    assert results.runs == {}
    assert [str(path) in warning for warning in results.warnings] == [True]


def test_an_interrupted_run_is_shown_as_one(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0)], ended=False)
    assert not stored(CATALOG, tmp_path).runs["tk1"].complete


def test_trends_are_of_the_cells_that_were_measured_on_two_nights_or_more(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 200.0), at(OTHER, 80.0)], platforms=("tk1", "tx1"))
    write_night(tmp_path, 1, [at(KEY, 210.0)])
    (trend,) = trends(tmp_path, ["tk1", "tx1"])
    assert (trend.key, [one.now_ms for one in trend.nights]) == (KEY, [200.0, 210.0])
    assert trends(tmp_path, ["tx1"]) == []
    assert trends(tmp_path / "missing", ["tk1"]) == []


def test_facts_are_those_of_the_header_and_of_the_servers() -> None:
    header = RunHeader("name", moment(0), "0", ("tk1",), facts={"commit": {"id": "abc"}})
    facts = facts_of(header, [at(KEY, 1.0), replace(at(OTHER, 1.0), server=None)], complete=False)
    assert (facts.run, facts.started, facts.commit, facts.complete) == ("name", moment(0), "abc", False)
    assert set(facts.servers) == {"tk1"}
