from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history import FORMAT, HistoryError, HistoryWriter, check_writable, new_run, read_run, runs
from pytest_ddperf.records import CellKey, CellRecord, Outcome, to_builtins

if TYPE_CHECKING:
    from pathlib import Path

RECORD = CellRecord(CellKey("tk1", "resnet50", 2), "x::y", Outcome.OK, now_ms=1.5)
HEADER = new_run("0.1.0", ("tk1",), accepted=True, facts={"commit": {"id": "abc"}, "tolerance": {"tk1": 0.1}})


def write(folder: Path, *records: CellRecord, status: int | None = 0) -> Path:
    with HistoryWriter(folder, HEADER) as writer:
        for record in records:
            writer.append(record)
        if status is not None:
            writer.close(status)
    return writer.path


def test_a_run_reads_back_as_it_was_written(tmp_path: Path) -> None:
    run = read_run(write(tmp_path, RECORD, RECORD))
    assert (run.header, run.records, run.exit_status, run.broken) == (HEADER, (RECORD, RECORD), 0, ())
    assert run.complete


def test_a_run_without_its_end_is_not_complete(tmp_path: Path) -> None:
    run = read_run(write(tmp_path, RECORD, status=None))
    assert (run.records, run.exit_status, run.complete) == ((RECORD,), None, False)


def test_a_cell_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, HEADER) as writer:
        writer.append(RECORD)
        assert read_run(writer.path).records == (RECORD,)


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, HEADER)
    writer.close(1)
    writer.close(2)
    assert read_run(writer.path).exit_status == 1


def test_two_runs_that_start_at_once_have_two_names() -> None:
    assert len({new_run("0.1.0", ("tk1",), accepted=False, facts={}).run for _ in range(100)}) == 100


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    for name in ("20260102T000000.000Z-aa", "20260101T000000.000Z-ff", "20260101T000000.001Z-aa"):
        (tmp_path / f"{name}.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    assert [path.stem[:8] + path.stem[15:19] for path in runs(tmp_path)] == [
        "20260101.000",
        "20260101.001",
        "20260102.000",
    ]


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path: Path) -> None:
    assert list(runs(tmp_path / "none")) == []


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path, RECORD)
    with pytest.raises(HistoryError, match="--ddperf-storage=DIR"):
        HistoryWriter(tmp_path, HEADER)
    assert read_run(path).records == (RECORD,)


BROKEN: list[tuple[bytes, str]] = [
    (b"{", "Expecting"),
    (b'"\xe9"', "decode"),
    (b"[]", "must be a JSON object"),
    (b'{"type": "other"}', 'must have "type"'),
    (b'{"type": "cell"}', "missing required field"),
    (b'{"type": "end"}', "exit_status"),
    (b'{"type": "end", "exit_status": "soon"}', "invalid literal"),
    (b'{"type": "end", "exit_status": null}', "int"),
    (b"[" * 100_000, "recursion"),
]


@pytest.mark.parametrize(("line", "why"), BROKEN)
def test_a_broken_line_is_counted_and_the_others_are_read(tmp_path: Path, line: bytes, why: str) -> None:
    path = write(tmp_path, RECORD)
    first, cell, end, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, line, cell, b"", end, b""]))
    run = read_run(path)
    assert (run.records, run.exit_status) == ((RECORD,), 0)
    assert [number for number, _ in run.broken] == [2]

    assert re.search(why, run.broken[0][1])


def header(**changes: object) -> bytes:
    return json.dumps({"type": "run", **to_builtins(HEADER), **changes}).encode()


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"nonsense", b'{"type": "run"}', header(format=FORMAT + 1), header(type="cell"), header(run=7)]
)
def test_a_file_that_begins_with_no_run_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(HistoryError, match=rf"a\.jsonl, line 1: .*expected a run of the history, format {FORMAT}\."):
        read_run(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"none\.jsonl: cannot be read: No such file"):
        read_run(tmp_path / "none.jsonl")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(HistoryError, match="could not be written"):
        HistoryWriter(tmp_path / "file" / "below", HEADER)


def test_a_full_disk_is_told_and_the_file_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    writer = HistoryWriter(tmp_path, HEADER)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.append(RECORD)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.close(0)
    writer.close(0)


def test_a_new_file_on_a_full_disk_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HistoryError, match="No space left on device"):
        HistoryWriter(tmp_path, HEADER)


def test_a_folder_below_one_that_can_be_written_is_good(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="--ddperf-storage=DIR"):
        check_writable(tmp_path / "file" / "below")


def test_every_line_is_json_without_nan(tmp_path: Path) -> None:
    path = write(tmp_path, RECORD)

    def refuse(name: str) -> Any:  # noqa: ANN401 - never returns
        raise AssertionError(name)

    assert [
        json.loads(line, parse_constant=refuse)["type"] for line in path.read_text(encoding="utf-8").splitlines()
    ] == [
        "run",
        "cell",
        "end",
    ]
