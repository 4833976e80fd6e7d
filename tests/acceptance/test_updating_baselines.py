"""--ddperf-update-baselines: a run becomes the baseline of its platform."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from messages import assert_names

if TYPE_CHECKING:
    from collections.abc import Mapping

B1, B8 = ("squeezenet_v1.1", 1), ("squeezenet_v1.1", 8)


def recorded_ms(project: BenchProject) -> dict[str, float]:
    """What baselines/tk1.json holds, rounded, by cell."""
    document = project.json("baselines/tk1.json")
    return {one["param"]: round(1000 * one["stats"]["median"], 1) for one in document["benchmarks"]}


def test_a_run_is_recorded_in_the_project(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines").assert_outcomes(passed=2)
    assert recorded_ms(tk1) == {"tk1-squeezenet_v1.1-b1": 90.7, "tk1-squeezenet_v1.1-b8": 53.7}


def test_a_baseline_that_cannot_be_written_is_refused_before_the_first_measurement(tk1: BenchProject) -> None:
    (tk1.path / "baselines").write_text("a file where the folder should be", encoding="utf-8")
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "baselines/tk1.json", "cannot be written", "--ddperf-update-baselines")
    assert not tk1.server.predictions


def test_the_next_run_is_held_against_it(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 0.5)
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    tk1.server.slow(*B8, 0.65)
    result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=1, failed=1)
    assert_names(result, "baselines/tk1.json", "15 passes")


def test_accepted_leaves_regressed_cells_and_the_exit_status(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    tk1.server.slow(*B8, 1.3)
    tk1.server.slow(*B1, 0.97)
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines=accepted")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert recorded_ms(tk1) == {"tk1-squeezenet_v1.1-b1": 88.0, "tk1-squeezenet_v1.1-b8": 53.7}
    text = " ".join(result.outlines)
    assert_names(text, "1 cell recorded", "1 unchanged", "--ddperf-update-baselines=all")


def test_all_takes_regressed_cells_and_lets_them_pass(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines=all")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=2)
    assert recorded_ms(tk1)["tk1-squeezenet_v1.1-b8"] == 69.8
    tk1.run(*SQUEEZENET).assert_outcomes(passed=2)


def test_all_does_not_let_errors_pass(tk1: BenchProject) -> None:
    tk1.server.wrong = lambda prediction, answered: answered[1:] if prediction.batch == 8 else answered
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines=all").assert_outcomes(passed=1, failed=1)
    assert recorded_ms(tk1) == {"tk1-squeezenet_v1.1-b1": 90.7}


def test_the_bare_option_does_not_swallow_the_path_behind_it(tk1: BenchProject) -> None:
    result = tk1.bare(*tk1.where, *SQUEEZENET, "--ddperf-update-baselines", "benchmarks")
    result.assert_outcomes(passed=2)
    assert set(recorded_ms(tk1)) == {"tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b8"}


def test_the_bare_option_in_addopts_does_not_swallow_a_path(tk1: BenchProject) -> None:
    tk1.ini(addopts="--ddperf-update-baselines")
    tk1.run(*SQUEEZENET).assert_outcomes(passed=2)
    assert len(recorded_ms(tk1)) == 2


def test_another_mode_is_refused(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-update-baselines=some")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "--ddperf-update-baselines", "'some'", "accepted, all")


def test_cells_that_did_not_run_keep_their_baseline(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    tk1.server.slow(*B8, 0.97)
    tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8", "--ddperf-update-baselines")
    assert recorded_ms(tk1) == {"tk1-squeezenet_v1.1-b1": 90.7, "tk1-squeezenet_v1.1-b8": 52.1}


def test_the_x_of_the_table_is_recorded(tk1: BenchProject) -> None:
    args = ("--ddperf-models=resnet152", "--ddperf-batch-sizes=2,4")
    tk1.run(*args, "--ddperf-update-baselines")
    unavailable = tk1.json("baselines/tk1.json")["ddperf"]["unavailable"]
    assert [(one["model"], one["batch_size"]) for one in unavailable] == [("resnet152", 4)]
    tk1.run(*args).assert_outcomes(passed=1, skipped=1)


def test_a_service_that_was_missing_is_not_recorded_as_x(tk1: BenchProject) -> None:
    with TableServer("tk1", services=["squeezenet_v1.1"]) as server:
        tk1.server = server
        args = ("--ddperf-models=squeezenet_v1.1,resnet50", "--ddperf-batch-sizes=1", "--ddperf-missing-service=skip")
        tk1.run(*args, "--ddperf-update-baselines").assert_outcomes(passed=1, skipped=1)
    assert tk1.json("baselines/tk1.json")["ddperf"]["unavailable"] == []


def test_a_run_that_measured_nothing_records_nothing(tk1: BenchProject) -> None:
    tk1.run("--ddperf-models=vgg16", "--ddperf-update-baselines")
    assert not (tk1.path / "baselines").exists()


def test_a_baseline_of_other_conditions_makes_the_cell_new_and_says_why(tk1: BenchProject) -> None:
    with TableServer("gtx1080ti", in_real_time=True) as server:
        tk1.server, tk1.platform = server, "gtx1080ti"
        tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
        result = tk1.run(*SQUEEZENET, "--ddperf-timer=head", "--ddperf-require-baseline")
    result.assert_outcomes(failed=2)
    assert_names(result, "baselines/gtx1080ti.json", "predict", "head")


def test_the_report_s_table_can_be_asked_for_all_the_same(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 0.5)
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    tk1.server.slow(*B8, 1.0)
    tk1.run(*SQUEEZENET, "--ddperf-baseline=report").assert_outcomes(passed=2)


def test_the_run_prints_old_value_new_value_and_change_of_each_cell_that_it_records(tk1: BenchProject) -> None:
    first = tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    first.stdout.fnmatch_lines(
        ["  tk1-squeezenet_v1.1-b1: 90.7 ms/img, first recording", "  tk1-squeezenet_v1.1-b8: 53.7 ms/img, first*"]
    )
    tk1.server.slow(*B8, 0.97)
    again = tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    again.stdout.fnmatch_lines(
        [
            "  tk1-squeezenet_v1.1-b1: 90.7 -> 90.7 ms/img, +0.0 %",
            "  tk1-squeezenet_v1.1-b8: 53.7 -> 52.1 ms/img, -3.0 %",
        ]
    )


def test_a_value_of_other_conditions_is_printed_without_a_change(tk1: BenchProject) -> None:
    one = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8", "--ddperf-update-baselines")
    tk1.run(*one)
    result = tk1.run(*one, "--ddperf-timer=client")
    result.stdout.fnmatch_lines(["  tk1-squeezenet_v1.1-b8: 53.7 -> * ms/img, under other conditions"])


@pytest.mark.parametrize("factor", [1.5, 0.5])
def test_a_first_recording_takes_every_cell_and_the_next_run_is_compared_with_it(
    tk1: BenchProject, factor: float
) -> None:
    tk1.server.slow(*B8, factor)
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    assert result.ret == pytest.ExitCode.OK
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b8"] == ("new" if factor > 1 else "improved")
    assert set(recorded_ms(tk1)) == {"tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b8"}
    tk1.run(*SQUEEZENET).assert_outcomes(passed=2)
    assert {record.baseline.kind for record in tk1.records() if record.baseline} == {"recorded"}


def test_a_recorded_cell_stays_as_it_was_also_where_the_run_is_compared_with_the_table(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    tk1.server.slow(*B8, 1.5)
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines", "--ddperf-baseline=report")
    result.assert_outcomes(passed=1, failed=1)
    assert recorded_ms(tk1)["tk1-squeezenet_v1.1-b8"] == 53.7


def test_nothing_of_the_history_or_the_cache_lies_in_baselines(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    assert [path.name for path in (tk1.path / "baselines").iterdir()] == ["tk1.json"]


def test_a_recorded_baseline_is_pytest_benchmark_json(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    document: Mapping[str, Any] = tk1.json("baselines/tk1.json")
    assert {"machine_info", "commit_info", "benchmarks", "datetime", "version", "ddperf"} <= set(document)
    assert document["machine_info"]["ddperf"]["platforms"]["tk1"]["url"] == tk1.server.url
    stats = document["benchmarks"][0]["stats"]
    assert {"min", "max", "mean", "stddev", "rounds", "median", "data"} <= set(stats)


def test_a_recording_states_the_resolution_of_later_runs(tk1: BenchProject) -> None:
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    result.stdout.re_match_lines([r"  resolution of later runs: 1\d\.\d %"])
    assert "noisy host" not in result.stdout.str()


def test_a_recording_on_a_noisy_host_is_a_warning_that_says_what_to_do(tk1: BenchProject) -> None:
    chance, quiet = random.Random(1), tk1.server.latency_ms  # noqa: S311 - noise, not secrets
    tk1.server.latency_ms = lambda service, size: quiet(service, size) * math.exp(chance.gauss(0, 0.2))
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines=all")
    assert_names(
        " ".join(result.outlines), "recorded on a noisy host", "2 of 2 cells", "--ddperf-tune", "--ddperf-accept"
    )


def test_the_rounds_of_a_recording_are_kept_apart(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    (b1, _) = tk1.json("baselines/tk1.json")["benchmarks"]
    assert [one["passes"] for one in b1["extra_info"]["rounds"]] == [5, 5, 5]
