"""Comparisons: each network across platforms, and MobileNet's grouped convolutions with its depthwise layers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common
from pytest_ddperf.plots.describe.charts import LineChart, Series, Text
from pytest_ddperf.plots.describe.latency import BATCH_SIZE, MS_PER_IMAGE

if TYPE_CHECKING:
    from pytest_ddperf.core.results import Result, Results

MOBILENETS = ("mobilenet", "mobilenet_depthwise")


def models_of(results: Results) -> tuple[str, ...]:
    """Return the networks that have a value, in the order of the catalogue."""
    found = {cell.key.model for cell in results.cells if cell.value_ms is not None}
    return tuple(sorted(found, key=results.catalog.model_order))


def model_chart(results: Results, model: str) -> LineChart:
    """Describe one network across platforms, one line per batch size; measured values are preferred to baselines."""
    cells = [cell for cell in results.cells if cell.key.model == model and not cell.key.scenario]
    platforms = [name for name in results.platforms if any(_is_there(cell, name) for cell in cells)]
    place = {name: float(number) for number, name in enumerate(platforms)}
    value = {(cell.key.platform, cell.key.batch_size): cell.value_ms for cell in cells}
    series = tuple(
        Series(
            str(size),
            f"batch size {size}",
            tuple(place.values()),
            tuple(value.get((platform, size)) for platform in platforms),
        )
        for size in common.sizes_of(cells)
    )
    measured = [common.platform_title(results.catalog, name) for name in platforms if _is_measured(cells, name)]
    text = Text(f"{common.title_of(results.catalog, model)}: time per image across platforms", _cost(results, model))
    return LineChart(
        text.noted(
            f"Measured: {', '.join(measured)}; otherwise baselines."
            if measured
            else "Baselines, published or recorded."
        ),
        "",
        MS_PER_IMAGE,
        tuple((place[name], common.platform_title(results.catalog, name)) for name in platforms),
        series,
        common.fps_levels(common.values_of(series)),
        keyed_by="batch",
        x_log=False,
    )


def mobilenet_chart(results: Results, platform: str) -> LineChart | None:
    """Describe both MobileNets on one platform; None if one of them has no value."""
    cells = [cell for cell in results.of(platform) if cell.key.model in MOBILENETS and not cell.key.scenario]
    if {cell.key.model for cell in cells if cell.value_ms is not None} != set(MOBILENETS):
        return None
    sizes = common.sizes_of(cells)
    series = common.lines_of(results.catalog, cells, sizes)
    title = common.platform_title(results.catalog, platform)
    text = Text(f"{title}: MobileNet, grouped convolutions against depthwise layers", _gain(cells))
    return LineChart(
        text.noted(*common.source_notes(results, platform)),
        BATCH_SIZE,
        MS_PER_IMAGE,
        common.ticks_of(sizes),
        series,
        common.fps_levels(common.values_of(series)),
    )


def _is_there(cell: Result, platform: str) -> bool:
    return cell.key.platform == platform and cell.value_ms is not None


def _is_measured(cells: list[Result], platform: str) -> bool:
    return any(cell.key.platform == platform and cell.now_ms is not None for cell in cells)


def _cost(results: Results, model: str) -> str:
    network = results.catalog.networks.get(model)
    if network is None or network.giga_flops is None or network.million_params is None:
        return ""
    return f"{network.giga_flops_text} GFLOPs per image, {network.million_params_text} million parameters"


def _gain(cells: list[Result]) -> str:
    """State the smallest and largest ratio of grouped to depthwise time; "" if there is none."""
    value = {(cell.key.model, cell.key.batch_size): cell.value_ms for cell in cells}
    gains = [
        plain / depthwise
        for size in common.sizes_of(cells)
        if (plain := value.get((MOBILENETS[0], size))) and (depthwise := value.get((MOBILENETS[1], size)))
    ]
    if not gains:
        return ""
    return f"grouped convolutions take {min(gains):.2g} to {max(gains):.2g} times as long"
