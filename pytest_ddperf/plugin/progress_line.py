"""The progress line while a cell is measured (model, batch size, pass, time left); on a terminal only."""

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
    """Progress line below the cursor; it moves the cursor back and leaves pytest's own output unchanged.

    The cursor moves back by a relative distance, so this also works on the last line of a terminal, where everything
    scrolls up by one.

    Args:
        config: pytest's configuration, whose terminal reporter is used. Nothing is shown if its output is not a
            terminal, or with `-q`.
        key: the cell being measured.
    """

    def __init__(self, config: pytest.Config, key: CellKey) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        # a dumb terminal cannot move the cursor
        if reporter is not None and (
            not reporter.isatty or config.get_verbosity() < 0 or os.environ.get("TERM") == "dumb"
        ):
            reporter = None
        # the reporter has no write method that does not count columns
        self._writer = reporter._tw if reporter is not None else None  # noqa: SLF001
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._key = key

    @property
    def is_visible(self) -> bool:
        """Whether the line is shown."""
        return self._writer is not None

    def show(self, progress: Progress) -> None:
        """Show the progress of the measurement."""
        if self._writer is None:
            return

        done = 0 if progress.warmup else progress.number
        width = self._writer.fullwidth - 1
        self._below(format_progress(self._key, done, progress.of, progress.remaining_s, width))

    def _below(self, text: str) -> None:
        if self._writer is None:
            return
        column = self._writer.width_of_current_line % self._writer.fullwidth + 1
        file = self._writer._file  # noqa: SLF001 - its write() would count the columns
        text = text.encode(file.encoding, "backslashreplace").decode(file.encoding)[: self._writer.fullwidth - 1]
        # output is captured while a test runs
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
