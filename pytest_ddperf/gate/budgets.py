"""Absolute limits: whether a time is certainly beyond its budget, certainly within it, or neither. Pure.

A budget limits the mean of all passes, or a percentile of all requests; never the fastest passes, because a user waits
for every request.

- The passes of a round share its luck, so the variance is the larger one of that between the rounds and that of their
  passes. If the rounds differ by more than their passes explain (F test at 1 %), the round is the unit, with Student's
  t for the number of rounds; otherwise the pass is, with two degrees of freedom a round at most.
- Nothing in a run shows by how much it differs from other runs. The interval assumes 1 %, the figure that docs/gate.md
  gives for a board with fixed clocks.
- A cell is over its budget if the lower end of its interval is beyond the limit, from three rounds on: of fewer, one
  accident is too large a part. The chance that a run has such a cell although all are within their budgets is 1 % at
  most, whatever the number of cells (Sidak 1967) and of looks (alpha spending, `pairs.look_levels`).
- A cell is within its budget if the upper end is below the limit. This end has a confidence of 95 % for each cell:
  being wrong about it costs a note, not a red night.
- Any other cell is undecided. It is measured again, up to the last round.

The interval of a percentile has order statistics as its ends (`core.percentiles`). Requests that wait in one queue are
slow together: the number of requests is divided by the design effect, by how much more the shares of slow requests
differ between passes, or between rounds, than those of independent requests would (Kish 1965).

`tests/perf/gate_power.py --tables budgets` prints how often these verdicts are wrong.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.budgets import Standing
from pytest_ddperf.core.percentiles import compute_interval_ranks
from pytest_ddperf.gate.noise import MAX_ROUNDS, MIN_ROUNDS
from pytest_ddperf.gate.pairs import look_levels, student_quantile
from pytest_ddperf.gate.statistics import FARTHEST, is_larger

if TYPE_CHECKING:
    from collections.abc import Sequence

FALSE_ALARM: Final = 0.01
"""Chance that a run whose cells are all within their budgets has a cell that is over its budget."""

DOUBT: Final = 0.05
"""Chance that a cell at its limit is called within its budget, at each look."""

LOOKS: Final = tuple(range(MIN_ROUNDS, MAX_ROUNDS + 1))
"""Rounds after which a cell may be over its budget; in pairs they are `pairs.list_looks`."""

LASTING: Final = 0.01
"""Relative standard deviation of the luck that all rounds of a run share; nothing in the run shows it."""

_SHARED_LUCK = 0.01
"""Level of the F test for a difference of the rounds. At 5 %, one cell in twenty without any would be judged by its six
rounds alone, and would be missed at 10 % over its budget."""

_DEGREES_A_ROUND = 2
"""Degrees of freedom that a further round adds at most while the pass is the unit: the F test does not find all shared
luck. With more, hosts whose rounds differ by 2 to 5 % exceed the level; with fewer, cells are missed."""

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A time and its confidence interval, milliseconds.

    Args:
        value_ms: the mean or percentile.
        low_ms: lower end; None if nothing shows the noise yet.
        high_ms: upper end; None if nothing shows the noise yet.
        is_look: whether the time may be found to be beyond a limit after so many rounds.
    """

    value_ms: float
    low_ms: float | None
    high_ms: float | None
    is_look: bool

    def judge(self, limit_ms: float) -> Standing:
        """Judge the time by a limit, milliseconds."""
        if self.low_ms is None or self.high_ms is None:
            return Standing.UNDECIDED
        if self.low_ms > limit_ms and self.is_look:
            return Standing.OVER
        return Standing.WITHIN if self.high_ms <= limit_ms else Standing.UNDECIDED


def estimate_mean(rounds_ms: Sequence[Sequence[float]], figures: int, looks: tuple[int, ...] = LOOKS) -> Estimate:
    """Estimate the mean of all passes.

    Args:
        rounds_ms: the times of the passes, a list for each round, milliseconds.
        figures: number of figures with a limit in the whole run.
        looks: numbers of rounds after which the cell may be over its budget; the last one is the maximum.
    """
    count = sum(map(len, rounds_ms))
    mean = math.fsum(ms for one in rounds_ms for ms in one) / count
    variance, degrees = _mean_variance(rounds_ms, mean, count)
    level, is_look = _find_level(figures, len(rounds_ms), looks)
    if not degrees:
        return Estimate(mean, None, None, is_look)
    error = math.sqrt(variance)
    return _with_lasting(
        mean,
        student_quantile(level, degrees) * error,
        student_quantile(DOUBT, degrees) * error,
        level,
        is_look=is_look,
    )


def _mean_variance(rounds_ms: Sequence[Sequence[float]], mean: float, count: int) -> tuple[float, int]:
    """Return the relative variance of the mean of all passes, and its degrees of freedom: 0 if nothing shows it."""
    means = [fmean(one) for one in rounds_ms]
    size = count / len(rounds_ms)
    squares = math.fsum((ms / centre - 1) ** 2 for one, centre in zip(rounds_ms, means, strict=True) for ms in one)
    degrees, between_degrees = count - len(rounds_ms), len(rounds_ms) - 1
    within = squares / degrees / size if degrees else 0.0
    if not between_degrees:
        return within / len(rounds_ms), degrees
    between = math.fsum((one / mean - 1) ** 2 for one in means) / between_degrees
    if not degrees or is_larger(between, between_degrees, within, degrees, _SHARED_LUCK):
        return between / len(rounds_ms), between_degrees
    return max(between, within) / len(rounds_ms), min(degrees, _DEGREES_A_ROUND * between_degrees)


def estimate_percentile(
    rounds_ms: Sequence[Sequence[Sequence[float]]], percent: int, figures: int, looks: tuple[int, ...] = LOOKS
) -> Estimate:
    """Estimate a percentile of the latency of all requests.

    Args:
        rounds_ms: for each round its passes, each as the latencies of its requests, milliseconds.
        percent: 95 for the 95th percentile.
        figures: number of figures with a limit in the whole run.
        looks: numbers of rounds after which the cell may be over its budget; the last one is the maximum.
    """
    passes_ms = [one for passes in rounds_ms for one in passes]
    ordered = sorted(ms for one in passes_ms for ms in one)
    count = len(ordered)
    value = ordered[max(1, -(-count * percent // 100)) - 1]
    level, is_look = _find_level(figures, len(rounds_ms), looks)
    of_rounds = [[ms for one in passes for ms in one] for passes in rounds_ms]
    independent = int(count / max(_design_effect(passes_ms, value), _design_effect(of_rounds, value)))
    ranks = compute_interval_ranks(independent, percent, (level, DOUBT))
    if ranks is None or value <= 0:
        return Estimate(value, None, None, is_look)
    low = ordered[max(1, ranks[0] * count // independent) - 1]
    high = ordered[-(-ranks[1] * count // independent) - 1]
    below, above = math.log(value / low) if low > 0 else math.inf, math.log(high / value)
    return _with_lasting(value, below, above, level, is_look=is_look)


def _design_effect(groups_ms: Sequence[Sequence[float]], value_ms: float) -> float:
    """Return the variance of the groups' shares of slow requests, relative to that of independent ones; 1 or more."""
    slow = [(sum(ms >= value_ms for ms in one), len(one)) for one in groups_ms if len(one)]
    count = sum(size for _, size in slow)
    share = sum(number for number, _ in slow) / count
    if len(slow) < 2 or not 0 < share < 1:
        return 1.0
    squares = math.fsum((number - size * share) ** 2 / size for number, size in slow)
    return max(1.0, squares / (len(slow) - 1) / (share * (1 - share)))


def _find_level(figures: int, rounds: int, looks: tuple[int, ...]) -> tuple[float, bool]:
    """Return the one-sided level of a figure's lower end, and whether it is a look; between two looks, the next one's.

    More rounds than the last look's count as that look.
    """
    levels = look_levels(-math.expm1(math.log1p(-FALSE_ALARM) / max(1, figures)), looks)
    rounds = min(rounds, looks[-1])
    return levels[bisect_left(looks, rounds)], rounds in looks


def _with_lasting(value_ms: float, below: float, above: float, level: float, *, is_look: bool) -> Estimate:
    """Widen an interval by what all rounds of a run share.

    Args:
        value_ms: the mean or percentile.
        below: distance of the lower end, in logarithms.
        above: distance of the upper end, in logarithms.
        level: one-sided level of the lower end.
        is_look: `Estimate.is_look` of the estimate.
    """
    below, above = (
        min(math.hypot(distance, -_NORMAL.inv_cdf(chance) * LASTING), FARTHEST)
        for distance, chance in ((below, level), (above, DOUBT))
    )
    return Estimate(value_ms, value_ms * math.exp(-below), value_ms * math.exp(above), is_look)
