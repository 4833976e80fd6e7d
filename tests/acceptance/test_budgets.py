"""Budgets: absolute limits in ddperf.toml, as options and as a marker, and what a run makes of them.

The TK1 table has 90.2 ms per image for SqueezeNet at batch size 1, and 53.6 at 8: 11 and 19 images per second.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from every_row import every_row
from messages import assert_names
from workers import plain_and_xdist

from pytest_ddperf.cli.main import main
from pytest_ddperf.core.budgets import Standing
from pytest_ddperf.history.nights import read_nights

if TYPE_CHECKING:
    from pathlib import Path

B1, B8 = "tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b8"
CELL_B1 = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1")
NO_BASELINE = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=3")  # 100 ms per image
FPS_15 = '[platforms.tk1.budgets]\n"squeezenet_v1.1" = { min_fps = 15 }\n'


def budgets(project: BenchProject, toml: str) -> None:
    (project.path / "ddperf.toml").write_text(toml, encoding="utf-8")


def write_test(project: BenchProject, marker: str) -> None:
    """Replace the project's test by one with a marker."""
    text = f"import pytest\n\n@pytest.mark.ddperf({marker})\ndef test_predict(ddperf):\n    ddperf.measure()\n"
    (project.path / "benchmarks" / "test_predict.py").write_text(text, encoding="utf-8")


def said(result: pytest.RunResult) -> str:
    return " ".join([*result.outlines, *result.errlines])


def test_a_cell_over_its_budget_fails_although_it_is_as_fast_as_its_baseline(tk1: BenchProject) -> None:
    budgets(tk1, FPS_15)
    result = tk1.run(*SQUEEZENET, "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {B1: "over_budget", B8: "ok"}
    assert len(next(one for one in tk1.records() if str(one.key) == B1).measurement.rounds) == 3  # type: ignore[union-attr]
    assert_names(said(result), f"over_budget {B1}", "min_fps = 15", "images/s", "# over budget")
    assert_names(said(result), "Passes, ms per image by the server's predict time: 90.7", "To measure it again: pytest")
    assert_names(said(result), f"least headroom: {B8}", "2 cells: 1 ok, 1 over_budget; 1 of 2 over budget")


def test_every_report_states_budgets(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets(tk1, FPS_15)
    names = ("r.csv", "r.json", "r.html", "comment:c.md")
    for variable in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.setenv(variable, str(tk1.path / variable))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    reports = [f"--ddperf-report={name}" for name in names]
    tk1.run(*SQUEEZENET, *reports, "--junitxml=junit.xml", "--benchmark-json=b.json")

    table = csv.DictReader((tk1.path / "r.csv").read_text().splitlines())
    rows = {one["batch_size"]: one for one in table if one["outcome"]}
    assert (rows["1"]["budget"], rows["1"]["budget_decided"]) == ("min_fps = 15", "over")
    assert (rows["8"]["outcome"], rows["8"]["budget_decided"]) == ("ok", "within")
    assert float(rows["1"]["headroom"]) < 0 < float(rows["8"]["headroom"])
    (over,) = [one for one in json.loads((tk1.path / "r.json").read_text())["cells"] if one["outcome"] == "over_budget"]
    assert over["budgets"][0]["standing"] == "over"
    stored = {one["extra_info"]["batch_size"]: one["extra_info"] for one in tk1.json("b.json")["benchmarks"]}
    assert (stored[1]["verdict"], stored[1]["budgets"][0]["limit"]) == ("over_budget", 15.0)
    for name in ("r.html", "c.md", "GITHUB_STEP_SUMMARY"):
        text = (tk1.path / name).read_text(encoding="utf-8")
        assert_names(text, "over_budget", "1 of 2 over budget", "min_fps = 15")
    assert "verdict=over_budget\n" in (tk1.path / "GITHUB_OUTPUT").read_text()
    properties = {
        case.get("name", "").rpartition("-")[2].rstrip("]"): {
            one.get("name"): one.get("value") for one in case.iter("property")
        }
        for case in ET.parse(tk1.path / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    }
    assert {key: properties["b1"][key] for key in ("verdict", "budget", "budget_min_fps")} == {
        "verdict": "over_budget",
        "budget": "over",
        "budget_min_fps": "15",
    }
    assert float(properties["b8"]["headroom_percent"] or 0) > 0


def test_stored_runs_are_shown_with_the_headroom_of_each_cell(
    tk1: BenchProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets(tk1, FPS_15)
    tk1.run(*SQUEEZENET)
    monkeypatch.chdir(tk1.path)
    capsys.readouterr()
    assert main(["report"]) == 0
    shown = capsys.readouterr().out
    assert_names(shown, "headroom", f"{B1}  min_fps = 15", "over", f"{B8}  min_fps = 15", "within")


@every_row("options, verdict", [(("--ddperf-max-ms=130",), "new"), (("--ddperf-max-ms=80",), "over_budget")])
def test_a_budget_needs_no_baseline(tk1: BenchProject, options: tuple[str, ...], verdict: str) -> None:
    tk1.run(*NO_BASELINE, *options)
    assert set(tk1.verdicts().values()) == {verdict}


def test_an_option_replaces_the_limit_of_ddperf_toml(tk1: BenchProject) -> None:
    budgets(tk1, FPS_15)
    assert tk1.run(*SQUEEZENET, "--ddperf-min-fps=5").ret == pytest.ExitCode.OK
    (check,) = tk1.records()[0].budgets
    assert (check.limit, check.standing) == (5.0, Standing.WITHIN)


def test_a_cell_that_is_regressed_and_over_its_budget_is_regressed_and_says_both(tk1: BenchProject) -> None:
    tk1.server.slow("squeezenet_v1.1", 1, 1.3)
    result = tk1.run(*CELL_B1, "--ddperf-min-fps=15")
    assert tk1.verdicts() == {B1: "regressed"}
    assert_names(said(result), f"regressed {B1}", "baseline 90.7", "over its budget", "min_fps = 15")
    assert_names(said(result), "1 of 1 over budget")


def test_a_slower_baseline_may_be_recorded_but_its_budget_still_fails(tk1: BenchProject) -> None:
    tk1.run(*CELL_B1, "--ddperf-update-baselines")
    tk1.server.slow("squeezenet_v1.1", 1, 1.3)
    result = tk1.run(*CELL_B1, "--ddperf-min-fps=15", "--ddperf-update-baselines=all")
    result.assert_outcomes(failed=1)
    (recorded,) = tk1.json("baselines/tk1.json")["benchmarks"]
    assert recorded["stats"]["median"] == pytest.approx(0.118, abs=0.001)


def test_a_cell_over_its_budget_is_recorded_as_it_compares_with_its_baseline(tk1: BenchProject) -> None:
    tk1.run(*CELL_B1, "--ddperf-min-fps=15", "--ddperf-update-baselines", "--ddperf-accept")
    assert tk1.verdicts() == {B1: "over_budget"}
    assert len(tk1.json("baselines/tk1.json")["benchmarks"]) == 1
    nights = read_nights(tk1.path / ".ddperf", "tk1")
    (of_cell,) = nights.cells.values()
    assert [one.cell.accepted for one in of_cell] == [True]


def test_a_cell_that_stays_undecided_passes_with_a_note(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8", "--ddperf-max-ms=53.7")
    assert result.ret == pytest.ExitCode.OK
    (record,) = tk1.records()
    assert (str(record.outcome), len(record.measurement.rounds if record.measurement else ())) == ("ok", 6)
    assert_names(said(result), f"note: {B8}: max_ms = 53.7", "undecided", "0 of 1 over budget, 1 undecided")


def test_a_marker_limits_the_cells_of_its_test(tk1: BenchProject) -> None:
    write_test(tk1, "min_fps=15")
    tk1.run(*SQUEEZENET)
    assert tk1.verdicts() == {B1: "over_budget", B8: "ok"}


def test_percentiles_raise_the_number_of_requests_and_are_judged(tk1: BenchProject) -> None:
    budgets(tk1, '[platforms.tk1.budgets]\n"*" = { p95_ms = 1e-3 }\n')
    tk1.run(*CELL_B1, "--ddperf-concurrency=1")
    load = next(one for one in tk1.records() if one.key.scenario)
    assert load.measurement is not None
    assert len(load.measurement.load[0].latencies_ms) == 15
    (check,) = load.budgets
    assert check.key == "p95_ms"
    assert check.standing is not Standing.WITHIN  # on a busy machine more requests may be needed to be sure
    assert tk1.verdicts()[B1] == "ok"


@pytest.mark.slow
@every_row("load, requests", [("--ddperf-concurrency=1", 74), ("--ddperf-rate=200", 40)])
def test_a_cell_under_load_stays_comparable_when_a_percentile_is_limited(
    tk1: BenchProject, load: str, requests: int
) -> None:
    options = (*CELL_B1, load, "-k", "c1 or r200")
    budgets(tk1, "")
    tk1.run(*options, "--ddperf-update-baselines")
    budgets(tk1, '[platforms.tk1.budgets]\n"*" = { p99_ms = 1e6 }\n')
    tk1.run(*options)
    (record,) = tk1.records()
    assert record.measurement is not None
    assert len(record.measurement.load[0].latencies_ms) == requests
    assert (record.baseline is not None, record.budgets[0].key) == (True, "p99_ms")


def test_percentiles_that_no_cell_can_have_are_a_warning(tk1: BenchProject) -> None:
    budgets(tk1, '[platforms.tk1.budgets]\n"*" = { p95_ms = 100 }\n')
    result = tk1.run(*CELL_B1)
    assert result.ret == pytest.ExitCode.OK
    assert_names(said(result), "warning", "budgets of tk1", "not checked", "--ddperf-concurrency=N")


def test_percentiles_that_pairs_cannot_have_are_a_warning(tk1: BenchProject) -> None:
    budgets(tk1, '[platforms.tk1.budgets]\n"*" = { p95_ms = 100 }\n')
    result = tk1.run(*CELL_B1, "--ddperf-against=self")
    assert result.ret == pytest.ExitCode.OK
    assert_names(said(result), "warning", "budgets of tk1", "not checked", "--ddperf-against")


@plain_and_xdist
def test_a_percentile_in_a_marker_that_pairs_cannot_have_is_a_warning(tk1: BenchProject, how: tuple[str, ...]) -> None:
    write_test(tk1, "p95_ms=100")
    result = tk1.run(*CELL_B1, "--ddperf-against=self", *how)
    assert result.ret == pytest.ExitCode.OK
    assert_names(said(result), "warning", "budgets of tk1", "not checked", "--ddperf-against")


@every_row(
    "marker, options, facts",
    [
        ("min_fps=0", (), ("min_fps=0", "above 0")),
        ("min_fpss=5", (), ("min_fpss", "min_fps", "max_latency_ms")),
        ("p95_ms=5", (), ("p95_ms=5", "under load", "concurrency=[N]")),
        (
            "p99_ms=5",
            ("--ddperf-concurrency=2", "--ddperf-load-requests=36"),
            ("--ddperf-load-requests=36", "368 requests", "--ddperf-load-requests=37"),
        ),
    ],
)
def test_a_wrong_limit_is_a_usage_error(
    tk1: BenchProject, marker: str, options: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    write_test(tk1, marker)
    result = tk1.run(*CELL_B1, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(said(result), *facts)


PARAMETER_MARKED = """
import pytest

@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.ddperf({marker}))])
def test_predict(ddperf, n):
    ddperf.measure()
"""


@plain_and_xdist
@every_row(
    "marker, facts",
    [
        ("max_ms=-5", ("max_ms=-5", "above 0")),
        ("max_mss=5", ("not max_mss", "max_ms")),
        ("p95_ms=5", ("p95_ms=5", "under load", "concurrency=[N]")),
    ],
)
def test_a_wrong_limit_of_a_single_parameter_is_a_usage_error(
    tk1: BenchProject, how: tuple[str, ...], marker: str, facts: tuple[str, ...]
) -> None:
    (tk1.path / "benchmarks" / "test_predict.py").write_text(PARAMETER_MARKED.format(marker=marker), encoding="utf-8")
    result = tk1.run(*CELL_B1, *how)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(said(result), "ERROR: ddperf:", *facts)
    assert "INTERNALERROR" not in said(result)
    assert tk1.server.predictions == []


def test_a_wrong_limit_that_a_conftest_adds_is_a_usage_error(tk1: BenchProject) -> None:
    hook = "def pytest_collection_modifyitems(items):\n    items[0].add_marker(pytest.mark.ddperf(max_ms=-5))\n"
    (tk1.path / "benchmarks" / "conftest.py").write_text(f"import pytest\n\n{hook}", encoding="utf-8")
    result = tk1.run(*CELL_B1)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(said(result), "ERROR: ddperf:", "max_ms=-5", "above 0")


def test_a_percentile_may_be_limited_where_only_a_cell_without_load_is_selected(tk1: BenchProject) -> None:
    write_test(tk1, "p95_ms=1e6")
    result = tk1.run(*CELL_B1, "--ddperf-concurrency=2", "-k", "not c2")
    result.assert_outcomes(passed=1, deselected=1)
    result = tk1.bare(f"benchmarks/test_predict.py::test_predict[{B1}]", *tk1.where, "--ddperf-concurrency=2")
    result.assert_outcomes(passed=1)


def test_a_wrong_limit_in_ddperf_toml_is_a_usage_error(tk1: BenchProject) -> None:
    budgets(tk1, "[platforms.tk1.budgets]\nresnet51 = { min_fps = 15 }\n")
    result = tk1.run(*CELL_B1)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(said(result), "ddperf.toml, line 2", "resnet51", "resnet50")


def test_in_pairs_the_budget_is_that_of_the_server_under_test(tk1: BenchProject) -> None:
    with TableServer("tk1") as old:
        old.slow("squeezenet_v1.1", 1, 3.0)  # 3.7 images per second
        tk1.run(*CELL_B1, "--ddperf-min-fps=8", f"--ddperf-against={old.url}")
        assert tk1.records()[0].budgets[0].standing is Standing.WITHIN
        tk1.run(*CELL_B1, "--ddperf-min-fps=15", f"--ddperf-against={old.url}")
    (record,) = tk1.records()
    assert (str(record.outcome), str(record.compared)) == ("over_budget", "improved")


def test_the_level_is_shared_by_all_cells_of_the_run(tk1: BenchProject, tmp_path: Path) -> None:
    def interval(*options: str) -> float:
        tk1.run(
            "--ddperf-batch-sizes=1", "--ddperf-max-ms=1e6", "--ddperf-storage", str(tmp_path / options[0]), *options
        )
        (path,) = (tmp_path / options[0]).glob("*.jsonl")
        line = next(one for one in map(json.loads, path.read_text().splitlines()) if one["type"] == "cell")
        (check,) = line["budgets"]
        return float(check["value"] - check["low"]) / float(check["value"])

    one = interval("--ddperf-models=squeezenet_v1.1")
    assert interval("--ddperf-models=squeezenet_v1.1,googlenet,resnet50,resnet18") > one
