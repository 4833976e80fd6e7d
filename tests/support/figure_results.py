"""Results to draw, made of the package's baselines and, where a test wants one, of a run that scatters about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from nightly import FIRST_NIGHT

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.core.results import RunFacts, Trend, TrendNight
from pytest_ddperf.plots.draw import style
from pytest_ddperf.report.gather import gather_results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from pytest_ddperf.core.results import Result, Results
    from pytest_ddperf.plots.describe.charts import Chart

MEASURED = "tk1"
RUN = RunFacts("20261124T020000.000Z-00000000", "2026-11-24T02:00:00+00:00", "0123456789abcdef")


@cache
def published() -> Results:
    """What the package carries, of every platform, with no run."""
    return gather_results(load_catalog(), [], {})


def measured(changes: Mapping[tuple[str, int], float | Outcome | None] = {}) -> Results:
    """The TK1's cells as a run measured them, 2 % slower than their baseline, but for those that a test changes.

    Args:
        changes: by network and batch size: another change, a failure with no value, or None for a cell not measured.
    """
    cells = tuple(_measured(cell, changes) for cell in published().cells)
    return replace(published(), cells=cells, runs={MEASURED: RUN})


def _measured(cell: Result, changes: Mapping[tuple[str, int], float | Outcome | None]) -> Result:
    change = changes.get((cell.key.model, cell.key.batch_size), 0.02)
    if cell.key.platform != MEASURED or change is None:
        return cell
    if isinstance(change, Outcome):
        return replace(cell, outcome=change)
    if cell.baseline_ms is None:
        return cell if change == 0.02 else replace(cell, now_ms=100.0, outcome=Outcome.NEW)
    outcome = Outcome.REGRESSED if change > 0.1 else Outcome.IMPROVED if change < -0.1 else Outcome.OK
    return replace(cell, now_ms=cell.baseline_ms * (1 + change), change=change, outcome=outcome, tolerance=0.1)


def trend(
    key: CellKey,
    values_ms: list[float],
    outcomes: Mapping[int, Outcome] = {},
    baselines: Mapping[int, tuple[str, float]] = {},
    commits: Mapping[int, str] = {},
) -> Trend:
    """The history of a cell, one night a value, held against 100 ms of the report until a test says otherwise.

    Args:
        key: the cell.
        values_ms: milliseconds per image.
        outcomes: by night; else ok.
        baselines: by the night from which they hold, kind and milliseconds per image.
        commits: by the night from which they hold.
    """
    nights: list[TrendNight] = []
    (kind, baseline_ms), commit = ("report", 100.0), "0" * 40
    for night, now_ms in enumerate(values_ms):
        kind, baseline_ms = baselines.get(night, (kind, baseline_ms))
        commit = commits.get(night, commit)
        outcome = outcomes.get(night, Outcome.OK)
        nights.append(
            TrendNight(
                run=f"run {night}",
                started=FIRST_NIGHT + timedelta(days=night),
                now_ms=now_ms,
                outcome=outcome,
                accepted=outcome is not Outcome.REGRESSED,
                change=now_ms / baseline_ms - 1,
                tolerance=0.1,
                baseline_ms=baseline_ms,
                baseline_kind=kind,
                commit=commit,
            )
        )
    return Trend(key, tuple(nights))


def figure_of(chart: Chart) -> Figure:
    """A description as matplotlib's figure, as the files show it."""
    with style.apply_style():
        from pytest_ddperf.plots.draw import dispatch  # noqa: PLC0415 - loads matplotlib, inside the style

        return dispatch.build_figure(chart)
