"""Heat map of a run compared with its baseline: network by batch size, coloured by change, with the verdicts marked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from pytest_ddperf.core.records import FAILING
from pytest_ddperf.plots.draw import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import HeatCell, HeatMap
    from pytest_ddperf.plots.draw.style import Frame

_LABELS_IN, _COLUMN_IN, _ROW_IN, _RIGHT_IN = 2.3, 0.98, 0.44, 0.95
_BELOW_IN, _ABOVE_IN = 0.1, 0.45
_FULL = math.log(1.5)
"""Logarithm of the ratio that gets the full colour: 1.5 times the baseline's time, or 1/1.5 of it."""

_SHADES = 64
_COLOURS = ("#0072B2", "#a9d0e8", "#ffffff", "#f5b98f", "#D55E00")


def draw_heat_map(chart: HeatMap) -> Figure:
    """Draw the chart. The gid of each cell is `cell:ROW:COLUMN`."""
    width = _LABELS_IN + _COLUMN_IN * max(4, len(chart.columns)) + _RIGHT_IN
    frame = style.create_frame(chart.text, width, _ROW_IN * len(chart.rows) + _BELOW_IN + _ABOVE_IN)
    axes = frame.at(_LABELS_IN, frame.bottom + _BELOW_IN, _COLUMN_IN * len(chart.columns), _ROW_IN * len(chart.rows))
    axes.grid(visible=False)
    axes.set_xlim(0, len(chart.columns))
    axes.set_ylim(len(chart.rows), 0)
    colours = LinearSegmentedColormap.from_list("change", _COLOURS, _SHADES)
    scale = Normalize(-_FULL, _FULL)
    for cell in chart.cells:
        # a change of -100 % or less has no logarithm; draw it as the fastest
        share = None if cell.change is None else float(scale(math.log(max(0.01, 1 + cell.change))))
        _cell(axes, cell, None if share is None else colours(share))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("batch size")
    axes.set_xticks([column + 0.5 for column in range(len(chart.columns))], chart.columns)
    axes.set_yticks([row + 0.5 for row in range(len(chart.rows))], [title for _, title in chart.rows])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _draw_scale(frame, ScalarMappable(scale, colours), _COLUMN_IN * len(chart.columns), _ROW_IN * len(chart.rows))
    return frame.figure


def _cell(axes: Axes, cell: HeatCell, colour: tuple[float, float, float, float] | None) -> None:
    fails = cell.outcome in FAILING
    box = Rectangle((cell.column + 0.03, cell.row + 0.04), 0.94, 0.92, gid=f"cell:{cell.row}:{cell.column}", zorder=2)
    box.set_facecolor(colour if colour is not None else "#f3f3f3" if cell.side == "x" else "white")
    box.set_edgecolor(style.INK if fails else style.GRID)
    box.set_linewidth(2.0 if fails else 0.7)
    if colour is None and not fails and cell.side in ("baseline", "measured"):
        box.set_hatch("...." if cell.side == "measured" else "////")
        box.set_edgecolor("#e2e2e2")
    axes.add_patch(box)
    dark = colour is not None and 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 0.5
    ink = "white" if dark else style.FAINT if cell.side in ("x", "baseline") and not fails else style.INK
    lines = [line for line in cell.lines if line]
    for number, line in enumerate(lines):
        y = cell.row + (0.5 if len(lines) == 1 else 0.33 + 0.36 * number)
        axes.text(cell.column + 0.5, y, line, ha="center", va="center", fontsize=8.2 if number == 0 else 7.0, color=ink,
                  fontweight="bold" if fails and number == 0 else "normal", zorder=3)  # fmt: skip


def _draw_scale(frame: Frame, shown: ScalarMappable, width: float, height: float) -> None:
    """Draw the colour scale beside the map."""
    axes = frame.at(_LABELS_IN + width + 0.25, frame.bottom + _BELOW_IN, 0.14, min(height, 2.2))
    marks = (-0.333, -0.2, 0.0, 0.2, 0.5)
    scale = frame.figure.colorbar(shown, cax=axes, ticks=[math.log1p(mark) for mark in marks])
    scale.set_ticklabels([f"{mark * 100:+.0f} %" if mark else "0" for mark in marks], fontsize=7.5)
    scale.ax.tick_params(length=2)
    scale.outline.set_visible(False)
