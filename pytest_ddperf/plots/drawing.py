"""Descriptions drawn: each kind of chart by the module that knows how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.bars import draw_bars
from pytest_ddperf.plots.charts import BarChart, DotChart, HeatMap, LineChart, ScatterChart
from pytest_ddperf.plots.heat_map import draw_heat_map
from pytest_ddperf.plots.lines import draw_lines
from pytest_ddperf.plots.night_panels import draw_nights
from pytest_ddperf.plots.points import draw_dots, draw_scatter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.charts import Chart


def figure_of(chart: Chart) -> Figure:
    """The figure of a description; inside `style.styled()`."""
    if isinstance(chart, LineChart):
        return draw_lines(chart)
    if isinstance(chart, BarChart):
        return draw_bars(chart)
    if isinstance(chart, DotChart):
        return draw_dots(chart)
    if isinstance(chart, ScatterChart):
        return draw_scatter(chart)
    if isinstance(chart, HeatMap):
        return draw_heat_map(chart)
    return draw_nights(chart)
