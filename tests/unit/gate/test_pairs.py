"""Verdicts on servers that were measured in pairs."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from every_row import every_row

from pytest_ddperf.gate.pairs import (
    PairedRound,
    PairedVerdict,
    estimate_round,
    judge_pairs,
    look_levels,
    student_quantile,
)

TOLERANCE = 0.05


def cell(*changes: float, scatter: float = 0.002) -> list[PairedRound]:
    """Rounds of these changes, whose pairs scatter by so much."""
    reach = 2.5 * scatter / math.sqrt(8)
    return [PairedRound(math.log1p(each), math.log1p(each) - reach, math.log1p(each) + reach) for each in changes]


def judge(*changes: float, others: int = 0, max_pairs: int = 64) -> PairedVerdict:
    return judge_pairs(cell(*changes), [cell(0.0)] * others, TOLERANCE, max_pairs)


def test_a_round_is_estimated_by_the_median_of_all_means_of_two() -> None:
    assert estimate_round([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).estimate == pytest.approx(3.5)
    assert estimate_round([0.01] * 6 + [5.0, 9.0]).estimate == pytest.approx(0.01)


def test_the_interval_of_a_round_is_that_of_the_signed_rank_test() -> None:
    # Of the 36 means of 0, 1, 3, 7, 15, 31, 63, 127, the 4th lowest and the 4th highest.
    found = estimate_round([0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0])
    assert (found.low, found.high) == (1.5, 71.0)


def test_the_interval_of_a_round_covers_the_truth_in_96_percent() -> None:
    chance = random.Random(1)  # noqa: S311 - noise, not secrets
    rounds = [estimate_round([chance.gauss(0, 1) for _ in range(8)]) for _ in range(3000)]
    assert sum(one.low < 0 < one.high for one in rounds) / 3000 == pytest.approx(0.961, abs=0.012)


@every_row("ratios", [[0.0] * 7, [0.0] * 9, [math.nan] * 8, [0.0] * 7 + [math.inf]])
def test_a_round_of_other_than_8_finite_ratios_is_refused(ratios: list[float]) -> None:
    with pytest.raises(ValueError, match="8 finite log ratios"):
        estimate_round(ratios)


@every_row(
    "degrees, level, value",
    [(1, 0.025, 12.7062), (2, 0.025, 4.3027), (7, 0.005, 3.4995), (30, 0.0005, 3.6460), (120, 0.01, 2.3578)],
)
def test_students_quantiles_are_those_of_the_tables(degrees: int, level: float, value: float) -> None:
    assert student_quantile(level, degrees) == pytest.approx(value, abs=1e-4)


@every_row(
    "looks, bounds",
    [
        # Reboussin, DeMets, Kim and Lan 2000 (program of spending functions), one-sided 0.025
        ((1, 2, 3), (3.7103, 2.5114, 1.9930)),
        ((1, 2, 3, 4, 5), (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ((8,), (1.9600,)),
    ],
)
def test_the_boundaries_of_the_looks_are_the_published_ones(looks: tuple[int, ...], bounds: tuple[float, ...]) -> None:
    found = [-NormalDist().inv_cdf(level) for level in look_levels(0.025, looks)]
    assert found == pytest.approx(bounds, abs=2e-4)


@every_row(
    "changes, outcome",
    [
        # after 8 pairs: ok below half the tolerance, nothing else
        ((0.024,), "ok"),
        ((-0.024,), "ok"),
        ((0.03,), "remeasure"),
        ((0.5,), "remeasure"),
        ((-0.5,), "remeasure"),
        # after 16 pairs: no look
        ((0.03, 0.0), "remeasure"),
        ((0.5, 0.5), "remeasure"),
        # after 24 and 40 pairs
        ((0.03, 0.0, 0.0), "ok"),
        ((0.03, 0.03, 0.03), "remeasure"),
        ((0.2, 0.2005, 0.1995), "regressed"),
        ((-0.2, -0.2005, -0.1995), "improved"),
        ((0.2, 0.1, 0.15), "remeasure"),
        ((0.2, 0.1, 0.15, 0.2, 0.15), "regressed"),
        ((0.2, 0.1, 0.15, 0.2), "remeasure"),
        # after 64 pairs
        ((0.06, 0.07, 0.05, 0.06, 0.07, 0.05, 0.06, 0.06), "regressed"),
        ((-0.06, -0.07, -0.05, -0.06, -0.07, -0.05, -0.06, -0.06), "improved"),
        ((0.3, -0.2, 0.2, -0.1, 0.4, -0.2, 0.2, 0.0), "unstable"),
        ((-0.3, 0.2, -0.2, 0.1, -0.4, 0.2, -0.2, 0.0), "ok"),
        ((0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04), "ok"),
    ],
)
def test_a_cell_gets_the_verdict_of_its_rounds(changes: tuple[float, ...], outcome: str) -> None:
    assert judge(*changes).outcome == outcome


def test_the_figures_shown_are_those_that_decide() -> None:
    found = judge(0.2, 0.1, 0.15, 0.2, 0.15)
    assert found.change == pytest.approx(0.1595, abs=1e-3)
    assert found.interval is not None
    assert 0 < found.interval[0] < found.change < found.interval[1]
    assert f"{found.change * 100:+.1f} %" in found.reason
    assert "40 pairs" in found.reason


def test_after_the_first_round_the_interval_is_that_of_its_pairs() -> None:
    only = cell(0.01)[0]
    interval = judge(0.01).interval
    assert interval == pytest.approx((math.expm1(only.low), math.expm1(only.high)))


def test_the_first_of_many_looks_has_an_interval() -> None:
    assert judge(0.0, 0.01, -0.01, max_pairs=80_000).interval is not None


def test_there_is_no_interval_between_two_looks() -> None:
    assert judge(0.5, 0.5).interval is None


def test_the_scatter_between_rounds_is_pooled_over_the_cells_of_the_run() -> None:
    """Alone, three rounds hardly show how much rounds scatter; twenty other cells do."""
    quiet = [cell(0.01, -0.01, 0.0) for _ in range(20)]
    alone = judge_pairs(cell(0.2, 0.19, 0.21), [], TOLERANCE)
    together = judge_pairs(cell(0.2, 0.19, 0.21), quiet, TOLERANCE)
    assert (alone.outcome, together.outcome) == ("remeasure", "regressed")


def test_noisy_rounds_of_other_cells_widen_the_interval() -> None:
    noisy = [cell(0.3, -0.3, 0.2) for _ in range(20)]
    assert judge_pairs(cell(0.2, 0.2, 0.2), noisy, TOLERANCE).outcome == "remeasure"


def test_a_cell_whose_own_pairs_scatter_is_not_judged_by_the_quiet_cells_of_its_run() -> None:
    quiet = [cell(0.001, -0.001, 0.0) for _ in range(20)]
    rounds = 0.06, 0.07, 0.06, 0.07, 0.06, 0.07, 0.06, 0.07
    assert judge_pairs(cell(*rounds, scatter=0.01), quiet, TOLERANCE).outcome == "regressed"
    assert judge_pairs(cell(*rounds, scatter=0.5), quiet, TOLERANCE).outcome == "unstable"


def test_more_cells_need_a_larger_change() -> None:
    rounds = 0.06, 0.10, 0.03, 0.06, 0.09, 0.02, 0.07, 0.05
    one = judge_pairs(cell(*rounds), [cell(0.0)], TOLERANCE).interval
    many = judge_pairs(cell(*rounds), [cell(0.0)] * 200, TOLERANCE).interval
    assert one is not None
    assert many is not None
    assert many[0] < one[0]


@every_row(
    "max_pairs, decided_after",
    [(24, [3]), (32, [3, 4]), (40, [3, 5]), (64, [3, 5, 8]), (60, [3, 5, 8]), (96, [3, 5, 8, 12])],
)
def test_the_maximum_of_pairs_is_the_last_look(max_pairs: int, decided_after: list[int]) -> None:
    steps = [0.2 + 0.0001 * (number % 3) for number in range(12)]
    outcomes = {count: judge(*steps[:count], max_pairs=max_pairs).outcome for count in range(2, decided_after[-1] + 1)}
    assert [count for count, outcome in outcomes.items() if outcome == "regressed"] == decided_after


def test_at_the_last_look_every_cell_is_decided() -> None:
    assert judge(0.03, 0.04, 0.03, max_pairs=24).outcome == "ok"
    assert judge(0.3, -0.2, 0.2, max_pairs=24).outcome == "unstable"


def test_a_cell_that_cannot_be_compared_with_anything_between_rounds_is_unstable() -> None:
    assert judge(0.3, max_pairs=8).outcome == "unstable"


def test_a_change_as_large_as_the_resolution_is_found_in_four_of_five_runs() -> None:
    chance = random.Random(3)  # noqa: S311 - noise, not secrets
    found, runs = 0, 400
    changes = [chance.gauss(0.0, 0.05) for _ in range(8)]
    resolution = judge_pairs(cell(*changes, scatter=0.0), [cell(*changes)] * 20, TOLERANCE).resolution
    assert resolution is not None
    for _ in range(runs):
        slower = [(1 + resolution) * math.exp(chance.gauss(0.0, 0.05)) - 1 for _ in range(8)]
        others = [cell(*(math.expm1(chance.gauss(0.0, 0.05)) for _ in range(8))) for _ in range(20)]
        found += judge_pairs(cell(*slower, scatter=0.0), others, TOLERANCE).outcome == "regressed"
    assert found / runs == pytest.approx(0.8, abs=0.15)
