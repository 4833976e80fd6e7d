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


def paired(folder: Path, times: int, *arguments: str) -> tuple[float, float, float]:
    """Medians with and without the plugin, and of the differences pair by pair, in CPU seconds; taken in turns."""
    with_plugin, without = [], []
    for _ in range(times):
        without.append(cpu_s(folder, *WITHOUT, *arguments))
        with_plugin.append(cpu_s(folder, *arguments))
    differences = [one - other for one, other in zip(with_plugin, without, strict=True)]
    return statistics.median(with_plugin), statistics.median(without), statistics.median(differences)


def test_pytest_starts_at_most_10_ms_later(tmp_path: Path) -> None:
    with_s, without_s, more_s = paired(tmp_path, STARTS, "--version")
    print(
        f"\npytest --version, CPU ms of {STARTS} pairs: with {with_s * 1000:.1f}, without {without_s * 1000:.1f}, "
        f"difference {more_s * 1000:+.1f} (at most 10)"
    )
    assert more_s <= 0.010


def test_a_run_of_1000_empty_tests_costs_at_most_2_percent_and_10_ms_more(tmp_path: Path) -> None:
    body = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(1000))
    (tmp_path / "test_empty.py").write_text(body)
    with_s, without_s, more_s = paired(tmp_path, RUNS, "-q", "test_empty.py")
    print(
        f"\n1,000 empty tests, CPU s of {RUNS} pairs: with {with_s:.3f}, without {without_s:.3f}, "
        f"difference {more_s * 1000:+.1f} ms = {more_s / without_s * 100:+.1f} % (at most 10 ms and 2 %)"
    )
    assert more_s <= 0.010 + 0.02 * without_s


@pytest.mark.parametrize("heavy", ["pandas", "matplotlib", "onnxruntime", "numpy", "requests", "msgspec", "PIL", "cv2"])
def test_the_plugin_loads_nothing_heavy(tmp_path: Path, heavy: str) -> None:
    (tmp_path / "test_loaded.py").write_text(
        f"import sys\n\n\ndef test_it():\n    assert {heavy!r} not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path, check=True)
