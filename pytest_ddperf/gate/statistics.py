"""The formulae of the gate: the statistic of a round, the centre and scatter of a suite, and the reach of chance.

Everything here works on natural logarithms of times, so that a factor is a difference and the unit drops out.
The constants follow from independent normal draws, as stated beside each; none was fitted to a measurement.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NORMAL = NormalDist()
EPSILON = 1e-9
"""Logarithms that differ by less are equal: rounding errors must not decide a verdict."""

MOST_LOG = 700.0
"""Logarithms beyond this overflow a float."""

FARTHEST = math.log(10.0)
"""A factor of ten, by more than which nothing differs by chance: the largest limit, resolution and half interval."""

FASTEST = 0.6
"""Share of a round's passes that counts, the fastest ones: 3 of 5."""

_LARGEST = (0.0, 0.564, 0.846, 1.029, 1.163, 1.267)  # expected largest of 1 to 6 standard normal draws
_SLOWEST_DROPPED = (1.0, 0.68, 0.39, 0.28, 0.215, 0.176)
_CLIP = 2.5
_SMALLEST_PART = 0.3
_TRIMMED = 0.2
_CLIPPINGS = 3
_CLIPPED_VARIANCE = 0.911  # variance of a standard normal cut at +-2.5: 1 - 2 * 2.5 * phi(2.5) / (2 * Phi(2.5) - 1)
_LOWER_VARIANCE = (
    0.587,
    0.632,
    0.667,
    0.693,
)  # of 3 to 6 standard normal draws without the largest, integrated numerically


@functools.cache
def fastest_count(passes: int) -> int:
    """Return how many of a round's passes count."""
    return max(1, math.ceil(FASTEST * passes - EPSILON))


def round_statistic(passes_ms: Sequence[float]) -> float:
    """Return the mean logarithm of the fastest 60 % of a round's passes (latency noise is one-sided).

    Raises:
        ValueError: there is no pass, or a pass is not a finite, positive number.
    """
    ordered = sorted(passes_ms)
    # A NaN makes the order meaningless, but the sum is then NaN too.
    if not (ordered and ordered[0] > 0 and math.isfinite(sum(ordered))):
        raise ValueError(f"a round must contain finite, positive times, not {passes_ms!r}")
    count = fastest_count(len(ordered))
    return sum(map(math.log, ordered[:count])) / count


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


def to_relative(logarithm: float) -> float:
    """Return a difference of logarithms as a relative change: 0.1 for log(1.1)."""
    return math.expm1(min(logarithm, MOST_LOG))


def midmean(values: Iterable[float]) -> float:
    """Return the mean of the middle half (Tukey's midmean): robust enough, at 1.2 times the variance of the mean.

    For three values it is their median, for one or two their mean.
    """
    ordered = sorted(values)
    cut = 1 if len(ordered) == 3 else len(ordered) // 4
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


def midmean_variance(count: int) -> float:
    """Return the variance of `midmean` of that many draws, in units of the variance of one draw.

    A median of three has 1.35 times the variance of their mean.
    """
    return (1.0, 1.0, 1.0, 1.35, 1.2)[min(count, 4)] / count


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


@functools.cache
def level_variance(count: int) -> float:
    """Return the variance of `level` of that many standard normal draws (integrated numerically up to 6)."""
    return _SLOWEST_DROPPED[count - 1] if count <= len(_SLOWEST_DROPPED) else 1.06 / count


@functools.cache
def level_bias(count: int) -> float:
    """Return by how much `level` of that many standard normal draws is below their mean (David and Nagaraja 2003)."""
    return _LARGEST[min(count, len(_LARGEST)) - 1] / max(1, count - 1)


def rounds_scatter(values: Sequence[float], *, without_slowest: bool = True) -> tuple[float, float]:
    """Return the variance between the rounds of a cell, and its degrees of freedom; 0 for fewer than two rounds.

    Args:
        values: `round_statistic` of each round.
        without_slowest: omit the slowest of three or more rounds, as `level` does, because it may be an accident.
    """
    ordered = sorted(values)
    part = 1.0
    if without_slowest and len(ordered) > 2:
        part = _LOWER_VARIANCE[min(len(ordered), 6) - 3]
        ordered = ordered[:-1]
    if len(ordered) < 2:
        return 0.0, 0.0
    mean = sum(ordered) / len(ordered)
    degrees = len(ordered) - 1.0
    return sum((value - mean) ** 2 for value in ordered) / degrees / part, degrees


@functools.cache
def sidak_z(alpha: float, count: float) -> float:
    """Return the one-sided normal quantile that all cells stay below with probability 1 - alpha (Sidak 1967)."""
    return _NORMAL.inv_cdf(math.exp(math.log1p(-alpha) / max(1.0, count)))


def student(z: float, degrees: float) -> float:
    """Return the quantile of Student's t for the normal quantile z (Wallace 1959).

    It is within 2 % from 5 degrees of freedom on, and too large for fewer: by 7 % for 3 at a chance of 0.001.
    """
    if math.isinf(degrees):
        return z
    scaled = z * (8 * degrees + 3) / (8 * degrees + 1)
    return math.copysign(math.sqrt(degrees * math.expm1(scaled * scaled / degrees)), z)


def is_larger(variance: float, degrees: float, other: float, other_degrees: float, chance: float = 0.05) -> bool:
    """Whether a variance is significantly larger than another one: an F test (Paulson 1942).

    Args:
        variance: the variance.
        degrees: its degrees of freedom.
        other: the other variance.
        other_degrees: its degrees of freedom.
        chance: level of the test.
    """
    if variance <= other:
        return False
    ratio = math.cbrt(variance / max(other, EPSILON**2))
    first, second = 2 / (9 * degrees), 2 / (9 * other_degrees)
    return (1 - second) * ratio - (1 - first) > _NORMAL.inv_cdf(1 - chance) * math.sqrt(second * ratio * ratio + first)


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

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the variance: those whose Student's t is exceeded as often in 9 to 104 normal draws."""
        return max(1.0, 0.65 * (self.count - 1) - 1.5)

    @property
    def centre_variance(self) -> float:
        """Variance of the centre: 1.1 times that of the mean, in normal draws."""
        return 1.1 * self.variance / self.count


def _bulk_of_sorted(ordered: Sequence[float]) -> Bulk:
    """Estimate the centre and scatter of the unregressed cells.

    If the values form two groups (the split of least variance, Otsu 1979), only the faster group counts. Of the group,
    a fifth of the values at either end is trimmed for the centre, and pulled in for the scatter (Tukey and McLaughlin
    1963). Then values beyond 2.5 standard deviations are left out, three times.

    Args:
        ordered: one value for each cell, ascending; at least one.
    """
    count = len(ordered)
    tail = count // 10
    pulled_in = [ordered[tail]] * tail + [*ordered[tail : count - tail]] + [ordered[count - 1 - tail]] * tail
    cut = _split(pulled_in)
    if cut >= max(3, math.ceil(_SMALLEST_PART * count)):
        ordered, count = ordered[:cut], cut
    tail = int(_TRIMMED * count)
    kept = ordered[tail : count - tail]
    centre = sum(kept) / len(kept)
    middle = (sum(kept) + tail * (kept[0] + kept[-1])) / count
    squares = _squares(kept, middle) + tail * ((kept[0] - middle) ** 2 + (kept[-1] - middle) ** 2)
    variance = squares / max(1, count - 1) / _pulled_in_variance(tail / count)
    for _ in range(_CLIPPINGS):
        reach = _CLIP * math.sqrt(variance) + EPSILON
        kept = ordered[bisect_left(ordered, centre - reach) : bisect_right(ordered, centre + reach)]
        centre = sum(kept) / len(kept)
        variance = _squares(kept, centre) / max(1, len(kept) - 1) / _CLIPPED_VARIANCE
    return Bulk(centre, variance, len(kept))


def _squares(values: Sequence[float], centre: float) -> float:
    """Return the sum of the squared differences from a centre."""
    return math.dist(values, [centre] * len(values)) ** 2


@functools.cache
def _pulled_in_variance(share: float) -> float:
    """Return the variance of a standard normal variable whose tails, a share at either end, are pulled in."""
    if not share:
        return 1.0
    end = -_NORMAL.inv_cdf(share)
    return 2 * (0.5 - share - end * _NORMAL.pdf(end) + end * end * share)


def _split(ordered: Sequence[float]) -> int:
    """Return how many of the values belong to the faster of two groups, 0 if they form a single group.

    Args:
        ordered: the values, ascending, with their tails pulled in.
    """
    count = len(ordered)
    if count < 6:
        return 0
    mean = sum(ordered) / count
    total = _squares(ordered, mean)
    if total <= EPSILON:
        return 0
    # A normal sample with such tails keeps 27 % of its squares when it is split at the best place; four standard
    # deviations of that share are 0.95, divided by the square root of the number of values.
    kept = (0.27 - 0.95 / math.sqrt(count)) * total
    # The variance between the groups is the square of these. None is positive, as the sum of the fastest never is.
    roots = list(map(mul, accumulate([value - mean for value in ordered]), _split_weights(count)))
    if total - min(roots) ** 2 >= kept:
        return 0
    best, place = 0.0, 0
    for index, root in enumerate(roots, 1):
        if root * root > best + EPSILON * total:
            best, place = root * root, index
    return place if total - best < kept else 0


@functools.cache
def _split_weights(count: int) -> tuple[float, ...]:
    """Return, for each place of a split, the root of the factor of the squared sum of the faster part."""
    return tuple(math.sqrt(count / (index * (count - index))) for index in range(1, count))


def find_bulk(values: Iterable[float]) -> Bulk:
    """Return the centre and scatter of the unregressed cells of a suite, one value for each; at least one."""
    return _bulk_of_sorted(sorted(values))


class Crowd:
    """The cells of a suite, each of which is compared with all the others.

    A cell is excluded from the centre and the spread that it is judged by, so that a slower cell is never judged more
    leniently.
    """

    def __init__(self, values: Sequence[float]) -> None:
        self._ordered = sorted(values)
        self._cache: dict[int, Bulk] = {}

    def others(self, own: float) -> Bulk:
        """Return the bulk of all values except one occurrence of `own`, if there is one."""
        index = bisect_left(self._ordered, own)
        if index == len(self._ordered) or self._ordered[index] != own:
            index = len(self._ordered)
        found = self._cache.get(index)
        if found is None:
            found = self._cache[index] = _bulk_of_sorted(self._ordered[:index] + self._ordered[index + 1 :])
        return found
