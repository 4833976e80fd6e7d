"""--ddperf-report: the reports of a run as a user gets them."""

from __future__ import annotations

import csv
import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SQUEEZENET, TableServer
from every_row import every_row
from messages import assert_names
from scripted_deepdetect import out_of_memory
from workers import plain_and_xdist

from pytest_ddperf.cli import main

if TYPE_CHECKING:
    from bench_project import BenchProject, FinishedRun


B8 = "squeezenet_v1.1", 8
FILES = ("--ddperf-report=out/r.html", "--ddperf-report=out/r.csv", "--ddperf-report=out/r.json")


def reported(project: BenchProject) -> Any:  # noqa: ANN401 - JSON of any shape
    """The JSON report."""
    return project.json("out/r.json")


def verdicts(project: BenchProject) -> dict[str, str]:
    """The verdicts in the JSON report; cells without one left out."""
    return {
        f"{cell['platform']}-{cell['model']}-b{cell['batch_size']}": cell["outcome"]
        for cell in reported(project)["cells"]
        if cell["outcome"] is not None
    }


def said(result: pytest.RunResult) -> str:
    return " ".join(" ".join([*result.errlines, *result.outlines]).split())


def test_every_report_of_a_run_is_written_and_named_at_its_end(regressed: FinishedRun) -> None:
    folder = regressed.project.path / "out"
    for name in ("r.html", "r.csv", "r.json"):
        assert str(folder / name) in regressed.result.outlines
    assert sorted(path.name for path in folder.iterdir()) == ["r.csv", "r.html", "r.json"]


@every_row("option", ["--junitxml", "--benchmark-json"])
def test_a_report_in_the_file_of_another_option_is_refused(tk1: BenchProject, option: str) -> None:
    result = tk1.run(*SQUEEZENET, "--ddperf-report=results.json", f"{option}=benchmarks/../results.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "--ddperf-report", option, "results.json")
    assert not tk1.server.predictions


def test_the_reports_agree_with_the_history(regressed: FinishedRun) -> None:
    tk1 = regressed.project
    assert verdicts(tk1) == tk1.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok", "tk1-squeezenet_v1.1-b8": "regressed"}
    with (tk1.path / "out" / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["nodeid"]: row for row in csv.DictReader(file) if row["nodeid"]}
    for record in tk1.records():
        row = rows[record.nodeid]
        assert (float(row["now_ms"]), float(row["change"])) == (record.now_ms, record.change)
        assert (row["outcome"], row["fails"]) == (
            str(record.outcome),
            "true" if record.key.batch_size == 8 else "false",
        )
        assert (row["run"], row["server_url"]) == (tk1.histories()[-1].header.run, tk1.server.url)


def test_the_page_says_what_regressed_by_how_much(regressed: FinishedRun) -> None:
    tk1 = regressed.project
    page = (tk1.path / "out" / "r.html").read_text(encoding="utf-8")
    assert "<title>2 cells: 1 regressed, 1 ok - tk1 - DeepDetect performance</title>" in page
    (change,) = {round(record.change or 0, 3) for record in tk1.records() if record.key.batch_size == 8}
    assert f"<strong>+{change * 100:.1f} %</strong>" in page


def test_only_the_platforms_of_the_run_are_in_its_reports(unchanged: FinishedRun) -> None:
    cells = reported(unchanged.project)["cells"]
    assert {cell["platform"] for cell in cells} == {"tk1"}
    assert len(cells) == 104


def test_a_cell_that_errs_is_in_the_reports_with_its_reason(tk1: BenchProject) -> None:
    tk1.server.fault = lambda prediction: out_of_memory() if prediction.batch == 8 else None
    result = tk1.run(*SQUEEZENET, *FILES)
    result.assert_outcomes(passed=1, failed=1)
    (cell,) = [cell for cell in reported(tk1)["cells"] if cell["fails"]]
    assert (cell["model"], cell["batch_size"], cell["now_ms"]) == (*B8, None)
    assert cell["outcome"] == tk1.verdicts()["tk1-squeezenet_v1.1-b8"]
    assert cell["reason"]
    assert cell["baseline_ms"] == tk1.server.table[B8]


def test_a_run_in_which_nothing_could_be_measured_still_says_which_it_was(tk1: BenchProject) -> None:
    tk1.server.fault = lambda _: out_of_memory()
    tk1.run(*SQUEEZENET, *FILES)
    assert reported(tk1)["runs"]["tk1"]["run"] == tk1.histories()[-1].header.run
    assert all(cell["fails"] for cell in reported(tk1)["cells"] if cell["outcome"])


def test_a_run_in_which_everything_is_new_is_reported_without_a_baseline(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=squeezenet_v1.1,resnet50", "--ddperf-batch-sizes=3", *FILES)
    result.assert_outcomes(passed=2)
    assert set(verdicts(tk1).values()) == {"new"}
    new = [cell for cell in reported(tk1)["cells"] if cell["outcome"] == "new"]
    assert [(cell["baseline_ms"], cell["change"], cell["now_ms"] > 0) for cell in new] == [(None, None, True)] * 2
    assert "No cell failed or is unstable." in (tk1.path / "out" / "r.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_reports_of_a_run_with_xdist_are_whole_and_written_once(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    with TableServer("tx1") as other:
        urls = f"--ddperf-url=tk1={tk1.server.url},tx1={other.url}"
        result = tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *SQUEEZENET, *FILES, "-n", "2")
    result.assert_outcomes(passed=3, failed=1)
    assert verdicts(tk1) == {
        "tk1-squeezenet_v1.1-b1": "ok",
        "tk1-squeezenet_v1.1-b8": "regressed",
        "tx1-squeezenet_v1.1-b1": "ok",
        "tx1-squeezenet_v1.1-b8": "ok",
    }
    assert [line for line in result.outlines if line.endswith("r.json")] == [str(tk1.path / "out" / "r.json")]


@plain_and_xdist
def test_an_interrupted_run_writes_what_it_measured_and_says_that_it_was(
    tk1: BenchProject, how: tuple[str, ...]
) -> None:
    status, output = tk1.interrupt_third_cell(signal.SIGINT, *FILES, *how)
    assert status == pytest.ExitCode.INTERRUPTED, output
    assert set(verdicts(tk1)) == {"tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b2"}
    assert reported(tk1)["runs"]["tk1"]["complete"] is False
    assert "interrupted</span>" in (tk1.path / "out" / "r.html").read_text(encoding="utf-8")
    with (tk1.path / "out" / "r.csv").open(encoding="utf-8", newline="") as file:
        assert {row["complete"] for row in csv.DictReader(file) if row["outcome"]} == {"false"}


@pytest.mark.slow
def test_the_stored_run_says_the_same_of_itself_afterwards(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    tk1.interrupt_third_cell(signal.SIGINT, *FILES)
    monkeypatch.chdir(tk1.path)
    assert main.main(["report", "-o", "again.json", "-o", "again.csv", "--platform=tk1"]) == 0
    first, again = reported(tk1), tk1.json("again.json")
    assert again["cells"] == first["cells"]
    assert again["runs"] == first["runs"]
    assert (tk1.path / "again.csv").read_bytes() == (tk1.path / "out" / "r.csv").read_bytes()


def test_the_nights_before_are_in_the_reports(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-accept")
    tk1.run(*SQUEEZENET, "--ddperf-accept", *FILES)
    trends = reported(tk1)["trends"]
    assert [(trend["batch_size"], len(trend["nights"])) for trend in trends] == [(1, 2), (8, 2)]
    assert trends[0]["nights"][-1]["run"] == reported(tk1)["runs"]["tk1"]["run"]


def test_an_ending_that_says_nothing_is_refused_with_what_is_valid(tk1: BenchProject) -> None:
    result = tk1.run(*SQUEEZENET, "--ddperf-report=x.pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "'x.pdf'" in said(result)
    assert_names(said(result), ".md", ".html", ".csv", ".json", "bmf:FILE", "pytest:FILE", "comment:FILE")
    assert tk1.server.predictions == []


@pytest.mark.parametrize("name", ["occupied/r.md", "occupied/deeper/r.html", "/proc/r.csv", "folder.json"])
def test_a_path_that_cannot_be_written_is_refused_before_the_run(tk1: BenchProject, name: str) -> None:
    (tk1.path / "occupied").write_text("", encoding="utf-8")
    (tk1.path / "folder.json").mkdir()
    result = tk1.run(*SQUEEZENET, f"--ddperf-report={name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(rf"The report \S*{re.escape(name)} cannot be written: .*; name (another|a) file", said(result))
    assert "Traceback" not in said(result)
    assert tk1.server.predictions == []


def test_an_old_report_stays_when_the_run_is_refused(tk1: BenchProject) -> None:
    (tk1.path / "r.csv").write_text("old", encoding="utf-8")
    result = tk1.run(*SQUEEZENET, "--ddperf-report=r.csv", "--ddperf-report=x.pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (tk1.path / "r.csv").read_text(encoding="utf-8") == "old"


def test_a_place_that_goes_away_during_the_run_is_a_warning_and_the_verdicts_stay(tk1: BenchProject) -> None:
    original = tk1.server.latency_ms

    def latency_ms(service: str, batch_size: int) -> float:
        if (tk1.path / "out").is_dir():
            (tk1.path / "out").rmdir()
            (tk1.path / "out").write_text("", encoding="utf-8")
        return original(service, batch_size)

    tk1.server.latency_ms = latency_ms
    result = tk1.run(*SQUEEZENET, FILES[2])
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    assert "warning: The report" in said(result)


@pytest.mark.usefixtures("placeholder_figures")
def test_markdown_is_in_the_report_s_layout_with_its_figures(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, "--ddperf-report=out/r.md")
    text = (tk1.path / "out" / "r.md").read_text(encoding="utf-8")
    assert "**2 cells: 1 regressed, 1 ok**" in text
    assert "](r_figures/latency/tk1_log.png)" in text
    assert str(tk1.path / "out" / "r.md") in result.outlines
    assert_names(result, "figures of r.md", tk1.path / "out" / "r_figures")


@pytest.mark.usefixtures("placeholder_figures")
def test_the_figures_of_markdown_are_drawn(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-report=out/r.md")
    text = (tk1.path / "out" / "r.md").read_text(encoding="utf-8")
    links = {one or other for one, other in re.findall(r'<img src="([^"]+)"|!\[[^\]]*\]\(([^)]+)\)', text)}
    assert {"r_figures/latency/tk1_log.png", "r_figures/latency/tk1_linear.png"} <= links
    assert all((tk1.path / "out" / link).read_bytes().startswith(b"\x89PNG") for link in links)
    files = {file for file in (tk1.path / "out").rglob("*") if file.is_file() and file.suffix != ".md"}
    assert files == {tk1.path / "out" / link for link in links}


def test_hostile_words_of_a_server_do_nothing_in_any_report(tk1: BenchProject) -> None:
    tk1.server._version = "=1+1|</script><script>alert(1)</script>\n"
    tk1.run(*SQUEEZENET, *FILES)
    page = (tk1.path / "out" / "r.html").read_text(encoding="utf-8")
    assert page.count("</script>") == 2
    assert "<script>alert" not in page
    with (tk1.path / "out" / "r.csv").open(encoding="utf-8", newline="") as file:
        (version,) = {row["server_version"] for row in csv.DictReader(file) if row["outcome"]}
    assert version == "'=1+1|</script><script>alert(1)</script>"
    assert json.loads((tk1.path / "out" / "r.json").read_text(encoding="utf-8"))["runs"]["tk1"]["server"]["version"]
