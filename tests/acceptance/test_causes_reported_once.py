"""Cells that failed for the same reason: one paragraph and a list of cells, and one line for each in the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from bench_project import SQUEEZENET, TableServer
from messages import assert_names
from scripted_deepdetect import out_of_memory
from workers import plain_and_xdist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_project import BenchProject, FinishedRun, RunOnce

CELLS = ("--ddperf-models=googlenet,shufflenet", "--ddperf-batch-sizes=1,2")
IDS = [f"tk1-{model}-b{size}" for model in ("googlenet", "shufflenet") for size in (1, 2)]
REMEDY = "--ddperf-repository=DIR/{model}"


@pytest.fixture
def empty(tk1: BenchProject) -> Iterator[BenchProject]:
    """A project whose server has no service."""
    with TableServer("tk1", services=[]) as server:
        tk1.server = server
        yield tk1


def run_without_services(tk1: BenchProject) -> pytest.RunResult:
    with TableServer("tk1", services=[]) as server:
        tk1.server = server
        return tk1.run(*CELLS, "--junitxml=junit.xml")


@pytest.fixture
def missing(run_once: RunOnce) -> FinishedRun:
    """A run whose server has no service."""
    return run_once(run_without_services)


def part(result: pytest.RunResult, title: str) -> list[str]:
    """The lines below a title of pytest's, up to the next one."""
    lines = result.outlines
    begin = next(number for number, line in enumerate(lines) if line.strip("= ") == title and line.startswith("="))
    after = lines[begin + 1 :]
    return after[: next((number for number, line in enumerate(after) if line.startswith("=")), len(after))]


def summary(result: pytest.RunResult) -> dict[str, str]:
    """By cell, what stands behind its node id in the short test summary; each cell has one line there."""
    found = {}
    for line in part(result, "short test summary info"):
        if not line.startswith("FAILED "):
            assert line.endswith("s")  # the totals of a quiet run
            continue
        head, _, message = line.partition(" - ")
        found[head.partition("[")[2].rstrip("]")] = message
    return found


def test_missing_services_are_one_paragraph_among_the_failures(missing: FinishedRun) -> None:
    lines = part(missing.result, "FAILURES")
    (place,) = [number for number, line in enumerate(lines) if REMEDY in line]
    assert all(name in f"{lines[place]} {lines[place + 1]}" for name in IDS)
    assert lines.count(f"The same cause as {IDS[0]}.") == 3


def test_missing_services_are_one_paragraph_in_our_section(missing: FinishedRun) -> None:
    text = " ".join(line.strip() for line in part(missing.result, "ddperf"))
    assert text.count(REMEDY) == 1
    assert "error in 4 cells: " in text
    assert [name for name in IDS if text.count(name) != 1] == []


def test_model_folders_without_a_network_are_one_paragraph(tk1: BenchProject) -> None:
    with TableServer("tk1", services=[], accepts=lambda _: False) as server:
        tk1.server = server
        result = tk1.run(*CELLS, "--ddperf-repository=/opt/models/{model}")
    text = " ".join(line.strip() for line in part(result, "ddperf"))
    assert text.count("/opt/models/{model}") == 1
    assert "error in 4 cells: " in text


@plain_and_xdist
def test_cells_whose_server_had_died_are_one_paragraph_besides_the_one_it_died_at(
    tk1: BenchProject, how: tuple[str, ...]
) -> None:
    tk1.server.fault = lambda asked: tk1.server.die() if asked.number > 6 else None
    result = tk1.run(*CELLS, *how)
    assert tk1.verdicts() == {name: "ok" if name == IDS[0] else "crashed" for name in IDS}
    lines = part(result, "FAILURES")
    assert [line.partition(" ")[0] for line in lines if " crashed: " in line] == IDS[1:3]
    assert lines.count(f"The same cause as {IDS[2]}.") == 1
    text = " ".join(line.strip() for line in part(result, "ddperf"))
    assert "crashed in 2 cells: " in text
    assert text.count("is not back") == 1


def test_cells_whose_server_is_waited_for_at_the_first_of_them_are_one_paragraph(tk1: BenchProject) -> None:
    tk1.ini(ddperf_recovery_timeout="0.1")
    tk1.server.fault = lambda asked: tk1.server.die() if asked.number > 6 else None
    text = " ".join(line.strip() for line in part(tk1.run(*CELLS), "ddperf"))
    assert "crashed in 2 cells: " in text
    assert text.count("--ddperf-recovery-timeout") == 1


def test_batches_that_are_not_run_are_one_paragraph_apart_from_the_one_that_was_too_large(tk1: BenchProject) -> None:
    tk1.server.fault = lambda asked: out_of_memory() if asked.batch >= 2 else None
    result = tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1,2,4,8")
    text = " ".join(part(result, "ddperf"))
    assert "oom tk1-googlenet-b2: " in text
    assert "oom in 2 cells: batch size 2 " in text


def test_cells_without_a_baseline_where_one_is_required_are_one_paragraph(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=3,5", "--ddperf-require-baseline")
    lines = part(result, "FAILURES")
    assert len([line for line in lines if "--ddperf-update-baselines" in line]) == 1
    assert "The same cause as tk1-googlenet-b3." in lines


def test_different_causes_are_different_paragraphs(tk1: BenchProject) -> None:
    with TableServer("tk1", services=["shufflenet"]) as server:
        tk1.server = server
        server.slow("shufflenet", 2, 1.5)
        lines = part(tk1.run(*CELLS), "FAILURES")
    assert len([line for line in lines if REMEDY in line]) == 1
    assert len([line for line in lines if "regressed" in line]) == 1


@pytest.mark.parametrize("options", [(), ("-v",), ("-q",), ("--tb=no",), ("--tb=line",), ("--tb=short",)], ids=str)
def test_on_a_ci_each_cell_has_one_short_line_without_its_id(
    empty: BenchProject, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CI", "true")
    found = summary(empty.run(*CELLS, *options))
    assert list(found) == IDS
    assert_names(found[IDS[0]], "no service for googlenet")
    assert [found[name] for name in IDS[1:]] == [f"same cause as {IDS[0]}"] * 3
    assert all(name not in message and len(message) < 200 for name, message in found.items())


def test_on_a_ci_a_regressed_cell_has_one_line_with_its_numbers(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    result = tk1.run(*SQUEEZENET)
    ((name, message),) = summary(result).items()
    assert name == "tk1-squeezenet_v1.1-b8"
    assert "baseline 53." in message
    assert any("To measure it again: " in line for line in part(result, "FAILURES"))


def test_one_line_each_is_shown_where_one_line_is_asked_for(empty: BenchProject) -> None:
    lines = part(empty.run(*CELLS, "--tb=line"), "FAILURES")
    assert [line.partition("[")[2].partition("]")[0] for line in lines] == IDS


def test_each_message_of_junit_stands_alone(missing: FinishedRun) -> None:
    failures = list(ET.parse(missing.project.path / "junit.xml").getroot().iter("failure"))  # noqa: S314 - written by this run
    assert len(failures) == 4
    assert all(REMEDY in str(one.get("message")) and REMEDY in str(one.text) for one in failures)


def test_the_first_failure_alone_carries_its_message(empty: BenchProject) -> None:
    lines = part(empty.run(*CELLS, "-x"), "FAILURES")
    assert len([line for line in lines if REMEDY in line]) == 1
    assert not [line for line in lines if "same cause" in line]


def test_what_a_test_says_of_its_own_failure_stays(empty: BenchProject) -> None:
    text = "def test_predict(ddperf):\n    try:\n        ddperf.measure()\n    finally:\n        assert 0, 'mine'\n"
    (empty.path / "benchmarks" / "test_predict.py").write_text(text, encoding="utf-8")
    lines = part(empty.run(*CELLS), "FAILURES")
    assert len([line for line in lines if line.startswith("E ") and "mine" in line]) == 4
    assert "The same cause" not in "".join(lines)


def test_missing_services_are_one_paragraph_in_the_job_summary(
    empty: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = empty.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(written))
    monkeypatch.setenv("GITHUB_OUTPUT", str(empty.path / "outputs"))
    empty.run(*CELLS)
    text = written.read_text(encoding="utf-8")
    assert text.count("no model folder is known") == 1
    assert "**error** in 4 cells: " in text
