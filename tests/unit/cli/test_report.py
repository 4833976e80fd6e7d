from __future__ import annotations

import functools
import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from load_made import loaded
from messages import assert_names
from nightly import cell, without_measurement, write_night

from pytest_ddperf.cli import main
from pytest_ddperf.core.budgets import BudgetCheck, Standing
from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.embedded.networks import networks
from pytest_ddperf.plots import api
from pytest_ddperf.plots.draw import parallel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.core.records import CellRecord
    from pytest_ddperf.core.results import Results, Trend

B1, B8 = CellKey("tk1", "squeezenet_v1.1", 1), CellKey("tk1", "squeezenet_v1.1", 8)
TX1 = CellKey("tx1", "squeezenet_v1.1", 8)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a history of two nights of TK1 and one of TX1."""
    monkeypatch.setattr(networks, "NETWORK_IDS", ("shufflenet",))  # to count the costs of all takes two seconds
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    storage = tmp_path / ".ddperf"
    write_night(storage, 0, [measured(B1, 90.0), measured(B8, 54.0)])
    write_night(storage, 1, [measured(B1, 91.0), measured(B8, 55.0)])
    write_night(storage, 2, [measured(TX1, 12.2)], platforms=("tx1",))
    return tmp_path


def measured(key: CellKey, ms: float) -> CellRecord:
    """A cell of a night that took so many milliseconds per image."""
    return replace(cell(key, [ms] * 5), now_ms=ms)


def run(*args: str) -> int:
    return main.main(["report", *args])


def cells(path: Path) -> dict[CellKey, float | None]:
    """The cells of a JSON report, with what was measured of them."""
    rows = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {CellKey(row["platform"], row["model"], row["batch_size"]): row["now_ms"] for row in rows}


def test_every_kind_of_report_is_written_and_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-o", "r.html", "-o", "r.csv", "--output=out/r.json") == 0
    assert capsys.readouterr().out.splitlines() == [str(project / name) for name in ("r.html", "r.csv", "out/r.json")]
    assert all((project / name).stat().st_size > 1000 for name in ("r.html", "r.csv", "out/r.json"))


def test_of_each_platform_its_newest_run_is_shown(project: Path) -> None:
    run("-o", "r.json")
    found = cells(project / "r.json")
    assert {key: now for key, now in found.items() if now is not None} == {B1: 91.0, B8: 55.0, TX1: 12.2}
    assert {key.platform for key in found} > {"gtx1080ti", "tk1", "tx1", "raspi4-ncnn"}


def test_the_run_that_is_named_is_shown_alone(project: Path) -> None:
    oldest = min((project / ".ddperf").glob("*.jsonl")).stem
    run("-o", "r.json", "--run", oldest)
    assert {key: now for key, now in cells(project / "r.json").items() if now is not None} == {B1: 90.0, B8: 54.0}


def oldest_file(project: Path) -> Path:
    return min((project / ".ddperf").glob("*.jsonl"))


@pytest.mark.parametrize("by", ["file", "run"])
@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_a_run_is_named_by_its_file_or_by_its_own_name_with_and_without_a_report(
    project: Path, capsys: pytest.CaptureFixture[str], by: str, how: str
) -> None:
    file = oldest_file(project)
    other = file.with_name("before.jsonl")
    (file.rename if how == "renamed" else functools.partial(shutil.copy, file))(other)
    name = {"file": other.stem, "run": file.stem}[by]
    assert run("--run", name) == 0
    assert "90.0" in capsys.readouterr().out
    assert run("-o", "r.json", "--run", name) == 0
    assert {key: now for key, now in cells(project / "r.json").items() if now is not None} == {B1: 90.0, B8: 54.0}
    assert run("--json", "x.json", "--run", name) == 0
    assert exported(project / "x.json") == [str(B1), str(B8)]


@pytest.mark.parametrize("written", [[], ["-o", "r.csv"], ["--plot"], ["--json", "x.json"]], ids=" ".join)
@pytest.mark.parametrize("wrong", ["nope", "of-tx1", "unreadable"])
def test_a_run_that_cannot_be_shown_is_refused_with_and_without_a_report(
    project: Path, capsys: pytest.CaptureFixture[str], written: list[str], wrong: str
) -> None:
    (project / ".ddperf" / "unreadable.jsonl").write_text("nothing\n", encoding="utf-8")
    newest = max((project / ".ddperf").glob("2*.jsonl")).stem
    named = newest if wrong == "of-tx1" else wrong
    assert run(*written, "--run", named, "--platform=tk1") == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert named in said.err
    assert not {"r.csv", "x.json"} & {path.name for path in project.iterdir()}


def test_platforms_are_chosen_by_id(project: Path) -> None:
    run("-o", "r.json", "--platform", "tx1,TK1")
    assert {key.platform for key in cells(project / "r.json")} == {"tk1", "tx1"}


def test_the_nights_of_the_cells_are_there(project: Path) -> None:
    run("-o", "r.json")
    trends = json.loads((project / "r.json").read_text(encoding="utf-8"))["trends"]
    assert [[night["now_ms"] for night in trend["nights"]] for trend in trends] == [[90.0, 91.0], [54.0, 55.0]]


def test_another_storage_is_read(project: Path) -> None:
    (project / ".ddperf").rename(project / "kept")
    run("-o", "r.json", "--storage", "kept")
    assert cells(project / "r.json")[B8] == 55.0


def test_without_a_history_the_tables_are_written_and_it_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-o", "r.json", "--storage", "nowhere") == 0
    assert_names(capsys.readouterr().err, "warning", "nowhere")
    found = cells(project / "r.json")
    assert set(found.values()) == {None}
    assert len(found) > 600


def test_a_broken_file_is_named_and_the_rest_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".ddperf" / "torn.jsonl").write_text('{"type": "ru', encoding="utf-8")
    assert run("-o", "r.json") == 0
    assert "torn.jsonl" in capsys.readouterr().err
    assert cells(project / "r.json")[B8] == 55.0


def test_a_cell_with_a_limit_that_cannot_be_is_named_and_the_rest_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = BudgetCheck("min_fps", 25.0, 30.0, 29.0, 31.0, Standing.WITHIN)
    path = write_night(project / ".ddperf", 3, [measured(B1, 92.0), replace(measured(B8, 56.0), budgets=(check,))])
    path.write_text(path.read_text(encoding="utf-8").replace('"limit":25.0', '"limit":0.0'), encoding="utf-8")
    assert run("-o", "r.json") == 0
    assert path.name in capsys.readouterr().err
    assert cells(project / "r.json")[B1] == 92.0


def drawn(
    results: Results, trends: Sequence[Trend], folder: Path, platforms: Sequence[str], progress: object
) -> list[str]:
    """Instead of drawing: a file with what was to be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{len(results.platforms)} {len(trends)} {','.join(platforms)}"
    (folder / "given.txt").write_text(text, encoding="utf-8")
    return ["cost/all"]


@pytest.mark.parametrize(("option", "folder"), [("--plot", "ddperf-figures"), ("--plot=figs", "figs")])
def test_figures_are_drawn_where_they_are_requested(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, folder: str
) -> None:
    monkeypatch.setattr(api, "draw", drawn)
    assert run(option, "--platform=tk1") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"index: {project / folder / 'index.html'}"
    said = (project / folder / "given.txt").read_text(encoding="utf-8")
    assert int(said.split()[0]) > 1  # figures that compare platforms take all of them
    assert said.split()[1:] == ["2", "tk1"]


def test_a_markdown_report_comes_with_its_figures(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parallel, "draw_all", lambda *_, **__: None)
    assert run("-o", "r.md") == 0
    report, figures = capsys.readouterr().out.splitlines()
    assert report == str(project / "r.md")
    assert re.fullmatch(rf"figures of r\.md: \d+ in {re.escape(str(project))}/r_figures", figures)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["-o", "r.pdf"], ".md, .html, .csv, .json, or bmf:FILE or pytest:FILE"),
        (["-o", "occupied/r.md"], "occupied/r.md cannot be written"),
        (["-o", "r.csv", "-o", "r.csv"], "r.csv is requested twice"),
        (["-o", "r.csv", "-o", "none/../r.csv"], "r.csv is requested twice"),
        (["-o", "r.csv", "--run", "nope"], "The run 'nope' is not in .ddperf; the newest runs there are 2026"),
        (["-o", "r.csv", "--platform", "tk7"], "The platform 'tk7' is not known. Did you mean tk1?"),
        (["-o", "r.csv", "--platform", ","], "--platform names no platform; the valid ones are gtx1080ti"),
        (["--platform", "tk7"], "The platform 'tk7' is not known"),
        (["-o", "r.csv", "--json", "x.json"], "--json cannot be combined with -o or --plot"),
        (["--site", "s", "--json", "x.json"], "--site cannot be combined with -o, --plot, --json or --run"),
        (["--site", "s", "-o", "r.csv"], "--site cannot be combined"),
        (["--site", "s", "--plot"], "--site cannot be combined"),
        (["--site", "s", "--run", "nope"], "--site cannot be combined"),
        (["--site", "s", "--platform", "nano"], "There is no run of nano in .ddperf to show"),
        (["--site", "occupied"], "occupied: Not a directory; name another folder with --site=DIR"),
        (["--plot=occupied"], "occupied: File exists; name another folder with --plot=DIR"),
        (["-o", "r.csv", "--storage", "occupied"], "occupied is not a folder"),
    ],
)
def test_bad_input_is_one_paragraph_and_status_2(
    project: Path, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    (project / "occupied").write_text("", encoding="utf-8")
    assert run(*args) == 2
    said = capsys.readouterr().err
    assert said.startswith("ddperf: ")
    assert len(said.splitlines()) == 1
    assert says in said
    assert not (project / "r.csv").exists()


def test_a_site_is_written_and_later_only_the_pages_that_changed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--site", "out/site") == 0
    pages = [project / "out" / "site" / name for name in ("platforms/tx1.html", "platforms/tk1.html", "index.html")]
    assert capsys.readouterr().out.splitlines() == [*map(str, pages), "pages written: 3, unchanged: 0"]
    write_night(project / ".ddperf", 3, [measured(TX1, 13.3)], platforms=("tx1",))
    assert run("--site=out/site") == 0
    written = capsys.readouterr().out.splitlines()
    assert written == [str(pages[0]), str(pages[2]), "pages written: 2, unchanged: 1"]


def test_a_site_names_the_files_that_cannot_be_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".ddperf" / "torn.jsonl").write_text('{"type": "ru', encoding="utf-8")
    assert run("--site", "site", "--platform=tk1") == 0
    assert_names(capsys.readouterr().err, "warning", "torn.jsonl")
    assert [path.name for path in (project / "site" / "platforms").iterdir()] == ["tk1.html"]


def test_a_comment_has_the_newest_run_of_the_platforms_named(project: Path) -> None:
    assert run("-o", "comment:c.md", "--platform=tk1") == 0
    text = (project / "c.md").read_text(encoding="utf-8")
    assert text.startswith("<!-- pytest-ddperf: tk1 -->\n")
    assert "**No regression in 2 cells**: 2 ok." in text
    assert "tx1" not in text


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What was printed of each run, by the number of its night."""
    _, *parts = capsys.readouterr().out.split("\nRun ")
    return {part.partition(" of ")[0].rpartition("-")[2].lstrip("0"): part for part in parts}


def exported(path: Path) -> list[str]:
    """The cells of an export."""
    return [one["param"] for one in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]]


def test_without_a_file_to_write_costs_and_the_last_run_of_each_platform_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run() == 0
    said = capsys.readouterr().out
    assert said.startswith("Cost of one image")
    tk1, tx1 = said.index("Run 20261102T020000.000Z-00000001"), said.index("Run 20261103T020000.000Z-00000002")
    assert tk1 < tx1  # the newest one last, where one reads
    assert "55.0" in said[tk1:tx1]
    assert "12.2" in said[tx1:]
    assert "54.0" not in said


def test_of_a_platform_its_last_run_is_printed_although_another_one_was_measured_since(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--platform=tk1") == 0
    said = printed(capsys)
    assert list(said) == ["1"]
    assert "2 cells: 2 ok" in said["1"]


def test_of_a_run_of_several_platforms_those_are_printed_that_were_not_measured_since(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_night(project / ".ddperf", 3, [measured(B1, 93.0), measured(TX1, 13.3)], platforms=("tk1", "tx1"))
    write_night(project / ".ddperf", 4, [measured(B1, 94.0)])
    assert run() == 0
    said = printed(capsys)
    assert list(said) == ["3", "4"]
    assert "13.3" in said["3"]
    assert "93.0" not in said["3"]
    assert "94.0" in said["4"]


def test_a_run_of_several_platforms_is_printed_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_night(project / ".ddperf", 3, [measured(B1, 93.0), measured(TX1, 13.3)], platforms=("tk1", "tx1"))
    assert run("--platform=tk1,tx1") == 0
    said = printed(capsys)
    assert list(said) == ["3"]
    assert "2 cells: 2 ok" in said["3"]


def test_a_run_that_timed_nothing_is_printed_all_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_night(project / ".ddperf", 3, [without_measurement(B1, Outcome.ERROR)])
    assert run("--platform=tk1") == 0
    assert "1 cell: 1 error" in printed(capsys)["3"]


def test_a_platform_that_is_not_described_any_more_is_printed_by_its_id(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_night(project / ".ddperf", 3, [measured(replace(B1, platform="gone"), 77.7)], platforms=("gone",))
    assert run() == 0
    assert "77.7" in printed(capsys)["3"]


def test_a_platform_without_a_run_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--platform=tx1,nano,gtx1080ti") == 0
    said = capsys.readouterr().out
    assert "Run 20261103" in said
    assert said.endswith("\nNo run of nano, gtx1080ti is stored in .ddperf.\n")


def test_a_file_that_is_no_run_is_named_and_the_last_runs_are_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".ddperf" / "torn.jsonl").write_text('{"type": "ru', encoding="utf-8")
    assert run() == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("warning: .ddperf/torn.jsonl, line 1: ")
    assert "12.2" in captured.out


def test_a_line_that_cannot_be_read_is_named_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_night(project / ".ddperf", 3, [measured(B1, 93.0)])
    path.write_text(path.read_text(encoding="utf-8") + '{"type": "ce\n', encoding="utf-8")
    assert run() == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "warning: line 4 of the run's file cannot be read" in captured.out


def test_cells_under_load_are_printed_with_their_percentiles(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    write_night(project / ".ddperf", 9, [loaded("c4")])
    assert run() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "tk1 under load. More than one client measures queueing" in said
    assert "squeezenet_v1.1 b1, 4 clients at once: 77.0 images/s new p50 51.9 (51.7 to 52.2)" in said


def test_a_run_is_exported_as_pytest_benchmark_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json=out.json") == 0
    assert capsys.readouterr().out.startswith("out.json: 1 cells of 20261103T020000.000Z-00000002")
    assert len(json.loads((project / "out.json").read_text(encoding="utf-8"))["benchmarks"]) == 1


def test_the_last_run_of_a_platform_is_exported(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json=out.json", "--platform=tk1") == 0
    assert capsys.readouterr().out.startswith("out.json: 2 cells of 20261102T020000.000Z-00000001")
    assert exported(project / "out.json") == [str(B1), str(B8)]


def test_of_a_run_the_cells_of_the_platforms_named_are_exported(project: Path) -> None:
    write_night(project / ".ddperf", 3, [measured(B1, 93.0), measured(TX1, 13.3)], platforms=("tk1", "tx1"))
    assert run("--json=out.json", "--platform=tx1,nano") == 0
    assert exported(project / "out.json") == [str(TX1)]
    assert run("--json=out.json") == 0
    assert exported(project / "out.json") == [str(B1), str(TX1)]


def test_one_run_is_exported_the_last_of_the_platforms_named(project: Path) -> None:
    assert run("--json=out.json", "--platform=tk1,tx1") == 0
    assert exported(project / "out.json") == [str(TX1)]


@pytest.mark.parametrize("option", [(), ("--json=out.json",)], ids=["printed", "exported"])
def test_a_run_that_is_named_must_have_cells_of_the_platforms_named(
    project: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    oldest = min((project / ".ddperf").glob("*.jsonl")).stem
    assert run("--run", oldest, "--platform=tx1,nano", *option) == 2
    captured = capsys.readouterr()
    assert captured.err == f"ddperf: The run {oldest} has no cells of tx1, nano; it has cells of tk1.\n"
    assert captured.out == ""
    assert not (project / "out.json").exists()


def test_of_the_run_that_is_named_the_platforms_named_are_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_night(project / ".ddperf", 3, [measured(B1, 93.0), measured(TX1, 13.3)], platforms=("tk1", "tx1"))
    write_night(project / ".ddperf", 4, [measured(B1, 94.0)])
    assert run("--run", path.stem, "--platform=tk1") == 0
    said = printed(capsys)
    assert list(said) == ["3"]
    assert "1 cell: 1 ok" in said["3"]


def test_the_run_that_is_named_is_printed(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    oldest = min((project / ".ddperf").glob("*.jsonl")).stem
    assert run("--run", oldest) == 0
    said = capsys.readouterr().out
    assert f"Run {oldest}" in said
    assert "2 cells: 2 ok" in said


def test_a_run_that_is_not_there_cannot_be_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--run=nope") == 2
    assert_names(
        capsys.readouterr().err, "'nope'", ".ddperf", *(path.stem for path in (project / ".ddperf").glob("*.jsonl"))
    )


def test_an_export_that_cannot_be_written_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "occupied").write_text("", encoding="utf-8")
    assert run("--json=occupied/out.json") == 2
    assert_names(capsys.readouterr().err, "occupied/out.json", "Not a directory")


def test_without_a_history_there_is_no_run_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--storage=nowhere") == 0
    assert "No run is stored in nowhere." in capsys.readouterr().out


def test_there_is_nothing_to_export_without_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json=out.json", "--storage=nowhere") == 2
    assert_names(capsys.readouterr().err, "no run", "nowhere")
    assert run("--json=out.json", "--platform=nano,gtx1080ti") == 2
    assert capsys.readouterr().err == (
        "ddperf: There is no run of nano, gtx1080ti in .ddperf to export; run pytest benchmarks first.\n"
    )
