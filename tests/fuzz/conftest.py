"""`tox -e fuzz` says at its end what it tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzzing import is_long, table_of_counts, too_few

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Less than promised is a failure, where no part of it was chosen."""
    option = session.config.option
    if is_long() and not option.keyword and too_few() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """How many answers, files and requests; how many errors of the project's own kind, how many sound values."""
    if is_long():
        terminalreporter.section("fuzz")
        for line in [*table_of_counts(), *(f"fewer than promised: {kind}" for kind in too_few())]:
            terminalreporter.write_line(line)
