"""The verdict on a cell with a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
from every_row import every_row
from load_made import load_pass
from messages import assert_names

from pytest_ddperf.core.budgets import NO_BUDGET, Budget, Standing
from pytest_ddperf.core.records import (
    Against,
    Baseline,
    CellKey,
    CellRecord,
    Clock,
    Conditions,
    Measurement,
    Outcome,
    Pass,
    Round,
    ServerFacts,
)
from pytest_ddperf.runner.budgets import judge_budget

SCATTER = (1.0, 1.01, 0.99, 1.005, 0.995)
SERVER = ServerFacts("http://h:1")


def measured(*per_image_ms: float, batch_size: int = 8) -> Measurement:
    """A cell with a round for each of these times, the client's clock 20 ms above the server's."""
    rounds = (
        Round(0.0, tuple(Pass(ms * batch_size * one + 20, predict_ms=ms * batch_size * one) for one in SCATTER))
        for ms in per_image_ms
    )
    return Measurement(CellKey("tk1", "googlenet", batch_size), Conditions(Clock.PREDICT, "caffe"), tuple(rounds))


def loaded(scenario: str, *latencies_ms: float, count: int = 100, took_ms: float = 100.0) -> Measurement:
    """A cell of batch size 2 under load, with a round of five passes for each of these latencies."""
    passes = tuple(load_pass(ms, count) for ms in latencies_ms for _ in range(5))
    rounds = tuple(Round(0.0, tuple(Pass(took_ms * one) for one in SCATTER)) for _ in latencies_ms)
    key = CellKey("tk1", "googlenet", 2, scenario)
    return Measurement(key, Conditions(Clock.CLIENT, "caffe", requests=10), rounds, load=passes)


def judged(
    measurement: Measurement, budget: Budget = NO_BUDGET, outcome: Outcome = Outcome.NEW, max_pairs: int = 64
) -> CellRecord:
    record = CellRecord(measurement.key, "a::b", outcome, "as compared", 1.0, measurement=measurement, server=SERVER)
    return judge_budget(record, measurement, budget, 20, max_pairs)


def test_a_cell_without_a_budget_keeps_its_record() -> None:
    record = judged(measured(50.0))
    assert (record.outcome, record.budgets, record.reason) == (Outcome.NEW, (), "as compared")


@every_row(
    "limits, value",
    [
        ({"max_ms": 60.0}, 50.0),
        ({"min_fps": 10.0}, 20.0),
        ({"max_latency_ms": 500.0}, 400.0),
    ],
)
def test_a_cell_within_its_budget_keeps_its_verdict(limits: dict[str, float], value: float) -> None:
    record = judged(measured(50.0), Budget(**limits))
    (check,) = record.budgets
    assert (record.outcome, check.standing) == (Outcome.NEW, Standing.WITHIN)
    assert (check.key, check.limit) == next(iter(limits.items()))
    assert check.value == pytest.approx(value, rel=0.001)
    assert check.low is not None
    assert check.high is not None
    assert check.low < check.value < check.high


@every_row("limits", [{"max_ms": 40.0}, {"min_fps": 25.0}, {"max_latency_ms": 320.0}])
def test_a_cell_beyond_its_budget_is_over_it_after_three_rounds(limits: dict[str, float]) -> None:
    assert judged(measured(50.0, 50.0), Budget(**limits)).outcome is Outcome.REMEASURE
    record = judged(measured(50.0, 50.0, 50.0), Budget(**limits), Outcome.OK)
    assert (record.outcome, record.compared, record.comparison) == (Outcome.OVER_BUDGET, Outcome.OK, Outcome.OK)
    assert record.budgets[0].headroom == pytest.approx(-0.25, abs=0.01)
    assert_names(record.reason, "tk1-googlenet-b8", *(f"{key} = {value:g}" for key, value in limits.items()), "beyond")
    assert_names(record.reason, "ok: as compared")
    assert "tk1-googlenet-b8" not in record.detail


def test_every_limit_is_checked_and_only_those_that_are_missed_are_the_reason() -> None:
    record = judged(measured(50.0, 50.0, 50.0), Budget(max_ms=60.0, min_fps=25.0))
    assert [(one.key, one.standing) for one in record.budgets] == [
        ("max_ms", Standing.WITHIN),
        ("min_fps", Standing.OVER),
    ]
    assert "max_ms" not in record.reason


def test_a_cell_near_its_budget_is_measured_again_and_then_passes_with_a_note() -> None:
    rounds = [50.0, 49.0, 51.0, 50.0, 49.0, 51.0]
    for count in range(1, 6):
        record = judged(measured(*rounds[:count]), Budget(min_fps=20.0), Outcome.OK)
        assert record.outcome is Outcome.REMEASURE, count
        assert_names(record.reason, "min_fps = 20", "undecided")
    record = judged(measured(*rounds), Budget(min_fps=20.0), Outcome.OK)
    assert record.outcome is Outcome.OK
    assert_names(record.notes[-1], "min_fps = 20", "undecided", "% beyond", "% within")


def test_a_cell_that_is_regressed_and_over_its_budget_is_regressed_and_says_both() -> None:
    record = judged(measured(50.0, 50.0, 50.0), Budget(max_ms=40.0), Outcome.REGRESSED)
    assert (record.outcome, record.compared) == (Outcome.REGRESSED, None)
    assert_names(record.reason, "as compared", "over its budget", "max_ms = 40")


def test_a_regressed_cell_near_its_budget_is_not_measured_again() -> None:
    assert judged(measured(50.0, 50.0, 50.0), Budget(max_ms=50.0), Outcome.REGRESSED).outcome is Outcome.REGRESSED


def test_a_cell_that_the_comparison_left_undecided_stays_so() -> None:
    record = judged(measured(50.0, 50.0, 50.0), Budget(max_ms=40.0), Outcome.REMEASURE)
    assert (record.outcome, record.reason) == (Outcome.REMEASURE, "as compared")
    assert record.budgets[0].standing is Standing.OVER


def test_an_unstable_cell_that_is_over_its_budget_fails() -> None:
    record = judged(measured(*[50.0] * 6), Budget(max_ms=40.0), Outcome.UNSTABLE)
    assert (record.outcome, record.comparison) == (Outcome.OVER_BUDGET, Outcome.UNSTABLE)


def test_limits_of_percentiles_do_not_apply_without_load() -> None:
    assert judged(measured(50.0), Budget(p95_ms=1.0, p99_ms=1.0)).budgets == ()


@every_row(
    "scenario, limits, value",
    [
        ("c4", {"max_ms": 60.0}, 50.0),  # 100 ms for the two images of a request
        ("c4", {"min_fps": 10.0}, 20.0),
        ("c4", {"max_latency_ms": 250.0}, 204.95),
        ("r20", {"max_latency_ms": 250.0}, 204.95),
        ("r20", {"max_ms": 125.0}, 102.475),
        ("c4", {"p95_ms": 250.0}, 209.4),
        ("r20", {"p99_ms": 250.0}, 209.8),
    ],
)
def test_under_load_a_limit_is_of_the_requests_or_of_the_throughput(
    scenario: str, limits: dict[str, float], value: float
) -> None:
    (check,) = judged(loaded(scenario, 200.0), Budget(**limits)).budgets
    assert check.standing is Standing.WITHIN
    assert check.value == pytest.approx(value)


def test_at_a_rate_a_percentile_that_needs_more_requests_is_measured_again() -> None:
    found = [judged(loaded("r20", *[200.0] * count, count=40), Budget(p99_ms=250.0)) for count in (1, 2)]
    assert [one.outcome for one in found] == [Outcome.REMEASURE, Outcome.NEW]
    assert found[1].budgets[0].standing is Standing.WITHIN


def test_a_throughput_is_not_limited_where_the_rate_is_given() -> None:
    assert judged(loaded("r20", 200.0), Budget(min_fps=1000.0)).budgets == ()


@every_row("limits", [{"p95_ms": 150.0}, {"p99_ms": 150.0}, {"max_latency_ms": 150.0}])
def test_a_cell_under_load_is_over_its_budget(limits: dict[str, float]) -> None:
    record = judged(loaded("c4", 200.0, 200.0, 200.0), Budget(**limits))
    assert record.outcome is Outcome.OVER_BUDGET


def test_a_cell_measured_in_pairs_is_decided_after_its_last_pair() -> None:
    reference = Against(SERVER, "googlenet", Conditions(Clock.PREDICT, "caffe"))
    found = [
        judged(replace(measured(*[50.0, 49.0, 51.0][:count]), against=reference), Budget(max_ms=50), Outcome.OK, 24)
        for count in (1, 2, 3)
    ]
    assert [one.outcome for one in found] == [Outcome.REMEASURE, Outcome.REMEASURE, Outcome.OK]


def test_a_cell_measured_in_pairs_is_over_its_budget_only_where_pairs_are_decided() -> None:
    reference = Against(SERVER, "googlenet", Conditions(Clock.PREDICT, "caffe"))
    found = [
        judged(replace(measured(*[50.0] * count), against=reference), Budget(max_ms=25), Outcome.OK, max_pairs=128)
        for count in (3, 4, 5)
    ]
    assert [one.outcome for one in found] == [Outcome.REMEASURE, Outcome.REMEASURE, Outcome.OVER_BUDGET]


def test_the_baseline_is_not_consulted() -> None:
    fast = Baseline("recorded", 1.0, "baselines/tk1.json")
    measurement = measured(50.0)
    record = CellRecord(measurement.key, "a::b", Outcome.OK, "", 1.0, baseline=fast, baseline_ms=1.0, change=49.0)
    assert judge_budget(record, measurement, Budget(max_ms=60.0), 1, 64).budgets[0].standing is Standing.WITHIN
