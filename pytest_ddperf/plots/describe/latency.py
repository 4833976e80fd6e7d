"""Time per image and images per second against batch size: one platform, one line per network. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars, Level, LineChart, Text

if TYPE_CHECKING:
    from pytest_ddperf.core.results import Result, Results
    from pytest_ddperf.plots.describe.charts import Chart

MS_PER_IMAGE = "time per image, ms"
BATCH_SIZE = "batch size, images per request"


def latency_charts(results: Results, platform: str) -> dict[str, Chart]:
    """Return a platform's latency figures by file name: logarithmic and linear, or bars for one batch size."""
    cells = results.plain.of(platform)
    sizes = common.sizes_of(cells)
    if not sizes:
        return {}
    if len(sizes) == 1:
        return {names.latency(platform, "bars"): latency_bars(results, platform)}
    return {
        names.latency(platform, scale): latency_lines(results, platform, logarithmic=scale == "log")
        for scale in ("log", "linear")
    }


def latency_lines(results: Results, platform: str, *, logarithmic: bool) -> LineChart:
    """Describe time per image against batch size, with the lines of a run over those of its baseline."""
    cells = results.plain.of(platform)
    sizes = common.sizes_of(cells)
    series = common.lines_of(results.catalog, cells, sizes)
    return LineChart(
        _text(results, platform, "time per image"),
        BATCH_SIZE,
        MS_PER_IMAGE,
        common.ticks_of(sizes),
        series,
        common.fps_levels(common.values_of(series)),
        y_log=logarithmic,
    )


def latency_bars(results: Results, platform: str) -> BarChart:
    """Describe time per image at the only batch size, slowest network first."""
    cells = [cell for cell in results.plain.of(platform) if cell.value_ms is not None]
    cells.sort(key=_value, reverse=True)
    run = any(cell.now_ms is not None for cell in cells)
    measured = Bars("this run" if run else "", tuple(cell.now_ms if run else cell.baseline_ms for cell in cells))
    columns = [measured]
    if run and any(cell.baseline_ms is not None for cell in cells):
        columns.append(Bars("baseline", tuple(cell.baseline_ms for cell in cells), emphasis=False))
    values = [value for bars in columns for value in bars.values if value is not None]
    catalog = results.catalog
    return BarChart(
        _text(results, platform, f"time per image, batch size {cells[0].key.batch_size}"),
        tuple((cell.key.model, common.title_of(catalog, cell.key.model)) for cell in cells),
        (BarPanel(MS_PER_IMAGE, tuple(columns), common.fps_levels(values)),),
    )


def throughput_chart(results: Results, platform: str) -> LineChart | None:
    """Describe images per second against batch size; None with fewer than two batch sizes."""
    cells = results.plain.of(platform)
    sizes = common.sizes_of(cells)
    if len(sizes) < 2:
        return None
    series = common.lines_of(results.catalog, cells, sizes, images_per_second)
    values = common.values_of(series)
    levels = tuple(Level(f"{fps} fps", fps) for fps in common.FPS if min(values) <= fps <= max(values))
    return LineChart(
        _text(results, platform, "images per second"),
        BATCH_SIZE,
        "images per second",
        common.ticks_of(sizes),
        series,
        levels,
    )


def images_per_second(per_image_ms: float) -> float:
    """Convert milliseconds per image to images per second."""
    return 1000 / per_image_ms


def _value(cell: Result) -> float:
    return cell.value_ms or 0.0


def _text(results: Results, platform: str, what: str) -> Text:
    known = results.catalog.platforms.get(platform)
    backend = "" if known is None else known.backend
    text = Text(f"{common.platform_title(results.catalog, platform)}: {what}", backend)
    missing = common.missing_note(results.catalog, results.of(platform))
    return text.noted(*common.source_notes(results, platform), missing)
