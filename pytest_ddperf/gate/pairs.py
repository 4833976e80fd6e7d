"""Verdicts on two servers that were measured in pairs: one pass of each, one after the other. Pure.

Both passes of a pair see the same host, so the noise of the host cancels in the logarithm of their ratio. Start-up luck
(memory layout, placement of threads) does not: it is the same for every pair of one creation of the services. Pairs
therefore come in rounds of 8, the services are recreated between rounds, and the unit of the statistics is the round.

- A round's estimate is the Hodges-Lehmann estimate of its 8 log ratios, the median of all means of two of them
  (Hodges and Lehmann 1963).
- A cell's estimate is the mean of its rounds. Its interval is Student's t with the variance between the rounds, pooled
  over all cells of the run, because one cell has few rounds. The scatter of the cell's own pairs is the lower bound of
  the variance of its rounds, because some cells are noisier than the rest of their run.
- After the first round a cell can only become `ok`: if its estimate is below half the tolerance.
- After 24, 40 and 64 pairs a cell is `regressed` if its estimate exceeds the tolerance and its interval excludes 0, and
  `improved` likewise. It is `ok` if its estimate is below half the tolerance. At the earlier looks, 0 must be excluded
  by a wider interval than the one shown, so that three looks have no higher chance of a false alarm than one (alpha
  spending after O'Brien and Fleming, Lan and DeMets 1983). That chance is 1 % for the whole run, whatever its number
  of cells (Sidak 1967).
- A cell that is beyond the tolerance after the last look, but within what chance explains, is `unstable`.

No common shift of the cells is subtracted: a server that is slower with every network is slower.

`tests/perf/gate_power.py --tables pairs` prints how often these verdicts are wrong.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from pytest_ddperf.gate.statistics import EPSILON, to_relative
from pytest_ddperf.text import format_interval

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PAIRS_PER_ROUND: Final = 8
"""Number of pairs in a round."""

LOOKS: Final = (3, 5, 8)
"""Rounds after which a cell may become regressed or improved; another maximum of pairs changes the last look."""

MAX_PAIRS: Final = LOOKS[-1] * PAIRS_PER_ROUND
"""Default maximum of pairs per cell."""

FALSE_ALARM: Final = 0.01
"""Chance that a run without any change has a red cell."""

_NORMAL = NormalDist()
_FOUND = _NORMAL.inv_cdf(0.8)  # a change as large as the resolution is found in four of five runs
_LOWEST = 3  # index of the 4th lowest of the 36 means of two: W <= 3 has probability 5/256 = 2 % for 8 pairs
_WIDTH = 5.0  # square root of the mean square of the distance of these limits, in standard deviations of the estimate
_MOST_DEGREES = 400
_GRID = 240  # steps of Simpson's rule
_FARTHEST = 8.0  # standard deviations beyond which a normal density is 0
_LEAST_LEVEL = 1e-100  # early ones of many looks spend less than a float can state; a level of 0 has no quantile


@dataclass(frozen=True, slots=True)
class PairedRound:
    """One round of pairs, in logarithms of new time / reference time.

    Args:
        estimate: the Hodges-Lehmann estimate.
        low, high: its distribution-free 96 % interval, which does not include start-up luck.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedVerdict:
    """The verdict on one cell. Changes are relative to the reference, 0.1 for 10 % slower.

    Args:
        outcome: ok, regressed, improved, remeasure or unstable.
        change: the estimate.
        interval: after the first round, that of its pairs (96 %); at a look, the one that decides at the last look;
            None between looks.
        reason: the verdict in words.
        resolution: the change that is found in four of five runs after all pairs; None while it is unknown.
    """

    outcome: str
    change: float
    interval: tuple[float, float] | None
    reason: str
    resolution: float | None = None


def estimate_round(log_ratios: Sequence[float]) -> PairedRound:
    """Estimate a round from the logarithms of new time / reference time of its 8 pairs.

    The interval is the one of the signed-rank test (Hollander, Wolfe and Chicken 2014, section 3.4).

    Raises:
        ValueError: there are not 8 pairs, or a logarithm is not finite.
    """
    if len(log_ratios) != PAIRS_PER_ROUND or not all(map(math.isfinite, log_ratios)):
        raise ValueError(f"a round must contain {PAIRS_PER_ROUND} finite log ratios, not {log_ratios!r}")
    means = sorted((one + other) / 2 for place, one in enumerate(log_ratios) for other in log_ratios[: place + 1])
    middle = len(means) // 2
    return PairedRound((means[middle - 1] + means[middle]) / 2, means[_LOWEST], means[-1 - _LOWEST])


def judge_pairs(
    rounds: Sequence[PairedRound],
    others: Collection[Sequence[PairedRound]],
    tolerance: float,
    max_pairs: int = MAX_PAIRS,
) -> PairedVerdict:
    """Judge a cell after its newest round.

    Args:
        rounds: the rounds of the cell, at least one.
        others: the rounds of each other cell of the run, as measured so far.
        tolerance: relative, 0.1 for 10 %.
        max_pairs: maximum number of pairs of a cell, rounded up to whole rounds.
    """
    limit, count = math.log1p(tolerance), len(rounds)
    estimate = math.fsum(one.estimate for one in rounds) / count
    looks = list_looks(max_pairs)
    last = looks[-1]
    levels = look_levels(-math.expm1(math.log1p(-FALSE_ALARM) / (1 + len(others))), looks)
    variance, degrees = _round_variance(rounds, others)
    interval = (rounds[0].low, rounds[0].high) if count == 1 else None
    certain, resolution = False, None
    if count in looks and degrees:
        error, quantile = math.sqrt(variance / count), student_quantile(levels[-1], degrees)
        interval = (estimate - quantile * error, estimate + quantile * error)
        certain = abs(estimate) > student_quantile(levels[looks.index(count)], degrees) * error + EPSILON
        error *= math.sqrt(count / last)
        resolution = to_relative(max(limit, quantile * error) + _FOUND * error)
    is_beyond = abs(estimate) > limit + EPSILON
    if is_beyond and certain:
        outcome = "regressed" if estimate > 0 else "improved"
    elif (count == 1 or count in looks) and abs(estimate) < limit / 2 + EPSILON:
        outcome = "ok"
    elif count < last:
        outcome = "remeasure"
    else:
        outcome = "unstable" if is_beyond and estimate > 0 else "ok"
    shown = None if interval is None else (to_relative(interval[0]), to_relative(interval[1]))
    reason = _describe(outcome, to_relative(estimate), shown, count * PAIRS_PER_ROUND)
    return PairedVerdict(outcome, to_relative(estimate), shown, reason, resolution)


def list_looks(max_pairs: int) -> tuple[int, ...]:
    """List the numbers of rounds after which a cell is decided, ascending; the last one is the maximum."""
    last = max(1, math.ceil(max_pairs / PAIRS_PER_ROUND))
    return (*(count for count in LOOKS if count < last), last)


def _round_variance(rounds: Sequence[PairedRound], others: Collection[Sequence[PairedRound]]) -> tuple[float, int]:
    """Return the variance of a round's estimate, and its degrees of freedom: 0 if no cell has two rounds."""
    squares, degrees = 0.0, 0
    for cell in (rounds, *others):
        if len(cell) > 1:
            mean = math.fsum(one.estimate for one in cell) / len(cell)
            squares += math.fsum((one.estimate - mean) ** 2 for one in cell)
            degrees += len(cell) - 1
    if not degrees:
        return 0.0, 0
    if degrees == len(rounds) - 1:  # no other cell contributes
        return squares / degrees, degrees
    of_pairs = math.fsum((one.high - one.low) ** 2 for one in rounds) / len(rounds) / _WIDTH**2
    return max(squares / degrees, of_pairs), degrees


@functools.lru_cache(maxsize=1024)
def look_levels(alpha: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """Return the one-sided level of each look, so that all of them together have the level `alpha`.

    Spending function of Lan and DeMets (1983, Biometrika 70:659) that is close to O'Brien and Fleming's boundary:
    2 - 2 * Phi(z / sqrt(share)), z the normal quantile of alpha / 2. The boundaries follow from numerical integration
    of the density of the runs that were not yet decided (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000,
    chapter 19).

    Args:
        alpha: one-sided level.
        looks: number of rounds at each look, ascending.
    """
    z = -_NORMAL.inv_cdf(alpha / 2)
    points, masses = [0.0], [1.0]
    levels: list[float] = []
    spent = before = 0.0
    for rounds in looks:
        share = rounds / looks[-1]
        step = math.sqrt(share - before)
        goal = math.erfc(z / math.sqrt(2 * share)) - spent
        low, high = 0.0, _FARTHEST * 2
        for _ in range(60):
            bound = (low + high) / 2
            crossing = math.fsum(
                mass * math.erfc((bound - point) / step / math.sqrt(2)) / 2
                for point, mass in zip(points, masses, strict=True)
            )
            low, high = (bound, high) if crossing > goal else (low, bound)
        levels.append(max(math.erfc(high / math.sqrt(2 * share)) / 2, _LEAST_LEVEL))
        points, masses = _undecided(points, masses, step, -_FARTHEST * math.sqrt(share), high)
        spent, before = spent + goal, share
    return tuple(levels)


def _undecided(
    points: Sequence[float], masses: Sequence[float], step: float, low: float, high: float
) -> tuple[list[float], list[float]]:
    """Return points between two limits and the masses of the density there, for integration by Simpson's rule.

    Args:
        points: values before the step.
        masses: their masses.
        step: standard deviation of the step.
        low: lower limit after the step.
        high: upper limit after the step.
    """
    width = (high - low) / _GRID
    after = [low + width * index for index in range(_GRID + 1)]
    weights = [width / 3 * (1 if index in {0, _GRID} else 2 + 2 * (index % 2)) for index in range(_GRID + 1)]
    scale = step * math.sqrt(2 * math.pi)
    return after, [
        weight
        * math.fsum(
            mass * math.exp(-(((value - point) / step) ** 2) / 2) / scale
            for point, mass in zip(points, masses, strict=True)
        )
        for value, weight in zip(after, weights, strict=True)
    ]


@functools.lru_cache(maxsize=4096)
def student_quantile(level: float, degrees: int) -> float:
    """Return the value that Student's t exceeds with a probability of `level`, below 0.25.

    More than 400 degrees of freedom count as 400, which makes the value less than 1 % larger.
    """
    degrees = min(degrees, _MOST_DEGREES)
    low, high = 0.0, 1.0
    while _student_tail(high, degrees) > level:
        low, high = high, high * 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_tail(middle, degrees) > level else (low, middle)
    return high


def _student_tail(value: float, degrees: int) -> float:
    """Return the probability that Student's t exceeds a value of 0 or more.

    It is half the regularised incomplete beta function of degrees / (degrees + value^2), here by the series of its
    hypergeometric function (Abramowitz-Stegun 26.7.1, 26.5.4, 15.1.1), whose terms are all positive.
    """
    if not value:
        return 0.5
    half = degrees / 2
    share = degrees / (degrees + value * value)
    total = term = 1.0
    index = 0
    while term > EPSILON * total:
        term *= share * (half + 0.5 + index) / (half + 1 + index)
        total += term
        index += 1
    log_beta = math.lgamma(half) + math.lgamma(0.5) - math.lgamma(half + 0.5)
    return total * math.exp(half * math.log(share) + 0.5 * math.log1p(-share) - log_beta) / half / 2


def _describe(outcome: str, change: float, interval: tuple[float, float] | None, pairs: int) -> str:
    """Describe a verdict in words."""
    why = {
        "regressed": ", slower than the reference",
        "improved": ", faster than the reference",
        "remeasure": ", undecided: to be measured again",
        "unstable": ", beyond the tolerance but too noisy to rule out chance",
    }.get(outcome, ", within the tolerance")
    limits = "" if interval is None else f" {format_interval(interval)}"
    return f"{change * 100:+.1f} %{limits} after {pairs} pairs{why}"
