"""The live line while a cell is measured: model, batch, pass, time left. On a terminal only."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

from pytest_ddperf.report.terminal import format_progress

if TYPE_CHECKING:
    from types import TracebackType

    import pytest

    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.measure.loop import Progress

ERASE = "\x1b[K"  # to the end of the line
UP = "\x1b[1A"


class LiveLine:
    """Writes on the line below the cursor and takes the cursor back: what pytest wrote stays as it is.

    The way back is relative: on the last line of a terminal everything moves up by one, and that holds all the same.

    Args:
        config: whose terminal reporter is written to; nothing is shown where it is no terminal, or under `-q`.
        key: the cell that is measured.
    """

    def __init__(self, config: pytest.Config, key: CellKey) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        # a dumb terminal moves no cursor
        if reporter is not None and (
            not reporter.isatty or config.get_verbosity() < 0 or os.environ.get("TERM") == "dumb"
        ):
            reporter = None
        # the reporter itself offers no write that leaves its count of columns alone
        self._writer = reporter._tw if reporter is not None else None  # noqa: SLF001
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._key = key

    @property
    def is_visible(self) -> bool:
        """Whether there is anybody to show it to."""
        return self._writer is not None

    def show(self, progress: Progress) -> None:
        """Show how far the measurement is."""
        if self._writer is None:
            return

        done = 0 if progress.warmup else progress.number
        width = self._writer.fullwidth - 1
        self._below(format_progress(self._key, done, progress.of, progress.remaining_s, width))

    def _below(self, text: str) -> None:
        if self._writer is None:
            return
        column = self._writer.width_of_current_line % self._writer.fullwidth + 1
        file = self._writer._file  # noqa: SLF001 - its own write() counts the columns, which stay unchanged
        text = text.encode(file.encoding, "backslashreplace").decode(file.encoding)[: self._writer.fullwidth - 1]
        # while a test runs, what is written is captured
        with contextlib.nullcontext() if self._capture is None else self._capture.global_and_fixture_disabled():
            file.write(f"\r\n{text}{ERASE}{UP}\x1b[{column}G")
            file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Erase the line."""
        self._below("")
