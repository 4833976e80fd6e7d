"""One run of the history as JSON Lines: reading it back, whole or its header alone."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping  # noqa: TC003 - read at run time, from the fields of RunHeader
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pytest_ddperf.core.records import CellRecord
from pytest_ddperf.errors import ConfigurationError, DdperfError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


T = TypeVar("T")

FORMAT = 1
"""Version of the line format, in each file's first line."""

USUAL_FOLDER = ".ddperf"
"""The folder of the history where none is named."""

_LONGEST_HEADER = 1 << 20
"""Bytes of a first line that are read at the most: what is longer is no history."""


MOST_IMAGES = (1 << 63) - 1
"""The greatest batch size that a record may have: what is greater is no record, and would fit into no index."""


class HistoryError(DdperfError):
    """A run could not be kept, or its file is none of the history's."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a run was.

    Args:
        run: name of the run and of its file: UTC time and four random bytes, so that two runs never share one.
        started: UTC time in ISO 8601.
        version: version of this package.
        platforms: the platforms measured.
        accepted: whether later nights may be held against this one.
        facts: further facts: commit, tolerance, options given.
    """

    run: str
    started: str
    version: str
    platforms: tuple[str, ...]
    accepted: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT


class _Line(msgspec.Struct):
    type: str = ""


class _End(msgspec.Struct):
    exit_status: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was read back.

    Args:
        records: its cells, in the order they were first measured, each as it was at last.
        exit_status: pytest's; None for a run that did not come to its end.
        broken: lines that could not be read, as (line number from 1, what is wrong).
        whole: whether every cell that its options asked for came to its end, and no test was left out (`-k`, node ids).
    """

    header: RunHeader
    records: tuple[CellRecord, ...]
    exit_status: int | None
    broken: tuple[tuple[int, str], ...] = ()
    whole: bool = False

    @property
    def complete(self) -> bool:
        """Whether the run came to its own end."""
        return self.exit_status is not None


def _make_folder(folder: Path) -> None:
    """Make the folder of the history; the usual one ignores itself for git, as those of pytest and ruff do.

    A folder of another name is the user's own, who may want to commit it.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new and folder.name == USUAL_FOLDER:
        with contextlib.suppress(OSError):  # a convenience: the history is kept without it
            (folder / ".gitignore").write_text("# Created by pytest-ddperf.\n*\n", encoding="utf-8")


def _not_read(path: Path, error: OSError) -> HistoryError:
    return HistoryError(f"{format_path(path)}: cannot be read: {error.strerror or error}.")


def read_header(path: Path) -> RunHeader:
    """Read what a run was, and none of its cells.

    Raises:
        HistoryError: the file cannot be read, or its first line is no run header of a known format.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_HEADER)
    except OSError as error:
        raise _not_read(path, error) from error
    return _header(path, line)


def parse_moment(text: str) -> datetime | None:
    """A moment in UTC; None where the text is none in ISO 8601."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def start_time(path: Path, header: RunHeader) -> datetime:
    """When a run began, UTC.

    Raises:
        HistoryError: its header does not say.
    """
    started = parse_moment(header.started)
    if started is None:
        raise HistoryError(
            f"{format_path(path)}, line 1: {header.started!r} is no date; expected a run of the history."
        )
    return started


def missing_run_error(run: str, folder: Path, known: Iterable[str]) -> ConfigurationError:
    """The error of a run that is named and not stored.

    Args:
        run: its name.
        folder: of the history.
        known: the names of those that are, oldest first.
    """
    last = ", ".join(list(known)[-5:]) or "none"
    return ConfigurationError(f"The run {run!r} is not in {folder}; the last ones there are {last}.")


def read_run(path: Path) -> Run:
    """Read one run back; lines that are broken are counted, not fatal. Of the records of a node id the last one counts.

    Raises:
        HistoryError: the file cannot be read, or its first line is no run header of a known format.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise _not_read(path, error) from error
    header = _header(path, lines[0])
    records: dict[str, CellRecord] = {}
    broken: list[tuple[int, str]] = []
    end: _End | None = None
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            kind = _decoded(line, _Line).type
            if kind == "end":
                end = _decoded(line, _End)
            elif kind == "cell":
                record = _checked(_decoded(line, CellRecord))
                records[record.nodeid] = record
            else:
                broken.append((number, 'a line must have "type" run, cell or end'))
        except ValueError as error:
            broken.append((number, str(error)))
    if end is None:
        return Run(header, tuple(records.values()), None, tuple(broken))
    return Run(header, tuple(records.values()), end.exit_status, tuple(broken), end.whole)


def _checked(record: CellRecord) -> CellRecord:
    """The same record.

    Raises:
        ValueError: it holds what no run writes.
    """
    if record.now_ms is not None and record.now_ms < 0:
        raise ValueError(f"now_ms is {record.now_ms:g}; expected 0 or more")
    if not 0 < record.key.batch_size <= MOST_IMAGES:
        raise ValueError(f"batch_size is {record.key.batch_size}; expected 1 or more, in 64 bits")
    return record


def format_path(path: Path) -> str:
    """A path as text on one line that any stream takes: what cannot be printed in its name is spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(path))


def describe_broken_lines(path: Path, count: int, first: tuple[int, str] | None = None) -> str:
    """A sentence that names a file with broken lines.

    Args:
        path: of the run.
        count: of the lines.
        first: number and fault of the first of them, where they are known.
    """
    lines = "line" if count == 1 else "lines"
    where = ""
    if first is not None:
        where = f" ({'' if count == 1 else 'the first is '}line {first[0]}: {first[1]})"
    return (
        f"{format_path(path)}: {count} {lines} could not be read and {'was' if count == 1 else 'were'} skipped{where}; "
        "the "
        "rest of the run counts."
    )


def list_runs(folder: Path) -> Iterator[Path]:
    """The files of the history, oldest first."""
    yield from sorted(folder.glob("*.jsonl"))


def _decoded(line: bytes, kind: type[T]) -> T:
    """A line as a value; keys that are not known to this version are passed over.

    Raises:
        ValueError: it is no JSON, or not that of a `kind`.
    """
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _header(path: Path, line: bytes) -> RunHeader:
    expected = f"expected a run of the history, format {FORMAT}"
    try:
        kind = _decoded(line, _Line).type
        header = _decoded(line, RunHeader)
    except ValueError as error:
        raise HistoryError(f"{format_path(path)}, line 1: {error}; {expected}.") from error
    if kind != "run":
        raise HistoryError(f"{format_path(path)}, line 1: it does not begin with a run; {expected}.")
    if header.format != FORMAT:
        raise HistoryError(
            f"{format_path(path)}, line 1: format {header.format} is not known to this version; {expected}."
        )
    return header
