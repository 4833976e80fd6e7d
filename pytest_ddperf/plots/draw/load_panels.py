"""Load charts: throughput beside latency percentiles with their confidence intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator

from pytest_ddperf.plots.draw import style
from pytest_ddperf.plots.draw.lines import LEVEL_WIDTH_PT, budget_key, draw_levels, label_room_in, value_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import LoadChart, LoadLine, LoadPanel

_WIDTH_IN, _ROOM_IN = 9.2, 4.0
_LEFT_IN, _GAP_IN, _RIGHT_IN, _BELOW_IN, _ABOVE_IN = 0.75, 0.95, 0.3, 0.55, 0.35
_LEVEL_IN = LEVEL_WIDTH_PT / 72
_LOOKS = (("#3b78c2", "o"), ("#2a9d6f", "s"), ("#d9822b", "^"), ("#c44e78", "D"))
"""Colour and marker of each line of a panel, in order."""


def draw_load(chart: LoadChart) -> Figure:
    """Draw the chart. The gid of each line contains its panel number and label, such as `load:0:answered`."""
    count = len(chart.panels)
    width = (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _GAP_IN * (count - 1)) / count
    more_in = [label_room_in(panel.budgets) + _LEVEL_IN if panel.budgets else 0.0 for panel in chart.panels]
    frame = style.create_frame(chart.text, _WIDTH_IN + sum(more_in), _ROOM_IN)
    for number, panel in enumerate(chart.panels):
        left = _LEFT_IN + number * (width + _GAP_IN) + sum(more_in[:number])
        axes = frame.at(left, frame.bottom + _BELOW_IN, width, _ROOM_IN - _BELOW_IN - _ABOVE_IN)
        _draw(axes, chart, panel, number)
    return frame.figure


def _draw(axes: Axes, chart: LoadChart, panel: LoadPanel, number: int) -> None:
    values = [value for line in panel.lines for value in (*line.y, *line.low, *line.high)]
    values += [value for budget in panel.budgets for value in budget.y]
    axes.set_xscale("log", base=2)
    axes.set_xlim(chart.ticks[0] / 1.2, chart.ticks[-1] * 1.2)
    axes.set_xticks(chart.ticks, [style.format_number(tick) for tick in chart.ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(panel.y_label)
    if values:
        logarithmic = panel.y_log and min(values) > 0
        value_axis(axes.yaxis, values, logarithmic=logarithmic)
    for place, line in enumerate(line for line in panel.lines if line.emphasis):
        _line(axes, line, _LOOKS[place % len(_LOOKS)], f"load:{number}:{line.label}")
    for line in panel.lines:
        if not line.emphasis:
            axes.plot(line.x, line.y, color=style.FAINT, linestyle=style.BASELINE_DASHES, linewidth=0.9,
                      label=line.label, gid=f"load:{number}:{line.label}", zorder=2)  # fmt: skip
    handles = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    colours = {str(line.get_label()): str(line.get_color()) for line in handles}
    draw_levels(axes, (), budgets=panel.budgets, colours=colours)
    if panel.budgets:
        handles.append(budget_key())
    if len(handles) > 1:
        axes.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(handles), handlelength=1.8,
            columnspacing=1.2,
        )  # fmt: skip


def _line(axes: Axes, line: LoadLine, look: tuple[str, str], gid: str) -> None:
    colour, marker = look
    axes.plot(line.x, line.y, color=colour, marker=marker, label=line.label, gid=gid, zorder=3)
    if line.low:
        axes.vlines(line.x, line.low, line.high, colors=colour, linewidth=1.0, zorder=2.5, gid=f"{gid}:interval")
