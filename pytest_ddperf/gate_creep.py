"""Slow creep: many small steps, none of which the gate of a single night can see. Pure, standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from pytest_ddperf.gate_statistics import midmean

if TYPE_CHECKING:
    from collections.abc import Sequence

REFERENCE_NIGHTS = 8
"""The first nights, to which all later ones are held; never rolling, or it would creep along."""

RECENT_NIGHTS = 7
_SLACK, _ALARM, _CLIP = 1.0, 8.0, 4.0  # in standard deviations of a night
_LEAST_CHANGE = 0.025
_LEAST_SD = 0.003  # below it a clock that counts whole milliseconds looks free of noise


@dataclass(frozen=True, slots=True)
class Creep:
    """Whether a cell crept away from its first nights.

    Args:
        alarm: whether it did; once it did it stays so until the cell is recorded anew.
        since: index of the night with which the rise began; None without an alarm.
        change: the last nights' median against the first nights, 0.1 for 10 % slower.
    """

    alarm: bool
    since: int | None
    change: float


def creep(values: Sequence[float], tolerance: float = 0.05) -> Creep:
    """Judge one cell's nightly values."""
    logs = []
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"a nightly value must be a finite, positive time, not {value!r} ms")
        logs.append(math.log(value))
    if len(logs) < REFERENCE_NIGHTS + RECENT_NIGHTS:
        return Creep(False, None, 0.0)
    reference = midmean(logs[:REFERENCE_NIGHTS])
    steps = [abs(b - a) for a, b in zip(logs, logs[1:])]
    sd = max(1.4826 * median(steps) / math.sqrt(2), _LEAST_SD)
    least = math.log1p(max(_LEAST_CHANGE, tolerance / 2))
    total, start, since = 0.0, 0, None
    for night in range(REFERENCE_NIGHTS, len(logs)):
        if not total:
            start = night
        total = max(0.0, total + min(max((logs[night] - reference) / sd, -_CLIP), _CLIP) - _SLACK)
        if since is None and total >= _ALARM and night >= REFERENCE_NIGHTS + RECENT_NIGHTS - 1:
            if median(logs[night - RECENT_NIGHTS + 1 : night + 1]) - reference > least:
                since = start
    change = math.expm1(median(logs[-RECENT_NIGHTS:]) - reference)
    return Creep(since is not None, since, change)
