"""Noise of a suite's cells, learnt from rounds, runs and the suite's own spread. Pure, standard library only.

A difference of a cell from its baseline has three sources of chance: rounds differ tonight, rounds differed while the
baseline was measured, and each run has a lasting bias that no round of it redraws. The scatter between rounds of a cell
shows the first two. The suite's spread or the scatter between recorded runs shows the third. All of these scatters stay
the same if all times of a cell are multiplied by one factor, and a cell is excluded from the spread that it is compared
with. Therefore a cell that becomes slower by one factor in all rounds is never judged more leniently.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from pytest_ddperf.gate.references import (
    HISTORY,
    PUBLISHED,
    RECORDED,
    SUITE_FROM,
    Reference,
    ShiftHistory,
    pool_variances,
)
from pytest_ddperf.gate.statistics import (
    EPSILON,
    Bulk,
    Crowd,
    expected_offset,
    level_variance,
    round_variance,
    rounds_scatter,
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
_ALIKE = 20.0
"""Degrees of freedom by which the other cells' scatter between rounds counts for a cell. It assumes that the standard
deviations of the cells differ by about a sixth: sqrt(1 / (2 * 20)) (Smyth 2004)."""

_HALF = 4.0
"""Degrees of freedom of the assumption that a run's lasting bias is as large as the part that each round redraws. It
counts in full where neither a suite nor several runs show the lasting bias."""

_MOST_BIAS = 0.1  # standard deviation between runs of the noisiest host measured
_ENOUGH = 8.0  # degrees of freedom of the scatter between runs from which it shows the noise by itself
_LEAST_DEGREES = 2.0  # the fewest degrees of freedom: those of a recording of three rounds
_LEAST_VARIANCE = 1e-8  # (0.01 %) squared: a clock that counts whole milliseconds can look free of noise
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
        pass_sigma: standard deviation of the passes of its rounds, None if they are too few.
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
    """Variance between tonight's rounds and its degrees of freedom, 0 if unknown."""

    def __post_init__(self) -> None:
        """Compute the values that suites read repeatedly."""
        centre = self.reference.centre
        object.__setattr__(self, "first", self.values[0] - centre)
        object.__setattr__(self, "fastest", min(self.values) - centre)
        object.__setattr__(self, "between", rounds_scatter(self.values))


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one cell. All values are in logarithms.

    Args:
        shift: the suite's common shift.
        parts: the parts of `fixed` that are estimated from tonight, with their degrees of freedom.
        kept: those that are estimated from the baseline.
        single: variance of the difference of a single round, as the suite or several nights show it.
        single_degrees: its degrees of freedom.
        fixed: variance of the baseline, the lasting bias and the shift.
        rounds: variance between rounds tonight.
        rounds_degrees: degrees of freedom of it.
        rounds_taken: by how much `rounds` was subtracted in `fixed`.
        moved: 1 or -1 if the suite's shift is significant and itself beyond the tolerance, else 0.
        offset: correction subtracted from a difference if the baseline is a different statistic than that of a round.
        alone: whether there are too few cells for a suite; `shift` is then 0.
        companions: number of other cells that are slow in all of three or more rounds, beyond the number expected by
            chance.
    """

    shift: float
    parts: tuple[tuple[float, float], ...]
    kept: tuple[tuple[float, float], ...]
    single: float
    single_degrees: float
    fixed: float
    rounds: float
    rounds_degrees: float
    rounds_taken: float
    moved: int
    offset: float
    alone: bool
    companions: int

    def sd(self, rounds: int) -> float:
        """Return the standard deviation of a difference without change after `rounds` rounds."""
        return math.sqrt(self.fixed + self.rounds * level_variance(rounds))

    def reach(self, z: float, rounds: int) -> float:
        """Return the largest deviation that chance explains after `rounds` rounds, a logarithm.

        Args:
            z: normal quantile, widened here to Student's t; its degrees of freedom are those of a sum of variances
                (Satterthwaite 1946).
            rounds: number of rounds.
        """
        return self._reach(z, rounds, 0)[0]

    def expected_reach(self, z: float, rounds: int, further: int) -> tuple[float, float]:
        """Return the reach to expect in another run, and the standard deviation of the error of this expectation.

        Args:
            z: as for `reach`.
            rounds: number of rounds of the other run.
            further: by how many these are more than the rounds of tonight.
        """
        return self._reach(z, rounds, further)

    def _reach(self, z: float, rounds: int, further: int) -> tuple[float, float]:
        factor = level_variance(rounds)
        variance = self.fixed + self.rounds * factor
        own = (self.rounds * (factor - self.rounds_taken)) ** 2 / max(1.0, self.rounds_degrees + further)
        redrawn = own + sum(part * part / degrees for part, degrees in self.parts)
        error = redrawn + sum(part * part / degrees for part, degrees in self.kept)
        degrees = max(_LEAST_DEGREES, variance * variance / error) if error > 0 else math.inf
        reach = student(z, degrees) * math.sqrt(variance)
        # Further rounds only make a difference more certain.
        single = student(z, self.single_degrees) * math.sqrt(self.single)
        if single < reach:
            return single, 0.0 if self.kept else single / math.sqrt(self.single_degrees)
        # The relative error of a standard deviation is half that of the variance. It is made twice, tonight and then.
        return reach, reach * min(1.0, math.sqrt(redrawn) / variance)


@dataclass(frozen=True, slots=True)
class _Within:
    """Variances of a round within its run.

    Args:
        passes: the part due to the scatter of the passes.
        now: of this cell tonight.
        now_degrees: its degrees of freedom, 0 for a guess.
        now_mean: of all cells tonight.
        then: of this cell while the baseline was measured.
        then_degrees: its degrees of freedom, 0 if it is assumed to equal tonight's.
        then_mean: of all cells while the baseline was measured.
    """

    passes: float
    now: float
    now_degrees: float
    now_mean: float
    then: float
    then_degrees: float
    then_mean: float


@dataclass(frozen=True, slots=True)
class _Lasting:
    """The variance of a difference that no round redraws.

    Args:
        variance: `shown` less what the rounds contribute to it; negative by chance.
        shown: variance that the suite or several runs show.
        degrees: its degrees of freedom, 0 if neither shows it.
        taken_now: how often the variance of tonight's rounds is subtracted.
        taken_then: how often that of the baseline's rounds is subtracted.
        single: variance of the difference of a single round, infinite if unknown.
    """

    variance: float
    shown: float
    degrees: float
    taken_now: float
    taken_then: float
    single: float


class Suite:
    """The cells of one kind of baseline."""

    def __init__(self, kind: str, subjects: Sequence[Subject], shifts: ShiftHistory | None, limit: float) -> None:
        """Collect the figures of a suite.

        Args:
            kind: published, recorded or history.
            subjects: its cells.
            shifts: how far whole nights differed from each other; None for published means.
            limit: logarithm of 1 + tolerance.
        """
        self._kind, self._count, self._shifts, self._limit = kind, len(subjects), shifts, limit
        self._crowd = Crowd([subject.first for subject in subjects])
        sigmas = [subject.pass_sigma for subject in subjects if subject.pass_sigma is not None]
        self._sigma = median(sigmas) if sigmas else None
        self._reading = median(subject.reference.reading_variance for subject in subjects) if subjects else 0.0
        self._rounds = pool_variances([subject.between for subject in subjects])
        self._then = pool_variances(
            [(subject.reference.rounds_variance, subject.reference.rounds_degrees) for subject in subjects]
        )
        self._lasting = sorted(subject.fastest for subject in subjects if len(subject.values) >= MIN_ROUNDS)
        self._fastest = sorted(subject.fastest for subject in subjects)[len(subjects) // 5] if subjects else 0.0
        self._flips = sum(self._flipped(subject) for subject in subjects)
        expected = [spread for subject in subjects if (spread := subject.reference.expected_spread) is not None]
        self._expected = median(expected) if expected else None

    def _flipped(self, subject: Subject) -> bool:
        """Whether the first round was beyond the limit and a later one was not: chance that may affect others too."""
        base = subject.reference.centre + self._offset(subject) + self._limit
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

    def _offset(self, subject: Subject) -> float:
        """Return the expected difference of a round's statistic from the baseline's: a published figure is a mean."""
        theirs, sigma = subject.reference.passes, self._sigma or 0.0
        if theirs:
            return sigma * (expected_offset(subject.passes) - expected_offset(theirs))
        return sigma * expected_offset(subject.passes) - sigma * sigma / 2

    def noise(self, subject: Subject) -> Noise:
        """Estimate the noise of a cell of this suite."""
        reference = subject.reference
        offset = self._offset(subject)
        # A cell neither faster than the tolerance nor slower than half of it is `ok` whatever the noise. The figures of
        # the whole suite are accurate enough for it.
        is_clear = len(subject.values) == 1 and -self._limit <= subject.first - offset <= self._limit / 2
        own = None if is_clear else subject.first
        others = self._crowd.others(own) if self._count >= SUITE_FROM else None
        within = self._within(subject, others)
        runs, weight = reference.centre_weight, reference.rounds_weight
        found = self._shown(reference, within, others)
        lasting, shown, taken_now, taken_then = found.variance, found.shown, found.taken_now, found.taken_then
        # Without proof of a larger one, the lasting bias is assumed to be as large as the part that rounds redraw.
        assumed = max(0.0, within.now - within.passes) + max(0.0, within.then - within.passes) * runs
        if lasting < assumed:
            share = found.degrees / (found.degrees + _HALF)
            lasting = max(0.0, share * lasting + (1 - share) * assumed)
            shown *= share
            taken_now = share * taken_now - (1 - share)
            taken_then = share * taken_then - (1 - share) * runs
        known = ((shown, found.degrees),) if found.degrees else ()
        parts, kept = ((), known) if reference.variance is not None else (known, ())
        if within.then_degrees:
            kept = (*kept, (within.then * (weight - taken_then), within.then_degrees))
        else:
            taken_now += taken_then - weight
        if others is not None:
            shift_variance = others.centre_variance
        else:
            # the scatter of several nights includes their common shifts
            shift_variance = 0.0 if self._kind == HISTORY else _SHIFT_PRIOR_SD**2
        fixed = lasting + within.then * weight + reference.reading_variance + shift_variance
        if not reference.passes and self._sigma is not None:
            # the correction by the scatter of the passes is as uncertain as that: two degrees of freedom of each round
            fixed += offset * offset / (4.0 * self._count)
        shift = others.centre - offset if others else 0.0
        return Noise(
            shift=shift,
            parts=parts,
            kept=kept,
            single=found.single + shift_variance,
            single_degrees=max(1.0, found.degrees),
            fixed=max(fixed, _LEAST_VARIANCE),
            rounds=within.now,
            rounds_degrees=within.now_degrees,
            rounds_taken=taken_now,
            moved=self._moved(shift, others),
            offset=offset,
            alone=others is None,
            companions=0 if others is None else self._companions(subject, others),
        )

    def _within(self, subject: Subject, others: Bulk | None) -> _Within:
        """Estimate the variances between rounds, tonight and while the baseline was measured."""
        reference, sigma = subject.reference, self._sigma or 0.0
        passes = sigma * sigma * round_variance(subject.passes)
        now, now_degrees, now_mean = self._moderate(subject.between, self._rounds, passes)
        if not now_degrees:
            now_mean = now = self._guess(passes, sigma, others, reference)
        if not (reference.rounds_degrees or self._then[1]):
            return _Within(passes, now, now_degrees, now_mean, now, 0.0, now_mean)
        own = reference.rounds_variance, reference.rounds_degrees
        return _Within(passes, now, now_degrees, now_mean, *self._moderate(own, self._then, passes))

    def _shown(self, reference: Reference, within: _Within, others: Bulk | None) -> _Lasting:
        """Estimate the lasting variance of a difference from several runs, else from the suite's spread tonight."""
        runs, weight = reference.centre_weight, reference.rounds_weight
        if reference.variance is not None:
            wider = 1.0
            if others is not None and self._expected is not None:
                wider = max(1.0, others.variance / self._expected / _NOISY_NIGHT)
            between, degrees = reference.variance * wider, reference.degrees
            shown, taken = between * (1 + runs), (1 + runs) * weight / runs
            single = max(between, within.now) + between * runs if degrees >= _ENOUGH else math.inf
            return _Lasting(shown - within.then * taken, shown, degrees, 0.0, taken, single)
        if others is None:
            return _Lasting(0.0, 0.0, 0.0, 0.0, 0.0, math.inf)
        single = others.variance + max(0.0, reference.reading_variance - self._reading)
        single += max(0.0, within.now - within.now_mean) + max(0.0, within.then - within.then_mean) * weight
        variance = others.variance - self._reading - within.now_mean - within.then_mean * weight
        return _Lasting(variance, others.variance, others.degrees, 1.0, weight, single)

    @staticmethod
    def _moderate(own: tuple[float, float], pool: tuple[float, float], least: float) -> tuple[float, float, float]:
        """Return a cell's variance between rounds, shrunk to that of all cells, its degrees of freedom, and the pool's.

        Args:
            own: the cell's own variance and its degrees of freedom.
            pool: those of all cells.
            least: variance that the passes alone cause.
        """
        variance, degrees = own
        common, common_degrees = pool
        weight = min(_ALIKE, max(0.0, common_degrees - degrees))
        if not degrees + weight:
            return least, 0.0, least
        shrunk = (degrees * variance + weight * common) / (degrees + weight)
        return max(shrunk, least / 2), degrees + weight, max(common, least / 2)

    def _guess(self, passes: float, sigma: float, others: Bulk | None, reference: Reference) -> float:
        """Return the variance between rounds while no cell has two.

        It is that of the recording. Without one, runs are assumed to differ as much as passes do, up to `_MOST_BIAS`,
        and half of that variance to be redrawn by each round.
        """
        if self._then[1]:
            return max(passes / 2, self._then[0])
        guess = passes + min(sigma, _MOST_BIAS) ** 2 / 2
        if reference.variance is not None:
            guess = min(guess, reference.variance)
        elif others is not None:
            guess = min(guess, others.variance / (1 + reference.centre_weight))
        return max(guess, passes, _LEAST_VARIANCE)

    def _companions(self, subject: Subject, others: Bulk) -> int:
        threshold = others.centre + _COMPANION[self._kind] * math.sqrt(others.variance) + EPSILON
        found = len(self._lasting) - bisect_right(self._lasting, threshold)
        found -= len(subject.values) >= MIN_ROUNDS and subject.fastest > threshold
        return max(0, found - math.ceil(_CHANCE_COMPANIONS[self._kind] * self._count))

    def _moved(self, shift: float, others: Bulk | None) -> int:
        if others is None or abs(shift) <= self._limit + EPSILON:
            return 0
        if shift > 0 and self._fastest <= self._limit / 2 + EPSILON:
            return 0  # a fifth of the cells or more did not shift, or not in all of their rounds: no other clock
        shifts = self._shifts
        if shifts is None or shifts.nights < 2:
            sd, degrees = max(_SHIFT_PRIOR_SD, _SHIFT_OF_SPREAD * math.sqrt(others.variance)), others.degrees
        else:
            sd = math.sqrt(shifts.sd**2 * (1 + 1 / shifts.nights) + others.centre_variance)
            degrees = min(shifts.degrees, others.degrees)
        if abs(shift) <= student(sidak_z(_SHIFT_ALARM, 1), degrees) * sd + EPSILON:
            return 0
        return 1 if shift > 0 else -1
