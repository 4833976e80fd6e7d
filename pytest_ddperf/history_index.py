"""An index of the history: one row a run and one a cell, so that a trend costs what it shows and not what is stored.

The JSON Lines files are the truth; the index is made of them and may be deleted at any time. It is brought up to date
when it is opened: files that are new or changed are read, those that are gone are dropped, the others are not touched.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pytest_ddperf.history import HistoryError, read_header
from pytest_ddperf.records import CellKey, Outcome
from pytest_ddperf.results import Trend, TrendNight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_ddperf.history import RunHeader

FILE = "index.sqlite"
_VERSION = 2
MOST_NIGHTS = 90
"""Nights of a trend that are shown, unless more are asked for."""

_WAIT_S = 10.0
_ACCEPTED = (Outcome.OK, Outcome.IMPROVED, Outcome.NEW)
_SCHEMA = """
CREATE TABLE file (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, size INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL, run TEXT, started TEXT, accepted INTEGER, commit_id TEXT, complete INTEGER,
    problem TEXT, broken INTEGER NOT NULL);
CREATE TABLE platform (name TEXT NOT NULL, file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE);
CREATE INDEX platform_name ON platform (name, file);
CREATE INDEX platform_file ON platform (file);
CREATE TABLE measured (platform TEXT NOT NULL, moment TEXT NOT NULL,
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE, PRIMARY KEY (platform, moment)) WITHOUT ROWID;
CREATE INDEX measured_file ON measured (file);
CREATE TABLE cell (id INTEGER PRIMARY KEY, platform TEXT NOT NULL, model TEXT NOT NULL, batch_size INTEGER NOT NULL,
    scenario TEXT NOT NULL, UNIQUE (platform, model, batch_size, scenario));
CREATE TABLE night (cell INTEGER NOT NULL, moment TEXT NOT NULL,
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE, outcome TEXT NOT NULL, now_ms REAL NOT NULL, change REAL,
    tolerance REAL, baseline_ms REAL, baseline_kind TEXT NOT NULL, PRIMARY KEY (cell, moment)) WITHOUT ROWID;
CREATE INDEX night_file ON night (file);
"""
"""`night` holds the cells that were measured. A `moment` is a run's beginning and its file's name: it orders the
nights, and no two are equal, so that the newest nights of a cell lie together and nothing else is read for them."""


class _Key(msgspec.Struct, frozen=True):
    platform: str
    model: str
    batch_size: int
    scenario: str = ""


class _Baseline(msgspec.Struct):
    kind: str
    value_ms: float


class _Line(msgspec.Struct):
    """What the index takes of a line of the history; the rest is not decoded."""

    type: str = ""
    key: _Key | None = None
    nodeid: str = ""
    outcome: Outcome | None = None
    now_ms: float | None = None
    change: float | None = None
    tolerance: float | None = None
    baseline: _Baseline | None = None
    whole: bool = False


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
        self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        path = self._folder / FILE
        if self._folder.is_dir() and os.access(self._folder, os.W_OK):
            for _ in range(2):
                try:
                    return self._up_to_date(sqlite3.connect(path, timeout=_WAIT_S))
                except sqlite3.OperationalError:
                    break  # locked for long, or the disk is full: what is there is left as it is
                except sqlite3.DatabaseError:
                    with contextlib.suppress(OSError):
                        path.unlink()  # no index, or a damaged one: made anew
        return self._up_to_date(sqlite3.connect(":memory:"))

    def _up_to_date(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            database.isolation_level = None
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                _make(database)
            self._refresh(database)
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _refresh(self, database: sqlite3.Connection) -> None:
        known = {
            name: (number, size, changed_ns)
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
        for path, size, changed_ns in new:
            _take_in(database, path, size, changed_ns)
        if stale:
            database.execute("DELETE FROM cell WHERE NOT EXISTS (SELECT 1 FROM night WHERE night.cell = cell.id)")

    def _rows(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.DatabaseError:  # damaged where bringing it up to date did not look: made anew
            self._database.close()
            with contextlib.suppress(OSError):
                (self._folder / FILE).unlink()
            self._database = self._opened()
            return self._database.execute(statement, values).fetchall()

    def runs(self, platform: str | None = None) -> list[IndexedRun]:
        """The runs, oldest first; those of one platform where it is named."""
        rows = self._rows(
            "SELECT name, run, started, accepted, complete FROM file WHERE problem IS NULL AND "
            "(:platform IS NULL OR id IN (SELECT file FROM platform WHERE name = :platform)) ORDER BY started, name",
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

    def _run(self, row: tuple[Any, ...]) -> IndexedRun:
        name, run, started, accepted, complete = row
        return IndexedRun(self._folder / name, run, started, bool(accepted), bool(complete))

    def platforms(self) -> list[str]:
        """The platforms of which something was measured, sorted."""
        return [name for (name,) in self._rows("SELECT DISTINCT platform FROM cell ORDER BY platform")]

    def cells(self, platform: str) -> list[CellKey]:
        """The cells of a platform that were ever measured, sorted."""
        rows = self._rows(
            "SELECT platform, model, batch_size, scenario FROM cell WHERE platform = ? "
            "ORDER BY model, batch_size, scenario",
            (platform,),
        )
        return [CellKey(*row) for row in rows]

    def trend(self, key: CellKey, most: int = MOST_NIGHTS) -> Trend:
        """The newest nights of one cell on which it was measured, oldest first; nothing else is read.

        Args:
            key: the cell.
            most: how many nights at the most.
        """
        rows = self._rows(
            "SELECT run, started, now_ms, outcome, accepted, change, tolerance, baseline_ms, baseline_kind, commit_id "
            "FROM night JOIN file ON file.id = night.file WHERE cell = (SELECT id FROM cell WHERE platform = ? AND "
            "model = ? AND batch_size = ? AND scenario = ?) ORDER BY moment DESC LIMIT ?",
            (key.platform, key.model, key.batch_size, key.scenario, most),
        )
        return Trend(key, tuple(reversed([_night(row) for row in rows])))

    @property
    def problems(self) -> list[str]:
        """A sentence for each file that is no history or holds broken lines; it names the file."""
        rows = self._rows(
            "SELECT name, problem, broken FROM file WHERE problem IS NOT NULL OR broken > 0 ORDER BY name"
        )
        return [
            problem
            or f"{self._folder / name}: {broken} line{'s' * (broken > 1)} could not be read and "
            f"{'were' if broken > 1 else 'was'} skipped; the rest of the run counts."
            for name, problem, broken in rows
        ]

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


def _make(database: sqlite3.Connection) -> None:
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        database.execute(f'DROP TABLE "{name}"')
    for statement in _SCHEMA.split(";\n"):
        if statement.strip():
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {_VERSION}")


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
    try:
        header = read_header(path)
        lines, broken = _read(path)
    except HistoryError as error:
        database.execute(
            "INSERT INTO file (name, size, changed_ns, problem, broken) VALUES (?, ?, ?, ?, 0)",
            (path.name, size, changed_ns, str(error)),
        )
        return
    ends = [line for line in lines if line.type == "end"]
    whole = bool(ends) and ends[-1].whole
    started = _utc(header.started).isoformat(timespec="seconds")
    number = database.execute(
        "INSERT INTO file (name, size, changed_ns, run, started, accepted, commit_id, complete, broken) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (path.name, size, changed_ns, header.run, started, header.accepted and whole, commit_of(header), bool(ends),
         broken),
    ).lastrowid  # fmt: skip
    moment = f"{started} {path.name}"
    measured = [line for line in _last_of_each(lines).values() if line.now_ms is not None]
    platforms = dict.fromkeys(line.key.platform for line in measured if line.key is not None)
    database.executemany("INSERT INTO platform VALUES (?, ?)", [(name, number) for name in header.platforms])
    database.executemany("INSERT INTO measured VALUES (?, ?, ?)", [(name, moment, number) for name in platforms])
    keys = [(key.platform, key.model, key.batch_size, key.scenario) for line in measured if (key := line.key)]
    database.executemany("INSERT OR IGNORE INTO cell (platform, model, batch_size, scenario) VALUES (?, ?, ?, ?)", keys)
    database.executemany(
        "INSERT INTO night VALUES ((SELECT id FROM cell WHERE platform = ? AND model = ? AND batch_size = ? AND "
        "scenario = ?), ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*key, moment, number, *_values(line)) for key, line in zip(keys, measured, strict=True)],
    )


def _last_of_each(lines: Iterable[_Line]) -> dict[_Key, _Line]:
    """The line that counts of each cell: the last of each test, as `read_run` has it, and of several tests the last."""
    tests = {line.nodeid: line for line in lines if line.key is not None}
    return {line.key: line for line in tests.values() if line.key is not None}


def _read(path: Path) -> tuple[Sequence[_Line], int]:
    """The lines of a run after its first, and how many of them cannot be read."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror or error}.") from error
    decoder = msgspec.json.Decoder(_Line)
    read: list[_Line] = []
    broken = 0
    for line in lines[1:]:
        if not line.strip():
            continue
        try:
            found = decoder.decode(line)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            broken += 1
            continue
        if found.type == "end" or (found.type == "cell" and found.key is not None and found.outcome is not None):
            read.append(found)
        else:
            broken += 1
    return read, broken


def _values(line: _Line) -> tuple[object, ...]:
    baseline = line.baseline
    value_ms, kind = (None, "") if baseline is None else (baseline.value_ms, baseline.kind)
    return str(line.outcome), line.now_ms, line.change, line.tolerance, value_ms, kind


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


def commit_of(header: RunHeader) -> str:
    """The id of the commit that a run tested, "" where its header does not tell."""
    facts = header.facts.get("commit")
    found = facts.get("id") if isinstance(facts, dict) else None
    return found if isinstance(found, str) and found != "unknown" else ""


def _utc(text: str) -> datetime:
    """A moment in UTC; the beginning of time where the text is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC)
