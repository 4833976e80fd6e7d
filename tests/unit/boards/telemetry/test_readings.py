"""What boards' tools print, as published, and what is read of it."""

from __future__ import annotations

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.boards.telemetry.readings import (
    HELLO,
    Parser,
    Reading,
    parse_nvidia_smi,
    parse_sample,
    parse_tegrastats,
)

NANO_L4T_32 = (
    "RAM 613/3964MB (lfb 634x4MB) SWAP 0/1982MB (cached 0MB) CPU [2%@102,1%@102,0%@102,0%@102] EMC_FREQ 0% GR3D_FREQ "
    "0% PLL@39C CPU@40.5C PMIC@100C GPU@41C AO@46C thermal@41C POM_5V_IN 900/943 POM_5V_GPU 0/0 POM_5V_CPU 123/123"
)
TX1_L4T_32 = (
    "RAM 1179/3983MB (lfb 120x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@102,4%@102,0%@102,0%@102] EMC_FREQ 7%@408 GR3D_FREQ "
    "0%@76 APE 25 AO@42.5C CPU@37.5C GPU@39C PLL@37C Tdiode@42.75C PMIC@100C Tboard@42C thermal@38.5C VDD_IN 2532/2698 "
    "VDD_CPU 76/178 VDD_GPU 19/19"
)
TX2_L4T_32 = (
    "RAM 1345/7829MB (lfb 1290x4MB) SWAP 0/512MB (cached 0MB) CPU [2%@345,off,off,off,off,off] EMC_FREQ 13%@40 "
    "GR3D_FREQ 0%@114 APE 150 BCPU@35C MCPU@35C GPU@41C PLL@35C AO@35.5C Tboard@35C Tdiode@36C PMIC@100C "
    "thermal@35.5C VDD_IN 2003/2658 VDD_CPU 320/518 VDD_GPU 400/735 VDD_SOC 400/415 VDD_WIFI 0/0 VDD_DDR 240/348"
)
ORIN_L4T_35 = (
    "12-31-2024 11:22:33 RAM 1839/7763MB (lfb 4x2MB) SWAP 0/3881MB (cached 0MB) CPU [22%@1497,15%@1497,18%@1510,off] "
    "EMC_FREQ 0%@2133 GR3D_FREQ 14%@[420] APE 174 cv0@-256C cpu@48.562C soc2@47.531C gpu@48.5C tj@49.062C "
    "VDD_IN 4521mW/4521mW VDD_CPU_GPU_CV 1320mW/1320mW VDD_SOC 1080mW/1080mW"
)


@pytest.mark.parametrize(
    ("line", "temperatures", "clocks", "power"),
    [
        (
            NANO_L4T_32,
            {"PLL": 39, "CPU": 40.5, "GPU": 41, "AO": 46, "thermal": 41},
            {"cpu": 102},
            {"POM_5V_IN": 0.9, "POM_5V_GPU": 0, "POM_5V_CPU": 0.123},
        ),
        (
            TX1_L4T_32,
            {"AO": 42.5, "CPU": 37.5, "GPU": 39, "PLL": 37, "Tdiode": 42.75, "Tboard": 42, "thermal": 38.5},
            {"cpu": 102, "gpu": 76},
            {"VDD_IN": 2.532, "VDD_CPU": 0.076, "VDD_GPU": 0.019},
        ),
        (
            TX2_L4T_32,
            {"BCPU": 35, "MCPU": 35, "GPU": 41, "PLL": 35, "AO": 35.5, "Tboard": 35, "Tdiode": 36, "thermal": 35.5},
            {"cpu": 345, "gpu": 114},
            {"VDD_IN": 2.003, "VDD_CPU": 0.32, "VDD_GPU": 0.4, "VDD_SOC": 0.4, "VDD_WIFI": 0, "VDD_DDR": 0.24},
        ),
        (
            ORIN_L4T_35,
            {"cpu": 48.562, "soc2": 47.531, "gpu": 48.5, "tj": 49.062},
            {"cpu": 1510, "gpu": 420},
            {"VDD_IN": 4.521, "VDD_CPU_GPU_CV": 1.32, "VDD_SOC": 1.08},
        ),
    ],
    ids=["Nano, L4T 32", "TX1, L4T 32", "TX2, L4T 32", "Orin, L4T 35"],
)
def test_a_line_of_tegrastats(
    line: str, temperatures: dict[str, float], clocks: dict[str, float], power: dict[str, float]
) -> None:
    reading = parse_tegrastats(line, 7.0)
    assert reading == Reading(7.0, temperatures, clocks, power)


@pytest.mark.parametrize(
    ("bits", "now"),
    [
        ("0x0", set()),
        ("0x50005", {"under-voltage", "throttled by the firmware"}),
        ("1", {"under-voltage"}),
        ("2", {"ARM frequency capped"}),
        ("4", {"throttled by the firmware"}),
        ("80008", {"soft temperature limit (60 C by default) reached"}),
        ("f0000", set()),
    ],
)
def test_the_bits_of_a_raspberry_pi(bits: str, now: set[str]) -> None:
    reading = parse_sample([f"v {bits}"], 0)
    assert reading.throttled == now


def test_its_bits_since_boot_are_counts_and_do_not_say_that_it_throttles() -> None:
    reading = parse_sample(["v 0x50000"], 0)
    assert not reading.throttled
    assert {words for words, count in reading.counters.items() if count} == {
        "under-voltage",
        "throttled by the firmware",
    }


def test_the_alarm_of_its_voltage_sensor() -> None:
    assert parse_sample(["u 1"], 0).throttled == {"under-voltage"}
    assert not parse_sample(["u 0"], 0).throttled


def test_vcgencmd_s_temperature() -> None:
    assert parse_sample(["C 42.8'C soc"], 0).temperature_c == {"soc": 42.8}


@pytest.mark.parametrize(
    ("line", "throttled", "chosen"),
    [
        ("69, 1911, 179.45, 0x0000000000000000", set(), set()),
        ("34, 139, 9.70, 0x0000000000000001", set(), set()),
        ("83, 1480, 249.10, 0x0000000000000020", {"GPU: SW thermal slowdown"}, set()),
        ("95, 700, 100, 0x0000000000000048", {"GPU: HW slowdown", "GPU: HW thermal slowdown"}, set()),
        ("60, 1500, 250.00, 0x0000000000000004", set(), {"GPU: SW power cap"}),
        ("60, 1500, 250.00, 0x0000000000000088", {"GPU: HW slowdown", "GPU: HW power brake slowdown"}, set()),
        ("60, 1500, [N/A], 0x0000000000000002", set(), {"GPU: application clocks are set"}),
    ],
)
def test_a_line_of_nvidia_smi_tells_protection_from_choice(line: str, throttled: set[str], chosen: set[str]) -> None:
    reading = parse_nvidia_smi(line, 0)
    assert reading.throttled == throttled
    assert reading.chosen == chosen


def test_a_line_of_nvidia_smi_has_temperature_clock_and_power() -> None:
    reading = parse_nvidia_smi("69, 1911, 179.45, 0x0000000000000000", 3)
    assert reading == Reading(3, {"gpu": 69}, {"gpu": 1911}, {"gpu": 179.45})


def test_what_nvidia_smi_does_not_know_is_left_out() -> None:
    assert parse_nvidia_smi("[N/A], [Not Supported], [Unknown Error], [N/A]", 0) == Reading(0)


@every_row(
    "name",
    ["hot-surface-alert", "skin-user-alert", "Tboard_user_alert", "cpu-therm-alert", "heavy-user-alert", "gpu-alert"],
)
def test_a_cooling_device_that_only_notifies_is_no_throttling(name: str) -> None:
    reading = parse_sample([f"c 1 {name}"], 0)
    assert not reading.throttled
    assert any(name in words for words in reading.alerts)
    assert not parse_sample([f"c 0 {name}"], 0).alerts


@every_row(
    "name",
    [
        "cpu-throttle-alert",
        "soc012-throttle-alert",
        "bcpu-throttle-alert",
        "devfreq-17000000.gpu",
        "cpufreq-cpu4",
        "heavy",
        "light",
        "emergency-balanced",
        "thermal-cpu-throttle",
        "gpu-balanced",
        "cpu_heavy",
        "thermal-cpufreq-0",
        "17000000.devfreq",
        "Processor",
    ],
)
def test_a_cooling_device_that_slows_the_board_down_is_throttling(name: str) -> None:
    assert parse_sample([f"c 1 {name}"], 0).throttled == {f"cooling device {name} is active"}
    assert not parse_sample([f"c 0 {name}"], 0).throttled


@every_row("name", ["pwm-fan", "Fan", "LCD", "iwlwifi_1", "cpu-fan-throttle"])
def test_a_fan_that_turns_is_none(name: str) -> None:
    assert not parse_sample([f"c 3 {name}"], 0).throttled


@every_row("line", ["t 100000 PMIC-Die", "t -256000 CV0-therm", "t x CPU-therm", "t", "", "q 1 2", "v zz"])
def test_what_is_no_sensor_is_left_out(line: str) -> None:
    assert parse_sample([line], 0) == Reading(0)


def parsed(*lines: str) -> list[Reading]:
    parser = Parser()
    return [reading for line in lines if (reading := parser.feed(line, 1.0)) is not None]


def test_a_greeting_before_the_sampler_s_own_is_passed_over() -> None:
    assert parsed("Welcome to Ubuntu 18.04", "s", "t 1 x", "e", HELLO, "s", "t 45000 CPU-therm", "e") == [
        Reading(1.0, {"CPU-therm": 45.0})
    ]


def test_a_sample_that_was_cut_is_none() -> None:
    assert parsed(HELLO, "s", "t 45000 CPU-therm", "s", "t 46000 CPU-therm", "e") == [Reading(1.0, {"CPU-therm": 46.0})]


def test_lines_of_other_tools_may_come_between() -> None:
    readings = parsed(HELLO, "s", "t 45000 soc", f"T {NANO_L4T_32}", "N 69, 1911, 179.45, 0x0", "e", "m MAXN")
    assert [reading.hottest_c for reading in readings] == [46.0, 69.0, 45.0]


@given(st.lists(st.text(max_size=40), max_size=20))
def test_no_line_breaks_the_parser(lines: list[str]) -> None:
    parsed(HELLO, *lines)
    parsed(HELLO, *(f"{kind} {line}" for line in lines for kind in "TNtcfFgwvunlCm"), "e")
