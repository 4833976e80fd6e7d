"""Slow creep: many small steps, none of which the gate of a single night can see. Pure, standard library only.

For every night and every night on which a rise could have begun, a straight rise is fitted to the nights since,
against the mean of all nights before it: the matched filter of a ramp, which a rise of 0.2 % a night passes two to
four nights earlier than a cumulative sum of equal weights (Page 1954) at the same rate of false alarms. The
reference is pinned: it ends where the rise begins, and never takes in a night of it, however long ago that was.

What has once risen without a doubt stays an alarm until the cell is recorded anew. A rise that chance might explain
is one only as long as the last 7 nights are still up: by itself it would go on, and chance goes away.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from pytest_ddperf.gate.statistics import midmean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REFERENCE_NIGHTS = 8
"""The first nights, which always belong to the reference."""

FIRST_NIGHT = 22
"""Nights without which there is no alarm: before, the scatter of a cell is not known well enough."""

RECENT_NIGHTS = 7
"""Nights of which a rise consists at least."""

_ALARM = 4.5  # standard deviations of the fitted rise (tests/perf/gate_power.py prints what comes of all these)
_NO_DOUBT = 6.0  # the same, beyond which the rise is none of chance
_STILL_UP, _STILL_UP_ROOM = 4.0, 0.006
"""Standard deviations of the last 7 nights against the reference, less what the estimate of a quiet host's may err."""

_MIDMEAN_VARIANCE = 1.2  # of the last 7 nights and of the reference, in units of a night's, divided by their number
_LEAST_CHANGE = 0.025
_CLIP = 1.5  # standard deviations from the recent median that a night may count for
_PRIOR_SD, _PRIOR_NIGHTS = 0.013, 15.0  # scatter of a night, and the degrees of freedom it counts for; only ever widens
_DOUBT = 12.0  # widens the part of a cell's scatter that only its own few nights tell
_STEP_CLIP = 3.0  # times the median step, that a step may count for
_LENGTH_FACTOR = 1.18


@dataclass(frozen=True, slots=True)
class Creep:
    """Whether a cell crept away from its first nights.

    Args:
        alarm: whether it did; once it did it stays so until the cell is recorded anew.
        since: index of the night with which the rise began; None without an alarm.
        change: the last 7 nights against those before the rise (the first 8 without an alarm), 0.1 for 10 % slower.
    """

    alarm: bool
    since: int | None
    change: float


def judge_creep(values: Sequence[float], tolerance: float = 0.05) -> Creep:
    """Judge one cell's nightly values.

    Args:
        values: milliseconds of each valid night since the cell was recorded, oldest first; best with each night's
        common shift
            of the suite taken out.
        tolerance: relative; a rise must reach half of it, and 2.5 %.

    Raises:
        ValueError: a value that is not a finite, positive number.
    """
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"a nightly value must be a finite, positive time, not {value!r} ms")
    if len(values) < FIRST_NIGHT:
        return Creep(alarm=False, since=None, change=0.0)
    logs = [math.log(value) for value in values]
    least = math.log1p(max(_LEAST_CHANGE, tolerance / 2))
    rise = _first_rise(logs, least)
    reference = REFERENCE_NIGHTS if rise is None else rise.start
    height = midmean(logs[-RECENT_NIGHTS:]) - midmean(logs[:reference])
    if rise is not None and not rise.certain:
        scatter = rise.sigma * math.sqrt(_MIDMEAN_VARIANCE * (1 / RECENT_NIGHTS + 1 / reference))
        if height <= max(least, _STILL_UP * scatter - _STILL_UP_ROOM):
            rise = None
    return Creep(
        alarm=rise is not None, since=None if rise is None else rise.start, change=math.expm1(min(height, 700.0))
    )


@dataclass(frozen=True, slots=True)
class _Rise:
    """A significant rise.

    Args:
        start: index of the night with which it began.
        certain: whether it was ever beyond what chance can do.
        sigma: standard deviation of a night, as it is known by now.
    """

    start: int
    certain: bool
    sigma: float


def _first_rise(logs: Sequence[float], least: float) -> _Rise | None:
    """The rise that was the first to be significant and beyond `least`, if any was."""
    origin = logs[0]
    sums, weighted = [0.0], [0.0]
    first: int | None = None
    sigma = _PRIOR_SD
    for night, sigma in enumerate(_scatter(logs)):
        recent = median(logs[max(0, night - RECENT_NIGHTS + 1) : night + 1])
        value = min(max(logs[night], recent - _CLIP * sigma), recent + _CLIP * sigma) - origin
        sums.append(sums[-1] + value)
        weighted.append(weighted[-1] + (night + 1) * value)
        if night + 1 < FIRST_NIGHT:
            continue
        for length in _lengths(night + 1 - REFERENCE_NIGHTS):
            start = night + 1 - length
            # Weights 1 ... length: what the rise has gained, and what the reference's own error puts into it.
            linear = length * (length + 1) / 2
            square = linear * (2 * length + 1) / 3
            gained = weighted[-1] - weighted[start] - start * (sums[-1] - sums[start]) - linear * sums[start] / start
            error = sigma * math.sqrt(square + linear * linear / start)
            if gained > _ALARM * error and gained / square * length > least:
                first = start if first is None else first
                if gained > _NO_DOUBT * error:
                    return _Rise(first, certain=True, sigma=sigma)
    return None if first is None else _Rise(first, certain=False, sigma=sigma)


def _lengths(most: int) -> Iterator[int]:
    """Lengths of a rise that are tried: each at least two longer than the one before, and a sixth."""
    length = RECENT_NIGHTS
    while length <= most:
        yield length
        length = max(length + 2, int(length * _LENGTH_FACTOR))


def _scatter(logs: Sequence[float]) -> Iterator[float]:
    """Night by night, the standard deviation as it was known then: from steps, which a slow rise hardly touches."""
    yield _PRIOR_SD
    steps: list[float] = []
    for before, after in pairwise(logs):
        insort(steps, abs(after - before))
        most = _STEP_CLIP * steps[len(steps) // 2]
        variance = sum(min(step, most) ** 2 for step in steps) / len(steps) / 2
        degrees = 0.45 * len(steps)  # neighbouring steps share a night
        shrunk = (degrees * variance + _PRIOR_NIGHTS * _PRIOR_SD**2) / (degrees + _PRIOR_NIGHTS)
        yield math.sqrt(shrunk + max(0.0, variance - shrunk) * (1 + _DOUBT / degrees))
