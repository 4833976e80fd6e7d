"""The resolution that a recording gives; noise is drawn from seeds."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from pytest_ddperf.baselines.resolution import compute_resolutions
from pytest_ddperf.core.records import Baseline, CellKey


def recorded(count: int, noise: float, scenario: str = "") -> dict[CellKey, Baseline]:
    """So many cells, recorded in three rounds whose means differ by this standard deviation."""
    chance = random.Random(1)  # noqa: S311 - noise, not secrets
    found = {}
    for size in range(1, count + 1):
        means = [10 * math.exp(chance.gauss(0, noise)) for _ in range(3)]
        run = tuple(mean * share for mean in means for share in (1.0, 1.01, 0.99, 1.005, 0.995))
        key = CellKey("tk1", "resnet50", size, scenario)
        found[key] = Baseline("recorded", 10.0, "tk1.json", (run,), round_sizes=((5, 5, 5),))
    return found


@pytest.mark.parametrize("count", [1, 7, 8, 30])
def test_each_cell_has_a_resolution_above_the_tolerance(count: int) -> None:
    cells = recorded(count, 0.01)
    found = compute_resolutions(cells, 0.1)
    assert list(found) == list(cells)
    assert all(resolution > 0.1 for resolution in found.values())


@pytest.mark.parametrize("count", [4, 30])
def test_a_recording_of_a_noisy_host_has_a_coarser_resolution(count: int) -> None:
    quiet, noisy = (compute_resolutions(recorded(count, noise), 0.1) for noise in (0.005, 0.1))
    assert max(quiet.values()) < 0.15 < min(noisy.values())


def test_cells_under_load_are_judged_apart() -> None:
    plain, load = recorded(4, 0.005), recorded(4, 0.1, "c4")
    assert compute_resolutions(plain | load, 0.1) == compute_resolutions(plain, 0.1) | compute_resolutions(load, 0.1)


def test_a_single_cell_whose_rounds_are_unknown_has_none() -> None:
    ((key, baseline),) = recorded(1, 0.01).items()
    assert compute_resolutions({key: replace(baseline, round_sizes=())}, 0.1) == {}
