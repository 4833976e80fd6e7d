"""The one reader of the history: an index of its runs, so that a gated run or a report does not decode every file.

The JSON Lines files are authoritative; the index is built from them and may be deleted at any time. It is updated when
it is opened: new and changed files are read, missing files are dropped, the others are not touched.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

import msgspec

from pytest_ddperf.core.budgets import Budget
from pytest_ddperf.core.results import Trend, TrendNight
from pytest_ddperf.history.index_lines import IndexedCell, IndexedRun, parse_conditions, parse_keys, summarize_file
from pytest_ddperf.history.run_file import describe_broken_lines, format_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_ddperf.core.records import CellKey, Conditions


FILE = "ddperf-index.sqlite"
VERSION: Final = 7
"""SQLite's `user_version` of an index; one of another version is rebuilt. Raise it if the table or its content changes,
as the files that are indexed already are not read again."""

SCHEMA: Final = """CREATE TABLE run (name BLOB PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    summary BLOB NOT NULL, keys BLOB NOT NULL, nights BLOB NOT NULL)"""
"""One row per file; its name is stored as bytes, because not every name is UTF-8. `summary` and `keys` hold an
`IndexedRun`, `nights` the cells by platform. All are MessagePack. Opening the index reads no `nights`."""

MOST_NIGHTS = 90
"""Default maximum number of nights in a trend."""

_WAIT_S = 2.0
"""How long to wait for another process that writes the index, seconds. After that the files are read instead, which is
faster than waiting longer."""

_DAMAGE = (sqlite3.DatabaseError, msgspec.MsgspecError)
"""Raised for an index that is damaged. One that is locked or cannot be written raises `sqlite3.OperationalError`."""

_SUMMARY = msgspec.msgpack.Decoder(tuple)
_NIGHTS = msgspec.msgpack.Decoder(dict[str, tuple[list[bytes], msgspec.Raw]])  # conditions and cells, by platform
_CELLS = msgspec.msgpack.Decoder(list[IndexedCell])


@dataclass(frozen=True, slots=True)
class IndexedNight:
    """The cells of one platform in one run."""

    run: IndexedRun
    keys: Sequence[CellKey]
    encoded_conditions: Sequence[bytes]
    encoded_cells: msgspec.Raw

    def cells(self) -> list[IndexedCell]:
        """Return the cells in the order of the keys."""
        return _CELLS.decode(self.encoded_cells)

    def conditions(self) -> list[Conditions]:
        """Return the conditions that occur; equal ones of different nights are the same object."""
        return [parse_conditions(text) for text in self.encoded_conditions]


class HistoryIndex:
    """The index of one history folder, updated when it is opened.

    If its file cannot be written, the index is kept in memory, for this process only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trouble: list[str] = []  # a text if the index's own file could not be used
        self._files: list[IndexedRun] = []
        self._runs: list[IndexedRun] = []
        self._copies: dict[Path, IndexedRun] = {}
        self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        path = self.folder / FILE
        if self.folder.is_dir() and os.access(self.folder, os.W_OK):
            for _ in range(2):
                try:
                    return self._update(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None))
                except sqlite3.OperationalError as error:  # locked for too long, or the disk is full
                    read_instead = f"Every run in {self.folder} was read instead, which is slow."
                    self.trouble = [f"{format_path(path)} could not be used: {error}. {read_instead}"]
                    break
                except _DAMAGE:
                    _remove(path)
        return self._update(sqlite3.connect(":memory:", isolation_level=None))

    def _update(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
                _create_table(database)
            missing = {name: status for name, *status in database.execute("SELECT name, size, changed_ns FROM run")}
            rows = [
                (name, *status, *map(msgspec.msgpack.encode, summarize_file(self.folder / os.fsdecode(name))))
                for name, *status in _list_files(self.folder)
                if missing.pop(name, None) != status
            ]
            if missing or rows:  # only now, so that processes that only read do not wait for each other
                database.execute("BEGIN IMMEDIATE")
                database.executemany("DELETE FROM run WHERE name = ?", [(name,) for name in missing])
                database.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?)", rows)
                database.execute("COMMIT")
            self._load(database)
        except BaseException:
            database.close()
            raise
        return database

    def _load(self, database: sqlite3.Connection) -> None:
        self._files = [
            IndexedRun(self.folder, os.fsdecode(name), *parse_keys(keys), *_SUMMARY.decode(summary))
            for name, summary, keys in database.execute("SELECT name, summary, keys FROM run")
        ]
        self._files.sort(key=lambda file: (len(file.name), file.name))  # a copy usually gets a longer name
        originals: dict[str, IndexedRun] = {}
        self._copies = {
            file.path: original
            for file in self._files
            if not file.problem and (original := originals.setdefault(file.run, file)) is not file
        }
        self._runs = sorted(originals.values(), key=lambda run: (run.started, run.run))

    def runs(self, platform: str | None = None) -> list[IndexedRun]:
        """Return the runs, oldest first; only those started for `platform` if it is given."""
        return [run for run in self._runs if platform is None or platform in run.platforms]

    def newest(self, platform: str) -> IndexedRun | None:
        """Return the newest run that measured a time on a platform; None if there is none."""
        return next(reversed(self._timed(platform)), None)

    def last(self) -> dict[str, IndexedRun]:
        """Return the newest run with a verdict on any cell of a platform, by platform, even if it timed nothing."""
        return {platform: run for run in self._runs for platform in run.judged}

    def platforms(self) -> list[str]:
        """Return the platforms with any measured time, sorted."""
        return sorted({platform for run in self._runs for platform in run.timed})

    def nights(self, platform: str, runs: Iterable[IndexedRun]) -> Iterator[IndexedNight]:
        """Yield the cells of a platform in each of some runs that have any; a deleted run is omitted."""
        for run in runs:
            try:
                night = self._select(platform, run)
            except _DAMAGE:  # the update did not notice it: rebuild the index
                self._database.close()
                _remove(self.folder / FILE)
                self._database = self._open()
                night = self._select(platform, run)
            if night is not None:
                yield night

    def _select(self, platform: str, run: IndexedRun) -> IndexedNight | None:
        name = os.fsencode(run.name)
        row = self._database.execute("SELECT keys, nights FROM run WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        judged, _ = parse_keys(row[0])  # not those of the run, whose file may have grown since
        cells = _NIGHTS.decode(row[1]).get(platform)
        return None if cells is None else IndexedNight(run, judged[platform], *cells)

    def latest(self, platform: str) -> dict[CellKey, Path]:
        """Return the file of each cell's newest verdict; runs that timed nothing on the platform are ignored."""
        found: dict[CellKey, Path] = {}
        known: set[int] = set()
        for run in reversed(self._timed(platform)):
            keys = run.judged[platform]
            if id(keys) not in known:  # equal keys are usually the same object
                known.add(id(keys))
                found = dict.fromkeys(keys, run.path) | found
        return found

    def trends(self, platform: str, most: int = MOST_NIGHTS) -> dict[CellKey, Trend]:
        """Return the newest nights on which each cell of a platform was measured, at most `most`, oldest first."""
        nights: defaultdict[CellKey, list[TrendNight]] = defaultdict(list)
        complete: set[CellKey] = set()  # grows while the runs are selected
        incomplete = (run for run in reversed(self._timed(platform)) if not run.timed[platform] <= complete)
        for night in self.nights(platform, incomplete):
            run, started = night.run, datetime.fromisoformat(night.run.started)
            for key, cell in zip(night.keys, night.cells(), strict=True):
                if cell.now_ms is not None and key not in complete:
                    nights[key].append(
                        TrendNight(
                            run.run, started, cell.now_ms, cell.outcome, cell.accepted, cell.change, cell.tolerance,
                            cell.baseline_ms, cell.baseline_kind, run.commit, cell.limit,
                            Budget(**cell.budget).find_time_limit(key),
                        )
                    )  # fmt: skip
                    if len(nights[key]) == most:
                        complete.add(key)
        return {key: Trend(key, tuple(reversed(nights[key]))) for key in sorted(nights)}

    def _timed(self, platform: str) -> list[IndexedRun]:
        """Return the runs that measured a time on a platform, oldest first."""
        return [run for run in self._runs if platform in run.timed]

    @property
    def problems(self) -> list[str]:
        """One text per file with a problem, and one for the index itself if it could not be used."""
        return [*self.trouble, *self.faults().values()]

    def invalid(self) -> dict[Path, str]:
        """Return a text for each file that is not a valid run or cannot be read; it names the file."""
        files = sorted((file for file in self._files if file.problem), key=lambda file: file.path)
        return {file.path: format_path(file.path) + file.problem for file in files}

    def faults(self) -> dict[Path, str]:
        """Return a text for each file that is not a valid run, is a copy, or has broken lines; it names the file."""
        copies = {
            path: f"{format_path(path)}: the run {original.run} is also in {format_path(original.path)}; it counts "
            "once."
            for path, original in self._copies.items()
        }
        broken = {
            run.path: describe_broken_lines(run.path, run.broken, run.first_broken) for run in self._runs if run.broken
        }
        return dict(sorted((self.invalid() | copies | broken).items()))

    @property
    def skipped(self) -> tuple[int, int]:
        """The number of files that are not valid runs or cannot be read, and the number of all files."""
        return len(self.invalid()), len(self._files)

    def close(self) -> None:
        """Close the index's file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _remove(path: Path) -> None:
    """Remove our index and its journal: SQLite would replay the journal into the next index."""
    for each in (path, path.with_name(f"{path.name}-journal")):
        with contextlib.suppress(OSError):
            each.unlink()


def _create_table(database: sqlite3.Connection) -> None:
    """Create the table in a transaction of its own, unless another process has created it in the meantime."""
    database.execute("BEGIN IMMEDIATE")
    if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            database.execute(f'DROP TABLE "{name}"')
        database.execute(SCHEMA)
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")


def _list_files(folder: Path) -> Iterator[tuple[bytes, int, int]]:
    """Yield the files of the history with their sizes and modification times in nanoseconds."""
    # ValueError: the path contains a NUL, or characters that no file name has
    with contextlib.suppress(OSError, ValueError), os.scandir(os.fsencode(folder)) as entries:
        for entry in entries:
            if entry.name.endswith(b".jsonl"):
                with contextlib.suppress(OSError):  # deleted in the meantime
                    # a link to nothing, as to a share that is not mounted, is listed, to be reported as unreadable
                    leads_nowhere = entry.is_symlink() and not (folder / os.fsdecode(entry.name)).exists()
                    status = entry.stat(follow_symlinks=not leads_nowhere)
                    yield entry.name, status.st_size, status.st_mtime_ns
