"""The tables of the history's index. Text alone: `history_index` makes and reads them."""

from __future__ import annotations

from typing import Final

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
