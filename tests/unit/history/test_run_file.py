from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from nightly import cell, without_measurement, write_night

from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.history.run_file import HistoryError, read_run

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = CellKey("tk1", "resnet50", 1), CellKey("tk1", "resnet50", 2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_says_whether_it_measured_the_whole_matrix(tmp_path: Path, whole: bool) -> None:
    path = write_night(tmp_path, 0, [cell(FIRST, [5.0])], whole=whole)
    assert json.loads(path.read_text().splitlines()[-1]) == {"type": "end", "exit_status": 0, "whole": whole}
    run = read_run(path)
    assert (run.complete, run.whole) == (True, whole)


def test_a_run_that_was_killed_is_not_whole(tmp_path: Path) -> None:
    run = read_run(write_night(tmp_path, 0, [cell(FIRST, [5.0])], ended=False))
    assert (run.complete, run.whole) == (False, False)


def test_an_end_that_does_not_say_so_is_not_whole(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [cell(FIRST, [5.0])], ended=False)
    path.write_text(path.read_text() + '{"type":"end","exit_status":1}\n')
    run = read_run(path)
    assert (run.exit_status, run.whole, run.broken) == (1, False, ())


def test_of_a_cell_that_was_measured_again_the_last_record_counts_in_the_first_ones_place(tmp_path: Path) -> None:
    again = cell(FIRST, [5.0], [5.1])
    path = write_night(tmp_path, 0, [cell(FIRST, [5.0], outcome=Outcome.REMEASURE), cell(SECOND, [9.0]), again])
    assert read_run(path).records == (again, cell(SECOND, [9.0]))


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = (cell(FIRST, [5.0, 5.2], [5.1]), without_measurement(SECOND, Outcome.OOM))
    assert read_run(write_night(tmp_path, 0, written)).records == written


def test_keys_that_this_version_does_not_know_are_passed_over(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [cell(FIRST, [5.0])])
    lines = [{**json.loads(line), "from_the_future": [1]} for line in path.read_text().splitlines()]
    path.write_text("\n".join(map(json.dumps, lines)))
    run = read_run(path)
    assert (run.records, run.broken, run.whole) == ((cell(FIRST, [5.0]),), (), True)


def test_a_record_without_the_keys_of_later_versions_is_read(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [cell(SECOND, [9.0])], ended=False)
    key = '{"platform":"tk1","model":"resnet50","batch_size":1}'
    path.write_text(f'{path.read_text()}{{"type":"cell","key":{key},"nodeid":"a","outcome":"ok"}}\n')
    assert read_run(path).records[1].key == FIRST


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b'{"type":"cell"}',
        b'{"type":"end"}',
        b'{"type":"end","exit_status":0,"whole":"yes"}',
        b'{"type":"note"}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"type":"end","exit_status":NaN}',
    ],
)
def test_a_broken_line_is_counted_and_the_others_are_read(tmp_path: Path, line: bytes) -> None:
    path = write_night(tmp_path, 0, [cell(FIRST, [5.0])], ended=False)
    path.write_bytes(path.read_bytes() + line + b'\n{"type":"end","exit_status":0,"whole":true}\n')
    run = read_run(path)
    assert [number for number, _ in run.broken] == [3]
    assert all(words for _, words in run.broken)
    assert (len(run.records), run.whole) == (1, True)


@pytest.mark.parametrize("text", ["", "\n", "{}", '{"type":"cell"}', "x" * (1 << 21)])
def test_a_file_that_does_not_begin_with_a_run_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(text)
    with pytest.raises(HistoryError) as caught:
        read_run(path)
    assert_names(caught, "own.jsonl, line 1", "format 1")


def test_a_format_of_another_version_is_refused(tmp_path: Path) -> None:
    path = write_night(tmp_path, 0, [])
    path.write_text(path.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(HistoryError) as caught:
        read_run(path)
    assert_names(caught, "line 1", "format 2")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(HistoryError) as caught:
        read_run(tmp_path / "folder.jsonl")
    assert_names(caught, "folder.jsonl", "Is a directory")
