"""Parse the sampler's lines into readings. Pure.

Throttling by which the board protects itself (heat, voltage, current) makes a round invalid. A limit that somebody set
(a power mode, a power cap, application clocks) is only a note, because it is the same every night.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HELLO: Final = "ddperf-telemetry 1"
"""The sampler's first line; anything before it is a login banner."""

UNDER_VOLTAGE: Final = "under-voltage"

RASPBERRY_BITS: Final[Mapping[int, str]] = {
    0: UNDER_VOLTAGE,
    1: "ARM frequency capped",
    2: "throttled by the firmware",
    3: "soft temperature limit (60 C by default) reached",
}
"""Bits of `vcgencmd get_throttled` for the current state. The same bits shifted by 16 cover the time since boot."""

SINCE_BOOT: Final = 16

NVIDIA_THROTTLED: Final[Mapping[int, str]] = {
    0x08: "GPU: HW slowdown",
    0x20: "GPU: SW thermal slowdown",
    0x40: "GPU: HW thermal slowdown",
    0x80: "GPU: HW power brake slowdown",
}
"""NVIDIA's clock event reasons that protect the card."""

NVIDIA_CHOSEN: Final[Mapping[int, str]] = {
    0x02: "GPU: application clocks are set",
    0x04: "GPU: SW power cap",
    0x10: "GPU: sync boost",
    0x100: "GPU: display clock setting",
}
"""NVIDIA's clock event reasons that result from a setting. Bit 0x1 means an idle GPU and is not a limit."""

_THROTTLES = re.compile(r"throttle|balanced|heavy|^light$|cpufreq|devfreq|powerclamp|^processor$", re.IGNORECASE)
"""Cooling devices that cool by slowing down computation; fans, displays and radios do not.

`heavy` and `light` are the throttle events of the Linux binding nvidia,tegra124-soctherm; `cpu-balanced` and similar
names are those of L4T 21. A Jetson's `cpu-throttle-alert` and similar devices are set at the trip point at which clocks
are capped: NVIDIA's nvpmodel_indicator shows them as "System throttled", and `hot-surface-alert` only as "Hot surface".
"""

_ALERT = "alert"
"""Part of the name of a cooling device that only notifies a program (L4T's userspace-therm-alert), unless the name also
contains "throttle"."""

_NO_SENSOR = re.compile(r"pmic", re.IGNORECASE)
"""Sensors without a real reading: the Jetsons' PMIC always reports 100 C (L4T 32)."""

_COLDEST_C, _HOTTEST_C = -40.0, 150.0
"""Plausible temperatures are between these; a sensor that is switched off reports others, such as -256 C on a
Jetson."""


@dataclass(slots=True)
class Reading:
    """The sensor values at one time; values that are not reported are omitted.

    Args:
        at_s: when the reading arrived, seconds since the epoch.
        temperature_c: degrees Celsius, by sensor.
        throttled: how the board currently protects itself, in words.
        chosen: limits that somebody set, in words.
        alerts: warnings of the board that do not affect clocks, in words.
        counters: counts of throttling events; the key describes what a rise means.
    """

    at_s: float
    temperature_c: dict[str, float] = field(default_factory=dict)
    clock_mhz: dict[str, float] = field(default_factory=dict)
    power_w: dict[str, float] = field(default_factory=dict)
    load: float | None = None
    governors: set[str] = field(default_factory=set)
    throttled: set[str] = field(default_factory=set)
    chosen: set[str] = field(default_factory=set)
    alerts: set[str] = field(default_factory=set)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def hottest_c(self) -> float | None:
        """The highest temperature, degrees Celsius; None if no temperature is known."""
        return max(self.temperature_c.values(), default=None)


class Parser:
    """Combines the sampler's lines into readings; unknown lines are ignored."""

    def __init__(self) -> None:
        self._greeted = False
        self._lines: list[str] = []
        self.mode = ""

    def feed(self, line: str, at_s: float) -> Reading | None:
        """Process a line that arrived at `at_s`, and return the reading that it completes, if any."""
        line = line.strip()
        if not self._greeted:
            self._greeted = line == HELLO
            return None
        kind, _, rest = line.partition(" ")
        if kind == "T":
            return parse_tegrastats(rest, at_s)
        if kind == "N":
            return parse_nvidia_smi(rest, at_s)
        if kind == "m":
            self.mode = rest
        elif kind == "s":
            self._lines = []
        elif kind == "e":
            return parse_sample(self._lines, at_s)
        else:
            self._lines.append(line)
        return None


def parse_sample(lines: Iterable[str], at_s: float) -> Reading:
    """Parse the sampler's own lines, those between `s` and `e`, into a reading."""
    reading = Reading(at_s)
    for line in lines:
        kind, value, name = (*line.split(" ", 2), "", "")[:3]
        if take := _KINDS.get(kind):
            with contextlib.suppress(ValueError):  # a sensor that is switched off, or a truncated file
                take(reading, value, name.strip())
    return reading


def _add_temperature(reading: Reading, degrees_c: float, name: str) -> None:
    if _COLDEST_C < degrees_c < _HOTTEST_C and not _NO_SENSOR.search(name):
        reading.temperature_c[name] = max(degrees_c, reading.temperature_c.get(name, degrees_c))


def _cooling(reading: Reading, value: str, name: str) -> None:
    kind = name.lower()
    if int(value) <= 0 or "fan" in kind:
        return
    if _ALERT in kind and "throttle" not in kind:
        reading.alerts.add(f"{name} is on (a warning; the clocks are not reduced)")
    elif _THROTTLES.search(name):
        reading.throttled.add(f"cooling device {name} is active")


def _raspberry(reading: Reading, value: str, _: str) -> None:
    bits = int(value, 16)
    for bit, words in RASPBERRY_BITS.items():
        if bits >> bit & 1:
            reading.throttled.add(words)
        reading.counters[words] = bits >> (bit + SINCE_BOOT) & 1


def _alarm(reading: Reading, value: str, _: str) -> None:
    if int(value):
        reading.throttled.add(UNDER_VOLTAGE)


_KINDS: Final[Mapping[str, Callable[[Reading, str, str], None]]] = {
    "t": lambda reading, value, name: _add_temperature(reading, int(value) / 1000, name),
    "C": lambda reading, value, name: _add_temperature(reading, float(value.partition("'")[0]), name),
    "c": _cooling,
    "f": lambda reading, value, name: reading.clock_mhz.update({name: int(value) / 1000}),
    "F": lambda reading, value, name: reading.clock_mhz.update({name: int(value) / 1e6}),
    "g": lambda reading, value, _: reading.governors.add(value),
    "w": lambda reading, value, name: reading.power_w.update({name: int(value) / 1000}),
    "v": _raspberry,
    "u": _alarm,
    "n": lambda reading, value, name: reading.counters.update({name: int(value)}),
    "l": lambda reading, value, _: setattr(reading, "load", float(value)),
}

_TEGRA_TEMPERATURE = re.compile(r"(?<!\S)([A-Za-z][\w-]*)@(-?\d+(?:\.\d+)?)C(?!\S)")
_TEGRA_CPUS = re.compile(r"(?<!\S)CPU \[([^\]]*)\]")
_TEGRA_CPU_MHZ = re.compile(r"\d+%@(\d+)")
_TEGRA_GPU_MHZ = re.compile(r"(?<!\S)GR3D(?:_FREQ)? \d+%@\[?(\d+)")
_TEGRA_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]+) (\d+)(?:mW)?/\d+(?:mW)?(?!\S)")
_TEGRA_NO_RAILS = frozenset({"RAM", "SWAP", "IRAM"})


def parse_tegrastats(line: str, at_s: float) -> Reading:
    """Parse a line of NVIDIA's tegrastats, L4T 28 to 36: rails in mW with and without the unit."""
    reading = Reading(at_s)
    for name, degrees in _TEGRA_TEMPERATURE.findall(line):
        _add_temperature(reading, float(degrees), name)
    cpus = _TEGRA_CPUS.search(line)
    clocks = [int(mhz) for mhz in _TEGRA_CPU_MHZ.findall(cpus[1])] if cpus else []
    if clocks:
        reading.clock_mhz["cpu"] = float(max(clocks))
    if gpu := _TEGRA_GPU_MHZ.search(line):
        reading.clock_mhz["gpu"] = float(gpu[1])
    for rail, milliwatts in _TEGRA_RAIL.findall(line):
        if rail not in _TEGRA_NO_RAILS:
            reading.power_w[rail] = int(milliwatts) / 1000
    return reading


def parse_nvidia_smi(line: str, at_s: float) -> Reading:
    """Parse CSV of `nvidia-smi --query-gpu=temperature.gpu,clocks.sm,power.draw,clocks_event_reasons.active`."""
    values = [_number(part) for part in line.split(",")]
    degrees, mhz, watts, active = (*values, None, None, None, None)[:4]
    reasons = 0 if active is None else int(active)
    return Reading(
        at_s,
        {} if degrees is None else {"gpu": degrees},
        {} if mhz is None else {"gpu": mhz},
        {} if watts is None else {"gpu": watts},
        throttled={words for bit, words in NVIDIA_THROTTLED.items() if reasons & bit},
        chosen={words for bit, words in NVIDIA_CHOSEN.items() if reasons & bit},
    )


def _number(text: str) -> float | None:
    """Parse a number of nvidia-smi; None for `[N/A]` and similar values."""
    text = text.strip()
    try:
        return float(int(text, 16)) if text.startswith("0x") else float(text)
    except ValueError:
        return None
