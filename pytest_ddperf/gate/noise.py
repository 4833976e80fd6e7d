"""Noise of a suite's cells, learnt from rounds, runs and the suite's own spread. Pure, standard library only.

A single round differs from the baseline by chance, with a variance called `total`. Further rounds redraw a part of it,
called `within`; the rest (the error of the baseline, and a bias that lasts for a whole run) remains. The scatter
between nights or recorded runs shows the total, else the spread of the suite's changes tonight. The scatter between the
rounds of a cell shows the part within a run.

Multiplying all times of a cell by one factor changes no scatter between its rounds, and a cell is excluded from the
spread that it is compared with. Therefore a cell that becomes slower by one factor is never judged more leniently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median, median_high
from typing import TYPE_CHECKING, Any

from pytest_ddperf.gate.references import (
    HISTORY,
    LEAST_VARIANCE,
    POOL_WEIGHT,
    SHIFT_PRIOR_SD,
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
    is_larger,
    level,
    level_variance,
    round_variance,
    rounds_scatter,
    sidak_z,
    student,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_ROUNDS = 6
"""Rounds after which a cell gets its final verdict."""

MIN_ROUNDS = 3
"""Rounds needed before a cell can be red."""

_SHIFT_ALARM = 0.002
"""Chance that a run without change is reported as a shift of the platform: a tenth of all false alarms."""

_ALL_SLOWER = 0.02
"""The same if one cell of a small suite is red: the bound for false alarms."""

_SHIFT_CORRELATION = 3.0
"""Factor of a centre's variance if the changes of neighbouring cells are correlated by 0.5: (1 + 0.5) / (1 - 0.5)."""

_ALMOST_ALL = 0.8
"""Share of a suite's cells that a common cause must show in: a fifth may hide it by noise of their own."""

_UNKNOWN_BIAS = 0.1
"""Standard deviation between runs where nothing shows it, while no cell of a small suite has two rounds: that of the
noisiest host measured (9 %, a server on two shared cores). Nothing is red by it, as that takes three rounds."""

_LEAST_DEGREES = 2.0
"""Fewest degrees of freedom of a difference of variances: those of a recording of three rounds."""

_LAST_DEGREES = MAX_ROUNDS - 2.0
"""Degrees of freedom of the scatter between all rounds of a cell but the slowest."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A cell that has a baseline, in logarithms.

    Args:
        values: `round_statistic` of each round.
        passes: number of passes in the first round.
        pass_sigma: standard deviation of the passes of its rounds, None if they are too few.
        reference: the baseline.
        stalled: how many rounds before these are left out, because the suite as a whole stalled.
    """

    values: list[float]
    passes: int
    pass_sigma: float | None
    reference: Reference
    stalled: int = 0
    first: float = field(init=False)
    """How far the first round is from the baseline."""
    fastest: float = field(init=False)
    """How far the fastest round is from the baseline."""
    between: tuple[float, float] = field(init=False)
    """Variance between tonight's rounds and its degrees of freedom, 0 if unknown."""
    later: tuple[float, float] = field(init=False)
    """The same without the first round: a cell without a change is measured again because its first round was slow."""

    def __post_init__(self) -> None:
        """Compute the values that suites read repeatedly."""
        centre = self.reference.centre
        object.__setattr__(self, "first", self.values[0] - centre)
        object.__setattr__(self, "fastest", min(self.values) - centre)
        object.__setattr__(self, "between", rounds_scatter(self.values))
        object.__setattr__(self, "later", rounds_scatter(self.values[1:]))

    def after_stall(self) -> Subject:
        """Return the cell without its first round."""
        if len(self.values) == 1:
            return self
        return Subject(self.values[1:], self.passes, self.pass_sigma, self.reference, stalled=1)


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one cell. All values are in logarithms.

    Args:
        shift: the suite's common shift; 0 if there are too few cells.
        offset: correction subtracted from a difference if the baseline is a different statistic than that of a round.
        total: variance of the difference of a single round.
        known: the part of it that is estimated from something else than `within`.
        known_degrees: degrees of freedom of that part.
        is_kept: whether another run has the same estimate of it, as it is the baseline's.
        times: how often the rest of it contains `within`, less one; -1 if all of `total` is known from something else.
        within: variance between rounds, the part of `total` that each round redraws; 0 if unknown.
        within_degrees: its degrees of freedom; infinite for an assumption.
        passes: the part of `within` due to the scatter of the passes.
        least: the least variance that no round redraws: that of the baseline.
    """

    shift: float
    offset: float
    total: float
    known: float
    known_degrees: float
    is_kept: bool
    times: float
    within: float
    within_degrees: float
    passes: float
    least: float

    @property
    def is_assumed(self) -> bool:
        """Whether nothing shows the noise yet, so that it is that of the noisiest host measured."""
        return math.isinf(self.within_degrees)

    def sd(self, rounds: int) -> float:
        """Return the standard deviation of a difference without change after `rounds` rounds."""
        factor = level_variance(rounds)
        return math.sqrt(max(self.least + self.within * factor, self.total - self.within * (1 - factor)))

    def degrees(self, rounds: int, *, later: bool = False) -> float:
        """Return the degrees of freedom of the variance after `rounds` rounds, those of a sum (Satterthwaite 1946).

        Args:
            rounds: number of rounds.
            later: whether the rounds are those of another run, with the scatter between all of its rounds.
        """
        within_degrees = max(self.within_degrees, _LAST_DEGREES) if later else self.within_degrees
        part = self.within * (self.times + level_variance(rounds))
        error = self.known**2 / self.known_degrees + part**2 / within_degrees
        return max(_LEAST_DEGREES, self.sd(rounds) ** 4 / error) if error else math.inf

    def reach(self, z: float, rounds: int, *, later: bool = False) -> tuple[float, float]:
        """Return the largest deviation that chance explains after `rounds` rounds, and its degrees of freedom.

        Args:
            z: normal quantile, widened here to Student's t.
            rounds: number of rounds.
            later: as for `degrees`.
        """
        sd, degrees, single = self.sd(rounds), self.degrees(rounds, later=later), self.degrees(1, later=later)
        reach = student(z, degrees) * sd
        # The scatter of the passes is known well, and each round redraws it at least.
        least = self.passes * (1 - level_variance(rounds))
        surely = student(z, single) * math.sqrt(max(sd * sd, self.total - least))
        return (reach, degrees) if reach < surely else (surely, single)

    def reach_later(self, z: float) -> tuple[float, float]:
        """Return the reach to expect in all rounds of another run, and the standard deviation of this expectation."""
        reach, degrees = self.reach(z, MAX_ROUNDS, later=True)
        if self.is_kept:
            part = self.within * abs(self.times + level_variance(MAX_ROUNDS)) / self.sd(MAX_ROUNDS) ** 2
            return reach, reach * min(1.0, part / math.sqrt(self.within_degrees))
        # The logarithm of a standard deviation has a variance of about 1 / (2 * (degrees - 1)), now and again then.
        return reach, reach / math.sqrt(max(1.0, degrees - 1))

    def room(self, z: float, rounds: int) -> float:
        """Return by how much further rounds may lift a difference by chance, a logarithm.

        Args:
            z: normal quantile, widened here to Student's t.
            rounds: number of rounds so far.
        """
        redrawn = max(0.0, level_variance(rounds) - level_variance(MAX_ROUNDS))
        if not self.within:
            return z * math.sqrt(self.total * redrawn)
        return student(z, self.within_degrees) * math.sqrt(self.within * redrawn)


class Suite:
    """The cells of one kind of baseline."""

    def __init__(self, kind: str, cells: Mapping[Any, Subject], shifts: ShiftHistory | None, limit: float) -> None:
        """Collect the figures of a suite.

        Args:
            kind: published, recorded or history.
            cells: its cells, by any key; at least one.
            shifts: how far whole nights differed from each other; None for published means.
            limit: logarithm of 1 + tolerance.
        """
        self.subjects = cells
        subjects = list(cells.values())
        self._kind, self._shifts, self._limit = kind, shifts, limit
        self._crowd = Crowd([subject.first for subject in subjects])
        sigmas = [subject.pass_sigma for subject in subjects if subject.pass_sigma is not None]
        self._sigma = median(sigmas) if sigmas else 0.0
        self._passes = self._sigma**2 * round_variance(median_high([subject.passes for subject in subjects]))
        references = [subject.reference for subject in subjects]
        self._reading = median([one.reading_variance for one in references])
        self._now = pool_variances([subject.later for subject in subjects])
        runs = [one for one in references if one.passes]
        self._then = pool_variances([(one.rounds_variance, one.rounds_degrees) for one in runs])
        known = [(one.variance * (1 + one.centre_weight), one.degrees) for one in runs if one.variance is not None]
        self._expected = median(total for total, _ in known) if known else 0.0
        self._expected_degrees = median(degrees for _, degrees in known) if known else 0.0
        self._pass_ratio = self._compare_passes(runs)

    def after_stall(self) -> Suite:
        """Return the suite without its first round."""
        cells = {one: subject.after_stall() for one, subject in self.subjects.items()}
        return Suite(self._kind, cells, self._shifts, self._limit)

    @property
    def is_small(self) -> bool:
        """Whether there are too few cells for a common shift and a spread."""
        return len(self.subjects) < SUITE_FROM

    @property
    def has_stalled(self) -> bool:
        """Whether the suite as a whole was slower in its first round than in its second one."""
        falls = sorted([one.values[0] - one.values[1] for one in self.subjects.values() if len(one.values) > 1])
        if self.is_small or len(falls) < _ALMOST_ALL * len(self.subjects):
            return False
        return median(falls) > self._limit and falls[len(falls) // 5] > self._limit / 2

    def _compare_passes(self, runs: Sequence[Reference]) -> float:
        """Return the variance of tonight's passes, relative to that in these runs; 1 if not significantly different."""
        then = [one.pass_variance for one in runs if one.pass_variance]
        if not then:
            return 1.0
        # two degrees of freedom of three passes in each cell
        before, now, degrees = median(then), self._sigma**2, 2.0 * len(then)
        return now / before if is_larger(max(now, before), degrees, min(now, before), degrees) else 1.0

    def _offset(self, subject: Subject) -> float:
        """Return the expected difference of a round's statistic from the baseline's: a published figure is a mean."""
        theirs, sigma = subject.reference.passes, self._sigma
        if theirs:
            return sigma * (expected_offset(subject.passes) - expected_offset(theirs))
        return sigma * expected_offset(subject.passes) - sigma * sigma / 2

    def noise(self, subject: Subject) -> Noise:
        """Estimate the noise of a cell of this suite."""
        reference, offset = subject.reference, self._offset(subject)
        others = None if self.is_small else self._crowd.others(subject.first)
        now, now_degrees, excess = self._moderate(subject.between, self._now)
        recorded = reference.rounds_variance, reference.rounds_degrees
        then, then_degrees, excess_then = self._moderate(recorded, self._then)
        if not now_degrees:
            now, now_degrees = then * self._pass_ratio, then_degrees
        if others is not None:
            shift_variance = others.centre_variance
        else:
            # the scatter of several nights includes their common shifts
            shift_variance = 0.0 if self._kind == HISTORY else SHIFT_PRIOR_SD**2
        if not reference.passes:
            # the correction by the scatter of the passes is as uncertain as that: two degrees of freedom of each round
            shift_variance += offset * offset / (4.0 * len(self.subjects))
        base = reference.reading_variance + shift_variance
        least = base + (then if then_degrees else now) * reference.rounds_weight
        if reference.variance is not None:
            total, degrees = self._from_runs(reference, now, now_degrees, then if then_degrees else None, others)
            total += base
        elif others is not None:
            total, degrees = others.variance + max(0.0, reference.reading_variance - self._reading), others.degrees
            total += shift_variance + excess + excess_then * reference.rounds_weight
        else:
            if not now_degrees:
                now, now_degrees = self._passes + _UNKNOWN_BIAS**2 / 2, math.inf  # an assumption is no estimate
            before = then if then_degrees else now
            # The lasting bias is assumed to be as large as the part of the bias that each round redraws. Subtracting
            # the scatter of the passes makes it no more certain.
            lasting = max(0.0, now - self._passes) + max(0.0, before - self._passes) * reference.centre_weight
            total = lasting + now + before * reference.rounds_weight + base
            known, degrees, times = before * (reference.centre_weight + reference.rounds_weight), then_degrees, 1.0
            if not then_degrees:
                known, times = 0.0, 1.0 + reference.centre_weight + reference.rounds_weight
            least = before * reference.rounds_weight + base
        if others is not None or reference.variance is not None:
            known, times = total, -1.0
        # Rounds cannot differ more than whole runs do.
        now = min(now, total / (1 + reference.centre_weight))
        return Noise(
            shift=others.centre - offset if others is not None else 0.0,
            offset=offset,
            total=max(total, LEAST_VARIANCE),
            known=known,
            known_degrees=max(1.0, degrees),
            is_kept=reference.variance is not None,
            times=times,
            within=now,
            within_degrees=max(1.0, now_degrees),
            passes=self._passes,
            least=max(least, LEAST_VARIANCE),
        )

    def _from_runs(
        self, reference: Reference, now: float, now_degrees: float, then: float | None, others: Bulk | None
    ) -> tuple[float, float]:
        """Return the variance of a single round's difference as several runs show it, and its degrees of freedom."""
        between, weight = reference.variance or 0.0, reference.centre_weight
        run, degrees = between, reference.degrees
        if then is not None:
            run = max(between - then * reference.rounds_weight / weight + now, between)
        if now_degrees and is_larger(now, now_degrees, run, degrees):
            run = now
        total = run + between * weight
        if others is None:
            return max(total, between * self._pass_ratio + between * weight), degrees
        scaled = between * (1 + weight) * others.variance / self._expected if self._expected else total
        if is_larger(others.variance, others.degrees, self._expected, self._expected_degrees):
            return max(total, scaled), others.degrees
        if is_larger(self._expected, self._expected_degrees, others.variance, others.degrees):
            return min(total, scaled), others.degrees  # a quiet night after noisy ones
        return total, degrees

    def _moderate(self, own: tuple[float, float], pool: tuple[float, float]) -> tuple[float, float, float]:
        """Return a cell's variance between rounds, its degrees of freedom, and by how much it exceeds that of all.

        It is shrunk to that of all cells, unless it is significantly larger. Without degrees of freedom it is unknown.

        Args:
            own: the cell's own variance and its degrees of freedom.
            pool: those of all cells.
        """
        (variance, degrees), (common, common_degrees) = own, pool
        weight = min(POOL_WEIGHT, max(0.0, common_degrees - degrees))
        if not degrees + weight:
            return 0.0, 0.0, 0.0
        if weight and degrees and is_larger(variance, degrees, common, common_degrees):
            return max(variance, self._passes), degrees, max(0.0, variance - max(common, self._passes))
        return max((degrees * variance + weight * common) / (degrees + weight), self._passes), degrees + weight, 0.0

    def are_all_slower(self, subject: Subject) -> bool:
        """Whether all other cells of a small suite are slower too, so that a red cell shows a shift of the platform."""
        others = [one for one in self.subjects.values() if one is not subject]
        if not others or not self.is_small:
            return False
        # If only this cell is slower, the others are all beyond this quantile by chance in 2 % of runs.
        z = sidak_z(_ALL_SLOWER ** (1 / len(others)), 1)
        return all(self._is_slower(one, z) for one in others)

    def _is_slower(self, subject: Subject, z: float) -> bool:
        noise = self.noise(subject)
        change = level(subject.values, math.inf) - subject.reference.centre - noise.offset
        if subject.fastest - noise.offset <= self._limit / 2 + EPSILON:
            return False
        return change > max(self._limit, noise.reach(z, len(subject.values))[0]) + EPSILON

    def moved(self, subject: Subject, noise: Noise) -> int:
        """Return 1 or -1 if all cells shifted by more than the tolerance and more than chance explains, else 0."""
        if self.is_small:
            return 0
        shift, shifts = noise.shift, self._shifts
        if abs(shift) <= self._limit + EPSILON:
            return 0
        fastest = sorted(one.fastest - self._offset(one) for one in self.subjects.values())
        if shift > 0 and fastest[len(fastest) // 5] <= self._limit / 2 + EPSILON:
            return 0  # a fifth of the cells or more did not shift, or not in all of their rounds: no other clock
        others = self._crowd.others(subject.first)
        variance, degrees = SHIFT_PRIOR_SD**2, others.degrees
        if shifts is not None and shifts.nights > 1:
            variance, degrees = shifts.sd**2 * (1 + 1 / shifts.nights), min(shifts.degrees, degrees)
        sd = math.sqrt(variance + _SHIFT_CORRELATION * others.centre_variance)
        if abs(shift) <= student(sidak_z(_SHIFT_ALARM, 1), degrees) * sd + EPSILON:
            return 0
        return 1 if shift > 0 else -1
