"""Results as after a run, created by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.records import CellKey, Outcome, ServerFacts
from pytest_ddperf.core.results import Result, Results, RunFacts

if TYPE_CHECKING:
    from collections.abc import Iterable

CATALOG = load_catalog()
SERVER = ServerFacts("http://tk1.lan:8080", version="v0.28.0", commit="ab3b96ae", build_type="release")
RUN = RunFacts("20261125T020000.000Z-00000001", "2026-11-25T02:00:00+00:00", "0123abcd", servers={"tk1": SERVER})


def measured(
    model: str = "resnet50",
    batch_size: int = 8,
    *,
    platform: str = "tk1",
    now_ms: float = 110.0,
    baseline_ms: float | None = 100.0,
    outcome: Outcome = Outcome.OK,
    reason: str = "within the tolerance",
    samples_ms: tuple[float, ...] | None = None,
) -> Result:
    """Return a measured cell; by default with five passes at 96 to 104 % of its time."""
    key = CellKey(platform, model, batch_size)
    return Result(
        key,
        baseline_ms=baseline_ms,
        baseline_kind="" if baseline_ms is None else "report",
        baseline_source="" if baseline_ms is None else "report, TK1 table",
        now_ms=now_ms,
        change=None if baseline_ms is None else now_ms / baseline_ms - 1,
        outcome=outcome,
        reason=reason,
        tolerance=0.1,
        resolution=0.05,
        nodeid=f"benchmarks/test_predict.py::test_predict[{key}]",
        samples_ms=tuple(now_ms * share for share in (0.96, 0.98, 1.0, 1.02, 1.04))
        if samples_ms is None
        else samples_ms,
        clock="predict",
    )


def not_measured(
    model: str,
    batch_size: int = 8,
    *,
    outcome: Outcome = Outcome.ERROR,
    reason: str = "no answer",
    platform: str = "tk1",
) -> Result:
    """Return a cell with a verdict but no time."""
    return Result(
        CellKey(platform, model, batch_size), baseline_ms=100.0, outcome=outcome, reason=reason, nodeid="a::b"
    )


def results(*cells: Result, run: RunFacts | None = RUN, missing: int = 0, warnings: Iterable[str] = ()) -> Results:
    """Return the results of a run of these cells on the TK1."""
    runs = {} if run is None else dict.fromkeys((cell.key.platform for cell in cells), run)
    return Results(CATALOG, cells, runs, {"tk1": missing} if missing else {}, tuple(warnings))
