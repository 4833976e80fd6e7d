from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightly import cell, moment, without_measurement, write_night

from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Outcome
from pytest_ddperf.core.results import TrendNight, select_reddest
from pytest_ddperf.history import index as history_index
from pytest_ddperf.history.index import FILE, HistoryIndex, IndexedNight
from pytest_ddperf.history.index_lines import IndexedRun, summarize_file
from pytest_ddperf.history.run_file import RunHeader, list_runs, read_run
from pytest_ddperf.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KEY, OTHER = CellKey("tk1", "resnet50", 2), CellKey("tk1", "vgg16", 1)
ELSEWHERE = CellKey("tx1", "resnet50", 2)


def at(key: CellKey, now_ms: float | None, outcome: Outcome = Outcome.OK, test: str = "") -> CellRecord:
    """A cell of a night, compared with 100 ms."""
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
        return now_ms(index, key, most)


def nights_of(index: HistoryIndex, key: CellKey = KEY, most: int = 90) -> Sequence[TrendNight]:
    """The nights of a cell, oldest first; empty for a cell that was never measured."""
    trend = index.trends(key.platform, most).get(key)
    return () if trend is None else trend.nights


def now_ms(index: HistoryIndex, key: CellKey = KEY, most: int = 90) -> list[float]:
    return [one.now_ms for one in nights_of(index, key, most)]


def read_by(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that opening the index reads."""
    read: list[str] = []
    original = summarize_file

    def counting(path: Path) -> object:
        read.append(path.name)
        return original(path)

    with monkeypatch.context() as patched:
        patched.setattr(history_index, "summarize_file", counting)
        HistoryIndex(folder).close()
    return read


def nights_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose cells are read from now on, extended with each."""
    read: list[str] = []
    original = HistoryIndex.nights

    def recorded(self: HistoryIndex, platform: str, runs: Iterable[IndexedRun]) -> Iterator[IndexedNight]:
        for night in original(self, platform, runs):
            read.append(night.run.path.name)
            yield night

    monkeypatch.setattr(HistoryIndex, "nights", recorded)
    return read


# ---- what it holds


@pytest.mark.parametrize("name", ["missing", "file", "null\0", "\ud800"])
def test_a_folder_that_is_not_there_is_an_empty_history(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with HistoryIndex(tmp_path / name) as index:
        assert (index.platforms(), index.trends("tk1"), index.runs(), index.problems) == ([], {}, [], [])
        assert index.newest("tk1") is None
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
        (regressed,) = nights_of(index, KEY)
        (improved,) = nights_of(index, OTHER)
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
        assert [one.accepted for one in nights_of(index)] == [False]
        assert [one.accepted for one in index.runs()] == [False]


def test_of_a_cell_that_was_measured_again_the_last_record_counts(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 130.0, Outcome.REMEASURE), at(OTHER, 7.0), at(KEY, 101.0)])
    assert values(tmp_path) == [101.0]


def test_of_a_cell_that_several_tests_measured_the_reddest_counts(tmp_path: Path) -> None:
    red = at(KEY, 130.0, Outcome.REGRESSED, test="a")
    write_night(tmp_path, 0, [red, at(KEY, 105.0, test="b")])
    assert values(tmp_path) == [130.0]


def test_of_equally_red_tests_of_a_cell_the_last_one_counts(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, 100.0, test="a"), at(KEY, 105.0, test="b"), at(KEY, 101.0, test="a")])
    assert values(tmp_path) == [105.0]


def test_a_cell_of_which_nothing_was_measured_is_on_no_night(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(KEY, None, Outcome.ERROR), without_measurement(OTHER, Outcome.CRASHED)])
    with HistoryIndex(tmp_path) as index:
        assert (index.trends("tk1"), index.platforms(), index.newest("tk1")) == ({}, [], None)


@pytest.mark.parametrize(
    ("now_ms", "outcome"),
    [(90.0, Outcome.ERROR), (90.0, Outcome.OOM), (90.0, Outcome.CRASHED), (0.0, Outcome.OK), (-3.0, Outcome.OK)],
)
def test_a_time_that_is_none_of_a_sound_prediction_is_on_no_night(
    tmp_path: Path, now_ms: float, outcome: Outcome
) -> None:
    night(tmp_path, 0)
    write_night(tmp_path, 1, [replace(at(KEY, now_ms, outcome), now_ms=now_ms)])
    assert values(tmp_path) == [100.0]


def test_of_each_cell_the_file_of_its_newest_verdict_is_known(tmp_path: Path) -> None:
    first = write_night(tmp_path, 0, [at(KEY, 1.0), at(OTHER, 2.0)])
    second = write_night(tmp_path, 1, [at(KEY, 3.0), without_measurement(replace(KEY, batch_size=4), Outcome.OOM)])
    write_night(tmp_path, 2, [without_measurement(KEY, Outcome.ERROR)])  # timed nothing: its server was down
    with HistoryIndex(tmp_path) as index:
        assert index.latest("tk1") == {KEY: second, replace(KEY, batch_size=4): second, OTHER: first}
        assert index.latest("tx1") == {}


def test_the_file_of_the_newest_verdict_is_found_without_reading_a_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_night(tmp_path, 0, [at(KEY, 1.0), at(OTHER, 2.0)])
    second = night(tmp_path, 1)
    read = nights_read(monkeypatch)
    with HistoryIndex(tmp_path) as index:
        assert index.latest("tk1") == {KEY: second, OTHER: first}
    assert read == []


def test_a_trend_reads_no_nights_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another, never_timed = replace(KEY, batch_size=4), without_measurement(replace(KEY, batch_size=8), Outcome.OOM)
    usual = [at(KEY, 1.0), at(another, 2.0), never_timed]
    paths = [
        write_night(tmp_path, 0, usual),
        write_night(tmp_path, 1, [*usual, at(OTHER, 3.0)]),
        *(write_night(tmp_path, number, usual[:: (-1) ** number]) for number in range(2, 6)),  # in another order
    ]
    read = nights_read(monkeypatch)
    with HistoryIndex(tmp_path) as index:
        trends = index.trends("tk1", 2)
    assert {key: len(trend.nights) for key, trend in trends.items()} == {KEY: 2, another: 2, OTHER: 1}
    assert read == [paths[number].name for number in (5, 4, 1)]


def test_scenarios_are_cells_of_their_own(tmp_path: Path) -> None:
    under_load = replace(KEY, scenario="c4")
    write_night(tmp_path, 0, [at(KEY, 100.0), at(under_load, 300.0)])
    assert (values(tmp_path), values(tmp_path, under_load)) == ([100.0], [300.0])


def test_cells_and_platforms_are_sorted(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [at(OTHER, 1.0), at(ELSEWHERE, 2.0), at(KEY, 3.0)], platforms=("tx1", "tk1"))
    with HistoryIndex(tmp_path) as index:
        assert index.platforms() == ["tk1", "tx1"]
        assert [*index.trends("tk1")] == [KEY, OTHER]


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


def test_the_last_run_of_a_platform_is_one_with_a_verdict_there_although_it_timed_nothing(tmp_path: Path) -> None:
    night(tmp_path, 0)
    last = write_night(tmp_path, 1, [at(OTHER, None, Outcome.ERROR)])
    other = write_night(tmp_path, 2, [at(ELSEWHERE, 2.0)], platforms=("tk1", "tx1"))  # asked for both, has cells of one
    with HistoryIndex(tmp_path) as index:
        assert {platform: run.path for platform, run in index.last().items()} == {"tk1": last, "tx1": other}


def newest_path(folder: Path, number: int) -> Path:
    return next(path for path in list_runs(folder) if path.stem.endswith(f"{number:08x}"))


def test_a_commit_that_is_not_known_is_none() -> None:
    header = RunHeader("run", moment(0), "0", ("tk1",))
    assert header.commit == ""
    assert replace(header, facts={"commit": {"id": "unknown"}}).commit == ""
    assert replace(header, facts={"commit": {"id": "unversioned"}}).commit == ""  # outside of a repository
    assert replace(header, facts={"commit": "abc"}).commit == ""


@pytest.mark.parametrize("started", ["2026-11-01T04:00:00+02:00", "2026-11-01T02:00:00"])
def test_nights_are_in_utc(tmp_path: Path, started: str) -> None:
    with HistoryWriter(tmp_path, RunHeader("run", started, "0", ("tk1",))) as writer:
        writer.append(at(KEY, 1.0))
    with HistoryIndex(tmp_path) as index:
        assert [one.started.isoformat() for one in nights_of(index)] == [moment(0)]


def test_a_night_keeps_the_limit_and_the_baseline_that_the_gate_compared(tmp_path: Path) -> None:
    record = replace(at(KEY, 120.0), baseline=Baseline("report", 100.0, "tk1.csv"), baseline_ms=100.25, limit=0.12)
    write_night(tmp_path, 0, [record])
    with HistoryIndex(tmp_path) as index:
        (night,) = nights_of(index, KEY, 90)
    assert (night.baseline_ms, night.limit) == (100.25, 0.12)


def test_a_night_of_an_older_version_has_the_stored_baseline(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [replace(at(KEY, 120.0), baseline=Baseline("report", 100.0, "tk1.csv"))])
    new = (
        b',"baseline_ms":null',
        b',"limit":null',
        b',"shift_removed":0.0',
        b',"platform_shifted":false',
        b',"creep":null',
        b',"round_sizes":[]',
    )
    text = path.read_bytes()
    assert all(field in text for field in new)
    for field in new:
        text = text.replace(field, b"")
    path.write_bytes(text)
    with HistoryIndex(tmp_path) as index:
        (night,) = nights_of(index, KEY, 90)
    assert (night.now_ms, night.baseline_ms, night.limit) == (120.0, 100.0, None)
    (record,) = read_run(path).records
    assert (record.baseline_ms, record.limit, record.creep) == (None, None, None)


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
        assert (index.platforms(), index.trends("tx1"), len(index.runs())) == (["tk1"], {}, 1)


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
        assert now_ms(index) == [100.0]


def test_a_link_to_nothing_is_named_and_counted_until_its_target_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    night(folder, 0)
    link = folder / "link.jsonl"
    link.symlink_to(tmp_path / "share" / "run.jsonl")
    for _ in range(2):
        with HistoryIndex(folder) as index:
            (problem,) = index.problems
            assert str(link) in problem
            assert index.skipped == (1, 2)
    night(tmp_path / "share", 1, 101.0).rename(tmp_path / "share" / "run.jsonl")
    with HistoryIndex(folder) as index:
        assert index.problems == []
        assert now_ms(index) == [100.0, 101.0]


def test_broken_lines_are_counted_and_the_others_stand(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 100.0), at(OTHER, 5.0)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"type":"cell","key":1}\n', lines[1], b'{"type":"what"}\n', lines[2][:50]]))
    with HistoryIndex(tmp_path) as index:
        (problem,) = index.problems
        assert problem.startswith(f"{path}: 3 lines")
        assert "line 2: " in problem
        assert index.skipped == (0, 1)
        assert ([*index.trends("tk1")], [run.complete for run in index.runs()]) == ([KEY], [False])


def test_a_file_that_was_mended_is_no_problem_any_more(tmp_path: Path) -> None:
    path = night(tmp_path, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with HistoryIndex(tmp_path) as index:
        assert len(index.problems) == 1
    path.write_bytes(whole)
    with HistoryIndex(tmp_path) as index:
        assert index.problems == []


def test_a_copy_of_a_run_is_no_second_night_and_is_named(tmp_path: Path) -> None:
    path = night(tmp_path, 0)
    copy = path.with_name(f"a copy of {path.name}")
    copy.write_bytes(path.read_bytes())
    with HistoryIndex(tmp_path) as index:
        assert now_ms(index) == [100.0]
        (problem,) = index.problems
        assert problem.startswith(f"{copy}: ")
        assert f" {path};" in problem
        assert (len(index.runs()), index.skipped) == (1, (0, 2))
    path.unlink()
    with HistoryIndex(tmp_path) as index:
        assert now_ms(index) == [100.0]
        assert index.problems == []
        assert [run.path for run in index.runs()] == [copy]


def test_a_batch_size_beyond_64_bits_is_a_broken_line(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [at(KEY, 100.0), at(replace(KEY, batch_size=1 << 70), 1.0)])
    with HistoryIndex(tmp_path) as index:
        assert [*index.trends("tk1")] == [KEY]
        assert [str(path) in problem for problem in index.problems] == [True]
    assert [record.key for record in read_run(path).records] == [KEY]


@pytest.mark.parametrize("started", ["", "yesterday", "99999-01-01T00:00:00"])
def test_a_run_that_does_not_say_when_it_began_is_none(tmp_path: Path, started: str) -> None:
    with HistoryWriter(tmp_path, RunHeader("run", started, "0", ("tk1",))) as writer:
        writer.append(at(KEY, 1.0))
    with HistoryIndex(tmp_path) as index:
        (problem,) = index.problems
        assert problem.startswith(f"{tmp_path / 'run.jsonl'}, line 1: started is {started!r};")
        assert index.platforms() == []


@pytest.mark.parametrize("name", [b"caf\xe9.jsonl", b"two\nlines.jsonl"])
def test_a_name_that_cannot_be_printed_is_spelled_out(tmp_path: Path, name: bytes) -> None:
    path = night(tmp_path, 0)
    odd = tmp_path / os.fsdecode(name)
    path.rename(odd)
    assert values(tmp_path) == [100.0]
    odd.write_bytes(b"nonsense\n")
    with HistoryIndex(tmp_path) as index:
        (problem,) = index.problems
    assert problem.isprintable()
    assert problem.encode().startswith(f"{tmp_path}/{ascii(os.fsdecode(name))[1:-1]}, line 1".encode())


# ---- the index's own file


@pytest.mark.parametrize("kept", [0, 72, 100, 5000])
def test_an_index_that_is_damaged_is_made_anew(tmp_path: Path, kept: int) -> None:
    night(tmp_path, 0)
    HistoryIndex(tmp_path).close()
    path = tmp_path / FILE
    damage = path.read_bytes()[:kept] + b"no database " * (400 if kept else 0)
    path.write_bytes(damage)
    with HistoryIndex(tmp_path) as index:
        assert now_ms(index) == [100.0]
        assert index.problems == []
    assert path.read_bytes() != damage


def somebody_else_s(path: Path) -> bytes:
    """A database of another program."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE file (photo TEXT)")
        database.execute("INSERT INTO file VALUES ('wedding.jpg')")
        database.commit()
    return path.read_bytes()


def test_other_files_of_the_folder_are_not_touched(tmp_path: Path) -> None:
    night(tmp_path, 0)
    before = somebody_else_s(tmp_path / "index.sqlite")
    assert values(tmp_path) == [100.0]
    assert (tmp_path / "index.sqlite").read_bytes() == before


def test_an_index_that_is_damaged_in_its_middle_is_made_anew_when_that_is_read(tmp_path: Path) -> None:
    for number in range(60):
        write_night(tmp_path, number, [at(replace(KEY, batch_size=size), 100.0) for size in range(1, 20)])
    HistoryIndex(tmp_path).close()
    path = tmp_path / FILE
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'run'").fetchone()
    content[(root - 1) * page : root * page] = b"\xff" * page
    path.write_bytes(content)
    with HistoryIndex(tmp_path) as index:
        assert len(nights_of(index)) == 60


def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    night(tmp_path, 0)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("CREATE TABLE file (something TEXT)")
        database.execute("PRAGMA user_version = 1")
    assert values(tmp_path) == [100.0]


def test_an_index_with_commits_that_are_not_versioned_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = night(tmp_path, 0)
    HistoryIndex(tmp_path).close()
    assert read_by(tmp_path, monkeypatch) == []
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("PRAGMA user_version = 5")  # of the version that stored "unversioned" as a commit
    assert read_by(tmp_path, monkeypatch) == [path.name]


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
    with HistoryIndex(tmp_path) as index:
        assert now_ms(index) == [100.0, 101.0]
        (problem,) = index.problems
    assert problem.startswith(f"{tmp_path / FILE} could not be used: database is locked")
    other.close()


def test_an_index_that_is_up_to_date_is_read_while_another_process_writes_it(tmp_path: Path) -> None:
    night(tmp_path, 0)
    HistoryIndex(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with HistoryIndex(tmp_path) as index:
            assert now_ms(index) == [100.0]
            assert index.problems == []


def test_a_file_that_is_deleted_while_the_index_is_open_is_omitted(tmp_path: Path) -> None:
    night(tmp_path, 0)
    gone = night(tmp_path, 1, 101.0)
    with HistoryIndex(tmp_path) as index:
        gone.unlink()
        HistoryIndex(tmp_path).close()
        assert now_ms(index) == [100.0]


def test_a_run_that_grows_while_the_index_is_open_has_the_cells_that_it_has_when_it_is_read(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, RunHeader("run", moment(0), "0", ("tk1",))) as writer:
        writer.append(at(KEY, 1.0))
        with HistoryIndex(tmp_path) as index:
            writer.append(at(OTHER, 2.0))
            HistoryIndex(tmp_path).close()
            assert (now_ms(index), now_ms(index, OTHER)) == ([1.0], [2.0])


def test_a_problem_names_the_file_where_it_is_after_the_folder_was_moved(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    night(before, 0)
    (before / "notes.jsonl").write_text("remember the milk\n")
    HistoryIndex(before).close()
    before.rename(after)
    with HistoryIndex(after) as index:
        (problem,) = index.problems
    assert problem.startswith(f"{after / 'notes.jsonl'}, line 1: ")


READER = """
import json, pathlib, sys
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.history.index import HistoryIndex

with HistoryIndex(pathlib.Path(sys.argv[1])) as index:
    trend = index.trends("tk1", 90)[CellKey("tk1", "resnet50", 2)]
    print(json.dumps([night.now_ms for night in trend.nights]))
"""


def test_processes_that_open_it_at_once_all_see_the_whole(tmp_path: Path) -> None:
    for number in range(20):
        night(tmp_path, number, 100.0 + number)
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    seen = [json.loads(reader.communicate()[0]) for reader in readers]
    assert seen == [[100.0 + number for number in range(20)]] * 4


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
        for path in list_runs(folder):
            run = read_run(path)
            for key, record in select_reddest(run.records).items():
                if record.now_ms is not None and record.outcome is not Outcome.ERROR:
                    expected.setdefault(key, []).append((run.header.run, record.now_ms, record.outcome))
        with HistoryIndex(folder) as index:
            found = {
                key: [(one.run, one.now_ms, one.outcome) for one in trend.nights]
                for key, trend in index.trends("tk1").items()
            }
    assert found == expected
