"""The figures as files: the same bytes every time, nothing cut off, and readable without colour."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest
from every_row import every_row
from figure_results import figure_of, in_pairs, measured, one_of_each, published, trend, with_budgets
from matplotlib.colors import to_rgb
from messages import assert_names
from PIL import Image

from pytest_ddperf.core.budgets import Budget, TimeLimit
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe import against, names
from pytest_ddperf.plots.describe.charts import IntervalChart
from pytest_ddperf.plots.describe.history import trend_charts
from pytest_ddperf.plots.draw import dispatch, parallel, style

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.results import Trend
    from pytest_ddperf.plots.describe.charts import Chart

SUPPORT = Path(__file__).resolve().parents[3] / "support"
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from figure_results import one_of_each
from pytest_ddperf.plots.draw.parallel import draw_all
draw_all(one_of_each(), Path(sys.argv[2]))
"""


def nights() -> list[Trend]:
    outcomes = {3: Outcome.REGRESSED, 4: Outcome.IMPROVED, 5: Outcome.UNSTABLE, 6: Outcome.INVALID}
    values = [100.0, 101.0, 99.0, 130.0, 80.0, 115.0, 100.0, 90.0]
    commits = {night: f"{night:07x}".ljust(40, "f") for night in range(8)}
    return [
        trend(CellKey("tk1", "resnet50", size), values, outcomes, {7: ("recorded", 90.0)}, commits)
        for size in (1, 2, 4)
    ]


@cache
def every_chart() -> dict[str, Chart]:
    """The figures of a run over its baseline, and those of the published tables of all other platforms."""
    changes: dict[tuple[str, int], float | Outcome | None] = {
        ("squeezenet_v1.1", 8): 0.3, ("resnet101", 1): None, ("resnet50", 16): 0.0, ("vgg16", 1): Outcome.OOM,
    }  # fmt: skip
    results = measured(changes)
    return api.describe(results, nights(), results.platforms) | against.against_charts(in_pairs(results), "tk1")


def charts(*chosen: str) -> dict[str, Chart]:
    return {name: every_chart()[name] for name in chosen}


@pytest.fixture(scope="module")
def cost_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that figure, which tests copy."""
    folder = tmp_path_factory.mktemp("cost")
    parallel.draw_all(charts("cost/small"), folder)
    return folder


@pytest.fixture
def cost(cost_folder: Path, tmp_path: Path) -> Path:
    """A folder with that figure."""
    return Path(shutil.copytree(cost_folder, tmp_path / "drawn"))


def pictures(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_in_two_processes(tmp_path: Path) -> None:
    parallel.draw_all(one_of_each(), tmp_path / "one")
    command = [sys.executable, "-c", SCRIPT, str(SUPPORT), str(tmp_path / "other")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "2"})
    assert pictures(tmp_path / "other") == pictures(tmp_path / "one")


SEVERAL = ("cost/all", "cost/small", "mobilenet/tk1", "history/tk1/resnet50")


Drawn = tuple[dict[str, bytes], list[tuple[int, int]]]
"""Files, and the progress while they were drawn."""


def draw_several(folder: Path, processes: int) -> Drawn:
    """Draw these figures with so many processes."""
    seen: list[tuple[int, int]] = []
    parallel.draw_all(charts(*SEVERAL), folder, processes, progress=lambda done, total: seen.append((done, total)))
    return pictures(folder), seen


@pytest.fixture(scope="module")
def by_one_process(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw_several(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def by_three_processes(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw_several(tmp_path_factory.mktemp("three"), 3)


def test_each_figure_is_a_png_and_an_svg(by_one_process: Drawn) -> None:
    drawn, _ = by_one_process
    assert set(drawn) == {f"{name}.{ending}" for name in SEVERAL for ending in names.ENDINGS}
    starts = {"png": b"\x89PNG", "svg": b"<?xml"}
    assert all(content.startswith(starts[name[-3:]]) for name, content in drawn.items())


@pytest.mark.slow
def test_it_does_not_matter_how_many_processes_draw(by_one_process: Drawn, by_three_processes: Drawn) -> None:
    assert by_one_process[0] == by_three_processes[0]


def test_progress_counts_the_figures_one_by_one(by_one_process: Drawn) -> None:
    assert by_one_process[1] == [(done, len(SEVERAL)) for done in range(len(SEVERAL) + 1)]


@pytest.mark.slow
def test_progress_counts_the_figures_of_all_processes(by_three_processes: Drawn) -> None:
    _, seen = by_three_processes
    assert (seen[0], seen[-1]) == ((0, len(SEVERAL)), (len(SEVERAL), len(SEVERAL)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 2


@pytest.mark.slow
def test_what_a_helper_cannot_draw_is_drawn_or_said_by_the_process_that_asked(tmp_path: Path) -> None:
    (tmp_path / "cost").write_text("in the way", encoding="utf-8")
    chosen = charts("mobilenet/tk1", "cost/small")
    with pytest.raises(ConfigurationError) as caught:
        parallel.draw_all(chosen, tmp_path, 2)
    assert_names(caught, "cost/small.png", "another folder")
    assert "--ddperf-plot" not in str(caught.value), "it may be a figure of `ddperf report`"


def test_where_no_helper_starts_one_process_draws_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    chosen = charts("mobilenet/tk1", "cost/small")
    parallel.draw_all(chosen, tmp_path, 2)
    assert all((tmp_path / f"{name}.svg").exists() for name in chosen)


def test_no_figure_contains_a_date_or_a_version(cost: Path) -> None:
    for ending in names.ENDINGS:
        content = (cost / f"cost/small.{ending}").read_bytes()
        assert mpl.__version__.encode() not in content
        assert b"<dc:date>" not in content
        assert b"pytest-ddperf" in content


def test_the_figures_come_in_the_order_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(parallel, "draw_all", lambda charts, *_, **__: chosen.extend(charts))
    drawn = api.draw(published(), [], tmp_path, ["raspi4-ncnn"])
    assert drawn[:3] == ["cost/all", "cost/small", "latency/raspi4-ncnn_bars"]
    assert drawn == chosen


def test_only_the_endings_that_are_wanted_are_drawn(tmp_path: Path) -> None:
    parallel.draw_all(charts("cost/small"), tmp_path, endings=("png",))
    assert [path.name for path in tmp_path.rglob("*.*")] == ["small.png"]


def test_only_a_figure_whose_description_changed_is_drawn_again(tmp_path: Path) -> None:
    chosen = charts("mobilenet/tk1", "cost/small")
    drawn: list[tuple[int, int]] = []

    def draw() -> dict[str, int]:
        drawn.clear()
        parallel.draw_all(chosen, tmp_path, progress=lambda done, total: drawn.append((done, total)))
        return {str(path.relative_to(tmp_path)): path.stat().st_ino for path in tmp_path.rglob("*.*")}

    before = draw()
    for path in tmp_path.rglob("*.*"):
        os.utime(path, (0, 0))
    assert draw() == before
    assert drawn[-1] == (0, 0)
    text = replace(chosen["cost/small"].text, subtitle="another")
    chosen["cost/small"] = replace(chosen["cost/small"], text=text)
    after = draw()
    assert drawn[-1] == (1, 1)
    assert {name for name in after if after[name] != before[name]} == {"cost/small.png", "cost/small.svg"}
    assert b"another" in (tmp_path / "cost/small.svg").read_bytes()


@pytest.mark.parametrize("ending", names.ENDINGS)
@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda _: b"\x89PNG of another program",
        lambda content: content + b" ",
    ],
)
def test_an_image_that_is_damaged_or_of_another_program_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, damage: Callable[[bytes], bytes]
) -> None:
    contents = {"png": b"\x89PNG of this program", "svg": b"<?xml version='1.0'?><svg/>"}
    monkeypatch.setattr(dispatch, "build_figure", lambda _: None)
    monkeypatch.setattr(parallel, "encode_figure", lambda _, ending: contents[ending])
    parallel.draw_all(charts("cost/small"), tmp_path)
    path = tmp_path / f"cost/small.{ending}"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    parallel.draw_all(charts("cost/small"), tmp_path)
    assert path.read_bytes() == whole


def test_a_missing_image_is_drawn_again(cost: Path) -> None:
    (cost / "cost/small.svg").unlink()
    parallel.draw_all(charts("cost/small"), cost)
    assert (cost / "cost/small.svg").exists()


def test_another_matplotlib_draws_the_figures_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = every_chart()["cost/small"]
    monkeypatch.setattr(parallel, "version", lambda _: "2.0")
    parallel._hash_code.cache_clear()
    other = parallel.compute_digest(chart, b"")
    monkeypatch.undo()
    parallel._hash_code.cache_clear()
    assert parallel.compute_digest(chart, b"") != other
    assert parallel.compute_digest(chart, b"") != parallel.compute_digest(every_chart()["cost/all"], b"")


def test_nothing_loads_matplotlib_if_no_figure_changed(cost: Path) -> None:
    before = pictures(cost)
    script = (
        "import sys; from pathlib import Path; from pytest_ddperf.config.load_catalog import load_catalog; "
        "from pytest_ddperf.plots.draw.parallel import draw_all; "
        "from pytest_ddperf.plots.describe.cost import cost_chart; "
        "draw_all({'cost/small': cost_chart(load_catalog(), small=True)}, Path(sys.argv[1])); "
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(cost)], check=True)
    assert pictures(cost) == before


def test_the_drawn_history_has_the_nights_the_band_and_the_changes() -> None:
    (chart,) = trend_charts(published(), nights()[:1], ["tk1"]).values()
    (axes,) = figure_of(chart).axes
    drawn = {str(line.get_gid()): np.asarray(line.get_ydata(), dtype=float).tolist() for line in axes.lines}
    assert drawn["nights:0"] == [100.0, 101.0, 99.0, 130.0, 80.0, 115.0, 100.0, 90.0]
    assert (drawn["regressed:0"], drawn["improved:0"], drawn["unstable:0"]) == ([130.0], [80.0], [115.0])
    assert drawn["failed:0"] == [100.0]
    assert drawn["baseline:0"] == [100.0] * 14 + [90.0] * 2
    assert "rebaselined:0" in drawn
    (band,) = [one for one in axes.collections if one.get_gid() == "band:0"]
    edges = band.get_paths()[0].vertices
    assert np.isclose(np.min(np.asarray(edges)[:, 1]), 81)
    assert np.isclose(np.max(np.asarray(edges)[:, 1]), 110)
    names_of_commits = [text.get_text() for text in axes.texts if text.get_gid() == "commit:0"]
    assert {"0000003", "0000004", "0000007"} <= set(names_of_commits)


def test_a_night_over_its_budget_has_a_mark_of_its_own() -> None:
    over = trend(CellKey("tk1", "resnet50", 1), [100.0, 101.0, 130.0], {2: Outcome.OVER_BUDGET})
    results = with_budgets(published(), {"tk1": {"*": Budget(max_ms=120)}})
    (chart,) = trend_charts(results, [over], ["tk1"]).values()
    figure = figure_of(chart)
    lines = {str(line.get_gid()): np.asarray(line.get_ydata(), dtype=float).tolist() for line in figure.axes[0].lines}
    assert lines["over budget:0"] == [130.0]
    assert lines["budget:0"] == [120.0, 120.0]
    assert not any(gid.startswith("failed") for gid in lines)
    assert {"over budget", "budget"} <= {text.get_text() for text in figure.legends[0].get_texts()}


def test_a_budget_that_changed_is_a_step() -> None:
    nights = trend(CellKey("tk1", "resnet50", 1), [100.0, 101.0, 102.0, 103.0])
    limits = [None, TimeLimit("150 ms", 150.0), TimeLimit("150 ms", 150.0), TimeLimit("120 ms", 120.0)]
    changed = replace(
        nights, nights=tuple(replace(one, budget=limit) for one, limit in zip(nights.nights, limits, strict=True))
    )
    (chart,) = trend_charts(published(), [changed], ["tk1"]).values()
    (line,) = [one for one in figure_of(chart).axes[0].lines if one.get_gid() == "budget:0"]
    x, y = (np.asarray(values, dtype=float) for values in (line.get_xdata(), line.get_ydata()))
    assert np.array_equal(y, [math.nan] * 2 + [150.0] * 4 + [120.0] * 2, equal_nan=True)
    assert (x[2:-1] - x[2]).tolist() == [0.0, 1.0, 1.0, 2.0, 2.0]


def test_a_run_over_its_baseline_marks_one_sided_cells() -> None:
    (axes,) = figure_of(every_chart()["latency/tk1_log"]).axes
    gids = {str(line.get_gid()) for line in axes.lines}
    assert {"run:ResNet-50", "baseline:ResNet-50", "measured only:ResNet-50", "baseline only:ResNet-101"} <= gids
    styles = {str(line.get_gid()).partition(":")[0]: line.get_linestyle() for line in axes.lines}
    assert (styles["run"], styles["baseline"]) == ("-", "--")


def test_the_heat_map_frames_what_fails() -> None:
    figure = figure_of(every_chart()["against_baseline/tk1"])
    boxes = {str(box.get_gid()): box for axes in figure.axes for box in axes.patches if box.get_gid()}
    framed = [gid for gid, box in boxes.items() if box.get_linewidth() > 1]
    assert len(framed) == 2
    assert all(boxes[gid].get_hatch() is None for gid in framed)  # a hatch would take the frame's colour
    hatched = [box for box in boxes.values() if box.get_hatch()]
    assert len(hatched) == 2  # one not measured, one without a baseline


def test_the_drawn_intervals_are_those_of_the_cells_slowest_first() -> None:
    (axes,) = figure_of(every_chart()["against/tk1"]).axes
    drawn = {str(line.get_gid()): np.asarray(line.get_xdata(), dtype=float) for line in axes.lines}
    assert drawn["change:0"] == pytest.approx([30.0])
    assert drawn["interval:0"] == pytest.approx([26.0, 34.0])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "SqueezeNet v1.1, b8"
    (band,) = [one for one in axes.patches if one.get_gid() == "tolerance:0"]
    assert band.get_extents().transformed(axes.transData.inverted()).intervalx == pytest.approx([-10.0, 10.0])


def test_a_cell_in_pairs_that_was_not_confirmed_does_not_look_like_one_that_is_ok() -> None:
    chart = every_chart()["against/tk1"]
    assert isinstance(chart, IntervalChart)
    rows = tuple(replace(chart.rows[0], outcome=outcome) for outcome in (Outcome.NOT_CONFIRMED, Outcome.OK))
    (axes,) = figure_of(replace(chart, rows=rows)).axes
    failed, passed = (line for line in axes.lines if str(line.get_gid()).startswith("change:"))
    assert failed.get_marker() != passed.get_marker()
    assert failed.get_color() != passed.get_color()


def test_the_networks_differ_without_colour() -> None:
    looks = {name: style.look_of("model", name) for name in [*NETWORK_IDS, *style.MODELS]}
    shapes = {(look.marker, look.dashes, look.fill) for look in looks.values()}
    assert len(shapes) == len(looks)
    markers = {name: (look.marker, look.fill) for name, look in looks.items()}
    assert len(set(markers.values())) == len(markers)  # over its baseline, a run's lines are all solid


def test_batch_sizes_get_darker_and_differ_without_colour() -> None:
    looks = [style.look_of("batch", str(size)) for size in (1, 2, 4, 8, 16, 32, 48, 64, 128)]
    weight = np.array([0.2126, 0.7152, 0.0722])
    brightness = [float(np.dot(to_rgb(look.colour), weight)) for look in looks]
    assert brightness == sorted(brightness, reverse=True)
    assert len({look.marker for look in looks}) == len(looks)


def test_families_differ_for_colour_blind_people() -> None:
    """The colours of Okabe and Ito, seen without red or without green, keep apart (CIE distances, roughly)."""
    colours = sorted({look.colour for look in style.MODELS.values()})
    deficiencies = {
        "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    }
    for matrix in deficiencies.values():
        seen = {colour: np.clip(np.array(matrix) @ (np.array(to_rgb(colour)) ** 2.2), 0, 1) for colour in colours}
        for one, other in combinations(colours, 2):
            assert math.dist(seen[one] ** (1 / 2.2), seen[other] ** (1 / 2.2)) > 0.1, (one, other)


def test_a_look_follows_from_the_name_alone() -> None:
    assert style.look_of("model", "mine") == style.look_of("model", "mine")
    assert len({style.look_of("model", f"mine {number}") for number in range(20)}) > 10


def test_the_user_s_matplotlib_neither_changes_figures_nor_is_changed() -> None:
    def digest() -> str:
        with style.apply_style():
            figure = figure_of(every_chart()["latency/tk1_log"])
            return hashlib.sha256(style.encode_figure(figure, "svg")).hexdigest()

    before = digest()
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30.0, "svg.fonttype": "none", "savefig.dpi": 20}):
        theirs = dict(mpl.rcParams)
        assert digest() == before
        assert dict(mpl.rcParams) == theirs


@every_row("value", [0, 0.00012, 0.123, 1.0, 12.34, 123.4, 1234567.0])
def test_numbers_have_no_exponent(value: float) -> None:
    assert float(style.format_number(value)) == pytest.approx(value, rel=0.3)
    assert "e" not in style.format_number(value) or value < 0.001


def test_a_network_may_be_called_what_it_likes(tmp_path: Path) -> None:
    name = "$\\frac{$ \u6a21\u578b"
    cells = tuple(replace(cell, key=replace(cell.key, model=name)) for cell in published().of("tk1")[:8])
    results = replace(published(), cells=cells)
    described = api.describe(results, [trend(cells[0].key, [100.0, 101.0])], ["tk1"])
    named = {file: chart for file, chart in described.items() if names.plain(name) in file}
    assert set(named) == {f"history/tk1/{names.plain(name)}", f"model/{names.plain(name)}"}
    parallel.draw_all(named, tmp_path)
    assert set(pictures(tmp_path)) == {f"{file}.{ending}" for file in named for ending in names.ENDINGS}


def test_describing_loads_no_matplotlib() -> None:
    script = (
        "import sys; from pytest_ddperf.config.load_catalog import load_catalog; "
        "from pytest_ddperf.report.gather import gather_results; "
        "from pytest_ddperf.plots.api import describe; results = gather_results(load_catalog(), [], {}); "
        "assert len(describe(results, [], results.platforms)) > 90; "
        "assert not {'matplotlib', 'numpy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_image_with_its_digest_is_a_valid_png(cost: Path) -> None:
    content = (cost / "cost/small.svg").read_bytes()
    with Image.open(cost / "cost/small.png") as image:
        image.load()
        assert image.info["Digest"] == parallel.compute_digest(every_chart()["cost/small"], content)
