"""Percentiles of latencies, each with its confidence interval, and only where there are enough samples. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PERCENTS: Final = (50, 90, 95, 99)
"""Which percentiles are told."""

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Percentile:
    """One percentile.

    Args:
        percent: which: 50 for the median.
        value_ms: the estimate.
        low_ms: lower end of its interval, one of the samples.
        high_ms: upper end, one of the samples.
    """

    percent: int
    value_ms: float
    low_ms: float
    high_ms: float


def compute_percentiles(samples_ms: Sequence[float], percents: Sequence[int] = PERCENTS) -> tuple[Percentile, ...]:
    """The percentiles that so many samples can tell, ascending; of the others there is none.

    The value is the sample of rank ceil(n p), the inverse of the empirical distribution (Hyndman and Fan, Sample
    Quantiles in Statistical Packages, The American Statistician 50 (1996), definition 1): a latency that did occur.

    Args:
        samples_ms: in any order.
        percents: which.
    """
    ordered = sorted(samples_ms)
    count = len(ordered)
    found = []
    for percent in percents:
        ranks = compute_interval_ranks(count, percent)
        if ranks is not None:
            rank = max(1, -(-count * percent // 100))
            low, high = ranks
            found.append(Percentile(percent, ordered[rank - 1], ordered[low - 1], ordered[high - 1]))
    return tuple(found)


@lru_cache(maxsize=1024)
def compute_interval_ranks(count: int, percent: int, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """The ranks l < u of the ordered samples between which a percentile lies; None where there are too few samples.

    How many of n samples are at most the p-quantile is binomial B(n, p), whatever the distribution, so that

        P(X_(l) <= x_p < X_(u)) >= P(l <= B < u) = sum over k from l to u - 1 of C(n, k) p^k (1 - p)^(n - k).

    l is the greatest rank with P(B < l) <= a / 2, and u the least with P(B >= u) <= a / 2, a = 1 - confidence: each
    end is wrong with a / 2 at the most. Where there is no such l >= 1 or u <= n, the samples cannot bound the
    percentile, and it is not told: at 95 % a median takes 6 samples, p90 36, p95 72, p99 368.

    Source: David and Nagaraja, Order Statistics, 3rd edition (2003), section 7.1; Hahn and Meeker, Statistical
    Intervals (1991), section 5.2. It takes the samples as independent. Requests that wait in one queue are not quite: a
    stall that holds up ten of them is counted ten times, and the true interval is wider than this one.

    Args:
        count: of samples, n.
        percent: 100 p, from 1 to 99.
        confidence: that the interval holds the percentile, above 0 and below 1.

    Returns:
        Ranks from 1 to `count`.
    """
    if count < 1:
        return None
    tail = (1 - confidence) / 2
    share = percent / 100
    below, low, high = 0.0, None, None
    for rank in range(count + 1):  # `below` is P(B < rank)
        if below <= tail:
            low = rank
        if high is None and 1 - below <= tail:
            high = rank
            break
        below += _binomial(count, rank, share)
    return (low, high) if low and high else None


def _binomial(count: int, hits: int, share: float) -> float:
    """P(B = hits) of B(count, share); by logarithms, since C(n, k) has no bound."""
    ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(ways + hits * math.log(share) + (count - hits) * math.log1p(-share))
