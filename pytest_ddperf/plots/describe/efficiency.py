"""Images per second per watt of the platform, and per GFLOP of the network. Pure.

Watts are the platform's power under load as the report states it: the power that the platform may draw, not the power
drawn with a given network. GFLOPs are the network's multiply-adds per image as the report counts them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars, DotChart, Series, Text
from pytest_ddperf.plots.describe.latency import images_per_second

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ddperf.core.results import Result, Results

PER_WATT = "images per second per watt"
PER_GFLOP = "images per second per GFLOP"
_WATTS = "Watts: power of the platform under load, from the report."
_GFLOPS = "GFLOPs: 10\u2079 multiply-adds of the network per image, as the report counts them."


def per_watt(results: Results, cell: Result) -> float | None:
    """Return images per second per watt; None if the time or the watts are unknown."""
    return _share(cell, results.catalog.find_platform(cell.key.platform).watts)


def per_gflop(results: Results, cell: Result) -> float | None:
    """Return images per second per GFLOP of the network; None if the time or the GFLOPs are unknown."""
    return _share(cell, results.catalog.find_network(cell.key.model).giga_flops)


def platform_charts(results: Results, platform: str) -> dict[str, BarChart]:
    """Describe both efficiencies on one platform, at each network's best batch size and at the smallest batch size.

    Returns:
        The chart by file name; empty if no efficiency is known.
    """
    cells = results.of(platform)
    first = min(common.sizes_of(cells), default=1)
    at_first = {cell.key.model: cell for cell in cells if cell.key.batch_size == first}
    chosen = list(_best(cells).values())
    panels = [
        panel
        for label, efficiency in ((PER_WATT, per_watt), (PER_GFLOP, per_gflop))
        if (panel := _panel(label, chosen, at_first, partial(efficiency, results))) is not None
    ]
    if not panels:
        return {}
    watts = results.catalog.find_platform(platform).watts
    title = results.catalog.platform_title(platform)
    text = Text(f"{title}: efficiency", f"{watts:g} watts under load" if watts else "")
    chart = BarChart(
        text.noted(
            *common.source_notes(results, platform),
            _WATTS if watts else f"The report states no watts of {title}, so images per second per watt are not shown.",
            _GFLOPS if len(panels) > 1 or not watts else "",
        ),
        tuple((cell.key.model, results.catalog.network_title(cell.key.model)) for cell in chosen),
        tuple(panels),
    )
    return {names.figure("efficiency", platform): chart}


def across_charts(results: Results) -> dict[str, DotChart]:
    """Describe both efficiencies across platforms, each network at its best batch size on each platform.

    Returns:
        The charts by file name.
    """
    best = {platform: _best(results.of(platform)) for platform in results.platforms}
    without = [
        results.catalog.platform_title(name)
        for name, cells in best.items()
        if cells and (known := results.catalog.platforms.get(name)) is not None and known.watts is None
    ]
    notes = (
        "Each network at its fastest batch size on that platform.",
        _WATTS,
        f"Not shown, because the report states no watts: {', '.join(without)}." if without else "",
    )
    charts = {
        names.PER_WATT: _dots(results, best, per_watt, Text("Images per second per watt").noted(*notes), PER_WATT),
        names.PER_GFLOP: _dots(
            results, best, per_gflop, Text("Images per second per GFLOP").noted(notes[0], _GFLOPS), PER_GFLOP
        ),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


def _dots(
    results: Results,
    best: dict[str, dict[str, Result]],
    efficiency: Callable[[Results, Result], float | None],
    text: Text,
    label: str,
) -> DotChart | None:
    values = {
        (cell.key.platform, cell.key.model): value
        for cells in best.values()
        for cell in cells.values()
        if (value := efficiency(results, cell)) is not None
    }
    if not values:
        return None
    greatest: dict[str, float] = {}
    for (_, model), value in values.items():
        greatest[model] = max(value, greatest.get(model, value))
    models = sorted(greatest, key=lambda model: (-greatest[model], results.catalog.model_order(model)))
    series = []
    for platform in best:
        dots = [
            (values[platform, model], float(row)) for row, model in enumerate(models) if (platform, model) in values
        ]
        if dots:
            x, rows = zip(*dots, strict=True)
            series.append(Series(platform, results.catalog.platform_title(platform), x, rows))
    return DotChart(
        text, label, tuple((model, results.catalog.network_title(model)) for model in models), tuple(series)
    )


def _panel(
    label: str,
    chosen: Sequence[Result],
    at_first: dict[str, Result],
    efficiency: Callable[[Result], float | None],
) -> BarPanel | None:
    values = tuple(efficiency(cell) for cell in chosen)
    if all(value is None for value in values):
        return None
    (first,) = {cell.key.batch_size for cell in at_first.values()}
    if all(cell.key.batch_size == first for cell in chosen):
        return BarPanel(label, (Bars("", values),))
    others = tuple(None if (cell := at_first.get(one.key.model)) is None else efficiency(cell) for one in chosen)
    remarks = tuple(f"b{cell.key.batch_size}" for cell in chosen)
    return BarPanel(
        label,
        (Bars("best batch size", values, remarks=remarks), Bars(f"batch size {first}", others, emphasis=False)),
    )


def _best(cells: Iterable[Result]) -> dict[str, Result]:
    """Return the cell with the shortest time per image for each network, fastest first."""
    best: dict[str, Result] = {}
    known = (cell for cell in cells if cell.value_ms is not None)
    for cell in sorted(known, key=lambda cell: cell.value_ms or 0.0):
        best.setdefault(cell.key.model, cell)
    return best


def _share(cell: Result, of: float | None) -> float | None:
    return None if of is None or cell.value_ms is None else images_per_second(cell.value_ms) / of
