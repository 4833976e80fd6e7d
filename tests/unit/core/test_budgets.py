"""Budgets as values."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.core.budgets import Budget, BudgetCheck, Standing, find_tightest
from pytest_ddperf.core.records import CellKey

PLAIN, CLIENTS, RATE = (CellKey("tk1", "vgg16", 2, scenario) for scenario in ("", "c4", "r20"))
EVERY = Budget(max_ms=40, min_fps=25, max_latency_ms=90, p95_ms=120, p99_ms=200)


def check(key: str, limit: float, value: float, standing: Standing = Standing.WITHIN) -> BudgetCheck:
    return BudgetCheck(key, limit, value, value * 0.98, value * 1.03, standing)


def test_the_limits_that_apply_depend_on_the_load() -> None:
    assert EVERY.of_cell(PLAIN) == Budget(max_ms=40, min_fps=25, max_latency_ms=90)
    assert EVERY.of_cell(CLIENTS) == EVERY
    assert EVERY.of_cell(RATE) == Budget(max_ms=40, max_latency_ms=90, p95_ms=120, p99_ms=200)


@every_row("key, figures", [(PLAIN, 1), (CLIENTS, 4), (RATE, 3)])
def test_limits_of_one_figure_count_once(key: CellKey, figures: int) -> None:
    assert EVERY.count_figures(key) == figures
    assert Budget().count_figures(key) == 0


@every_row("budget, needed", [(Budget(max_ms=1), 0), (Budget(p95_ms=1), 72), (Budget(p95_ms=1, p99_ms=1), 368)])
def test_percentiles_need_requests(budget: Budget, needed: int) -> None:
    assert budget.requests_needed == needed


@every_row(
    "one, headroom",
    [
        (check("max_ms", 40, 30), 0.25),
        (check("max_ms", 40, 50), -0.25),
        (check("min_fps", 25, 50), 0.5),
        (check("min_fps", 25, 20), -0.25),
    ],
)
def test_the_headroom_is_the_share_of_the_allowed_time_that_is_left(one: BudgetCheck, headroom: float) -> None:
    assert one.headroom == pytest.approx(headroom)


def test_a_check_states_limit_figure_interval_and_distance() -> None:
    assert_names(
        str(check("min_fps", 25, 20, Standing.OVER)), "min_fps = 25", "20.0 images/s", "[19.6, 20.6]", "25.0 % beyond"
    )
    assert_names(str(check("p95_ms", 100, 50)), "p95_ms = 100", "50.0 ms/request", "50.0 % within")


def test_an_undecided_check_states_from_where_it_is_certain() -> None:
    text = str(BudgetCheck("max_ms", 40, 40.4, 39.0, 41.0, Standing.UNDECIDED))
    assert_names(text, "1.0 % beyond", "3.6 % beyond", "1.5 % within")
    text = str(BudgetCheck("min_fps", 25, 25.25, 24.5, 26.0, Standing.UNDECIDED))
    assert_names(text, "1.0 % within", "3.0 % beyond", "3.0 % within")
    assert_names(str(BudgetCheck("max_ms", 40, 40.4, None, None, Standing.UNDECIDED)), "too few passes")


def test_the_tightest_limit_is_over_before_undecided_before_the_least_headroom() -> None:
    within, tight = check("max_ms", 40, 30), check("min_fps", 25, 26)
    undecided = check("p95_ms", 100, 50, Standing.UNDECIDED)
    over = check("p99_ms", 100, 101, Standing.OVER)
    assert find_tightest([within, tight]) is tight
    assert find_tightest([within, tight, undecided]) is undecided
    assert find_tightest([undecided, over]) is over
    assert find_tightest([]) is None


@every_row(
    "fields, facts",
    [
        ({"key": "p50_ms"}, ("p50_ms", "p95_ms")),
        ({"limit": 0.0}, ("limit", "0")),
        ({"value": -1.0}, ("value", "-1")),
        ({"low": 0.0}, ("low", "0")),
        ({"high": math.nan}, ("high", "nan")),
    ],
)
def test_a_check_of_no_limit_or_no_time_is_refused(fields: dict[str, Any], facts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        replace(check("max_ms", 40, 30), **fields)
    assert_names(caught, *facts)


@every_row(
    "limit, value, figure, distance",
    [
        (40.0, 40.004, "40.004", "0.01 % beyond"),
        (40.0, 39.996, "39.996", "0.01 % within"),
        (40.0, 40.0, "40.0", "0.0 % within"),
        (12345.0, 12345.2, "12345.2", "0.002 % beyond"),
        (12345.0, 12344.96, "12344.96", "0.0003 % within"),
        (0.02, 0.020004, "0.020004", "0.02 % beyond"),
        (2e-5, 2.004e-5, "0.00002004", "0.2 % beyond"),
    ],
)
def test_a_figure_near_its_limit_does_not_look_like_it(limit: float, value: float, figure: str, distance: str) -> None:
    one = BudgetCheck("max_ms", limit, value, limit / 2, limit * 2, Standing.UNDECIDED)
    assert (one.figure, one.distance) == (figure, distance)
