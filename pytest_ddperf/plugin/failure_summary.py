"""Failed cells in pytest's output: each cause once under FAILURES, each cell on one line of the short summary.

JUnit and other plugins read each report when its test ends, so every report has a complete message. Which cells share a
cause is known only at the end of the run, when this module shortens what the terminal shows.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from _pytest.outcomes import Failed

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import by_cause, join_cell
from pytest_ddperf.plugin.record_transport import get_record
from pytest_ddperf.report.terminal import cell_ids, failure_text

if TYPE_CHECKING:
    import pytest
    from _pytest._io import TerminalWriter

    from pytest_ddperf.core.results import Result

LINE_CHARACTERS = 160
"""Maximum length of a cell's reason in the short test summary; pytest itself truncates it only outside of CI."""


class CellFailed(Failed):
    """Failure of a test because of its cell's verdict; shown without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)
        self.message = message


@dataclass(frozen=True)
class _Crash:
    """The source of pytest's short test summary and of the lines of --tb=line."""

    nodeid: str
    message: str

    def __str__(self) -> str:
        return f"{self.nodeid}: {self.message}"


@dataclass(frozen=True)
class _Shown:
    """A failure as the terminal shows it; replaces the message of the report."""

    text: str
    reprcrash: _Crash

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer: TerminalWriter) -> None:
        """Write the text below the heading of the test."""
        if self.text:
            writer.line(self.text)


def fold(reporter: pytest.TerminalReporter) -> None:
    """Show the message and the list of affected cells at the first cell of each cause; the other cells refer to it.

    The terminal gets copies of the reports, because other plugins hold the originals.
    """
    failed = reporter.stats.get("failed", [])
    # our messages are strings; if the test itself failed, longrepr is pytest's own representation
    ours = [(place, one) for place, one in enumerate(failed) if isinstance(one.longrepr, str)]
    cells = {place: join_cell(record.key, None, record) for place, one in ours if (record := get_record(one))}
    places = {id(cell): place for place, cell in cells.items()}
    heads_only = reporter.config.option.tbstyle == "line"
    for group in by_cause(cells.values()):
        for cell in group:
            report = copy.copy(failed[places[id(cell)]])
            text = _text(report.longrepr, cell, group)
            crash = _Crash(report.nodeid, _clipped(_line(cell, group)))
            report.longrepr = _Shown("" if heads_only else text, crash)
            failed[places[id(cell)]] = report


def _text(message: str, cell: Result, group: list[Result]) -> str:
    if len(group) == 1 or cell.creep is not None:
        return message
    if cell is not group[0]:
        return f"The same cause as {group[0].key}."
    return f"{message}\nThe same cause in {_further(group)}: {cell_ids(group[1:])}."


def _line(cell: Result, group: list[Result]) -> str:
    if cell is not group[0] and cell.creep is None:
        return f"same cause as {group[0].key}"
    more = f" (and in {_further(group)})" if len(group) > 1 and cell.creep is None else ""
    return f"{cell.cause if cell.outcome is Outcome.NEW else failure_text(cell)}{more}"


def _further(group: list[Result]) -> str:
    return "1 other cell" if len(group) == 2 else f"{len(group) - 1} other cells"


def _clipped(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= LINE_CHARACTERS else f"{line[: LINE_CHARACTERS - 3]}..."
