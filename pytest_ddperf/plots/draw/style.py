"""Style of all figures, independent of the user's matplotlib settings, and encoding of figures to bytes.

Colours are those of Masataka Okabe and Kei Ito, "Color Universal Design" (2008, https://jfly.uni-koeln.de/color/),
without its yellow, which is too pale on paper. Marker and line style also distinguish the series, so that figures are
readable in greyscale.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
import sys
import textwrap
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import Text

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#767676"
INK, FAINT, GRID = "#1a1a1a", "#5f5f5f", "#dcdcdc"

SOLID, DASHED, DASHDOT, DOTTED, DASHDOTDOT = (
    (0.0, ()),
    (0.0, (5.0, 2.0)),
    (0.0, (6.0, 2.0, 1.2, 2.0)),
    (0.0, (1.2, 1.6)),
    (0.0, (6.0, 1.6, 1.2, 1.6, 1.2, 1.6)),
)
BASELINE_DASHES = (0.0, (3.0, 2.0))
BUDGET: Mapping[str, Any] = {"linestyle": DASHDOT, "linewidth": 1.4}
"""Look of the line of a budget; the line of a single series also has its colour."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, marker, line style and marker fill of one series."""

    colour: str
    marker: str
    dashes: tuple[float, tuple[float, ...]] = SOLID
    fill: str = "full"


VERDICTS: Mapping[Outcome, Mapping[str, Any]] = {
    Outcome.REGRESSED: {"marker": "^", "color": VERMILION, "markersize": 8},
    Outcome.OVER_BUDGET: {"marker": "s", "color": VERMILION, "markersize": 6},
    Outcome.IMPROVED: {"marker": "v", "color": GREEN, "markersize": 8},
    Outcome.UNSTABLE: {"marker": "d", "color": ORANGE, "markersize": 6},
}
"""Looks of the verdicts that a chart of one cell's changes points out."""

FAILED_OTHERWISE: Mapping[str, Any] = {"marker": "X", "color": BLACK, "markersize": 7}
"""Look of any other verdict that fails."""

MODELS: Mapping[str, Look] = {
    "mobilenet": Look(SKY, "o", SOLID),
    "mobilenet_depthwise": Look(SKY, "o", DASHED, "none"),
    "mobilenet_v2": Look(SKY, "o", DASHDOT, "left"),
    "resnet50": Look(VERMILION, "s", SOLID),
    "resnet101": Look(VERMILION, "s", DASHED, "none"),
    "resnet152": Look(VERMILION, "s", DASHDOT, "left"),
    "seresnet50": Look(VERMILION, "s", DOTTED, "bottom"),
    "resnet18_ocr": Look(VERMILION, "s", DASHDOTDOT, "top"),
    "googlenet": Look(PURPLE, "p", SOLID),
    "densenet121": Look(ORANGE, "^", SOLID),
    "densenet201": Look(ORANGE, "^", DASHED, "none"),
    "squeezenet_v1.0": Look(GREEN, "D", SOLID),
    "squeezenet_v1.1": Look(GREEN, "D", DASHED, "none"),
    "squeezenet_unversioned": Look(GREEN, "D", DASHDOT, "left"),
    "squeezenet_ssd_faces": Look(GREEN, "D", DOTTED, "bottom"),
    "squeezenet_ssd_voc": Look(GREEN, "D", DASHDOTDOT, "top"),
    "vgg16": Look(BLACK, "v", SOLID),
    "vgg19": Look(BLACK, "v", DASHED, "none"),
    "vgg16_ssd_600": Look(BLACK, "v", DOTTED, "left"),
    "shufflenet": Look(BLUE, "P", SOLID),
    "crnn_ocr": Look(GREY, "X", SOLID),
}
"""Looks of the networks: a family shares colour and marker; its members differ in line style and marker fill."""

PLATFORMS: Mapping[str, Look] = {
    "gtx1080ti": Look(BLACK, "s"),
    "tx1": Look(VERMILION, "o"),
    "nano": Look(GREEN, "^"),
    "tk1": Look(BLUE, "D"),
    "raspi3": Look(PURPLE, "v"),
    "tx2": Look(ORANGE, "P"),
    "tx2-tensorrt": Look(SKY, "X"),
    "raspi3-ncnn": Look(PURPLE, "<", fill="none"),
    "raspi4-ncnn": Look(PURPLE, ">", fill="none"),
}
_OTHER_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_OTHER_MARKERS = ("h", "d", "<", ">", "8", "X")
_OTHER_DASHES = (SOLID, DASHED, DASHDOT, DOTTED, DASHDOTDOT)
_BATCH_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "d", "8", "*")
_BATCH_DASHES = (SOLID, DASHED, DASHDOT)


def look_of(keyed_by: str, name: str) -> Look:
    """Return the look of a series; an unknown network or platform gets a look derived from its name only.

    Args:
        keyed_by: kind of the name: `model`, `batch` or `platform`.
        name: id of the series.
    """
    if keyed_by == "batch":
        return _batch_look(int(name))
    known = (MODELS if keyed_by == "model" else PLATFORMS).get(name)
    if known is not None:
        return known
    number = zlib.crc32(name.encode())
    return Look(
        _OTHER_COLOURS[number % len(_OTHER_COLOURS)],
        _OTHER_MARKERS[number // 7 % len(_OTHER_MARKERS)],
        _OTHER_DASHES[number // 42 % len(_OTHER_DASHES)],
        ("full", "none")[number // 210 % 2],
    )


def _batch_look(size: int) -> Look:
    """Return the look of a batch size: from yellowish green for small sizes to dark violet for large ones."""
    from matplotlib import colormaps, colors  # noqa: PLC0415 - loaded when something is drawn

    steps = math.log2(size)
    colour = colors.to_hex(colormaps["viridis"](0.84 * (1 - min(1.0, steps / 7))))
    number = int(steps) if size & (size - 1) == 0 else 7 + size
    return Look(colour, _BATCH_MARKERS[number % len(_BATCH_MARKERS)], _BATCH_DASHES[number % len(_BATCH_DASHES)])


RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 3.2,
    "legend.labelspacing": 0.55,
    "lines.linewidth": 1.7,
    "lines.markersize": 5.5,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "pytest-ddperf",
    "svg.fonttype": "path",
    "path.simplify": False,
    "savefig.bbox": None,
}
DPI = 144
_METADATA: Mapping[str, Mapping[str, str | None]] = {
    "png": {"Software": "pytest-ddperf"},
    "svg": {"Creator": "pytest-ddperf", "Date": None},
}
_NOTE_POINTS = 7.0
_NOTE_LINE_IN = 0.135
_CHARACTERS_AN_INCH = 17.5
"""Characters of a note per inch, used to wrap notes to the width of the figure."""


@contextlib.contextmanager
def apply_style() -> Iterator[None]:
    """Apply matplotlib's defaults and `RC` without any user settings; restore the previous settings on exit."""
    with warnings.catch_warnings():
        # for example about a missing glyph; the user's tests may turn warnings into errors
        warnings.simplefilter("ignore")
        with _alone():
            import matplotlib as mpl  # noqa: PLC0415 - loaded when something is drawn
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)
            yield


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Protect the import of matplotlib from an unknown backend in the environment and from a broken matplotlibrc.

    Either may raise on import. Neither is needed: figures are drawn with Agg and matplotlib's defaults. The working
    folder is changed because matplotlib looks there first for a matplotlibrc, whatever the environment contains.
    """
    spec = None if "matplotlib" in sys.modules else importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        yield
        return
    kept = {name: os.environ.pop(name) for name in ("MPLBACKEND", "MATPLOTLIBRC") if name in os.environ}
    try:
        with contextlib.chdir(Path(spec.origin).parent / "mpl-data"):
            yield
    finally:
        os.environ.update(kept)


@dataclass(frozen=True, slots=True)
class Frame:
    """A figure with its texts and space for axes; all sizes in inches.

    Args:
        figure: the matplotlib figure.
        width: width of the figure.
        height: height of the figure.
        bottom: height of the notes, below the axes.
        top: height of the titles, above the axes.
    """

    figure: Figure
    width: float
    height: float
    bottom: float
    top: float

    def axes(self, left: float, right: float, below: float = 0.0, above: float = 0.0) -> Axes:
        """Add axes that fill the space between titles and notes, minus the given margins."""
        return self.at(
            left,
            self.bottom + below,
            self.width - left - right,
            self.height - self.top - self.bottom - below - above,
        )

    def at(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Add axes of a given size at a position relative to the lower left corner of the figure."""
        share = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(share)


def create_frame(text: Text, width: float, room: float) -> Frame:
    """Create a figure with title, subtitle and notes.

    Args:
        text: title, subtitle and notes.
        width: width of the figure, in inches.
        room: height between the titles and the notes, in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - loaded when something is drawn
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded when something is drawn

    note_characters = int((width - 0.5) * _CHARACTERS_AN_INCH)
    lines = [line for note in text.notes for line in textwrap.wrap(note, note_characters)]
    bottom = 0.2 + _NOTE_LINE_IN * len(lines)
    top = 0.52 + (0.24 if text.subtitle else 0.0)
    height = room + bottom + top
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    at = 0.2 / width
    figure.text(at, 1 - 0.18 / height, text.title, fontsize=13, fontweight="bold", va="top", gid="title")
    if text.subtitle:
        figure.text(at, 1 - 0.44 / height, text.subtitle, fontsize=9, color=FAINT, va="top", gid="subtitle")
    for number, line in enumerate(reversed(lines)):
        y = (0.12 + _NOTE_LINE_IN * number) / height
        figure.text(at, y, line, fontsize=_NOTE_POINTS, color=FAINT, va="bottom", gid="note")
    return Frame(figure, width, height, bottom, top)


def format_number(value: float) -> str:
    """Format a number for an axis or a bar: three digits, large numbers without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"


def encode_figure(figure: Figure, ending: str) -> bytes:
    """Encode a figure as `png` or `svg`; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, metadata=dict(_METADATA[ending]), facecolor="white")
    return buffer.getvalue()
