"""What a test gets as `ddperf`: its cell, and `measure()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.live import LiveLine

if TYPE_CHECKING:
    from pytest_ddperf.records import CellKey, Measurement
    from pytest_ddperf.session import BenchSession


class Bench:
    """One cell, in a test: `ddperf.measure()` times it, and the gate judges it when the test has ended.

    Args:
        key: the cell.
        session: of the pytest process.
    """

    def __init__(self, key: CellKey, session: BenchSession) -> None:
        self.key = key
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
            self.measurement = runner.measure(self.key, live.show, self.measurement)
        return self.measurement
