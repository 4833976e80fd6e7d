"""What a figure shows, as values: every number that is drawn, and none of how it looks. Pure.

A description is made from results by the module of its family (`latency`, `comparison`, `cost` ...), drawn by
`drawing`, and read by tests and reports. Units: milliseconds per image, images per second, as the axis' label says.
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
        id: of the network, batch size or platform that it is of; decides colour, marker and line style.
        label: as the legend says it.
        x: one a point, ascending.
        y: one a point; None is a gap: no point, and a line that is broken.
        of_run: whether a run measured it; else it is published, recorded, or of the history.
        lone: the x of the points that the other side (run or baseline) lacks, where a run is drawn over its baseline.
    """

    id: str
    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    of_run: bool = False
    lone: tuple[float, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """Those of the points that are there."""
        return tuple(value for value in self.y if value is not None)


@dataclass(frozen=True, slots=True)
class Level:
    """A value of the axis that people look for, such as 40 ms per image: 25 frames a second."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """What stands around a figure.

    Args:
        title: what it shows.
        subtitle: of what, and how it was measured.
        notes: where the figures come from, and what is left out.
    """

    title: str
    subtitle: str = ""
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> Text:
        """The same with further notes; empty ones are passed over."""
        return replace(self, notes=(*self.notes, *(note for note in notes if note)))


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over batch sizes or over platforms.

    Args:
        keyed_by: what a series' id is: `model`, `batch` or `platform`.
        ticks: the x that there is something to say of, and what.
        x_log: whether x is a batch size, drawn on a binary logarithm.
        y_log: whether y is drawn on a decimal logarithm.
    """

    text: Text
    x_label: str
    y_label: str
    ticks: tuple[tuple[float, str], ...]
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    keyed_by: str = "model"
    x_log: bool = True
    y_log: bool = True

    @property
    def with_run(self) -> bool:
        """Whether a run is drawn over its baseline."""
        return any(one.of_run for one in self.series)


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar a row.

    Args:
        label: as the legend says it, "" where the panel has only these.
        values: one a row; None for no bar.
        emphasis: whether it is what the figure is about; else it is what that is held against, and drawn pale.
        remarks: one a row, behind the value: "b16"; empty for none.
    """

    label: str
    values: tuple[float | None, ...]
    emphasis: bool = True
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BarPanel:
    """Bars of one quantity."""

    x_label: str
    bars: tuple[Bars, ...]
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class BarChart:
    """Panels side by side, whose rows are networks.

    Args:
        rows: id and title of each network.
    """

    text: Text
    rows: tuple[tuple[str, str], ...]
    panels: tuple[BarPanel, ...]


@dataclass(frozen=True, slots=True)
class DotChart:
    """Rows of networks, a dot for each platform.

    Args:
        rows: id and title of each network.
        series: one a platform; y is the row, x the value. A row without a dot is left out.
    """

    text: Text
    x_label: str
    rows: tuple[tuple[str, str], ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A network as accuracy and time.

    Args:
        ms: milliseconds per image.
        accuracy: top-1, percent.
        on_front: whether no other is both at least as fast and at least as accurate.
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
        choices: what was measured, or the baseline where nothing was; fastest first.
        before: the baseline of what was measured; empty without a run.
        levels: vertical.
    """

    text: Text
    choices: tuple[Choice, ...]
    before: tuple[Choice, ...] = ()
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of the matrix.

    Args:
        row: of the network, from 0.
        column: of the batch size, from 0.
        change: the time against the baseline, relative; None where there is nothing to compare.
        lines: what stands in it.
        outcome: the verdict; None where the run did not have the cell.
        side: as `Result.side`.
    """

    row: int
    column: int
    change: float | None
    lines: tuple[str, ...]
    outcome: Outcome | None
    side: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Measured against baseline, network by batch size."""

    text: Text
    rows: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class NightPoint:
    """A cell on one night.

    Args:
        started: when the run began, UTC.
        ms: milliseconds per image.
        low_ms: lower edge of the accepted band; None without a baseline or tolerance.
        high_ms: upper edge.
        baseline_ms: what the night was held against; None without one.
        outcome: the verdict.
        accepted: whether later nights may be held against it.
        rebaselined: whether it is held against something else than the night before: another kind of baseline, or
            another value of one that does not move by itself.
        commit: the commit that was tested, shortened; "" where it is that of the night before, or unknown.
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
    """The nights of one cell, oldest first."""

    title: str
    nights: tuple[NightPoint, ...]


@dataclass(frozen=True, slots=True)
class NightChart:
    """The nights of some cells, a panel each."""

    text: Text
    panels: tuple[NightPanel, ...]


@dataclass(frozen=True, slots=True)
class LoadLine:
    """One quantity over loads.

    Args:
        label: as the legend says it.
        x: clients, or requests per second, ascending.
        y: one a point.
        low: lower ends of intervals, one a point; empty for none.
        high: upper ends.
        emphasis: whether it is what the panel is about; else what that is held against, and drawn pale.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    emphasis: bool = True


@dataclass(frozen=True, slots=True)
class LoadPanel:
    """Lines of one unit."""

    y_label: str
    lines: tuple[LoadLine, ...]
    y_log: bool = False


@dataclass(frozen=True, slots=True)
class LoadChart:
    """Panels side by side over the same loads.

    Args:
        ticks: the loads, ascending.
    """

    text: Text
    x_label: str
    ticks: tuple[float, ...]
    panels: tuple[LoadPanel, ...]


Chart = LoadChart | LineChart | BarChart | DotChart | ScatterChart | HeatMap | NightChart
