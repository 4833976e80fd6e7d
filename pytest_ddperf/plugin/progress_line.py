"""The progress line while a cell is measured (model, batch size, pass, time left); on a terminal only."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pytest_ddperf.report.terminal import format_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.measure.loop import Progress

ERASE = "\x1b[K"  # to the end of the line
UP = "\x1b[1A"


@contextlib.contextmanager
def show_progress_line(config: pytest.Config, key: CellKey) -> Iterator[Callable[[Progress], None] | None]:
    """Show progress on a line below the cursor, which is erased at the end; pytest's own output is unchanged.

    The cursor moves back by a relative distance, so this also works on the last line of a terminal, where everything
    scrolls up by one.

    Args:
        config: pytest's configuration, whose terminal reporter is used.
        key: the cell being measured.

    Yields:
        A function that shows the progress; None with `-q`, or if the output is not a terminal.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    # a dumb terminal cannot move the cursor
    if reporter is None or not reporter.isatty or config.get_verbosity() < 0 or os.environ.get("TERM") == "dumb":
        yield None
        return
    writer = reporter._tw  # noqa: SLF001 - the reporter has no write method that does not count columns
    file = writer._file  # noqa: SLF001 - the same

    def write_below(text: str) -> None:
        column = writer.width_of_current_line % writer.fullwidth + 1
        text = text.encode(file.encoding, "backslashreplace").decode(file.encoding)[: writer.fullwidth - 1]
        # output is captured while a test runs
        with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
            file.write(f"\r\n{text}{ERASE}{UP}\x1b[{column}G")
            file.flush()

    def show(progress: Progress) -> None:
        done = 0 if progress.warmup else progress.number
        write_below(format_progress(key, done, progress.of, progress.remaining_s, writer.fullwidth - 1))

    try:
        yield show
    finally:
        write_below("")
