"""Servers that crash, run out of memory, hang and lie: the right verdict, and nothing else is touched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from faults import FAULTS, GOOGLENET_AND_SQUEEZENET, LARGE, Fault
from messages import assert_names
from scripted_deepdetect import internal_error, out_of_memory, service_not_found
from workers import plain_and_xdist

from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import BenchProject
    from scripted_deepdetect import Prediction
    from scripted_server import Reply

IN_WORKERS = (
    "The server is down at the start",
    "The server dies during the run, and is not back within `--ddperf-recovery-timeout`",
    "A hang that does not end within `--ddperf-recovery-timeout`",
    "HTTP 500 with DeepDetect's JSON",
    "Out of memory at a batch size without a baseline value",
    "The server dies at a batch size",
    "The service is replaced by another one of the same name between two cells",
    "Another client on the same service",
)
"""Faults that are played under xdist, too: one of each way in which a cell ends."""

PLAYED = [
    *(pytest.param(fault, (), id=f"{fault.name}-n0") for fault in FAULTS),
    *(
        pytest.param(fault, ("-n2",), id=f"{fault.name}-n2", marks=pytest.mark.slow)
        for fault in FAULTS
        if fault.name in IN_WORKERS
    ),
]


def test_the_faults_that_workers_meet_are_among_them() -> None:
    assert {fault.name for fault in FAULTS} >= set(IN_WORKERS)


def expected(fault: Fault) -> dict[str, str]:
    sizes = next((arg.partition("=")[2] for arg in fault.args if arg.startswith("--ddperf-batch-sizes=")), "1,8")
    cells = [f"tk1-{model}-b{size}" for model in ("googlenet", "squeezenet_v1.1") for size in sizes.split(",")]
    return {cell: fault.cells.get(cell, "ok") for cell in cells}


@pytest.mark.parametrize(("fault", "how"), PLAYED)
def test_a_fault_ends_in_its_verdict_and_the_other_cells_are_measured(
    tk1: BenchProject, fault: Fault, how: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    tk1.name_images(fault.names)
    fault.arrange(tk1.server)
    result = tk1.run(*GOOGLENET_AND_SQUEEZENET, *fault.args, *how)
    assert result.ret == fault.exit_status
    reported = capfd.readouterr().err  # what workers tell the person who waits
    output = " ".join((result.stdout.str() + result.stderr.str() + reported).split())
    assert fault.said in output
    assert "Traceback" not in output
    if fault.exit_status == pytest.ExitCode.USAGE_ERROR:
        assert tk1.histories() == []
        return
    assert tk1.verdicts() == {cell: verdict for cell, verdict in expected(fault).items() if verdict != "unavailable"}
    measured = {str(record.key) for record in tk1.records() if record.now_ms is not None}
    assert measured == {cell for cell, verdict in expected(fault).items() if verdict in {"ok", "new"}}


def test_a_line_about_a_fault_begins_a_line_with_q_too(tk1: BenchProject) -> None:
    fault = next(one for one in FAULTS if one.said == "is back after" and "--ddperf-recovery-timeout" in one.name)
    fault.arrange(tk1.server)
    lines = tk1.run(*GOOGLENET_AND_SQUEEZENET, *fault.args, "-q").outlines
    assert [line.startswith("ddperf: ") for line in lines if "stopped responding; waiting" in line] == [True]


def test_a_server_that_another_run_keeps_for_too_long_has_no_remedies_of_one_that_is_down(tk1: BenchProject) -> None:
    other = ServerLock(identify_server(tk1.server.url))
    assert other.acquire_at_once()
    result = tk1.run(*GOOGLENET_AND_SQUEEZENET, "--ddperf-lock-wait=0.1")
    other.release()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "no server to measure", "Another run", "--ddperf-lock-wait=SECONDS")
    assert "--ddperf-wait=SECONDS" not in f"{result.stderr}{result.stdout}"


@plain_and_xdist
def test_nothing_is_predicted_beside_a_prediction_that_was_given_up(
    tk1: BenchProject, how: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    asked_s: list[float] = []
    tk1.server.works_s = lambda prediction: 1.2 if prediction.number == 9 else 0.0
    tk1.server.fault = lambda _: asked_s.append(time.monotonic())
    result = tk1.run(*GOOGLENET_AND_SQUEEZENET, "--ddperf-timeout=0.4", "--ddperf-recovery-timeout=20", *how)
    assert tk1.verdicts()[LARGE] == "error"
    assert asked_s[9] - asked_s[8] >= 1.2
    assert all(one.measurement is None or one.measurement.exclusive for one in tk1.records())
    output = " ".join((result.stdout.str() + result.stderr.str() + capfd.readouterr().err).split())
    assert_names(output, "still running a prediction of googlenet", "20 s")
    assert_names(output, "finished a prediction of googlenet")


class TestInfraExitCode:
    """--ddperf-infra-exit-code: a server that failed is not a model that is slower."""

    CODE = "--ddperf-infra-exit-code=75"

    @plain_and_xdist
    def test_is_the_status_where_only_a_server_failed(self, tk1: BenchProject, how: tuple[str, ...]) -> None:
        tk1.server.fault = lambda prediction: internal_error() if prediction.batch > 1 else None
        result = tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE, *how)
        assert result.ret == 75
        assert set(tk1.verdicts().values()) == {"ok", "error"}
        assert tk1.histories()[-1].exit_status == 1

    def test_is_the_status_where_a_server_died(self, tk1: BenchProject) -> None:
        tk1.server.fault = lambda prediction: tk1.server.die() if prediction.number == 9 else None
        assert tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE).ret == 75

    def test_is_not_where_a_cell_regressed_too(self, tk1: BenchProject) -> None:
        tk1.server.fault = lambda prediction: internal_error() if prediction.service == "googlenet" else None
        tk1.server.slow("squeezenet_v1.1", 8, 1.5)
        assert tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE).ret == pytest.ExitCode.TESTS_FAILED

    def test_is_not_where_a_cell_does_not_fit_any_more(self, tk1: BenchProject) -> None:
        tk1.server.fault = lambda prediction: out_of_memory() if prediction.batch > 1 else None
        assert tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE).ret == pytest.ExitCode.TESTS_FAILED

    def test_is_not_where_another_test_failed(self, tk1: BenchProject) -> None:
        tk1.server.fault = lambda _: internal_error()
        (tk1.path / "benchmarks" / "test_z.py").write_text("def test_other(): assert False\n", encoding="utf-8")
        assert tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE).ret == pytest.ExitCode.TESTS_FAILED

    @plain_and_xdist
    def test_is_the_status_where_no_server_responds(self, tk1: BenchProject, how: tuple[str, ...]) -> None:
        tk1.server.close()
        result = tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE, *how)
        assert result.ret == 75
        assert_names(result, "no server to measure", f"(server {tk1.server.url}). Start it")

    def test_is_not_the_status_of_a_wrong_option(self, tk1: BenchProject) -> None:
        result = tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE, "--ddperf-npasses=0")
        assert result.ret == pytest.ExitCode.USAGE_ERROR

    @pytest.mark.parametrize(
        "arguments", [("-k", "resnet999"), ("--ddperf-missing-service=skip", "--ddperf-service=none_{model}")]
    )
    def test_is_the_status_where_nothing_was_measured(self, tk1: BenchProject, arguments: tuple[str, ...]) -> None:
        assert tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE, *arguments).ret == 75

    def test_is_the_status_where_a_cell_is_unstable(self, tk1: BenchProject) -> None:
        steady, of_rounds = tk1.server.latency_ms, [1.4, 1.4, 1.02, 1.4, 1.4, 1.4]
        factors = iter([factor for factor in of_rounds for _ in range(6)])  # a warm-up and five passes
        tk1.server.latency_ms = lambda service, batch: steady(service, batch) * next(factors)
        result = tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=8", self.CODE)
        assert set(tk1.verdicts().values()) == {"unstable"}
        assert result.ret == 75
        assert tk1.histories()[-1].exit_status == 0

    def test_is_not_where_all_is_well(self, tk1: BenchProject) -> None:
        assert tk1.run(*GOOGLENET_AND_SQUEEZENET, self.CODE).ret == pytest.ExitCode.OK


def test_what_was_measured_of_a_cell_before_its_server_failed_is_kept(tk1: BenchProject) -> None:
    tk1.server.slow("googlenet", 8, 1.5)  # measured again at the end, and then the server fails
    tk1.server.fault = lambda prediction: internal_error() if prediction.number > 4 * 6 else None
    tk1.run(*GOOGLENET_AND_SQUEEZENET)
    record = next(one for one in tk1.records() if str(one.key) == LARGE)
    assert record.outcome == "error"
    assert record.measurement is not None
    assert len(record.measurement.rounds) == 1


def test_cells_after_a_change_of_version_say_so_and_carry_the_new_one(tk1: BenchProject) -> None:
    def fault(prediction: Prediction) -> None:
        if prediction.number == 9:
            tk1.server.be_version("v0.29.0")

    tk1.server.fault = fault
    tk1.run(*GOOGLENET_AND_SQUEEZENET)
    versions = {str(one.key): one.server.version for one in tk1.records() if one.server is not None}
    assert versions == {
        "tk1-googlenet-b1": "v0.28.0",
        LARGE: "v0.29.0",
        "tk1-squeezenet_v1.1-b1": "v0.29.0",
        "tk1-squeezenet_v1.1-b8": "v0.29.0",
    }
    noted = {str(one.key) for one in tk1.records() if any("version changed" in note for note in one.notes)}
    assert noted == set(versions) - {"tk1-googlenet-b1"}


def test_a_service_that_the_run_created_is_created_again_after_an_outage_and_compared_there(tk1: BenchProject) -> None:
    for name in list(tk1.server.services):
        tk1.server.forget_service(name)
    died: list[int] = []

    def fault(prediction: Prediction) -> Reply | None:
        if prediction.service == "googlenet" and prediction.batch == 8 and not died:
            died.append(prediction.number)
            for name in list(tk1.server.services):
                tk1.server.forget_service(name)
            return tk1.server.die(0.2)
        return None

    tk1.server.fault = fault
    tk1.run(*GOOGLENET_AND_SQUEEZENET, "--ddperf-repository=/srv/models/{model}", "--ddperf-recovery-timeout=20")
    assert tk1.verdicts() == {
        "tk1-googlenet-b1": "ok",
        LARGE: "crashed",
        "tk1-squeezenet_v1.1-b1": "ok",
        "tk1-squeezenet_v1.1-b8": "ok",
    }
    after = [(one.service, one.batch) for one in tk1.server.predictions[died[0] :]]
    assert after[0] == ("googlenet", 1)  # compared before the next cell is believed
    assert tk1.server.services == []


def dies_and_then_loses_googlenet(tk1: BenchProject) -> Callable[[Prediction], Reply | None]:
    """The server dies at googlenet's 8 images; when it is asked whether it is to be believed, googlenet is deleted."""
    died: list[int] = []
    deleted: list[int] = []

    def fault(prediction: Prediction) -> Reply | None:
        if prediction.service == "googlenet" and prediction.batch == 8 and not died:
            died.append(prediction.number)
            return tk1.server.die(0.2)
        if died and prediction.service == "googlenet" and not deleted:
            deleted.append(prediction.number)
            tk1.server.forget_service("googlenet")
            return service_not_found()
        return None

    return fault


def test_a_service_that_vanishes_while_it_is_compared_after_an_outage_is_made_anew(tk1: BenchProject) -> None:
    tk1.server.fault = dies_and_then_loses_googlenet(tk1)
    created = "--ddperf-repository=/srv/models/{model}"
    result = tk1.run(*GOOGLENET_AND_SQUEEZENET, created, "--ddperf-recovery-timeout=20")
    assert tk1.verdicts() == {
        "tk1-googlenet-b1": "ok",
        LARGE: "crashed",
        "tk1-squeezenet_v1.1-b1": "ok",
        "tk1-squeezenet_v1.1-b8": "ok",
    }
    assert_names(result, "googlenet was deleted", "recreated")


def test_where_it_cannot_be_made_anew_the_cells_that_nothing_vouches_for_say_so(tk1: BenchProject) -> None:
    tk1.server.fault = dies_and_then_loses_googlenet(tk1)
    result = tk1.run(*GOOGLENET_AND_SQUEEZENET, "--ddperf-recovery-timeout=20", "--ddperf-missing-service=skip")
    assert tk1.verdicts() == {
        "tk1-googlenet-b1": "ok",
        LARGE: "crashed",
        "tk1-squeezenet_v1.1-b1": "error",
        "tk1-squeezenet_v1.1-b8": "error",
    }
    assert_names(result, "no service left")


STEPPING = """
import itertools
import time
from types import SimpleNamespace
import pytest

READ = []

def wall_clock():
    READ.append(1)
    return time.time() - (3600 if len(READ) > 4 else 0)

@pytest.fixture(scope="session", autouse=True)
def stepping():
    clocks = SimpleNamespace(time=wall_clock, monotonic=time.monotonic, sleep=time.sleep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_ddperf.runner.cell_attempt.time", clocks)
        yield
"""


def test_a_clock_that_is_set_back_an_hour_changes_no_verdict(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "conftest.py").write_text(STEPPING, encoding="utf-8")
    assert tk1.run(*GOOGLENET_AND_SQUEEZENET).ret == pytest.ExitCode.OK
    assert set(tk1.verdicts().values()) == {"ok"}
    began = [one.measurement.rounds[0].started_s for one in tk1.records() if one.measurement is not None]
    assert began != sorted(began)


@pytest.mark.slow
def test_two_runs_at_once_keep_their_cells_in_files_of_their_own(tk1: BenchProject) -> None:
    tk1.server._delay_s = 0.01
    both = [tk1.start(*GOOGLENET_AND_SQUEEZENET) for _ in range(2)]
    outputs = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    first, second = tk1.histories()
    for run in (first, second):
        assert {str(one.key): str(one.outcome) for one in run.records} == dict.fromkeys(
            ("tk1-googlenet-b1", LARGE, "tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b8"), "ok"
        )
        assert run.broken == ()
    assert tk1.server.most_concurrent == 1
