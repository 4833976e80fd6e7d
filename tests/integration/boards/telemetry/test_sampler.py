"""The sampler on trees of real boards' files, in the shells that boards have."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from typing import TYPE_CHECKING

import board_files
import pytest
from board_files import BoardFiles

from pytest_ddperf.boards.telemetry.readings import Parser, Reading
from pytest_ddperf.boards.telemetry.ssh import build_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELLS = {"dash": ["dash", "-s"], "bash": ["bash", "--posix", "-s"], "busybox": ["busybox", "sh", "-s"]}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    return command


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def tool(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def readings(command: list[str], root: Path, number: int) -> Iterator[Reading]:
    """The first readings that the sampler prints, as they come."""
    text = build_script("sampler.sh", {"DDPERF_SYSFS_ROOT": str(root)})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text)
        process.stdin.close()
        parser = Parser()
        every = (parser.feed(line.decode(), 5.0) for line in process.stdout)
        try:
            yield from itertools.islice((one for one in every if one is not None), number)
        finally:
            process.kill()


def first_reading(command: list[str], root: Path) -> Reading:
    (found,) = readings(command, root, 1)
    return found


SOON = 5
"""Readings, so seconds at the most, until a tool that was started beside the sampler has spoken."""


def test_a_tx1(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.tx1(tmp_path)
    assert first_reading(shell, tmp_path) == Reading(
        5.0,
        {"AO-therm": 42.5, "CPU-therm": 37.5, "GPU-therm": 39.0},
        {"policy0": 1734.0, "gpu": 998.4},
        {"VDD_IN": 2.532, "VDD_GPU": 0.019, "VDD_CPU": 0.076},
        0.52,
        {"schedutil"},
    )


def test_a_jetson_with_hwmon_rails(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.orin(tmp_path)
    assert first_reading(shell, tmp_path) == Reading(
        5.0,
        {"CPU-therm": 48.5},
        {"gpu": 624.75},
        {"VDD_IN": 4.5, "VDD_CPU_GPU_CV": 0.515},
        0.52,
        counters={"over-current event 1": 3},
    )


def test_a_tk1(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.tk1(tmp_path)
    assert first_reading(shell, tmp_path) == Reading(
        5.0,
        {"CPU-therm": 36.0, "GPU-therm": 34.5},
        {"cpu0": 2320.5, "gpu": 852.0},
        load=0.52,
        governors={"interactive"},
    )


def test_a_raspberry_pi(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.raspberry(tmp_path, "50005")
    reading = first_reading(shell, tmp_path)
    assert reading.temperature_c == {"cpu-thermal": 58.532}
    assert reading.throttled == {"under-voltage", "throttled by the firmware"}


def test_a_raspberry_pi_whose_kernel_does_not_tell_has_vcgencmd(shell: list[str], tmp_path: Path, tools: Path) -> None:
    BoardFiles(tmp_path / "root")
    tool(
        tools, "vcgencmd", 'case $1 in get_throttled) echo throttled=0x80008;; measure_temp) echo "temp=61.2\'C";; esac'
    )
    reading = first_reading(shell, tmp_path / "root")
    assert reading.throttled == {"soft temperature limit (60 C by default) reached"}
    assert reading.temperature_c == {"soc": 61.2}


def test_a_pc_counts_its_cpus_throttling(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board = BoardFiles(tmp_path)
    for cpu, count in ((0, 3), (1, 4)):
        folder = f"sys/devices/system/cpu/cpu{cpu}/thermal_throttle"
        board.write(f"{folder}/core_throttle_count", count)
        board.write(f"{folder}/package_throttle_count", 10)
    assert first_reading(shell, tmp_path).counters == {"thermal throttling of the CPU": 27}


def test_a_machine_without_any_sensor(shell: list[str], tmp_path: Path, tools: Path) -> None:
    assert first_reading(shell, tmp_path) == Reading(5.0)


def test_it_goes_on(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.tk1(tmp_path)
    assert [reading.hottest_c for reading in readings(shell, tmp_path, 2)] == [36.0, 36.0]


def test_a_jetson_whose_rails_are_not_in_sysfs_has_tegrastats(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.tk1(tmp_path)
    tool(tools, "tegrastats", 'echo "RAM 1/2MB CPU@40C VDD_IN 2532/2698 $*"; sleep 5')
    assert any(reading.power_w == {"VDD_IN": 2.532} for reading in readings(shell, tmp_path, SOON))


def test_tegrastats_is_not_started_where_sysfs_has_the_rails(shell: list[str], tmp_path: Path, tools: Path) -> None:
    board_files.tx1(tmp_path)
    tool(tools, "tegrastats", f"touch {tmp_path}/started; sleep 5")
    assert len(list(readings(shell, tmp_path, 2))) == 2
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("known", ["clocks_event_reasons", "clocks_throttle_reasons"])
def test_nvidia_smi_is_asked_by_the_name_that_its_driver_knows(
    shell: list[str], tmp_path: Path, tools: Path, known: str
) -> None:
    body = f'case "$*" in *{known}.active*) ;; *) echo "Field is not a valid field to query."; exit 2;; esac\n'
    body += 'echo "83, 1480, 249.10, 0x0000000000000020"; case "$*" in *"-l 1"*) sleep 5;; esac'
    tool(tools, "nvidia-smi", body)
    assert any(reading.throttled == {"GPU: SW thermal slowdown"} for reading in readings(shell, tmp_path, SOON))


def test_it_ends_when_nobody_reads_it(shell: list[str], tmp_path: Path, tools: Path) -> None:
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(build_script("sampler.sh", {"DDPERF_SYSFS_ROOT": str(tmp_path)}))
        process.stdin.close()
        process.stdout.readline()
        process.stdout.close()
        process.wait(30)
