"""Time per image and images per second against batch size, and each network across platforms. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars, LineChart, Series, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.core.results import Result, Results
    from pytest_ddperf.plots.describe.charts import Chart

MS_PER_IMAGE = "time per image, ms"
BATCH_SIZE = "batch size, images per request"
MOBILENETS = ("mobilenet", "mobilenet_depthwise")


def latency_charts(results: Results, platform: str) -> dict[str, Chart]:
    """Return a platform's figures by file name: two of the latency, and the throughput; or bars for one batch size."""
    sizes = common.sizes_of(results.of(platform))
    if not sizes:
        return {}
    if len(sizes) == 1:
        return {names.figure("latency", f"{platform}_bars"): latency_bars(results, platform)}
    lines = latency_lines(results, platform)
    return {
        names.figure("latency", f"{platform}_log"): lines,
        names.figure("latency", f"{platform}_linear"): replace(lines, y_log=False),
        names.figure("throughput", platform): throughput_chart(results, platform),
    }


def latency_lines(results: Results, platform: str) -> LineChart:
    """Describe time per image against batch size, with the lines of a run over those of its baseline."""
    return _over_batch_sizes(results, results.of(platform), _text(results, platform, "time per image"))


def _over_batch_sizes(
    results: Results,
    cells: Sequence[Result],
    text: Text,
    y_label: str = MS_PER_IMAGE,
    y: Callable[[float], float] = float,
) -> LineChart:
    """Describe cells of one platform against their batch sizes; `y` converts milliseconds per image to their value."""
    sizes = common.sizes_of(cells)
    series = common.lines_of(results.catalog, cells, sizes, y)
    limits = common.limits_of(results, cells[0].key.platform, (one.id for one in series), sizes)
    return LineChart(
        text.noted(common.budget_note(limits, results.catalog.network_title)),
        BATCH_SIZE,
        y_label,
        tuple((float(size), str(size)) for size in sizes),
        series,
        common.fps_levels(common.values_of(series), y),
        budgets=common.budget_lines(limits, y),
    )


def latency_bars(results: Results, platform: str) -> BarChart:
    """Describe time per image at the only batch size, slowest network first."""
    cells = [cell for cell in results.of(platform) if cell.value_ms is not None]
    cells.sort(key=lambda cell: cell.value_ms or 0.0, reverse=True)
    run = any(cell.now_ms is not None for cell in cells)
    measured = Bars("this run" if run else "", tuple(cell.now_ms if run else cell.baseline_ms for cell in cells))
    columns = [measured]
    if run and any(cell.baseline_ms is not None for cell in cells):
        columns.append(Bars("baseline", tuple(cell.baseline_ms for cell in cells), emphasis=False))
    values = [value for bars in columns for value in bars.values if value is not None]
    catalog = results.catalog
    limits = {cell.key.model: [(float(row), results.time_limit_of(cell))] for row, cell in enumerate(cells)}
    of_rows = {"": [point for points in limits.values() for point in points]}
    text = _text(results, platform, f"time per image, batch size {cells[0].key.batch_size}")
    return BarChart(
        text.noted(common.budget_note(limits, catalog.network_title)),
        tuple((cell.key.model, catalog.network_title(cell.key.model)) for cell in cells),
        (
            BarPanel(
                MS_PER_IMAGE, tuple(columns), common.fps_levels(values), common.budget_lines(of_rows, curves=False)
            ),
        ),
    )


def throughput_chart(results: Results, platform: str) -> LineChart:
    """Describe images per second against batch size."""
    what = "images per second"
    return _over_batch_sizes(results, results.of(platform), _text(results, platform, what), what, images_per_second)


def images_per_second(per_image_ms: float) -> float:
    """Convert milliseconds per image to images per second."""
    return 1000 / per_image_ms


def model_charts(results: Results, platforms: Sequence[str]) -> dict[str, LineChart]:
    """Return a chart of each network with a value on one of `platforms`, by file name."""
    found = {cell.key.model for cell in results.only(platforms).cells if cell.value_ms is not None}
    return {
        names.figure("model", model): model_chart(results, model)
        for model in sorted(found, key=results.catalog.model_order)
    }


def model_chart(results: Results, model: str) -> LineChart:
    """Describe one network across platforms, one line per batch size; measured values are preferred to baselines."""
    cells = [cell for cell in results.cells if cell.key.model == model]
    shown = {cell.key.platform for cell in cells if cell.value_ms is not None}
    platforms = [name for name in results.platforms if name in shown]
    place = {name: float(number) for number, name in enumerate(platforms)}
    value = {(cell.key.platform, cell.key.batch_size): cell.value_ms for cell in cells}
    sizes = common.sizes_of(cells)
    series = tuple(
        Series(
            str(size),
            f"batch size {size}",
            tuple(place.values()),
            tuple(value.get((platform, size)) for platform in platforms),
        )
        for size in sizes
    )
    limits = {platform: common.limits_of(results, platform, [model], sizes)[model] for platform in platforms}
    of_sizes = {
        str(size): [(place[platform], limits[platform][number][1]) for platform in platforms]
        for number, size in enumerate(sizes)
    }
    of_run = {cell.key.platform for cell in cells if cell.now_ms is not None}
    measured = [results.catalog.platform_title(name) for name in platforms if name in of_run]
    text = Text(f"{results.catalog.network_title(model)}: time per image across platforms", _cost(results, model))
    return LineChart(
        text.noted(
            f"Measured: {', '.join(measured)}; otherwise baselines."
            if measured
            else "Baselines, published or recorded.",
            common.budget_note(limits, results.catalog.platform_title),
        ),
        "",
        MS_PER_IMAGE,
        tuple((place[name], results.catalog.platform_title(name)) for name in platforms),
        series,
        common.fps_levels(common.values_of(series)),
        keyed_by="batch",
        budgets=common.budget_lines(of_sizes, curves=False),
    )


def mobilenet_charts(results: Results, platform: str) -> dict[str, LineChart]:
    """Return a chart of both MobileNets on one platform, by file name; none if one of them has no value."""
    cells = [cell for cell in results.of(platform) if cell.key.model in MOBILENETS]
    if {cell.key.model for cell in cells if cell.value_ms is not None} != set(MOBILENETS):
        return {}
    title = results.catalog.platform_title(platform)
    gains = [gain for gain, _ in list_mobilenet_gains(cells)]
    gain = f"grouped convolutions take {min(gains):.2g} to {max(gains):.2g} times as long" if gains else ""
    text = Text(f"{title}: MobileNet, grouped convolutions against depthwise layers", gain)
    chart = _over_batch_sizes(results, cells, text.noted(*common.source_notes(results, platform)))
    return {names.figure("mobilenet", platform): chart}


def _text(results: Results, platform: str, what: str) -> Text:
    described = results.catalog.find_platform(platform)
    text = Text(f"{described.title}: {what}", described.backend)
    missing = common.missing_note(results.catalog, results.of(platform))
    return text.noted(*common.source_notes(results, platform), missing)


def _cost(results: Results, model: str) -> str:
    network = results.catalog.find_network(model)
    if network.giga_flops is None or network.million_params is None:
        return ""
    return f"{network.giga_flops_text} GFLOPs per image, {network.million_params_text} million parameters"


def list_mobilenet_gains(cells: Sequence[Result]) -> list[tuple[float, int]]:
    """Return the ratio of grouped to depthwise time and the batch size, for each size at which both have a value."""
    value = {(cell.key.model, cell.key.batch_size): cell.value_ms for cell in cells}
    return [
        (plain / depthwise, size)
        for size in common.sizes_of(cells)
        if (plain := value.get((MOBILENETS[0], size))) and (depthwise := value.get((MOBILENETS[1], size)))
    ]
