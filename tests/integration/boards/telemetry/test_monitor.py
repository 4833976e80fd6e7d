"""What is known of a stretch of time, by pure readings, by this machine's shell, and over a real sshd."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

import board_files
import pytest
from processes import is_gone
from real_sshd import HOST, RealSshd

from pytest_ddperf.boards.telemetry.monitor import Monitor, describe_throttling, summarise_readings
from pytest_ddperf.boards.telemetry.readings import Reading
from pytest_ddperf.core.board_address import BoardAddress
from pytest_ddperf.core.telemetry import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def reading(at_s: float = 0.0, *, counted: int | None = None, throttled: str = "") -> Reading:
    return Reading(
        at_s,
        throttled={throttled} if throttled else set(),
        counters={} if counted is None else {"over-current": counted},
    )


def test_what_was_so_in_a_reading_is_throttling() -> None:
    assert describe_throttling([], [reading(), reading(throttled="under-voltage"), reading()]) == ["under-voltage"]


def test_what_was_so_before_is_none() -> None:
    assert describe_throttling([reading(throttled="under-voltage")], [reading()]) == []


def test_a_count_that_rises_is_throttling_between_two_readings() -> None:
    assert describe_throttling([reading(counted=3)], [reading(counted=3), reading(counted=4)]) == ["over-current"]
    assert describe_throttling([reading(counted=3)], [reading(counted=4)]) == ["over-current"]


def test_a_count_that_stands_is_none() -> None:
    assert describe_throttling([reading(counted=3)], [reading(counted=3)]) == []
    assert describe_throttling([], [reading(counted=3)]) == []


def test_a_summary_has_the_least_the_mean_and_the_most() -> None:
    readings = [
        Reading(1, {"cpu": 40.0, "gpu": 50.0}, {"gpu": 900.0}, {"VDD_IN": 2.0}, 0.5, {"ondemand"}),
        Reading(2, {"cpu": 44.0}, {"gpu": 300.0}, {"VDD_IN": 4.0}, 1.5, {"performance"}),
    ]
    found = summarise_readings("local", readings, throttled=["hot"], notes=["power mode MAXN"])
    assert found.samples == 2
    assert found.temperature_c == {"cpu": Spread(40, 42, 44, 2), "gpu": Spread(50, 50, 50, 1)}
    assert found.clock_mhz == {"gpu": Spread(300, 600, 900, 2)}
    assert found.power_w == {"VDD_IN": Spread(2, 3, 4, 2)}
    assert found.load == Spread(0.5, 1, 1.5, 2)
    assert found.governors == ("ondemand", "performance")
    assert (found.throttled, found.notes) == (("hot",), ("power mode MAXN",))


def test_a_warning_that_touches_no_clocks_is_a_note() -> None:
    readings = [Reading(1), Reading(2, alerts={"hot-surface-alert is on"})]
    found = summarise_readings("local", readings, throttled=describe_throttling([], readings), notes=[])
    assert (found.throttled, found.notes) == ((), ("hot-surface-alert is on",))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("DDPERF_SYSFS_ROOT", str(folder))
    return folder


@pytest.fixture
def monitored() -> Iterator[Callable[[str], Monitor]]:
    """Starts monitors, and stops them at the end."""
    running: list[Monitor] = []

    def start(source: str) -> Monitor:
        monitor = Monitor(BoardAddress.parse(source))
        monitor.start()
        running.append(monitor)
        return monitor

    yield start
    for monitor in running:
        monitor.stop()


@pytest.fixture
def sshd(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealSshd]:
    folder = tmp_path / "ssh"
    folder.mkdir()
    with RealSshd(folder, {"PATH": "/usr/bin:/bin"}) as server:
        monkeypatch.setenv("DDPERF_SSH_COMMAND", server.command)
        yield server


def until(condition: Callable[[], object], monitor: Monitor, timeout_s: float = 30) -> None:
    """Wait, reading by reading."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, monitor.problem
        monitor.next_reading(0.2)


def test_this_machine_s_sensors(root: Path, monitored: Callable[[str], Monitor]) -> None:
    began_s = time.time()
    board_files.tx1(root)
    monitor = monitored("local")
    monitor.wait_for_first()
    found = monitor.telemetry(began_s, time.time())
    assert found.temperature_c["GPU-therm"] == Spread(39, 39, 39, found.samples)
    assert found.power_w["VDD_IN"].most == pytest.approx(2.532)
    assert monitor.hottest_c() == 42.5
    assert not found.notes


def test_a_board_s_sensors_over_a_real_sshd(sshd: RealSshd, root: Path, monitored: Callable[[str], Monitor]) -> None:
    board = board_files.raspberry(root)
    monitor = monitored(f"ssh:{HOST}")
    monitor.wait_for_first()
    assert monitor.problem == ""
    assert monitor.hottest_c() == pytest.approx(58.532)
    began_s = time.time()
    board.write(board_files.THROTTLED, "50005")
    until(lambda: monitor.throttled(began_s, time.time()), monitor)
    assert monitor.throttled(began_s, time.time()) == ["throttled by the firmware", "under-voltage"]
    found = monitor.telemetry(began_s, time.time())
    assert found.source == f"ssh:{HOST}"
    assert found.throttled == ("throttled by the firmware", "under-voltage")


def test_a_host_and_port_over_a_real_sshd(sshd: RealSshd, root: Path, monitored: Callable[[str], Monitor]) -> None:
    board_files.tk1(root)
    monitor = monitored(f"ssh://{HOST}:{sshd.port}")
    monitor.wait_for_first()
    assert monitor.hottest_c() == 36.0


def test_bits_that_were_set_before_the_run_are_a_note(root: Path, monitored: Callable[[str], Monitor]) -> None:
    board_files.raspberry(root, "10000")
    began_s = time.time()
    monitor = monitored("local")
    monitor.wait_for_first()
    found = monitor.telemetry(began_s, time.time())
    assert found.throttled == ()
    assert found.notes == ("since the board booted: under-voltage",)


def test_an_ssh_that_fails_is_unknown_with_its_reason(
    sshd: RealSshd, tmp_path: Path, monitored: Callable[[str], Monitor]
) -> None:
    (tmp_path / "ssh" / "known_hosts").write_text("", encoding="utf-8")
    monitor = monitored(f"ssh:{HOST}")
    monitor.wait_for_first()
    found = monitor.telemetry(0, time.time())
    assert found.samples == 0
    assert "ended with status 255" in found.notes[0]
    assert "Host key verification failed" in found.notes[0]
    assert monitor.throttled(0, time.time()) == []
    assert monitor.hottest_c() is None


def test_an_ssh_that_dies_in_the_middle_keeps_what_was_read(
    sshd: RealSshd, root: Path, monitored: Callable[[str], Monitor]
) -> None:
    board_files.tk1(root)
    monitor = monitored(f"ssh:{HOST}")
    monitor.wait_for_first()
    assert monitor._process is not None
    monitor._process.kill()
    until(lambda: monitor.problem, monitor)
    found = monitor.telemetry(0, time.time())
    assert found.samples >= 1
    assert found.notes[0].startswith(f"sensor readings stopped: ssh:{HOST} ended with status -9")


def test_a_program_that_is_not_there_is_unknown(
    monkeypatch: pytest.MonkeyPatch, monitored: Callable[[str], Monitor]
) -> None:
    monkeypatch.setenv("DDPERF_SSH_COMMAND", "/no/such/ssh")
    monitor = monitored("ssh:board")
    monitor.wait_for_first()
    assert monitor.telemetry(0, 1).notes == (
        "no sensor readings: /no/such/ssh cannot be started: No such file or directory",
    )


def test_a_sampler_that_ends_before_it_has_read_its_script_leaves_nothing_open(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def ended(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - those of Popen
        started.append(original(["true"], **options))
        started[0].wait()
        return started[0]

    original = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", ended)
    one = Monitor(BoardAddress.parse("local"))
    one.start()
    one.wait_for_first()
    one.stop()
    (process,) = started
    assert [pipe is not None and pipe.closed for pipe in (process.stdin, process.stdout)] == [True, True]


def test_stopping_ends_the_sampler_and_is_no_problem(root: Path, monitored: Callable[[str], Monitor]) -> None:
    monitor = monitored("local")
    monitor.wait_for_first()
    process = monitor._process
    monitor.stop()
    monitor.stop()
    assert process is not None
    assert process.poll() is not None
    assert monitor.problem == ""


def test_a_reading_just_before_speaks_of_a_round_that_is_too_short_for_one_of_its_own(root: Path) -> None:
    monitor = Monitor(BoardAddress.parse("local"))
    monitor._readings.append(reading(10.0, throttled="under-voltage"))
    assert monitor.throttled(10.5, 10.6) == ["under-voltage"]
    assert monitor.throttled(20.0, 20.1) == []


def test_a_tool_that_hangs_is_ended_with_the_monitor(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitored: Callable[[str], Monitor]
) -> None:
    board_files.tx1(root)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text(
        f"#!/bin/sh\ntrap '' TERM\ncase $* in *-l*) echo $$ >> {tmp_path}/pids; echo 50;; *) echo 50; exit;; esac\n"
        "while :; do sleep 600; done\n",
        encoding="utf-8",
    )
    (tools / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monitor = monitored("local")
    monitor.wait_for_first()
    until((tmp_path / "pids").exists, monitor)
    monitor.stop()
    assert is_gone(int((tmp_path / "pids").read_text(encoding="utf-8")))
