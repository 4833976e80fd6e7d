"""Recorded cells of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Sequence

CONDITIONS = Conditions(Clock.PREDICT, "caffe", gpu=True)


def measured(
    model: str = "resnet50",
    batch_size: int = 2,
    *,
    platform: str = "tk1",
    outcome: Outcome = Outcome.OK,
    batch_ms: Sequence[float] = (100.0, 104.0, 102.0),
    scenario: str = "",
) -> CellRecord:
    """Return the record of a measured cell, in milliseconds for the batch by the predict clock."""
    key = CellKey(platform, model, batch_size, scenario)
    passes = tuple(Pass(client_ms=ms + 5, predict_ms=ms) for ms in batch_ms)
    measurement = Measurement(key, CONDITIONS, (Round(0.0, passes),))
    return CellRecord(key, f"benchmarks/test_predict.py::test_predict[{key}]", outcome, measurement=measurement)


def skipped(model: str, batch_size: int) -> CellRecord:
    """Return the record of a cell that was not run because its baseline marks it `x`."""
    return CellRecord(CellKey("tk1", model, batch_size), "", Outcome.UNAVAILABLE)


def paired(
    model: str = "resnet50",
    batch_size: int = 2,
    *,
    change: float = 0.02,
    interval: tuple[float, float] | None = (-0.01, 0.05),
    outcome: Outcome = Outcome.OK,
) -> CellRecord:
    """Return the record of a cell measured in eight pairs, with the seed 7, against http://old:8080."""
    record = measured(model, batch_size, outcome=outcome, batch_ms=[100.0 * (1 + change)] * 8)
    assert record.measurement is not None
    theirs = Round(0.0, (Pass(client_ms=105.0, predict_ms=100.0),) * 8)
    against = Against(ServerFacts("http://old:8080", version="v0.27"), model, CONDITIONS, (theirs,), seed=7)
    return replace(
        record,
        now_ms=100.0 * (1 + change) / batch_size,
        change=change,
        tolerance=0.05,
        interval=interval,
        server=ServerFacts("http://tk1.lan:8080", version="v0.28.0"),
        baseline=Baseline(AGAINST, 100.0 / batch_size, f"{model} on http://old:8080 (v0.27)"),
        measurement=replace(record.measurement, against=against),
    )
