"""Runs of pytest on real servers, stored as they end, beside a load that comes and goes.

What measures for an hour stores each run in a file of its own; the same command then resumes after an interruption.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ddperf.servers import generated_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BURSTS = """
import os, random, sys, time
chance, parent = random.Random(sys.argv[1]), os.getppid()
while os.getppid() == parent:
    time.sleep(chance.expovariate(1 / 3))
    end = time.monotonic() + chance.expovariate(1 / 3)
    while time.monotonic() < end:
        pass
"""
"""A load on one core: bursts and pauses of 3 s on average. It also ends if its parent is killed."""

TEST = "def test_predict(ddperf):\n    ddperf.measure()\n"


def make_project(folder: Path) -> Path:
    """Create a project with one test of all cells."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_predict.py").write_text(TEST)
    return folder


def run_pytest(
    project: Path, url: str, *options: str, models: Sequence[str], batch_sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Measure cells on the server of a URL; return the benchmarks of pytest-benchmark's JSON."""
    images = generated_images.ensure_bench_images()
    results = project / "benchmarks.json"
    results.unlink(missing_ok=True)  # of an earlier run
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "test_predict.py",
            f"--ddperf-url={url}",
            f"--ddperf-data-dir={images}",
            f"--ddperf-models={','.join(models)}",
            f"--ddperf-batch-sizes={','.join(map(str, batch_sizes))}",
            f"--benchmark-json={results}",
            *options,
        ],
        cwd=project,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))},
    )
    if not results.exists():
        raise SystemExit(f"{done.stdout}\npytest in {project} ended with status {done.returncode}")
    return json.loads(results.read_text())["benchmarks"]  # type: ignore[no-any-return] # as pytest-benchmark wrote it


@contextmanager
def bursts(seed: str) -> Iterator[None]:
    """Load every core with random bursts."""
    cores = [subprocess.Popen([sys.executable, "-c", BURSTS, f"{seed}-{core}"]) for core in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for core in cores:
            core.kill()
            core.wait()


def measure_once(stored: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the stored result of a run; if there is none, measure and store it."""
    if not stored.exists():
        unfinished = stored.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(measure()))
        unfinished.replace(stored)
    return json.loads(stored.read_text())  # type: ignore[no-any-return] # as written above
