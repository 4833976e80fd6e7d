"""The main job as a user starts it: `pytest benchmarks`, all 13 networks at batch sizes 1, 2, 4 and 8."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from processes import is_embedded_server

from pytest_ddperf.embedded.runtime import engine

if TYPE_CHECKING:
    from collections.abc import Iterable

REPO = Path(__file__).resolve().parents[2]
CELLS = 52
BOUND = 2.5
"""CPU time of the whole run, relative to the timed predictions alone by ONNX Runtime, called directly."""

MEMORY_BOUND_GIB = 3.0
GIB = 1024**3
SAMPLED_EVERY_S = 0.05
DIRECT_RUNS = 3


def test_it_takes_hardly_more_than_its_predictions_by_onnx_runtime_and_at_most_3_gib(tmp_path: Path) -> None:
    shutil.copytree(REPO / "benchmarks", tmp_path / "benchmarks")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    before_s, began_s, peak_bytes = children_s(), time.monotonic(), 0
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "benchmarks", "-q", "--benchmark-json=run.json"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    while run.poll() is None:
        peak_bytes = max(peak_bytes, *(server_bytes(run.pid) or [0]))
        time.sleep(SAMPLED_EVERY_S)
    wall_s, cpu_s = time.monotonic() - began_s, children_s() - before_s
    cells = json.loads((tmp_path / "run.json").read_text())["benchmarks"]
    passes = {(cell["params"]["model"], cell["params"]["batch_size"]): len(cell["stats"]["data"]) for cell in cells}
    direct_s = sum(
        passes[model, size] * seconds for model, sizes in by_model(passes) for size, seconds in direct(model, sizes)
    )
    print(f"\n{'pytest benchmarks':<46}{'measured':>10}{'bound':>10}")
    print(f"{'cells':<46}{len(cells):>10}{CELLS:>10}")
    print(f"{f'seconds on {os.cpu_count()} cores, images included':<46}{wall_s:>10.1f}")
    print(f"{'CPU seconds, server included':<46}{cpu_s:>10.1f}")
    print(f"{f'CPU seconds of {sum(passes.values())} passes by ONNX Runtime':<46}{direct_s:>10.1f}")
    print(f"{'ratio':<46}{cpu_s / direct_s:>10.2f}{BOUND:>10.2f}")
    print(f"{'peak memory of the server, GiB':<46}{peak_bytes / GIB:>10.2f}{MEMORY_BOUND_GIB:>10.2f}")
    assert run.returncode == 0
    assert len(cells) == CELLS
    assert cpu_s <= BOUND * direct_s
    assert peak_bytes <= MEMORY_BOUND_GIB * GIB


def children_s() -> float:
    """CPU seconds of all processes started so far that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def by_model(cells: Iterable[tuple[str, int]]) -> list[tuple[str, list[int]]]:
    sizes: dict[str, list[int]] = {}
    for model, size in cells:
        sizes.setdefault(model, []).append(size)
    return list(sizes.items())


def direct(model: str, sizes: Iterable[int]) -> list[tuple[int, float]]:
    """CPU seconds of a prediction of each batch size by ONNX Runtime in this process, without the server."""
    session = engine.load_builtin(model)._session
    assert session is not None
    (name,) = (each.name for each in session.get_inputs())
    shape = session.get_inputs()[0].shape[1:]

    def cpu_s(batch: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
        began_s = time.process_time()
        session.run(None, {name: batch})
        return time.process_time() - began_s

    batches = {size: np.zeros((size, *shape), np.float32) for size in sizes}
    return [
        (size, statistics.median([cpu_s(batch) for _ in range(DIRECT_RUNS + 1)][1:])) for size, batch in batches.items()
    ]


def server_bytes(parent: int) -> list[int]:
    """Resident memory of the embedded server among the run's children, in bytes."""
    try:
        children = psutil.Process(parent).children()
        return [child.memory_info().rss for child in children if is_embedded_server(child)]
    except psutil.NoSuchProcess:
        return []  # it ended meanwhile
