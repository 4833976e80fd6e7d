"""What ddperf.toml says of a platform's board: its server, its sensors, and the commands around its cells."""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import board_files
import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from board_files import FakeBoard
from messages import assert_names
from real_sshd import HOST, RealSshd

if TYPE_CHECKING:
    from pytest_ddperf.core.telemetry import Telemetry

ONE = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8")
CERTIFICATE = Path(__file__).parents[1] / "data" / "127.0.0.1.pem"


def platform_file(project: BenchProject, *lines: str, platform: str = "tk1", url: str = "") -> None:
    """Add a platform to the project's ddperf.toml."""
    text = "\n".join([f"[platforms.{platform}]", f'url = "{url or project.server.url}"', *lines, ""])
    with (project.path / "ddperf.toml").open("a", encoding="utf-8") as file:
        file.write(text)


def from_file(project: BenchProject, *args: str) -> pytest.RunResult:
    """A run that has everything of its platform from ddperf.toml."""
    return project.bare("benchmarks", "--platform=tk1", *args)


def test_a_variable_that_is_not_set_is_a_usage_error(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TK1_USER", raising=False)
    platform_file(tk1, 'user_env = "TK1_USER"')
    result = from_file(tk1, *ONE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ERROR: ddperf:", "tk1", "user_env", "TK1_USER")
    assert tk1.server.predictions == []


def test_a_server_s_own_certificate_is_trusted_where_it_is_named(pytester: pytest.Pytester) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    with TableServer("tk1", tls=tls) as server:
        project = BenchProject(pytester, server)
        (project.path / "board.pem").write_bytes(CERTIFICATE.read_bytes())
        platform_file(project, 'ca_file = "board.pem"')
        from_file(project, *ONE).assert_outcomes(passed=1)
        result = from_file(project, *ONE, "--ddperf-ca-file=no.pem")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert_names(result, "no.pem")


def created(server: TableServer) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests if request.method == "PUT"]


def test_services_are_created_in_the_datatype_that_is_asked_for(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=()) as server:
        project = BenchProject(pytester, server)
        platform_file(project, 'datatype = "fp16"', 'mllib = "ncnn"', 'repository = "/models/{model}"')
        from_file(project, *ONE).assert_outcomes(passed=1)
        assert [body["parameters"]["mllib"]["datatype"] for body in created(server)] == ["fp16"]
        (record,) = project.records()
        assert record.measurement is not None
        assert record.measurement.conditions.datatype == "fp16"


def log_to(project: BenchProject, name: str) -> str:
    return f'["echo {name} >> {project.path}/log"]'


def logged(project: BenchProject) -> list[str]:
    path = project.path / "log"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def test_commands_run_before_and_after_the_cells(tk1: BenchProject) -> None:
    platform_file(tk1, f"before = {log_to(tk1, 'before')}", f"after = {log_to(tk1, 'after')}")
    from_file(tk1, *SQUEEZENET).assert_outcomes(passed=2)
    assert logged(tk1) == ["before", "after"]


@pytest.mark.slow
def test_under_xdist_they_run_in_the_worker_once(tk1: BenchProject) -> None:
    platform_file(tk1, f"before = {log_to(tk1, 'before')}", f"after = {log_to(tk1, 'after')}")
    from_file(tk1, *SQUEEZENET, "-n2").assert_outcomes(passed=2)
    assert logged(tk1) == ["before", "after"]


@pytest.mark.slow
def test_a_server_that_a_command_starts_may_be_down_before(tk1: BenchProject) -> None:
    platform_file(tk1, f"before = {log_to(tk1, 'before')}", url="http://127.0.0.1:9")
    result = from_file(tk1, *ONE, "-n1")
    result.assert_outcomes(failed=1)
    assert logged(tk1) == ["before"]


def test_a_command_that_fails_makes_errors_of_its_platform_s_cells_and_the_others_run(
    tk1: BenchProject, tx1: TableServer
) -> None:
    platform_file(tk1, 'before = ["echo no such clock; exit 3"]', f"after = {log_to(tk1, 'after')}")
    platform_file(tk1, platform="tx1", url=tx1.url)
    result = tk1.bare("benchmarks", "--platform=tk1,tx1", *ONE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "error", "tx1-squeezenet_v1.1-b8": "ok"}
    assert_names(result, "exit 3", "status 3", "no such clock")
    assert tk1.server.requests == []
    assert logged(tk1) == ["after"]


def test_of_the_only_platform_too(tk1: BenchProject) -> None:
    platform_file(tk1, 'before = ["exit 3"]')
    result = from_file(tk1, *ONE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "error"}


@pytest.mark.slow
def test_the_commands_after_the_cells_run_after_ctrl_c_too(tk1: BenchProject) -> None:
    platform_file(tk1, f"before = {log_to(tk1, 'before')}", f"after = {log_to(tk1, 'after')}")
    tk1.server.latency_ms = lambda *_: time.sleep(0.2) or 1.0  # type: ignore[func-returns-value]
    process = tk1.start("--ddperf-models=squeezenet_v1.1")
    while not tk1.server.predictions:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert logged(tk1) == ["before", "after"]
    process.communicate()


@pytest.mark.slow
def test_they_run_after_a_worker_died_too(tk1: BenchProject, jetson: FakeBoard) -> None:
    before = f'["echo $PPID > {tk1.path}/worker"]'
    platform_file(tk1, 'telemetry = "local"', "nvpmodel = 0", f"before = {before}", f"after = {log_to(tk1, 'after')}")

    def kill_the_worker(*_: object) -> float:
        os.kill(int((tk1.path / "worker").read_text(encoding="utf-8")), signal.SIGKILL)
        return 1.0

    tk1.server.latency_ms = kill_the_worker
    arguments = ("benchmarks", "--platform=tk1", *ONE, "-n1", "--max-worker-restart=0", "--ddperf-tune")
    assert tk1.pytester.runpytest_subprocess(*arguments).ret != pytest.ExitCode.OK
    assert logged(tk1) == ["after"]
    assert jetson.state == ("1", "usual")


@pytest.mark.slow
def test_they_run_once_after_ctrl_c_under_xdist(tk1: BenchProject) -> None:
    platform_file(tk1, f"before = {log_to(tk1, 'before')}", f"after = {log_to(tk1, 'after')}")
    tk1.server.latency_ms = lambda *_: time.sleep(0.2) or 1.0  # type: ignore[func-returns-value]
    process = tk1.start("--ddperf-models=squeezenet_v1.1", "-n1")
    while not tk1.server.predictions:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert logged(tk1) == ["before", "after"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the sensors of the board are looked for."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("DDPERF_SYSFS_ROOT", str(folder))
    return folder


def telemetry_of(project: BenchProject) -> Telemetry:
    (record,) = project.records()
    assert record.measurement is not None
    assert record.measurement.telemetry is not None
    return record.measurement.telemetry


def test_what_the_sensors_said_is_kept_with_the_cell(tk1: BenchProject, root: Path) -> None:
    board_files.tx1(root)
    platform_file(tk1, 'telemetry = "local"')
    from_file(tk1, *ONE, "--benchmark-json=out.json").assert_outcomes(passed=1)
    kept = telemetry_of(tk1)
    assert kept.temperature_c["GPU-therm"].mean == 39.0
    assert kept.power_w["VDD_IN"].most == pytest.approx(2.532)
    (benchmark,) = tk1.json("out.json")["benchmarks"]
    assert benchmark["extra_info"]["telemetry"]["clock_mhz"]["gpu"]["mean"] == pytest.approx(998.4)


def test_without_a_source_nothing_is_read(tk1: BenchProject) -> None:
    tk1.run(*ONE)
    (record,) = tk1.records()
    assert record.measurement is not None
    assert record.measurement.telemetry is None


def test_a_history_from_before_telemetry_is_still_read(tk1: BenchProject) -> None:
    tk1.run(*ONE)
    (path,) = (tk1.path / ".ddperf").glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    del lines[1]["measurement"]["telemetry"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (run,) = tk1.histories()
    assert not run.broken
    assert len(run.records) == 1


def test_a_cell_measured_while_the_board_throttled_is_invalid_and_never_regressed(
    tk1: BenchProject, root: Path
) -> None:
    board_files.raspberry(root, "50005")
    platform_file(tk1, 'telemetry = "local"')
    tk1.server.slow("squeezenet_v1.1", 8, 3.0)
    result = from_file(tk1, *ONE)
    result.assert_outcomes(failed=1)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "invalid"}
    (record,) = tk1.records()
    assert_names(record.reason, "invalid", "throttled")
    assert "under-voltage" in record.reason
    assert len(tk1.server.predictions) == 4 * 6  # three times more, as any invalid round


@pytest.mark.slow
def test_a_round_that_is_measured_again_after_the_throttling_counts(tk1: BenchProject, root: Path) -> None:
    board = board_files.raspberry(root, "4")
    platform_file(tk1, 'telemetry = "local"')
    usual = tk1.server.latency_ms

    def slower_while_throttled(service: str, batch_size: int) -> float:
        if len(tk1.server.predictions) == 7:  # the second round has begun
            board.write(board_files.THROTTLED, "40000")
            time.sleep(3)
        return usual(service, batch_size) * (1 if len(tk1.server.predictions) >= 7 else 3)

    tk1.server.latency_ms = slower_while_throttled
    from_file(tk1, *ONE).assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "ok"}
    assert telemetry_of(tk1).throttled == ("throttled by the firmware",)


def test_what_happened_before_the_run_makes_nothing_invalid(tk1: BenchProject, root: Path) -> None:
    board_files.raspberry(root, "50000")
    platform_file(tk1, 'telemetry = "local"')
    from_file(tk1, *ONE).assert_outcomes(passed=1)
    assert_names(telemetry_of(tk1).notes, "booted: under-voltage")


def test_a_board_that_ssh_cannot_reach_is_measured_without_its_sensors(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDPERF_SSH_COMMAND", "false")
    platform_file(tk1, 'telemetry = "ssh:no-such-board"')
    result = from_file(tk1, *ONE)
    result.assert_outcomes(passed=1)
    assert_names(result, "ddperf: tk1:", "sensors", "ssh:no-such-board", "status 1")
    assert telemetry_of(tk1).notes == ("no sensor readings: ssh:no-such-board ended with status 1",)


@pytest.mark.slow
def test_under_xdist_the_worker_reads_the_sensors_over_a_real_sshd(
    tk1: BenchProject, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board_files.tk1(root)
    (tmp_path / "ssh").mkdir()
    with RealSshd(tmp_path / "ssh", {"PATH": "/usr/bin:/bin"}) as sshd:
        monkeypatch.setenv("DDPERF_SSH_COMMAND", sshd.command)
        platform_file(tk1, f'telemetry = "ssh:{HOST}"')
        result = from_file(tk1, *ONE, "-n1")
    result.assert_outcomes(passed=1)
    assert telemetry_of(tk1).temperature_c["CPU-therm"].mean == 36.0


def test_a_source_that_is_none_is_a_usage_error(tk1: BenchProject) -> None:
    platform_file(tk1, 'telemetry = "telnet:tk1"')
    result = from_file(tk1, *ONE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ddperf.toml, line 3", "telemetry", "telnet:tk1", "ssh:HOST")


@pytest.fixture
def jetson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    """A Jetson in power mode 1 with its usual clocks; its tools are in front of PATH."""
    board = FakeBoard(tmp_path)
    board.jetson()
    monkeypatch.setenv("DDPERF_SYSFS_ROOT", str(board.root))
    monkeypatch.setenv("PATH", f"{board.tools}:{os.environ['PATH']}")
    return board


def test_clocks_are_changed_only_when_asked_for(tk1: BenchProject, jetson: FakeBoard) -> None:
    platform_file(tk1, 'telemetry = "local"', "nvpmodel = 0")
    from_file(tk1, *ONE).assert_outcomes(passed=1)
    assert not (jetson.folder / "calls").exists()


def test_tuned_clocks_are_high_while_cells_are_measured_and_put_back(tk1: BenchProject, jetson: FakeBoard) -> None:
    platform_file(tk1, 'telemetry = "local"', "nvpmodel = 0")
    usual = tk1.server.latency_ms
    seen: set[tuple[str, str]] = set()

    def latency_ms(service: str, batch_size: int) -> float:
        seen.add(jetson.state)
        return usual(service, batch_size)

    tk1.server.latency_ms = latency_ms
    result = from_file(tk1, *ONE, "--ddperf-tune")
    result.assert_outcomes(passed=1)
    assert seen == {("0", "highest")}
    assert jetson.state == ("1", "usual")
    assert_names(result, "ddperf: tk1:", "nvpmodel -m 0", "jetson_clocks", "nvpmodel -m 1")
    assert "tuned: nvpmodel -m 0, jetson_clocks" in telemetry_of(tk1).notes


@pytest.mark.slow
def test_they_are_put_back_after_ctrl_c(tk1: BenchProject, jetson: FakeBoard) -> None:
    platform_file(tk1, 'telemetry = "local"', "nvpmodel = 0")
    tk1.server.latency_ms = lambda *_: time.sleep(0.2) or 1.0  # type: ignore[func-returns-value]
    process = tk1.start("--ddperf-models=squeezenet_v1.1", "--ddperf-tune")
    while not tk1.server.predictions:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    assert jetson.state == ("0", "highest")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert jetson.state == ("1", "usual")
    process.communicate()


def test_they_are_put_back_after_a_failure(tk1: BenchProject, jetson: FakeBoard) -> None:
    platform_file(tk1, 'telemetry = "local"', "nvpmodel = 0", 'after = ["exit 3"]')
    tk1.server.slow("squeezenet_v1.1", 8, 3)
    assert from_file(tk1, *ONE, "--ddperf-tune").ret == pytest.ExitCode.TESTS_FAILED
    assert jetson.state == ("1", "usual")


def test_a_clock_that_cannot_be_set_makes_errors_of_the_cells(tk1: BenchProject, jetson: FakeBoard) -> None:
    platform_file(tk1, 'telemetry = "local"', "nvpmodel = 0")
    jetson.tool("jetson_clocks", "echo no root; exit 1")
    from_file(tk1, *ONE, "--ddperf-tune")
    (record,) = tk1.records()
    assert record.outcome == "error"
    assert "clocks stored: no root" in record.reason


def test_tuning_a_board_that_nobody_knows_the_way_to_is_a_usage_error(tk1: BenchProject) -> None:
    platform_file(tk1)
    result = from_file(tk1, *ONE, "--ddperf-tune")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "--ddperf-tune", "tk1", "telemetry", "ddperf.toml")
