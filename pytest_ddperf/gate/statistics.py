"""The formulae of the gate: what a round is worth, where a suite stands, how far chance reaches.

Everything here works on natural logarithms of times, so that a factor is a difference and the unit drops out.
Constants are those of independent normal draws, and say which; none of them was fitted to a measurement.
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
"""Logarithms nearer than this are equal: rounding errors must not decide a verdict."""

FASTEST = 0.6
"""Share of a round's passes that counts: the fastest 3 of 5."""

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
    """How many of a round's passes count."""
    return max(1, math.ceil(FASTEST * passes - EPSILON))


def round_statistic(passes_ms: Sequence[float]) -> float:
    """Mean logarithm of the fastest 60 % of a round's passes (latency noise is one-sided).

    Raises:
        ValueError: no pass, or one that is not a finite, positive number.
    """
    try:
        ordered = sorted(passes_ms)
        # A NaN spoils the order, but also the sum.
        if not (ordered and ordered[0] > 0 and math.isfinite(sum(ordered))):
            _check(passes_ms)
        count = fastest_count(len(ordered))
        return sum(map(math.log, ordered[:count])) / count
    except TypeError as error:
        raise ValueError(f"a round must be a list of milliseconds, not {passes_ms!r}") from error


def _check(passes_ms: Sequence[float]) -> None:
    if not len(passes_ms):
        raise ValueError("a round holds no pass: there is nothing to judge")
    for ms in passes_ms:
        if not 0 < ms < math.inf:
            raise ValueError(f"a pass must take a finite, positive time, not {ms!r} ms")


@functools.cache
def _normal_scores(passes: int) -> tuple[float, ...]:
    """Expected order statistics of standard normal draws (Blom 1958: quantiles of (i - 3/8) / (n + 1/4))."""
    return tuple(_NORMAL.inv_cdf((rank - 0.375) / (passes + 0.25)) for rank in range(1, passes + 1))


@functools.cache
def expected_offset(passes: int) -> float:
    """How far the round statistic lies from the passes' mean, in standard deviations of a pass; negative."""
    count = fastest_count(passes)
    return sum(_normal_scores(passes)[:count]) / count


def round_variance(passes: int) -> float:
    """Variance of the round statistic of that many standard normal passes.

    Integrated numerically, it is 1.17 / n to 1.23 / n.
    """
    return 1.2 / passes if passes > 2 else 1.0 / passes


def pass_sigma(passes_ms: Sequence[float]) -> float | None:
    """Standard deviation of the logarithm of a pass, from the range of those that count; None below three passes."""
    count = fastest_count(len(passes_ms))
    if count < 2 or len(passes_ms) < 3:
        return None
    ordered = sorted(passes_ms)
    scores = _normal_scores(len(passes_ms))
    return math.log(ordered[count - 1] / ordered[0]) / (scores[count - 1] - scores[0])


def midmean(values: Iterable[float]) -> float:
    """Mean of the middle half (Tukey's midmean): as robust as is needed, at 1.2 times the variance of the mean.

    Three values give their median, one or two their mean.
    """
    ordered = sorted(values)
    cut = 1 if len(ordered) == 3 else len(ordered) // 4
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


def midmean_variance(count: int) -> float:
    """Variance of `midmean` of that many draws, in units of the variance of one."""
    return (1.0 if count < 3 else 1.2) / count


def level(values: Sequence[float], sigma: float) -> float:
    """What several rounds are worth: their mean with the slowest left out (the only one stays).

    Of the others, none counts for more than 2.5 standard deviations above the (lower) median: two accidents are no
    change.
    """
    ordered = sorted(values)
    if len(ordered) < 3:
        return ordered[0]
    most = ordered[(len(ordered) - 1) // 2] + _CLIP * sigma
    return sum(min(value, most) for value in ordered[:-1]) / (len(ordered) - 1)


def counted(rounds: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """The rounds that `level` counts, the fastest first: all but the slowest, of two the faster one.

    Args:
        rounds: milliseconds per image of the passes, a list for each round; at least one.
    """
    ordered = sorted(rounds, key=round_statistic)
    return ordered[: max(1, len(ordered) - 1)]


def level_variance(count: int) -> float:
    """Variance of `level` of that many standard normal draws (integrated numerically up to 6)."""
    return _SLOWEST_DROPPED[count - 1] if count <= len(_SLOWEST_DROPPED) else 1.06 / count


def median_without(ordered: Sequence[float], own: float | None) -> float:
    """Median of sorted values, one occurrence of `own` left out."""
    skip = len(ordered) if own is None else bisect_left(ordered, own)
    count = len(ordered) - (own is not None)

    def at(rank: int) -> float:
        return ordered[rank + (rank >= skip)]

    return at(count // 2) if count % 2 else (at(count // 2 - 1) + at(count // 2)) / 2


@functools.cache
def sidak_z(alpha: float, count: float) -> float:
    """One-sided normal quantile that all of `count` cells stay below with probability 1 - alpha (Sidak 1967)."""
    return _NORMAL.inv_cdf(math.exp(math.log1p(-alpha) / max(1.0, count)))


def student(z: float, degrees: float) -> float:
    """Quantile of Student's t where the normal's is z: the head of its expansion (Abramowitz-Stegun 26.7.5)."""
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / degrees + second / degrees**2


@dataclass(frozen=True, slots=True)
class Bulk:
    """Where the unregressed part of a suite stands, and how widely it scatters.

    Args:
        centre: mean logarithm.
        variance: of one cell.
        count: how many cells it rests on.
    """

    centre: float
    variance: float
    count: int


def _bulk_of_sorted(ordered: Sequence[float]) -> Bulk:
    """The largest unregressed crowd among cells of which half or more may be slower.

    Where the values fall in two (the split of least variance, Otsu 1979), only the faster part counts. From it, the
    lowest of the nearly shortest windows that hold 40 % of the values (the shortest half of Rousseeuw and Leroy
    1987, on the side of the faster cells), as narrow as the window or what lies below it say, grows by clipping at
    2.5 standard deviations until it stays the same. Where as many cells again lie below it, or where it falls in
    two, it starts again from the faster part.

    Args:
        ordered: a value for each cell, ascending; at least one.
    """
    count = len(ordered)
    least = max(3, math.ceil(_SMALLEST_PART * count))
    tail = count // 10
    pulled_in = [ordered[tail]] * tail + [*ordered[tail : count - tail]] + [ordered[count - 1 - tail]] * tail
    # A normal sample whose tails are so pulled in keeps 27 % of its squares.
    cut = _split(pulled_in, 0.27, 0.95)
    if cut >= least:
        ordered = ordered[:cut]
    for _ in range(_RESTARTS):
        low, high, found = _grow(ordered)
        # Cut in two at its best, a normal sample keeps 1 - 2 / pi = 36 % of its squares.
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
    """Where sorted values fall in two: how many belong to the faster part, 0 where they are one crowd.

    Args:
        ordered: the values.
        kept: share of its squares that one crowd keeps when it is cut in two at its best.
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
    """What the square of the faster part's sum is to be multiplied by, for each place of a split."""
    return tuple(count / (index * (count - index)) for index in range(1, count))


class Crowd:
    """The cells of a suite, each to be held against all the others.

    A cell never takes part in the centre and the spread that it is judged by: what it does cannot excuse it, and a
    slower cell can never be judged more mildly. In a very large suite one cell's weight is lost in the rounding,
    and the cells share one.

    The bulk of all values is for those that no noise can make red or green: it may be that of a few values ago, until
    an eighth of them has come, or gone.
    """

    SHARED_FROM = 1024
    RENEWED_AT = 8

    def __init__(self, values: Sequence[float]) -> None:
        self._ordered = sorted(values)
        self._cache: dict[int, Bulk] = {}
        self._whole: Bulk | None = None
        self._came = self._went = 0

    def join(self, value: float) -> None:
        """Take one more value in."""
        insort(self._ordered, value)
        self._cache.clear()
        self._came += 1

    def leave(self, value: float) -> None:
        """Take one occurrence of a value out."""
        del self._ordered[bisect_left(self._ordered, value)]
        self._cache.clear()
        self._went += 1

    def others(self, own: float | None) -> Bulk:
        """The bulk of all values but one occurrence of `own`; of all, or nearly all, where it is None."""
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
