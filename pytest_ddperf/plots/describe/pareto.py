"""Accuracy against time per image, with the Pareto front. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common, names
from pytest_ddperf.plots.describe.charts import Choice, ScatterChart, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ddperf.core.results import Result, Results


def find_front(points: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
    """Return for each point (time, accuracy) whether it is on the Pareto front.

    A point is on the front if no other point is at least as good in both values and better in one. Equal points are
    either all on the front or all off it.
    """
    return tuple(
        not any(
            other_ms <= ms and other_accuracy >= accuracy and (other_ms, other_accuracy) != (ms, accuracy)
            for other_ms, other_accuracy in points
        )
        for ms, accuracy in points
    )


def pareto_charts(results: Results, platform: str) -> dict[str, ScatterChart]:
    """Return a chart, by file name, for each batch size with at least two networks of known time and accuracy."""
    charts: dict[str, ScatterChart] = {}
    for size in common.sizes_of(results.of(platform)):
        chart = pareto_chart(results, platform, size)
        if len(chart.choices) > 1:
            charts[names.figure("pareto", f"{platform}_b{size}")] = chart
    return charts


def pareto_chart(results: Results, platform: str, batch_size: int) -> ScatterChart:
    """Describe the networks of a platform at one batch size."""
    cells = [cell for cell in results.of(platform) if cell.key.batch_size == batch_size]
    run = any(cell.now_ms is not None for cell in cells)
    shown = [cell for cell in cells if cell.value_ms is not None]
    known = [cell for cell in shown if _accuracy(results, cell) is not None]
    unknown = [results.catalog.network_title(cell.key.model) for cell in shown if cell not in known]
    choices = _choices(results, ((cell, cell.value_ms) for cell in known))
    title = results.catalog.platform_title(platform)
    text = Text(f"{title}: accuracy against time, batch size {batch_size}", "better is up and to the left")
    only_baseline = [results.catalog.network_title(cell.key.model) for cell in known if run and cell.now_ms is None]
    limits = {cell.key.model: [(0.0, results.time_limit_of(cell))] for cell in known}
    return ScatterChart(
        text.noted(
            *common.source_notes(results, platform),
            f"Not shown, accuracy unknown: {', '.join(unknown)}." if unknown else "",
            f"Not measured, baseline shown: {', '.join(only_baseline)}." if only_baseline else "",
            common.budget_note(limits, results.catalog.network_title),
        ),
        choices,
        _choices(results, ((cell, cell.baseline_ms) for cell in known)) if run else (),
        common.fps_levels(choice.ms for choice in choices),
        common.budget_lines(limits),
    )


def _choices(results: Results, cells: Iterable[tuple[Result, float | None]]) -> tuple[Choice, ...]:
    points = [
        (cell, ms, accuracy)
        for cell, ms in cells
        if ms is not None and (accuracy := _accuracy(results, cell)) is not None
    ]
    best = find_front([(ms, accuracy) for _, ms, accuracy in points])
    chosen = [
        Choice(cell.key.model, results.catalog.network_title(cell.key.model), ms, accuracy, on_front)
        for (cell, ms, accuracy), on_front in zip(points, best, strict=True)
    ]
    return tuple(sorted(chosen, key=lambda choice: (choice.ms, choice.accuracy)))


def _accuracy(results: Results, cell: Result) -> float | None:
    return results.catalog.find_network(cell.key.model).top1_accuracy_percent
