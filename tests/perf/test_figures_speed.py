"""The history that figures are drawn from: how long, and how much memory, each in a process of its own.

Seconds are CPU seconds of the process that takes longest, so that what else runs on the machine does not count; what a
watch showed is printed beside them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from large_history import list_cells, make_history
from nightly import moment
from process_cost import cost_of, row

from pytest_ddperf.history.index import FILE

if TYPE_CHECKING:
    from pathlib import Path

FIRST_BOUND, LATER_BOUND = 2.0, 0.5
"""CPU seconds of reading the history, relative to decoding every line of its files once."""

MEMORY_BOUND_MIB = 300.0
MIB = 1 << 20
RUNS, FEW_RUNS = 1000, 100
TURNS = 5
"""Of what is compared, one after the other."""

CELLS = list_cells("tk1")
_TREND = """
from pathlib import Path
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.report.gather import load_stored
from pytest_ddperf.history.index import HistoryIndex
from pytest_ddperf.plots.describe.history import trend_charts
from pytest_ddperf.plots.draw.parallel import draw_all
from pytest_ddperf.core.records import CellKey
folder = Path(sys.argv[1])
results = load_stored(load_catalog(), folder, platforms=["tk1"])
with HistoryIndex(folder) as index:
    trend = index.trends("tk1")[CellKey("tk1", "squeezenet_v1.1", 8)]
draw_all(trend_charts(results, [trend], ["tk1"]), folder / "figures")
answer = [sum(cell.now_ms is not None for cell in results.cells), len(trend.nights)]
"""

_READING = """
from pathlib import Path
import msgspec
from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.history.index import FILE
from pytest_ddperf.history.nights import read_nights
from pytest_ddperf.report.gather import load_stored, load_trends
folder, catalog = Path(sys.argv[1]), load_catalog()
store = BaselineStore(catalog)
def decode():
    for path in folder.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            msgspec.json.decode(line)
def start_gate():
    nights = read_nights(folder, "tk1")
    store.load("tk1", "auto", nights)
    nights.after(store.recorded_since("tk1"))
def load_report():
    load_stored(catalog, folder, platforms=["tk1"])
    load_trends(folder, ["tk1"])
if "first" in sys.argv:
    (folder / FILE).unlink(missing_ok=True)
began = time.process_time()
globals()[sys.argv[2]]()
answer = time.process_time() - began
"""
_FRAME = """
import pytest_ddperf
frame = pytest_ddperf.load_history(sys.argv[1], since=sys.argv[2])
answer = [len(frame), frame.memory_usage(deep=True).sum() / 2**20]
"""


def export(storage: Path, folder: Path) -> Path:
    """All runs as pytest-benchmark JSON, by our own exporter, where pytest-benchmark looks for them."""
    target = folder / "Linux-CPython-3.11-64bit"
    target.mkdir(parents=True)
    script = (
        "import json, sys\nfrom pathlib import Path\n"
        "from pytest_ddperf.config.load_catalog import load_catalog\n"
        "from pytest_ddperf.report.benchmark_json import build_run_document\n"
        "from pytest_ddperf.history.run_file import list_runs, read_run\n"
        "for number, path in enumerate(list_runs(Path(sys.argv[1]))):\n"
        "    document = build_run_document(read_run(path), load_catalog())\n"
        "    (Path(sys.argv[2]) / f'{number + 1:04d}_night.json').write_text(json.dumps(document))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(storage), str(target)], check=True)
    return folder


def compare_s(folder: Path) -> float:
    """CPU seconds of `pytest-benchmark compare` on what is stored there."""
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "--storage", f"file://{folder}", "compare", "--group-by=name",
         "--csv", str(folder / "compared.csv")],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_the_peak_memory_of_a_process_is_its_own_however_large_the_one_is_that_started_it() -> None:
    ballast = b"\1" * (2 * MIB * int(MEMORY_BOUND_MIB))
    assert cost_of("answer = 0").peak_mib < MEMORY_BOUND_MIB < len(ballast) / MIB


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("histories")
    return make_history(folder / "few", FEW_RUNS), make_history(folder / "many", RUNS)


@pytest.mark.parametrize("how", ["start_gate", "load_report"])
def test_reading_1000_runs_costs_at_most_twice_decoding_them_and_half_of_it_later(
    histories: tuple[Path, Path], how: str
) -> None:
    _, many = histories
    in_turn = [
        [cost_of(_READING, str(many), *what) for what in (("decode",), (how, "first"), (how,))] for _ in range(TURNS)
    ]
    times_s = [[float(str(cost.answer)) for cost in costs] for costs in in_turn]
    first, later = (statistics.median(one[what] / one[0] for one in times_s) for what in (1, 2))
    peak_mib = max(cost.peak_mib for _, *costs in in_turn for cost in costs)
    print(f"\n{f'{how}: {RUNS} runs of {len(CELLS)} cells':<58}{'measured':>10}{'bound':>10}")
    row("decoding every line once, CPU seconds", statistics.median(decoding_s for decoding_s, *_ in times_s), None, "s")
    row("the first time, relative to it", first, FIRST_BOUND, "")
    row("later, relative to it", later, LATER_BOUND, "")
    row("peak memory", peak_mib, MEMORY_BOUND_MIB, "MiB")
    assert first <= FIRST_BOUND
    assert later <= LATER_BOUND
    assert peak_mib <= MEMORY_BOUND_MIB


def test_opening_joining_and_drawing_1000_runs_costs_hardly_more_than_100_runs(
    histories: tuple[Path, Path], tmp_path: Path
) -> None:
    few, many = histories
    (many / FILE).unlink(missing_ok=True)
    first = cost_of(_TREND, str(many))
    cost_of(_TREND, str(few))
    in_turn = [(cost_of(_TREND, str(many)), cost_of(_TREND, str(few))) for _ in range(TURNS)]
    later, of_few = (min(costs, key=lambda cost: cost.own_s) for costs in zip(*in_turn, strict=True))
    exported = export(many, tmp_path / "exported")
    theirs_s = compare_s(exported)
    compared = len((exported / "compared.csv").read_text(encoding="utf-8").splitlines()) - 1
    print(f"\n{f'{RUNS} runs of {len(CELLS)} cells: opened, joined, one trend drawn':<58}{'measured':>10}{'bound':>10}")
    row("the first time, when the index is built", first.own_s, None, "s")
    row("later", later.own_s, None, "s")
    row("peak memory", max(first.peak_mib, later.peak_mib), MEMORY_BOUND_MIB, "MiB")
    row(f"{FEW_RUNS} runs, later", of_few.own_s, None, "s")
    row(f"ratio {RUNS} runs to {FEW_RUNS}", later.own_s / of_few.own_s, 1.3, "")
    row("pytest-benchmark compare on the same runs, exported", theirs_s, None, "s")
    row("ratio: it to this, later", theirs_s / later.own_s, None, "times")
    assert compared == RUNS * len(CELLS)
    assert first.answer == later.answer == [len(CELLS), 90]
    assert max(first.peak_mib, later.peak_mib) <= MEMORY_BOUND_MIB
    assert later.own_s <= 1.3 * of_few.own_s
    assert later.own_s < theirs_s


def test_the_dataframe_of_1000_runs_is_loaded_in_300_mib(histories: tuple[Path, Path]) -> None:
    _, many = histories
    cost_of(_FRAME, str(many), moment(RUNS))  # makes the index
    every, last = cost_of(_FRAME, str(many), moment(0)), cost_of(_FRAME, str(many), moment(RUNS - 1))
    assert isinstance(every.answer, list)
    (count, frame_mib) = every.answer
    print(f"\n{f'{RUNS} runs of {len(CELLS)} cells as a DataFrame':<58}{'measured':>10}{'bound':>10}")
    row("CPU seconds", every.own_s, None, "s")
    row("peak memory", every.peak_mib, MEMORY_BOUND_MIB, "MiB")
    row("peak memory, the last run alone", last.peak_mib, None, "MiB")
    row("the DataFrame itself", frame_mib, None, "MiB")
    assert count == RUNS * len(CELLS)
    assert every.peak_mib <= MEMORY_BOUND_MIB
