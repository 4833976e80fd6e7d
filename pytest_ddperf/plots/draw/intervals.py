"""Interval chart: one row per cell with its change, the interval of the change and the tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pytest_ddperf.core.records import FAILING
from pytest_ddperf.plots.draw import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import IntervalChart, IntervalRow

_WIDTH_IN, _LABELS_IN, _LEGEND_IN, _ROW_IN = 9.4, 2.5, 1.5, 0.26
_OTHER = {"marker": "o", "color": style.INK, "markersize": 6}


def draw_intervals(chart: IntervalChart) -> Figure:
    """Draw the chart. The gids of a row are `change:ROW`, `interval:ROW` and `tolerance:ROW`, ROW from 0."""
    rows = chart.rows
    frame = style.create_frame(chart.text, _WIDTH_IN, _ROW_IN * max(4, len(rows)) + 0.7)
    axes = frame.axes(_LABELS_IN, _LEGEND_IN, below=0.55, above=0.1)
    for place, row in enumerate(rows):
        _draw_row(axes, place, row)
    axes.axvline(0, color=style.INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
    values = [value for row in rows for value in (*(row.interval or ()), row.change, row.tolerance, -row.tolerance)]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(chart.x_label)
    shown = {str(row.outcome): _look(row) for row in rows}
    handles = [Line2D([], [], linewidth=1.2, **look) for look in shown.values()]
    axes.legend(handles, list(shown), loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, handlelength=1.6)
    return frame.figure


def _look(row: IntervalRow) -> Mapping[str, Any]:
    return style.VERDICTS.get(row.outcome, style.FAILED_OTHERWISE if row.outcome in FAILING else _OTHER)


def _draw_row(axes: Axes, place: int, row: IntervalRow) -> None:
    look = _look(row)
    band = (-row.tolerance, place - 0.5), 2 * row.tolerance, 1.0
    axes.add_patch(Rectangle(*band, facecolor="#ececec", edgecolor="none", gid=f"tolerance:{place}", zorder=1))
    if row.interval is not None:
        axes.plot(row.interval, [place] * 2, color=look["color"], linewidth=1.2, gid=f"interval:{place}", zorder=2)
    axes.plot([row.change], [place], linestyle="", gid=f"change:{place}", zorder=3, **look)
