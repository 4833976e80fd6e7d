"""Point charts: accuracy against time with the Pareto front, and networks across platforms."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from pytest_ddperf.plots.draw import style
from pytest_ddperf.plots.draw.lines import budget_key, draw_levels, value_axis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import Choice, DotChart, ScatterChart

_WIDTH_IN, _ROOM_IN = 8.0, 4.6
_DOTS_WIDTH_IN, _DOTS_LEGEND_IN, _ROW_IN = 9.4, 2.3, 0.3
_LABEL_POINTS = 8.0
_DISTANCES = (0.0, 6.0, 14.0, 24.0, 36.0, 50.0, 66.0, 84.0)
"""Extra distances of a label from its point, in typographic points, in order of preference."""

_LEADER_FROM = 14.0
"""Distance, in typographic points, from which a thin line connects the label to its point."""

_PLACES: tuple[tuple[float, float, str, str], ...] = (
    (8, 0, "left", "center"), (-3, 7, "right", "bottom"), (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (-8, 0, "right", "center"), (6, 6, "left", "bottom"), (6, -6, "left", "top"), (-6, -6, "right", "top"),
    (-6, 6, "right", "bottom"), (14, -6, "left", "top"), (14, 6, "left", "bottom"), (-14, -6, "right", "top"),
)  # fmt: skip
"""Label positions in order of preference: x and y offset in points, horizontal and vertical alignment."""

Box = tuple[float, float, float, float]


def draw_scatter(chart: ScatterChart) -> Figure:
    """Draw the chart. The gids are `front`, `front before`, and `point:LABEL` and `before:LABEL` for each network."""
    frame = style.create_frame(chart.text, _WIDTH_IN, _ROOM_IN)
    axes = frame.axes(0.75, 0.35, below=0.55, above=0.25)
    every = [*chart.choices, *chart.before]
    times = [choice.ms for choice in every]
    budgets = [budget.y[0] for budget in chart.budgets]
    value_axis(axes.xaxis, [min(times) / 1.12, max(times) * 1.25, *budgets], logarithmic=True)
    low, high = min(choice.accuracy for choice in every), max(choice.accuracy for choice in every)
    axes.set_ylim(low - max(1.5, 0.1 * (high - low)), high + max(1.5, 0.1 * (high - low)))
    axes.set_xlabel("time per image, ms", loc="left")
    axes.set_ylabel("top-1 accuracy, percent")
    colours = {choice.id: style.look_of("model", choice.id).colour for choice in chart.choices}
    draw_levels(axes, chart.levels, budgets=chart.budgets, colours=colours, vertical=True)
    _front(axes, chart.before, "front before", {"linewidth": 0.9, "linestyle": style.BASELINE_DASHES, "zorder": 1.8})
    _front(axes, chart.choices, "front", {"linewidth": 1.6, "linestyle": "-", "zorder": 2})
    for choice in chart.before:
        look = style.look_of("model", choice.id)
        axes.plot([choice.ms], [choice.accuracy], look.marker, markersize=5, markerfacecolor="white",
                  markeredgecolor=look.colour, markeredgewidth=0.8, gid=f"before:{choice.label}", zorder=3)  # fmt: skip
    for choice in chart.choices:
        look = style.look_of("model", choice.id)
        axes.plot([choice.ms], [choice.accuracy], look.marker, markersize=9, markerfacecolor=look.colour,
                  markeredgecolor="white", markeredgewidth=0.8, gid=f"point:{choice.label}", zorder=4)  # fmt: skip
    _label(axes, chart)
    keys = [Line2D([], [], color=style.INK, linestyle="-", label="Pareto front")]
    if chart.before:
        label = "Pareto front of the baseline"
        keys.append(Line2D([], [], color=style.INK, linestyle=style.BASELINE_DASHES, linewidth=0.9, label=label))
    if chart.budgets:
        keys.append(budget_key())
    axes.legend(
        handles=keys, loc="upper right", bbox_to_anchor=(1.0, -0.085), borderaxespad=0, ncols=3, columnspacing=1.4
    )
    return frame.figure


def _front(axes: Axes, choices: Sequence[Choice], gid: str, look: dict[str, Any]) -> None:
    """Draw the front as a step line: the best accuracy within a given time."""
    best = [choice for choice in choices if choice.on_front]
    if best:
        axes.plot([choice.ms for choice in best], [choice.accuracy for choice in best], color=style.INK,
                  drawstyle="steps-post", gid=gid, **look)  # fmt: skip


def _label(axes: Axes, chart: ScatterChart) -> None:
    """Label each point where the label overlaps other labels, points and lines the least."""
    scale = 72 / style.DPI
    frame = axes.get_window_extent()
    width, height = frame.width * scale, frame.height * scale

    def place_of(ms: float, accuracy: float) -> tuple[float, float]:
        x, y = (axes.transData.transform((ms, accuracy)) - frame.min) * scale
        return float(x), float(y)

    at = {choice: place_of(choice.ms, choice.accuracy) for choice in (*chart.choices, *chart.before)}
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in at.values()]
    for choices in (chart.choices, chart.before):
        for (x, y), (next_x, next_y) in pairwise(at[choice] for choice in choices if choice.on_front):
            taken += [(x, y - 2, next_x, y + 2), _upright(next_x, y, next_y)]
    lines = [*(level.value for level in chart.levels), *(budget.y[0] for budget in chart.budgets)]
    taken += [_upright(place_of(value, chart.choices[0].accuracy)[0], 0, height) for value in lines]
    for choice in chart.choices:
        x, y = at[choice]
        name = axes.annotate(
            choice.label, (choice.ms, choice.accuracy), (0, 0), textcoords="offset points", fontsize=_LABEL_POINTS,
            color=style.INK if choice.on_front else style.FAINT, fontweight="bold" if choice.on_front else "normal",
            zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
        extent = name.get_window_extent()
        size = (extent.width * scale, extent.height * scale)
        options = [(place, _box(x, y, place, size)) for place in _places()]
        inside = [
            one for one in options if one[1][0] >= 0 and one[1][2] <= width and one[1][1] >= 0 and one[1][3] <= height
        ]
        place, box = min(inside or options, key=lambda one: sum(_overlap(one[1], other) for other in taken))
        taken.append(box)
        name.set(position=place[:2], horizontalalignment=place[2], verticalalignment=place[3])
        away = math.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))
        if away >= _LEADER_FROM:
            _lead(axes, (x, y), box, (width, height))


def _upright(x: float, low: float, high: float) -> Box:
    """Return the box around a vertical line."""
    return x - 2, low, x + 2, high


def _places() -> Iterator[tuple[float, float, str, str]]:
    """Yield every possible label position, nearest first."""
    for distance in _DISTANCES:
        for dx, dy, across, along in _PLACES:
            share = distance / math.hypot(dx, dy)
            yield dx * (1 + share), dy * (1 + share), across, along


def _lead(axes: Axes, point: tuple[float, float], box: Box, size: tuple[float, float]) -> None:
    """Draw a thin line between a point and the nearest edge of its label."""
    x, y = point
    end = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
    begin = tuple(from_ + (to - from_) * 0.35 for from_, to in zip(point, end, strict=True))
    axes.plot(
        [begin[0] / size[0], end[0] / size[0]], [begin[1] / size[1], end[1] / size[1]], transform=axes.transAxes,
        color=style.FAINT, linewidth=0.6, zorder=1.9, scalex=False, scaley=False, gid="leader",
    )  # fmt: skip


def _box(x: float, y: float, place: tuple[float, float, str, str], size: tuple[float, float]) -> Box:
    dx, dy, across, along = place
    left = x + dx - {"left": 0.0, "center": size[0] / 2, "right": size[0]}[across]
    bottom = y + dy - {"bottom": 0.0, "center": size[1] / 2, "top": size[1]}[along]
    return left, bottom, left + size[0], bottom + size[1]


def _overlap(one: Box, other: Box) -> float:
    """Return the area shared by two boxes, in square points."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def draw_dots(chart: DotChart) -> Figure:
    """Draw the chart. The gid of each platform is `dots:PLATFORM`."""
    frame = style.create_frame(chart.text, _DOTS_WIDTH_IN, _ROW_IN * max(4, len(chart.rows)) + 0.75)
    axes = frame.axes(2.3, _DOTS_LEGEND_IN, below=0.55, above=0.1)
    value_axis(axes.xaxis, [value for one in chart.series for value in one.x], logarithmic=True)
    for one in chart.series:
        look = style.look_of("platform", one.id)
        axes.plot(one.x, one.values, linestyle="", marker=look.marker, color=look.colour, markersize=7,
                  markerfacecolor="white" if look.fill == "none" else look.colour, label=one.label,
                  gid=f"dots:{one.id}", zorder=3)  # fmt: skip
    axes.set_ylim(len(chart.rows) - 0.4, -0.6)
    axes.set_yticks(range(len(chart.rows)), [title for _, title in chart.rows])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(chart.x_label)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, handlelength=1.2)
    return frame.figure
