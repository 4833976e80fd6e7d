"""Line charts over batch sizes or platforms, and axes shared with other charts."""

from __future__ import annotations

import math
import textwrap
from statistics import fmean
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from pytest_ddperf.plots.draw import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import BudgetLine, Level, LineChart, Series

_WIDTH_IN, _ROOM_IN = 9.2, 4.6
_LEGEND_IN = 3.15
LEVEL_WIDTH_PT, _LEVEL_HEIGHT_PT = 34.0, 11.0
"""Space for the label of a level, in points."""

_CHARACTER_PT = 5.2
"""Width of a character of a label, in points, rounded up."""

_HALF_STEP = 0.3
"""Half the length of a budget's line at a single platform or row, in its unit."""


def draw_lines(chart: LineChart) -> Figure:
    """Draw the chart. The gid identifies each line: `run:LABEL`, `baseline:LABEL`, `level:25 fps` or `budget:LABEL`."""
    more_in = label_room_in(chart.budgets)
    frame = style.create_frame(chart.text, _WIDTH_IN + more_in, _ROOM_IN)
    axes = frame.axes(0.75, _LEGEND_IN + more_in, below=0.55, above=0.05)
    _x_axis(axes, chart)
    values = [value for one in chart.series for value in one.values]
    marked = [level.value for level in chart.levels] + [value for budget in chart.budgets for value in budget.y]
    value_axis(axes.yaxis, [*values, *marked], logarithmic=chart.y_log)
    axes.set_ylabel(chart.y_label)
    for one in chart.series:
        _draw(axes, one, chart)
    looks = {one.id: style.look_of(chart.keyed_by, one.id).colour for one in chart.series}
    draw_levels(axes, chart.levels, budgets=chart.budgets, colours=looks, steps=chart.keyed_by == "batch")
    _legend(axes, chart, more_in / (_WIDTH_IN - 0.75 - _LEGEND_IN))
    return frame.figure


def _draw(axes: Axes, series: Series, chart: LineChart) -> None:
    look = style.look_of(chart.keyed_by, series.id)
    y = [math.nan if value is None else value for value in series.y]
    gid = f"{'run' if series.of_run else 'baseline'}:{series.label}"
    face = {"markerfacecolor": "white" if look.fill == "none" else look.colour, "markerfacecoloralt": "white"}
    shape: dict[str, Any] = {"marker": look.marker, "fillstyle": "full" if look.fill == "none" else look.fill, **face}
    if not chart.with_run:
        axes.plot(series.x, y, color=look.colour, linestyle=look.dashes, label=series.label, gid=gid, zorder=3, **shape)
    elif series.of_run:
        axes.plot(series.x, y, color=look.colour, linestyle="-", label=series.label, gid=gid, zorder=4, **shape)
        ring = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "zorder": 5}
        _mark_lone(axes, series, "measured only", {**ring, "markeredgecolor": look.colour})
    else:
        axes.plot(
            series.x, y, color=look.colour, linestyle=style.BASELINE_DASHES, linewidth=0.9, label=series.label, gid=gid,
            zorder=2, marker=look.marker, markersize=3, markerfacecolor="white", markeredgewidth=0.7,
        )  # fmt: skip
        cross = {"marker": "x", "markersize": 7, "zorder": 3}
        _mark_lone(axes, series, "baseline only", {**cross, "markeredgecolor": look.colour})


def _mark_lone(axes: Axes, series: Series, gid: str, look: dict[str, Any]) -> None:
    """Mark the points that have no counterpart on the other side."""
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if x in series.lone and y is not None]
    if points:
        axes.plot(*zip(*points, strict=True), linestyle="", gid=f"{gid}:{series.label}", markeredgewidth=1, **look)


def _x_axis(axes: Axes, chart: LineChart) -> None:
    places = [place for place, _ in chart.ticks]
    longest, points = 14, 9
    if chart.keyed_by == "model":
        axes.set_xscale("log", base=2)
        axes.set_xlim(min(places) / 1.18, max(places) * 1.18)
    else:
        axes.set_xlim(min(places) - 0.3, max(places) + 0.3)
        if len(places) > 5:
            longest, points = 9, 8
    axes.xaxis.set_minor_locator(NullLocator())
    labels = [
        "\n".join(textwrap.wrap(label, longest, break_long_words=False, break_on_hyphens=False))
        for _, label in chart.ticks
    ]
    axes.set_xticks(places, labels, fontsize=points)
    axes.set_xlabel(chart.x_label)


def value_axis(axis: Axis, values: Sequence[float], *, logarithmic: bool) -> None:
    """Set the scale, range and ticks of an axis from the values drawn on it."""
    low, high = min(values), max(values)
    axes = axis.axes
    x = axis is axes.xaxis
    set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if x else (axes.set_yscale, axes.set_ylim)
    if not logarithmic:
        set_limits(0, high * 1.06)
        axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    else:
        set_scale("log")
        room = (high / low) ** 0.05 if high > low else 1.3
        set_limits(low / room, high * room)
        spread = math.log10(high / low)
        if spread < 0.45:
            axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if spread < 2.6 else (1, 3)))
            axis.set_minor_locator(LogLocator(base=10, subs=tuple(range(2, 10))))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(lambda value, _: style.format_number(value))


def label_room_in(budgets: Sequence[BudgetLine]) -> float:
    """Return the width in inches that the labels of budgets need beside the axes, beyond that of levels."""
    longest = max((len(budget.label) for budget in budgets), default=0)
    return max(0.0, longest * _CHARACTER_PT - LEVEL_WIDTH_PT) / 72


def draw_levels(
    axes: Axes,
    levels: Sequence[Level],
    *,
    budgets: Sequence[BudgetLine] = (),
    colours: Mapping[str, str] = {},
    vertical: bool = False,
    steps: bool = False,
) -> None:
    """Draw the lines of levels and budgets, with labels outside the axes; labels that would overlap are moved apart.

    The legend and the notes state budgets that differ from position to position, or that are too many for labels.

    Args:
        axes: the axes, with their final limits.
        levels: the levels.
        budgets: the budgets.
        colours: colours of the series, by id; used for the budget of a single series.
        vertical: whether the lines are vertical.
        steps: whether a budget that is not straight is drawn at each position by itself; otherwise it is a curve.
    """
    axis, draw = (axes.xaxis, axes.axvline) if vertical else (axes.yaxis, axes.axhline)
    for level in levels:
        draw(level.value, gid=f"level:{level.label}", color=style.INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
    labels = [(level.value, level.label, style.INK) for level in levels]
    own = []
    for budget in budgets:
        colour = colours.get(budget.id, style.INK)
        _draw_budget(axes, budget, {**style.BUDGET, "color": colour}, vertical=vertical, steps=steps)
        if budget.label != "budget":
            own.append((budget.y[-1], budget.label, colour))
    low, high = axis.get_transform().transform(sorted(axis.get_view_interval()))
    frame = axes.get_window_extent()
    length = (frame.width if vertical else frame.height) * 72 / style.DPI
    size = _LEVEL_HEIGHT_PT
    if vertical:
        size = max([LEVEL_WIDTH_PT, *(len(label) * _CHARACTER_PT for _, label, _ in own)])
    if (len(labels) + len(own)) * size <= length:
        labels += own
    labels.sort(key=lambda one: one[0])
    places = [float((axis.get_transform().transform([value])[0] - low) / (high - low)) for value, _, _ in labels]
    most = 1 - (size - LEVEL_WIDTH_PT) / 2 / length if vertical else 1.0
    for (_, label, colour), place in zip(labels, _apart(places, size / length, most), strict=True):
        at = (place, 1.01) if vertical else (1.01, place)
        axes.text(*at, label, transform=axes.transAxes, fontsize=8, color=colour, clip_on=False,
                  ha="center" if vertical else "left", va="bottom" if vertical else "center")  # fmt: skip


def _draw_budget(axes: Axes, budget: BudgetLine, look: Mapping[str, Any], *, vertical: bool, steps: bool) -> None:
    gid = f"budget:{budget.label}"
    if not budget.x:
        (axes.axvline if vertical else axes.axhline)(budget.y[0], gid=gid, zorder=1.6, **look)
        return
    x, y = list(budget.x), list(budget.y)
    if steps:
        x = [place for one in x for place in (one - _HALF_STEP, one + _HALF_STEP, math.nan)]
        y = [value for one in y for value in (one, one, math.nan)]
    axes.plot(*((y, x) if vertical else (x, y)), gid=gid, zorder=1.6, **look)


def _apart(places: Sequence[float], room: float, most: float) -> list[float]:
    """Move ascending positions at least `room` apart, and to `most` or below; those that collide are spread evenly."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and fmean(groups[-1]) - fmean(groups[-2]) < room * (
            (len(groups[-1]) + len(groups[-2])) / 2
        ):
            last = groups.pop()
            groups[-1] += last
    spread = [fmean(group) + (number - (len(group) - 1) / 2) * room for group in groups for number in range(len(group))]
    return [min(place, most - (len(spread) - 1 - number) * room) for number, place in enumerate(spread)]


def _legend(axes: Axes, chart: LineChart, further: float) -> None:
    """Draw the legend, `further` to the right by that share of the axes' width.

    Networks are listed from top to bottom in the order of their last points.
    """
    by_gid = {line.get_gid(): line for line in axes.lines}
    of_run = {one.label for one in chart.series if one.of_run}
    shown = [one for one in chart.series if one.of_run or one.label not in of_run]
    if chart.keyed_by == "model":
        shown.sort(key=lambda one: one.values[-1], reverse=True)
    handles: list[Line2D] = [by_gid[f"{'run' if one.of_run else 'baseline'}:{one.label}"] for one in shown]
    for label, prefix, key in _KEYS if chart.with_run else ():
        if not prefix or any(str(gid).startswith(prefix) for gid in by_gid):
            handles.append(Line2D([], [], color=style.FAINT, label=label, **key))
    if chart.budgets:
        handles.append(budget_key())
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.11 + further, 1.015), borderaxespad=0)


def budget_key() -> Line2D:
    """Return the legend entry of budgets."""
    return Line2D([], [], color=style.INK, label="budget", **style.BUDGET)


_KEYS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("this run", "", {"linestyle": "-"}),
    ("baseline", "", {"linestyle": style.BASELINE_DASHES, "linewidth": 0.9}),
    ("measured, no baseline", "measured only:",
     {"linestyle": "", "marker": "o", "markersize": 10, "markerfacecolor": "none"}),
    ("not measured", "baseline only:", {"linestyle": "", "marker": "x", "markersize": 7}),
)  # fmt: skip
"""Legend entries of a run over its baseline: label, prefix of the gids that need it ("" for always), and look."""
