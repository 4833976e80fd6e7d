"""Write one run of the history: one line per cell, written as soon as the cell has ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.run_file import CELL_START, HistoryError, RunHeader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from io import FileIO
    from pathlib import Path

    from pytest_ddperf.core.records import CellRecord


SYNCING_SHARE = 0.02
"""Share of a run's time that may be spent on fsync after each cell; beyond it, several cells share one fsync."""

SYNCING_FREE_S = 0.2
"""Seconds of fsync allowed in addition, so that in a short run each cell is synced."""


def create_header(
    version: str, platforms: tuple[str, ...], started: datetime, *, accepted: bool, facts: Mapping[str, Any]
) -> RunHeader:
    """Create a header for a run that started at a time, UTC."""
    name = f"{started:%Y%m%dT%H%M%S}.{started.microsecond // 1000:03d}Z-{secrets.token_hex(4)}"
    return RunHeader(name, started.isoformat(timespec="seconds"), version, platforms, accepted, dict(facts))


class HistoryWriter:
    """Appends the cells of one run to a new file; once `append` has returned, a crash of the process loses no cell.

    Each cell is also synced to disk and survives a crash of the machine, as long as syncing takes at most a fiftieth of
    the run's time. Cells that end faster than the disk can sync share one sync. Lines that could not be written are
    retried with the next write, in case there is room by then.

    Args:
        folder: the history folder; it and the file are created with the first cell.
    """

    def __init__(self, folder: Path, header: RunHeader, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began_s = now()
        self._syncing_s = 0.0
        self.path = folder / f"{header.run}.jsonl"
        self._file: FileIO | None = None
        self._lines = [msgspec.json.encode({"type": "run", **msgspec.to_builtins(header)})]
        self._size = 0  # bytes of the complete lines in the file
        self._is_torn = False
        self._is_closed = False

    @property
    def unwritten(self) -> int:
        """The number of lines that are not yet in the file."""
        return len(self._lines)

    def append(self, record: CellRecord) -> None:
        """Write one cell.

        Raises:
            HistoryError: the folder or the file cannot be written; the message says what to do.
        """
        self._lines.append(CELL_START + msgspec.json.encode(record)[1:])
        self._write()

    def close(self, exit_status: int, *, whole: bool = False) -> None:
        """Mark the run as finished with pytest's exit status and close its file. May be called twice.

        The run is whole if every cell that the options asked for was finished and no test was deselected.

        Raises:
            HistoryError: as for `append`.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._lines.append(msgspec.json.encode({"type": "end", "exit_status": exit_status, "whole": whole}))
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
                while rest:  # a nearly full disk may accept only a part
                    rest = rest[self._file.write(rest) :]
                    self._is_torn = bool(rest)
                self._size += size
                del self._lines[0]
            began_s = self._now()
            if sync or self._syncing_s <= SYNCING_FREE_S + SYNCING_SHARE * (began_s - self._began_s):
                os.fsync(self._file.fileno())
                self._syncing_s += self._now() - began_s
        except OSError as error:
            raise HistoryError(
                f"The history could not be written to {self.path}: {error.strerror or error}. Its measurements would "
                "be lost. Free disk space, or name another folder with --ddperf-storage=DIR."
            ) from error

    def _let_go(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()  # closing retries what could not be written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()


def _make_folder(folder: Path) -> None:
    """Create the history folder; the default folder contains a .gitignore for itself, as those of pytest and ruff do.

    A folder of another name is the user's own, who may want to commit it.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new and folder.name == ".ddperf":
        with contextlib.suppress(OSError):  # a convenience: the history works without it
            (folder / ".gitignore").write_text("# Created by pytest-ddperf.\n*\n", encoding="utf-8")


def check_writable(folder: Path) -> None:
    """Check before the first measurement whether the history can be written.

    Raises:
        ConfigurationError: the folder cannot be created or written to.
    """
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
    except OSError as error:  # a name that is too long for the file system
        raise ConfigurationError(
            f"The history folder {str(folder)[:80]}... cannot be created: {error.strerror}. Name another folder with "
            "--ddperf-storage=DIR."
        ) from None
    try:
        # try to write: for root, permission checks succeed even on a file system that cannot be written
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise ConfigurationError(
            f"The history cannot be written to {folder}: {nearest} is not writable ({error.strerror or error}). Name "
            "another folder with --ddperf-storage=DIR."
        ) from error
