from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from every_row import every_row
from messages import assert_names
from report_examples import B8, RUN, measured, trend

from pytest_ddperf.cli import main
from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plots import api
from pytest_ddperf.plots.draw import parallel
from pytest_ddperf.report.files import ERASE_LINE, Made, check_folder, check_writable, make, show_progress, write
from pytest_ddperf.report.formats import PREFIXES, SUFFIXES, ReportFile, figures_dir, parse_report


@pytest.mark.parametrize(
    ("text", "sign", "name"),
    [
        ("r.md", ".md", "r.md"),
        ("out/r.HTML", ".html", "out/r.HTML"),
        ("r.csv", ".csv", "r.csv"),
        ("r.json", ".json", "r.json"),
        ("bmf:r.json", "bmf", "r.json"),
        ("pytest:r.json", "pytest", "r.json"),
        ("comment:out/r.md", "comment", "out/r.md"),
        ("comment:r", "comment", "r"),
        ("other:r.json", ".json", "other:r.json"),
    ],
)
def test_ending_or_prefix_says_what_a_report_is(tmp_path: Path, text: str, sign: str, name: str) -> None:
    assert parse_report(text, tmp_path) == ReportFile(sign, tmp_path / name)


@every_row("text", ["", "r", "r.pdf", ".md", "bmf:", "comment:", "xml:r"])
def test_any_other_name_is_refused_with_those_that_are_valid(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_report(text, tmp_path)
    assert_names(caught, ".md, .html, .csv, .json", "bmf:FILE", "pytest:FILE", "comment:FILE")


def test_the_folders_of_reports_are_made(tmp_path: Path) -> None:
    check_writable([parse_report("a/b/r.md", tmp_path)])
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_report_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        check_writable([parse_report("occupied/r.md", tmp_path)])
    assert_names(caught, "occupied/r.md", "File exists")


def test_a_report_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.csv").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        check_writable([parse_report("r.csv", tmp_path)])
    assert_names(caught, "r.csv", "folder")


def test_a_folder_that_takes_no_new_file_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_writable([parse_report("/proc/r.csv", Path("/"))])
    assert_names(caught, "/proc/r.csv")


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_writable([parse_report(f"{'r' * 252}.md", tmp_path)])
    assert_names(caught, f"{'r' * 252}.md", "File name too long")


def test_figures_whose_folder_is_a_file_are_refused(tmp_path: Path) -> None:
    figures_dir(tmp_path / "r.md").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        check_writable([parse_report("r.md", tmp_path)])
    assert_names(caught, "r_figures", "folder")


def test_the_same_file_for_two_reports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_writable([parse_report("r.json", tmp_path), parse_report("bmf:r.json", tmp_path)])
    assert_names(caught, "r.json", "twice")


def test_checking_leaves_an_old_report_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("old", encoding="utf-8")
    check_writable([parse_report("r.csv", tmp_path)])
    assert (tmp_path / "r.csv").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(("name", "begins"), [("r.html", "<!doctype html>"), ("r.csv", "platform,"), ("r.json", "{")])
def test_a_report_is_written_whole_and_leaves_nothing_else(tmp_path: Path, name: str, begins: str) -> None:
    (tmp_path / name).write_text("old", encoding="utf-8")
    assert write(parse_report(name, tmp_path), measured(), []) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["r.html", "r.csv", "r.json", "r.md"])
def test_a_network_and_a_platform_that_the_catalogue_does_not_know_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(parallel, "draw_all", lambda *_, **__: None)
    results = measured()
    known = next(cell for cell in results.cells if cell.key == B8)
    cells = (*results.cells, replace(known, key=CellKey("myboard", "mynet", 8), now_ms=3.25))
    unknown = replace(results, cells=cells, runs={**results.runs, "myboard": replace(RUN, servers={})})
    write(parse_report(name, tmp_path), unknown, [trend(CellKey("myboard", "mynet", 8))])
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert "myboard" in text
    assert "mynet" in text
    assert "3.25" in text


def test_what_fails_does_not_keep_the_others_from_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> list[Path]:
        raise ValueError("no such marker")

    monkeypatch.setattr(api, "draw", failing)
    gone, csv = ReportFile(".csv", tmp_path / "gone" / "r.csv"), ReportFile(".csv", tmp_path / "r.csv")
    made = make(measured(), [], ["tk1"], folder=tmp_path / "figures", files=[gone, csv])
    assert made.reports == [(csv.path, 0)]
    assert made.index is None
    assert made.problems == [
        f"The figures in {tmp_path / 'figures'} could not be created: ValueError: no such marker.",
        f"The report {gone.path} cannot be written: No such file or directory; name another file.",
    ]


def test_one_line_for_each_family_of_figures_and_one_for_the_index() -> None:
    names = ["cost/all", "latency/tk1_log", "throughput/tk1", "latency/tx1_log", "cost/small"]
    made = Made(names, Path("figures") / "index.html")
    assert [line.split()[:2] for line in made.lines()] == [
        ["cost", "2"], ["latency", "2"], ["throughput", "1"], ["index:", "figures/index.html"],
    ]  # fmt: skip
    assert made.summary() == ["figures: 5, index: figures/index.html"]


def test_the_figures_of_a_report_are_one_line() -> None:
    made = Made(reports=[(Path("out/r.md"), 18), (Path("r.csv"), 0)])
    assert made.lines() == made.summary() == ["out/r.md", "figures of r.md: 18 in out/r_figures", "r.csv"]


def test_progress_is_one_line_where_the_output_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for done in range(4):
        show_progress(done, 3)
    assert capsys.readouterr().out == "drawing 3 figures\n"


def test_progress_rewrites_its_line_on_a_terminal_and_removes_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    for done in range(3):
        show_progress(done, 2)
    lines = capsys.readouterr().out.split(ERASE_LINE)
    assert lines == ["", "drawing figures: 0 of 2", "drawing figures: 1 of 2", ""]


def test_a_report_that_cannot_take_its_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "r.csv").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        write(ReportFile(".csv", tmp_path / "r.csv"), measured(), [])
    assert_names(caught, tmp_path / "r.csv", "Is a directory")
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_a_folder_of_figures_is_made_and_tried_and_left_empty(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b", "--plot")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_of_figures_that_takes_no_file_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_folder(Path("/proc/self"), "--plot")
    assert_names(caught, "/proc/self", "--plot=DIR")


def test_a_test_whose_path_is_no_text_does_not_stop_the_report(tmp_path: Path) -> None:
    results = measured()
    odd = replace(results, cells=(replace(results.cells[0], nodeid=os.fsdecode(b"test_\xff.py::test")),))
    write(parse_report("r.json", tmp_path), odd, [])
    assert "test_?.py::test" in (tmp_path / "r.json").read_text(encoding="utf-8")


def test_both_helps_name_every_kind_of_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        main.main(["report", "--help"])
    (option,) = (one for one in OPTIONS if one.name == "report")
    for shown in (option.help, capsys.readouterr().out):
        for sign in (*SUFFIXES, *(f"{prefix}:FILE" for prefix in PREFIXES)):
            assert sign in shown
