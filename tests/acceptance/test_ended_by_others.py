"""A cell whose test is ended by something that is not the plugin's: it was started, so that it leaves a record."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from workers import plain_and_xdist

from pytest_ddperf.history.run_file import list_runs, read_run

if TYPE_CHECKING:
    from pathlib import Path

    from bench_project import BenchProject

CELLS = ("--ddperf-models=googlenet", "--ddperf-batch-sizes=1,8")
ENDED, OTHER = "tk1-googlenet-b8", "tk1-googlenet-b1"
TEST = """
import pytest

def test_predict(ddperf{fixtures}):
    if ddperf.batch_size == 8:
        {ending}
    ddperf.measure()
"""

ENDINGS = [
    ("assert ddperf.batch_size < 8", "AssertionError"),
    ("pytest.fail('Timeout (>8.0s)')", "Failed: Timeout (>8.0s)"),
    ("raise RuntimeError('no')", "RuntimeError: no"),
    ("raise SystemExit(3)", "SystemExit: 3"),
    ("raise GeneratorExit('no')", "GeneratorExit: no"),
]
IN_WORKERS = [ending for ending in ENDINGS if "fail" in ending[0] or "SystemExit" in ending[0]]


def write(project: BenchProject, ending: str, conftest: str = "") -> None:
    text = TEST.format(ending=ending, fixtures=", may_fail" if conftest else "")
    (project.path / "benchmarks" / "test_predict.py").write_text(text, encoding="utf-8")
    if conftest:
        (project.path / "benchmarks" / "conftest.py").write_text(conftest, encoding="utf-8")


def outcomes_in_csv(project: BenchProject) -> dict[str, str]:
    with (project.path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["outcome"]]
    return {f"{row['platform']}-{row['model']}-b{row['batch_size']}": row["outcome"] for row in rows}


@pytest.mark.parametrize(
    ("ending", "reason", "how"),
    [
        *((*ending, ()) for ending in ENDINGS),
        *(pytest.param(*ending, ("-n1",), marks=pytest.mark.slow) for ending in IN_WORKERS),
    ],
)
def test_it_is_an_error_in_the_history(tk1: BenchProject, ending: str, reason: str, how: tuple[str, ...]) -> None:
    write(tk1, ending)
    result = tk1.run(*CELLS, *how)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {OTHER: "ok", ENDED: "error"}
    (record,) = [one for one in tk1.records() if str(one.key) == ENDED]
    assert reason in record.reason


def test_and_in_table_reports_and_github_s_outputs(
    tk1: BenchProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tk1, "pytest.fail('Timeout (>8.0s)')")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    result = tk1.run(*CELLS, "--ddperf-report=r.csv")
    result.stdout.fnmatch_lines(["2 cells: 1 ok, 1 error"])
    assert outcomes_in_csv(tk1) == {OTHER: "ok", ENDED: "error"}
    outputs = (tmp_path / "outputs").read_text(encoding="utf-8").splitlines()
    assert {"error=1", f"failing_cells={ENDED}"} <= set(outputs)


@plain_and_xdist
def test_by_pytest_exit_it_is_an_error_too(tk1: BenchProject, how: tuple[str, ...]) -> None:
    write(tk1, "pytest.exit('enough', 9)")
    tk1.run(*CELLS, *how)
    assert tk1.verdicts() == {OTHER: "ok", ENDED: "error"}


@pytest.mark.slow
def test_by_ctrl_c_it_is_not_measured(tk1: BenchProject) -> None:
    write(tk1, "raise KeyboardInterrupt")
    assert tk1.apart(*CELLS).ret == pytest.ExitCode.INTERRUPTED
    assert tk1.verdicts() == {OTHER: "ok"}


def test_by_a_skip_it_is_unavailable(tk1: BenchProject) -> None:
    write(tk1, "pytest.skip('not today')")
    result = tk1.run(*CELLS, "--ddperf-report=r.csv")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=1)
    assert outcomes_in_csv(tk1) == {OTHER: "ok", ENDED: "unavailable"}


def test_in_its_setup_it_is_an_error(tk1: BenchProject) -> None:
    fails = "    assert 'b8' not in request.node.nodeid\n"
    write(tk1, "pass", f"import pytest\n\n\n@pytest.fixture\ndef may_fail(request):\n{fails}")
    tk1.run(*CELLS).assert_outcomes(passed=1, errors=1)
    assert tk1.verdicts() == {OTHER: "ok", ENDED: "error"}


def test_outside_of_the_test_function_it_is_an_error(tk1: BenchProject) -> None:
    """A plugin's wrapper around ours, whose exception ours does not see."""
    hook = "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_runtest_call(item):\n    yield\n"
    hook += "    assert 'b8' not in item.nodeid\n\n\n@pytest.fixture\ndef may_fail(): pass\n"
    tk1.server.slow("googlenet", 8, 1.5)
    write(tk1, "pass", f"import pytest\n\n\n{hook}")
    tk1.run(*CELLS).assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {OTHER: "ok", ENDED: "error"}


def test_when_it_is_measured_again_it_keeps_what_was_measured(tk1: BenchProject) -> None:
    tk1.server.slow("googlenet", 8, 1.5)
    write(tk1, "assert ddperf._attempts.measured is None")
    tk1.run(*CELLS).assert_outcomes(passed=1, failed=1)
    (record,) = [one for one in tk1.records() if str(one.key) == ENDED]
    assert record.outcome == "error"
    assert record.measurement is not None
    assert len(record.measurement.rounds) == 1


@pytest.mark.parametrize(("ending", "status"), [("assert ddperf.batch_size < 8", 1), ("pass", 0)])
def test_a_test_s_own_failure_is_no_failure_of_the_infrastructure(tk1: BenchProject, ending: str, status: int) -> None:
    write(tk1, ending)
    assert tk1.run(*CELLS, "--ddperf-infra-exit-code=9").ret == status


def test_a_cell_that_kills_the_process_leaves_those_before_it_in_the_history(tk1: BenchProject) -> None:
    """As the thread method of pytest-timeout does."""
    write(tk1, "import os; os._exit(1)")
    tk1.apart(*CELLS)
    (path,) = list_runs(tk1.path / ".ddperf")
    assert [str(one.key) for one in read_run(path).records] == [OTHER]
