"""The formulae of the gate: the statistic of a round, the centre and scatter of a suite, and the reach of chance.

Everything here works on natural logarithms of times, so that a factor is a difference and the unit drops out.
The constants follow from independent normal draws, as stated beside each; none was fitted to a measurement.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from operator import sub as minus
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NORMAL = NormalDist()
EPSILON = 1e-9
"""Logarithms that differ by less are equal: rounding errors must not decide a verdict."""

FASTEST = 0.6
"""Share of a round's passes that counts, the fastest ones: 3 of 5."""

_SLOWEST_DROPPED = (1.0, 0.68, 0.39, 0.28, 0.215, 0.176)
_CLIP = 2.5
_CLIPPED_VARIANCE = 0.911  # variance of a standard normal cut at +-2.5: 1 - 2 * 2.5 * phi(2.5) / (2 * Phi(2.5) - 1)
_WINDOW = 0.4
_WINDOW_WIDTH = 2 * 0.5244  # of a standard normal's middle 40 %
_SMALLEST_PART = 0.3
_RESTARTS = 3
_STEPS = 12
_QUARTILE = 0.6745  # of a standard normal
_NEARLY_SHORTEST = 1.3


@functools.cache
def fastest_count(passes: int) -> int:
    """Return how many of a round's passes count."""
    return max(1, math.ceil(FASTEST * passes - EPSILON))


def round_statistic(passes_ms: Sequence[float]) -> float:
    """Return the mean logarithm of the fastest 60 % of a round's passes (latency noise is one-sided).

    Raises:
        ValueError: there is no pass, or a pass is not a finite, positive number.
    """
    try:
        ordered = sorted(passes_ms)
        # A NaN makes the order meaningless, but the sum is then NaN too.
        if not (ordered and ordered[0] > 0 and math.isfinite(sum(ordered))):
            _check(passes_ms)
        count = fastest_count(len(ordered))
        return sum(map(math.log, ordered[:count])) / count
    except TypeError as error:
        raise ValueError(f"a round must be a list of milliseconds, not {passes_ms!r}") from error


def _check(passes_ms: Sequence[float]) -> None:
    if not len(passes_ms):
        raise ValueError("a round must contain at least one pass")
    for ms in passes_ms:
        if not 0 < ms < math.inf:
            raise ValueError(f"a pass must take a finite, positive time, not {ms!r} ms")


@functools.cache
def _normal_scores(passes: int) -> tuple[float, ...]:
    """Expected order statistics of standard normal draws (Blom 1958: quantiles of (i - 3/8) / (n + 1/4))."""
    return tuple(_NORMAL.inv_cdf((rank - 0.375) / (passes + 0.25)) for rank in range(1, passes + 1))


@functools.cache
def expected_offset(passes: int) -> float:
    """Return the expected difference of the round statistic from the mean of the passes.

    It is in standard deviations of a pass: 0 for one or two passes, negative for more.
    """
    count = fastest_count(passes)
    return sum(_normal_scores(passes)[:count]) / count


def round_variance(passes: int) -> float:
    """Return the variance of the round statistic of that many standard normal passes.

    Integrated numerically, it is 1.17 / n to 1.23 / n.
    """
    return 1.2 / passes if passes > 2 else 1.0 / passes


def pass_sigma(passes_ms: Sequence[float]) -> float | None:
    """Estimate the standard deviation of a pass's logarithm from the range of the passes that count.

    Returns:
        None for fewer than three passes.
    """
    count = fastest_count(len(passes_ms))
    if count < 2 or len(passes_ms) < 3:
        return None
    ordered = sorted(passes_ms)
    scores = _normal_scores(len(passes_ms))
    return math.log(ordered[count - 1] / ordered[0]) / (scores[count - 1] - scores[0])


def midmean(values: Iterable[float]) -> float:
    """Return the mean of the middle half (Tukey's midmean): robust enough, at 1.2 times the variance of the mean.

    For three values it is their median, for one or two their mean.
    """
    ordered = sorted(values)
    cut = 1 if len(ordered) == 3 else len(ordered) // 4
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


def midmean_variance(count: int) -> float:
    """Return the variance of `midmean` of that many draws, in units of the variance of one draw."""
    return (1.0 if count < 3 else 1.2) / count


def level(values: Sequence[float], sigma: float) -> float:
    """Combine several rounds: their mean without the slowest round; a single round is kept.

    The other rounds are clipped at 2.5 standard deviations above the (lower) median, so that two accidents do not
    count as a change.

    Args:
        values: `round_statistic` of each round.
        sigma: standard deviation between rounds.
    """
    ordered = sorted(values)
    if len(ordered) < 3:
        return ordered[0]
    most = ordered[(len(ordered) - 1) // 2] + _CLIP * sigma
    return sum(min(value, most) for value in ordered[:-1]) / (len(ordered) - 1)


def counted(rounds: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """Return the rounds that `level` counts, fastest first: all but the slowest; of two, the faster one.

    Args:
        rounds: milliseconds per image of the passes, a list for each round; at least one round.
    """
    ordered = sorted(rounds, key=round_statistic)
    return ordered[: max(1, len(ordered) - 1)]


def level_variance(count: int) -> float:
    """Return the variance of `level` of that many standard normal draws (integrated numerically up to 6)."""
    return _SLOWEST_DROPPED[count - 1] if count <= len(_SLOWEST_DROPPED) else 1.06 / count


def median_without(ordered: Sequence[float], own: float | None) -> float:
    """Return the median of sorted values without one occurrence of `own`."""
    skip = len(ordered) if own is None else bisect_left(ordered, own)
    count = len(ordered) - (own is not None)

    def at(rank: int) -> float:
        return ordered[rank + (rank >= skip)]

    return at(count // 2) if count % 2 else (at(count // 2 - 1) + at(count // 2)) / 2


@functools.cache
def sidak_z(alpha: float, count: float) -> float:
    """Return the one-sided normal quantile that all cells stay below with probability 1 - alpha (Sidak 1967)."""
    return _NORMAL.inv_cdf(math.exp(math.log1p(-alpha) / max(1.0, count)))


def student(z: float, degrees: float) -> float:
    """Return the quantile of Student's t for the normal quantile z.

    These are the first terms of its expansion (Abramowitz-Stegun 26.7.5).
    """
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / degrees + second / degrees**2


@dataclass(frozen=True, slots=True)
class Bulk:
    """Centre and scatter of the unregressed part of a suite.

    Args:
        centre: mean logarithm.
        variance: variance of one cell.
        count: number of cells that both are computed from.
    """

    centre: float
    variance: float
    count: int


def _bulk_of_sorted(ordered: Sequence[float]) -> Bulk:
    """Find the largest group of unregressed cells, even if half of the cells or more are slower.

    1. If the values form two groups (the split of least variance, Otsu 1979), only the faster group counts.
    2. Among the nearly shortest windows that contain 40 % of the values (the shortest half of Rousseeuw and Leroy
       1987, on the side of the faster cells), the lowest is chosen. Its width or the scatter of the values below its
       middle, whichever is narrower, gives the first standard deviation.
    3. The window is widened by clipping at 2.5 standard deviations until it no longer changes.
    4. If at least 30 % of the cells (and three) are below it, or if it forms two groups, steps 2 and 3 are repeated
       with the faster part.

    Args:
        ordered: one value for each cell, ascending; at least one.
    """
    count = len(ordered)
    least = max(3, math.ceil(_SMALLEST_PART * count))
    tail = count // 10
    pulled_in = [ordered[tail]] * tail + [*ordered[tail : count - tail]] + [ordered[count - 1 - tail]] * tail
    # A normal sample with its tails pulled in like this keeps 27 % of its squares.
    cut = _split(pulled_in, 0.27, 0.95)
    if cut >= least:
        ordered = ordered[:cut]
    for _ in range(_RESTARTS):
        low, high, found = _grow(ordered)
        # A normal sample that is split at the best place keeps 1 - 2 / pi = 36 % of its squares.
        cut = low if low >= least else low + _split(ordered[low:high], 0.36, 1.2)
        if cut < least or cut >= high:
            break
        ordered = ordered[:cut]
    return found


def _grow(ordered: Sequence[float]) -> tuple[int, int, Bulk]:
    count = len(ordered)
    if count < 3:
        centre = sum(ordered) / count
        return 0, count, Bulk(centre, sum((value - centre) ** 2 for value in ordered) / max(1, count - 1), count)
    span = max(2, math.ceil(_WINDOW * count)) - 1
    widths = list(map(minus, ordered[span:], ordered))
    enough = min(widths) * _NEARLY_SHORTEST + EPSILON
    start = next(index for index, width in enumerate(widths) if width <= enough)
    middle = start + span // 2
    origin = ordered[middle]
    sigma = max(0.8 * min(widths[start] / _WINDOW_WIDTH, (origin - ordered[middle // 2]) / _QUARTILE), EPSILON)
    off = [value - origin for value in ordered]
    sums = [0.0, *accumulate(off)]
    squares = [0.0, *accumulate(map(mul, off, off))]
    low, high, mean = middle, middle + 1, 0.0
    for _ in range(_STEPS):
        reach = _CLIP * sigma + EPSILON
        before = (low, high)
        low = bisect_left(ordered, origin + mean - reach)
        high = bisect_right(ordered, origin + mean + reach)
        if (low, high) == before or high - low < 2:
            break
        kept = high - low
        mean = (sums[high] - sums[low]) / kept
        spread = max(0.0, (squares[high] - squares[low]) / kept - mean * mean) * kept / (kept - 1)
        sigma = max(math.sqrt(spread / _CLIPPED_VARIANCE), EPSILON)
    return low, high, Bulk(origin + mean, sigma * sigma, max(1, high - low))


def _split(ordered: Sequence[float], kept: float, scatter: float) -> int:
    """Return how many of the values belong to the faster of two groups, 0 if they form a single group.

    Args:
        ordered: the values, ascending.
        kept: share of its squares that a single group keeps when it is split at the best place.
        scatter: four standard deviations of that share, times the square root of the number of values.
    """
    count = len(ordered)
    if count < 6:
        return 0
    mean = sum(ordered) / count
    off = [value - mean for value in ordered]
    total = sum(map(mul, off, off))
    if total <= EPSILON:
        return 0
    parts = list(accumulate(off))
    betweens = list(map(mul, map(mul, parts, parts), _split_weights(count)))
    most = max(betweens)
    if total - most >= (kept - scatter / math.sqrt(count)) * total:
        return 0
    best, place = 0.0, 0
    for index, between in enumerate(betweens, 1):
        if between > best + EPSILON * total:
            best, place = between, index
    return place if total - best < (kept - scatter / math.sqrt(count)) * total else 0


@functools.cache
def _split_weights(count: int) -> tuple[float, ...]:
    """Return, for each place of a split, the factor of the squared sum of the faster part."""
    return tuple(count / (index * (count - index)) for index in range(1, count))


class Crowd:
    """The cells of a suite, each of which is compared with all the others.

    A cell is excluded from the centre and the spread that it is judged by, so that a slower cell is never judged more
    leniently. In a suite of `SHARED_FROM` cells or more the weight of one cell is negligible, and all cells share one
    bulk.

    The bulk of all values serves cells whose verdict no noise can change. It may be outdated by a few values: it is
    recomputed once an eighth of them (`RENEWED_AT`) were added or removed.
    """

    SHARED_FROM = 1024
    RENEWED_AT = 8

    def __init__(self, values: Sequence[float]) -> None:
        self._ordered = sorted(values)
        self._cache: dict[int, Bulk] = {}
        self._whole: Bulk | None = None
        self._came = self._went = 0

    def join(self, value: float) -> None:
        """Add a value."""
        insort(self._ordered, value)
        self._cache.clear()
        self._came += 1

    def leave(self, value: float) -> None:
        """Remove one occurrence of a value."""
        del self._ordered[bisect_left(self._ordered, value)]
        self._cache.clear()
        self._went += 1

    def others(self, own: float | None) -> Bulk:
        """Return the bulk of all values except one occurrence of `own`.

        Args:
            own: the value to exclude; None for the bulk of all values, which may be outdated by a few values.
        """
        if own is None:
            if self._whole is None or max(self._came, self._went) * self.RENEWED_AT > len(self._ordered):
                self._whole, self._came, self._went = _bulk_of_sorted(self._ordered), 0, 0
            return self._whole
        shared = len(self._ordered) >= self.SHARED_FROM
        index = -1 if shared else bisect_left(self._ordered, own)
        found = self._cache.get(index)
        if found is None:
            values = self._ordered if shared else self._ordered[:index] + self._ordered[index + 1 :]
            found = self._cache[index] = _bulk_of_sorted(values)
        return found
