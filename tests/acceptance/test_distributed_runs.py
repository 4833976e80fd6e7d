"""pytest -n: one client a server, and everything else as without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from scripted_deepdetect import out_of_memory
from workers import plain_and_xdist

if TYPE_CHECKING:
    from bench_project import BenchProject, TableServer

pytestmark = pytest.mark.slow

CELLS = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
B8 = "squeezenet_v1.1", 8


def test_the_verdicts_are_the_same_and_kept_once(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.server._delay_s = 0.02  # long enough for two clients to meet, were there two
    result = tk1.run(*CELLS, "-n2", "-v", "--benchmark-json=out.json", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.re_match_lines([r".*FAILED 69\.8 ms/img \+[\d.]+ % .*squeezenet_v1\.1-b8\]"])
    assert [len(run.records) for run in tk1.histories()] == [4]
    assert sorted(tk1.verdicts().items()) == [
        ("tk1-googlenet-b1", "ok"),
        ("tk1-googlenet-b8", "ok"),
        ("tk1-squeezenet_v1.1-b1", "ok"),
        ("tk1-squeezenet_v1.1-b8", "regressed"),
    ]
    document = tk1.json("out.json")
    assert len(document["benchmarks"]) == 4
    assert document["machine_info"]["ddperf"]["platforms"]["tk1"]["url"] == tk1.server.url
    assert tk1.server.most_concurrent == 1
    services = [one.service for one in tk1.server.predictions]
    assert services[:12] == ["googlenet"] * 12
    assert set(services[12:]) == {"squeezenet_v1.1"}  # the regressed cell was measured again


def test_two_servers_are_measured_side_by_side(tk1: BenchProject, tx1: TableServer) -> None:
    tk1.server._delay_s = tx1._delay_s = 0.05
    url = f"--ddperf-url=tk1={tk1.server.url},tx1={tx1.url}"
    result = tk1.bare("benchmarks", "--platform=tk1,tx1", url, *CELLS, "-n2")
    result.assert_outcomes(passed=8)
    assert tk1.server.most_concurrent == tx1.most_concurrent == 1
    began = {
        record.key.platform: record.measurement.rounds[0].started_s for record in tk1.records() if record.measurement
    }
    ended = [record.key.platform for record in tk1.records()]
    assert set(began) == {"tk1", "tx1"}
    assert ended != sorted(ended)


def test_two_runs_at_once_take_turns(tk1: BenchProject) -> None:
    tk1.server._delay_s = 0.02
    runs = [tk1.start(*CELLS) for _ in range(2)]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert tk1.server.most_concurrent == 1
    assert len(tk1.histories()) == 2
    assert any("another run is measuring on" in output for output in outputs)


def test_dist_each_is_refused(tk1: BenchProject) -> None:
    result = tk1.run(*CELLS, "--tx=2*popen", "--dist=each")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ERROR: ddperf:", "--dist each", "same server")
    assert tk1.server.predictions == []


def test_a_project_without_cells_keeps_its_own_scheduler(tk1: BenchProject) -> None:
    names = "".join(f"def test_{letter}(): pass\n" for letter in "abcdefgh")
    for module in ("one", "two"):
        (tk1.path / f"test_{module}.py").write_text(names, encoding="utf-8")
    args = ("test_one.py", "test_two.py", "-n2", "--dist=loadfile", "-v")
    result = tk1.bare(*args)
    result.assert_outcomes(passed=16)
    workers = {
        (line.split()[0], line.rpartition(" ")[2].partition("::")[0]) for line in result.outlines if "PASSED" in line
    }
    assert len(workers) == 2  # each file on one worker


def test_dist_each_stays_allowed_without_cells(tk1: BenchProject) -> None:
    (tk1.path / "test_one.py").write_text("def test_a(): pass\n", encoding="utf-8")
    result = tk1.bare("test_one.py", "--tx=2*popen", "--dist=each")
    result.assert_outcomes(passed=2)


def test_no_server_is_said_once_and_exits_4(tk1: BenchProject) -> None:
    tk1.server.close()
    result = tk1.run(*CELLS, "-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert len(said) == 1
    assert tk1.server.url in said[0]
    assert "--ddperf-url=embedded" in said[0]
    assert "INTERNALERROR" not in str(result.stdout) + str(result.stderr)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("ddperf.toml", "[platforms.tk1]\ntolerence = 1\n", ", line 2"),
        ("baselines/tk1.csv", "batch_size,resnet50\n1,fast\n", ", line 2"),
        ("baselines/tk1.json", '{"benchmarks": 7}', ""),
    ],
)
def test_a_malformed_file_is_said_and_exits_4(tk1: BenchProject, name: str, text: str, line: str) -> None:
    path = tk1.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    result = tk1.run(*CELLS, "-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{path}{line}: " in str(result.stderr)
    assert tk1.server.predictions == []


def test_a_wrong_marker_is_said_and_exits_4(tk1: BenchProject) -> None:
    marked = "import pytest\n\n\n@pytest.mark.ddperf(modles=['x'])\ndef test_predict(ddperf):\n    ddperf.measure()\n"
    (tk1.path / "benchmarks" / "test_predict.py").write_text(marked, encoding="utf-8")
    result = tk1.run(*CELLS, "-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "not modles" in str(result.stderr)


def test_errors_skips_and_exit_5_are_as_without_workers(tk1: BenchProject) -> None:
    tk1.server.fault = lambda _: out_of_memory()
    result = tk1.run("--ddperf-models=vgg16,squeezenet_v1.1", "--ddperf-batch-sizes=8", "-n1")
    result.assert_outcomes(failed=1, skipped=1)
    result = tk1.run("--ddperf-models=vgg16", "-n1")
    result.assert_outcomes(skipped=8)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_baselines_are_recorded_by_the_controller(tk1: BenchProject) -> None:
    tk1.run(*CELLS, "-n1", "--ddperf-update-baselines").assert_outcomes(passed=4)
    assert len(tk1.json("baselines/tk1.json")["benchmarks"]) == 4


def test_benchmark_only_runs_the_cells(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    result = tk1.run(*CELLS, "-n1", "--benchmark-only")
    result.assert_outcomes(passed=4, skipped=1)


def test_benchmark_skip_skips_the_cells(tk1: BenchProject) -> None:
    tk1.run(*CELLS, "-n1", "--benchmark-skip").assert_outcomes(skipped=4)
    assert tk1.server.predictions == []


def test_benchmark_disable_makes_one_prediction_a_cell(tk1: BenchProject) -> None:
    tk1.run(*CELLS, "-n1", "--benchmark-disable").assert_outcomes(passed=4)
    assert len(tk1.server.predictions) == 4


def test_a_run_without_xdist_measures_all_the_same(tk1: BenchProject) -> None:
    tk1.run(*CELLS, "-p", "no:xdist").assert_outcomes(passed=4)


def test_other_tests_run_beside_the_cells(tk1: BenchProject) -> None:
    others = "".join(f"def test_{number}(): pass\n" for number in range(20))
    (tk1.path / "benchmarks" / "test_other.py").write_text(others, encoding="utf-8")
    tk1.server._delay_s = 0.02
    tk1.run(*CELLS, "-n2").assert_outcomes(passed=24)
    assert tk1.server.most_concurrent == 1


BROKEN_TOML = "[platforms.tk1\n"
LOOKS_LIKE_A_CELL = """
import os, signal
import pytest

@pytest.mark.parametrize("name", ["tk1-resnet50-b8"])
def test_x(name):
    {body}
"""


@plain_and_xdist
def test_without_cells_a_broken_file_is_not_read(tk1: BenchProject, how: tuple[str, ...]) -> None:
    (tk1.path / "ddperf.toml").write_text(BROKEN_TOML, encoding="utf-8")
    (tk1.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tk1.path / "test_x.py").write_text(LOOKS_LIKE_A_CELL.format(body="pass"), encoding="utf-8")
    result = tk1.bare("test_x.py", *how)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1)


@plain_and_xdist
def test_with_cells_a_broken_file_is_a_usage_error_without_any_option(tk1: BenchProject, how: tuple[str, ...]) -> None:
    (tk1.path / "ddperf.toml").write_text(BROKEN_TOML, encoding="utf-8")
    (tk1.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    result = tk1.bare("benchmarks", *how)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in output
    assert "ddperf.toml" in output


def test_a_test_whose_name_looks_like_a_cell_needs_no_server(tk1: BenchProject) -> None:
    (tk1.path / "test_x.py").write_text(LOOKS_LIKE_A_CELL.format(body="pass"), encoding="utf-8")
    result = tk1.bare("test_x.py", "-n1", "--platform=tk1", "--ddperf-url=http://127.0.0.1:9")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1)


def test_and_is_none_when_its_worker_dies_at_it(tk1: BenchProject) -> None:
    body = "os.kill(os.getpid(), signal.SIGKILL)"
    (tk1.path / "benchmarks" / "test_x.py").write_text(LOOKS_LIKE_A_CELL.format(body=body), encoding="utf-8")
    result = tk1.run(*CELLS, "-n1")
    result.assert_outcomes(passed=4, failed=1)
    assert sorted(tk1.verdicts()) == [f"tk1-{model}-b{size}" for model in ("googlenet", B8[0]) for size in (1, 8)]
    result.stdout.fnmatch_lines(["worker 'gw*' crashed while running *test_x?tk1-resnet50-b8?*"])


def test_a_run_that_a_worker_s_test_starts_is_an_ordinary_one(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    result = tk1.apart(*CELLS, "--ddperf-report=r.csv")
    result.assert_outcomes(passed=4)
    assert len(tk1.verdicts()) == 4
    assert (tk1.path / "r.csv").exists()
    refused = tk1.apart(*CELLS, "--ddperf-report=pytest.ini/r.csv")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
