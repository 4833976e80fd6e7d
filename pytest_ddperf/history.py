"""The history: JSON Lines, one file a run, one cell a line, on disk as soon as the cell has ended.

The first line of a file describes the run (`"type": "run"`), each further one is a cell (`"type": "cell"`), and a run
that came to its end closes with `"type": "end"`. A run that was killed lacks that line and keeps all its cells. A cell
that was measured again has a line for each attempt; each holds all rounds so far, so the last one counts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Mapping  # noqa: TC003 - read at run time, from the fields of RunHeader
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from pytest_ddperf.core.record_codec import to_builtins, to_json
from pytest_ddperf.core.records import CellRecord
from pytest_ddperf.errors import ConfigurationError, DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import FileIO
    from pathlib import Path
    from types import TracebackType

T = TypeVar("T")

FORMAT = 1
"""Version of the line format, in each file's first line."""

USUAL_FOLDER = ".ddperf"
"""The folder of the history where none is named."""

SYNCING_SHARE = 0.02
"""Share of a run's time that may go into confirmations of the disk, one a cell, before cells share them."""

SYNCING_FREE_S = 0.2
"""Seconds of it that are free beside that: in a short run each cell is confirmed."""

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


def new_run(version: str, platforms: tuple[str, ...], *, accepted: bool, facts: Mapping[str, Any]) -> RunHeader:
    """A header for a run that starts now."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(4)}"
    return RunHeader(name, now.isoformat(timespec="seconds"), version, platforms, accepted, dict(facts))


class HistoryWriter:
    """Appends the cells of one run to its own new file; no cell is lost with the process once `append` has returned.

    Each is on the disk by then, too, and survives the machine, as long as that takes no more than a fiftieth of the
    run's time: cells that follow each other faster than a disk can confirm them share a confirmation. What could not
    be written is tried again with whatever comes next: there may be room by then.

    Args:
        folder: of the history; it and the file are made with the first cell.
        header: what the run is.
        now: a steady clock, seconds.
    """

    def __init__(self, folder: Path, header: RunHeader, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began_s = now()
        self._syncing_s = 0.0
        self.path = folder / f"{header.run}.jsonl"
        self._file: FileIO | None = None
        self._lines = [to_json({"type": "run", **to_builtins(header)})]
        self._size = 0  # of the whole lines in the file, bytes
        self._is_torn = False
        self._is_closed = False

    @property
    def unwritten(self) -> int:
        """How many lines are not in the file."""
        return len(self._lines)

    def append(self, record: CellRecord, text: str | None = None) -> None:
        """Keep one cell.

        Args:
            record: of it.
            text: the same as JSON, where it was made already.

        Raises:
            HistoryError: the folder or the file cannot be written; says what to do.
        """
        self._lines.append(b'{"type":"cell",' + (to_json(record) if text is None else text.encode())[1:])
        self._write()

    def close(self, exit_status: int, *, whole: bool = False) -> None:
        """Mark the run as ended and close its file. May be called twice.

        Args:
            exit_status: pytest's.
            whole: whether every cell that its options asked for came to its end, and no test was left out.

        Raises:
            HistoryError: as for `append`.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._lines.append(to_json({"type": "end", "exit_status": exit_status, "whole": whole}))
        try:
            self._write(sync=True)
        finally:
            self._let_go()

    def _write(self, *, sync: bool = False) -> None:
        try:
            if self._file is None:
                _make_folder(self.path.parent)
                self._file = self.path.open("xb", buffering=0)
            while self._lines:
                rest = memoryview(self._lines[0] + b"\n")
                size = len(rest)
                if self._is_torn:
                    self._file.seek(self._size)
                    self._file.truncate()
                while rest:  # what a full disk takes may be a part
                    rest = rest[self._file.write(rest) :]
                    self._is_torn = bool(rest)
                self._size += size
                del self._lines[0]
            began_s = self._now()
            if sync or self._syncing_s <= SYNCING_FREE_S + SYNCING_SHARE * (began_s - self._began_s):
                os.fsync(self._file.fileno())
                self._syncing_s += self._now() - began_s
        except OSError as error:
            raise _not_kept(self.path, error) from error

    def _let_go(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()  # what it could not write, it tries to write again

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._let_go()


def _make_folder(folder: Path) -> None:
    """Make the folder of the history; the usual one ignores itself for git, as those of pytest and ruff do.

    A folder of another name is the user's own, who may want to commit it.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new and folder.name == USUAL_FOLDER:
        with contextlib.suppress(OSError):  # a convenience: the history is kept without it
            (folder / ".gitignore").write_text("# Created by pytest-ddperf.\n*\n", encoding="utf-8")


def _not_kept(path: Path, error: OSError) -> HistoryError:
    return HistoryError(
        f"The history could not be written to {path}: {error.strerror or error}. What is measured would be lost; "
        "make room or name another folder with --ddperf-storage=DIR."
    )


def _not_read(path: Path, error: OSError) -> HistoryError:
    return HistoryError(f"{shown(path)}: cannot be read: {error.strerror or error}.")


def check_writable(folder: Path) -> None:
    """Find out before the first measurement whether the history can be kept.

    Raises:
        ConfigurationError: the folder cannot be made or written to.
    """
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
    except OSError as error:  # a name that is too long for the file system
        raise ConfigurationError(
            f"The history cannot be kept in {str(folder)[:80]}...: {error.strerror}; name another folder with "
            "--ddperf-storage=DIR."
        ) from None
    try:
        # tried and not asked: for root, all permissions are there, whatever the file system does in the end
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"The history cannot be kept in {folder}: {nearest} cannot be written to ({error.strerror or error}); name "
            "another folder with --ddperf-storage=DIR."
        ) from error


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


def moment(text: str) -> datetime | None:
    """A moment in UTC; None where the text is none in ISO 8601."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def began(path: Path, header: RunHeader) -> datetime:
    """When a run began, UTC.

    Raises:
        HistoryError: its header does not say.
    """
    started = moment(header.started)
    if started is None:
        raise HistoryError(f"{shown(path)}, line 1: {header.started!r} is no date; expected a run of the history.")
    return started


def not_there(run: str, folder: Path, known: Iterable[str]) -> ConfigurationError:
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


def shown(path: Path) -> str:
    """A path as text on one line that any stream takes: what cannot be printed in its name is spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(path))


def broken_text(path: Path, count: int, first: tuple[int, str] | None = None) -> str:
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
        f"{shown(path)}: {count} {lines} could not be read and {'was' if count == 1 else 'were'} skipped{where}; the "
        "rest of the run counts."
    )


def runs(folder: Path) -> Iterator[Path]:
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
        raise HistoryError(f"{shown(path)}, line 1: {error}; {expected}.") from error
    if kind != "run":
        raise HistoryError(f"{shown(path)}, line 1: it does not begin with a run; {expected}.")
    if header.format != FORMAT:
        raise HistoryError(f"{shown(path)}, line 1: format {header.format} is not known to this version; {expected}.")
    return header
