"""Writes one run of the history: one cell per line, on disk as soon as the cell has ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Mapping  # noqa: TC003 - read at run time, from the fields of RunHeader
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from pytest_ddperf.core.record_codec import to_builtins, to_json
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.run_file import HistoryError, RunHeader, _make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path
    from types import TracebackType

    from pytest_ddperf.core.records import CellRecord


SYNCING_SHARE = 0.02
"""Share of a run's time that may go into confirmations of the disk, one a cell, before cells share them."""

SYNCING_FREE_S = 0.2
"""Seconds of it that are free beside that: in a short run each cell is confirmed."""


def create_header(version: str, platforms: tuple[str, ...], *, accepted: bool, facts: Mapping[str, Any]) -> RunHeader:
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


def _not_kept(path: Path, error: OSError) -> HistoryError:
    return HistoryError(
        f"The history could not be written to {path}: {error.strerror or error}. What is measured would be lost; "
        "make room or name another folder with --ddperf-storage=DIR."
    )


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
