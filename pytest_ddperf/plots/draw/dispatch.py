"""Selection of the drawing function for each kind of chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ddperf.plots.describe.charts import (
    BarChart,
    DotChart,
    HeatMap,
    IntervalChart,
    LineChart,
    LoadChart,
    NightChart,
    ScatterChart,
)
from pytest_ddperf.plots.draw.bars import draw_bars
from pytest_ddperf.plots.draw.heat_map import draw_heat_map
from pytest_ddperf.plots.draw.intervals import draw_intervals
from pytest_ddperf.plots.draw.lines import draw_lines
from pytest_ddperf.plots.draw.load_panels import draw_load
from pytest_ddperf.plots.draw.night_panels import draw_nights
from pytest_ddperf.plots.draw.points import draw_dots, draw_scatter

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import Chart

_DRAWN_BY: dict[type[Any], Callable[[Any], Figure]] = {
    LineChart: draw_lines,
    BarChart: draw_bars,
    DotChart: draw_dots,
    ScatterChart: draw_scatter,
    HeatMap: draw_heat_map,
    IntervalChart: draw_intervals,
    LoadChart: draw_load,
    NightChart: draw_nights,
}


def build_figure(chart: Chart) -> Figure:
    """Draw the figure of a description; call inside `style.apply_style()`."""
    return _DRAWN_BY[type(chart)](chart)
