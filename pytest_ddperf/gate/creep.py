"""Detection of slow creep: many small steps, each too small for the gate of a single night. Standard library only.

For every night, and for every earlier night on which a rise could have begun, a straight rise is fitted to the nights
since then, relative to the mean of all nights before. This is the matched filter of a ramp. It detects a rise of 0.2 %
a night two to four nights earlier than a cumulative sum with equal weights (Page 1954) at the same rate of false
alarms. The reference ends where the rise begins and never includes a night of the rise, however long ago it began.

A rise beyond any doubt remains an alarm until the cell is recorded again. A rise that chance might explain is an alarm
only while the last 7 nights are still high: a real rise persists, a chance one disappears.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from pytest_ddperf.gate.statistics import midmean, to_relative

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REFERENCE_NIGHTS = 8
"""Number of first nights that always belong to the reference."""

FIRST_NIGHT = 22
"""Nights needed before there can be an alarm; with fewer, the scatter of a cell is not known well enough."""

RECENT_NIGHTS = 7
"""Minimum length of a rise, in nights."""

_ALARM = 4.5  # standard deviations of the fitted rise (tests/perf/gate_power.py prints the effect of these constants)
_NO_DOUBT = 6.0  # standard deviations beyond which chance cannot explain the rise
_STILL_UP, _STILL_UP_ROOM = 4.0, 0.006
"""Standard deviations by which the last 7 nights must exceed the reference, and the possible error of that standard
deviation's estimate on a quiet host, which is subtracted."""

_MIDMEAN_VARIANCE = 1.2  # variance of the midmean of n nights, in units of one night's variance divided by n
_LEAST_CHANGE = 0.025
_CLIP = 1.5  # maximum distance of a night from the recent median, in standard deviations
_PRIOR_SD, _PRIOR_NIGHTS = 0.013, 15.0  # prior scatter of a night, its degrees of freedom; only widens a cell's own
_DOUBT = 12.0  # widens the part of a cell's scatter that is known only from its own few nights
_STEP_CLIP = 3.0  # maximum of a step, in units of the median step
_LENGTH_FACTOR = 1.18


@dataclass(frozen=True, slots=True)
class Creep:
    """How a cell slowly became slower than on its first nights.

    Args:
        since: index of the night on which the rise began.
        found: index of the night on which the rise first was significant.
        change: relative change of the last 7 nights from the nights before the rise; 0.1 for 10 % slower. If it is
            within `limit` again after a rise beyond doubt, the height of that.
        limit: the change that a rise must exceed.
        before_ms: the time before the rise, in milliseconds.
    """

    since: int
    found: int
    change: float
    limit: float
    before_ms: float


def judge_creep(values: Sequence[float], tolerance: float = 0.05) -> Creep | None:
    """Judge the nightly values of one cell; None if it does not creep.

    An alarm beyond doubt remains until the cell is recorded again.

    Args:
        values: milliseconds of each valid night since the cell was recorded, oldest first; preferably with the suite's
            common shift of each night removed.
        tolerance: relative; a rise must reach half of it, and at least 2.5 %.
    """
    if len(values) < FIRST_NIGHT:
        return None
    logs = [math.log(value) for value in values]
    least = math.log1p(max(_LEAST_CHANGE, tolerance / 2))
    if (rise := _first_rise(logs, least)) is None:
        return None
    before = midmean(logs[: rise.start])
    height, limit = midmean(logs[-RECENT_NIGHTS:]) - before, least
    if not rise.height:
        scatter = rise.sigma * math.sqrt(_MIDMEAN_VARIANCE * (1 / RECENT_NIGHTS + 1 / rise.start))
        limit = max(least, _STILL_UP * scatter - _STILL_UP_ROOM)
        if height <= limit:
            return None
    elif height <= limit:
        height = rise.height
    return Creep(rise.start, rise.found, to_relative(height), to_relative(limit), math.exp(before))


def is_step(values: Sequence[float], creep: Creep, night: int) -> bool:
    """Whether a rise happened at once on a night that the gate saw: the 3 nights before it had less than half of it.

    Args:
        values: as for `judge_creep`.
        creep: the rise in them.
        night: index of the night.
    """
    before = [math.log(value / creep.before_ms) for value in values[max(0, night - 3) : night]]
    return 2 * sum(before) < len(before) * math.log(values[night] / creep.before_ms)


@dataclass(frozen=True, slots=True)
class _Rise:
    """A significant rise.

    Args:
        start: index of the night on which it began.
        sigma: latest estimate of a night's standard deviation.
        found: index of the night on which it was first significant.
        height: the fitted rise on the night on which it was beyond what chance can explain, a logarithm; 0 if it never
            was.
    """

    start: int
    sigma: float
    found: int
    height: float = 0.0


def _first_rise(logs: Sequence[float], least: float) -> _Rise | None:
    """Return the first rise that was significant and larger than `least` (a logarithm), None if there was none."""
    origin = logs[0]
    sums, weighted = [0.0], [0.0]
    first: tuple[int, int] | None = None  # where the rise began, and when it was found
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
            # Weights 1 to length: the weighted gain of the rise, and its error including that of the reference.
            linear = length * (length + 1) / 2
            square = linear * (2 * length + 1) / 3
            gained = weighted[-1] - weighted[start] - start * (sums[-1] - sums[start]) - linear * sums[start] / start
            error = sigma * math.sqrt(square + linear * linear / start)
            if gained > _ALARM * error and gained / square * length > least:
                first = (start, night) if first is None else first
                if gained > _NO_DOUBT * error:
                    return _Rise(first[0], sigma, first[1], gained / square * length)
    return None if first is None else _Rise(first[0], sigma, first[1])


def _lengths(most: int) -> Iterator[int]:
    """Yield the lengths of a rise to try: each at least two nights and about a sixth longer than the one before."""
    length = RECENT_NIGHTS
    while length <= most:
        yield length
        length = max(length + 2, int(length * _LENGTH_FACTOR))


def _scatter(logs: Sequence[float]) -> Iterator[float]:
    """Yield each night's estimate of the standard deviation, from steps, which a slow rise hardly affects."""
    yield _PRIOR_SD
    steps: list[float] = []
    for before, after in pairwise(logs):
        insort(steps, abs(after - before))
        most = _STEP_CLIP * steps[len(steps) // 2]
        variance = sum(min(step, most) ** 2 for step in steps) / len(steps) / 2
        degrees = 0.45 * len(steps)  # neighbouring steps share a night
        shrunk = (degrees * variance + _PRIOR_NIGHTS * _PRIOR_SD**2) / (degrees + _PRIOR_NIGHTS)
        yield math.sqrt(shrunk + max(0.0, variance - shrunk) * (1 + _DOUBT / degrees))
