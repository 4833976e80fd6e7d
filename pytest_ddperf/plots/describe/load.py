"""A network under load: throughput and latency percentiles against clients or requested rate. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import PERCENTILE_KEYS
from pytest_ddperf.core.percentiles import PERCENTS
from pytest_ddperf.core.results import NO_TIME
from pytest_ddperf.core.scenarios import Scenario
from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import BudgetLine, LoadChart, LoadLine, LoadPanel, Text
from pytest_ddperf.plots.describe.latency import images_per_second

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.load_summary import LoadSummary
    from pytest_ddperf.core.results import Result, Results

CLIENTS = "clients at once"
RATE = "requested rate, requests per second"
LATENCY = "request latency, ms"


def load_charts(results: Results, platform: str) -> dict[str, LoadChart]:
    """Return the charts of a platform's cells that were measured under load, by file name.

    There is one chart per network, batch size and kind of load (clients or rate).
    """
    grouped: dict[tuple[str, int, bool], list[tuple[float, Result, LoadSummary]]] = {}
    for cell in results.of(platform):
        if cell.load is None or cell.now_ms is None or cell.outcome in NO_TIME:
            continue
        scenario = Scenario.parse(cell.key.scenario) or Scenario()
        place = float(scenario.clients or scenario.rate or 0)
        grouped.setdefault((cell.key.model, cell.key.batch_size, scenario.clients is not None), []).append(
            (place, cell, cell.load)
        )
    charts = {}
    for (model, size, closed), points in grouped.items():
        name = names.figure("concurrency" if closed else "rate", platform, f"{model}_b{size}")
        charts[name] = load_chart(results, sorted(points, key=lambda point: point[0]), closed=closed)
    return charts


def load_chart(results: Results, points: Sequence[tuple[float, Result, LoadSummary]], *, closed: bool) -> LoadChart:
    """Describe one network at one batch size.

    Args:
        results: results whose catalogue contains the platform and the network.
        points: number of clients or requests per second, ascending, each with what was measured at that load.
        closed: whether the loads are numbers of clients (closed loop), not rates.
    """
    key = points[0][1].key
    x = tuple(place for place, _, _ in points)
    title = f"{results.catalog.platform_title(key.platform)}, {results.catalog.network_title(key.model)}"
    if closed:
        rates = tuple(cell.images_per_second or 0.0 for _, cell, _ in points)
        limits = {"answered": [(place, results.time_limit_of(cell)) for place, cell, _ in points]}
        budgets = common.budget_lines(limits, images_per_second)
        first = LoadPanel("images per second", (LoadLine("answered", x, rates),), budgets=budgets)
    else:
        answered = tuple(load.requests_per_second for _, _, load in points)
        first = LoadPanel(
            "requests per second answered",
            (LoadLine("requested", x, x, emphasis=False), LoadLine("answered", x, answered)),
        )
    behind = ", ".join(f"{place:g}" for place, _, load in points if load.kept_up is False)
    text = Text(f"{title}: {'concurrency' if closed else 'open loop'}", f"batch size {key.batch_size}, client's clock")
    return LoadChart(
        text.noted(
            *common.source_notes(results, key.platform)[:1],
            "Bars: 95 % confidence interval. A percentile that needs more requests is not shown.",
            "More than one client measures queueing, not the network."
            if closed
            else "Poisson arrivals; latency counts from when a request was due.",
            f"The server did not keep up at {behind} requests per second." if behind else "",
        ),
        CLIENTS if closed else RATE,
        x,
        (first, LoadPanel(LATENCY, _percentiles(points), y_log=True, budgets=_percentile_budgets(results, points))),
    )


def _percentile_budgets(
    results: Results, points: Sequence[tuple[float, Result, LoadSummary]]
) -> tuple[BudgetLine, ...]:
    """Return the budgets of percentiles, each with the id of the line that it limits."""
    return tuple(
        replace(line, label=f"p{percent} {line.label}", id=f"p{percent}")
        for key, percent in PERCENTILE_KEYS.items()
        for line in common.budget_lines(
            {"": [(place, results.budget_of(cell).find_percentile_limit(key)) for place, cell, _ in points]}
        )
    )


def _percentiles(points: Sequence[tuple[float, Result, LoadSummary]]) -> tuple[LoadLine, ...]:
    lines = []
    for percent in PERCENTS:
        known = [(place, one) for place, _, load in points for one in load.percentiles if one.percent == percent]
        if known:
            lines.append(
                LoadLine(
                    f"p{percent}",
                    tuple(place for place, _ in known),
                    tuple(one.value_ms for _, one in known),
                    tuple(one.low_ms for _, one in known),
                    tuple(one.high_ms for _, one in known),
                )
            )
    return tuple(lines)
