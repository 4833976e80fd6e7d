"""The run's file in the history: one line as soon as a cell has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ddperf import __version__
from pytest_ddperf.errors import DdperfError
from pytest_ddperf.history.writer import HistoryWriter, create_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.records import CellRecord
    from pytest_ddperf.plugin.run_cells import RunCells


class RunHistory:
    """Writes the run to the history; errors are shown or returned, because they must not lose the verdicts.

    Args:
        settings: the settings of the run.
        started: when the run started, UTC.
        commit: pytest-benchmark's facts of the tested commit.
        cells: the cells of the run.
        say: shows a line to the user.
    """

    def __init__(
        self,
        settings: Settings,
        started: datetime,
        commit: Mapping[str, Any],
        cells: RunCells,
        say: Callable[[str], None],
    ) -> None:
        self.accepts = bool(settings.value("accept"))
        facts = {
            "commit": commit,
            "tolerance": {name: settings.value("tolerance", name) for name in settings.platforms},
            "matrix": cells.describe_matrix(settings),
        }
        self.header = create_header(__version__, settings.platforms, started, accepted=self.accepts, facts=facts)
        self._writer = HistoryWriter(settings.storage_dir, self.header)
        self._say = say
        self._has_failed = False
        self.is_accepted = False  # only at its end

    @property
    def path(self) -> Path:
        """The run's file; it need not exist."""
        return self._writer.path

    def append(self, record: CellRecord) -> None:
        """Write one cell; the first error is shown at once, while the user can still act."""
        try:
            self._writer.append(record)
        except DdperfError as error:
            if not self._has_failed:
                self._has_failed = True
                self._say(f"ddperf: {error}")

    def close(self, exit_status: int, *, whole: bool) -> list[str]:
        """Mark the run as ended; arguments as in `HistoryWriter.close`.

        Returns:
            Warnings.
        """
        try:
            self._writer.close(exit_status, whole=whole)
        except DdperfError as error:
            left = self._writer.unwritten
            return [f"{error} Lines of this run that were not written: {left}." if left else str(error)]
        self.is_accepted = self.accepts and whole
        if self.accepts and not whole:
            effect = "not every cell was run to its end, so later nights are not compared with this run"
            return [f"--ddperf-accept had no effect: {effect}."]
        return []
