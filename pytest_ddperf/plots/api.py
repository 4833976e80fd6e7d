"""Entry points for the report's figures.

`describe` returns the figures as values, by file name (`names` documents the names); `draw` draws them. Only this
package loads matplotlib, and only when it draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import (
    against,
    against_baseline,
    cost,
    efficiency,
    history,
    latency,
    load,
    names,
    pareto,
)
from pytest_ddperf.plots.draw import parallel
from pytest_ddperf.plots.index_page import index_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.core.results import Results, Trend
    from pytest_ddperf.plots.describe.charts import Chart


def draw(
    results: Results,
    trends: Sequence[Trend],
    folder: Path,
    platforms: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Draw every figure for which there is data, as PNG and SVG, and a page that shows them all (`names.INDEX`).

    The same input produces the same bytes.

    Args:
        results: results of all platforms, because some figures compare platforms.
        trends: histories of cells.
        folder: output folder; created if it does not exist.
        platforms: platforms whose own figures are drawn.
        progress: called with the number of figures drawn so far and the total number.

    Returns:
        The names of the figures, in the order of the report.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    charts = describe(results, trends, platforms)
    parallel.draw_all(charts, folder, progress=progress)
    parallel.write_file(folder / names.INDEX, index_page(charts).encode())
    return list(charts)


def describe(results: Results, trends: Sequence[Trend], platforms: Sequence[str]) -> dict[str, Chart]:
    """Describe the figures that `draw` draws, without loading matplotlib.

    Returns:
        The figures by file name without extension, in the order of the report.
    """
    plain = results.plain  # the families of plain latency expect no cells under load

    def of_each(family: Callable[[Results, str], Mapping[str, Chart]], shown: Results) -> dict[str, Chart]:
        return {name: chart for platform in platforms for name, chart in family(shown, platform).items()}

    return {
        **cost.cost_charts(results.catalog),
        **of_each(latency.latency_charts, plain),
        **latency.model_charts(plain, platforms),
        **of_each(latency.mobilenet_charts, plain),
        **of_each(pareto.pareto_charts, plain),
        **of_each(efficiency.platform_charts, plain),
        **efficiency.across_charts(plain),
        **of_each(load.load_charts, results),
        **of_each(against.against_charts, results),
        **of_each(against_baseline.against_baseline_charts, results),
        **history.trend_charts(results, trends, platforms),
    }
