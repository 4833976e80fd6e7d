"""Positions of the labels, lines and marks of a drawn figure, in pixels, from matplotlib's renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cbook import STEP_LOOKUP_MAP
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from pytest_ddperf.plots.draw import style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOLERANCE_PX = 0.5


@dataclass(frozen=True)
class Label:
    """A text and its bounding box."""

    text: str
    box: Bbox


def labels(figure: Figure) -> list[Label]:
    """Return every visible text of the figure: titles, notes, ticks, legends, names and values."""
    with style.apply_style():
        figure.draw_without_rendering()  # type: ignore[no-untyped-call, unused-ignore]
        beyond = _labels_beyond_axes(figure)
        found = []
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            if text.get_text().strip() and text.get_visible() and text not in beyond:
                box = text.get_window_extent()
                found.append(Label(text.get_text(), Bbox(box.padded(-_TOLERANCE_PX).get_points())))
    return found


def _labels_beyond_axes(figure: Figure) -> set[Text]:
    """Return labels of ticks beyond the limits of their axis, which matplotlib keeps but does not draw."""
    found: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            room = (high - low) * 1e-9
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low - room <= tick.get_loc() <= high + room:
                    found |= {tick.label1, tick.label2}
    return found


def layout_faults(figure: Figure) -> list[str]:
    """Return what makes a figure hard to read: labels crossed or covered, parts cut off, legends over their axes."""
    shown = labels(figure)
    return crossings(figure, shown) + overlaps(shown) + cut_off(figure) + covered_axes(figure)


def crossings(figure: Figure, shown: list[Label]) -> list[str]:
    """Return each label that is crossed by a line or mark of the axes, with the gid of the line."""
    found = []
    for axes in figure.axes:
        for gid, segments, marks in _lines(axes):
            paths = [Path(segment) for segment in segments]
            found += [
                f"{label.text!r} is crossed by {gid!r}"
                for label in shown
                if any(label.box.contains(x, y) for x, y in marks)
                or any(path.intersects_bbox(label.box, filled=False) for path in paths)
            ]
    return found


def overlaps(shown: list[Label]) -> list[str]:
    """Return each pair of labels that overlap."""
    return [
        f"{one.text!r} covers {other.text!r}"
        for number, one in enumerate(shown)
        for other in shown[number + 1 :]
        if one.box.overlaps(other.box)
    ]


def cut_off(figure: Figure) -> list[str]:
    """Return the edges of the figure that something reaches over."""
    with style.apply_style():
        box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    over = {"left": box.x0 < 0, "lower": box.y0 < 0, "right": box.x1 > width, "upper": box.y1 > height}
    return [f"something reaches over the {edge} edge" for edge, is_over in over.items() if is_over]


def covered_axes(figure: Figure) -> list[str]:
    """Return each axes with lines that its own legend covers, by its title."""
    found = []
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None and len(axes.lines) > 0:
            with style.apply_style():
                if legend.get_window_extent().overlaps(axes.get_window_extent()):
                    found.append(f"the legend covers the axes {axes.get_title()!r}")
    return found


def _lines(axes: Axes) -> list[tuple[str, list[np.ndarray], list[tuple[float, float]]]]:
    """Return, by gid, the visible segments of the lines and the centres of their marks, in pixels."""
    found = []
    for line in axes.findobj(Line2D):
        assert isinstance(line, Line2D)
        if line not in axes.lines:
            continue  # belongs to an axis, its grid or a legend
        x, y = np.ma.filled(line.get_xdata(orig=False), np.nan), np.ma.filled(line.get_ydata(orig=False), np.nan)
        at = np.asarray(line.get_transform().transform(np.column_stack([x, y])), dtype=float)
        marks = [tuple(point) for point in at if np.isfinite(point).all()] if line.get_marker() != "None" else []
        if line.get_drawstyle() != "default":
            at = np.column_stack(STEP_LOOKUP_MAP[line.get_drawstyle()](at[:, 0], at[:, 1]))
        pairs: Iterable[np.ndarray] = (
            np.stack([at[:-1], at[1:]], axis=1) if line.get_linestyle() not in ("None", "") else []
        )
        found.append((str(line.get_gid()), _clipped(axes, pairs), marks))
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            pairs = [collection.get_transform().transform(segment) for segment in collection.get_segments()]
            found.append((str(collection.get_gid()), _clipped(axes, pairs), []))
    return found


def _clipped(axes: Axes, pairs: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Return the segments inside the axes, clipped at the edges."""
    box = axes.get_window_extent()
    return [
        np.clip(pair, box.min, box.max)
        for pair in pairs
        if np.isfinite(pair).all() and Path(pair).intersects_bbox(box, filled=False)
    ]
