"""Recorded cells of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import CellKey, CellRecord, Clock, Conditions, Measurement, Outcome, Pass, Round

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
