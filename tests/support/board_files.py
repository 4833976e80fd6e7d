"""Sensor files of boards at the paths their kernels use: trees for `DDPERF_SYSFS_ROOT`.

Paths and rail names are those that NVIDIA and Raspberry Pi document for these boards; the values are invented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class BoardFiles:
    """A tree of sensor files.

    Args:
        root: folder used instead of `/`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zones = self._cooling = 0
        self.write("proc/loadavg", "0.52 0.58 0.59 1/467 12345")

    def write(self, path: str, text: str | float) -> Path:
        """Write one line to a file atomically, because another process may be reading it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(f"{text}\n", encoding="utf-8")
        new.replace(file)
        return file

    def zone(self, name: str, millidegrees: int) -> str:
        """Add a thermal zone and return the path of its temperature."""
        folder = f"sys/class/thermal/thermal_zone{self._zones}"
        self._zones += 1
        self.write(f"{folder}/type", name)
        self.write(f"{folder}/temp", millidegrees)
        return f"{folder}/temp"

    def cooling(self, name: str, state: int = 0) -> str:
        """Add a cooling device and return the path of its state."""
        folder = f"sys/class/thermal/cooling_device{self._cooling}"
        self._cooling += 1
        self.write(f"{folder}/type", name)
        self.write(f"{folder}/cur_state", state)
        return f"{folder}/cur_state"

    def policy(self, number: int, khz: int, governor: str = "schedutil") -> str:
        """Add a CPU clock and return the path of its governor."""
        folder = f"sys/devices/system/cpu/cpufreq/policy{number}"
        self.write(f"{folder}/scaling_cur_freq", khz)
        return str(self.write(f"{folder}/scaling_governor", governor).relative_to(self.root))


def tx1(root: Path) -> BoardFiles:
    """A Jetson TX1 with L4T 32: iio rails, a running fan, a PMIC that reports 100 C."""
    board = BoardFiles(root)
    for name, millidegrees in (("AO-therm", 42500), ("CPU-therm", 37500), ("GPU-therm", 39000), ("PMIC-Die", 100000)):
        board.zone(name, millidegrees)
    board.cooling("pwm-fan", 2)
    board.cooling("gpu-balanced")
    board.policy(0, 1734000)
    board.write("sys/class/devfreq/57000000.gpu/cur_freq", 998400000)
    iio = "sys/bus/i2c/drivers/ina3221x/1-0040/iio:device0"
    for channel, (rail, milliwatts) in enumerate((("VDD_IN", 2532), ("VDD_GPU", 19), ("VDD_CPU", 76))):
        board.write(f"{iio}/rail_name_{channel}", rail)
        board.write(f"{iio}/in_power{channel}_input", milliwatts)
    return board


def orin(root: Path) -> BoardFiles:
    """A Jetson with L4T 35: hwmon rails in millivolts and milliamperes, over-current counters."""
    board = BoardFiles(root)
    board.zone("CPU-therm", 48500)
    board.zone("CV0-therm", -256000)
    board.cooling("cpu-throttle-alert")
    board.write("sys/class/devfreq/17000000.ga10b/cur_freq", 624750000)
    ina = "sys/class/hwmon/hwmon1"
    board.write(f"{ina}/name", "ina3221")
    for channel, (rail, millivolts, milliamperes) in enumerate(
        (("VDD_IN", 5000, 900), ("VDD_CPU_GPU_CV", 5000, 103)), 1
    ):
        board.write(f"{ina}/in{channel}_label", rail)
        board.write(f"{ina}/in{channel}_input", millivolts)
        board.write(f"{ina}/curr{channel}_input", milliamperes)
    board.write("sys/class/hwmon/hwmon2/name", "soctherm_oc")
    board.write("sys/class/hwmon/hwmon2/oc1_event_cnt", 3)
    return board


def tk1(root: Path) -> BoardFiles:
    """A Jetson TK1 with L4T 21: kernel 3.10, no rails, clocks in each CPU's folder."""
    board = BoardFiles(root)
    board.zone("CPU-therm", 36000)
    board.zone("GPU-therm", 34500)
    board.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", 2320500)
    board.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "interactive")
    board.write("sys/class/devfreq/gk20a.0/cur_freq", 852000000)
    return board


THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


def raspberry(root: Path, bits: str = "0") -> BoardFiles:
    """A Raspberry Pi 3: the firmware's bits in sysfs, hexadecimal without a prefix."""
    board = BoardFiles(root)
    board.zone("cpu-thermal", 58532)
    board.policy(0, 1200000, "ondemand")
    board.write(THROTTLED, bits)
    board.write("sys/class/hwmon/hwmon0/name", "rpi_volt")
    board.write("sys/class/hwmon/hwmon0/in0_lcrit_alarm", 0)
    return board


NVPMODEL = """
state={folder}/nvpmodel.mode
case $1 in
-q) echo "NV Power Mode: MODE"; cat "$state";;
-m) echo "nvpmodel $*" >> {folder}/calls; echo "$2" > "$state";;
esac
"""
JETSON_CLOCKS = """
state={folder}/clocks
echo "jetson_clocks ${{1-}}" >> {folder}/calls
case ${{1-}} in
--store) cp "$state" "$2";;
--restore) cp "$2" "$state";;
"") echo highest > "$state";;
esac
"""


class FakeBoard:
    """Fake tools of a board, for the front of PATH (`tools`), and its files (`root`).

    Args:
        folder: contains both.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = folder / "tools"
        self.tools.mkdir()
        self.root = folder / "root"
        self.root.mkdir()
        self.tool("sudo", 'while [ "$1" = -n ]; do shift; done; exec "$@"')  # if the tests do not run as root

    def tool(self, name: str, body: str) -> None:
        """Add or replace a tool."""
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def jetson(self) -> None:
        """Make it a Jetson: power mode 1, its usual clocks."""
        self.tool("nvpmodel", NVPMODEL.format(folder=self.folder))
        self.tool("jetson_clocks", JETSON_CLOCKS.format(folder=self.folder))
        (self.folder / "nvpmodel.mode").write_text("1\n", encoding="utf-8")
        (self.folder / "clocks").write_text("usual\n", encoding="utf-8")

    def text(self, name: str) -> str:
        """Return the contents of one of its files."""
        return (self.folder / name).read_text(encoding="utf-8").strip()

    @property
    def state(self) -> tuple[str, str]:
        """Return a Jetson's power mode and clocks."""
        return self.text("nvpmodel.mode"), self.text("clocks")

    @property
    def calls(self) -> list[str]:
        """Return the calls of a Jetson's tools that changed settings."""
        return self.text("calls").splitlines()
