"""Noise of a suite's cells, estimated from the other cells and from past runs. Pure, standard library only.

A cell's own measurements are excluded from the estimate that it is judged by. Neither tonight's rounds nor their
scatter can widen the cell's own limit, so a slower cell is never judged more leniently.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ddperf.gate.references import (
    HISTORY,
    HISTORY_FROM,
    NIGHT_PRIOR_VARIANCE,
    PUBLISHED,
    RECORDED,
    SUITE_FROM,
    Reference,
    ShiftHistory,
)
from pytest_ddperf.gate.statistics import (
    EPSILON,
    Bulk,
    Crowd,
    expected_offset,
    level_variance,
    median_without,
    round_variance,
    sidak_z,
    student,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROUNDS = 6
"""Rounds after which a cell gets its final verdict."""

MIN_ROUNDS = 3
"""Rounds needed before a cell can be red."""

_SHIFT_ALARM = 0.002  # chance that the scatter of the centre alone makes a suite count as shifted
_CHANCE_ROUNDS = 0.05  # maximum expected number of cells whose rounds are all beyond the limit by chance
PASS_PRIOR = 0.015
"""Prior standard deviation of a pass, added three times to those of the cells before their median is taken."""

_REDRAWN_BIAS = 0.5  # prior share of a run's bias that is redrawn in every new round
_REDRAWN_WEIGHT = 20.0  # degrees of freedom of this prior
_REDRAWN_RANGE = (0.3, 0.8)
_LOWER_VARIANCE = (
    0.587,
    0.632,
    0.667,
    0.693,
)  # of 3 to 6 standard normal draws without the largest, integrated numerically
_ALONE_DEGREES = 12.0  # degrees of freedom of the prior variance of a night, without a suite
_QUIET_NIGHT = 0.013  # standard deviation of a night on a board that nobody else uses
_SPREAD_WEIGHT = 10.0  # weight of the prior in a suite's spread, in cells
_SPREAD_DEGREES = 0.6  # degrees of freedom that each cell contributes to the suite's spread, after clipping
_COMPANION = {PUBLISHED: 3.0, RECORDED: 3.0, HISTORY: 1.75}
"""Another cell counts as slow if all its rounds are beyond this many standard deviations of the suite. The threshold is
higher for a baseline of few runs, whose error affects all rounds alike; the error of many nights' baseline is small."""

_CHANCE_COMPANIONS = {PUBLISHED: 0.05, RECORDED: 0.05, HISTORY: 0.01}
"""Share of the cells that may count as slow by chance."""

_SHIFT_PRIOR_SD = 0.01  # standard deviation of a suite's shift from a baseline of one night, on a quiet host
_SHIFT_OF_SPREAD = 0.5  # minimum of that standard deviation, as a share of the suite's spread
_NOISY_NIGHT = 1.3  # how much wider than in its history (in variance) a suite may scatter before that counts


@dataclass(frozen=True, slots=True)
class Subject:
    """A cell that has a baseline, in logarithms.

    Args:
        values: `round_statistic` of each round.
        passes: number of passes in the first round.
        pass_sigma: standard deviation of these passes, None if they are too few.
        reference: the baseline.
    """

    values: list[float]
    passes: int
    pass_sigma: float | None
    reference: Reference
    first: float = field(init=False)
    """How far the first round is from the baseline."""
    fastest: float = field(init=False)
    """How far the fastest round is from the baseline."""
    between: tuple[float, float] = field(init=False)
    """Squares and degrees of freedom between the rounds, see `_between_rounds`."""

    def __post_init__(self) -> None:
        """Compute the values that suites read repeatedly."""
        centre = self.reference.centre
        object.__setattr__(self, "first", self.values[0] - centre)
        object.__setattr__(self, "fastest", min(self.values) - centre)
        object.__setattr__(self, "between", _between_rounds(self.values, self.reference))


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one cell, estimated from the other cells and past runs, never from its own rounds of tonight.

    All values are in logarithms.

    Args:
        shift: the suite's common shift.
        fixed: variance of the baseline and of the shift.
        night: variance of one round tonight.
        share: share of `night` that is redrawn in every round.
        prior_share: estimate of that share before tonight's second round.
        degrees: degrees of freedom of those variances.
        moved: 1 or -1 if the suite's shift is significant and itself beyond the tolerance, else 0.
        offset: correction subtracted from a difference if the baseline is a different statistic than that of a round.
        alone: whether there are too few cells for a suite; `shift` is then 0.
        companions: number of other cells that are slow in all of three or more rounds, beyond the number expected by
            chance.
    """

    shift: float
    fixed: float
    night: float
    share: float
    prior_share: float
    degrees: float
    moved: int
    offset: float
    alone: bool
    companions: int

    def reach(self, z: float, rounds: int, share: float | None = None) -> float:
        """Return the largest deviation that chance explains after `rounds` rounds, a logarithm.

        Args:
            z: normal quantile, widened here to Student's t.
            rounds: number of rounds.
            share: replaces the attribute `share`; None to use that.
        """
        drawn = self.share if share is None else share
        variance = self.fixed + self.night * (1 - drawn + drawn * level_variance(rounds))
        return student(z, self.degrees) * math.sqrt(variance)


class Suite:
    """The cells of one kind of baseline."""

    def __init__(
        self, kind: str, subjects: Sequence[Subject], shifts: ShiftHistory | None, sigmas: Sequence[float], limit: float
    ) -> None:
        """Collect the figures of a suite.

        Args:
            kind: published, recorded or history.
            subjects: its cells.
            shifts: how far whole nights differed from each other; None for published means.
            sigmas: sorted standard deviations of a pass, one for each cell of any kind.
            limit: logarithm of 1 + tolerance.
        """
        self._kind, self._count, self._shifts, self._sigmas, self._limit = kind, len(subjects), shifts, sigmas, limit
        self._crowd = Crowd([subject.first for subject in subjects])
        self._again = [subject for subject in subjects if len(subject.values) > 1]
        self._look_again()
        self._expected = sorted(
            spread for subject in subjects if (spread := subject.reference.expected_spread) is not None
        )

    def _look_again(self) -> None:
        """Recompute the sums over the cells that have more than one round; the other cells contribute nothing."""
        again = self._again
        self._squares = math.fsum(subject.between[0] for subject in again)
        self._degrees = sum(subject.between[1] for subject in again)
        self._lasting = sorted(subject.fastest for subject in again if len(subject.values) >= MIN_ROUNDS)
        self._flips = sum(self._flipped(subject) for subject in again)

    def join(self, subject: Subject) -> None:
        """Add a cell; the suite is then the same as one created with it."""
        self._count += 1
        self._crowd.join(subject.first)
        if len(subject.values) > 1:
            self._again.append(subject)
            self._look_again()
        if (spread := subject.reference.expected_spread) is not None:
            insort(self._expected, spread)

    def leave(self, subject: Subject) -> None:
        """Remove a cell; the suite is then the same as one created without it."""
        self._count -= 1
        self._crowd.leave(subject.first)
        if len(subject.values) > 1:
            self._again.remove(subject)
            self._look_again()
        if (spread := subject.reference.expected_spread) is not None:
            del self._expected[bisect_left(self._expected, spread)]

    def _flipped(self, subject: Subject) -> bool:
        """Whether the first round was beyond the limit and a later one was not: chance that may affect others too."""
        base = subject.reference.centre + self._offset(subject, PASS_PRIOR) + self._limit
        return subject.values[0] > base + EPSILON >= min(subject.values)

    def least_rounds(self, subject: Subject) -> int:
        """Return how many rounds must all be beyond the limit: more if other cells' first rounds were so by chance."""
        others = self._count - 1
        share = (self._flips - self._flipped(subject)) / others if others else 0.0
        if not share:
            return MIN_ROUNDS
        if share >= 1:
            return MAX_ROUNDS
        needed = math.ceil(math.log(_CHANCE_ROUNDS / self._count) / math.log(share))
        return min(MAX_ROUNDS, max(MIN_ROUNDS, needed))

    def _offset(self, subject: Subject, sigma: float) -> float:
        theirs = subject.reference.passes
        return sigma * (expected_offset(subject.passes) - (expected_offset(theirs) if theirs else 0.0))

    def noise(self, subject: Subject) -> Noise:
        """Estimate the noise of a cell of this suite."""
        reference = subject.reference
        sigma = median_without(self._sigmas, subject.pass_sigma)
        offset = self._offset(subject, sigma)
        # A cell neither faster than the tolerance nor slower than half of it is `ok` whatever the noise. The figures of
        # the whole suite, as they were a few cells ago, are accurate enough for it.
        is_clear = len(subject.values) == 1 and -self._limit <= subject.first - offset <= self._limit / 2
        own = None if is_clear else subject.first
        others = self._crowd.others(own) if self._count >= SUITE_FROM else None
        shift_variance = _SHIFT_PRIOR_SD**2
        if others is None:
            night = then = NIGHT_PRIOR_VARIANCE if reference.variance is None else reference.variance
            degrees = _ALONE_DEGREES if reference.variance is None else max(reference.degrees, _ALONE_DEGREES)
            if self._kind == HISTORY:
                shift_variance = 0.0  # the scatter of the nights includes their common shifts
        else:
            night, then, degrees = self._together(reference, others)
            shift_variance = others.variance / (_SPREAD_DEGREES * others.count)
        prior = self._redrawn_prior(night, sigma, subject.passes)
        square, freedom = subject.between
        squares = max(0.0, self._squares - square) * _unit(reference) / night
        share = (squares + _REDRAWN_WEIGHT * prior) / (self._degrees - freedom + _REDRAWN_WEIGHT)
        share = min(max(share, _REDRAWN_RANGE[0]), _REDRAWN_RANGE[1])
        fixed = then * reference.centre_weight + reference.reading_variance + shift_variance
        shift = others.centre - offset if others else 0.0
        return Noise(
            shift=shift,
            fixed=fixed,
            night=night,
            share=share,
            prior_share=prior,
            degrees=degrees,
            moved=self._moved(shift, others),
            offset=offset,
            alone=others is None,
            companions=0 if others is None else self._companions(subject, others),
        )

    def _companions(self, subject: Subject, others: Bulk) -> int:
        threshold = others.centre + _COMPANION[self._kind] * math.sqrt(others.variance) + EPSILON
        found = len(self._lasting) - bisect_right(self._lasting, threshold)
        found -= len(subject.values) >= MIN_ROUNDS and subject.fastest > threshold
        return max(0, found - math.ceil(_CHANCE_COMPANIONS[self._kind] * self._count))

    def _redrawn_prior(self, night: float, sigma: float, passes: int) -> float:
        """Return the prior share of a night's variance that a new round redraws: its passes and half of the run's bias.

        A shift common to the whole suite is part of that bias, although it is not part of the variance between cells.
        """
        scatter = min(night, sigma * sigma * round_variance(passes))
        common = self._shifts.sd**2 if self._shifts and self._shifts.nights >= HISTORY_FROM else 0.0
        share = (scatter + _REDRAWN_BIAS * (night - scatter + common)) / night
        return min(max(share, _REDRAWN_RANGE[0]), _REDRAWN_RANGE[1])

    def _together(self, reference: Reference, others: Bulk) -> tuple[float, float, float]:
        """Return the variance of tonight, the variance of a night of the baseline, and their degrees of freedom."""
        freedom = _SPREAD_DEGREES * others.count
        if reference.variance is None or not self._expected:
            prior = (1 + reference.centre_weight) * _QUIET_NIGHT**2
            spread = (freedom * others.variance + _SPREAD_WEIGHT * prior) / (freedom + _SPREAD_WEIGHT)
            night = max(spread - reference.reading_variance, spread / 4) / (1 + reference.centre_weight)
            return night, night, freedom + _SPREAD_WEIGHT
        expected = self._expected[len(self._expected) // 2]
        wider = max(1.0, others.variance / expected / _NOISY_NIGHT)
        return reference.variance * wider, reference.variance, reference.degrees

    def _moved(self, shift: float, others: Bulk | None) -> int:
        if others is None or abs(shift) <= self._limit + EPSILON:
            return 0
        shifts = self._shifts
        if shifts is None or shifts.nights < 2:
            sd, degrees = max(_SHIFT_PRIOR_SD, _SHIFT_OF_SPREAD * math.sqrt(others.variance)), 20.0
        else:
            sd, degrees = shifts.sd * math.sqrt(1 + 1 / shifts.nights), shifts.degrees
        if abs(shift) <= student(sidak_z(_SHIFT_ALARM, 1), degrees) * sd + EPSILON:
            return 0
        return 1 if shift > 0 else -1


def _between_rounds(values: Sequence[float], reference: Reference) -> tuple[float, float]:
    """Return the scatter between rounds: the part of a night's variance that a new round redraws.

    The first round is omitted, because further rounds are measured only when it is slow. The slowest of the others is
    omitted too, because it may be an accident.

    Returns:
        Sum of squares, in units of a night's variance if that is known, and its degrees of freedom.
    """
    later = sorted(values[1:])
    if len(later) < 3:
        return 0.0, 0.0
    kept = later[:-1]
    mean = sum(kept) / len(kept)
    part = _LOWER_VARIANCE[min(len(later), 6) - 3]
    return sum((value - mean) ** 2 for value in kept) / part / _unit(reference), len(kept) - 1.0


def _unit(reference: Reference) -> float:
    return 1.0 if reference.variance is None else reference.variance
