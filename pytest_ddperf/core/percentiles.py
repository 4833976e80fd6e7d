"""Percentiles of latencies with confidence intervals, computed only from enough samples. Pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PERCENTS: Final = (50, 90, 95, 99)
"""The percentiles that are reported."""

CONFIDENCE: Final = 0.95
"""Probability that an interval contains its percentile."""

TAILS: Final = ((1 - CONFIDENCE) / 2, (1 - CONFIDENCE) / 2)
"""Probabilities that a percentile is below its interval, and above it."""


@dataclass(frozen=True, slots=True)
class Percentile:
    """One percentile.

    Args:
        percent: 50 for the median.
        value_ms: the estimate.
        low_ms: lower end of its confidence interval, one of the samples.
        high_ms: upper end, one of the samples.
    """

    percent: int
    value_ms: float
    low_ms: float
    high_ms: float


def compute_percentiles(samples_ms: Sequence[float]) -> tuple[Percentile, ...]:
    """Compute the percentiles for which there are enough samples, ascending; the others are omitted.

    The value is the sample of rank ceil(n p), the inverse of the empirical distribution (Hyndman and Fan, Sample
    Quantiles in Statistical Packages, The American Statistician 50 (1996), definition 1): a latency that occurred.

    Args:
        samples_ms: latencies in any order.
    """
    ordered = sorted(samples_ms)
    count = len(ordered)
    found = []
    for percent in PERCENTS:
        ranks = compute_interval_ranks(count, percent)
        if ranks is not None:
            rank = -(-count * percent // 100)
            low, high = ranks
            found.append(Percentile(percent, ordered[rank - 1], ordered[low - 1], ordered[high - 1]))
    return tuple(found)


@lru_cache(maxsize=1024)
def compute_interval_ranks(count: int, percent: int, tails: tuple[float, float] = TAILS) -> tuple[int, int] | None:
    """Compute the ranks l < u of the ordered samples that enclose a percentile; None if there are too few samples.

    The number of samples, out of n, at or below the p-quantile is binomial B(n, p) for any distribution, so that

        P(X_(l) <= x_p < X_(u)) >= P(l <= B < u) = sum over k from l to u - 1 of C(n, k) p^k (1 - p)^(n - k).

    l is the greatest rank with P(B < l) <= the first of `tails`, and u the least with P(B >= u) <= the second: these
    are the probabilities that an end is wrong, at most. If there is no such l >= 1 or u <= n, the samples do not bound
    the percentile and the result is None: at 95 % a median requires 6 samples, p90 36, p95 72, p99 368.

    Source: David and Nagaraja, Order Statistics, 3rd edition (2003), section 7.1; Hahn and Meeker, Statistical
    Intervals (1991), section 5.2. The samples are assumed to be independent. Requests that wait in one queue are not
    entirely: a stall that delays ten of them is counted ten times, and the true interval is wider than this one.

    Args:
        count: number of samples, n.
        percent: 100 p, from 1 to 99.
        tails: the probabilities that the percentile is below, and above the interval.

    Returns:
        Ranks from 1 to `count`.
    """
    share = percent / 100
    below, low, high = 0.0, None, None
    for rank in range(count + 1):  # `below` is P(B < rank)
        if below <= tails[0]:
            low = rank
        if 1 - below <= tails[1]:
            high = rank
            break
        below += _binomial(count, rank, share)
    return (low, high) if low and high else None


@lru_cache
def count_needed(percent: int) -> int:
    """Return the least number of samples that bound a percentile: 72 for p95, 368 for p99."""
    return next(count for count in itertools.count(1) if compute_interval_ranks(count, percent) is not None)


def _binomial(count: int, hits: int, share: float) -> float:
    """P(B = hits) for B(count, share), computed with logarithms because C(n, k) may overflow."""
    ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(ways + hits * math.log(share) + (count - hits) * math.log1p(-share))
