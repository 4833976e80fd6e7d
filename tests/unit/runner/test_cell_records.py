"""The record of a cell that could not be measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from plans import make_plan

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import Baseline, CellKey, Outcome, Unavailable
from pytest_ddperf.errors import AnswerError, BatchNotRunError, ServerError, ServerGoneError, ServerOutOfMemoryError
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.runner.cell_records import CellRecords

if TYPE_CHECKING:
    from pytest_ddperf.errors import DdperfError

WITH_VALUE, WITHOUT, MARKED = CellKey("tk1", "resnet50", 2), CellKey("tk1", "resnet50", 4), CellKey("tk1", "vgg16", 1)
PUBLISHED: dict[CellKey, Baseline | Unavailable] = {
    WITH_VALUE: Baseline("report", 9.75, "line 3"),
    MARKED: Unavailable("line 2"),
}
PLAN = make_plan(Platform("tk1", "Jetson TK1"), ServerOptions("http://h:1"), Plan(1, 5), 0.1, PUBLISHED)


def outcomes(records: CellRecords, error: DdperfError, *keys: CellKey) -> list[Outcome]:
    return [records.record_failure(key, "x::y", error).outcome for key in keys]


def test_a_cell_that_failed_says_why() -> None:
    record = CellRecords(PLAN, {}, print).record_failure(WITH_VALUE, "x::y", ServerError("It failed", http_status=500))
    assert (record.outcome, record.now_ms) == (Outcome.ERROR, None)
    assert record.reason == "tk1-resnet50-b2 could not be measured: It failed (HTTP 500)"


@pytest.mark.parametrize(
    ("error", "with_value", "without"),
    [
        (ServerOutOfMemoryError("no memory"), Outcome.OOM, Outcome.UNAVAILABLE),
        (BatchNotRunError("too large", died=False), Outcome.OOM, Outcome.UNAVAILABLE),
        (BatchNotRunError("too large", died=True), Outcome.CRASHED, Outcome.UNAVAILABLE),
        (ServerGoneError("gone"), Outcome.CRASHED, Outcome.CRASHED),
        (AnswerError("nonsense"), Outcome.ERROR, Outcome.ERROR),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_could_be_measured_once_and_cannot_now_is_no_unavailable_cell(
    error: DdperfError, with_value: Outcome, without: Outcome
) -> None:
    found = outcomes(CellRecords(PLAN, {}, print), error, WITH_VALUE, WITHOUT, MARKED)
    assert found == [with_value, without, without]


def test_a_cell_in_pairs_without_a_baseline_that_runs_out_of_memory_is_oom() -> None:
    records = CellRecords(replace(PLAN, against=PLAN.server), {}, print)
    found = outcomes(records, ServerOutOfMemoryError("no memory"), WITHOUT, MARKED)
    assert found == [Outcome.OOM, Outcome.UNAVAILABLE]
