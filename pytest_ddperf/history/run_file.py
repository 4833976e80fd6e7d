"""One run of the history as JSON Lines.

Functions that read raise `HistoryError` for a file that cannot be read or has no header of a known format.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time, from the fields of RunHeader
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from pytest_ddperf.core.records import CellRecord, Night
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class _Cell(Protocol):
    @property
    def nodeid(self) -> str: ...


CellT = TypeVar("CellT", bound=_Cell)

FORMAT = 1
"""Version of the line format, stored in each file's first line."""

CELL_START = b'{"type":"cell",'
"""The beginning of a cell's line as it is written; a line that begins otherwise is valid, too, if it has this type."""

MOST_IMAGES = (1 << 63) - 1
"""Maximum batch size of a record; a larger one is invalid and would not fit into the index."""


class HistoryError(DdperfError):
    """A run could not be saved, or a file does not belong to the history."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """The description of a run.

    Args:
        run: name of the run and of its file: UTC time and four random bytes, so that two runs never share a name.
        started: UTC time in ISO 8601.
        accepted: whether later nights may be compared with this run.
        facts: further facts: commit, tolerance, given options.
    """

    run: str
    started: str
    version: str
    platforms: tuple[str, ...]
    accepted: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def commit(self) -> str:
        """Id of the tested commit, "" if unknown."""
        return get_commit_id(self.facts.get("commit"))


class _Line(msgspec.Struct):
    type: str = ""


class _End(msgspec.Struct):
    exit_status: int
    whole: bool = False


_LINE, _HEADER = msgspec.json.Decoder(_Line), msgspec.json.Decoder(RunHeader)
_CELL, _END = msgspec.json.Decoder(CellRecord), msgspec.json.Decoder(_End)
_BROKEN = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)  # raised for a line that is not valid


@dataclass(frozen=True)
class StoredRun(Generic[CellT]):
    """A run read from its file.

    Args:
        records: the last record of each test, in the order in which the tests first ended.
        exit_status: pytest's; None for a run that did not finish.
        broken: unreadable lines, as (line number from 1, error).
        whole: whether every cell that the options asked for was finished and no test was deselected (`-k`, node ids).
    """

    header: RunHeader
    records: tuple[CellT, ...]
    exit_status: int | None
    broken: tuple[tuple[int, str], ...] = ()
    whole: bool = False

    @property
    def complete(self) -> bool:
        """Whether the run finished."""
        return self.exit_status is not None


Run: TypeAlias = StoredRun[CellRecord]


def parse_moment(text: str) -> datetime | None:
    """Parse an ISO 8601 time and convert it to UTC; None if the text is not valid."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def start_time(path: Path, header: RunHeader) -> datetime:
    """Return when a run began, UTC.

    Raises:
        HistoryError: the header contains no valid start time.
    """
    started = parse_moment(header.started)
    if started is None:
        raise HistoryError(f"{format_path(path)}, line 1: started is {header.started!r}; expected a time in ISO 8601.")
    return started


def read_run(path: Path) -> Run:
    """Read one run; broken lines are collected, not fatal. Only the last record of each node id counts."""
    return decode_run(path, _decode_record)


def decode_run(path: Path, decode: Callable[[bytes], CellT]) -> StoredRun[CellT]:
    """Read one run as `read_run` does; a cell's line for which `decode` raises an error is broken."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HistoryError(f"{format_path(path)}: cannot be read: {error.strerror or error}.") from error
    header = _header(path, lines[0])
    records: dict[str, CellT] = {}
    broken: list[tuple[int, str]] = []
    end: _End | None = None
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            kind = "cell" if line.startswith(CELL_START) else _LINE.decode(line).type
            if kind == "end":
                end = _END.decode(line)
            elif kind == "cell":
                record = decode(line)
                records[record.nodeid] = record
            else:
                broken.append((number, 'expected "type" cell or end'))
        except _BROKEN as error:
            broken.append((number, str(error) or type(error).__name__))
    exit_status, whole = (None, False) if end is None else (end.exit_status, end.whole)
    return StoredRun(header, tuple(records.values()), exit_status, tuple(broken), whole)


def _decode_record(line: bytes) -> CellRecord:
    """Decode the line of a cell; keys unknown to this version are ignored."""
    record = _CELL.decode(line)
    if record.now_ms is not None and record.now_ms < 0:
        raise ValueError(f"now_ms is {record.now_ms:g}; expected 0 or more")
    if not 0 < record.key.batch_size <= MOST_IMAGES:
        raise ValueError(f"batch_size is {record.key.batch_size}; expected 1 to {MOST_IMAGES}")
    return record


def format_path(path: Path) -> str:
    """Return a path as printable text on one line: characters that cannot be printed are escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(path))


def describe_broken_lines(path: Path, count: int, first: tuple[int, str]) -> str:
    """Return a text that names a file with broken lines."""
    lines, were, which = ("line", "was", "") if count == 1 else ("lines", "were", "the first is ")
    return (
        f"{format_path(path)}: {count} {lines} could not be read and {were} skipped ({which}line {first[0]}: "
        f"{first[1]}). The rest of the run is used."
    )


def list_runs(folder: Path) -> list[Path]:
    """List the files of the history, oldest first."""
    return sorted(folder.glob("*.jsonl"))


def _header(path: Path, line: bytes) -> RunHeader:
    expected = f"expected the header of a run, format {FORMAT}"
    try:
        kind = _LINE.decode(line).type
        header = _HEADER.decode(line)
    except _BROKEN as error:
        raise HistoryError(f"{format_path(path)}, line 1: {error}; {expected}.") from error
    if kind != "run":
        raise HistoryError(f"{format_path(path)}, line 1: the type is {kind!r}; {expected}.")
    if header.format != FORMAT:
        raise HistoryError(
            f"{format_path(path)}, line 1: format {header.format} is unknown to this version; {expected}."
        )
    return header


def get_commit_id(commit: object) -> str:
    """Return the commit id from pytest-benchmark's commit facts, "" if they do not contain one."""
    found = commit.get("id") if isinstance(commit, dict) else None
    return found if isinstance(found, str) and found not in {"unknown", "unversioned"} else ""


def describe_night(started: str, commit: object) -> Night:
    """Return a run as a night.

    Args:
        started: when it began, UTC in ISO 8601.
        commit: pytest-benchmark's commit facts.
    """
    return Night(started, get_commit_id(commit), isinstance(commit, dict) and commit.get("dirty") is True)
