"""What chance can do to the cells of one suite, as their fellows and their past tell it. Pure, standard library only.

A cell never takes part in what it is judged by: neither its rounds of tonight nor their scatter can widen its own
limit, so that a slower cell is never judged more mildly.
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
"""Rounds without which no cell is red."""

_SHIFT_ALARM = 0.002  # chance of a suite said to have moved by its centre's scatter alone
_CHANCE_ROUNDS = 0.05  # expected cells whose rounds are all out by chance, at most
PASS_PRIOR = 0.015
"""Standard deviation of a pass, joined three times to those of the cells before their median is taken."""

_REDRAWN_BIAS = 0.5  # share of a run's bias that a new round draws again, by prior
_REDRAWN_WEIGHT = 20.0  # degrees of freedom that this prior counts for
_REDRAWN_RANGE = (0.3, 0.8)
_LOWER_VARIANCE = (
    0.587,
    0.632,
    0.667,
    0.693,
)  # of 3 to 6 standard normal draws without the largest, integrated numerically
_ALONE_DEGREES = 12.0  # of the prior variance of a night, where there is no suite
_QUIET_NIGHT = 0.013  # standard deviation of a night of a board of one's own
_SPREAD_WEIGHT = 10.0  # cells that the prior counts for in a suite's spread
_SPREAD_DEGREES = 0.6  # degrees of freedom that a cell of the suite brings to its spread, after clipping
_COMPANION = {PUBLISHED: 3.0, RECORDED: 3.0, HISTORY: 1.75}
"""Standard deviations of the suite beyond which all rounds of another cell must be for it to count as slow. A baseline
of few runs errs in all rounds alike, one of many nights does not: there the rounds of a cell speak for themselves."""

_CHANCE_COMPANIONS = {PUBLISHED: 0.05, RECORDED: 0.05, HISTORY: 0.01}
"""Share of the cells that may be so by chance."""

_SHIFT_PRIOR_SD = 0.01  # of a suite's shift against a baseline of one night, on a quiet host
_SHIFT_OF_SPREAD = 0.5  # and at least that part of the suite's spread
_NOISY_NIGHT = 1.3  # how much wider than its history a suite may scatter before that counts


@dataclass(frozen=True, slots=True)
class Subject:
    """A cell that has a baseline, in logarithms.

    Args:
        values: what each round is worth.
        passes: how many passes the first round has.
        pass_sigma: standard deviation of its passes, None where they are too few.
    """

    values: list[float]
    passes: int
    pass_sigma: float | None
    reference: Reference
    first: float = field(init=False)
    """How far the first round is from the baseline."""
    fastest: float = field(init=False)
    """How far the fastest round is."""
    between: tuple[float, float] = field(init=False)
    """What its rounds say of the part of a night's variance that a new round draws anew."""

    def __post_init__(self) -> None:
        """Reckon once what every suite asks of each of its cells."""
        centre = self.reference.centre
        object.__setattr__(self, "first", self.values[0] - centre)
        object.__setattr__(self, "fastest", min(self.values) - centre)
        object.__setattr__(self, "between", _between_rounds(self.values, self.reference))


@dataclass(frozen=True, slots=True)
class Noise:
    """What chance can do to one cell, as its fellows and its past tell it: never its own rounds of tonight.

    Args:
        shift: the suite's common shift.
        fixed: variance of the baseline and of the shift.
        night: variance of one round tonight.
        share: share of it that each round draws anew.
        prior_share: that share before any round of tonight but the first.
        degrees: degrees of freedom of those variances.
        moved: 1 or -1 where the suite's shift is itself beyond the tolerance and significant, else 0.
        offset: what is to be taken off a difference, where the baseline is another statistic than the round's.
        alone: whether there are too few cells for a suite; its shift is then taken as 0.
        companions: how many other cells are slow in three rounds or more, beyond what chance brings.
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
        """How far chance reaches after that many rounds."""
        drawn = self.share if share is None else share
        variance = self.fixed + self.night * (1 - drawn + drawn * level_variance(rounds))
        return student(z, self.degrees) * math.sqrt(variance)


class Suite:
    """The cells of one kind of baseline."""

    def __init__(
        self, kind: str, subjects: Sequence[Subject], shifts: ShiftHistory | None, sigmas: Sequence[float], limit: float
    ) -> None:
        """Take a suite's numbers together.

        Args:
            kind: published, recorded or history.
            subjects: its cells.
            shifts: how far whole nights have been from each other; None for published means.
            sigmas: sorted standard deviations of a pass, of the cells of all kinds.
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
        """Take together what more than one round tells: of one alone nothing of this is known."""
        again = self._again
        self._squares = math.fsum(subject.between[0] for subject in again)
        self._degrees = sum(subject.between[1] for subject in again)
        self._lasting = sorted(subject.fastest for subject in again if len(subject.values) >= MIN_ROUNDS)
        self._flips = sum(self._flipped(subject) for subject in again)

    def join(self, subject: Subject) -> None:
        """Take one more cell in; the suite is the same as if it had been made with it."""
        self._count += 1
        self._crowd.join(subject.first)
        if len(subject.values) > 1:
            self._again.append(subject)
            self._look_again()
        if (spread := subject.reference.expected_spread) is not None:
            insort(self._expected, spread)

    def leave(self, subject: Subject) -> None:
        """Take a cell out; the suite is the same as if it had been made without it."""
        self._count -= 1
        self._crowd.leave(subject.first)
        if len(subject.values) > 1:
            self._again.remove(subject)
            self._look_again()
        if (spread := subject.reference.expected_spread) is not None:
            del self._expected[bisect_left(self._expected, spread)]

    def _flipped(self, subject: Subject) -> bool:
        """Whether the first round was out and a later one was not: chance, to be reckoned with in the others too."""
        base = subject.reference.centre + self._offset(subject, PASS_PRIOR) + self._limit
        return subject.values[0] > base + EPSILON >= min(subject.values)

    def least_rounds(self, subject: Subject) -> int:
        """Rounds that must all be out: more where first rounds of the other cells were out and came back."""
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
        """What chance can do to that cell."""
        reference = subject.reference
        sigma = median_without(self._sigmas, subject.pass_sigma)
        offset = self._offset(subject, sigma)
        # Neither faster than the tolerance nor slower than half of it: no noise makes a difference, and the whole suite
        # will do, as it was a few cells ago.
        is_clear = len(subject.values) == 1 and -self._limit <= subject.first - offset <= self._limit / 2
        own = None if is_clear else subject.first
        others = self._crowd.others(own) if self._count >= SUITE_FROM else None
        shift_variance = _SHIFT_PRIOR_SD**2
        if others is None:
            night = then = NIGHT_PRIOR_VARIANCE if reference.variance is None else reference.variance
            degrees = _ALONE_DEGREES if reference.variance is None else max(reference.degrees, _ALONE_DEGREES)
            if self._kind == HISTORY:
                shift_variance = 0.0  # the nights' common shifts were left in their scatter
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
        """Share of a night's variance that a new round draws again: its passes, and half of the run's bias.

        A shift that the whole suite has in common is part of that bias, though no part of the variance between its
        cells.
        """
        scatter = min(night, sigma * sigma * round_variance(passes))
        common = self._shifts.sd**2 if self._shifts and self._shifts.nights >= HISTORY_FROM else 0.0
        share = (scatter + _REDRAWN_BIAS * (night - scatter + common)) / night
        return min(max(share, _REDRAWN_RANGE[0]), _REDRAWN_RANGE[1])

    def _together(self, reference: Reference, others: Bulk) -> tuple[float, float, float]:
        """Variance of tonight, variance of a night of the baseline, degrees of freedom."""
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
    """What the rounds say of the part of a night's variance that a new round draws anew.

    The first round is left out, since it was chosen for being slow, and so is the slowest of the others, which may be
    an accident.

    Returns:
        Squares, in units of a night's variance where that is known, and their degrees of freedom.
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
