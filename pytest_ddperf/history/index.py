"""An index of the history: one row a run and one a cell, so that a trend costs what it shows and not what is stored.

The JSON Lines files are the truth; the index is made of them and may be deleted at any time. It is brought up to date
when it is opened: files that are new or changed are read, those that are gone are dropped, the others are not touched.
Its file carries a mark of ours: one of that name without it is somebody else's, and is left as it is.
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
"""SQLite's `application_id` of our files, `ddpf`; it stands at byte 68 of the file."""

MOST_NIGHTS = 90
"""Nights of a trend that are shown, unless more are asked for."""

_WAIT_S = 2.0
"""How long another process may hold the index; then this one reads the files, which takes less than to wait on."""

_LEFT_AS_IT_IS = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_AUTH,
    }
)  # fmt: skip
"""SQLite's primary result codes that say nothing against what the file holds."""

_ACCEPTED = (Outcome.OK, Outcome.IMPROVED, Outcome.NEW)


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A run of the history, without its cells.

    Args:
        path: its file.
        started: UTC time in ISO 8601.
        accepted: whether it was a whole, uninterrupted run with --ddperf-accept.
        complete: whether it came to its own end.
    """

    path: Path
    run: str
    started: str
    accepted: bool
    complete: bool


class HistoryIndex:
    """The index of one folder of the history, brought up to date when it is opened.

    Where its file cannot be written it lives in memory, for this process alone.

    Args:
        folder: the history's; it need not exist.
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
                    if _primary_code(error) in _LEFT_AS_IT_IS:  # locked for long, or the disk is full
                        self._trouble = (
                            f"{format_path(path)} could not be used ({error}): every run in {self._folder} was read "
                            "for this."
                        )
                        break
                    _remove(path)  # damaged, or with other tables than ours: made anew
        return self._up_to_date(sqlite3.connect(":memory:"))

    def _up_to_date(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            database.isolation_level = None
            database.execute("PRAGMA foreign_keys = ON")
            if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
                _make(database)  # on its own, so that the file carries the mark before it is large
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
        if stale:  # what was a copy may be the only one now
            copies = database.execute("DELETE FROM file WHERE copy_of IS NOT NULL RETURNING name, size, changed_ns")
            new += [(self._folder / os.fsdecode(name), size, changed_ns) for name, size, changed_ns in copies]
        for path, size, changed_ns in sorted(new, key=_copies_last):
            _take_in(database, path, size, changed_ns)
        if stale:
            database.execute("DELETE FROM cell WHERE NOT EXISTS (SELECT 1 FROM night WHERE night.cell = cell.id)")

    def _rows(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.DatabaseError:  # damaged where bringing it up to date did not look: made anew
            self._database.close()
            if _is_ours(self._folder / FILE):
                _remove(self._folder / FILE)
            self._database = self._opened()
            return self._database.execute(statement, values).fetchall()

    def runs(self, platform: str | None = None) -> list[IndexedRun]:
        """The runs, oldest first; those of one platform where it is named."""
        rows = self._rows(
            "SELECT name, run, started, accepted, complete FROM file WHERE problem IS NULL AND copy_of IS NULL AND "
            "(:platform IS NULL OR id IN (SELECT file FROM platform WHERE name = :platform)) ORDER BY started, run",
            {"platform": platform},
        )
        return [self._run(row) for row in rows]

    def newest(self, platform: str) -> IndexedRun | None:
        """The newest run that measured something of a platform; None where there is none."""
        rows = self._rows(
            "SELECT name, run, started, accepted, complete FROM measured JOIN file ON file.id = measured.file "
            "WHERE platform = ? ORDER BY moment DESC LIMIT 1",
            (platform,),
        )
        return self._run(rows[0]) if rows else None

    def last(self) -> dict[str, IndexedRun]:
        """By platform, the newest run that has a verdict on a cell of it, be it that nothing was timed."""
        rows = self._rows(  # SQLite takes the columns beside MAX from the row that has it
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
        """The platforms of which something was measured, sorted."""
        return [name for (name,) in self._rows("SELECT DISTINCT platform FROM measured ORDER BY platform")]

    def cells(self, platform: str) -> list[CellKey]:
        """The cells of a platform that were ever measured, sorted."""
        rows = self._rows(
            "SELECT platform, model, batch_size, scenario FROM cell WHERE platform = ? AND EXISTS "
            "(SELECT 1 FROM night WHERE night.cell = cell.id AND now_ms IS NOT NULL) "
            "ORDER BY model, batch_size, scenario",
            (platform,),
        )
        return [CellKey(*row) for row in rows]

    def latest(self, platform: str) -> dict[CellKey, Path]:
        """By cell, the file of the newest run that has a verdict on it; runs that timed nothing there do not count."""
        rows = self._rows(
            "SELECT platform, model, batch_size, scenario, (SELECT file.name FROM night JOIN file "
            "ON file.id = night.file WHERE night.cell = cell.id AND EXISTS (SELECT 1 FROM measured WHERE "
            "measured.platform = cell.platform AND measured.moment = night.moment) ORDER BY night.moment DESC LIMIT 1) "
            "FROM cell WHERE platform = ? ORDER BY model, batch_size, scenario",
            (platform,),
        )
        return {CellKey(*key): self._folder / os.fsdecode(name) for *key, name in rows if name is not None}

    def trend(self, key: CellKey, most: int = MOST_NIGHTS) -> Trend:
        """The newest nights of one cell on which it was measured, oldest first; nothing else is read.

        Args:
            key: the cell.
            most: how many nights at the most.
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
        """A sentence for each file that a person must know of, and for the index itself where it could not be used."""
        return [*self.trouble, *self.faults().values()]

    @property
    def trouble(self) -> list[str]:
        """A sentence where the index's own file could not be used."""
        return [self._trouble] if self._trouble else []

    def faults(self) -> dict[Path, str]:
        """A sentence for each file that is no history, is a copy of another one, or holds broken lines; it names it."""
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
        """How many files are no history or cannot be read, and how many files there are."""
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
    """Whether the index's file is not there, empty, or has our mark: then it may be written."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not head or (head.startswith(b"SQLite format 3\0") and head[68:] == MARK.to_bytes(4))


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _remove(path: Path) -> None:
    """Remove our index, and its journal with it: that would be played back into the next one."""
    for each in (path, path.with_name(f"{path.name}-journal")):
        with contextlib.suppress(OSError):
            each.unlink()


def _make(database: sqlite3.Connection) -> None:
    """Make the tables, unless another process did meanwhile."""
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
    """A sort key: who copies a file gives it a longer name."""
    return len(found[0].name), found[0].name


def _files(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """The files of the history, their sizes and when they were changed."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                try:
                    status = entry.stat()
                except OSError:
                    continue  # gone meanwhile
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
"""SQLite's `user_version` of an index with these tables: one of another version is made anew."""

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
"""`night` holds the cells that have a verdict, `measured` the runs that timed something of a platform.

A `moment` is a run's beginning and its name: it orders the nights, and no two are equal, so that the newest nights of a
cell lie together and nothing else is read for them. A file's name is bytes, since not every one is UTF-8."""
