"""A run on GitHub Actions: the job summary, the outputs of the step, and annotations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from messages import assert_names
from scripted_deepdetect import internal_error
from workers import plain_and_xdist

if TYPE_CHECKING:
    from pathlib import Path

B8 = "squeezenet_v1.1", 8


class Runner:
    """The files that a runner makes for a step, and what is in them afterwards."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.summary_path, self.output_path = folder / "step_summary", folder / "set_output"
        for path in (self.summary_path, self.output_path):
            path.touch()
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(self.summary_path))
        monkeypatch.setenv("GITHUB_OUTPUT", str(self.output_path))

    @property
    def summary(self) -> str:
        return self.summary_path.read_text(encoding="utf-8")

    @property
    def table(self) -> list[list[str]]:
        """The rows of the verdict table."""
        rows = re.findall(r"^\| (.*) \|$", self.summary, flags=re.MULTILINE)
        return [row.split(" | ") for row in rows[1:]]

    @property
    def outputs(self) -> dict[str, str]:
        """Those of one line."""
        return dict(re.findall(r"^([a-z_]+)=(.*)$", self.output_path.read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(tmp_path / "runner", monkeypatch)


def annotated(result: pytest.RunResult) -> list[str]:
    """What GitHub takes for a workflow command: only from the start of a line."""
    commands = [line for line in result.outlines if line.lstrip().startswith("::")]
    assert len(re.findall("::(?:error|warning) ", str(result.stdout))) == len(commands)
    return commands


@plain_and_xdist
def test_a_regressed_cell_is_in_all_three(tk1: BenchProject, runner: Runner, how: tuple[str, ...]) -> None:
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, *how)
    (command,) = annotated(result)
    assert re.match(r"::error title=tk1-squeezenet_v1\.1-b8 regressed \+\d+\.\d %25::69\.8 ms per image now", command)
    assert "%0ABaseline%3A" not in command  # a colon ends a property, and stands as it is in a message
    assert "%0ABaseline: reference values of 2019 on Caffe: report, TK1 table" in command
    assert [(row[1], row[2], row[7]) for row in runner.table] == [
        (r"squeezenet\_v1.1", "8", "**regressed**"),
        (r"squeezenet\_v1.1", "1", "ok"),
    ]
    assert runner.summary.startswith("### Inference speed: regressed\n\n**2 cells**, 2 measured: 1 ok, 1 regressed.\n")
    assert re.search(r"^- tk1, .*: http\\://127\.0\.0\.1:\d+, version v0\.28\.0", runner.summary, flags=re.MULTILINE)
    assert runner.outputs.items() >= {"verdict": "regressed", "cells": "2", "regressed": "1", "ok": "1"}.items()
    assert runner.outputs["failing_cells"] == "tk1-squeezenet_v1.1-b8"
    written = runner.summary + runner.output_path.read_text(encoding="utf-8")
    assert (written.count("verdict="), written.count("### Inference speed")) == (1, 1)  # no worker wrote, too


def test_an_unchanged_run_is_ok_and_annotates_nothing(tk1: BenchProject, runner: Runner) -> None:
    result = tk1.run(*SQUEEZENET)
    assert result.ret == pytest.ExitCode.OK
    assert annotated(result) == []
    assert runner.outputs.items() >= {"verdict": "ok", "cells": "2", "ok": "2", "failing": "0"}.items()
    assert len(runner.table) == 2


SHOWN = ["-q", "-qq", "-v", "-s", "--capture=sys", "--no-summary", "--color=yes"]


@pytest.mark.parametrize(
    "options",
    [
        *(pytest.param((one,), id=one) for one in SHOWN),
        pytest.param(("-q", "-n1"), id="-q with xdist", marks=pytest.mark.slow),
    ],
)
def test_a_command_begins_its_line_however_the_run_is_shown(
    tk1: BenchProject, runner: Runner, options: tuple[str, ...]
) -> None:
    text = "def test_predict(ddperf):\n    print('no line end', end='')\n    ddperf.measure()\n"
    (tk1.path / "benchmarks" / "test_predict.py").write_text(text, encoding="utf-8")
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, *options)
    commands = [line for line in result.outlines if line.startswith("::error title=tk1-squeezenet_v1.1-b8 ")]
    assert len(commands) == 1
    assert str(result.stdout).count("::error") == 1


def test_ten_annotations_at_the_most_and_the_summary_has_every_cell(tk1: BenchProject, runner: Runner) -> None:
    tk1.server.fault = lambda asked: internal_error() if asked.service != "googlenet" else None
    tk1.server.slow("googlenet", 4, 1.5)
    models = "--ddperf-models=googlenet,squeezenet_v1.0,squeezenet_v1.1,shufflenet,resnet50"
    result = tk1.run(models, "--ddperf-batch-sizes=1,2,4")
    commands = annotated(result)
    assert len(commands) == 10
    assert commands[0].startswith("::error title=tk1-googlenet-b4 regressed")
    assert commands[-1].endswith("%0A3 more failed; the job summary lists them.")
    assert [row[7] for row in runner.table] == ["**regressed**"] + ["**error**"] * 12 + ["ok"] * 2
    assert runner.outputs.items() >= {"verdict": "regressed", "failing": "13", "error": "12", "ok": "2"}.items()


def test_a_cell_that_could_not_be_measured_is_failed(tk1: BenchProject, runner: Runner) -> None:
    tk1.server.fault = lambda asked: internal_error() if asked.batch == 8 else None
    (command,) = annotated(tk1.run(*SQUEEZENET))
    assert command.startswith("::error title=tk1-squeezenet_v1.1-b8 error::")
    assert "HTTP 500" in command
    assert runner.outputs["verdict"] == "failed"


def test_a_run_that_measured_nothing_writes_nothing_green(tk1: BenchProject, runner: Runner) -> None:
    result = tk1.run("--ddperf-models=vgg16")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert runner.outputs.items() >= {"verdict": "nothing", "measured": "0", "unavailable": "8", "ok": "0"}.items()
    assert runner.summary.startswith("### Inference speed: nothing\n")


@pytest.mark.parametrize(
    "args", [("--collect-only",), ("--benchmark-disable",), ("-k", "nothing_like_it")], ids=" ".join
)
def test_a_run_without_a_verdict_writes_nothing(tk1: BenchProject, runner: Runner, args: tuple[str, ...]) -> None:
    tk1.run(*SQUEEZENET, *args)
    assert runner.summary == runner.output_path.read_text(encoding="utf-8") == ""


def test_a_server_that_is_down_writes_nothing(tk1: BenchProject, runner: Runner) -> None:
    tk1.server.close()
    assert tk1.run(*SQUEEZENET).ret == pytest.ExitCode.USAGE_ERROR
    assert runner.summary == runner.output_path.read_text(encoding="utf-8") == ""


def test_a_test_that_fails_by_itself_leaves_no_green_verdict(tk1: BenchProject, runner: Runner) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    assert 0\n", encoding="utf-8")
    tk1.run(*SQUEEZENET)
    assert runner.outputs.items() >= {"verdict": "failed", "ok": "2", "failing": "0"}.items()
    assert_names(runner.summary, "No cell failed")


def test_a_missing_baseline_is_annotated_where_it_fails(tk1: BenchProject, runner: Runner) -> None:
    result = tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=3", "--ddperf-require-baseline")
    (command,) = annotated(result)
    assert command.startswith("::error title=tk1-squeezenet_v1.1-b3 new::")
    assert runner.outputs["verdict"] == "failed"


def test_of_a_cell_that_two_tests_measure_the_redder_verdict_counts(tk1: BenchProject, runner: Runner) -> None:
    twice = "".join(f"def test_{name}(ddperf):\n    ddperf.measure()\n\n" for name in ("first", "second"))
    (tk1.path / "benchmarks" / "test_predict.py").write_text(twice, encoding="utf-8")
    tk1.server.fault = lambda asked: internal_error() if asked.number == 1 else None
    result = tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8")
    result.assert_outcomes(passed=1, failed=1)
    assert len(annotated(result)) == 1
    assert runner.outputs.items() >= {"verdict": "failed", "cells": "1", "error": "1", "ok": "0"}.items()


def test_regressions_that_are_taken_as_the_baseline_are_no_errors(tk1: BenchProject, runner: Runner) -> None:
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines=all")
    assert result.ret == pytest.ExitCode.OK
    (command,) = annotated(result)
    assert command.startswith("::warning title=tk1-squeezenet_v1.1-b8 regressed")


def test_what_the_server_says_is_no_markup_and_no_command(tk1: BenchProject, runner: Runner) -> None:
    with TableServer("tk1", version="v1 | <b>x</b>\n::error::forged\x1b[31m") as server:
        tk1.server = server
        server.slow(*B8, 1.3)
        result = tk1.run(*SQUEEZENET)
    assert len(annotated(result)) == 1
    reported = r"version v1 \| &lt;b&gt;x&lt;/b&gt; :\:error::forged" + "\N{REPLACEMENT CHARACTER}" + r"\[31m"
    assert reported in runner.summary


def test_what_is_in_the_files_stays(tk1: BenchProject, runner: Runner) -> None:
    runner.summary_path.write_text("# mine\n", encoding="utf-8")
    runner.output_path.write_text("mine=1\n", encoding="utf-8")
    tk1.run(*SQUEEZENET)
    assert runner.summary.startswith("# mine\n")
    assert runner.outputs.items() >= {"mine": "1", "verdict": "ok"}.items()


def test_files_that_cannot_be_written_are_a_warning(
    tk1: BenchProject, runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such"))
    monkeypatch.delenv("GITHUB_OUTPUT")
    result = tk1.run(*SQUEEZENET)
    assert result.ret == pytest.ExitCode.OK
    said = " ".join(line.strip() for line in result.outlines)
    assert re.search(
        r"warning: The job summary cannot be written to \S+/no/such \(GITHUB_STEP_SUMMARY\): No such", said
    )
    assert re.search(r"warning: The step outputs cannot be written: .*GITHUB_OUTPUT is not set\.", said)


@pytest.mark.parametrize("value", [None, "false", ""])
def test_elsewhere_nothing_is_written(
    tk1: BenchProject, runner: Runner, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    if value is not None:
        monkeypatch.setenv("GITHUB_ACTIONS", value)
    tk1.server.slow(*B8, 1.3)
    assert annotated(tk1.run(*SQUEEZENET)) == []
    assert runner.summary == runner.output_path.read_text(encoding="utf-8") == ""
