"""The files of the history: whose they are, when they are on disk, and what a disk that cannot hold them does."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.core.budgets import BudgetCheck, Standing
from pytest_ddperf.core.records import CellKey, CellRecord, Outcome
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.run_file import HistoryError, Run, list_runs, read_run
from pytest_ddperf.history.writer import HistoryWriter, check_writable, create_header

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

RECORD = CellRecord(CellKey("tk1", "resnet50", 2), "x::y", Outcome.OK, now_ms=1.5)
STARTED = datetime(2026, 11, 3, 2, tzinfo=UTC)
FACTS = {"commit": {"id": "abc"}, "tolerance": {"tk1": 0.1}}
HEADER = create_header("0.1.0", ("tk1",), STARTED, accepted=True, facts=FACTS)


def write(folder: Path) -> Path:
    with HistoryWriter(folder, HEADER) as writer:
        writer.append(RECORD)
        writer.close(0)
    return writer.path


def test_a_run_reads_back_with_what_it_was(tmp_path: Path) -> None:
    run = read_run(write(tmp_path))
    assert (run.header, run.records, run.exit_status, run.complete) == (HEADER, (RECORD,), 0, True)


def test_a_cell_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, HEADER) as writer:
        writer.append(RECORD)
        assert read_run(writer.path).records == (RECORD,)


@every_row("change", [{"key": "p50_ms"}, {"limit": 0}, {"value": 0}, {"low": -1}, {"standing": "beyond"}])
def test_a_cell_with_a_limit_that_cannot_be_is_a_broken_line(tmp_path: Path, change: dict[str, object]) -> None:
    check = BudgetCheck("min_fps", 25.0, 30.0, 29.0, 31.0, Standing.WITHIN)
    with HistoryWriter(tmp_path, HEADER) as writer:
        writer.append(RECORD)
        writer.append(replace(RECORD, nodeid="x::z", budgets=(check,)))
    lines = writer.path.read_text(encoding="utf-8").splitlines()
    stored = json.loads(lines[2])
    stored["budgets"][0] |= change
    writer.path.write_text("\n".join([*lines[:2], json.dumps(stored), ""]), encoding="utf-8")
    run = read_run(writer.path)
    assert (run.records, [number for number, _ in run.broken]) == ((RECORD,), [3])


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, HEADER)
    writer.close(1)
    writer.close(2)
    assert read_run(writer.path).exit_status == 1


def test_two_runs_that_start_at_once_have_two_names() -> None:
    assert len({create_header("0.1.0", ("tk1",), STARTED, accepted=False, facts={}).run for _ in range(100)}) == 100


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    names = [f"{begun}.jsonl" for begun in ("20260101T000000.000Z-ff", "20260101T000000.001Z-aa", "20260102T0")]
    for name in (*reversed(names), "notes.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert [path.name for path in list_runs(tmp_path)] == names


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(HistoryError, match="--ddperf-storage=DIR"):
        HistoryWriter(tmp_path, HEADER).append(RECORD)
    assert read_run(path).records == (RECORD,)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(HistoryError) as caught:
        HistoryWriter(tmp_path / "file" / "below", HEADER).append(RECORD)
    assert_names(caught, tmp_path / "file" / "below", "Not a directory")


def confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sync_s: float, cell_s: float) -> int:
    """How many of 1,000 cells the disk confirms one by one, by what a confirmation and a cell take."""
    clock = [0.0]
    synced = []

    def sync(_: int) -> None:
        clock[0] += sync_s
        synced.append(clock[0])

    monkeypatch.setattr(os, "fsync", sync)
    with HistoryWriter(tmp_path, HEADER, lambda: clock[0]) as writer:
        for _ in range(1000):
            clock[0] += cell_s
            writer.append(RECORD)
        before = len(synced)
        writer.close(0)
    assert len(synced) == before + 1  # the end of a run is always confirmed
    assert len(read_run(writer.path).records) == 1
    return before


def test_the_disk_confirms_each_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert confirmed(tmp_path, monkeypatch, sync_s=0.004, cell_s=0.5) == 1000


def test_cells_that_come_faster_than_a_disk_can_confirm_share_a_confirmation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = confirmed(tmp_path, monkeypatch, sync_s=0.004, cell_s=0.001)
    assert 50 < count < 60  # 0.2 s, and a fiftieth of the run


class Disk:
    """A disk that takes so many bytes more, and says so when it takes no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 30
        disk = self

        class File(io.FileIO):
            def write(self, line: ReadableBuffer, /) -> int:
                taken = bytes(line)[: disk.room]
                if not taken:
                    raise OSError(28, "No space left on device")
                disk.room -= len(taken)
                return super().write(taken)

        monkeypatch.setattr(Path, "open", lambda path, *_, **__: File(path, "xb"))


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch).room = 0
    writer = HistoryWriter(tmp_path, HEADER)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.append(RECORD)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.close(0)
    assert writer.unwritten == 3
    writer.close(0)


def test_a_disk_that_does_not_confirm_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    writer = HistoryWriter(tmp_path, HEADER)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.append(RECORD)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.close(0)
    assert writer.unwritten == 0


@pytest.mark.parametrize("room", [0, 1, 200, 300, 450])
def test_what_a_full_disk_did_not_take_is_there_once_it_has_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    disk = Disk(monkeypatch)
    disk.room = room
    writer = HistoryWriter(tmp_path, HEADER)
    cells = [replace(RECORD, nodeid=f"x::{number}") for number in range(3)]
    for cell in cells[:2]:
        with contextlib.suppress(HistoryError):
            writer.append(cell)
    assert disk.room == 0
    assert writer.unwritten > 0
    disk.room = 1 << 30
    writer.append(cells[2])
    writer.close(0)
    monkeypatch.undo()
    assert read_run(writer.path) == Run(HEADER, tuple(cells), 0)


def test_a_folder_below_one_that_can_be_written_is_good(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="--ddperf-storage=DIR"):
        check_writable(tmp_path / "file" / "below")


def test_a_folder_that_takes_no_file_whatever_its_permissions_say_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pytest_ddperf.history.writer.tempfile.TemporaryFile", refusing)
    with pytest.raises(ConfigurationError) as caught:
        check_writable(tmp_path)
    assert_names(caught, "Read-only file system", "--ddperf-storage=DIR")


def test_every_line_is_json(tmp_path: Path) -> None:
    lines = write(tmp_path).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["run", "cell", "end"]


def test_a_file_whose_first_line_is_a_cell_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    text = path.read_text(encoding="utf-8").replace('"type":"run"', '"type":"cell"', 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HistoryError) as caught:
        read_run(path)
    assert_names(caught, "line 1", "'cell'")


def ignored(folder: Path) -> list[str]:
    """The lines of the folder's .gitignore that are not comments."""
    path = folder / ".gitignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if not line.startswith("#")]


def test_a_new_folder_of_the_usual_name_ignores_itself_for_git(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / ".ddperf", HEADER) as writer:
        writer.append(RECORD)
    assert ignored(tmp_path / ".ddperf") == ["*"]


def test_a_folder_of_another_name_or_that_was_there_is_left_to_the_user(tmp_path: Path) -> None:
    (tmp_path / "there" / ".ddperf").mkdir(parents=True)
    for folder in ("nights", "there/.ddperf"):
        with HistoryWriter(tmp_path / folder, HEADER) as writer:
            writer.append(RECORD)
        assert ignored(tmp_path / folder) == []
