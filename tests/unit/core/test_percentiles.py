from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.core.percentiles import PERCENTS, compute_interval_ranks, compute_percentiles


def coverage(count: int, percent: int, ranks: tuple[int, int]) -> float:
    """P(l <= B < u) by whole numbers."""
    ways = sum(math.comb(count, k) * percent**k * (100 - percent) ** (count - k) for k in range(*ranks))
    return float(Fraction(ways, 100**count))


@pytest.mark.parametrize(("percent", "least"), [(50, 6), (90, 36), (95, 72), (99, 368)])
def test_a_percentile_is_reported_only_where_there_are_enough_samples(percent: int, least: int) -> None:
    assert compute_interval_ranks(least - 1, percent) is None
    assert compute_interval_ranks(least, percent) is not None
    reported = [one.percent for one in compute_percentiles([float(number) for number in range(least)])]
    assert reported[-1] == percent
    assert percent not in [one.percent for one in compute_percentiles([float(number) for number in range(least - 1)])]


@pytest.mark.parametrize(("count", "ranks"), [(6, (1, 6)), (10, (2, 9)), (25, (8, 18)), (100, (40, 61))])
def test_the_ranks_of_a_median_are_those_of_the_published_tables(count: int, ranks: tuple[int, int]) -> None:
    assert compute_interval_ranks(count, 50) == ranks


@given(st.integers(1, 1000), st.sampled_from(PERCENTS))
def test_each_interval_holds_its_percentile_in_95_of_100_and_no_end_could_be_further_in(
    count: int, percent: int
) -> None:
    ranks = compute_interval_ranks(count, percent)
    if ranks is None:
        return
    low, high = ranks
    assert 1 <= low < high <= count
    assert coverage(count, percent, ranks) >= 0.95 - 1e-9
    tails = (coverage(count, percent, (0, low + 1)), coverage(count, percent, (high - 1, count + 1)))
    assert min(tails) > 0.025 - 1e-9  # one rank further in, either tail is too heavy


def test_the_intervals_hold_what_they_promise_of_a_known_distribution() -> None:
    draw = random.Random(7)  # noqa: S311 - no secret
    true_ms = -math.log(1 - 0.9)
    held = 0
    for _ in range(1000):
        (found,) = (
            one for one in compute_percentiles([draw.expovariate(1.0) for _ in range(100)]) if one.percent == 90
        )
        held += found.low_ms <= true_ms <= found.high_ms
    assert held >= 940


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=500))
def test_percentiles_are_samples_in_order_each_within_its_interval(samples_ms: list[float]) -> None:
    found = compute_percentiles(samples_ms)
    assert all({one.value_ms, one.low_ms, one.high_ms} <= set(samples_ms) for one in found)
    assert all(one.low_ms <= one.value_ms <= one.high_ms for one in found)
    assert all(one.value_ms <= other.value_ms for one, other in itertools.pairwise(found))


def test_the_value_is_the_sample_of_its_rank() -> None:
    samples_ms = [float(number) for number in range(1, 401)]
    assert [one.value_ms for one in compute_percentiles(samples_ms)] == [200.0, 360.0, 380.0, 396.0]


def test_no_samples_have_no_percentiles() -> None:
    assert compute_percentiles([]) == ()
