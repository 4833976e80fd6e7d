"""`pytest --ddperf-plot`: what is stored is drawn; `pytest benchmarks --ddperf-plot`: a run, and then its figures."""

from __future__ import annotations

import csv
import errno
import filecmp
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import BenchProject, TableServer
from every_row import every_row
from figure_results import figure_of, one_of_each
from messages import assert_names

from pytest_ddperf.history.run_file import list_runs
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe.names import ENDINGS
from pytest_ddperf.plots.draw import dispatch, parallel, style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from pytest_ddperf.plots.describe.charts import Chart

SMALL = "raspi4-ncnn"
"""A platform of few figures: five networks at batch size 1."""

FIGURES = [
    "cost/all", "cost/small", "latency/raspi4-ncnn_bars", "model/resnet50", "model/shufflenet", "model/mobilenet_v2",
    "model/squeezenet_ssd_faces", "model/squeezenet_ssd_voc", "efficiency/raspi4-ncnn", "efficiency/per_watt",
    "efficiency/per_gflop",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _matplotlib_is_loaded() -> None:
    """Load all that drawing loads: pytester forgets what a run imported, and matplotlib loads only once."""
    figures = [figure_of(chart) for chart in one_of_each().values()]
    for ending in ENDINGS:
        style.encode_figure(figures[-1], ending)


_DRAWN: dict[str, bytes] = {}


@pytest.fixture(autouse=True)
def _equal_figures_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the SVG of each chart once, because equal charts are equal files (test_figures); no test reads a PNG."""
    drawing: list[Chart] = []

    def build_figure(chart: Chart) -> Figure | None:
        drawing[:] = [chart]
        return None if repr(chart) in _DRAWN else dispatch_build_figure(chart)

    def encode_figure(figure: Figure, ending: str) -> bytes:
        if ending == "png":
            return b"\x89PNG"
        known = repr(drawing[0])
        if known not in _DRAWN:
            _DRAWN[known] = style.encode_figure(figure, ending)
        return _DRAWN[known]

    dispatch_build_figure = dispatch.build_figure
    monkeypatch.setattr(dispatch, "build_figure", build_figure)
    monkeypatch.setattr(parallel, "encode_figure", encode_figure)


@pytest.fixture
def server() -> Iterator[TableServer]:
    """A server as fast as the table of that platform says."""
    with TableServer(SMALL) as running:
        yield running


@pytest.fixture
def project(pytester: pytest.Pytester, server: TableServer) -> BenchProject:
    """A project, and that server."""
    return BenchProject(pytester, server, SMALL)


def files(folder: Path) -> set[str]:
    """All pictures; beside them is nothing but the index."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert not found or "index.html" in found
    return found - {"index.html"}


def expected(*names: str) -> set[str]:
    return {f"{name}.{ending}" for name in (*FIGURES, *names) for ending in ("png", "svg")}


def svg(project: BenchProject, name: str) -> str:
    return (project.path / "ddperf-figures" / f"{name}.svg").read_text(encoding="utf-8")


def stored(project: BenchProject, *args: str) -> pytest.RunResult:
    """Draw what is stored, of the small platform."""
    return project.bare("--ddperf-plot", f"--platform={SMALL}", *args)


# ---- no path: what is stored


@pytest.mark.usefixtures("placeholder_figures")
def test_with_no_path_it_draws_and_prints_the_families_and_the_index(project: BenchProject) -> None:
    result = stored(project)
    assert result.ret == pytest.ExitCode.OK
    folder = project.path / "ddperf-figures"
    assert files(folder) == expected()
    first, *families, last = result.outlines
    assert first == f"drawing {len(FIGURES)} figures"
    assert [tuple(line.split()[:2]) for line in families] == [
        ("cost", "2"), ("latency", "1"), ("model", "5"), ("efficiency", "3")
    ]  # fmt: skip
    assert last == f"index: {folder / 'index.html'}"


@pytest.mark.usefixtures("placeholder_figures")
def test_the_index_shows_every_picture_and_nothing_else(project: BenchProject) -> None:
    stored(project)
    folder = project.path / "ddperf-figures"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'<img src="([^"]+)"', page)) == {name for name in expected() if name.endswith(".png")}
    links = {link for link in re.findall(r'href="([^"]+)"', page) if not link.startswith("#")}
    assert links == expected()


@pytest.mark.usefixtures("placeholder_figures")
def test_it_runs_no_test_and_needs_no_server(project: BenchProject) -> None:
    (project.path / "test_failing.py").write_text("raise SystemExit('collected')\n", encoding="utf-8")
    project.ini(ddperf_url="http://127.0.0.1:9")
    result = stored(project)
    assert result.ret == pytest.ExitCode.OK
    assert "collected" not in str(result.stdout) + str(result.stderr)
    assert project.server.predictions == []


@pytest.mark.usefixtures("placeholder_figures")
def test_the_folder_can_be_named(project: BenchProject) -> None:
    result = project.bare("--ddperf-plot=figures/of tonight", f"--platform={SMALL}")
    assert result.ret == pytest.ExitCode.OK
    assert files(project.path / "figures" / "of tonight") == expected()


@pytest.mark.usefixtures("placeholder_figures")
def test_every_platform_is_drawn_where_none_is_named(project: BenchProject) -> None:
    result = project.bare("--ddperf-plot")
    assert result.ret == pytest.ExitCode.OK
    drawn = files(project.path / "ddperf-figures")
    for platform in ("gtx1080ti", "tx1", "nano", "tk1", "raspi3", "tx2", "tx2-tensorrt"):
        assert {
            f"latency/{platform}_{scale}.{ending}" for scale in ("log", "linear") for ending in ("png", "svg")
        } <= drawn
    assert {"latency/raspi3-ncnn_bars.png", "latency/raspi4-ncnn_bars.svg"} <= drawn
    assert len([name for name in drawn if name.startswith("model/") and name.endswith(".png")]) == 13 + 8
    assert {"mobilenet/tk1.png", "pareto/tk1_b8.png", "throughput/tk1.svg", "efficiency/tk1.png"} <= drawn


def test_without_a_history_it_says_so_and_draws_the_published_tables(project: BenchProject) -> None:
    result = stored(project)
    assert_names(result, "warning:", f"{project.path}/.ddperf", "baselines")
    assert 'id="bar:0:shufflenet"' in svg(project, "latency/raspi4-ncnn_bars")
    assert "against_baseline" not in str(result.stdout)


def test_the_last_stored_run_is_drawn_over_its_baseline(project: BenchProject) -> None:
    project.run()
    assert stored(project).ret == pytest.ExitCode.OK
    assert files(project.path / "ddperf-figures") == expected("against_baseline/raspi4-ncnn")
    bars = svg(project, "latency/raspi4-ncnn_bars")
    assert 'id="bar:0:shufflenet"' in bars
    assert 'id="bar:0:shufflenet:baseline"' in bars


@pytest.mark.usefixtures("placeholder_figures")
def test_nights_are_drawn_from_the_second_on(project: BenchProject) -> None:
    project.run()
    project.run()
    stored(project)
    models = ("resnet50", "shufflenet", "mobilenet_v2", "squeezenet_ssd_faces", "squeezenet_ssd_voc")
    nights = [f"history/raspi4-ncnn/{model}" for model in models]
    assert files(project.path / "ddperf-figures") == expected("against_baseline/raspi4-ncnn", *nights)


@pytest.mark.usefixtures("placeholder_figures")
def test_a_broken_history_file_is_named_skipped_and_counted(project: BenchProject) -> None:
    project.run()
    path = project.path / ".ddperf" / "20990101T000000.000Z-00000000.jsonl"
    for broken in ("", "no JSON at all\n", '{"type":"cell"}\n', '{"type":"run","run":"x","sta'):
        path.write_text(broken, encoding="utf-8")
        result = stored(project)
        assert result.ret == pytest.ExitCode.OK
        assert_names(result, f"warning: {path}, line 1", "1 of the 2 files")
    assert "against_baseline/raspi4-ncnn.png" in files(project.path / "ddperf-figures")


def test_a_half_written_history_file_gives_what_it_holds_and_counts_its_broken_lines(project: BenchProject) -> None:
    project.run()
    (path,) = list_runs(project.path / ".ddperf")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:100])
    result = stored(project)
    assert result.ret == pytest.ExitCode.OK
    assert_names(result, f"warning: {path}", "1 line", "line 3")
    text = svg(project, "against_baseline/raspi4-ncnn")
    assert len(re.findall(r'id="cell:\d+:\d+"', text)) == 5


@pytest.mark.usefixtures("placeholder_figures")
def test_a_damaged_index_is_made_anew(project: BenchProject) -> None:
    project.run()
    stored(project)
    index = project.path / ".ddperf" / "ddperf-index.sqlite"
    index.write_bytes(index.read_bytes()[:100] + b"no database " * 1000)
    result = stored(project)
    assert result.ret == pytest.ExitCode.OK
    assert str(result.stderr) == ""
    assert "against_baseline/raspi4-ncnn.png" in files(project.path / "ddperf-figures")


@pytest.mark.slow
def test_a_run_of_one_cell_leaves_the_others_as_an_earlier_run_measured_them(project: BenchProject) -> None:
    project.run()
    project.run("-k", "shufflenet")
    result = stored(project, "--ddperf-report=r.csv")
    assert_names(result, "warning: raspi4-ncnn", "4 of the 5 cells", "earlier run")
    assert len(re.findall(r'id="cell:\d+:\d+"', svg(project, "against_baseline/raspi4-ncnn"))) == 5
    rows = list(csv.DictReader((project.path / "r.csv").read_text(encoding="utf-8").splitlines()))
    of_run = {row["model"]: row["run"] for row in rows if row["now_ms"]}
    first, second = (run.header.run for run in project.histories())
    assert of_run.pop("shufflenet") == second
    assert set(of_run.values()) == {first}


@pytest.mark.slow
@pytest.mark.usefixtures("placeholder_figures")
def test_a_broken_baseline_of_another_platform_costs_that_platform_alone(project: BenchProject) -> None:
    project.run()
    (project.path / "baselines").mkdir()
    (project.path / "baselines" / "tx1.json").write_text("{", encoding="utf-8")
    result = project.run("--ddperf-plot")
    result.assert_outcomes(passed=5)
    assert_names(result, "warning:", "baseline", "tx1")
    assert "against_baseline/raspi4-ncnn.png" in files(project.path / "ddperf-figures")


@every_row(
    "option",
    [
        "--ddperf-accept",
        "--ddperf-update-baselines",
        "--ddperf-require-baseline",
        "--ddperf-npasses=7",
        "--ddperf-url=http://127.0.0.1:9",
        "-k=shufflenet",
        "-m=slow",
        "--lf",
        "--junitxml=r.xml",
        "--benchmark-autosave",
    ],
)
def test_with_options_that_only_a_run_can_follow_it_is_a_usage_error(project: BenchProject, option: str) -> None:
    result = stored(project, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    flag = option.partition("=")[0]
    assert_names(result, "ERROR: ddperf:", "--ddperf-plot", f"{flag} would have no effect")
    assert files(project.path / "ddperf-figures") == set()


@pytest.mark.usefixtures("placeholder_figures")
def test_options_that_stand_in_the_ini_file_do_not_keep_it_from_drawing(project: BenchProject) -> None:
    project.ini(addopts="-m 'not slow' --ddperf-npasses=7", ddperf_accept="true")
    result = stored(project)
    assert result.ret == pytest.ExitCode.OK
    assert files(project.path / "ddperf-figures") == expected()


@pytest.mark.parametrize("option", ["--collect-only", "--help", "--version", "--markers", "--fixtures"])
def test_options_that_ask_for_something_else_keep_their_meaning(project: BenchProject, option: str) -> None:
    result = project.bare("--ddperf-plot", f"--platform={SMALL}", option)
    assert result.ret == pytest.ExitCode.OK
    assert files(project.path / "ddperf-figures") == set()
    assert not any(line.endswith(".png") for line in result.outlines)


# ---- the surroundings


@pytest.mark.slow
def test_no_display_an_unknown_backend_and_a_broken_matplotlibrc_change_no_byte(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pytester.runpytest_subprocess("--ddperf-plot", f"--platform={SMALL}")
    content = b"lines.linewidth: 20\naxes.facecolor: red\nfigure.dpi\0: \xff nonsense\n"
    (project.path / "matplotlibrc").write_bytes(content)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    monkeypatch.delenv("DISPLAY", raising=False)
    result = project.pytester.runpytest_subprocess("--ddperf-plot=again", f"--platform={SMALL}")
    assert result.ret == pytest.ExitCode.OK, str(result.stderr)
    same, _, _ = filecmp.cmpfiles(project.path / "ddperf-figures", project.path / "again", expected(), shallow=False)
    assert set(same) == expected()


# ---- a path: a run, and then its figures


def test_bare_before_a_path_it_does_not_swallow_the_path(project: BenchProject) -> None:
    (project.path / "test_other.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    result = project.bare("--ddperf-plot", "test_other.py")
    result.assert_outcomes(passed=1)
    assert not (project.path / "test_other.py").is_dir()


@pytest.mark.slow
def test_a_run_is_drawn_over_its_baseline(project: BenchProject) -> None:
    project.server.slow("shufflenet", 1, 1.5)
    result = project.run("--ddperf-plot")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    folder = project.path / "ddperf-figures"
    assert files(folder) == expected("against_baseline/raspi4-ncnn")
    assert f"figures: {len(FIGURES) + 1}, index: {folder / 'index.html'}" in result.outlines
    assert 'id="bar:0:shufflenet:baseline"' in svg(project, "latency/raspi4-ncnn_bars")


@pytest.mark.usefixtures("placeholder_figures")
def test_a_run_that_draws_names_an_index_that_it_could_not_use(project: BenchProject) -> None:
    folder = project.path / ".ddperf"
    folder.mkdir()
    (folder / "ddperf-index.sqlite").mkdir()
    result = project.run("--ddperf-plot")
    result.assert_outcomes(passed=5)
    output = " ".join(str(result.stdout).split())
    assert output.count(f"warning: {folder / 'ddperf-index.sqlite'}") == 1


@pytest.mark.usefixtures("placeholder_figures")
@pytest.mark.slow
def test_under_xdist_the_controller_draws_once(project: BenchProject) -> None:
    result = project.run("--ddperf-plot", "-n1")
    assert result.ret == pytest.ExitCode.OK
    assert files(project.path / "ddperf-figures") == expected("against_baseline/raspi4-ncnn")
    assert str(result.stdout).count("figures: ") == 1


@pytest.mark.usefixtures("placeholder_figures")
def test_the_ini_key_draws_after_a_run(project: BenchProject) -> None:
    project.ini(ddperf_plot="drawn")
    result = project.run()
    result.assert_outcomes(passed=5)
    assert files(project.path / "drawn") == expected("against_baseline/raspi4-ncnn")


def test_the_ini_key_does_not_keep_pytest_from_running_tests(project: BenchProject) -> None:
    project.ini(ddperf_plot="drawn", testpaths="test_other.py")
    (project.path / "test_other.py").write_text("def test_it():\n    assert False\n", encoding="utf-8")
    result = project.bare()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("where", ["ini", "environment"])
def test_added_options_do_not_keep_pytest_from_running_tests(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    project.ini(testpaths="test_other.py", **({"addopts": "--ddperf-plot=drawn"} if where == "ini" else {}))
    if where == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", "--ddperf-plot=drawn")
    (project.path / "test_other.py").write_text("def test_it():\n    assert False\n", encoding="utf-8")
    result = project.bare()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    assert "nothing was measured" not in str(result.stdout)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ddperf-plot"], "no figure was drawn"),
        (["--ddperf-report=r.md"], "no report was written"),
        (["--ddperf-plot", "--ddperf-report=r.md"], "no figure was drawn and no report was written"),
    ],
)
def test_where_nothing_was_measured_it_is_said_that_nothing_was_drawn(
    project: BenchProject, options: list[str], said: str
) -> None:
    (project.path / "test_other.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    result = project.bare("test_other.py", *options)
    result.assert_outcomes(passed=1)
    assert_names(result, "nothing was measured", said)


@pytest.mark.parametrize("fault", [OSError("the disk went away"), ValueError("no such marker")])
def test_figures_that_cannot_be_drawn_are_a_warning_and_the_verdicts_and_reports_stand(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def failing(*_: object) -> list[Path]:
        raise fault

    monkeypatch.setattr(api, "draw", failing)
    result = project.run("--ddperf-plot", "--ddperf-report=r.csv")
    assert result.ret == pytest.ExitCode.OK
    folder = project.path / "ddperf-figures"
    said = " ".join(str(result.stdout).split())  # warnings are wrapped
    assert_names(said, "warning:", folder, f"{type(fault).__name__}: {fault}")
    assert "5 cells: 5 ok" in result.outlines
    assert (project.path / "r.csv").is_file()


def test_figures_of_what_is_stored_that_cannot_be_drawn_are_an_error_and_no_traceback(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> list[Path]:
        raise ValueError("no such marker")

    monkeypatch.setattr(api, "draw", failing)
    result = stored(project)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ERROR: ddperf:", "ValueError: no such marker")
    assert "Traceback" not in str(result.stderr)


def test_a_folder_that_takes_no_file_is_a_usage_error_before_the_run(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.path / "ddperf-figures"
    folder.mkdir()
    original = Path.open

    def refusing(path: Path, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - those of Path.open
        if path.parent == folder:  # a test may run as root, whom no permission stops
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return original(path, *args, **options)

    monkeypatch.setattr(Path, "open", refusing)
    result = project.run("--ddperf-plot")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ERROR: ddperf:", folder, "Read-only file system")
    assert project.server.predictions == []


def test_a_folder_that_cannot_be_made_is_a_usage_error_before_the_run(project: BenchProject) -> None:
    result = project.run("--ddperf-plot=images.txt/figures")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ERROR: ddperf:", "images.txt/figures", "--ddperf-plot=DIR")
    assert project.server.predictions == []


def test_a_folder_that_cannot_be_made_is_a_usage_error_where_nothing_runs(project: BenchProject) -> None:
    result = stored(project, "--ddperf-plot=images.txt/figures")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in str(result.stderr)


@pytest.mark.usefixtures("placeholder_figures")
@pytest.mark.parametrize(("options", "missing"), [([], 1), (["--ddperf-models=shufflenet"], 0)])
def test_what_a_whole_run_left_out_is_counted_in_reports_of_what_is_stored(
    project: BenchProject, options: list[str], missing: int
) -> None:
    project.run(*options)
    (path,) = list_runs(project.path / ".ddperf")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    left = [line for line in lines if '"type":"cell"' not in line or '"resnet50"' not in line]
    path.write_text("".join(left), encoding="utf-8")
    stored(project, "--ddperf-report=r.json")
    document = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert document["not_measured"] == missing
