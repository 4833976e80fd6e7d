from __future__ import annotations

import multiprocessing
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightly import cell, moment, without_measurement, write_night

from pytest_ddperf import history_index
from pytest_ddperf.history import HistoryWriter, RunHeader, read_run, runs
from pytest_ddperf.history_index import FILE, HistoryIndex, commit_of
from pytest_ddperf.records import Baseline, CellKey, CellRecord, Outcome

KEY, OTHER = CellKey("tk1", "resnet50", 2), CellKey("tk1", "vgg16", 1)
ELSEWHERE = CellKey("tx1", "resnet50", 2)


def at(key: CellKey, now_ms: float | None, outcome: Outcome = Outcome.OK, test: str = "") -> CellRecord:
    """A cell of a night, held against 100 ms."""
    record = replace(
        cell(key, [now_ms or 1.0], outcome=outcome),
        now_ms=now_ms,
        change=None if now_ms is None else now_ms / 100 - 1,
        baseline=Baseline("report", 100.0, "a table"),
    )
    return replace(record, nodeid=test) if test else record


def night(folder: Path, number: int, now_ms: float = 100.0, key: CellKey = KEY) -> Path:
    return write_night(folder, number, [at(key, now_ms)], platforms=(key.platform,))


def values(folder: Path, key: CellKey = KEY, most: int = 90) -> list[float]:
    with HistoryIndex(folder) as index:
        return [one.now_ms for one in index.trend(key, most).nights]


def read_by(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that opening the index reads."""
    read: list[str] = []
    original = history_index._read

    def counting(path: Path) -> object:
        read.append(path.name)
        return original(path)

    with monkeypatch.context() as patched:
        patched.setattr(history_index, "_read", counting)
        HistoryIndex(folder).close()
    return read


# ---- what it holds


def test_a_folder_that_is_not_there_is_an_empty_history(tmp_path: Path) -> None:
    with HistoryIndex(tmp_path / "missing") as index:
        assert (index.platforms(), index.cells("tk1"), index.runs(), index.problems) == ([], [], [], [])
        assert index.newest("tk1") is None
        assert index.trend(KEY).nights == ()
        assert index.skipped == (0, 0)
    assert not (tmp_path / "missing").exists()


def test_a_trend_has_the_nights_oldest_first(tmp_path: Path) -> None:
    for number, ms in ((2, 102.0), (0, 100.0), (1, 101.0)):
        night(tmp_path, number, ms)
    assert values(tmp_path) == [100.0, 101.0, 102.0]


def test_a_trend_is_of_the_newest_nights(tmp_path: Path) -> None:
    for number in range(5):
        night(tmp_path, number, 100.0 + number)
    assert values(tmp_path, most=2) == [103.0, 104.0]


def test_a_night_tells_what_its_record_says(tmp_path: Path) -> None:
    header = RunHeader("run", moment(3), "0", ("tk1",), accepted=True, facts={"commit": {"id": "abc"}})
    with HistoryWriter(tmp_path, header) as writer:
        writer.append(at(KEY, 120.0, Outcome.REGRESSED))
        writer.append(at(OTHER, 80.0, Outcome.IMPROVED))
        writer.close(1, whole=True)
    with HistoryIndex(tmp_path) as index:
        (regressed,) = index.trend(KEY).nights
        (improved,) = index.trend(OTHER).nights
    assert (regressed.run, regressed.started.isoformat(), regressed.commit) == ("run", moment(3), "abc")
    assert (regressed.now_ms, regressed.outcome, regressed.tolerance) == (120.0, Outcome.REGRESSED, 0.05)
    assert regressed.change == pytest.approx(0.2)
    assert (regressed.baseline_ms, regressed.baseline_kind) == (100.0, "report")
    assert (regressed.accepted, improved.accepted) == (False, True)


@pytest.mark.parametrize(("accepted", "whole"), [(True, False), (False, True)])
def test_a_night_that_is_not_whole_or_not_accepted_is_none_to_hold_others_against(
    tmp_path: Path, accepted: bool, whole: bool
) -> None:
    write_night(tmp_path, 0, [at(KEY, 100.0)], accepted=accepted, whole=whole)
    with HistoryIndex(tmp_path) as index:
        assert [one.accepted for one in index.trend(KEY).nights] == [False]
        assert [one.accepted for one in index.runs()] == [False]


def test_of_a_cell_that_was_measured_again_the_last_record_counts(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 130.0, Outcome.REMEASURE), at(OTHER, 7.0), at(KEY, 101.0)])
    assert values(tmp_path) == [101.0]


def test_of_a_cell_that_several_tests_measured_the_last_one_counts(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 100.0, test="a"), at(KEY, 105.0, test="b"), at(KEY, 101.0, test="a")])
    assert values(tmp_path) == [105.0]


def test_a_cell_of_which_nothing_was_measured_is_on_no_night(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, None, Outcome.ERROR), without_measurement(OTHER, Outcome.CRASHED)])
    with HistoryIndex(tmp_path) as index:
        assert (index.cells("tk1"), index.platforms(), index.newest("tk1")) == ([], [], None)


def test_scenarios_are_cells_of_their_own(tmp_path: Path) -> None:
    under_load = replace(KEY, scenario="c4")
    write_night(tmp_path, 0, [at(KEY, 100.0), at(under_load, 300.0)])
    assert (values(tmp_path), values(tmp_path, under_load)) == ([100.0], [300.0])


def test_cells_and_platforms_are_sorted(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(OTHER, 1.0), at(ELSEWHERE, 2.0), at(KEY, 3.0)], platforms=("tx1", "tk1"))
    with HistoryIndex(tmp_path) as index:
        assert index.platforms() == ["tk1", "tx1"]
        assert index.cells("tk1") == [KEY, OTHER]


def test_the_newest_run_of_a_platform_is_the_last_that_measured_it(tmp_path: Path) -> None:
    night(tmp_path, 0)
    last = night(tmp_path, 1)
    night(tmp_path, 2, key=ELSEWHERE)
    write_night(tmp_path, 3, [at(KEY, None, Outcome.ERROR)])
    with HistoryIndex(tmp_path) as index:
        newest = index.newest("tk1")
        assert newest is not None
        assert (newest.path, newest.started) == (last, moment(1))
        assert [run.path.name for run in index.runs("tx1")] == [
            read_run(newest_path(tmp_path, 2)).header.run + ".jsonl"
        ]


def newest_path(folder: Path, number: int) -> Path:
    return next(path for path in runs(folder) if path.stem.endswith(f"{number:08x}"))


def test_a_commit_that_is_not_known_is_none() -> None:
    header = RunHeader("run", moment(0), "0", ("tk1",))
    assert commit_of(header) == ""
    assert commit_of(replace(header, facts={"commit": {"id": "unknown"}})) == ""
    assert commit_of(replace(header, facts={"commit": "abc"})) == ""


@pytest.mark.parametrize("started", ["2026-11-01T04:00:00+02:00", "2026-11-01T02:00:00"])
def test_nights_are_in_utc(tmp_path: Path, started: str) -> None:
    with HistoryWriter(tmp_path, RunHeader("run", started, "0", ("tk1",))) as writer:
        writer.append(at(KEY, 1.0))
    with HistoryIndex(tmp_path) as index:
        assert [one.started.isoformat() for one in index.trend(KEY).nights] == [moment(0)]


# ---- files that come, change and go


def test_only_new_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = night(tmp_path, 0)
    assert read_by(tmp_path, monkeypatch) == [first.name]
    assert read_by(tmp_path, monkeypatch) == []
    second = night(tmp_path, 1, 101.0)
    assert read_by(tmp_path, monkeypatch) == [second.name]
    assert values(tmp_path) == [100.0, 101.0]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = night(tmp_path, 0)
    assert values(tmp_path) == [100.0]
    path.unlink()
    night(tmp_path, 0, 99.5)
    assert values(tmp_path) == [99.5]


def test_a_run_that_goes_on_grows(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, RunHeader("run", moment(0), "0", ("tk1",))) as writer:
        writer.append(at(KEY, 1.0))
        assert (values(tmp_path), values(tmp_path, OTHER)) == ([1.0], [])
        writer.append(at(OTHER, 2.0))
        assert (values(tmp_path), values(tmp_path, OTHER)) == ([1.0], [2.0])


def test_a_file_that_is_gone_is_forgotten_with_its_cells(tmp_path: Path) -> None:
    night(tmp_path, 0)
    gone = night(tmp_path, 1, key=ELSEWHERE)
    with HistoryIndex(tmp_path) as index:
        assert index.platforms() == ["tk1", "tx1"]
    gone.unlink()
    with HistoryIndex(tmp_path) as index:
        assert (index.platforms(), index.cells("tx1"), len(index.runs())) == (["tk1"], [], 1)


# ---- files that are broken


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"nonsense\n", b'{"type":"cell"}\n', b"\xff\xfe\x00", b'{"type":"run"']
)
def test_a_file_that_is_no_history_is_named_and_counted_and_the_others_stand(tmp_path: Path, content: bytes) -> None:
    night(tmp_path, 0)
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(content)
    with HistoryIndex(tmp_path) as index:
        (problem,) = index.problems
        assert str(broken) in problem
        assert index.skipped == (1, 2)
        assert [one.now_ms for one in index.trend(KEY).nights] == [100.0]


def test_broken_lines_are_counted_and_the_others_stand(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 100.0), at(OTHER, 5.0)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"type":"cell","key":1}\n', lines[1], b'{"type":"what"}\n', lines[2][:50]]))
    with HistoryIndex(tmp_path) as index:
        assert index.problems == [f"{path}: 3 lines could not be read and were skipped; the rest of the run counts."]
        assert index.skipped == (0, 1)
        assert (index.cells("tk1"), [run.complete for run in index.runs()]) == ([KEY], [False])


def test_a_file_that_was_mended_is_no_problem_any_more(tmp_path: Path) -> None:
    path = night(tmp_path, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with HistoryIndex(tmp_path) as index:
        assert len(index.problems) == 1
    path.write_bytes(whole)
    with HistoryIndex(tmp_path) as index:
        assert index.problems == []


# ---- the index's own file


@pytest.mark.parametrize("damage", [b"no database " * 4000, b"", b"SQLite format 3\x00" + b"\x00" * 5000])
def test_an_index_that_is_damaged_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    night(tmp_path, 0)
    HistoryIndex(tmp_path).close()
    (tmp_path / FILE).write_bytes(damage)
    assert values(tmp_path) == [100.0]
    assert (tmp_path / FILE).read_bytes() != damage


def test_an_index_that_is_damaged_in_its_middle_is_made_anew_when_that_is_read(tmp_path: Path) -> None:
    for number in range(60):
        write_night(tmp_path, number, [at(replace(KEY, batch_size=size), 100.0) for size in range(1, 20)])
    HistoryIndex(tmp_path).close()
    path = tmp_path / FILE
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'night'").fetchone()
    content[(root - 1) * page : root * page] = b"\xff" * page
    path.write_bytes(content)
    with HistoryIndex(tmp_path) as index:
        assert len(index.trend(KEY).nights) == 60


def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    night(tmp_path, 0)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("CREATE TABLE file (something TEXT)")
        database.execute("PRAGMA user_version = 1")
    assert values(tmp_path) == [100.0]


def test_a_deleted_index_is_made_anew(tmp_path: Path) -> None:
    night(tmp_path, 0)
    HistoryIndex(tmp_path).close()
    (tmp_path / FILE).unlink()
    assert values(tmp_path) == [100.0]


def test_in_a_folder_that_cannot_be_written_it_lives_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night(tmp_path, 0)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert values(tmp_path) == [100.0]
    assert not (tmp_path / FILE).exists()


def test_where_its_file_cannot_be_opened_it_lives_in_memory(tmp_path: Path) -> None:
    night(tmp_path, 0)
    (tmp_path / FILE).mkdir()
    assert values(tmp_path) == [100.0]


def test_while_another_process_holds_it_for_long_it_lives_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(tmp_path, 0)
    HistoryIndex(tmp_path).close()
    night(tmp_path, 1, 101.0)
    monkeypatch.setattr(history_index, "_WAIT_S", 0.05)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert values(tmp_path) == [100.0, 101.0]
    other.close()


def test_processes_that_open_it_at_once_all_see_the_whole(tmp_path: Path) -> None:
    for number in range(20):
        night(tmp_path, number, 100.0 + number)
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        seen = pool.map(values, [tmp_path] * 6)
    assert seen == [[100.0 + number for number in range(20)]] * 6


# ---- the same as reading the runs


RECORDS = st.lists(
    st.builds(
        at,
        st.sampled_from([KEY, OTHER, replace(KEY, scenario="c4")]),
        st.none() | st.floats(1.0, 1e4),
        st.sampled_from([Outcome.OK, Outcome.REGRESSED, Outcome.REMEASURE, Outcome.ERROR]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=6,
)


@given(st.lists(RECORDS, max_size=4))
def test_a_trend_is_what_reading_every_run_says(nights: list[list[CellRecord]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, records in enumerate(nights):
            tests = [replace(one, nodeid=f"{one.nodeid}[{one.key}]") for one in records]
            write_night(folder, number, tests)
        expected: dict[CellKey, list[tuple[str, float, Outcome]]] = {}
        for path in runs(folder):
            run = read_run(path)
            for key, record in {record.key: record for record in run.records}.items():
                if record.now_ms is not None:
                    expected.setdefault(key, []).append((run.header.run, record.now_ms, record.outcome))
        with HistoryIndex(folder) as index:
            found = {
                key: [(one.run, one.now_ms, one.outcome) for one in index.trend(key).nights]
                for key in index.cells("tk1")
            }
    assert found == expected
