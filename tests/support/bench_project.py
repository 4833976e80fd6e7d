"""A user's project with benchmarks/test_predict.py and a scripted server, in which tests run pytest.

def test_something(tk1: BenchProject) -> None:
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    result = tk1.run("-k", "squeezenet_v1.1 and b8")
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "regressed"}
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree as ET

from scripted_deepdetect import ScriptedDeepDetect

from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import Baseline, CellKey
from pytest_ddperf.history.run_file import list_runs, read_run

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping

    import pytest

    from pytest_ddperf.core.records import CellRecord
    from pytest_ddperf.history.run_file import Run

# pytester unloads what a run in this process imported. Modules imported here stay loaded for all runs.
for _package in ("cli", "plots", "plugin", "report", "runner", "selection"):
    _found = importlib.import_module(f"pytest_ddperf.{_package}")
    for _module in pkgutil.walk_packages(_found.__path__, f"{_found.__name__}."):
        importlib.import_module(_module.name)
for _name in (
    "cpuinfo",
    "matplotlib.backends.backend_agg",
    "matplotlib.style",
    "PIL.JpegImagePlugin",
    "pytest_benchmark.fixture",
    "pytest_benchmark.session",
    "pytest_benchmark.stats",
    "pytest_benchmark.table",
    "pytest_benchmark.utils",
    "xdist.dsession",
    "xdist.plugin",
):
    importlib.import_module(_name)

ROOT = Path(__file__).parents[2]
DATA_DIR = "/srv/bench"
SQUEEZENET = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
"""Two cells of the TK1 table: 90.2 ms per image at batch size 1, 53.6 at 8."""


@cache
def table(platform: str) -> Mapping[tuple[str, int], float]:
    """Return a published table: milliseconds per image by (model, batch size), without cells marked `x`."""
    published = BaselineStore(load_catalog()).load(platform, "report")
    return {
        (key.model, key.batch_size): entry.value_ms for key, entry in published.items() if isinstance(entry, Baseline)
    }


class TableServer(ScriptedDeepDetect):
    """A server as fast as its published table, except for cells that a test makes slower or faster."""

    def __init__(self, platform: str, **scripted: Any) -> None:  # noqa: ANN401 - those of ScriptedDeepDetect
        self.table = table(platform)
        self._factors: dict[tuple[str, int], float] = {}
        served = dict.fromkeys([*NETWORK_IDS, *(model for model, _ in self.table)])
        super().__init__(self._latency_ms, scripted.pop("services", tuple(served)), **scripted)

    def slow(self, model: str, batch_size: int, factor: float) -> None:
        """Multiply the time of a cell in the table by a factor."""
        self._factors[model, batch_size] = factor

    def _latency_ms(self, service: str, batch_size: int) -> float:
        per_image_ms = self.table.get((service, batch_size), 100.0)
        return (per_image_ms + 0.5 / batch_size) * batch_size * self._factors.get((service, batch_size), 1.0)


class BenchProject:
    """A project folder and the results of running pytest in it.

    Args:
        pytester: the test's fixture.
        server: the server that is measured.
        platform: id of the platform whose baseline applies.
    """

    def __init__(self, pytester: pytest.Pytester, server: TableServer, platform: str = "tk1") -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.server = server
        self.platform = platform
        shutil.copytree(ROOT / "benchmarks", self.path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
        self.name_images(128)
        self.ini()

    def name_images(self, count: int) -> None:
        """Write the list of available images."""
        names = "".join(f"img_{number:03d}.jpg\n" for number in range(count))
        (self.path / "images.txt").write_text(names, encoding="utf-8")

    def ini(self, **keys: str) -> None:
        """Write pytest.ini with further keys."""
        lines = ["[pytest]", f"ddperf_data_dir = {DATA_DIR}", "ddperf_bench_files = images.txt"]
        lines += ["ddperf_recovery_timeout = 0"] if "ddperf_recovery_timeout" not in keys else []
        lines += [f"{key} = {value}" for key, value in keys.items()]
        (self.path / "pytest.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def where(self) -> tuple[str, str]:
        """Return the options that name the platform and its server."""
        return f"--platform={self.platform}", f"--ddperf-url={self.server.url}"

    def run(self, *args: str) -> pytest.RunResult:
        """Run `pytest benchmarks --platform=... --ddperf-url=...` in this process."""
        return self.pytester.runpytest_inprocess("benchmarks", *self.where, *args)

    def bare(self, *args: str) -> pytest.RunResult:
        """Run `pytest` with only these arguments, in this process."""
        return self.pytester.runpytest_inprocess(*args)

    def apart(self, *args: str) -> pytest.RunResult:
        """Like `run`, in a separate process."""
        return self.pytester.runpytest_subprocess("benchmarks", *self.where, *args)

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - those of Popen
        """Like `apart`, without waiting for the process to end."""
        command = [sys.executable, "-m", "pytest", "benchmarks", *self.where, *args]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.path, env=dict(os.environ), **(streams | options))

    def histories(self) -> list[Run]:
        """Return the runs of the history, oldest first."""
        return [read_run(path) for path in list_runs(self.path / ".ddperf")]

    def records(self) -> list[CellRecord]:
        """Return the cell records of the last run."""
        return list(self.histories()[-1].records)

    def verdicts(self) -> dict[str, str]:
        """Return the verdicts of the last run, by cell."""
        return {str(record.key): str(record.outcome) for record in self.records()}

    def json(self, name: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """Read a JSON file of the project."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def junit(self) -> tuple[dict[str, str], Counter[str]]:
        """Return the totals of junit.xml, and how many testcases each name has."""
        suite = ET.parse(self.path / "junit.xml").getroot()[0]  # noqa: S314 - written by this run
        totals = {name: suite.get(name, "") for name in ("tests", "failures", "errors", "skipped")}
        return totals, Counter(str(case.get("name")) for case in suite)

    def interrupt_third_cell(self, number: signal.Signals, *args: str, records: int = 0) -> tuple[int, str]:
        """Measure SqueezeNet at batch sizes 1, 2, 4 and 8 in a process that gets a signal during its third cell.

        Args:
            number: the signal.
            args: further options.
            records: how many cells must be in the history before the signal; workers are ahead of the controller.

        Returns:
            Exit status and output.
        """
        original, reached = self.server.latency_ms, threading.Event()

        def latency_ms(service: str, batch_size: int) -> float:
            if batch_size >= 4:
                self.server._delay_s = 2.0
                reached.set()
            return original(service, batch_size)

        self.server.latency_ms = latency_ms
        process = self.start("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,2,4,8", *args)
        deadline = time.monotonic() + 60
        while not reached.wait(0.05) or (records and len(self.records()) < records):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def key(self, model: str, batch_size: int) -> CellKey:
        """Return the key of a cell of the platform."""
        return CellKey(self.platform, model, batch_size)


@dataclass(frozen=True)
class FinishedRun:
    """A run that several tests read, and its project, whose server is closed."""

    project: BenchProject
    result: pytest.RunResult


MakeRun: TypeAlias = "Callable[[BenchProject], pytest.RunResult]"
RunOnce: TypeAlias = "Callable[[MakeRun], FinishedRun]"
