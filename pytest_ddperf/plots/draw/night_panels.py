"""Night charts: measured values of each night, the accepted band, the changes and the commits."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pytest_ddperf.core.records import FAILING
from pytest_ddperf.plots.describe.history import is_change
from pytest_ddperf.plots.draw import style
from pytest_ddperf.plots.draw.lines import budget_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pytest_ddperf.core.records import Outcome
    from pytest_ddperf.plots.describe.charts import BudgetLine, NightChart, NightPanel, NightPoint

_WIDTH_IN, _PANEL_IN, _LEFT_IN, _RIGHT_IN, _GAP_IN = 11.0, 1.9, 0.65, 0.25, 0.65
_ABOVE_IN, _BELOW_IN, _LEGEND_IN, _LEGEND_COLUMNS = 0.3, 0.35, 0.27, 7
_COMMITS_PT = 20.0
"""Height at the bottom of a panel, in points, that is reserved for the commits; no line is drawn in it."""

_COMMIT_CHARACTERS = 9
"""Width reserved for a commit hash, in characters of its font, including space around it."""

_BAND = "#cfe3f1"
_OTHERS = FAILING - style.VERDICTS.keys()
_POINT: dict[str, Any] = {"marker": "o", "color": style.BLUE, "markersize": 3.5}


def draw_nights(chart: NightChart) -> Figure:
    """Draw the chart. The gids are `nights:N`, `baseline:N`, `regressed:N` ..., where N is the number of the panel."""
    columns = 1 if len(chart.panels) == 1 else 2
    rows = math.ceil(len(chart.panels) / columns)
    panel_in = 3.2 if len(chart.panels) == 1 else _PANEL_IN
    handles = _keys(chart)
    legend_in = _LEGEND_IN * math.ceil(len(handles) / _LEGEND_COLUMNS)
    frame = style.create_frame(chart.text, _WIDTH_IN, rows * (panel_in + _ABOVE_IN + _BELOW_IN) + legend_in)
    width = (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _GAP_IN * (columns - 1)) / columns
    top = frame.height - frame.top
    for number, panel in enumerate(chart.panels):
        left = _LEFT_IN + (number % columns) * (width + _GAP_IN)
        bottom = top - (number // columns + 1) * (panel_in + _ABOVE_IN + _BELOW_IN) + _BELOW_IN
        _panel(frame.at(left, bottom, width, panel_in), panel, number, width)
    frame.figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.2 / _WIDTH_IN, (frame.bottom + 0.02) / frame.height),
        ncols=min(len(handles), _LEGEND_COLUMNS), handlelength=2.2, columnspacing=1.6, borderaxespad=0,
    )  # fmt: skip
    return frame.figure


def _panel(axes: Axes, panel: NightPanel, number: int, width_in: float) -> None:
    nights = panel.nights
    days = [float(date2num(night.started)) for night in nights]
    strip = _COMMITS_PT * style.DPI / 72 / axes.get_window_extent().height
    axes.plot(days, [night.ms for night in nights], linestyle="-", linewidth=0.8, color=style.BLUE, alpha=0.6, zorder=3,
              gid=f"nights:{number}")  # fmt: skip
    _band(axes, days, nights, number)
    for accepted, face in ((True, style.BLUE), (False, "white")):
        chosen = [(day, night.ms) for day, night in zip(days, nights, strict=True) if night.accepted is accepted]
        _points(axes, chosen, f"{'accepted' if accepted else 'not accepted'}:{number}",
                {**_POINT, "markerfacecolor": face, "markeredgewidth": 0.8}, 4)  # fmt: skip
    for outcome, look in style.VERDICTS.items():
        chosen = [(day, night.ms) for day, night in zip(days, nights, strict=True) if night.outcome is outcome]
        _points(
            axes, chosen, f"{_name(outcome)}:{number}", {**look, "markeredgecolor": "white", "markeredgewidth": 0.6}, 5
        )
    chosen = [(day, night.ms) for day, night in zip(days, nights, strict=True) if night.outcome in _OTHERS]
    _points(axes, chosen, f"failed:{number}", {**style.FAILED_OTHERWISE, "markeredgecolor": "white"}, 5)
    for day, night in zip(days, nights, strict=True):
        if night.rebaselined:
            axes.axvline(
                day, ymin=strip, color=style.PURPLE, linewidth=1.2, linestyle=(0, (4, 2)), gid=f"rebaselined:{number}",
                zorder=2,
            )  # fmt: skip
    _axes(axes, days, panel, strip)
    if panel.budget is not None:
        _budget(axes, days, panel.budget, number)
    _commits(axes, days, nights, number, width_in)


def _points(axes: Axes, points: Sequence[tuple[float, float]], gid: str, look: dict[str, Any], zorder: int) -> None:
    if points:
        x, y = zip(*points, strict=True)
        axes.plot(x, y, linestyle="", gid=gid, zorder=zorder, **look)


def _list_edges(days: Sequence[float]) -> list[float]:
    """List two positions per night: halfway to the previous night and halfway to the next."""
    between = [(one + other) / 2 for one, other in pairwise(days)]
    return [edge for ends in pairwise([days[0] - 0.5, *between, days[-1] + 0.5]) for edge in ends]


def _budget(axes: Axes, days: Sequence[float], budget: BudgetLine, number: int) -> None:
    """Draw the budget of all nights as a straight line, or that of each night as a step."""
    low, high = axes.get_xlim()
    x = [low, high] if len(budget.y) == 1 else [min(max(edge, low), high) for edge in _list_edges(days)]
    y = [value for value in budget.y for _ in range(2)]
    axes.plot(x, y, gid=f"budget:{number}", color=style.INK, zorder=2.5, **style.BUDGET)
    axes.set_title(budget.label, fontsize=8, loc="right", pad=4)


def _band(axes: Axes, days: Sequence[float], nights: Sequence[NightPoint], number: int) -> None:
    """Draw the baseline and the tolerance band of each night."""
    x = _list_edges(days)
    low: list[float] = []
    middle: list[float] = []
    high: list[float] = []
    for night in nights:
        for edge, value in ((low, night.low_ms), (middle, night.baseline_ms), (high, night.high_ms)):
            edge.extend([math.nan if value is None else value] * 2)
    axes.fill_between(x, low, high, color=_BAND, linewidth=0, zorder=1, gid=f"band:{number}")
    axes.plot(
        x, middle, color=style.INK, linewidth=0.9, linestyle=style.BASELINE_DASHES, zorder=2, gid=f"baseline:{number}"
    )


def _axes(axes: Axes, days: Sequence[float], panel: NightPanel, strip: float) -> None:
    nights = panel.nights
    values = [value for night in nights for value in (night.ms, night.low_ms, night.high_ms) if value is not None]
    values += [] if panel.budget is None else [value for value in panel.budget.y if not math.isnan(value)]
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 0.1 * high
    least, most = low - 0.4 * room, high + 1.2 * room
    axes.set_ylim(least - strip / (1 - strip) * (most - least), most)
    span = max(1.0, days[-1] - days[0])
    axes.set_xlim(days[0] - 0.03 * span, days[-1] + 0.03 * span)
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: style.format_number(value) if value >= 0 else "")
    axes.set_title(panel.title, fontsize=9, loc="left", fontweight="bold", pad=4)


def _commits(axes: Axes, days: Sequence[float], nights: Sequence[NightPoint], number: int, width_in: float) -> None:
    """Draw a tick for each new commit, and as many commit hashes as fit.

    Nights with a change (see `is_change`) are labelled first, then the latest nights.
    """
    changed = [(day, night) for day, night in zip(days, nights, strict=True) if night.commit]
    if not changed:
        return
    at = axes.get_xaxis_transform()
    axes.plot([day for day, _ in changed], [0.02] * len(changed), "|", color=style.FAINT, markersize=6, transform=at,
              gid=f"commits:{number}", zorder=2, clip_on=False)  # fmt: skip
    low, high = axes.get_xlim()
    character = (high - low) / (width_in * 72) * 6.0 * 0.62
    room = _COMMIT_CHARACTERS * character
    named: list[float] = []
    for day, night in sorted(changed, key=lambda one: (not is_change(one[1]), -one[0])):
        if all(abs(day - other) >= room for other in named) and day + room / 2 <= high and day - room / 2 >= low:
            named.append(day)
            axes.text(day, 0.06, night.commit, transform=at, fontsize=6.0, color=style.FAINT, ha="center", va="bottom",
                      gid=f"commit:{number}", zorder=2)  # fmt: skip


def _name(outcome: Outcome) -> str:
    return str(outcome).replace("_", " ")


def _keys(chart: NightChart) -> list[Line2D | Patch]:
    """Return the legend entries for what the panels contain."""
    shown = {night.outcome for panel in chart.panels for night in panel.nights}
    rebaselined = any(night.rebaselined for panel in chart.panels for night in panel.nights)
    handles: list[Line2D | Patch] = [
        Patch(facecolor=_BAND, label="accepted band"),
        Line2D([], [], color=style.INK, linewidth=0.9, linestyle=style.BASELINE_DASHES, label="baseline"),
        Line2D([], [], linestyle="", label="accepted night", **_POINT),
        Line2D([], [], linestyle="", label="other night", markerfacecolor="white", **_POINT),
    ]
    handles += [
        Line2D([], [], linestyle="", label=_name(outcome), **look)
        for outcome, look in style.VERDICTS.items()
        if outcome in shown
    ]
    if shown & _OTHERS:
        handles.append(Line2D([], [], linestyle="", label="failed otherwise", **style.FAILED_OTHERWISE))
    if rebaselined:
        handles.append(Line2D([], [], color=style.PURPLE, linewidth=1.2, linestyle=(0, (4, 2)), label="new baseline"))
    if any(panel.budget for panel in chart.panels):
        handles.append(budget_key())
    return handles
