"""Entry points for the report's figures.

`describe` returns the figures as values, by file name (`names` documents the names); `draw` draws them. Only this
package loads matplotlib, and only when it draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import (
    against_baseline,
    comparison,
    cost,
    efficiency,
    history,
    latency,
    load,
    names,
    pareto,
)
from pytest_ddperf.plots.index_page import index_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.core.catalog import Catalog
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
    from pytest_ddperf.plots.draw.parallel import write_file  # noqa: PLC0415 - loads matplotlib

    charts = describe(results, trends, platforms)
    draw_charts(charts, folder, progress=progress)
    write_file(folder / names.INDEX, index_page(charts).encode())
    return list(charts)


def describe(results: Results, trends: Sequence[Trend], platforms: Sequence[str]) -> dict[str, Chart]:
    """Describe the figures that `draw` draws, without loading matplotlib.

    Returns:
        The figures by file name without extension, in the order of the report.
    """
    plain = results.plain
    charts: dict[str, Chart] = dict(_cost(results.catalog))
    for platform in platforms:
        charts.update(_platform(plain, platform))
    charts.update(_models(plain, platforms))
    charts.update(_mobilenets(plain, platforms))
    for platform in platforms:
        charts.update(pareto.pareto_charts(plain, platform))
    charts.update(_efficiency(plain, platforms))
    for platform in platforms:
        charts.update(load.load_charts(results, platform))
    for platform in platforms:
        against = against_baseline.against_baseline_chart(results, platform)
        if against is not None:
            charts[names.against_baseline(platform)] = against
    charts.update(history.trend_charts(results.catalog, trends, platforms))
    return charts


def draw_charts(
    charts: Mapping[str, Chart],
    folder: Path,
    endings: Sequence[str] = names.ENDINGS,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw figures into files below a folder.

    Args:
        charts: descriptions of the figures, by file name without extension.
        folder: output folder; created if it does not exist.
        endings: file extensions to write for each figure.
        progress: called with the number of figures drawn so far and the total number.

    Returns:
        The paths of the files, in the order of the charts.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    from pytest_ddperf.plots.draw.parallel import draw_all  # noqa: PLC0415 - loads matplotlib

    draw_all(charts, folder, endings=endings, progress=progress)
    return [folder / f"{name}.{ending}" for name in charts for ending in endings]


def _cost(catalog: Catalog) -> Iterator[tuple[str, Chart]]:
    for name, small in ((names.COST_ALL, False), (names.COST_SMALL, True)):
        chart = cost.cost_chart(catalog, small=small)
        if chart is not None:
            yield name, chart


def _platform(results: Results, platform: str) -> Iterator[tuple[str, Chart]]:
    yield from latency.latency_charts(results, platform).items()
    throughput = latency.throughput_chart(results, platform)
    if throughput is not None:
        yield names.throughput(platform), throughput


def _models(results: Results, platforms: Sequence[str]) -> Iterator[tuple[str, Chart]]:
    """Yield a chart across all platforms for each network that has a value on one of `platforms`."""
    for model in comparison.models_of(results.only(platforms)):
        yield names.model(model), comparison.model_chart(results, model)


def _mobilenets(results: Results, platforms: Sequence[str]) -> Iterator[tuple[str, Chart]]:
    for platform in platforms:
        chart = comparison.mobilenet_chart(results, platform)
        if chart is not None:
            yield names.mobilenet(platform), chart


def _efficiency(results: Results, platforms: Sequence[str]) -> Iterator[tuple[str, Chart]]:
    for platform in platforms:
        chart = efficiency.platform_chart(results, platform)
        if chart is not None:
            yield names.efficiency(platform), chart
    yield from efficiency.across_charts(results).items()
