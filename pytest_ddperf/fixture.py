"""What a test gets as `ddperf`: its cell, and `measure()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.live import LiveLine
from pytest_ddperf.session import RECORD_KEY, SESSION_KEY

if TYPE_CHECKING:
    from pytest_ddperf.records import CellKey, Measurement
    from pytest_ddperf.session import BenchSession


class Bench:
    """One cell, in a test: `ddperf.measure()` times it, and the gate judges it when the test has ended.

    Args:
        key: the cell.
        nodeid: of the test: what earlier attempts of it measured in this run is added to.
        session: of the pytest process.
    """

    def __init__(self, key: CellKey, nodeid: str, session: BenchSession) -> None:
        self.key = key
        self._nodeid = nodeid
        self.measurement: Measurement | None = None
        self.predicted = False
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
        """Images a request."""
        return self.key.batch_size

    def measure(self) -> Measurement | None:
        """Time the cell: warm-up, then passes. The verdict comes after the test.

        Returns:
            What was measured; None under --benchmark-disable, where one checked prediction is made instead.

        Raises:
            DdperfError: the server failed, or answered something else; the test fails with the verdict `error`.
        """
        runner = self._session.runner
        if not self._session.measures:
            runner.predict_once(self.key)
            self.predicted = True
            return None
        with LiveLine(self._session.config, self.key) as live:
            progress = live.show if live.is_shown else None
            self.measurement = runner.measure(self.key, progress, self._session.measurements.get(self._nodeid))
        self._session.measurements[self._nodeid] = self.measurement
        return self.measurement


def bench_for(request: pytest.FixtureRequest) -> Bench:
    """The fixture's value for the cell of a test; skips a cell that the baseline marks `x`."""
    session = request.config.stash[SESSION_KEY]
    key: CellKey = request.param
    marked = session.runner.marked_unavailable(key)
    if marked is not None and not session.settings.value("run-unavailable"):
        # The reason is the same for all cells of a platform, so that pytest folds them into one line.
        reason = f"the baseline of {key.platform} marks the cell x, not measurable there"
        record = session.runner.unavailable(key, request.node.nodeid, f"{reason} ({marked.source})")
        request.node.stash[RECORD_KEY] = record
        pytest.skip(f"{reason}; --ddperf-run-unavailable runs it all the same")
    return Bench(key, request.node.nodeid, session)
