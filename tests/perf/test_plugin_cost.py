"""What the plugin costs a pytest run that has nothing to do with it."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT = ("-p", "no:pytest_ddperf.plugin", "-p", "no:ddperf_platform")
STARTS = 25
RUNS = 9
BOUND = 1.05
"""CPU time with the plugin relative to that without it."""


def cpu_s(folder: Path, *arguments: str) -> float:
    """CPU seconds, user and system, of a pytest run: what else runs on the machine does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def paired(folder: Path, times: int, *arguments: str) -> float:
    """Print what a run costs with and without the plugin, in turns; return the median of the ratios pair by pair."""
    cpu_s(folder, *arguments)  # compiles
    pairs = [(cpu_s(folder, *WITHOUT, *arguments), cpu_s(folder, *arguments)) for _ in range(times)]
    without_s, with_s = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(with_plugin / without for without, with_plugin in pairs)
    print(
        f"\npytest {' '.join(arguments)}, CPU ms of {times} pairs: with {with_s * 1000:.1f}, "
        f"without {without_s * 1000:.1f}, ratio {ratio:.3f} (at most {BOUND})"
    )
    return ratio


def test_pytest_starts_hardly_later(tmp_path: Path) -> None:
    assert paired(tmp_path, STARTS, "--version") <= BOUND


def test_a_run_of_1000_empty_tests_costs_hardly_more(tmp_path: Path) -> None:
    body = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(1000))
    (tmp_path / "test_empty.py").write_text(body)
    assert paired(tmp_path, RUNS, "-q", "test_empty.py") <= BOUND


@pytest.mark.parametrize("heavy", ["pandas", "matplotlib", "onnxruntime", "numpy", "requests", "msgspec", "PIL", "cv2"])
def test_the_plugin_loads_nothing_heavy(tmp_path: Path, heavy: str) -> None:
    (tmp_path / "test_loaded.py").write_text(
        f"import sys\n\n\ndef test_it():\n    assert {heavy!r} not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path, check=True)
