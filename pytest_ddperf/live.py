"""The live line while a cell is measured: model, batch, pass, time left. On a terminal only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    import pytest

    from pytest_ddperf.measure import Progress
    from pytest_ddperf.records import CellKey

SAVE_CURSOR = "\x1b7"
RESTORE_CURSOR = "\x1b8"
ERASE = "\x1b[K"  # to the end of the line


class LiveLine:
    """Writes behind the cursor and takes it back: what pytest wrote on the line stays as it is.

    Args:
        config: whose terminal reporter is written to; nothing is shown where it is no terminal, or under `-q`.
        key: the cell that is measured.
    """

    def __init__(self, config: pytest.Config, key: CellKey) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and (not reporter.isatty or config.get_verbosity() < 0):
            reporter = None
        # the reporter itself offers no write that leaves its count of columns alone
        self._writer = reporter._tw if reporter is not None else None  # noqa: SLF001
        self._key = key

    def show(self, progress: Progress) -> None:
        """Show how far the measurement is."""
        if self._writer is None:
            return
        from pytest_ddperf.terminal import progress_text  # noqa: PLC0415 - on a terminal only

        left = self._writer.fullwidth - self._writer.width_of_current_line - 2
        done = 0 if progress.warmup else progress.number
        text = progress_text(self._key, done, progress.of, progress.remaining_s, left)
        self._raw(f"{SAVE_CURSOR} {text}{ERASE}{RESTORE_CURSOR}")

    def _raw(self, text: str) -> None:
        if self._writer is not None:
            self._writer._file.write(text)  # noqa: SLF001 - its own write() counts the columns, which stay unchanged
            self._writer._file.flush()  # noqa: SLF001 - the same

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Erase the line."""
        self._raw(ERASE)
