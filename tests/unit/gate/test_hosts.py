"""A coarse part of the simulation of hosts (tests/perf/gate_power.py --tables hosts), with fixed seeds."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from gate_hosts import VALUES, Combination, cover, grid, most_allowed, score

NOISY = [
    Combination(1, 0.3, 0.07, 0.5, 0.1, "1 run"),
    Combination(4, 0.1, 0.07, 0.5, 0.1, "1 run"),
    Combination(9, 0.1, 0.07, 0.5, 0.1, "1 run"),
    Combination(9, 0.05, 0.1, 0.0, 0.05, "3 runs"),
    Combination(15, 0.05, 0.05, 0.5, 0.1, "table"),
    Combination(15, 0.2, 0.07, 1.0, 0.1, "12 nights"),
    Combination(9, 0.015, 0.01, 0.5, 0.1, "1 run", then=6.0),
    Combination(9, 0.05, 0.05, 0.5, 0.1, "1 run", slow=1, slower=1.4),
    Combination(15, 0.1, 0.07, 0.5, 0.1, "1 run", stall=0.5),
]


@pytest.mark.parametrize("host", NOISY, ids=str)
def test_a_run_without_change_is_not_red_on_a_noisy_host(host: Combination) -> None:
    found = score(host, runs=30, tries=0)

    assert found.red <= most_allowed(found.runs, host.bound)


def test_a_cell_slower_by_its_resolution_is_mostly_found() -> None:
    found = [score(host, runs=15, tries=15) for host in NOISY[1:6]]

    assert 0.65 <= sum(one.found for one in found) / sum(one.tried for one in found) <= 0.95


def test_no_row_of_a_thousand_noisy_runs_shows_a_change_that_contradicts_its_verdict() -> None:
    found = [score(host, runs, tries=0) for host, runs in zip(NOISY[:3], (450, 450, 100), strict=True)]

    assert sum(one.runs for one in found) == 1000
    assert sum(one.unlike for one in found) == 0


@pytest.mark.parametrize("cells", [2, 4, 9, 15])
def test_another_clock_for_a_whole_run_is_no_false_alarm(cells: int) -> None:
    found = score(Combination(cells, 0.015, 0.01, 0.5, 0.1, "1 run", clock=0.3), runs=20, tries=0)

    assert found.shifted == 20
    assert found.red == 0


def test_the_combinations_cover_every_pair_of_values() -> None:
    chosen = cover(VALUES, grid())

    assert len(chosen) >= 60
    for one, other in combinations(VALUES, 2):
        assert {(getattr(row, one), getattr(row, other)) for row in chosen} == set(product(VALUES[one], VALUES[other]))


@pytest.mark.parametrize(
    ("runs", "bound", "most"), [(1000, 0.02, 35), (300, 0.02, 15), (1000, 0.01, 21), (300, 0.01, 10)]
)
def test_the_most_red_runs_are_those_of_the_binomial_limit(runs: int, bound: float, most: int) -> None:
    assert most_allowed(runs, bound) == pytest.approx(most, abs=1)
