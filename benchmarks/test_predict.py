"""The performance report as regression tests: one test for each cell platform x model x batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ddperf import Bench


def test_predict(ddperf: Bench) -> None:
    """Measure the cell; the gate fails the test when it regressed."""
    ddperf.measure()
