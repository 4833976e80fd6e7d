"""Tests of a user's own, in a project that only has the package installed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET
from messages import assert_names

from pytest_ddperf.cli.main import main

if TYPE_CHECKING:
    from bench_project import BenchProject


def write(project: BenchProject, marker: str = "", body: str = "ddperf.measure()") -> None:
    """The only test of the project, in a folder of the user's choice."""
    (project.path / "benchmarks" / "test_predict.py").unlink()
    (project.path / "speed").mkdir()
    text = f"import pytest\n\n{marker}\ndef test_mine(ddperf):\n    {body}\n"
    (project.path / "speed" / "test_mine.py").write_text(text, encoding="utf-8")


def collected(result: pytest.RunResult) -> list[str]:
    return [line.rpartition("::")[2] for line in result.outlines if "::test_mine[" in line]


def test_a_test_of_ones_own_is_measured_and_gated(tk1: BenchProject) -> None:
    write(tk1)
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    result = tk1.bare("speed", *tk1.where, "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok", "tk1-squeezenet_v1.1-b8": "regressed"}


def test_the_marker_restricts_models_and_batch_sizes(tk1: BenchProject) -> None:
    write(tk1, '@pytest.mark.ddperf(models=["res50"], batch_sizes=[2, 1])')
    result = tk1.bare("speed", *tk1.where, "--collect-only", "-q")
    assert collected(result) == ["test_mine[tk1-resnet50-b1]", "test_mine[tk1-resnet50-b2]"]


def test_the_command_line_narrows_what_the_marker_allows(tk1: BenchProject) -> None:
    write(tk1, '@pytest.mark.ddperf(models=["resnet50", "googlenet"], batch_sizes=[1, 2])')
    args = ("--ddperf-models=googlenet,vgg16", "--ddperf-max-batch-size=1")
    result = tk1.bare("speed", *tk1.where, "--collect-only", "-q", *args)
    assert collected(result) == ["test_mine[tk1-googlenet-b1]"]


def test_the_marker_may_name_what_the_table_does_not_hold(tk1: BenchProject) -> None:
    write(tk1, '@pytest.mark.ddperf(models=["mobilenet_v2"], batch_sizes=[3])')
    result = tk1.bare("speed", *tk1.where, "--collect-only", "-q")
    assert collected(result) == ["test_mine[tk1-mobilenet_v2-b3]"]


def test_the_marker_restricts_platforms(tk1: BenchProject) -> None:
    write(tk1, '@pytest.mark.ddperf(platforms=["TX1"], models=["resnet50"], batch_sizes=[1])')
    args = ("--platform=tk1,tx1", "--ddperf-url=tk1=http://localhost:1,tx1=http://localhost:2")
    result = tk1.bare("speed", *args, "--collect-only", "-q")
    assert collected(result) == ["test_mine[tx1-resnet50-b1]"]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('@pytest.mark.ddperf(modles=["resnet50"])', "*takes models, batch_sizes, platforms*not modles*"),
        ('@pytest.mark.ddperf(models=["resnet5"])', "*'resnet5' is not known. Did you mean resnet50?*"),
        ('@pytest.mark.ddperf(platforms=["tk2"])', "*'tk2' is not known*"),
    ],
)
def test_a_marker_that_cannot_be_is_refused(tk1: BenchProject, marker: str, said: str) -> None:
    write(tk1, marker)
    result = tk1.bare("speed", *tk1.where)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_test_that_measures_nothing_fails(tk1: BenchProject) -> None:
    write(tk1, body="assert ddperf.model")
    result = tk1.bare("speed", *tk1.where, "--ddperf-models=resnet50", "--ddperf-batch-sizes=1")
    result.assert_outcomes(failed=1)
    assert_names(result, "`ddperf`", "measured nothing")


def test_the_fixture_tells_its_cell_and_what_was_measured(tk1: BenchProject) -> None:
    write(
        tk1,
        body="m = ddperf.measure(); assert (ddperf.platform, ddperf.model, ddperf.batch_size, len(m.per_image_ms()[0]))"
        " == ('tk1', 'resnet50', 2, 5)",
    )
    tk1.bare("speed", *tk1.where, "--ddperf-models=resnet50", "--ddperf-batch-sizes=2").assert_outcomes(passed=1)


def test_a_failing_assertion_of_the_users_keeps_what_was_measured(tk1: BenchProject) -> None:
    write(tk1, body="ddperf.measure(); assert not 'mine'")
    result = tk1.bare("speed", *tk1.where, "--ddperf-models=resnet50", "--ddperf-batch-sizes=2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert not 'mine'"])
    assert tk1.verdicts() == {"tk1-resnet50-b2": "ok"}


def test_a_second_measure_adds_a_round(tk1: BenchProject) -> None:
    write(tk1, body="ddperf.measure(); ddperf.measure()")
    tk1.bare("speed", *tk1.where, "--ddperf-models=resnet50", "--ddperf-batch-sizes=2").assert_outcomes(passed=1)
    measurement = tk1.records()[0].measurement
    assert measurement is not None
    assert [len(one.passes) for one in measurement.rounds] == [5, 5]


def test_an_error_after_a_measurement_is_an_error(tk1: BenchProject) -> None:
    from scripted_deepdetect import internal_error  # noqa: PLC0415 - here alone

    tk1.server.fault = lambda prediction: internal_error() if prediction.number > 6 else None
    write(tk1, body="ddperf.measure(); ddperf.measure()")
    result = tk1.bare("speed", *tk1.where, "--ddperf-models=resnet50", "--ddperf-batch-sizes=2")
    result.assert_outcomes(failed=1)
    assert tk1.verdicts() == {"tk1-resnet50-b2": "error"}


def test_other_tests_in_the_same_run_stay_as_they_are(tk1: BenchProject) -> None:
    (tk1.path / "test_other.py").write_text("def test_other():\n    assert True\n", encoding="utf-8")
    result = tk1.bare("test_other.py", "benchmarks", *tk1.where, "-v", "-k", "other or squeezenet_v1.1-b8")
    result.assert_outcomes(passed=2, deselected=103)
    result.stdout.re_match_lines([r"test_other.py::test_other PASSED +\[.*"])


def test_a_test_may_have_parameters_of_its_own(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_predict.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('own', ['x', 'y'])\ndef test_mine(own, ddperf):\n"
        "    ddperf.measure()\n",
        encoding="utf-8",
    )
    args = ("--ddperf-models=resnet50", "--ddperf-batch-sizes=1", "--benchmark-json=out.json")
    tk1.run(*args).assert_outcomes(passed=2)
    assert [str(record.key) for record in tk1.records()] == ["tk1-resnet50-b1"] * 2
    assert len(tk1.json("out.json")["benchmarks"]) == 2


def test_the_fixture_may_be_used_through_another_one(tk1: BenchProject) -> None:
    tk1.server.slow("resnet50", 1, 1.3)
    (tk1.path / "benchmarks" / "test_predict.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef timed(ddperf):\n    return ddperf.measure\n\n"
        "def test_mine(timed):\n    timed()\n",
        encoding="utf-8",
    )
    tk1.run("--ddperf-models=resnet50", "--ddperf-batch-sizes=1").assert_outcomes(failed=1)
    assert tk1.verdicts() == {"tk1-resnet50-b1": "regressed"}


def test_a_method_of_a_class_is_a_test_like_any_other(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_predict.py").write_text(
        "import pytest\n\n@pytest.mark.ddperf(models=['resnet50'])\nclass TestMine:\n"
        "    @pytest.mark.ddperf(batch_sizes=[2])\n    def test_mine(self, ddperf):\n        ddperf.measure()\n",
        encoding="utf-8",
    )
    tk1.run().assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-resnet50-b2": "ok"}


def test_a_fixture_that_stands_before_ours_gets_its_cell(tk1: BenchProject) -> None:
    tk1.pytester.makeconftest("""
        import pytest

        @pytest.fixture
        def ddperf(ddperf):
            print("wraps", ddperf.model, ddperf.batch_size)
            return ddperf
    """)
    result = tk1.run(*SQUEEZENET, "-rA")
    result.stdout.fnmatch_lines(["wraps squeezenet_v1.1 1", "wraps squeezenet_v1.1 8"])
    assert set(tk1.verdicts().values()) == {"ok"}


@pytest.mark.parametrize("others", ["", "def test_other(ddperf):\n    ddperf.measure()\n"])
def test_a_cell_asked_for_while_the_test_runs_is_an_error_that_says_why(tk1: BenchProject, others: str) -> None:
    path = tk1.path / "benchmarks" / "test_late.py"
    path.write_text(f"def test_late(request):\n    request.getfixturevalue('ddperf').measure()\n\n\n{others}")
    result = tk1.bare(str(path), *tk1.where, *SQUEEZENET)
    assert result.parseoutcomes()["failed"] == 1
    assert_names(result, "no cell", "`ddperf` an argument")


def test_what_the_marker_leaves_out_is_not_missed(tk1: BenchProject) -> None:
    write(tk1, '@pytest.mark.ddperf(models=["squeezenet_v1.1"], batch_sizes=[1])')
    result = tk1.bare("speed", *tk1.where)
    assert "1 cell: 1 ok" in result.outlines


def test_to_measure_one_s_own_test_again_it_is_named(tk1: BenchProject) -> None:
    write(tk1, '@pytest.mark.ddperf(models=["squeezenet_v1.1"], batch_sizes=[8])')
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    result = tk1.bare("speed", *tk1.where)
    again = next(line.partition(": ")[2] for line in result.outlines if line.startswith("To measure it again: "))
    program, *options = shlex.split(again)
    assert program == "pytest"
    tk1.bare(*options).assert_outcomes(failed=1)


TWO_TESTS = """
import pytest

@pytest.mark.ddperf(models=["squeezenet_v1.1"], batch_sizes=[1])
def test_gate(ddperf):
    ddperf.measure()

@pytest.mark.ddperf(models=["squeezenet_v1.1"], batch_sizes=[1])
def test_budget(ddperf):
    assert ddperf.measure() is not None
"""


@pytest.mark.parametrize("written", ["--benchmark-json=own.json", "--ddperf-report=pytest:own.json", "exported"])
def test_what_two_tests_of_one_cell_wrote_is_a_baseline(tk1: BenchProject, written: str) -> None:
    (tk1.path / "benchmarks" / "test_predict.py").write_text(TWO_TESTS, encoding="utf-8")
    tk1.bare("benchmarks", *tk1.where, *([] if written == "exported" else [written])).assert_outcomes(passed=2)
    if written == "exported":
        assert main(["report", "--json", "own.json"]) == 0
    result = tk1.bare("benchmarks", *tk1.where, "--ddperf-baseline=own.json")
    result.assert_outcomes(passed=2)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok"}
