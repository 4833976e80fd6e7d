"""References that cells are compared with: published means, recorded runs, nights. Pure, standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from pytest_ddperf.gate.statistics import midmean, midmean_variance, pass_sigma, round_statistic, rounds_scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    Run = tuple[float, ...] | tuple[tuple[float, ...], ...]
    """The passes of a run in milliseconds, or its rounds, each as its passes; () for a night without the cell."""

PUBLISHED, RECORDED, HISTORY = "published", "recorded", "history"
"""The kinds of baseline: a mean, 1 to 7 runs, 8 or more nights (A, B, C)."""

HISTORY_FROM = 8
"""Minimum number of nights for a cell's own scatter to count."""

NIGHTS = 30
"""How many of the newest nights the centre is computed from."""

SUITE_FROM = 8
"""Minimum number of cells for a suite to have a shift and a spread of its own."""

LEAST_VARIANCE = 1e-8
"""(0.01 %) squared: a clock that counts whole milliseconds can look free of noise."""

POOL_WEIGHT, _POOL_RANGE = 20.0, (10.0, 80.0)
"""Degrees of freedom by which the scatter of all cells counts for one of them, and their range where the cells show by
how much their scatters differ. The weight assumes that their standard deviations differ by about a sixth:
sqrt(1 / (2 * 20)) (Smyth 2004); the range a quarter to a thirteenth."""

SHIFT_PRIOR_SD = 0.01
"""Standard deviation of a night's common shift, on a quiet host that nobody else uses."""

_SHIFT_PRIOR_WEIGHT = 5.0  # weight of this prior, in nights


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference that one cell is compared with.

    Args:
        centre: mean logarithm of milliseconds.
        centre_weight: variance of the centre, in units of the variance of one night.
        reading_variance: variance of the logarithm due to the reading error of the centre.
        variance: variance of the logarithm of one night (first round); None if only the suite can provide it.
        degrees: degrees of freedom of that variance.
        passes: number of passes in a round; 0 for a published mean.
        rounds_weight: variance of the centre due to the scatter between rounds, in units of the variance of one round.
        rounds_variance: variance of the logarithm of one round within a run; 0 if no run has several rounds.
        rounds_degrees: degrees of freedom of that variance.
        pass_variance: variance of the logarithm of a pass in the newest run; 0 if unknown.
    """

    centre: float
    centre_weight: float
    reading_variance: float
    variance: float | None
    degrees: float
    passes: int
    rounds_weight: float = 1.0
    rounds_variance: float = 0.0
    rounds_degrees: float = 0.0
    pass_variance: float = 0.0


@dataclass(frozen=True, slots=True)
class ShiftHistory:
    """How far whole nights differed from each other.

    Args:
        sd: standard deviation of a night's common shift.
        degrees: degrees of freedom of that standard deviation, including those of the prior.
        nights: number of nights that the centre of the reference is computed from; 0 if unknown.
    """

    sd: float
    degrees: float
    nights: int


def published_reference(mean_ms: float, reading_error_ms: float) -> Reference:
    """Build the reference of a published mean.

    Its reading error is assumed to be uniformly distributed (variance: half-width squared / 3).
    """
    return Reference(math.log(mean_ms), 1.0, (reading_error_ms / mean_ms) ** 2 / 3, None, 0.0, 0)


@lru_cache(maxsize=1 << 14)
def _pass_variance(run: Run, passes: int) -> float:
    """Return the mean variance of the logarithm of a pass within the rounds of a run, 0 if unknown."""
    sigmas = [sigma for one in _divided(run, passes) if (sigma := pass_sigma(one)) is not None]
    return sum(sigma * sigma for sigma in sigmas) / len(sigmas) if sigmas else 0.0


@lru_cache(maxsize=1 << 14)  # judging any cell of a suite reads the runs of all
def _rounds(run: Run, passes: int) -> tuple[float, ...]:
    """Return the statistic of each round of a run."""
    return tuple(round_statistic(one) for one in _divided(run, passes))


def _divided(run: Run, passes: int) -> Sequence[Sequence[float]]:
    """Return the rounds of a run; if they are unknown, its passes in parts of equal size."""
    if isinstance(run[0], tuple):
        return run
    parts = max(1, round(len(run) / passes)) if len(run) >= 2 * passes else 1
    bounds = [len(run) * part // parts for part in range(parts + 1)]
    return [run[start:stop] for start, stop in pairwise(bounds)]


def pool_variances(estimates: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the common variance of several estimates, and its degrees of freedom; 0 if there are none.

    From 8 estimates on it is their median divided by that of a chi-squared variable relative to its mean (Wilson and
    Hilferty 1931), so that a few accidents do not count; of fewer, the mean weighted by degrees of freedom.

    Args:
        estimates: each a variance and its degrees of freedom, 0 for none.
    """
    known = sorted([estimate for estimate in estimates if estimate[1]])
    if not known:
        return 0.0, 0.0
    total = sum(degrees for _, degrees in known)
    if len(known) < SUITE_FROM:
        return sum(variance * degrees for variance, degrees in known) / total, total
    return median(variance for variance, _ in known) / (1 - 2 / (9 * total / len(known))) ** 3, total


def build_references(suite: Sequence[Sequence[Run]], passes: int) -> tuple[list[Reference], ShiftHistory]:
    """Compute the centre and scatter of cells that have runs.

    The nights are aligned at their newest end. Each night's common shift is removed first (the median over the cells
    of the difference from each cell's own median). A cell's variance is shrunk towards that of the pool; its own
    variance counts by its nights, and below 8 nights only the pool counts.

    Args:
        suite: for each cell its runs, oldest first; at least one run per cell.
        passes: passes per round.
    """
    nights: list[dict[int, float]] = []
    for runs in suite:
        values: dict[int, float] = {}
        for age, run in enumerate(reversed(runs)):
            if run:
                values[age] = midmean(_rounds(run, passes))
                if len(values) == NIGHTS:
                    break
        nights.append(values)
    shifts = _night_shifts(nights)
    centres = [midmean([value - shifts.get(age, 0.0) for age, value in values.items()]) for values in nights]
    own = [
        _scatter([value - shifts.get(age, 0.0) - centre for age, value in values.items()])
        for values, centre in zip(nights, centres, strict=True)
    ]
    known = sorted(variance for variance, degrees in own if degrees)
    degrees_pooled = sum(degrees for _, degrees in own)
    pool = pool_variances([(variance, degrees_pooled / len(known)) for variance in known])[0] if known else None
    pool_weight = _pool_weight(own)
    found: list[Reference] = []
    for runs, values, centre, (variance, degrees) in zip(suite, nights, centres, own, strict=True):
        weight = degrees if len(values) >= HISTORY_FROM else 0.0
        shrunk = None
        if pool is not None:
            shrunk = max((weight * variance + pool_weight * pool) / (weight + pool_weight), LEAST_VARIANCE)
        newest = next(run for run in reversed(runs) if run)
        per_round = len(_divided(newest, passes)[0])
        rests_on = (weight + pool_weight) ** 2 / weight if weight and len(known) > 1 else max(weight, degrees_pooled)
        newest_runs = [run for run in runs[-NIGHTS:] if run]
        several = [rounds for run in newest_runs if len(rounds := _rounds(run, passes)) > 1]
        scatters = [rounds_scatter(rounds, without_slowest=False) for rounds in several]
        rounds_degrees = sum(degrees for _, degrees in scatters)
        squares = sum(variance * degrees for variance, degrees in scatters)
        single = len(newest_runs) - len(several)
        per_run = (single + sum(midmean_variance(len(rounds)) for rounds in several)) / len(newest_runs)
        weight_of_runs = midmean_variance(len(values))
        found.append(
            Reference(
                centre,
                weight_of_runs,
                0.0,
                shrunk,
                rests_on,
                per_round,
                weight_of_runs * per_run,
                squares / rounds_degrees if rounds_degrees else 0.0,
                rounds_degrees,
                _pass_variance(newest, passes),
            )
        )
    return found, _shift_history(shifts, max(len(values) for values in nights))


def _night_shifts(nights: Sequence[dict[int, float]]) -> dict[int, float]:
    by_night: dict[int, list[float]] = {}
    for values in nights:
        if len(values) > 1:
            middle = median(values.values())
            for age, value in values.items():
                by_night.setdefault(age, []).append(value - middle)
    return {age: median(off) for age, off in by_night.items() if len(off) >= SUITE_FROM}


def _scatter(residuals: Sequence[float]) -> tuple[float, float]:
    """Return variance and degrees of freedom; up to one outlier in 8 or more nights, or two in 16, is capped."""
    count = len(residuals)
    if count < 2:
        return 0.0, 0.0
    # around the mean, as few residuals scatter more around another centre
    mean = sum(residuals) / count if count < HISTORY_FROM else 0.0
    squares = sorted((residual - mean) ** 2 for residual in residuals)
    spared = min(2, count // HISTORY_FROM)
    squares[count - spared :] = [squares[count - spared - 1]] * spared
    inflation = 1.0 + (0.0, 2.0, 3.0)[spared] / count  # expected loss by the cap, for normal residuals
    return max(inflation * sum(squares) / (count - 1), LEAST_VARIANCE), count - 1.0


def _pool_weight(own: Sequence[tuple[float, float]]) -> float:
    """Return the weight of the pool, in nights (empirical Bayes).

    The less the cells' variances differ beyond chance, the higher the weight. The logarithm of a variance with n
    degrees of freedom has a variance of about 2 / n by chance. Anything above that is a difference between the cells.
    """
    full = [(math.log(variance), degrees) for variance, degrees in own if degrees >= HISTORY_FROM - 1 and variance > 0]
    if len(full) < SUITE_FROM:
        return POOL_WEIGHT
    mean = sum(logarithm for logarithm, _ in full) / len(full)
    total = sum((logarithm - mean) ** 2 for logarithm, _ in full) / (len(full) - 1)
    chance = sum(2.2 / degrees for _, degrees in full) / len(full)
    return min(max(2 / max(total - chance, 0.001), _POOL_RANGE[0]), _POOL_RANGE[1])


def _shift_history(shifts: dict[int, float], nights: int) -> ShiftHistory:
    if not shifts:
        return ShiftHistory(SHIFT_PRIOR_SD, _SHIFT_PRIOR_WEIGHT, 0)
    variance, degrees = _scatter([shift - median(shifts.values()) for shift in shifts.values()])
    total = degrees + _SHIFT_PRIOR_WEIGHT
    pooled = (degrees * variance + _SHIFT_PRIOR_WEIGHT * SHIFT_PRIOR_SD**2) / total
    return ShiftHistory(math.sqrt(pooled), total, min(nights, len(shifts)))
