"""Results to draw: the package's baselines and, if a test needs one, a run that scatters around them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from nightly import FIRST_NIGHT

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.records import AGAINST, CellKey, Outcome
from pytest_ddperf.core.results import RunFacts, Trend, TrendNight
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe import against
from pytest_ddperf.plots.draw import style
from pytest_ddperf.report.gather import gather_results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from pytest_ddperf.core.budgets import Budget
    from pytest_ddperf.core.results import Result, Results
    from pytest_ddperf.plots.describe.charts import Chart

MEASURED = "tk1"
RUN = RunFacts("20261124T020000.000Z-00000000", "2026-11-24T02:00:00+00:00", "0123456789abcdef")


@cache
def published() -> Results:
    """Return the package's baselines of every platform, without a run."""
    return gather_results(load_catalog(), [], {})


def measured(changes: Mapping[tuple[str, int], float | Outcome | None] = {}) -> Results:
    """Return the TK1's cells as measured by a run, 2 % slower than their baseline unless a test changes them.

    Args:
        changes: by network and batch size: another change, a failure with no value, or None for a cell not measured.
    """
    cells = tuple(_measured(cell, changes) for cell in published().cells)
    return replace(published(), cells=cells, runs={MEASURED: RUN})


def with_budgets(results: Results, budgets: Mapping[str, Mapping[str, Budget]]) -> Results:
    """Return results whose platforms have these budgets, by platform and network ("*" for all networks)."""
    platforms = {
        name: replace(platform, budgets=budgets.get(name, {})) for name, platform in results.catalog.platforms.items()
    }
    return replace(results, catalog=replace(results.catalog, platforms=platforms))


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


def in_pairs(results: Results) -> Results:
    """Return a copy whose measured cells were compared with a server in 24 pairs, within 4 % each."""
    source = {"baseline_kind": AGAINST, "baseline_source": "a service on http://old:8080 (v0.27)"}
    cells = tuple(
        replace(cell, interval=(cell.change - 0.04, cell.change + 0.04), pairs=24, seed=7, **source)  # type: ignore[arg-type]
        if cell.change is not None
        else cell
        for cell in results.cells
    )
    return replace(results, cells=cells)


def trend(
    key: CellKey,
    values_ms: list[float],
    outcomes: Mapping[int, Outcome] = {},
    baselines: Mapping[int, tuple[str, float]] = {},
    commits: Mapping[int, str] = {},
) -> Trend:
    """Return the history of a cell, one value per night, compared with 100 ms of the report by default.

    Args:
        key: the cell.
        values_ms: milliseconds per image.
        outcomes: outcomes by night; ok by default.
        baselines: kind and milliseconds per image, by the first night to which they apply.
        commits: commits by the first night to which they apply.
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


def one_of_each() -> dict[str, Chart]:
    """Return a figure of a run of each kind of chart, by name."""
    charts = api.describe(measured(), [trend(CellKey(MEASURED, "resnet50", 1), [100.0, 101.0])], [MEASURED])
    charts |= against.against_charts(in_pairs(measured()), MEASURED)
    chosen = {type(chart): name for name, chart in charts.items()}
    return {name: charts[name] for name in chosen.values()}


def figure_of(chart: Chart) -> Figure:
    """Draw a chart as a matplotlib figure, as in the files."""
    with style.apply_style():
        from pytest_ddperf.plots.draw import dispatch  # noqa: PLC0415 - loads matplotlib, inside the style

        return dispatch.build_figure(chart)
