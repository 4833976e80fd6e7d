"""The gate: samples and baselines to verdicts. Pure, on builtins, standard library only.

The first rule: the mean of the passes against the baseline, beyond the tolerance or not.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BaselineSamples = "float | Sequence[float] | Sequence[Sequence[float]] | None"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell to judge.

    Args:
        rounds: milliseconds per image of the passes, a list for each round.
        baseline: a published mean, the passes of one run, or those of several runs, oldest first; None without one.
        reading_error_ms: how far a published mean may be off by its reading.
    """

    rounds: Sequence[Sequence[float]]
    baseline: float | Sequence[float] | Sequence[Sequence[float]] | None = None
    reading_error_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a cell.

    Args:
        outcome: ok, regressed, improved, remeasure or unstable; new without a baseline.
        now_ms: milliseconds per image now.
        baseline_ms: milliseconds per image of the baseline, None without one.
        change: now / baseline - 1, None without one.
        limit: the change beyond which the cell is regressed.
        rounds_used: how many rounds were judged.
        reason: the verdict in words.
    """

    outcome: str
    now_ms: float
    baseline_ms: float | None
    change: float | None
    limit: float
    rounds_used: int
    reason: str


def judge(cells: Sequence[Cell], tolerance: float) -> list[Verdict]:
    """Judge a whole suite, in the order of the cells.

    Args:
        cells: the suite.
        tolerance: relative, 0.1 for 10 %.

    Raises:
        ValueError: no passes, or a time that is not finite and positive.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"the tolerance must be a number of 0 or more, not {tolerance!r}")
    return [_judge_cell(cell, tolerance) for cell in cells]


def _judge_cell(cell: Cell, tolerance: float) -> Verdict:
    passes = [_positive(ms, "a pass") for one in cell.rounds for ms in one]
    if not passes:
        raise ValueError("there is no pass to judge")
    now_ms = statistics.fmean(passes)
    baseline_ms = _centre(cell.baseline)
    if baseline_ms is None:
        return Verdict("new", now_ms, None, None, tolerance, len(cell.rounds), "nothing to compare with")
    change = now_ms / baseline_ms - 1
    off_ms = cell.reading_error_ms / baseline_ms
    if change > tolerance + off_ms:
        outcome, reason = "regressed", "slower than the baseline by more than the tolerance"
    elif change < -(tolerance + off_ms):
        outcome, reason = "improved", "faster than the baseline by more than the tolerance"
    else:
        outcome, reason = "ok", "within the tolerance"
    return Verdict(outcome, now_ms, baseline_ms, change, tolerance + off_ms, len(cell.rounds), reason)


def _centre(baseline: float | Sequence[float] | Sequence[Sequence[float]] | None) -> float | None:
    if baseline is None:
        return None
    if isinstance(baseline, (int, float)):
        return _positive(baseline, "the baseline")
    flat: list[float] = []
    for run in baseline:
        flat.extend([run] if isinstance(run, (int, float)) else run)
    if not flat:
        return None
    return statistics.fmean(_positive(ms, "a pass of the baseline") for ms in flat)


def _positive(ms: float, what: str) -> float:
    if not (math.isfinite(ms) and ms > 0):
        raise ValueError(f"{what} must take a finite, positive time, not {ms!r} ms")
    return float(ms)
