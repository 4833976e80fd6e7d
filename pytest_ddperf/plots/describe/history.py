"""The nights of each cell, with the accepted band of each night, the changes and the commits. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import Result
from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.describe.charts import BudgetLine, NightChart, NightPanel, NightPoint, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ddperf.core.budgets import TimeLimit
    from pytest_ddperf.core.results import Results, Trend, TrendNight

COMMIT_DIGITS = 7
MOVES_BY_ITSELF = "history"
"""The kind of baseline that every accepted night updates; a new value of it is not a change of baseline."""


def trend_charts(results: Results, trends: Iterable[Trend], platforms: Iterable[str]) -> dict[str, NightChart]:
    """Return one chart per platform and network, by file name; panels are in ascending order of batch size.

    The budget of a night is the one that its run applied; if no run applied one, that of the results.
    """
    wanted, catalog = set(platforms), results.catalog
    cells = {cell.key: cell for cell in results.cells}
    grouped: dict[tuple[str, str], list[Trend]] = {}
    for trend in trends:
        if trend.key.platform in wanted and trend.nights:
            grouped.setdefault((trend.key.platform, trend.key.model), []).append(trend)
    places = {name: place for place, name in enumerate(catalog.platforms)}
    order = sorted(grouped, key=lambda one: (places.get(one[0], len(places)), catalog.model_order(one[1])))
    return {
        names.figure("history", platform, model): NightChart(
            Text(
                f"{catalog.platform_title(platform)}, {catalog.network_title(model)}, night by night",
                "milliseconds per image, UTC",
                ("Band: baseline and tolerance of each night. Ticks below: a new commit.",),
            ),
            tuple(
                panel(trend, results.time_limit_of(cells.get(trend.key) or Result(trend.key)))
                for trend in sorted(grouped[platform, model], key=lambda one: (one.key.batch_size, one.key.scenario))
            ),
        )
        for platform, model in order
    }


def panel(trend: Trend, limit: TimeLimit | None = None) -> NightPanel:
    """Create the panel with the nights of one cell, oldest first; if no night has a budget, it is `limit`."""
    before: TrendNight | None = None
    commit = ""
    nights: list[NightPoint] = []
    for night in trend.nights:
        nights.append(_point(night, before, night.commit[:COMMIT_DIGITS] if night.commit != commit else ""))
        before, commit = night, night.commit or commit
    size = f"batch size {trend.key.batch_size}"
    title = f"{size}, {trend.key.scenario}" if trend.key.scenario else size
    return NightPanel(title, tuple(nights), _budget([night.budget for night in trend.nights], limit))


def _budget(of_nights: Sequence[TimeLimit | None], limit: TimeLimit | None) -> BudgetLine | None:
    """Return the budget of a panel, labelled with its newest limit: one value for each night, or one for all."""
    limits = [one for one in of_nights if one is not None] or ([] if limit is None else [limit])
    if not limits:
        return None
    y = tuple(math.nan if one is None else one.ms for one in of_nights) if len({*of_nights}) > 1 else (limits[-1].ms,)
    return BudgetLine(f"budget {limits[-1].label}", y)


def _point(night: TrendNight, before: TrendNight | None, commit: str) -> NightPoint:
    low_ms = high_ms = None
    if night.baseline_ms is not None and night.tolerance is not None:
        low_ms = night.baseline_ms * (1 - night.tolerance)
        high_ms = night.baseline_ms * (1 + night.tolerance)
    return NightPoint(
        night.started,
        night.now_ms,
        low_ms,
        high_ms,
        night.baseline_ms,
        night.outcome,
        night.accepted,
        _is_rebaselined(night, before),
        commit,
    )


def _is_rebaselined(night: TrendNight, before: TrendNight | None) -> bool:
    if before is None or night.baseline_ms is None:
        return False
    if night.baseline_kind != before.baseline_kind:
        return True
    if night.baseline_kind == MOVES_BY_ITSELF:
        return False
    # the gate's estimate varies slightly
    return before.baseline_ms is None or not math.isclose(night.baseline_ms, before.baseline_ms, rel_tol=1e-3)


def is_change(night: NightPoint) -> bool:
    """Whether a night is worth attention: a new baseline, a regression or an improvement."""
    return night.rebaselined or night.outcome in (Outcome.REGRESSED, Outcome.IMPROVED)
