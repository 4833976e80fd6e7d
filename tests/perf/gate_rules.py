"""Rules in use elsewhere, for comparison: one run of a suite against one run, cells x passes, in milliseconds."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from gate_noise import PASSES, Array

if TYPE_CHECKING:
    from collections.abc import Callable


def mean_beyond_tolerance(before: Array, now: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """Mean of 5 passes against the mean of 5."""
    return np.asarray(now[:, :PASSES].mean(1) > before[:, :PASSES].mean(1) * (1 + tolerance))


def mann_whitney(before: Array, now: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """Exact two-sided test at 5 %, and the median beyond the tolerance."""
    before, now = before[:, :PASSES], now[:, :PASSES]
    wins = (now[:, :, None] > before[:, None, :]).sum((1, 2))
    every = [sum(ranks) - PASSES * (PASSES - 1) // 2 for ranks in combinations(range(2 * PASSES), PASSES)]
    critical = min(u for u in range(PASSES**2 + 1) if 2 * sum(one >= u for one in every) / len(every) <= 0.05)
    beyond = np.median(now, axis=1) > np.median(before, axis=1) * (1 + tolerance)
    return np.asarray((wins >= critical) & beyond)


def resampled_means(passes: Array, draws: int = 1000) -> Array:
    """Means of resamples: cells x draws; the same resamples for every cell."""
    picks = np.random.default_rng(7).integers(0, PASSES, (draws, PASSES))
    return np.asarray(passes[:, picks].mean(2))


def criterion(before: Array, now: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """Bootstrapped t test of the pooled passes at 5 %, and the change of the mean beyond the tolerance."""
    before, now = before[:, :PASSES], now[:, :PASSES]

    def statistic(one: Array, other: Array) -> Array:
        spread = np.sqrt((one.var(-1, ddof=1) + other.var(-1, ddof=1)) / PASSES)
        return np.asarray((other.mean(-1) - one.mean(-1)) / spread)

    picks = np.random.default_rng(7).integers(0, 2 * PASSES, (500, 2, PASSES))
    pooled = np.concatenate([before, now], axis=1)
    null = statistic(pooled[:, picks[:, 0]], pooled[:, picks[:, 1]])
    chance = (np.abs(null) >= np.abs(statistic(before, now))[:, None]).mean(1)
    return np.asarray((chance < 0.05) & mean_beyond_tolerance(before, now, tolerance))


def asv(before: Array, now: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """Disjoint 99 % posterior intervals of a Laplace location, and the median beyond the tolerance."""
    before, now = before[:, :PASSES], now[:, :PASSES]

    def interval(passes: Array) -> tuple[Array, Array]:
        centre, width = np.median(passes, axis=1), np.ptp(passes, axis=1) + 1e-9
        grid = centre[:, None] + width[:, None] * np.linspace(-3, 3, 601)
        density = np.abs(passes[:, None, :] - grid[:, :, None]).sum(2) ** -float(PASSES)
        share = density.cumsum(1) / density.sum(1, keepdims=True)
        rows = np.arange(len(passes))
        return grid[rows, (share < 0.005).sum(1)], grid[rows, np.minimum((share < 0.995).sum(1), 600)]

    beyond = np.median(now, axis=1) > np.median(before, axis=1) * (1 + tolerance)
    return np.asarray((interval(now)[0] > interval(before)[1]) & beyond)


def bootstrap_interval(before: Array, now: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """Lower end of the 95 % bootstrap interval of the ratio of means beyond the tolerance."""
    ratio = resampled_means(now[:, :PASSES]) / resampled_means(before[:, :PASSES])[:, ::-1]
    return np.asarray(np.quantile(ratio, 0.025, axis=1) > 1 + tolerance)


def sprt(before: Array, now: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """Wald's sequential test, pass by pass within one run: no change or the tolerance, both errors at 2 %."""
    step, sigma = math.log1p(tolerance), 0.015
    gained = (np.log(now) - np.log(before[:, :PASSES]).mean(1, keepdims=True)) * step / sigma**2
    ratio = np.cumsum(gained - step**2 / (2 * sigma**2), axis=1)
    bound = math.log(0.98 / 0.02)
    up, down = ratio >= bound, ratio <= -bound
    first_up = np.where(up.any(1), up.argmax(1), ratio.shape[1])
    return np.asarray(first_up < np.where(down.any(1), down.argmax(1), ratio.shape[1]))


RULES: dict[str, Callable[[Array, Array, float], npt.NDArray[np.bool_]]] = {
    "mean beyond the tolerance": mean_beyond_tolerance,
    "Mann-Whitney and tolerance": mann_whitney,
    "Criterion": criterion,
    "asv": asv,
    "bootstrap interval": bootstrap_interval,
    "SPRT within one run": sprt,
}
