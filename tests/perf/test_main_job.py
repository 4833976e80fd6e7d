"""The main job as a user starts it: `pytest benchmarks`, all 13 networks at batch sizes 1, 2, 4 and 8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
from processes import is_embedded_server

REPO = Path(__file__).resolve().parents[2]
CELLS = 52
TIME_BOUND_S = 300.0
MEMORY_BOUND_GIB = 3.0
GIB = 1024**3
SAMPLED_EVERY_S = 0.05


def test_it_takes_at_most_5_minutes_and_3_gib(tmp_path: Path) -> None:
    shutil.copytree(REPO / "benchmarks", tmp_path / "benchmarks")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    began_s, peak_bytes = time.monotonic(), 0
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "benchmarks", "-q", "--benchmark-json=run.json"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    while run.poll() is None:
        peak_bytes = max(peak_bytes, *(server_bytes(run.pid) or [0]))
        time.sleep(SAMPLED_EVERY_S)
    took_s = time.monotonic() - began_s
    cells = len(json.loads((tmp_path / "run.json").read_text())["benchmarks"])
    print(f"\n{'pytest benchmarks':<34}{'measured':>10}{'bound':>10}")
    print(f"{'cells':<34}{cells:>10}{CELLS:>10}")
    print(f"{f'seconds on {os.cpu_count()} cores, images included':<34}{took_s:>10.1f}{TIME_BOUND_S:>10.1f}")
    print(f"{'peak memory of the server, GiB':<34}{peak_bytes / GIB:>10.2f}{MEMORY_BOUND_GIB:>10.2f}")
    assert run.returncode == 0
    assert cells == CELLS
    assert took_s <= TIME_BOUND_S
    assert peak_bytes <= MEMORY_BOUND_GIB * GIB


def server_bytes(parent: int) -> list[int]:
    """Resident memory of the embedded server among the run's children, in bytes."""
    try:
        children = psutil.Process(parent).children()
        return [child.memory_info().rss for child in children if is_embedded_server(child)]
    except psutil.NoSuchProcess:
        return []  # it ended meanwhile
