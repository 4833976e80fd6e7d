"""Descriptions of figures: every number that is drawn, but not how it looks. Pure.

The module of each family (`latency`, `cost`, `pareto` ...) creates descriptions from results. `plots.draw` draws
them; tests and reports read them. The axis label states the unit, such as milliseconds per image or images per second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_ddperf.core.records import Outcome


@dataclass(frozen=True, slots=True)
class Series:
    """One line.

    Args:
        id: id of the network, batch size or platform; determines colour, marker and line style.
        label: text in the legend.
        x: one value per point, ascending.
        y: one value per point; None is a gap without a point, which interrupts the line.
        of_run: whether a run measured the values; otherwise they are published, recorded or from the history.
        lone: if a run is drawn over its baseline, the x of the points that have no counterpart on the other side.
    """

    id: str
    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    of_run: bool = False
    lone: tuple[float, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """The y values without gaps."""
        return tuple(value for value in self.y if value is not None)


@dataclass(frozen=True, slots=True)
class Level:
    """A reference value on an axis, such as 40 ms per image (25 frames per second)."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A budget on an axis: the strictest limit at each position.

    Args:
        label: text beside the line, such as `budget 40 ms`.
        y: one value per position, NaN for none; a single one for a straight line across the axes.
        x: the positions, ascending; empty for a straight line, and if the positions are the nights of a panel.
        id: id of the only series that the budget applies to; "" if it applies to several, or to the whole figure.
    """

    label: str
    y: tuple[float, ...]
    x: tuple[float, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """The texts around a figure.

    Args:
        title: what the figure shows.
        subtitle: what was measured, and how.
        notes: where the numbers come from, and what is omitted.
    """

    title: str
    subtitle: str = ""
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> Text:
        """Return a copy with additional notes; empty notes are ignored."""
        return replace(self, notes=(*self.notes, *(note for note in notes if note)))


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over batch sizes or over platforms.

    Args:
        text: title, subtitle and notes.
        x_label: label of the x axis.
        y_label: label of the y axis.
        ticks: position and label of each tick on the x axis.
        series: the lines.
        levels: reference values on the y axis.
        keyed_by: kind of the series ids: `model` over batch sizes, on a logarithmic axis to base 2, or `batch` over
            platforms.
        y_log: whether y is drawn on a logarithmic axis to base 10.
        budgets: the budgets, on the y axis.
    """

    text: Text
    x_label: str
    y_label: str
    ticks: tuple[tuple[float, str], ...]
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    keyed_by: str = "model"
    y_log: bool = True
    budgets: tuple[BudgetLine, ...] = ()

    @property
    def with_run(self) -> bool:
        """Whether a run is drawn over its baseline."""
        return any(one.of_run for one in self.series)


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar per row.

    Args:
        label: text in the legend; "" if the panel has only one set of bars.
        values: one value per row; None for no bar.
        emphasis: whether the bars are the subject of the figure; otherwise they are the reference and drawn pale.
        remarks: one text per row, shown after the value, such as "b16"; empty for none.
    """

    label: str
    values: tuple[float | None, ...]
    emphasis: bool = True
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BarPanel:
    """Bars of one quantity.

    Args:
        x_label: label of the axis.
        bars: the sets of bars.
        levels: reference values on the axis, drawn as vertical lines.
        budgets: the budgets on the axis; positions are rows.
    """

    x_label: str
    bars: tuple[Bars, ...]
    levels: tuple[Level, ...] = ()
    budgets: tuple[BudgetLine, ...] = ()


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bar panels side by side that share their rows, one per network.

    Args:
        rows: id and title of each network, one per row.
    """

    text: Text
    rows: tuple[tuple[str, str], ...]
    panels: tuple[BarPanel, ...]


@dataclass(frozen=True, slots=True)
class DotChart:
    """One row per network, with one dot per platform.

    Args:
        rows: id and title of each network, one per row.
        series: one per platform; x is the value, y the row. A row without a dot has no point in the series.
    """

    text: Text
    x_label: str
    rows: tuple[tuple[str, str], ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Accuracy and time of a network.

    Args:
        id: id of the network.
        label: title of the network.
        ms: milliseconds per image.
        accuracy: top-1 accuracy, percent.
        on_front: whether the network is on the Pareto front; see `pareto.find_front`.
    """

    id: str
    label: str
    ms: float
    accuracy: float
    on_front: bool


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Accuracy against time, with the Pareto front.

    Args:
        text: title, subtitle and notes.
        choices: measured values, or baseline values where nothing was measured; fastest first.
        before: baseline values; empty without a run.
        levels: reference values on the time axis, drawn as vertical lines.
        budgets: the budgets on the time axis, drawn as vertical lines.
    """

    text: Text
    choices: tuple[Choice, ...]
    before: tuple[Choice, ...] = ()
    levels: tuple[Level, ...] = ()
    budgets: tuple[BudgetLine, ...] = ()


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of the matrix.

    Args:
        row: row of the network, from 0.
        column: column of the batch size, from 0.
        change: relative change of the time from the baseline; None if there is nothing to compare.
        lines: lines of text in the cell.
        outcome: the verdict; None if the cell was not part of the run.
        side: same as `Result.side`.
    """

    row: int
    column: int
    change: float | None
    lines: tuple[str, ...]
    outcome: Outcome | None
    side: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Measured values compared with their baselines, network by batch size."""

    text: Text
    rows: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class NightPoint:
    """A cell on one night.

    Args:
        started: start of the run, UTC.
        ms: milliseconds per image.
        low_ms: lower limit of the accepted band; None without a baseline or tolerance.
        high_ms: upper limit of the accepted band; None without a baseline or tolerance.
        baseline_ms: the baseline of that night; None if there was none.
        outcome: the verdict.
        accepted: whether later nights may be compared with this one.
        rebaselined: whether the baseline changed since the night before: it is of another kind, or it has another value
            and is not of the kind that follows the history.
        commit: shortened hash of the tested commit; "" if unchanged since the night before, or unknown.
    """

    started: datetime
    ms: float
    low_ms: float | None
    high_ms: float | None
    baseline_ms: float | None
    outcome: Outcome
    accepted: bool
    rebaselined: bool
    commit: str


@dataclass(frozen=True, slots=True)
class NightPanel:
    """The nights of one cell, oldest first, and its budget."""

    title: str
    nights: tuple[NightPoint, ...]
    budget: BudgetLine | None = None


@dataclass(frozen=True, slots=True)
class NightChart:
    """The nights of several cells, one panel per cell."""

    text: Text
    panels: tuple[NightPanel, ...]


@dataclass(frozen=True, slots=True)
class LoadLine:
    """One quantity against load.

    Args:
        label: text in the legend.
        x: number of clients, or requests per second; ascending.
        y: one value per point.
        low: lower limits of the confidence intervals, one per point; empty for none.
        high: upper limits of the confidence intervals, one per point; empty for none.
        emphasis: whether the line is the subject of the panel; otherwise it is the reference and drawn pale.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    emphasis: bool = True


@dataclass(frozen=True, slots=True)
class LoadPanel:
    """Lines with the same unit, and the budgets: of a single line if their id is its label."""

    y_label: str
    lines: tuple[LoadLine, ...]
    y_log: bool = False
    budgets: tuple[BudgetLine, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadChart:
    """Panels side by side with the same loads on the x axis.

    Args:
        text: title, subtitle and notes.
        x_label: label of the x axis.
        ticks: the loads, ascending.
        panels: the panels, from left to right.
    """

    text: Text
    x_label: str
    ticks: tuple[float, ...]
    panels: tuple[LoadPanel, ...]


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """A cell that was measured in pairs. Numbers are percent, 10 is 10 % slower.

    Args:
        label: network and batch size.
        change: the estimate.
        interval: its confidence interval; None if the run ended between two looks.
        tolerance: the largest change that passes.
        outcome: the verdict.
    """

    label: str
    change: float
    interval: tuple[float, float] | None
    tolerance: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """Cells measured in pairs, one row each, from top to bottom."""

    text: Text
    x_label: str
    rows: tuple[IntervalRow, ...]


Chart = LoadChart | LineChart | BarChart | DotChart | ScatterChart | HeatMap | NightChart | IntervalChart
