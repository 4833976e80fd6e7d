"""The figures that docs/figures.md shows are what the tool draws."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from figure_results import published

from pytest_ddperf.plots.api import describe
from pytest_ddperf.plots.draw.parallel import draw_all

REPO = Path(__file__).resolve().parents[4]
PAGE = (REPO / "docs" / "figures.md").read_text(encoding="utf-8")
SHOWN = ("latency/tx1_log", "pareto/tx1_b1", "efficiency/per_watt")
PLATFORM = "tx1"
DRAWN_WITH = "3.11.2"
"""The matplotlib that drew the files: another one may round the outline of a letter otherwise."""


def image(name: str) -> Path:
    return REPO / "docs" / "images" / f"{name.partition('/')[2]}.svg"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the figures."""
    charts, folder = describe(published(), [], [PLATFORM]), tmp_path_factory.mktemp("drawn")
    draw_all({name: charts[name] for name in SHOWN}, folder)
    return folder


def paths_of(svg: Path) -> dict[str, list[float]]:
    """The coordinates of the named lines and of their markers, in points."""
    named: dict[str, list[float]] = {}
    for block in svg.read_text(encoding="utf-8").split('<g id="')[1:]:
        gid, _, rest = block.partition('">')
        if gid.startswith(("baseline:", "level:", "front", "point:", "dots:")):
            line = re.match(r'\s*<path d="([^"]*)"', rest)
            marks = re.findall(r'<use [^>]*\bx="([-\d.]+)" y="([-\d.]+)"', rest)
            named[gid] = [float(number) for number in re.findall(r"-?\d+\.?\d*", line[1] if line else "")]
            named[gid] += [float(number) for mark in marks for number in mark]
    return {gid: numbers for gid, numbers in named.items() if numbers}


def test_the_page_shows_three_figures_and_names_the_command_and_the_files() -> None:
    shown = re.findall(r"!\[[^]]+\]\(images/([a-z0-9_]+)\.svg\)", PAGE)
    assert shown == [image(name).stem for name in SHOWN]
    assert f"pytest --ddperf-plot --platform={PLATFORM}\n" in PAGE
    assert all(f"`{name}.svg`" in PAGE for name in SHOWN)


def test_the_readme_shows_the_same_three() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert re.findall(r'<img src="docs/images/([a-z0-9_]+)\.svg"', readme) == [image(name).stem for name in SHOWN]
    assert f"pytest --ddperf-plot --platform={PLATFORM}\n" in readme


@pytest.mark.skipif(mpl.__version__ != DRAWN_WITH, reason=f"the files were drawn with matplotlib {DRAWN_WITH}")
@pytest.mark.parametrize("name", SHOWN)
def test_a_figure_of_the_page_is_what_the_tool_draws_byte_by_byte(name: str, drawn: Path) -> None:
    assert (drawn / f"{name}.svg").read_bytes() == image(name).read_bytes()


@pytest.mark.parametrize("name", SHOWN)
def test_a_figure_of_the_page_has_the_lines_that_the_tool_draws(name: str, drawn: Path) -> None:
    expected, found = paths_of(drawn / f"{name}.svg"), paths_of(image(name))
    assert len(found) > 1
    assert list(found) == list(expected)
    assert all(np.allclose(found[gid], expected[gid], atol=0.01) for gid in found)


def test_the_page_s_table_of_files_has_every_family() -> None:
    families = {name.partition("/")[0] for name in describe(published(), [], published().platforms)}
    families |= {"against", "against_baseline", "history", "concurrency", "rate"}  # of runs
    assert families == set(re.findall(r"^\| `([a-z_]+)/", PAGE, flags=re.MULTILINE))
