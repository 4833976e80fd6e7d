"""Which cells a command line runs, under which names and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.core.networks import NETWORK_IDS

if TYPE_CHECKING:
    from bench_project import BenchProject


def collected(project: BenchProject, *args: str) -> list[str]:
    """The node ids of a run, in its order, without their common beginning."""
    result = project.run("--collect-only", "-q", *args)
    prefix = "benchmarks/test_predict.py::test_predict["
    return [line.removeprefix(prefix).removesuffix("]") for line in result.outlines if line.startswith(prefix)]


def test_node_ids_are_platform_model_and_batch_size(tk1: BenchProject) -> None:
    result = tk1.run("-v", "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8")
    result.stdout.fnmatch_lines(["benchmarks/test_predict.py::test_predict[[]tk1-squeezenet_v1.1-b8[]] PASSED*"])


def test_the_whole_matrix_is_13_networks_at_8_batch_sizes(tk1: BenchProject) -> None:
    cells = collected(tk1)
    assert cells == [f"tk1-{model}-b{size}" for model in NETWORK_IDS for size in (1, 2, 4, 8, 16, 32, 64, 128)]


def test_a_node_id_on_the_command_line_runs_that_cell(tk1: BenchProject) -> None:
    nodeid = "benchmarks/test_predict.py::test_predict[tk1-squeezenet_v1.1-b8]"
    result = tk1.bare(nodeid, *tk1.where)
    result.assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "ok"}


def test_models_run_one_after_the_other_with_batch_sizes_ascending(tk1: BenchProject) -> None:
    assert collected(tk1, "--ddperf-models=shufflenet,googlenet", "--ddperf-batch-sizes=4,1,2") == [
        f"tk1-{model}-b{size}" for model in ("googlenet", "shufflenet") for size in (1, 2, 4)
    ]


def test_cells_of_several_tests_run_model_by_model(tk1: BenchProject) -> None:
    source = (tk1.path / "benchmarks" / "test_predict.py").read_text(encoding="utf-8")
    (tk1.path / "benchmarks" / "test_second.py").write_text(source, encoding="utf-8")
    tk1.run("--ddperf-models=googlenet,shufflenet", "--ddperf-batch-sizes=1").assert_outcomes(passed=4)
    assert [one.service for one in tk1.server.predictions] == ["googlenet"] * 12 + ["shufflenet"] * 12


@pytest.mark.parametrize(
    ("alias", "model"),
    [
        ("res50", "resnet50"),
        ("dense121", "densenet121"),
        ("Squeezenetv1.1", "squeezenet_v1.1"),
        ("SqueezeNet v1.1", "squeezenet_v1.1"),
        (r"mobilenet\_depthwise", "mobilenet_depthwise"),
    ],
)
def test_the_reports_spellings_are_accepted(tk1: BenchProject, alias: str, model: str) -> None:
    assert collected(tk1, f"--ddperf-models={alias}", "--ddperf-batch-sizes=1") == [f"tk1-{model}-b1"]


def test_a_model_named_twice_runs_once(tk1: BenchProject) -> None:
    assert collected(tk1, "--ddperf-models=res50,resnet50", "--ddperf-batch-sizes=1,1") == ["tk1-resnet50-b1"]


def test_platforms_are_accepted_in_any_case(tk1: BenchProject) -> None:
    result = tk1.bare("benchmarks", "--platform=TK1", "--collect-only", "-q", "--ddperf-models=vgg16")
    result.stdout.fnmatch_lines(["*::test_predict[[]tk1-vgg16-b1[]]"])


def test_a_keyword_selects_models_and_batch_sizes(tk1: BenchProject) -> None:
    assert collected(tk1, "-k", "squeezenet and b16") == ["tk1-squeezenet_v1.0-b16", "tk1-squeezenet_v1.1-b16"]


def test_the_largest_batch_size_cuts_the_matrix(tk1: BenchProject) -> None:
    cells = collected(tk1, "--ddperf-models=googlenet", "--ddperf-max-batch-size=4")
    assert cells == ["tk1-googlenet-b1", "tk1-googlenet-b2", "tk1-googlenet-b4"]


def test_the_schedule_of_dd_bench_goes_on_in_steps_of_16(tk1: BenchProject) -> None:
    args = ("--ddperf-models=googlenet", "--ddperf-batch-schedule=dd_bench", "--ddperf-max-batch-size=70")
    assert collected(tk1, *args) == [f"tk1-googlenet-b{size}" for size in (1, 2, 4, 8, 16, 32, 48, 64)]


def test_the_schedule_of_powers_stops_at_the_largest(tk1: BenchProject) -> None:
    args = ("--ddperf-models=googlenet", "--ddperf-batch-schedule=pow2", "--ddperf-max-batch-size=9")
    assert collected(tk1, *args) == [f"tk1-googlenet-b{size}" for size in (1, 2, 4, 8)]


def test_batch_sizes_outside_the_table_run_and_are_new(tk1: BenchProject) -> None:
    tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=3").assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-googlenet-b3": "new"}


def test_a_matrix_that_the_options_leave_empty_is_said_and_measures_nothing(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_predict.py").write_text(
        "import pytest\n\n@pytest.mark.ddperf(batch_sizes=[64])\ndef test_large(ddperf):\n    ddperf.measure()\n",
        encoding="utf-8",
    )
    result = tk1.run("--ddperf-batch-sizes=1", "-rs")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["*no cell*"])
    assert tk1.server.predictions == []
