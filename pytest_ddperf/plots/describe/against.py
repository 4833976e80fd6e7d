"""A server compared with its reference in pairs: the change of every cell with its interval. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import IntervalChart, IntervalRow, Text

if TYPE_CHECKING:
    from pytest_ddperf.core.results import Results

X_LABEL = "change of the time per image, percent: slower to the right"


def against_charts(results: Results, platform: str) -> dict[str, IntervalChart]:
    """Return a chart of the platform's cells with an estimate from pairs, slowest first, by file name; none without."""
    cells = [cell for cell in results.of(platform) if cell.pairs and cell.change is not None]
    if not cells:
        return {}
    cells.sort(key=lambda cell: -(cell.change or 0.0))
    references = dict.fromkeys(cell.reference for cell in cells)
    least, most = min(cell.pairs for cell in cells), max(cell.pairs for cell in cells)
    text = Text(
        f"{results.catalog.platform_title(platform)}: against {', '.join(filter(None, references)) or 'its reference'}",
        f"{least if least == most else f'{least} to {most}'} pairs a cell, with confidence intervals",
    )
    chart = IntervalChart(
        text.noted(*common.source_notes(results, platform), "Band: the tolerance."),
        X_LABEL,
        tuple(
            IntervalRow(
                f"{common.title_of(results.catalog, cell.key.model, cell.key.scenario)}, b{cell.key.batch_size}",
                (cell.change or 0.0) * 100,
                None if cell.interval is None else (cell.interval[0] * 100, cell.interval[1] * 100),
                (cell.tolerance or 0.0) * 100,
                cell.outcome,
            )
            for cell in cells
            if cell.outcome is not None
        ),
    )
    return {names.figure("against", platform): chart}
