"""An index of the history, one row per run and one per cell, so that reading a trend does not read the whole history.

The JSON Lines files are authoritative; the index is built from them and may be deleted at any time. It is updated when
it is opened: new and changed files are read, missing files are dropped, the others are not touched. The index file
carries our `application_id`; a file of the same name without it belongs to somebody else and is not modified.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.core.results import Trend, TrendNight
from pytest_ddperf.history.index_lines import commit_of, index_cells, read_lines
from pytest_ddperf.history.run_file import HistoryError, describe_broken_lines, format_path, read_header, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


FILE = "ddperf-index.sqlite"
MARK = 0x64647066
"""SQLite's `application_id` of our files, `ddpf`; it is at byte 68 of the file."""

MOST_NIGHTS = 90
"""Default maximum number of nights in a trend."""

_WAIT_S = 2.0
"""How long to wait for another process that holds the index, seconds. After that the files are read instead, which is
faster than waiting longer."""

_LEFT_AS_IT_IS = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_AUTH,
    }
)  # fmt: skip
"""SQLite's primary result codes that do not mean that the file's contents are damaged."""

_ACCEPTED = (Outcome.OK, Outcome.IMPROVED, Outcome.NEW)


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A run of the history, without its cells.

    Args:
        path: its file.
        started: UTC time in ISO 8601.
        accepted: whether it was a complete, uninterrupted run with --ddperf-accept.
        complete: whether it finished.
    """

    path: Path
    run: str
    started: str
    accepted: bool
    complete: bool


class HistoryIndex:
    """The index of one history folder, updated when it is opened.

    If its file cannot be written, the index is kept in memory, for this process only.

    Args:
        folder: the history folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trouble = ""
        self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        path = self._folder / FILE
        if self._folder.is_dir() and os.access(self._folder, os.W_OK):
            if not _is_ours(path):
                self._trouble = (
                    f"{format_path(path)} is no index of this program and is left as it is: every run in {self._folder}"
                    " was "
                    "read for this. Move the file away, or name another folder of the history."
                )
                return self._up_to_date(sqlite3.connect(":memory:"))
            for _ in range(2):
                try:
                    return self._up_to_date(sqlite3.connect(path, timeout=_WAIT_S))
                except sqlite3.DatabaseError as error:
                    if _primary_code(error) in _LEFT_AS_IT_IS:  # locked for too long, or the disk is full
                        self._trouble = (
                            f"{format_path(path)} could not be used ({error}): every run in {self._folder} was read "
                            "for this."
                        )
                        break
                    _remove(path)  # damaged, or has other tables than ours: rebuild it
        return self._up_to_date(sqlite3.connect(":memory:"))

    def _up_to_date(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            database.isolation_level = None
            database.execute("PRAGMA foreign_keys = ON")
            if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
                _make(database)  # a separate transaction, so that the file carries our mark early
            database.execute("BEGIN IMMEDIATE")
            self._refresh(database)
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _refresh(self, database: sqlite3.Connection) -> None:
        known = {
            os.fsdecode(name): (number, size, changed_ns)
            for number, name, size, changed_ns in database.execute("SELECT id, name, size, changed_ns FROM file")
        }
        stale: list[tuple[int]] = []
        new: list[tuple[Path, int, int]] = []
        for path, size, changed_ns in _files(self._folder):
            stands = known.pop(path.name, None)
            if stands is not None and stands[1:] == (size, changed_ns):
                continue
            if stands is not None:
                stale.append(stands[:1])
            new.append((path, size, changed_ns))
        stale += [(number,) for number, _, _ in known.values()]
        database.executemany("DELETE FROM file WHERE id = ?", stale)
        if stale:  # a file that was a copy may now be the only one
            copies = database.execute("DELETE FROM file WHERE copy_of IS NOT NULL RETURNING name, size, changed_ns")
            new += [(self._folder / os.fsdecode(name), size, changed_ns) for name, size, changed_ns in copies]
        for path, size, changed_ns in sorted(new, key=_copies_last):
            _take_in(database, path, size, changed_ns)
        if stale:
            database.execute("DELETE FROM cell WHERE NOT EXISTS (SELECT 1 FROM night WHERE night.cell = cell.id)")

    def _rows(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.DatabaseError:  # damage that the update did not notice: rebuild the index
            self._database.close()
            if _is_ours(self._folder / FILE):
                _remove(self._folder / FILE)
            self._database = self._opened()
            return self._database.execute(statement, values).fetchall()

    def runs(self, platform: str | None = None) -> list[IndexedRun]:
        """Return the runs, oldest first; only those of `platform` if it is given."""
        rows = self._rows(
            "SELECT name, run, started, accepted, complete FROM file WHERE problem IS NULL AND copy_of IS NULL AND "
            "(:platform IS NULL OR id IN (SELECT file FROM platform WHERE name = :platform)) ORDER BY started, run",
            {"platform": platform},
        )
        return [self._run(row) for row in rows]

    def newest(self, platform: str) -> IndexedRun | None:
        """Return the newest run that measured something on a platform; None if there is none."""
        rows = self._rows(
            "SELECT name, run, started, accepted, complete FROM measured JOIN file ON file.id = measured.file "
            "WHERE platform = ? ORDER BY moment DESC LIMIT 1",
            (platform,),
        )
        return self._run(rows[0]) if rows else None

    def last(self) -> dict[str, IndexedRun]:
        """Return the newest run with a verdict on any cell of a platform, by platform, even if it timed nothing."""
        rows = self._rows(  # SQLite takes the other columns from the row that has the MAX
            "SELECT platform, name, run, started, accepted, complete, MAX(moment) FROM (SELECT id, platform, "
            "(SELECT MAX(moment) FROM night WHERE night.cell = cell.id) AS newest FROM cell) AS each "
            "JOIN night ON night.cell = each.id AND moment = newest JOIN file ON file.id = night.file "
            "GROUP BY platform ORDER BY platform"
        )
        return {platform: self._run(tuple(row)) for platform, *row, _ in rows}

    def _run(self, row: tuple[Any, ...]) -> IndexedRun:
        name, run, started, accepted, complete = row
        return IndexedRun(self._folder / os.fsdecode(name), run, started, bool(accepted), bool(complete))

    def platforms(self) -> list[str]:
        """Return the platforms with any measurement, sorted."""
        return [name for (name,) in self._rows("SELECT DISTINCT platform FROM measured ORDER BY platform")]

    def cells(self, platform: str) -> list[CellKey]:
        """Return the cells of a platform that were ever measured, sorted."""
        rows = self._rows(
            "SELECT platform, model, batch_size, scenario FROM cell WHERE platform = ? AND EXISTS "
            "(SELECT 1 FROM night WHERE night.cell = cell.id AND now_ms IS NOT NULL) "
            "ORDER BY model, batch_size, scenario",
            (platform,),
        )
        return [CellKey(*row) for row in rows]

    def latest(self, platform: str) -> dict[CellKey, Path]:
        """Return the file of each cell's newest verdict; runs that timed nothing on the platform are ignored."""
        rows = self._rows(
            "SELECT platform, model, batch_size, scenario, (SELECT file.name FROM night JOIN file "
            "ON file.id = night.file WHERE night.cell = cell.id AND EXISTS (SELECT 1 FROM measured WHERE "
            "measured.platform = cell.platform AND measured.moment = night.moment) ORDER BY night.moment DESC LIMIT 1) "
            "FROM cell WHERE platform = ? ORDER BY model, batch_size, scenario",
            (platform,),
        )
        return {CellKey(*key): self._folder / os.fsdecode(name) for *key, name in rows if name is not None}

    def trend(self, key: CellKey, most: int = MOST_NIGHTS) -> Trend:
        """Return the newest nights on which a cell was measured, oldest first; only their rows are read.

        Args:
            key: the cell.
            most: the maximum number of nights.
        """
        rows = self._rows(
            "SELECT run, started, now_ms, outcome, accepted, change, tolerance, baseline_ms, baseline_kind, commit_id "
            "FROM night JOIN file ON file.id = night.file WHERE cell = (SELECT id FROM cell WHERE platform = ? AND "
            "model = ? AND batch_size = ? AND scenario = ?) AND now_ms IS NOT NULL ORDER BY moment DESC LIMIT ?",
            (key.platform, key.model, key.batch_size, key.scenario, most),
        )
        return Trend(key, tuple(reversed([_night(row) for row in rows])))

    @property
    def problems(self) -> list[str]:
        """One sentence per file with a problem, and one for the index itself if it could not be used."""
        return [*self.trouble, *self.faults().values()]

    @property
    def trouble(self) -> list[str]:
        """A sentence if the index's own file could not be used; else empty."""
        return [self._trouble] if self._trouble else []

    def faults(self) -> dict[Path, str]:
        """Return a sentence for each file that is not a run, is a copy, or has broken lines; it names the file."""
        rows = self._rows(
            "SELECT name, run, problem, broken, copy_of FROM file WHERE problem IS NOT NULL OR broken > 0 OR "
            "copy_of IS NOT NULL ORDER BY name"
        )
        return dict(map(self._fault, rows))

    def _fault(self, row: tuple[Any, ...]) -> tuple[Path, str]:
        name, run, problem, broken, copy_of = row
        path = self._folder / os.fsdecode(name)
        if problem is not None:
            return path, problem
        if copy_of is None:
            return path, describe_broken_lines(path, broken)
        other = format_path(self._folder / os.fsdecode(copy_of))
        return path, f"{format_path(path)}: the run {run} is in {other} too; it counts once."

    @property
    def skipped(self) -> tuple[int, int]:
        """The number of files that are not valid runs or cannot be read, and the number of all files."""
        ((skipped, every),) = self._rows("SELECT COUNT(problem), COUNT(*) FROM file")
        return skipped, every

    def close(self) -> None:
        """Close the index's file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _is_ours(path: Path) -> bool:
    """Return whether the index's file may be written: it is missing, empty, or has our mark."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not head or (head.startswith(b"SQLite format 3\0") and head[68:] == MARK.to_bytes(4))


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code of an error."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _remove(path: Path) -> None:
    """Remove our index and its journal: SQLite would replay the journal into the next index."""
    for each in (path, path.with_name(f"{path.name}-journal")):
        with contextlib.suppress(OSError):
            each.unlink()


def _make(database: sqlite3.Connection) -> None:
    """Create the tables, unless another process has created them in the meantime."""
    database.execute("BEGIN IMMEDIATE")
    if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            database.execute(f'DROP TABLE "{name}"')
        for statement in SCHEMA.split(";\n"):
            if statement.strip():
                database.execute(statement)
        database.execute(f"PRAGMA application_id = {MARK}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")


def _copies_last(found: tuple[Path, int, int]) -> tuple[int, str]:
    """Return a sort key that puts copies last: a copied file usually gets a longer name."""
    return len(found[0].name), found[0].name


def _files(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """Yield the files of the history with their sizes and modification times in nanoseconds."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                try:
                    status = entry.stat()
                except OSError:
                    continue  # deleted in the meantime
                yield folder / entry.name, status.st_size, status.st_mtime_ns


def _take_in(database: sqlite3.Connection, path: Path, size: int, changed_ns: int) -> None:
    name = os.fsencode(path.name)
    try:
        header = read_header(path)
        started = start_time(path, header).isoformat(timespec="seconds")
        lines, broken = read_lines(path)
    except HistoryError as error:
        database.execute(
            "INSERT INTO file (name, size, changed_ns, problem, broken) VALUES (?, ?, ?, ?, 0)",
            (name, size, changed_ns, str(error)),
        )
        return
    twin = database.execute("SELECT name FROM file WHERE run = ? AND copy_of IS NULL", (header.run,)).fetchone()
    if twin is not None:
        database.execute(
            "INSERT INTO file (name, size, changed_ns, run, broken, copy_of) VALUES (?, ?, ?, ?, 0, ?)",
            (name, size, changed_ns, header.run, *twin),
        )
        return
    ends = [line for line in lines if line.type == "end"]
    accepted = header.accepted and bool(ends) and ends[-1].whole
    number = database.execute(
        "INSERT INTO file (name, size, changed_ns, run, started, accepted, commit_id, complete, broken) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (name, size, changed_ns, header.run, started, accepted, commit_of(header), bool(ends), broken),
    ).lastrowid
    moment = f"{started} {header.run}"
    cells = index_cells(lines)
    platforms = dict.fromkeys(cell.key.platform for cell in cells if cell.now_ms is not None)
    database.executemany("INSERT INTO platform VALUES (?, ?)", [(name, number) for name in header.platforms])
    database.executemany("INSERT INTO measured VALUES (?, ?, ?)", [(name, moment, number) for name in platforms])
    keys = [(cell.key.platform, cell.key.model, cell.key.batch_size, cell.key.scenario) for cell in cells]
    database.executemany("INSERT OR IGNORE INTO cell (platform, model, batch_size, scenario) VALUES (?, ?, ?, ?)", keys)
    database.executemany(
        "INSERT INTO night VALUES ((SELECT id FROM cell WHERE platform = ? AND model = ? AND batch_size = ? AND "
        "scenario = ?), ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*key, moment, number, str(cell.outcome), cell.now_ms, cell.change, cell.tolerance, cell.baseline_ms,
             cell.baseline_kind)
            for key, cell in zip(keys, cells, strict=True)
        ],
    )  # fmt: skip


def _night(row: tuple[Any, ...]) -> TrendNight:
    run, started, now_ms, outcome, accepted, change, tolerance, baseline_ms, baseline_kind, commit = row
    verdict = Outcome(outcome)
    return TrendNight(
        run=run,
        started=datetime.fromisoformat(started),
        now_ms=now_ms,
        outcome=verdict,
        accepted=bool(accepted) and verdict in _ACCEPTED,
        change=change,
        tolerance=tolerance,
        baseline_ms=baseline_ms,
        baseline_kind=baseline_kind,
        commit=commit,
    )


VERSION: Final = 3
"""SQLite's `user_version` of an index with these tables; an index of another version is rebuilt."""

SCHEMA: Final = """
CREATE TABLE file (id INTEGER PRIMARY KEY, name BLOB UNIQUE NOT NULL, size INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL, run TEXT, started TEXT, accepted INTEGER, commit_id TEXT, complete INTEGER,
    problem TEXT, broken INTEGER NOT NULL, copy_of BLOB);
CREATE INDEX file_run ON file (run);
CREATE TABLE platform (name TEXT NOT NULL, file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE);
CREATE INDEX platform_name ON platform (name, file);
CREATE INDEX platform_file ON platform (file);
CREATE TABLE measured (platform TEXT NOT NULL, moment TEXT NOT NULL,
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE, PRIMARY KEY (platform, moment)) WITHOUT ROWID;
CREATE INDEX measured_file ON measured (file);
CREATE TABLE cell (id INTEGER PRIMARY KEY, platform TEXT NOT NULL, model TEXT NOT NULL, batch_size INTEGER NOT NULL,
    scenario TEXT NOT NULL, UNIQUE (platform, model, batch_size, scenario));
CREATE TABLE night (cell INTEGER NOT NULL, moment TEXT NOT NULL,
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE, outcome TEXT NOT NULL, now_ms REAL, change REAL,
    tolerance REAL, baseline_ms REAL, baseline_kind TEXT NOT NULL, PRIMARY KEY (cell, moment)) WITHOUT ROWID;
CREATE INDEX night_file ON night (file);
"""
"""`night` holds the cells that have a verdict, `measured` the runs that timed something on a platform.

A `moment` is the start time of a run plus its name. It orders the nights and is unique, so that the newest nights of a
cell are stored together and only those are read. A file's name is stored as bytes, because not every name is UTF-8."""
