"""The formulae of the gate, against figures known from elsewhere."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest

from pytest_ddperf.gate.statistics import (
    Crowd,
    expected_offset,
    find_bulk,
    is_larger,
    level,
    level_bias,
    level_variance,
    midmean,
    pass_sigma,
    round_statistic,
    rounds_scatter,
    sidak_z,
    student,
)


def normals(count: int, seed: int = 1, mean: float = 0.0) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - noise, not secrets
    return [chance.gauss(mean, 1.0) for _ in range(count)]


def test_a_round_is_worth_its_fastest_three_of_five() -> None:
    assert round_statistic([1.0, 100.0, 2.0, 50.0, 4.0]) == pytest.approx(math.log(2.0))


def test_one_pass_is_worth_itself() -> None:
    assert round_statistic([3.0]) == pytest.approx(math.log(3.0))


def test_the_fastest_three_of_five_lie_half_a_deviation_below_the_mean() -> None:
    # Means of the order statistics of five normal draws: -1.163, -0.495, 0.
    assert expected_offset(5) == pytest.approx((-1.163 - 0.495 + 0.0) / 3, abs=0.01)
    assert expected_offset(1) == 0.0


def test_the_scatter_of_passes_is_found_from_those_that_count() -> None:
    chance = random.Random(1)  # noqa: S311 - noise, not secrets
    found = [pass_sigma([math.exp(chance.gauss(0, 0.02)) for _ in range(5)]) or 0.0 for _ in range(2000)]

    assert sum(found) / len(found) == pytest.approx(0.02, rel=0.05)


def test_two_passes_tell_no_scatter() -> None:
    assert pass_sigma([1.0, 2.0]) is None


@pytest.mark.parametrize(
    ("values", "middle"),
    [([1.0], 1.0), ([1.0, 2.0], 1.5), ([1.0, 9.0, 2.0], 2.0), ([1.0, 2.0, 4.0, 99.0], 3.0)],
)
def test_the_midmean_leaves_the_ends_out(values: list[float], middle: float) -> None:
    assert midmean(values) == middle


def test_several_rounds_are_worth_their_mean_without_the_slowest() -> None:
    assert level([0.3, 0.1, 0.2], 1.0) == pytest.approx(0.15)
    assert level([0.3], 1.0) == 0.3


def test_two_accidents_hardly_count() -> None:
    assert level([0.0, 0.0, 0.0, 0.0, 5.0, 5.0], 0.01) == pytest.approx(0.005)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_variance_of_several_rounds_is_that_of_normal_draws(count: int) -> None:
    draws = normals(30_000)
    found = [level(draws[start : start + count], math.inf) for start in range(0, len(draws) - count, count)]
    mean = sum(found) / len(found)

    assert sum((value - mean) ** 2 for value in found) / len(found) == pytest.approx(level_variance(count), rel=0.06)


@pytest.mark.parametrize("count", [3, 6])
def test_the_level_of_several_rounds_is_as_far_below_their_mean_as_stated(count: int) -> None:
    draws = normals(30_000)
    found = [level(draws[start : start + count], math.inf) for start in range(0, len(draws) - count, count)]

    assert -sum(found) / len(found) == pytest.approx(level_bias(count), abs=0.02)


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_the_scatter_between_rounds_is_that_of_normal_draws(count: int) -> None:
    draws = normals(30_000)
    found = [rounds_scatter(draws[start : start + count])[0] for start in range(0, len(draws) - count, count)]

    assert sum(found) / len(found) == pytest.approx(1.0, rel=0.06)


def test_an_accident_in_one_of_four_rounds_adds_no_scatter() -> None:
    assert rounds_scatter([0.0, 0.1, 0.2, 5.0]) == rounds_scatter([0.0, 0.1, 0.2, 0.3])


def test_a_single_round_has_no_scatter() -> None:
    assert rounds_scatter([1.0]) == (0.0, 0.0)


def test_the_quantile_for_one_cell_is_the_normal_one() -> None:
    assert sidak_z(0.02, 1) == pytest.approx(NormalDist().inv_cdf(0.98))


def test_the_quantile_keeps_all_cells_clear_together() -> None:
    z = sidak_z(0.02, 104)

    assert NormalDist().cdf(z) ** 104 == pytest.approx(0.98)


@pytest.mark.parametrize(("chance", "degrees", "quantile"), [(0.975, 20, 2.086), (0.999, 5, 5.893), (0.9998, 15, 4.56)])
def test_students_quantile_is_that_of_the_tables(chance: float, degrees: float, quantile: float) -> None:
    assert student(NormalDist().inv_cdf(chance), degrees) == pytest.approx(quantile, rel=0.02)


@pytest.mark.parametrize("cells", [8, 14, 39])
def test_a_cell_is_as_seldom_beyond_a_small_suite_as_students_quantile_says(cells: int) -> None:
    draws, z, beyond, tries = normals((cells + 1) * 2000), NormalDist().inv_cdf(0.99), 0, 2000
    for start in range(0, len(draws), cells + 1):
        one, *others = draws[start : start + cells + 1]
        bulk = find_bulk(others)
        beyond += one > bulk.centre + student(z, bulk.degrees) * math.sqrt(bulk.variance + bulk.centre_variance)

    assert beyond / tries < 0.018


@pytest.mark.parametrize(("degrees", "others", "quantile"), [(4, 20, 2.87), (10, 10, 2.98), (60, 120, 1.43)])
def test_a_variance_is_larger_from_the_quantile_of_f_on(degrees: int, others: int, quantile: float) -> None:
    assert is_larger(1.04 * quantile, degrees, 1.0, others)
    assert not is_larger(0.96 * quantile, degrees, 1.0, others)


def test_the_bulk_of_one_crowd_is_its_mean_and_variance() -> None:
    found = find_bulk(normals(500))

    assert found.centre == pytest.approx(0.0, abs=0.15)
    assert found.variance == pytest.approx(1.0, rel=0.2)


def test_the_bulk_is_the_faster_half() -> None:
    found = find_bulk([*normals(50), *normals(54, 2, mean=6.0)])

    assert found.centre == pytest.approx(0.0, abs=0.5)
    assert found.variance == pytest.approx(1.0, rel=0.6)


def test_the_bulk_does_not_see_a_few_cells_far_away() -> None:
    found = find_bulk([*normals(90), *normals(10, 2, mean=30.0), *normals(4, 3, mean=-30.0)])

    assert found.centre == pytest.approx(0.0, abs=0.3)
    assert found.variance == pytest.approx(1.0, rel=0.4)


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [2.0] * 50])
def test_the_bulk_of_equal_values_has_no_width(values: list[float]) -> None:
    found = find_bulk(values)

    assert found.centre == values[0]
    assert found.variance == pytest.approx(0.0, abs=1e-12)


def test_a_cell_is_held_against_the_others_alone() -> None:
    values = normals(20)
    crowd = Crowd(values)

    assert crowd.others(values[3]) == find_bulk([*values[:3], *values[4:]])
