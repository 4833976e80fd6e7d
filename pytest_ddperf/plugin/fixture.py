"""The value of the `ddperf` fixture: the cell of a test, and `measure()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.core.records import CellKey, CellRecord, Outcome
from pytest_ddperf.plugin.cell_run import attempts_of
from pytest_ddperf.plugin.progress_line import show_progress_line
from pytest_ddperf.plugin.session import SESSION_KEY

if TYPE_CHECKING:
    from pytest_ddperf.core.budgets import Budget
    from pytest_ddperf.core.records import Measurement
    from pytest_ddperf.plugin.cell_run import Attempts
    from pytest_ddperf.plugin.session import BenchSession


class Bench:
    """The cell of a test: `ddperf.measure()` times it, and the gate judges it after the test.

    Args:
        key: the cell.
        attempts: the attempts of the test; a measurement is added to those of earlier attempts.
        session: the session of the pytest process.
        budget: the limits of the cell.
    """

    def __init__(self, key: CellKey, attempts: Attempts, session: BenchSession, budget: Budget) -> None:
        self.key = key
        self.budget = budget
        self.measurement: Measurement | None = None
        self.predicted = False
        self._attempts = attempts
        self._session = session

    @property
    def platform(self) -> str:
        """Id of the platform."""
        return self.key.platform

    @property
    def model(self) -> str:
        """Id of the network."""
        return self.key.model

    @property
    def batch_size(self) -> int:
        """Images per request."""
        return self.key.batch_size

    def measure(self) -> Measurement | None:
        """Time the cell: warm-up, then passes. The verdict comes after the test.

        Returns:
            The measurement; None with --benchmark-disable, which makes a single checked prediction instead.

        Raises:
            DdperfError: the server failed or returned an unexpected response. The test fails with the verdict `error`.
        """
        run = self._session.runner.open(self.platform)
        if not self._session.measures:
            run.predict_once(self.key)
            self.predicted = True
            return None
        with show_progress_line(self._session.config, self.key) as show:
            self.measurement = run.measure(self.key, show, self._attempts.measured, self.budget.requests_needed)
        self._attempts.measured = self.measurement
        return self.measurement


def create_bench(request: pytest.FixtureRequest) -> Bench:
    """Create the fixture's value for a test; skip the test if the baseline marks its cell `x`."""
    key = getattr(request, "param", None)
    if not isinstance(key, CellKey):
        pytest.fail(
            "This test has no cell. Make `ddperf` an argument of the test function or of one of its fixtures; "
            "request.getfixturevalue('ddperf') is too late, because pytest creates the cells during collection.",
            pytrace=False,
        )
    session = request.config.stash[SESSION_KEY]
    attempts = attempts_of(request.node)
    marked = session.runner.platforms[key.platform].plan.marked_unavailable(key)
    if marked is not None and not session.settings.value("run-unavailable"):
        # The reason is the same for all cells of a platform, so pytest folds them into one line.
        reason = f"the baseline of {key.platform} marks the cell x, not measurable there"
        attempts.record = CellRecord(key, request.node.nodeid, Outcome.UNAVAILABLE, f"{reason} ({marked.source})")
        pytest.skip(f"{reason}; --ddperf-run-unavailable runs it all the same")
    return Bench(key, attempts, session, session.cells.budgets[request.node.nodeid])
