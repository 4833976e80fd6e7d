"""The budget of a cell: its limits checked against everything that was measured of the cell, and its verdict."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import PERCENTILE_KEYS, BudgetCheck, Figure, Standing, describe_over, find_figure
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.gate.budgets import LOOKS, estimate_mean, estimate_percentile
from pytest_ddperf.gate.pairs import list_looks

if TYPE_CHECKING:
    from pytest_ddperf.core.budgets import Budget
    from pytest_ddperf.core.records import CellRecord, Measurement
    from pytest_ddperf.gate.budgets import Estimate


def judge_budget(
    record: CellRecord, measurement: Measurement, budget: Budget, figures: int, max_pairs: int
) -> CellRecord:
    """Return the record of a cell with its budget checked, and the verdict that follows.

    A cell that the comparison with the baseline left undecided, or found regressed, keeps that verdict.

    Args:
        record: the record of the comparison with the baseline.
        measurement: everything measured of the cell in this run.
        budget: its limits.
        figures: number of figures with a limit in the whole run.
        max_pairs: maximum number of pairs of a cell that is measured in pairs.
    """
    limits = list(budget.of_cell(measurement.key).limits())
    if not limits:
        return record
    looks = LOOKS if measurement.against is None else list_looks(max_pairs)
    estimates = {
        figure: _estimate(measurement, figure, figures, looks)
        for figure in {find_figure(name, measurement.key) for name, _ in limits}
    }
    checks = tuple(_check(measurement, estimates, name, value) for name, value in limits)
    record = replace(record, budgets=checks)
    if record.outcome is Outcome.REMEASURE:
        return record
    over = [one for one in checks if one.standing is Standing.OVER]
    undecided = "; ".join(str(one) for one in checks if one.standing is Standing.UNDECIDED)
    if record.outcome is Outcome.REGRESSED:
        return replace(record, reason=f"{record.reason}; {describe_over(checks)}") if over else record
    if over:
        detail = f"{describe_over(checks)} ({record.outcome}: {record.reason})"
        reason = f"{record.key} is {detail}."
        return replace(record, outcome=Outcome.OVER_BUDGET, compared=record.outcome, reason=reason, detail=detail)
    if undecided and len(measurement.rounds) < looks[-1]:
        return replace(record, outcome=Outcome.REMEASURE, reason=f"{undecided}: to be measured again")
    return replace(record, notes=(*record.notes, undecided)) if undecided else record


def _estimate(measurement: Measurement, figure: Figure, figures: int, looks: tuple[int, ...]) -> Estimate:
    """Estimate a figure of a cell: milliseconds per image for the time, else per request."""
    if figure is Figure.TIME:
        return estimate_mean(measurement.per_image_ms(), figures, looks)
    passes_ms = iter([one.latencies_ms for one in measurement.load])
    rounds_ms = [list(islice(passes_ms, len(one.passes))) for one in measurement.rounds]
    if figure is Figure.LATENCY:
        return estimate_mean([[fmean(each) for each in passes] for passes in rounds_ms], figures, looks)
    return estimate_percentile(rounds_ms, PERCENTILE_KEYS[f"{figure}_ms"], figures, looks)


def _check(measurement: Measurement, estimates: dict[Figure, Estimate], name: str, limit: float) -> BudgetCheck:
    """Check one limit of a cell."""
    figure, size = find_figure(name, measurement.key), measurement.key.batch_size
    estimate = estimates[figure]
    low_ms, high_ms = estimate.low_ms, estimate.high_ms
    if name == "min_fps":
        low, high = (None if ms is None else 1000 / ms for ms in (high_ms, low_ms))
        return BudgetCheck(name, limit, 1000 / estimate.value_ms, low, high, estimate.judge(1000 / limit))
    unit = 1.0  # milliseconds of the estimate in one of the limit: an image is a part of a request
    if figure is Figure.TIME and name == "max_latency_ms":
        unit = 1 / size
    elif figure is Figure.LATENCY and name == "max_ms":
        unit = size
    low, high = (None if ms is None else ms / unit for ms in (low_ms, high_ms))
    return BudgetCheck(name, limit, estimate.value_ms / unit, low, high, estimate.judge(limit * unit))
