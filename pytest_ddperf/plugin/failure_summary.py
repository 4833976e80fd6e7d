"""What pytest shows of cells that failed: each cause once among the FAILURES, each cell on one line of the summary.

JUnit and other plugins read each report when its test ends: there every message stands alone. Only here, when the run
has ended, it is known which cells share a cause.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from _pytest.outcomes import Failed

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import by_cause
from pytest_ddperf.plugin.record_transport import get_record
from pytest_ddperf.report.terminal import cell_ids, failure_text

if TYPE_CHECKING:
    import pytest
    from _pytest._io import TerminalWriter

    from pytest_ddperf.core.records import CellRecord

LINE_CHARACTERS = 160
"""Length of a cell's reason in the short test summary: pytest cuts it to the terminal's width, but not on a CI."""


class CellFailed(Failed):
    """Fails a test with its cell's verdict, in a message that needs no traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)
        self.message = message


@dataclass(frozen=True)
class _Crash:
    """What pytest takes the short test summary and the lines of --tb=line from."""

    nodeid: str
    message: str

    def __str__(self) -> str:
        return f"{self.nodeid}: {self.message}"


@dataclass(frozen=True)
class _Shown:
    """A failure as pytest's terminal shows it, in place of the message."""

    text: str
    reprcrash: _Crash

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer: TerminalWriter) -> None:
        """Write the text that stands under the test's heading."""
        if self.text:
            writer.line(self.text)


def fold(reporter: pytest.TerminalReporter) -> None:
    """Let the first cell of each cause carry its message and the list of the cells; the others refer to it.

    The reports themselves stay as they are: other plugins hold them, too.
    """
    failed = reporter.stats.get("failed", [])
    # a message of ours is a text; where a test failed by itself, its report has pytest's own representation
    ours = [(place, one) for place, one in enumerate(failed) if isinstance(one.longrepr, str)]
    records = {place: record for place, one in ours if (record := get_record(one)) is not None}
    places = {id(record): place for place, record in records.items()}
    heads_only = reporter.config.option.tbstyle == "line"
    for group in by_cause(records.values()):
        for record in group:
            report = copy.copy(failed[places[id(record)]])
            text = _text(report.longrepr, record, group)
            crash = _Crash(report.nodeid, _clipped(_line(record, group)))
            report.longrepr = _Shown("" if heads_only else text, crash)
            failed[places[id(record)]] = report


def _text(message: str, record: CellRecord, group: list[CellRecord]) -> str:
    if len(group) == 1:
        return message
    if record is not group[0]:
        return f"The same cause as {group[0].key}."
    return f"{message}\nThe same cause in {_further(group)}: {cell_ids(group[1:])}."


def _line(record: CellRecord, group: list[CellRecord]) -> str:
    if record is not group[0]:
        return f"same cause as {group[0].key}"
    more = f" (and in {_further(group)})" if len(group) > 1 else ""
    return f"{record.cause if record.outcome is Outcome.NEW else failure_text(record)}{more}"


def _further(group: list[CellRecord]) -> str:
    return "1 other cell" if len(group) == 2 else f"{len(group) - 1} other cells"


def _clipped(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= LINE_CHARACTERS else f"{line[: LINE_CHARACTERS - 3]}..."
