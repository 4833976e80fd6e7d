"""Budgets on an axis of times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_ddperf.core.budgets import NO_BUDGET, Budget, BudgetCheck, Standing, TimeLimit
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.core.results import Result, Results

KEY = CellKey("board", "resnet50", 8)
CHECK = BudgetCheck("max_ms", 30.0, 29.0, 28.0, 29.5, Standing.WITHIN)


def under(load: str) -> CellKey:
    return CellKey("board", "resnet50", 8, load)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(max_ms=40), TimeLimit("40 ms", 40)),
        (Budget(min_fps=25), TimeLimit("25 fps", 40)),
        (Budget(max_latency_ms=500), TimeLimit("500 ms/request", 62.5)),
        (Budget(max_ms=33.3, min_fps=25, max_latency_ms=500), TimeLimit("33.3 ms", 33.3)),
        (Budget(max_ms=50, min_fps=25, max_latency_ms=500), TimeLimit("25 fps", 40)),
        (Budget(max_ms=50, min_fps=25, max_latency_ms=80), TimeLimit("80 ms/request", 10)),
        (Budget(p95_ms=1, p99_ms=2), None),
        (Budget(), None),
    ],
)
def test_the_strictest_limit_counts_in_milliseconds_per_image(budget: Budget, expected: TimeLimit | None) -> None:
    assert budget.find_time_limit(KEY) == expected


def test_a_minimum_throughput_is_no_limit_of_the_latency_at_a_rate() -> None:
    assert Budget(min_fps=25).find_time_limit(under("r10")) is None


def test_a_latency_limit_is_no_limit_of_the_throughput_of_several_clients() -> None:
    assert Budget(max_latency_ms=80).find_time_limit(under("c4")) is None
    assert Budget(max_latency_ms=80).find_time_limit(under("r10")) == TimeLimit("80 ms/request", 10)


def test_a_percentile_has_its_own_limit() -> None:
    budget = Budget(p99_ms=200)
    assert budget.find_percentile_limit("p99_ms") == TimeLimit("200 ms", 200)
    assert budget.find_percentile_limit("p95_ms") is None


def test_the_budget_of_a_cell_is_what_its_run_applied_else_that_of_its_platform() -> None:
    platform = Platform("board", "A board", budgets={"*": Budget(max_ms=40, p95_ms=90)})
    results = Results(replace(build_bare_catalog(), platforms={"board": platform}), ())
    assert results.budget_of(Result(KEY)) == Budget(max_ms=40)
    assert results.budget_of(Result(under("c4"))) == Budget(max_ms=40, p95_ms=90)
    assert results.budget_of(Result(KEY, budgets=(CHECK,))) == Budget(max_ms=30)
    assert results.budget_of(Result(CellKey("unknown", "resnet50", 8))) == NO_BUDGET
