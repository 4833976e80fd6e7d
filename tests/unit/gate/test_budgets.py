"""Absolute limits: the interval of a mean and of a percentile, and what it decides."""

from __future__ import annotations

import math
import random

import pytest
from every_row import every_row
from gate_budgets import STATED, simulate
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.core.budgets import Standing
from pytest_ddperf.gate.budgets import Estimate, estimate_mean, estimate_percentile
from pytest_ddperf.gate.noise import MAX_ROUNDS

STEADY = (100.0, 101.0, 99.0, 100.5, 99.5)


def rounds(*factors: float) -> list[list[float]]:
    return [[ms * factor for ms in STEADY] for factor in factors]


def width(estimate: Estimate) -> float:
    assert estimate.low_ms is not None
    return math.log(estimate.value_ms / estimate.low_ms)


def test_the_figure_is_the_mean_of_all_passes_of_all_rounds_and_not_of_the_fastest() -> None:
    assert estimate_mean([[10.0, 10.0, 10.0, 10.0, 30.0], [20.0]], 1).value_ms == pytest.approx(15.0)


@every_row(
    "factors, limit, standing",
    [
        ((1.0,), 150.0, Standing.WITHIN),
        ((1.0, 1.0, 1.0), 150.0, Standing.WITHIN),
        ((1.0, 1.0, 1.0), 101.0, Standing.UNDECIDED),
        ((1.0, 1.0, 1.0), 99.0, Standing.UNDECIDED),
        ((1.0, 1.0, 1.0), 80.0, Standing.OVER),
        ((1.0, 1.0), 80.0, Standing.UNDECIDED),  # one accident would be half of it
        ((1.0,), 80.0, Standing.UNDECIDED),
        ((1.0, 1.0, 1.6), 90.0, Standing.UNDECIDED),  # rounds that differ by more than their passes explain
    ],
)
def test_a_limit_is_decided_by_the_whole_interval(factors: tuple[float, ...], limit: float, standing: Standing) -> None:
    assert estimate_mean(rounds(*factors), 20).judge(limit) is standing


def test_a_cell_that_no_further_round_can_help_may_be_over_after_fewer_rounds() -> None:
    assert estimate_mean(rounds(1.0, 1.0), 1, looks=(2,)).judge(80.0) is Standing.OVER


@every_row("looks", [(3, 5, 8, 16), (3, 5, 8, 100), (3, 5, 8, 10_000)])
def test_the_first_of_many_looks_has_an_interval(looks: tuple[int, ...]) -> None:
    for factors in [(1.0, 1.001), (1.0, 1.001, 0.999)]:
        found = estimate_mean(rounds(*factors), 52, looks)
        assert found.low_ms is not None
        assert found.low_ms < found.value_ms
    found = estimate_percentile(requests(*[20] * 15), 95, 52, looks)
    assert found.low_ms is not None
    assert found.low_ms < found.value_ms


def test_a_cell_may_be_over_only_at_a_look_or_after_the_last_one() -> None:
    over = [estimate_mean(rounds(*[1.0] * count), 1, (3, 5)).judge(50.0) is Standing.OVER for count in range(1, 8)]
    assert over == [False, False, True, False, True, True, True]


def test_one_pass_shows_no_noise_and_decides_nothing() -> None:
    found = estimate_mean([[100.0]], 1)
    assert (found.low_ms, found.high_ms) == (None, None)
    assert {found.judge(limit) for limit in (1.0, 1000.0)} == {Standing.UNDECIDED}


def test_rounds_of_one_pass_show_their_scatter() -> None:
    found = estimate_mean([[100.0], [101.0], [99.0], [100.0], [101.0], [99.0]], 1)
    assert (found.judge(90.0), found.judge(110.0)) == (Standing.OVER, Standing.WITHIN)


def test_passes_of_rounds_that_differ_do_not_make_the_interval_narrower() -> None:
    factors = (0.9, 1.1, 0.95, 1.05, 1.0, 1.0)
    few, many = rounds(*factors), [one * 20 for one in rounds(*factors)]
    assert width(estimate_mean(many, 1)) >= 0.9 * width(estimate_mean(few, 1))


def test_two_rounds_that_differ_show_next_to_nothing() -> None:
    found = estimate_mean(rounds(1.0, 1.2), 20)
    assert found.low_ms == pytest.approx(11.0, rel=0.01)


def test_passes_without_any_scatter_leave_the_difference_of_runs() -> None:
    assert width(estimate_mean([[100.0] * 1000] * 6, 1)) > 0.02


def test_the_level_is_shared_by_all_figures_of_the_run() -> None:
    assert width(estimate_mean(rounds(1, 1.01, 0.99), 104)) > width(estimate_mean(rounds(1, 1.01, 0.99), 1))


@given(
    st.lists(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=6), min_size=1, max_size=6), st.sampled_from([1, 20])
)
def test_the_interval_contains_the_mean(rounds_ms: list[list[float]], figures: int) -> None:
    found = estimate_mean(rounds_ms, figures)
    shows_noise = len(rounds_ms) > 1 or len(rounds_ms[0]) > 1
    assert (found.low_ms is not None, found.high_ms is not None) == (shows_noise, shows_noise)
    assert (found.low_ms or 0.0) <= found.value_ms <= (found.high_ms or math.inf)
    assert found.judge(found.value_ms) is Standing.UNDECIDED


def requests(*slow: int) -> list[list[list[float]]]:
    """Rounds of five passes of 100 requests of 10 ms; for each pass, so many take 100 ms."""
    passes = [[100.0] * count + [10.0] * (100 - count) for count in slow]
    return [passes[first : first + 5] for first in range(0, len(passes), 5)]


def test_a_percentile_is_a_latency_that_occurred() -> None:
    passes = [[float(ms) for ms in range(1, 101)]]
    assert estimate_percentile([passes], 95, 1).value_ms == 95.0


@every_row(
    "slow, limit, standing",
    [
        (0, 50.0, Standing.WITHIN),
        (1, 50.0, Standing.WITHIN),
        (5, 50.0, Standing.UNDECIDED),
        (20, 50.0, Standing.OVER),
        (20, 120.0, Standing.WITHIN),
    ],
)
def test_a_percentile_is_decided_by_its_order_statistics(slow: int, limit: float, standing: Standing) -> None:
    assert estimate_percentile(requests(*[slow] * 15), 95, 20).judge(limit) is standing


def test_too_few_requests_decide_nothing() -> None:
    found = estimate_percentile([[[10.0] * 40]], 95, 1)
    assert (found.low_ms, found.judge(1e6)) == (None, Standing.UNDECIDED)


@every_row("stall", [(100, 100, 40, *[0] * 17), (24, 24, 24, 24, 24, *[8] * 15)])
def test_requests_that_are_slow_in_the_same_pass_or_round_count_less(stall: tuple[int, ...]) -> None:
    assert sum(stall) == 12 * 20
    assert estimate_percentile(requests(*[12] * 20), 95, 1).judge(50.0) is Standing.OVER
    assert estimate_percentile(requests(*stall), 95, 1).judge(50.0) is Standing.UNDECIDED


def test_the_lower_end_of_a_percentile_is_wrong_as_rarely_as_stated() -> None:
    draw, red, cells = random.Random(1), 0, 300  # noqa: S311 - no secret
    limit = -math.log(0.05)  # the 95th percentile of the exponential distribution
    for _ in range(cells):
        rounds_ms = [[[draw.expovariate(1.0) for _ in range(40)] for _ in range(5)] for _ in range(MAX_ROUNDS)]
        looks = (estimate_percentile(rounds_ms[:count], 95, 1).judge(limit) for count in range(1, MAX_ROUNDS + 1))
        red += Standing.OVER in looks
    assert red <= 0.02 * cells


def test_nights_within_their_budgets_are_red_as_rarely_as_stated_and_cells_beyond_are_found() -> None:
    within, over = simulate(STATED, 0.97, nights=60), simulate(STATED, 1.1, nights=30)
    assert within.red_nights == 0
    assert within.naive_nights > 40
    assert over.found >= 0.95 * over.cells
