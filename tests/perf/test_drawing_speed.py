"""Drawing the figures of the baselines, compared with bare matplotlib figures of as many points, in turns."""

from __future__ import annotations

import io
import math
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from figure_results import figure_of, published
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pytest_ddperf.plots.api import describe
from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.describe.charts import BarChart, DotChart, LineChart, ScatterChart
from pytest_ddperf.plots.draw import parallel, style

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_ddperf.plots.describe.charts import Chart

BOUND = 1.5
UNCHANGED_BOUND = 0.05
EVERY = 3
"""One of so many figures is drawn: some of each family."""


def baseline_charts() -> dict[str, Chart]:
    results = published()
    return dict(list(describe(results, [], results.platforms).items())[::EVERY])


def draw_bare(chart: Chart, size: tuple[float, float]) -> None:
    """Encode the same points, names and scales as PNG and SVG with matplotlib's defaults, in the same size."""
    figure = Figure(figsize=size, dpi=style.DPI)
    FigureCanvasAgg(figure)
    figure.suptitle(chart.text.title)
    if isinstance(chart, BarChart):
        for axes, panel in zip(figure.subplots(1, len(chart.panels), squeeze=False)[0], chart.panels, strict=True):
            for bars in panel.bars:
                axes.bar_label(axes.barh([title for _, title in chart.rows], [value or 0 for value in bars.values]))
            axes.set_xlabel(panel.x_label)
    elif isinstance(chart, ScatterChart):
        axes = figure.subplots()
        for choice in chart.choices:
            axes.plot(choice.ms, choice.accuracy, "o")
            axes.annotate(choice.label, (choice.ms, choice.accuracy))
        axes.set_xscale("log")
    else:
        assert isinstance(chart, LineChart | DotChart)
        axes = figure.subplots()
        for one in chart.series:
            axes.plot(one.x, [math.nan if value is None else value for value in one.y], "o-", label=one.label)
        axes.legend()
        if isinstance(chart, DotChart):
            axes.set_xscale("log")
            axes.set_yticks(range(len(chart.rows)), [title for _, title in chart.rows])
        else:
            axes.set_xlabel(chart.x_label)
            axes.set_ylabel(chart.y_label)
            axes.set_yscale("log" if chart.y_log else "linear")
            if chart.keyed_by == "model":
                axes.set_xscale("log", base=2)
    for ending in names.ENDINGS:
        figure.savefig(io.BytesIO(), format=ending)


def cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def test_drawing_costs_at_most_one_and_a_half_times_the_bare_figures(tmp_path: Path) -> None:
    charts = baseline_charts()
    sizes = {name: tuple(figure_of(chart).get_size_inches()) for name, chart in charts.items()}  # loads matplotlib, too
    taken_s: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, chart in charts.items():
        kind = taken_s[type(chart).__name__]
        kind[0] += cpu_s(lambda: draw_bare(chart, sizes[name]))  # noqa: B023 - called at once
        kind[1] += cpu_s(lambda: parallel.draw_all({name: chart}, tmp_path, 1))  # noqa: B023 - called at once
    bare_s, ours_s = (sum(each) for each in zip(*taken_s.values(), strict=True))
    print(f"\n{f'{len(charts)} figures as PNG and SVG, CPU seconds':<46}{'bare':>8}{'ours':>8}{'ratio':>8}{'bound':>8}")
    for family, (bare, ours) in taken_s.items():
        print(f"  {family:<44}{bare:>8.2f}{ours:>8.2f}{ours / bare:>8.2f}")
    print(f"{'all':<46}{bare_s:>8.2f}{ours_s:>8.2f}{ours_s / bare_s:>8.2f}{BOUND:>8.2f}")
    assert ours_s <= BOUND * bare_s


def test_figures_that_did_not_change_cost_hardly_anything(tmp_path: Path) -> None:
    charts = dict(list(baseline_charts().items())[::EVERY])
    first_s, again_s = (cpu_s(lambda: parallel.draw_all(charts, tmp_path, 1)) for _ in range(2))
    print(
        f"\n{len(charts)} figures, CPU seconds: drawn {first_s:.2f}, unchanged {again_s:.3f}, "
        f"share {again_s / first_s:.3f}, at most {UNCHANGED_BOUND}"
    )
    assert again_s <= UNCHANGED_BOUND * first_s
