"""Cells under load: several clients at once, and requests at a given rate; apart from plain latency everywhere."""

from __future__ import annotations

import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import BenchProject, TableServer
from messages import assert_names
from scripted_deepdetect import internal_error, out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripted_server import Reply, Request

CELL = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1")
PLAIN = "tk1-squeezenet_v1.1-b1"
FEW = "--ddperf-load-requests=2"
RATE = "--ddperf-rate=200"


class Together(TableServer):
    """Answers predictions under load only when so many are under way at once; fewer would never be answered."""

    def __init__(self, clients: int) -> None:
        self._meeting = threading.Barrier(clients)
        self.together = False
        super().__init__("tk1")

    def _respond(self, request: Request) -> Reply:
        if self.together and request.method == "POST":
            self._meeting.wait(10)
        return super()._respond(request)


class OneByOne(TableServer):
    """Works on one prediction at a time, each really taking 20 ms: more than 50 a second are too many for it."""

    def __init__(self) -> None:
        super().__init__("tk1")
        table = self.latency_ms
        self.takes_s = 0.02

        def latency_ms(service: str, batch: int) -> float:
            time.sleep(self.takes_s)
            return table(service, batch)

        self.latency_ms = latency_ms


@pytest.fixture
def busy() -> Iterator[OneByOne]:
    with OneByOne() as server:
        yield server


@pytest.fixture
def one_by_one(pytester: pytest.Pytester, busy: OneByOne) -> BenchProject:
    return BenchProject(pytester, busy)


def extra(tk1: BenchProject, scenario: str) -> Any:  # noqa: ANN401 - JSON
    """What pytest-benchmark's JSON says of a cell."""
    (found,) = [
        one["extra_info"] for one in tk1.json("out.json")["benchmarks"] if one["extra_info"]["scenario"] == scenario
    ]
    return found


def test_load_is_measured_only_where_it_is_asked_for_beside_the_plain_cells(tk1: BenchProject) -> None:
    assert tk1.run(*CELL).ret == 0
    assert list(tk1.verdicts()) == [PLAIN]
    assert tk1.run(*CELL, "--ddperf-concurrency=1,4", RATE).ret == 0
    assert tk1.verdicts() == {PLAIN: "ok", f"{PLAIN}-c1": "new", f"{PLAIN}-c4": "new", f"{PLAIN}-r200": "new"}


def test_so_many_clients_are_at_the_server_at_once(pytester: pytest.Pytester) -> None:
    with Together(4) as server:
        project = BenchProject(pytester, server)
        assert project.run(*CELL, FEW, "--ddperf-concurrency=4", "-k", "not c4").ret == 0
        server.together = True
        assert project.run(*CELL, FEW, "--ddperf-concurrency=4", "-k", "c4").ret == 0
        assert server.most_concurrent == 4


def test_the_ini_the_environment_and_the_platform_file_name_loads_too(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    tk1.ini(ddperf_concurrency="2", ddperf_load_requests="2")
    assert tk1.run(*CELL).ret == 0
    assert list(tk1.verdicts()) == [PLAIN, f"{PLAIN}-c2"]
    (tk1.path / "ddperf.toml").write_text("[platforms.tk1]\nconcurrency = [3]\n", encoding="utf-8")
    assert tk1.run(*CELL).ret == 0
    assert list(tk1.verdicts()) == [PLAIN, f"{PLAIN}-c3"]
    monkeypatch.setenv("DDPERF_CONCURRENCY", "1")
    assert tk1.run(*CELL).ret == 0
    assert list(tk1.verdicts()) == [PLAIN, f"{PLAIN}-c1"]


def test_a_test_of_one_s_own_may_ask_for_its_loads(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_predict.py").write_text(
        "import pytest\n\n\n"
        "@pytest.mark.ddperf(models=['squeezenet_v1.1'], batch_sizes=[1], concurrency=[2], rate=[200])\n"
        "def test_load(ddperf):\n"
        "    assert len(ddperf.measure().load) == 5\n",
        encoding="utf-8",
    )
    assert tk1.run(FEW).ret == 0
    assert list(tk1.verdicts()) == [f"{PLAIN}-c2", f"{PLAIN}-r200"]


def test_throughput_and_percentiles_are_in_the_terminal_the_json_and_the_history(tk1: BenchProject) -> None:
    result = tk1.run(*CELL, "--ddperf-concurrency=1,8", "--benchmark-json=out.json")
    assert result.ret == 0
    said = " ".join(result.stdout.str().split())
    assert_names(said, "tk1", "More than one client")
    assert re.search(r"squeezenet_v1.1 b1, 1 client: \S+ images/s new p50 \S+ \(\S+ to \S+\), p90 ", said)
    assert_names(said, "50 requests", "p95 and p99", "squeezenet_v1.1 b1, 8 clients")
    assert re.search(r"p99 \S+ \(\S+ to \S+\) ms; 400 requests", said)
    one, eight = extra(tk1, "c1"), extra(tk1, "c8")
    assert [each["percent"] for each in one["load"]["percentiles"]] == [50, 90]
    assert [each["percent"] for each in eight["load"]["percentiles"]] == [50, 90, 95, 99]
    assert one["load"]["requests"] == 50
    assert eight["images_per_second"] == pytest.approx(1000 / eight["ms_per_image"])
    assert eight["conditions"]["clock"] == "client"
    records = {record.key.scenario: record for record in tk1.records()}
    stored = records["c8"].measurement
    assert stored is not None
    assert [len(each.latencies_ms) for each in stored.load] == [80] * 5
    plain = records[""].measurement
    assert plain is not None
    assert plain.load == ()


def test_what_was_answered_at_a_rate_is_reported(tk1: BenchProject) -> None:
    assert tk1.run(*CELL, RATE, "--benchmark-json=out.json").ret == 0
    found = extra(tk1, "r200")
    assert (found["load"]["asked_per_second"], found["load"]["requests"]) == (200.0, 200)
    assert found["images_per_second"] == found["load"]["requests_per_second"]
    assert all(one["due_s"] > 0 for one in found["load_passes"])


def test_a_server_that_does_not_keep_up_is_said_to(one_by_one: BenchProject) -> None:
    result = one_by_one.run(*CELL, "--ddperf-rate=1000", "--ddperf-load-requests=20", "--benchmark-json=out.json")
    assert result.ret == 0
    load = extra(one_by_one, "r1000")["load"]
    assert load["kept_up"] is False
    assert load["requests_per_second"] < 60
    assert load["outstanding"] > 10
    said = " ".join(result.stdout.str().split())
    assert_names(said, "1000 requests per second")
    assert any("did not keep up" in note for record in one_by_one.records() for note in record.notes)


def test_a_server_that_falls_too_far_behind_fails_the_cell(one_by_one: BenchProject, busy: OneByOne) -> None:
    busy.takes_s = 0.005
    result = one_by_one.run(*CELL, "--ddperf-rate=5000", "--ddperf-load-requests=900", "--ddperf-timeout=2")
    assert result.ret == 1
    assert one_by_one.verdicts() == {PLAIN: "ok", f"{PLAIN}-r5000": "error"}
    assert_names(result, "could not be measured", "5000 requests per second")


def test_a_request_that_fails_under_load_fails_that_cell_alone(tk1: BenchProject) -> None:
    tk1.server.fault = lambda prediction: internal_error() if prediction.number == 20 else None
    result = tk1.run(*CELL, "--ddperf-concurrency=1,4", FEW)
    assert result.ret == 1
    assert tk1.verdicts() == {PLAIN: "ok", f"{PLAIN}-c1": "new", f"{PLAIN}-c4": "error"}
    assert_names(result, f"{PLAIN}-c4", "could not be measured", "4 clients", "dd_code 1007")


def test_a_wrong_answer_under_load_fails_the_cell(tk1: BenchProject) -> None:
    tk1.server.wrong = lambda prediction, predictions: [] if prediction.number == 20 else predictions
    assert tk1.run(*CELL, "--ddperf-concurrency=4", FEW).ret == 1
    assert tk1.verdicts()[f"{PLAIN}-c4"] == "error"


def test_memory_that_several_clients_exhaust_is_no_unavailable_cell(tk1: BenchProject) -> None:
    tk1.server.fault = lambda prediction: out_of_memory() if prediction.number == 10 else None
    result = tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1", "--ddperf-concurrency=2", FEW)
    assert result.ret == 1
    assert tk1.verdicts() == {PLAIN: "ok", f"{PLAIN}-c2": "oom"}


def test_what_the_baseline_marks_x_is_not_run_under_load_either(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=vgg16", "--ddperf-batch-sizes=1", "--ddperf-concurrency=2", "-rs")
    result.assert_outcomes(skipped=2)
    assert tk1.server.predictions == []


@pytest.mark.slow
def test_it_is_gated_against_what_was_recorded_of_the_same_load_never_against_a_plain_cell(tk1: BenchProject) -> None:
    loads = (*CELL, "--ddperf-concurrency=2", "--ddperf-rate=100", FEW, "--ddperf-tolerance=150%")
    tk1.server._delay_s = 0.01
    assert tk1.run(*loads, "--ddperf-update-baselines").ret == 0
    recorded = {one["param"] for one in tk1.json("baselines/tk1.json")["benchmarks"]}
    assert recorded == {PLAIN, f"{PLAIN}-c2", f"{PLAIN}-r100"}
    assert tk1.run(*loads).ret == 0
    assert set(tk1.verdicts().values()) == {"ok"}
    tk1.server._delay_s = 0.08
    result = tk1.run(*loads)
    assert result.ret == 1
    assert tk1.verdicts() == {PLAIN: "ok", f"{PLAIN}-c2": "regressed", f"{PLAIN}-r100": "regressed"}
    assert_names(result, "squeezenet_v1.1, batch size 1", "tk1", "2 clients", "regressed")
    assert tk1.run(*loads[:-2], "--ddperf-load-requests=3", "-k", "c2").ret == 0
    assert tk1.verdicts() == {f"{PLAIN}-c2": "new"}  # other passes: there is nothing to compare with


def test_what_was_recorded_under_load_is_not_missed_by_a_run_without(tk1: BenchProject) -> None:
    matrix = ("--ddperf-concurrency=2", FEW)
    (tk1.path / "ddperf.toml").write_text(
        '[platforms.tk1]\nmodels = ["squeezenet_v1.1"]\nbatch_sizes = [1]\n', encoding="utf-8"
    )
    assert tk1.run(*matrix, "--ddperf-update-baselines").ret == 0
    assert "not measured" not in tk1.run().stdout.str()


@pytest.mark.slow
def test_side_by_side_workers_measure_loads_as_one_process_does(tk1: BenchProject) -> None:
    assert tk1.run(*CELL, "--ddperf-concurrency=2", "--ddperf-rate=200.5", FEW, "-n", "1").ret == 0
    assert tk1.verdicts() == {PLAIN: "ok", f"{PLAIN}-c2": "new", f"{PLAIN}-r200.5": "new"}


def test_benchmark_disable_makes_one_prediction_of_a_cell_under_load(tk1: BenchProject) -> None:
    assert tk1.run(*CELL, "--ddperf-concurrency=4", "--benchmark-disable").ret == 0
    assert len(tk1.server.predictions) == 2


@pytest.mark.usefixtures("placeholder_figures")
def test_reports_and_figures_show_them(tk1: BenchProject) -> None:
    reports = [f"--ddperf-report=r.{ending}" for ending in ("md", "html", "csv", "json")]
    assert tk1.run(*CELL, "--ddperf-concurrency=1,2", RATE, *reports).ret == 0
    figures = tk1.path / "r_figures"
    for name in ("concurrency/tk1/squeezenet_v1.1_b1", "rate/tk1/squeezenet_v1.1_b1"):
        assert (figures / f"{name}.png").is_file()
    for ending in ("md", "html"):
        assert "Measured under load" in (tk1.path / f"r.{ending}").read_text(encoding="utf-8")
    cells = {one["scenario"]: one for one in tk1.json("r.json")["cells"] if one["now_ms"]}
    assert set(cells) == {"", "c1", "c2", "r200"}
    assert cells["c1"]["p50_low_ms"] <= cells["c1"]["p50_ms"] <= cells["c1"]["p50_high_ms"]
    assert cells["c1"]["p99_ms"] is None
    assert cells[""]["p50_ms"] is None


@pytest.mark.slow
def test_ctrl_c_under_load_ends_the_run_and_keeps_what_was_measured(tk1: BenchProject) -> None:
    tk1.server._delay_s = 0.2
    running = tk1.start(*CELL, "--ddperf-concurrency=4", "--ddperf-load-requests=1000")
    until_s = time.monotonic() + 60
    while len(tk1.server.predictions) < 20 and time.monotonic() < until_s:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == pytest.ExitCode.INTERRUPTED, said
    assert tk1.verdicts() == {PLAIN: "ok"}
    assert len(tk1.server.predictions) < 200


@pytest.mark.slow
def test_the_embedded_server_is_measured_under_load(pytester: pytest.Pytester, tk1: BenchProject) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")
    (tk1.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    result = pytester.runpytest_inprocess(
        "benchmarks", *CELL, "--ddperf-threads=1", "--ddperf-concurrency=1,2", "--ddperf-rate=5",
        "--ddperf-load-requests=8", "--ddperf-npasses=2", "--benchmark-json=out.json",
    )  # fmt: skip
    assert result.ret == 0
    assert tk1.verdicts() == {
        "local-squeezenet_v1.1-b1": "new",
        "local-squeezenet_v1.1-b1-c1": "new",
        "local-squeezenet_v1.1-b1-c2": "new",
        "local-squeezenet_v1.1-b1-r5": "new",
    }
    for scenario, requests in (("c1", 16), ("c2", 32), ("r5", 16)):
        found = extra(tk1, scenario)
        assert found["exclusive"] is True
        assert found["load"]["requests"] == requests
        assert found["load"]["percentiles"][0]["percent"] == 50
    assert extra(tk1, "r5")["load"]["asked_per_second"] == 5.0
