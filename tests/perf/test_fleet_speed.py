"""Many boards at once, and very many cells: what the fleet gains, and what the plugin costs."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_ddperf.embedded import launch
from pytest_ddperf.servers.generated_images import ensure_bench_images

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).resolve().parents[2]
WITHOUT_OTHERS = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio")

BOARDS = ("tk1", "tx1", "nano", "raspi3")
DELAY_S = 1.0
FLEET_CELLS = ("--ddperf-models=googlenet,squeezenet_v1.1,mobilenet,shufflenet", "--ddperf-batch-sizes=1")
SIDE_BY_SIDE_BOUND = 0.35

CELLS = 10_000
MODELS = ("mobilenet", "mobilenet_depthwise", "resnet50", "resnet101", "resnet152", "googlenet", "densenet121",
          "densenet201", "squeezenet_v1.0", "squeezenet_v1.1")  # fmt: skip
PAIRS = 5
RUN_AIM = 1.7
RUN_BOUND = 2.0
"""The aim is that of a quiet machine; the bound keeps it from growing on a noisy one."""

END_BOUND = 3.0
"""CPU time of table, JSON and history, relative to decoding and encoding the same JSON."""


@pytest.fixture
def boards() -> Iterator[dict[str, str]]:
    """URLs of four embedded servers whose predictions all take the same time, and no core's."""
    images = ensure_bench_images()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(launch.start(threads=1, data_dir=images, extra=("--delay", str(DELAY_S))))
            for _ in BOARDS
        ]
        yield {name: server.url for name, server in zip(BOARDS, servers, strict=True)}


def fleet_s(folder: Path, boards: dict[str, str], workers: int) -> float:
    """Wall-clock seconds of a run on all boards; every cell must have been measured."""
    began_s = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "benchmarks", "-q", *WITHOUT_OTHERS, f"-n{workers}"),
            f"--platform={','.join(boards)}",
            f"--ddperf-url={','.join(f'{name}={url}' for name, url in boards.items())}",
            *(*FLEET_CELLS, "--ddperf-repository={model}", "--ddperf-timer=client", "--benchmark-json=out.json"),
            "--ddperf-baseline=recorded",  # there is none: the delay is none of a board's
        ],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    took_s = time.monotonic() - began_s
    measured = json.loads((folder / "out.json").read_text())["benchmarks"]
    assert len(measured) == len(BOARDS) * 4
    return took_s


def test_four_boards_side_by_side_take_at_most_035_of_the_time(tmp_path: Path, boards: dict[str, str]) -> None:
    shutil.copytree(REPO / "benchmarks", tmp_path / "benchmarks")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nddperf_data_dir = {ensure_bench_images()}\n")
    took_s = {workers: fleet_s(tmp_path, boards, workers) for workers in (0, 4)}
    print(f"\n4 boards, 16 cells, 7 predictions of {DELAY_S} s each; seconds, and share of -n0")
    for workers, seconds in took_s.items():
        bound = f"   at most {SIDE_BY_SIDE_BOUND}" if workers == 4 else ""
        print(f"  -n{workers}{seconds:>10.1f}{seconds / took_s[0]:>8.2f}{bound}")
    assert took_s[4] <= SIDE_BY_SIDE_BOUND * took_s[0]


IN_PROCESS = '''
"""A target that answers in this process, without HTTP; and what the phases of the run take."""
import json, time
from pathlib import Path

import pytest

from pytest_ddperf.history import writer
from pytest_ddperf.runner import runner
from pytest_ddperf.servers.request_images import BenchImages
from pytest_ddperf.deepdetect.timed import Timed, Totals
from pytest_ddperf.deepdetect.protocol import Answer, Info, ServiceStats
from pytest_ddperf.core.records import ModelStats, ServerFacts
from pytest_ddperf.servers.services import OpenService


def recorded(ms):
    """What a service whose predictions take so long tells, one after the other."""
    timed = Timed(Answer(ms, ()), ms)
    stats = [ServiceStats(predict_count=n, total_predict_duration_ms=n * ms) for n in range(100)]
    return timed, [Totals(each, {}) for each in stats]


RECORDED = [recorded(10.0 * (1 + (n - 5) / 1000)) for n in range(11)]
FACTS = ServerFacts("http://in.process:1")


class Endpoint:
    """Plays what was made before the run: its own time is not the plugin's."""

    def __init__(self, number):
        self._count = 0
        self._timed, self._totals = RECORDED[number]

    def predict(self, timeout_s=None):
        self._count += 1
        return self._timed

    def totals(self):
        return self._totals[self._count]


class InProcess:
    images = BenchImages("path", ())
    info = Info()
    current_service = None

    def __init__(self, connection):
        self._services = {}

    def open(self, wait_s=0.0):
        return FACTS

    def service_for(self, network, batch_size):
        if network.id not in self._services:
            self._services[network.id] = OpenService(network.id, "caffe", False, None, 224, 224, False, "fp32")
        return self._services[network.id]

    def batch(self, service, batch_size):
        return Endpoint(batch_size * 37 % 11)

    def is_up(self):
        return True

    def refresh_facts(self):
        return FACTS

    def was_replaced(self):
        return False

    def describe_service(self):
        return None

    def model_stats(self, service):
        return ModelStats()

    def close(self):
        pass

    def finish(self):
        pass


runner.Target = InProcess
'''

PHASES = """
import json, time
from pathlib import Path

import pytest

_marks = {"history": 0.0}


def _mark(name):
    _marks[name] = time.process_time()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart():
    _mark("start")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop():
    result = yield
    _mark("ran")
    return result


def pytest_unconfigure():
    _mark("end")
    Path(__file__).with_name("phases.json").write_text(json.dumps(_marks))
"""

TIMED_HISTORY = """

_append = writer.HistoryWriter.append


def append(self, *record):
    began_s = time.process_time()
    _append(self, *record)
    _marks["history"] += time.process_time() - began_s


writer.HistoryWriter.append = append
"""


class Phases(NamedTuple):
    """Of a run, in CPU seconds.

    Args:
        run: collecting, running and keeping the cells.
        end: what comes then: table, JSON, the end of the history.
        history: of the run, keeping the cells; 0 where that is not timed, which takes time itself.
    """

    run: float
    end: float
    history: float


def phases(folder: Path, *args: str) -> Phases:
    """Run pytest there, and read what its conftest wrote."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "100"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *WITHOUT_OTHERS, *args],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    marks = json.loads((folder / "phases.json").read_text())
    assert marks["end"] <= after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Phases(
        run=marks["ran"] - marks["start"],
        end=marks["end"] - marks["ran"],
        history=marks["history"],
    )


def test_10000_cells_cost_little_more_than_as_many_empty_tests(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "pytest.ini").write_text("[pytest]\n")
    (empty / "conftest.py").write_text(PHASES)
    (empty / "test_empty.py").write_text(
        f"import pytest\n\n\n@pytest.mark.parametrize('cell', [f'board-resnet50-b{{n}}' for n in range({CELLS})])\n"
        "def test_empty(cell):\n    pass\n"
    )
    project = tmp_path / "project"
    (project / "baselines").mkdir(parents=True)
    shutil.copytree(REPO / "benchmarks", project / "benchmarks")
    (project / "pytest.ini").write_text("[pytest]\n")
    (project / "conftest.py").write_text(PHASES + IN_PROCESS)
    sizes = range(1, CELLS // len(MODELS) + 1)
    (project / "ddperf.toml").write_text(
        '[platforms.board]\ntitle = "A board"\nurl = "http://in.process:1"\nmllib = "caffe"\ngpu = false\n'
        f"models = {json.dumps(MODELS)}\nbatch_sizes = {list(sizes)}\n"
    )
    rows = [f"{size},{','.join([f'{10 / size:.6g}'] * len(MODELS))}\n" for size in sizes]
    (project / "baselines" / "board.csv").write_text(f"batch_size,{','.join(MODELS)}\n{''.join(rows)}")
    measured = ("benchmarks", "--platform=board", "--benchmark-json=out.json")
    pairs = []
    for _ in range(PAIRS):
        shutil.rmtree(project / ".ddperf", ignore_errors=True)  # each pair the same: no earlier nights to read
        pairs.append((phases(empty), phases(project, *measured)))
    pairs.sort(key=lambda pair: pair[1].run / pair[0].run)
    nothing, cells = pairs[PAIRS // 2]  # the median: what else runs on the machine takes the caches away
    ratio = cells.run / nothing.run
    (project / "conftest.py").write_text(PHASES + IN_PROCESS + TIMED_HISTORY)
    shutil.rmtree(project / ".ddperf")
    timed = phases(project, *measured)
    (history,) = (project / ".ddperf").glob("*.jsonl")
    began_s = time.process_time()
    document = json.loads((project / "out.json").read_bytes())
    json.dumps(document, indent=4)
    for line in history.read_bytes().splitlines():
        json.dumps(json.loads(line))
    coding_s = time.process_time() - began_s
    stored = document["benchmarks"]
    end_s = timed.end + timed.history
    end_ratio = end_s / coding_s
    print(f"\n{'':<46}{'empty tests':>12}{'cells':>8}{'ratio':>8}{'aim':>6}{'bound':>8}")
    print(f"{f'{CELLS:,} collected, run and kept, CPU s':<46}{nothing.run:>12.2f}{cells.run:>8.2f}", end="")
    print(f"{ratio:>8.2f}{RUN_AIM:>6}{RUN_BOUND:>8}")
    print(f"  of {PAIRS} pairs: {', '.join(f'{each.run / none.run:.2f}' for none, each in pairs)}")
    print(f"{'table, JSON and history, CPU s':<46}{coding_s:>12.2f}{end_s:>8.2f}{end_ratio:>8.2f}{'':>6}{END_BOUND:>8}")
    print("  compared with decoding and encoding the same JSON")
    assert len(stored) == CELLS
    assert {one["extra_info"]["verdict"] for one in stored} == {"ok"}
    assert ratio <= RUN_BOUND
    assert end_ratio <= END_BOUND
