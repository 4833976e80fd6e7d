"""A run compared with its baseline, network by batch size, with the verdicts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import FAILING, Outcome
from pytest_ddperf.core.results import format_decided
from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import HeatCell, HeatMap, Text

if TYPE_CHECKING:
    from pytest_ddperf.core.results import Result, Results

MARKS = {
    Outcome.REGRESSED: "\u25b2",
    Outcome.OVER_BUDGET: "#",
    Outcome.IMPROVED: "\u25bc",
    Outcome.UNSTABLE: "~",
    Outcome.INVALID: "!",
    Outcome.NEW: "+",
}
"""Symbols shown before the number of a cell whose outcome is not ok."""


def against_baseline_charts(results: Results, platform: str) -> dict[str, HeatMap]:
    """Return a chart of every cell of the platform, by file name; none if no cell was measured or failed in a run."""
    cells = [cell for cell in results.of(platform) if cell.side != "none" or cell.outcome is not None]
    if not any(cell.now_ms is not None or cell.outcome in FAILING for cell in cells):
        return {}
    shown = [cell for cell in cells if cell.outcome is not None or cell.value_ms is not None]
    rows = list(dict.fromkeys((cell.key.model, cell.key.scenario) for cell in shown))
    sizes = sorted({cell.key.batch_size for cell in shown})
    counted = {outcome: sum(cell.outcome is outcome for cell in cells) for outcome in Outcome}
    totals = ", ".join(f"{count} {outcome}" for outcome, count in counted.items() if count)
    unmeasured = sum(cell.side == "baseline" and cell.outcome is None for cell in cells)
    text = Text(
        f"{results.catalog.platform_title(platform)}: measured against baseline",
        totals + (f", {unmeasured} not measured" if unmeasured else ""),
    )
    chart = HeatMap(
        text.noted(*common.source_notes(results, platform), "x: not measurable, according to the baseline."),
        tuple((model, common.title_of(results.catalog, model, scenario)) for model, scenario in rows),
        tuple(str(size) for size in sizes),
        tuple(
            HeatCell(
                rows.index((cell.key.model, cell.key.scenario)),
                sizes.index(cell.key.batch_size),
                cell.change if cell.now_ms is not None else None,
                _lines(cell),
                cell.outcome,
                cell.side,
            )
            for cell in cells
            if (cell.key.model, cell.key.scenario) in rows and cell.key.batch_size in sizes
        ),
    )
    return {names.figure("against_baseline", platform): chart}


def _lines(cell: Result) -> tuple[str, ...]:
    if cell.now_ms is None:
        if cell.outcome in FAILING:
            return (str(cell.outcome),)
        if cell.side == "baseline":
            return ("not measured", f"({_ms(cell.baseline_ms)})")
        return ("x",) if cell.side == "x" else (str(cell.outcome or ""),)
    mark = "" if cell.outcome is None else MARKS.get(cell.outcome, "")
    if cell.change is None:
        return f"{mark} {cell.outcome or 'measured'}".strip(), _ms(cell.now_ms)
    return f"{mark} {format_decided(cell)}".strip(), _ms(cell.now_ms)


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"
