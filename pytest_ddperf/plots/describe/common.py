"""Helpers shared by the families of figures: batch sizes, labels, levels and notes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import CellKey
from pytest_ddperf.core.results import Result
from pytest_ddperf.plots.describe.charts import BudgetLine, Level, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_ddperf.core.budgets import TimeLimit
    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.results import Results

    Limits = Mapping[str, Sequence[tuple[float, TimeLimit | None]]]
    """By series, network or platform: positions, each with the limit that applies there."""

FPS = (1, 10, 25)
"""Images per second that the report marks: 1000, 100 and 40 ms per image."""


def title_of(catalog: Catalog, model: str, scenario: str = "") -> str:
    """Return the title of a network, with the scenario if there is one."""
    title = catalog.network_title(model)
    return f"{title}, {scenario}" if scenario else title


def sizes_of(cells: Iterable[Result]) -> tuple[int, ...]:
    """Return the batch sizes for which there is a value, ascending."""
    return tuple(sorted({cell.key.batch_size for cell in cells if cell.value_ms is not None}))


def lines_of(
    catalog: Catalog, cells: Sequence[Result], sizes: Sequence[int], y: Callable[[float], float] = float
) -> tuple[Series, ...]:
    """Return one line per network over batch sizes; the lines of a run follow those of its baseline.

    Args:
        catalog: networks and platforms.
        cells: cells of one platform without a load scenario.
        sizes: the batch sizes; a size without a value is a gap in the line.
        y: converts milliseconds per image to the drawn value.
    """
    run = any(cell.now_ms is not None for cell in cells)
    by_line: dict[str, dict[int, Result]] = {}
    for cell in cells:
        by_line.setdefault(cell.key.model, {})[cell.key.batch_size] = cell
    before: list[Series] = []
    now: list[Series] = []
    for model, of in by_line.items():
        at = [of.get(size) for size in sizes]
        label = catalog.network_title(model)
        for found, values, side in (
            (before, [None if cell is None else cell.baseline_ms for cell in at], "baseline"),
            (now, [None if cell is None else cell.now_ms for cell in at], "measured"),
        ):
            if all(value is None for value in values):
                continue
            lone = tuple(float(cell.key.batch_size) for cell in at if run and cell is not None and cell.side == side)
            ys = tuple(None if value is None else y(value) for value in values)
            found.append(Series(model, label, tuple(map(float, sizes)), ys, found is now, lone))
    return (*before, *now)


def fps_levels(values: Iterable[float], y: Callable[[float], float] = float) -> tuple[Level, ...]:
    """Return the levels of `FPS` between the smallest and the largest value.

    Args:
        values: the drawn values.
        y: converts milliseconds per image to the drawn value.
    """
    shown = list(values)
    levels = [Level(f"{fps} fps", y(1000 / fps)) for fps in FPS]
    return tuple(level for level in levels if shown and min(shown) <= level.value <= max(shown))


def limits_of(results: Results, platform: str, models: Iterable[str], sizes: Sequence[int]) -> Limits:
    """Return the limits of the time per image of networks on a platform, by network; positions are batch sizes."""
    cells = {(cell.key.model, cell.key.batch_size): cell for cell in results.of(platform)}
    return {
        model: [
            (float(size), results.time_limit_of(cells.get((model, size)) or Result(CellKey(platform, model, size))))
            for size in sizes
        ]
        for model in models
    }


def budget_lines(limits: Limits, y: Callable[[float], float] = float, *, curves: bool = True) -> tuple[BudgetLine, ...]:
    """Return a line for each distinct budget. Its label is that of its limit; see `curves` if it has several.

    Args:
        limits: the limits of each series.
        y: converts milliseconds to the drawn value.
        curves: whether positions follow each other, so that the label can be that of the last limit, beside the end of
            the curve; otherwise it is just `budget`.
    """
    grouped: dict[tuple[tuple[float, TimeLimit], ...], list[str]] = {}
    for name, points in limits.items():
        known = tuple((x, limit) for x, limit in points if limit is not None)
        if known:
            grouped.setdefault(known, []).append(name)
    lines = []
    for points, names in grouped.items():
        labels = [f"budget {limit.label}" for _, limit in points]
        label = labels[-1] if curves or len(set(labels)) == 1 else "budget"
        one = names[0] if len(names) == 1 < len(limits) else ""
        ys = tuple(y(limit.ms) for _, limit in points)
        if len(points) == len(limits[names[0]]) and len(set(ys)) == 1:
            lines.append(BudgetLine(label, ys[:1], id=one))
        else:
            lines.append(BudgetLine(label, ys, tuple(x for x, _ in points), one))
    return tuple(lines)


def budget_note(limits: Limits, title: Callable[[str], str]) -> str:
    """Return a note that states each budget and what it applies to; "" if one budget applies to everything.

    Args:
        limits: the limits of each network or platform.
        title: returns the title of a network or platform.
    """
    grouped: dict[str, list[str]] = {}
    for name, points in limits.items():
        labels = dict.fromkeys("" if limit is None else limit.label for _, limit in points)
        grouped.setdefault(", ".join(filter(None, labels)), []).append(title(name))
    if len(grouped) < 2 and not any("," in labels for labels in grouped):
        return ""
    texts = [f"{labels} ({', '.join(titles)})" for labels, titles in grouped.items() if labels]
    return f"Budgets: {'; '.join(texts)}."


def values_of(series: Iterable[Series]) -> list[float]:
    """Return the values of all lines, without gaps."""
    return [value for one in series for value in one.values]


def source_notes(results: Results, platform: str) -> tuple[str, ...]:
    """Return notes that state where a platform's numbers come from: its run and its baselines."""
    notes: list[str] = []
    run = results.runs.get(platform)
    if run is not None:
        commit = f", commit {run.commit[:10]}" if run.commit else ""
        ended = "" if run.complete else ", incomplete"
        older = sum(cell.earlier is not None for cell in results.of(platform))
        earlier = f"; {older} cell{'s' * (older > 1)} from earlier runs" if older else ""
        notes.append(f"Measured: run of {run.started[:16].replace('T', ' ')} UTC{commit}{ended}{earlier}.")
    kinds = {cell.baseline_kind for cell in results.of(platform) if cell.baseline_ms is not None}
    texts = {
        "report": results.catalog.find_platform(platform).source,
        "recorded": "recorded runs",
        "history": "the history's accepted nights",
    }
    named = [texts.get(kind) or kind for kind in ("report", "recorded", "history") if kind in kinds]
    if named:
        notes.append(f"Baseline: {'; '.join(named)}.")
    return tuple(notes)


def missing_note(catalog: Catalog, cells: Sequence[Result]) -> str:
    """Return a note that names the networks without a value at any batch size; "" if there are none."""
    shown = {cell.key.model for cell in cells if cell.value_ms is not None}
    missing = dict.fromkeys(cell.key.model for cell in cells if cell.key.model not in shown)
    titles = ", ".join(map(catalog.network_title, missing))
    return f"Not measurable here at any batch size: {titles}." if titles else ""
