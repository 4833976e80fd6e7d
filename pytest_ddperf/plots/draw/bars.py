"""Bar charts: one row per network, panels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pytest_ddperf.plots.draw import style
from pytest_ddperf.plots.draw.lines import budget_key, draw_levels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

    from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars

_WIDTH_IN, _LABELS_IN, _GAP_IN, _RIGHT_IN = 9.0, 2.3, 0.4, 0.35
_ROW_IN, _BELOW_IN, _LEVELS_IN, _LEGEND_IN = 0.31, 0.55, 0.25, 0.24


def draw_bars(chart: BarChart) -> Figure:
    """Draw the chart. The gid of each bar contains its panel number and network, such as `bar:0:resnet50`."""
    columns = max(len(panel.bars) for panel in chart.panels)
    row = _ROW_IN * (1 if columns == 1 else 1.35)
    levels_in = _LEVELS_IN if any(panel.levels or panel.budgets for panel in chart.panels) else 0.05
    above = levels_in + (_LEGEND_IN if any(map(_keys, chart.panels)) else 0)
    frame = style.create_frame(chart.text, _WIDTH_IN, row * max(3, len(chart.rows)) + _BELOW_IN + above)
    width = (_WIDTH_IN - _LABELS_IN - _RIGHT_IN - _GAP_IN * (len(chart.panels) - 1)) / len(chart.panels)
    height = frame.height - frame.top - frame.bottom - _BELOW_IN - above
    for number, panel in enumerate(chart.panels):
        axes = frame.at(_LABELS_IN + number * (width + _GAP_IN), frame.bottom + _BELOW_IN, width, height)
        _draw(axes, chart, panel, number)
        if number == 0 and (keys := _keys(panel)):
            axes.legend(
                handles=keys, loc="lower left", bbox_to_anchor=(0, 1 + levels_in / height), borderaxespad=0,
                ncols=len(keys), handlelength=1.6,
            )  # fmt: skip
    return frame.figure


def _draw(axes: Axes, chart: BarChart, panel: BarPanel, number: int) -> None:
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(chart.rows) - 0.4, -0.6)  # before the texts are placed, which have no extent outside the axes
    thickness = 0.72 / len(panel.bars)
    values = [value for bars in panel.bars for value in bars.values if value is not None]
    axes.set_xlim(0, max([max(values) * 1.28, *(value * 1.06 for budget in panel.budgets for value in budget.y)]))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: style.format_number(value))
    for place, bars in enumerate(panel.bars):
        shift = (place - (len(panel.bars) - 1) / 2) * thickness
        for name in _bars(axes, chart, bars, f"bar:{number}", (shift, thickness)):
            _clear(axes, name, panel)
    axes.set_yticks(range(len(chart.rows)), [title if number == 0 else "" for _, title in chart.rows])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(panel.x_label)
    draw_levels(axes, panel.levels, budgets=panel.budgets, vertical=True, steps=True)


def _keys(panel: BarPanel) -> list[Patch | Line2D]:
    """Return the legend entries of a panel."""
    keys: list[Patch | Line2D] = [
        Patch(label=bars.label, **({"facecolor": style.FAINT} if bars.emphasis else _pale(style.FAINT)))
        for bars in panel.bars
        if bars.label
    ]
    return [*keys, budget_key()] if panel.budgets else keys


def _pale(colour: str) -> dict[str, Any]:
    """Return the look of reference bars: a hatched outline, which is also distinct in greyscale."""
    return {"facecolor": "white", "edgecolor": colour, "hatch": "/////", "linewidth": 0.8}


def _bars(axes: Axes, chart: BarChart, bars: Bars, gid: str, place: tuple[float, float]) -> list[Annotation]:
    """Draw bars with their values beside them; return the text of the values."""
    shift, thickness = place
    names = []
    for row, (model, _) in enumerate(chart.rows):
        value = bars.values[row]
        if value is None:
            continue
        colour = style.look_of("model", model).colour
        look = {"facecolor": colour} if bars.emphasis else _pale(colour)
        (bar,) = axes.barh([row + shift], [value], height=thickness * 0.94, zorder=2, **look)
        bar.set_gid(f"{gid}:{model}" if bars.emphasis else f"{gid}:{model}:{bars.label}")
        remark = f"  {bars.remarks[row]}" if bars.remarks else ""
        name = axes.annotate(
            f"{style.format_number(value)}{remark}", (value, row + shift), (3, 0),
            textcoords="offset points", va="center",
            ha="left", fontsize=8 if len(chart.panels[0].bars) == 1 else 7.2, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
        )  # fmt: skip
        names.append(name)
    return names


def _clear(axes: Axes, name: Annotation, panel: BarPanel) -> None:
    """Move the text of a value to the right of any line of a level or budget that would cross it."""
    scale = 72 / style.DPI
    budgets = {value for budget in panel.budgets for value in budget.y}
    for value in sorted({level.value for level in panel.levels} | budgets):
        line = axes.transData.transform((value, 0))[0]
        extent = name.get_window_extent()
        if extent.x0 - 2 <= line <= extent.x1 + 2:
            x, y = name.get_position()
            name.set_position((x + (line - extent.x0) * scale + 3, y))
