"""pytest-benchmark's JSON, its options and its own command, on the cells of a run."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SQUEEZENET
from pandas.testing import assert_frame_equal
from scripted_deepdetect import out_of_memory

from pytest_ddperf import load_baselines, load_history, load_run

if TYPE_CHECKING:
    from bench_project import BenchProject, FinishedRun

B8 = "squeezenet_v1.1", 8
OWN_BENCHMARK = "def test_sum(benchmark):\n    benchmark(sum, [1, 2])\n"


@pytest.fixture
def saved(unchanged: FinishedRun) -> Any:  # noqa: ANN401 - JSON of any shape
    """What --benchmark-json wrote."""
    return unchanged.project.json("out.json")


def cell(document: Any, name: str = "test_predict[tk1-squeezenet_v1.1-b8]") -> Any:  # noqa: ANN401 - JSON
    return next(one for one in document["benchmarks"] if one["name"] == name)


def benchmark_command(project: BenchProject, *args: str) -> str:
    """What `pytest-benchmark ...` prints."""
    command = [sys.executable, "-m", "pytest_benchmark", *args]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_durations_are_seconds_per_image_one_a_pass(saved: Any) -> None:  # noqa: ANN401 - JSON
    stats = cell(saved)["stats"]
    assert stats["data"] == pytest.approx([(53.6 + 0.5 / 8) / 1000] * len(stats["data"]))
    assert stats["rounds"] == len(stats["data"]) >= 5
    assert math.isclose(stats["mean"], 0.0536625)
    assert stats["iterations"] == 1


def test_every_cell_of_the_run_is_there_once(saved: Any) -> None:  # noqa: ANN401 - JSON
    assert [one["fullname"] for one in saved["benchmarks"]] == [
        f"benchmarks/test_predict.py::test_predict[tk1-squeezenet_v1.1-b{size}]" for size in (1, 8)
    ]


def test_the_parameters_are_scalars(saved: Any) -> None:  # noqa: ANN401 - JSON
    one = cell(saved)
    assert one["params"] == {"platform": "tk1", "model": "squeezenet_v1.1", "batch_size": 8}
    assert one["param"] == "tk1-squeezenet_v1.1-b8"


def test_extra_info_holds_the_cell_its_verdict_its_baseline_and_its_clocks(saved: Any) -> None:  # noqa: ANN401 - JSON
    info = cell(saved)["extra_info"]
    reported = {name: info[name] for name in ("platform", "model", "batch_size", "verdict", "baseline_ms_per_image")}
    assert reported == {
        "platform": "tk1",
        "model": "squeezenet_v1.1",
        "batch_size": 8,
        "verdict": "ok",
        "baseline_ms_per_image": 53.6 + 0.5 / 8,
    }
    assert info["images_per_second"] == pytest.approx(1000 / (53.6 + 0.5 / 8))
    assert info["baseline_source"].endswith("baselines/tk1.csv, line 5")
    clocks = info["clocks_ms_per_image"]
    assert set(clocks) == {"predict", "head", "client"}
    assert {len(passes) for rounds in clocks.values() for passes in rounds} == {5}
    assert info["conditions"]["clock"] == "predict"


def test_a_regressed_cell_is_saved_with_its_verdict(regressed: FinishedRun) -> None:
    info = cell(regressed.project.json("out.json"))["extra_info"]
    assert info["verdict"] == "regressed"
    assert info["change"] == pytest.approx(0.3, abs=0.01)


def test_a_cell_that_was_not_measured_is_not_saved(tk1: BenchProject) -> None:
    tk1.server.fault = lambda prediction: out_of_memory() if prediction.batch == 8 else None
    tk1.run(*SQUEEZENET, "--benchmark-json=out.json")
    assert [one["extra_info"]["batch_size"] for one in tk1.json("out.json")["benchmarks"]] == [1]


def test_machine_info_describes_the_server(saved: Any, unchanged: FinishedRun) -> None:  # noqa: ANN401 - JSON
    machine = saved["machine_info"]["ddperf"]["platforms"]["tk1"]
    assert machine["title"] == "Jetson TK1"
    assert machine["version"] == "v0.28.0"
    assert machine["commit"] == "ab3b96ae4cda06e507920e90e0f9b0caa18fb86f"
    assert machine["backend"] == "caffe"
    assert machine["url"] == unchanged.project.server.url


def test_autosave_and_compare_show_both_runs(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--benchmark-autosave")
    tk1.server.slow(*B8, 1.05)
    result = tk1.run(*SQUEEZENET, "--benchmark-compare")
    result.stderr.fnmatch_lines(["Comparing against benchmarks from: *0001_*"])
    result.stdout.fnmatch_lines(["*squeezenet_v1.1-b8* (NOW)*"])
    result.stdout.fnmatch_lines(["*squeezenet_v1.1-b8* (0001_*"])
    result.stderr.no_fnmatch_line("*machine_info is different*")


def test_the_command_of_pytest_benchmark_lists_and_compares_saved_runs(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--benchmark-save=first")
    tk1.run(*SQUEEZENET, "--benchmark-save=second")
    assert "0001_first.json" in benchmark_command(tk1, "list")
    text = benchmark_command(tk1, "compare", "0001", "0002", "--columns=mean")
    assert text.count("squeezenet_v1.1-b8]") == 2
    assert "first" in text
    assert "second" in text


def test_a_saved_run_serves_as_a_baseline(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--benchmark-json=out.json")
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, "--ddperf-baseline=out.json")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["Baseline: *out.json*"])


def test_pytest_benchmark_s_table_is_not_printed(unchanged: FinishedRun) -> None:
    unchanged.result.stdout.no_fnmatch_line("*Legend:*")
    unchanged.result.stdout.no_fnmatch_line("*benchmark 'ddperf*")


@pytest.mark.parametrize(
    "asked", [["--benchmark-columns=mean"], ["--benchmark-sort", "name"], ["--benchmark-group-by=param:model"]]
)
def test_pytest_benchmark_s_table_is_printed_where_it_is_asked_for(tk1: BenchProject, asked: list[str]) -> None:
    tk1.run(*SQUEEZENET, *asked).stdout.fnmatch_lines(["*benchmark *2 tests*", "*squeezenet_v1.1-b8*"])


def test_benchmarks_of_the_user_s_own_keep_their_table(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_sum.py").write_text(OWN_BENCHMARK, encoding="utf-8")
    result = tk1.run(*SQUEEZENET, "--benchmark-max-time=0.001")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*benchmark: 1 tests*", "test_sum*", "*Legend:*"])
    result.stdout.no_fnmatch_line("*benchmark 'ddperf*")


def test_benchmark_only_runs_the_cells_and_skips_what_is_none(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    tk1.run(*SQUEEZENET, "--benchmark-only").assert_outcomes(passed=2, skipped=1)


def test_benchmark_skip_skips_the_cells(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    result = tk1.run(*SQUEEZENET, "--benchmark-skip")
    result.assert_outcomes(passed=1, skipped=2)
    assert result.ret == pytest.ExitCode.OK
    assert tk1.server.requests == []


def test_benchmark_disable_makes_one_checked_prediction_a_cell_and_no_record(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, "--benchmark-disable")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=2)
    assert [one.batch for one in tk1.server.predictions] == [1, 8]
    assert not (tk1.path / ".ddperf").exists()


def test_benchmark_disable_checks_the_prediction(tk1: BenchProject) -> None:
    tk1.server.wrong = lambda _, answered: answered[1:]
    tk1.run(*SQUEEZENET, "--benchmark-disable").assert_outcomes(failed=2)


@pytest.mark.parametrize("how", [(), ("-Werror",), pytest.param(("-n1",), marks=pytest.mark.slow)], ids=" ".join)
def test_measuring_options_are_ignored_with_one_warning(tk1: BenchProject, how: tuple[str, ...]) -> None:
    result = tk1.run(*SQUEEZENET, "--benchmark-min-rounds=9", "--benchmark-warmup", "on", *how)
    result.assert_outcomes(passed=2)
    warnings = [line for line in result.outlines if line.startswith("warning: ") and "--benchmark-min-rounds" in line]
    assert len(warnings) == 1
    assert "--benchmark-warmup" in warnings[0]
    assert [one.batch for one in tk1.server.predictions] == [1] * 6 + [8] * 6


def test_measuring_options_warn_nobody_without_cells(tk1: BenchProject) -> None:
    (tk1.path / "test_sum.py").write_text(OWN_BENCHMARK, encoding="utf-8")
    tk1.bare("test_sum.py", "--benchmark-min-rounds=2", "--benchmark-max-time=0.001").assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["benchmark", "pytest_benchmark.plugin"])
def test_a_run_without_pytest_benchmark_measures_and_gates(tk1: BenchProject, name: str) -> None:
    without = (*SQUEEZENET, "-p", f"no:{name}", "--ddperf-update-baselines")
    tk1.run(*without).assert_outcomes(passed=2)
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*without)
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b8"] == "regressed"


@pytest.mark.parametrize("cells", [True, False], ids=["beside-cells", "without-cells"])
def test_machine_info_of_a_plain_benchmark_is_that_of_this_machine(tk1: BenchProject, cells: bool) -> None:
    (tk1.path / "benchmarks" / "test_sum.py").write_text(OWN_BENCHMARK, encoding="utf-8")
    asked = [] if cells else ["-k", "test_sum"]
    tk1.run(*SQUEEZENET, "--benchmark-json=out.json", "--benchmark-max-time=0.001", *asked)
    machine = tk1.json("out.json")["machine_info"]
    assert (machine["node"], machine["system"]) == (platform.node(), platform.system())
    assert machine["python_version"] == platform.python_version()
    assert ("ddperf" in machine) is cells


def stored_on_another_python(project: BenchProject) -> None:
    """Store a run, and have it say that another Python made it."""
    project.run(*SQUEEZENET, "--benchmark-save=one", "--benchmark-max-time=0.001")
    (path,) = (project.path / ".benchmarks").rglob("*one*.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    document["machine_info"]["python_version"] = "3.8.0"
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_plain_benchmark_of_another_python_is_warned_of_beside_cells(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_sum.py").write_text(OWN_BENCHMARK, encoding="utf-8")
    stored_on_another_python(tk1)
    with pytest.warns(UserWarning, match="machine_info is different"):
        tk1.run(*SQUEEZENET, "--benchmark-compare", "--benchmark-max-time=0.001", "-Wdefault")


def test_cells_alone_are_compared_whatever_machine_ran_pytest(tk1: BenchProject) -> None:
    stored_on_another_python(tk1)
    result = tk1.run(*SQUEEZENET, "--benchmark-compare")  # a warning would be an error
    assert result.ret == pytest.ExitCode.OK


def test_a_histogram_is_drawn_where_it_is_asked_for(tk1: BenchProject) -> None:
    pytest.importorskip("pygal")
    tk1.run(*SQUEEZENET, "--benchmark-histogram=drawn")
    assert list(tk1.path.glob("drawn*.svg"))


def test_the_json_the_saved_file_and_the_history_of_a_run_are_dataframes_of_the_same_cells(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.run(*SQUEEZENET, "--benchmark-json=out.json", "--benchmark-save=mine")
    (saved_file,) = (tk1.path / ".benchmarks").rglob("0001_mine.json")
    names = ["platform", "model", "batch_size", "outcome", "now_ms", "baseline_ms", "change", "started", "server_url"]
    history = load_history(tk1.path / ".ddperf")[names]
    assert history["outcome"].tolist() == ["ok", "regressed"]
    for path in (tk1.path / "out.json", saved_file):
        frame = load_run(path)
        assert_frame_equal(frame[names].drop(columns="started"), history.drop(columns="started"))
        assert ((frame["started"] - history["started"]).dt.total_seconds() >= 0).all()  # pytest-benchmark's own moment


def test_the_baseline_that_a_run_recorded_is_a_dataframe_of_what_it_measured(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    frame = load_run(tk1.path / "baselines" / "tk1.json")
    assert frame["now_ms"].tolist() == pytest.approx([90.7, 53.6 + 0.5 / 8], rel=1e-6)
    baselines = load_baselines(tk1.path)
    recorded = baselines[(baselines["platform"] == "tk1") & (baselines["baseline_kind"] == "recorded")]
    assert recorded["baseline_ms"].tolist() == frame["now_ms"].tolist()
