"""`--ddperf-report=bmf:FILE` and `pytest:FILE`, of a run."""

from __future__ import annotations

import pytest
from bench_project import SQUEEZENET, BenchProject
from scripted_deepdetect import out_of_memory
from workers import plain_and_xdist

FILES = ("--ddperf-report=bmf:out/bmf.json", "--ddperf-report=pytest:out/benchmarks.json")


@plain_and_xdist
def test_each_cell_has_its_time_in_both(tk1: BenchProject, how: tuple[str, ...]) -> None:
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    result = tk1.run(*SQUEEZENET, *FILES, *how)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    now_ms = {str(record.key): record.now_ms for record in tk1.records() if record.now_ms is not None}
    assert now_ms == {
        "tk1-squeezenet_v1.1-b1": pytest.approx(tk1.server.table["squeezenet_v1.1", 1] + 0.5),
        "tk1-squeezenet_v1.1-b8": pytest.approx((tk1.server.table["squeezenet_v1.1", 8] + 0.5 / 8) * 1.3),
    }
    bmf = tk1.json("out/bmf.json")
    assert {name: one["latency"]["value"] for name, one in bmf.items()} == pytest.approx(
        {name: ms * 1e6 for name, ms in now_ms.items()}
    )
    assert {name: one["throughput"]["value"] for name, one in bmf.items()} == pytest.approx(
        {name: 1000 / ms for name, ms in now_ms.items()}
    )
    benchmarks = tk1.json("out/benchmarks.json")["benchmarks"]
    assert {one["fullname"]: one["stats"]["ops"] for one in benchmarks} == pytest.approx(
        {f"benchmarks/test_predict.py::test_predict[{name}]": 1000 / ms for name, ms in now_ms.items()}
    )
    result.stdout.fnmatch_lines(["*out/bmf.json", "*out/benchmarks.json"])


def test_a_file_is_that_of_pytest_benchmark_for_these_cells(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, *FILES, "--benchmark-json=theirs.json")
    ours, theirs = tk1.json("out/benchmarks.json"), tk1.json("theirs.json")
    assert ours["version"] == theirs["version"]
    for one, other in zip(ours["benchmarks"], theirs["benchmarks"], strict=True):
        assert one["stats"] == other["stats"]
        assert {key: one[key] for key in ("name", "fullname", "group", "params", "param")} == {
            key: other[key] for key in ("name", "fullname", "group", "params", "param")
        }


def test_a_cell_that_could_not_be_measured_is_in_neither(tk1: BenchProject) -> None:
    tk1.server.fault = lambda asked: out_of_memory() if asked.batch == 8 else None
    tk1.run(*SQUEEZENET, *FILES)
    assert list(tk1.json("out/bmf.json")) == ["tk1-squeezenet_v1.1-b1"]
    assert [one["param"] for one in tk1.json("out/benchmarks.json")["benchmarks"]] == ["tk1-squeezenet_v1.1-b1"]


def test_a_run_that_measured_nothing_gives_empty_files(tk1: BenchProject) -> None:
    tk1.run("--ddperf-models=vgg16", *FILES)
    assert tk1.json("out/bmf.json") == {}
    assert tk1.json("out/benchmarks.json")["benchmarks"] == []
