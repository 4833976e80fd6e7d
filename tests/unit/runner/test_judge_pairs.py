"""The verdict on a cell that was measured in pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import make_plan

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.records import (
    AGAINST,
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
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.report.terminal import format_verdict
from pytest_ddperf.runner.judge import Judge

CONDITIONS = Conditions(Clock.PREDICT, "caffe")
KEY = CellKey("tk1", "googlenet", 2)
OLD = ServerFacts("http://old:8080", "v0.27")


def judge(*, max_pairs: int = 64) -> Judge:
    baseline = {KEY: Baseline("report", 1.0, "a table that is not consulted")}
    plan = make_plan(load_catalog().platform("tk1"), ServerOptions("http://new:1"), Plan(), 0.05, baseline)
    return Judge(replace(plan, max_pairs=max_pairs))


def a_round(per_image_ms: float) -> Round:
    return Round(0.0, tuple(Pass(2 * per_image_ms + 3, predict_ms=2 * per_image_ms) for _ in range(8)))


def measured(*factors: float, notes: tuple[str, ...] = (), theirs: Conditions = CONDITIONS) -> Measurement:
    """Rounds in which the server under test takes so many times the 50 ms of the reference."""
    against = Against(OLD, "googlenet", theirs, tuple(a_round(50.0) for _ in factors), notes=notes)
    return Measurement(KEY, CONDITIONS, tuple(a_round(50.0 * one) for one in factors), against=against)


def verdict(measurement: Measurement, nodeid: str = "a", of: Judge | None = None) -> CellRecord:
    return (of or judge()).judge(measurement, nodeid, ServerFacts("http://new:1"))


def test_a_cell_is_compared_with_the_reference_and_with_no_baseline() -> None:
    record = verdict(measured(1.01))
    assert (record.outcome, record.pairs) == (Outcome.OK, 8)
    assert record.change == pytest.approx(0.01)
    assert record.now_ms == pytest.approx(50.5)
    assert record.baseline is not None
    assert record.baseline.kind == AGAINST
    assert record.baseline.value_ms == pytest.approx(50.0)
    assert "http://old:8080" in record.baseline.source


def test_a_slower_cell_is_regressed_at_a_look() -> None:
    of = judge()
    outcomes = [verdict(measured(*[1.2] * count), of=of).outcome for count in (1, 2, 3)]
    assert outcomes == [Outcome.REMEASURE, Outcome.REMEASURE, Outcome.REGRESSED]


def test_the_value_of_the_reference_fits_the_change_that_is_shown() -> None:
    record = verdict(measured(1.3, 1.1, 1.2))
    assert record.baseline is not None
    assert record.now_ms is not None
    assert record.change is not None
    assert record.now_ms / record.baseline.value_ms - 1 == pytest.approx(record.change)


def test_the_rounds_of_the_other_cells_are_pooled() -> None:
    alone, together = judge(), judge()
    for number in range(20):
        verdict(measured(1.0, 1.01, 0.99), f"other {number}", together)
    rounds = measured(1.2, 1.19, 1.21)
    assert verdict(rounds, of=alone).outcome is Outcome.REMEASURE
    assert verdict(rounds, of=together).outcome is Outcome.REGRESSED


def test_an_invalid_cell_is_no_longer_pooled() -> None:
    of = judge()
    for number in range(20):
        verdict(measured(1.0, 1.01, 0.99), f"other {number}", of)
        verdict(replace(measured(1.0), invalid="throttled"), f"other {number}", of)
    assert verdict(measured(1.2, 1.19, 1.21), of=of).outcome is Outcome.REMEASURE


def test_the_maximum_of_pairs_is_the_plan_s() -> None:
    assert verdict(measured(1.2, 0.8, 1.6), of=judge(max_pairs=24)).outcome is Outcome.UNSTABLE


def test_other_conditions_of_the_reference_are_a_note() -> None:
    record = verdict(measured(1.0, notes=("a note of the measurement",), theirs=replace(CONDITIONS, backend="ncnn")))
    assert record.notes == ("a note of the measurement", "the backend was ncnn and is caffe")


def test_the_line_of_a_cell_has_its_interval_and_its_pairs() -> None:
    record = replace(verdict(measured(1.008, 1.008, 1.008)), now_ms=88.7, interval=(-0.009, 0.024), change=0.008)
    assert format_verdict(record) == "88.7 ms/img +0.8 % [-0.9, +2.4] 24 pairs"
