"""The gate: samples and baselines to verdicts. Pure, on builtins, standard library only.

DOCSTRING
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.gate_creep import Creep, creep
from pytest_ddperf.gate_history import (
    HISTORY,
    HISTORY_FROM,
    NIGHT_PRIOR_VARIANCE,
    PUBLISHED,
    RECORDED,
    SUITE_FROM,
    Reference,
    ShiftHistory,
    published,
    references,
    runs_of,
)
from pytest_ddperf.gate_statistics import (
    EPSILON,
    Bulk,
    Crowd,
    expected_offset,
    level,
    median_without,
    pass_sigma,
    round_statistic,
    round_variance,
    sidak_z,
    slowest_dropped_variance,
    student,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_ROUNDS", "MIN_ROUNDS", "Cell", "Creep", "Verdict", "creep", "judge"]

MAX_ROUNDS = 6
"""Rounds after which a cell gets its final verdict."""

MIN_ROUNDS = 3
"""Rounds without which no cell is red."""

FALSE_ALARM = 0.02
"""Chance of a red cell on a night without change that the quantile is chosen for; the other conditions only lower it."""

_EARLY = 0.2  # share of that chance which a verdict before the last round may use
_SHIFT_ALARM = 0.002  # chance of a suite said to have moved by its centre's scatter alone
_CHANCE_ROUNDS = 0.05  # expected cells whose rounds are all out by chance, at most
_CLEAR = 1.8  # standard deviations of what more rounds could move (one in thirty)
_PASS_PRIOR = 0.015  # standard deviation of a pass, joined to the median of the cells three times
_REDRAWN_BIAS = 0.5  # share of a run's bias that a new round draws again, by prior
_REDRAWN_WEIGHT = 20.0  # degrees of freedom that this prior counts for
_REDRAWN_RANGE = (0.3, 0.8)
_LOWER_VARIANCE = (0.587, 0.632, 0.667, 0.693)  # of 3 to 6 standard normal draws without the largest, integrated numerically
_QUIET_NIGHT = 0.013  # standard deviation of a night of a board of one's own
_SPREAD_WEIGHT = 10.0  # cells that the prior counts for in a suite's spread
_SPREAD_DEGREES = 0.6  # degrees of freedom that a cell of the suite brings to its spread, after clipping
_SHIFT_PRIOR_SD = 0.01  # of a suite's shift against a baseline of one night, on a quiet host
_SHIFT_OF_SPREAD = 0.5  # and at least that part of the suite's spread
_NOISY_NIGHT = 1.3  # how much wider than its history a suite may scatter before that counts


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell to judge.

    Args:
        rounds: milliseconds per image of the passes, a list for each round.
        baseline: a published mean, the passes of one run, or the passes of several runs, oldest first; None without one.
        reading_error_ms: how far a published mean may be off by its reading.
    """

    rounds: Sequence[Sequence[float]]
    baseline: float | Sequence[float] | Sequence[Sequence[float]] | None = None
    reading_error_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a cell.

    Args:
        outcome: ok, regressed, improved, remeasure or unstable; new without a baseline.
        now_ms: milliseconds per image now, on the baseline's footing (`baseline_ms` times 1 + `change`).
        baseline_ms: milliseconds per image of the baseline, None without one.
        change: now / baseline - 1, None without one.
        limit: the change beyond which the cell is regressed, with the rounds it has.
        rounds_used: how many rounds were judged.
        reason: the verdict in words.
        suite_shift: by how much the other cells of its kind are slower than their baselines; None where that is not known.
        resolution: the smallest change that the gate can tell from noise after all rounds, at least the tolerance; None
            without a baseline.
        kind: published, recorded or history; "" without a baseline.
    """

    outcome: str
    now_ms: float
    baseline_ms: float | None
    change: float | None
    limit: float
    rounds_used: int
    reason: str
    suite_shift: float | None = None
    resolution: float | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A cell that has a baseline, in logarithms.

    Args:
        index: its place in the suite.
        values: what each round is worth.
        passes: how many passes the first round has.
        pass_sigma: standard deviation of its passes, None where they are too few.
    """

    index: int
    values: list[float]
    passes: int
    pass_sigma: float | None
    reference: Reference

    @property
    def first(self) -> float:
        """How far the first round is from the baseline."""
        return self.values[0] - self.reference.centre


def judge(cells: Sequence[Cell], tolerance: float) -> list[Verdict]:
    """Judge a whole suite, in the order of the cells.

    Args:
        cells: the suite: every cell of one platform that was measured, also those that have their verdict already.
        tolerance: relative, 0.1 for 10 %.

    Raises:
        ValueError: no passes, or a time that is not finite and positive.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"the tolerance must be a number of 0 or more, not {tolerance!r}")
    verdicts: dict[int, Verdict] = {}
    groups: dict[str, list[tuple[int, Cell, float | list[Sequence[float]]]]] = {}
    rounds: list[list[float]] = []
    for index, cell in enumerate(cells):
        values = [round_statistic(one) for one in cell.rounds]
        if not values:
            raise ValueError("a cell holds no round: there is nothing to judge")
        rounds.append(values)
        if not 0 <= cell.reading_error_ms < math.inf:
            raise ValueError(f"a reading error must be 0 ms or more, not {cell.reading_error_ms!r}")
        runs = runs_of(cell.baseline)
        if runs is None:
            now_ms = _exp(level(values, math.inf))
            verdicts[index] = Verdict("new", now_ms, None, None, tolerance, len(values), "nothing to compare with")
        else:
            groups.setdefault(_kind(runs), []).append((index, cell, runs))
    count = sum(len(group) for group in groups.values())
    sigmas = [pass_sigma(cell.rounds[0]) for group in groups.values() for _, cell, _ in group]
    known = sorted([*(sigma for sigma in sigmas if sigma is not None), *[_PASS_PRIOR] * 3])
    for kind, group in groups.items():
        usual = sorted(len(cell.rounds[0]) for _, cell, _ in group)[len(group) // 2]
        if kind == PUBLISHED:
            held = [published(mean, cell.reading_error_ms) for _, cell, mean in group if isinstance(mean, float)]
            shifts = None
        else:
            held, shifts = references([runs for _, _, runs in group if isinstance(runs, list)], usual)
        subjects = [
            _Subject(index, rounds[index], len(cell.rounds[0]), pass_sigma(cell.rounds[0]), reference)
            for (index, cell, _), reference in zip(group, held, strict=True)
        ]
        suite = _Suite(kind, subjects, shifts, known, math.log1p(tolerance), count)
        verdicts.update((subject.index, suite.verdict(subject)) for subject in subjects)
    return [verdicts[index] for index in range(len(cells))]


def _kind(runs: float | list[Sequence[float]]) -> str:
    if isinstance(runs, float):
        return PUBLISHED
    return HISTORY if sum(1 for run in runs if len(run)) >= HISTORY_FROM else RECORDED


@dataclass(frozen=True, slots=True)
class _Noise:
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
    """

    shift: float
    fixed: float
    night: float
    share: float
    prior_share: float
    degrees: float
    moved: int
    offset: float

    def reach(self, z: float, rounds: int, share: float | None = None) -> float:
        """How far chance reaches after that many rounds."""
        drawn = self.share if share is None else share
        variance = self.fixed + self.night * (1 - drawn + drawn * slowest_dropped_variance(rounds))
        return student(z, self.degrees) * math.sqrt(variance)


class _Suite:
    """The cells of one kind of baseline."""

    def __init__(
        self,
        kind: str,
        subjects: Sequence[_Subject],
        shifts: ShiftHistory | None,
        sigmas: Sequence[float],
        limit: float,
        cells: int,
    ) -> None:
        self._kind, self._count, self._shifts, self._sigmas = kind, len(subjects), shifts, sigmas
        self._limit = limit
        self._z, self._z_early = sidak_z(FALSE_ALARM, cells), sidak_z(_EARLY * FALSE_ALARM, cells)
        self._crowd = Crowd([subject.first for subject in subjects]) if len(subjects) >= SUITE_FROM else None
        scatters = [_between_rounds(subject) for subject in subjects]
        self._squares = math.fsum(square for square, _ in scatters)
        self._degrees = sum(degrees for _, degrees in scatters)
        self._flips = sum(self._flipped(subject) for subject in subjects)
        expected = sorted(
            one.variance * (1 + one.centre_weight) for one in (subject.reference for subject in subjects) if one.variance
        )
        self._expected_spread = expected[len(expected) // 2] if expected else None

    def verdict(self, subject: _Subject) -> Verdict:
        noise = self._noise(subject)
        reference, rounds = subject.reference, len(subject.values)
        base = reference.centre + noise.offset
        change = level(subject.values, math.sqrt(noise.night * noise.share)) - base
        fastest = min(subject.values) - base
        reach = noise.reach(self._z if rounds >= MAX_ROUNDS else self._z_early, rounds)
        finest = noise.reach(self._z, max(rounds, MAX_ROUNDS))
        limit = self._limit if noise.moved > 0 else max(self._limit, noise.shift + reach)
        clear = change <= self._clear_below(noise, rounds) + EPSILON
        back = fastest <= self._limit / 2 + EPSILON and change <= self._limit + EPSILON
        if change > limit + EPSILON and fastest > self._limit / 2 + EPSILON and rounds >= self._least_rounds(subject):
            outcome = "regressed"
        elif change < -self._limit - EPSILON and (noise.moved < 0 or change < noise.shift - reach - EPSILON):
            outcome = "improved"
        elif clear or back:
            outcome = "ok"
        elif rounds < MAX_ROUNDS:
            outcome = "remeasure"
        else:
            outcome = "unstable" if change > self._limit + EPSILON else "ok"
        resolution = math.expm1(min(700.0, max(self._limit, finest)))
        baseline_ms = _exp(reference.centre)
        return Verdict(
            outcome,
            _exp(reference.centre + change),
            baseline_ms,
            math.expm1(min(700.0, change)),
            math.expm1(min(700.0, limit)),
            rounds,
            self._reason(outcome, change, limit, rounds, noise, resolution),
            math.expm1(min(700.0, noise.shift)) if self._crowd else None,
            resolution,
            self._kind,
        )

    def _clear_below(self, noise: _Noise, rounds: int) -> float:
        """The change at which more rounds would hardly lift a cell over its limit any more.

        It rests on what was known of the noise after the first round, not on later ones: a cell that is clear stays so.
        """
        last = max(rounds, MAX_ROUNDS)
        final = self._limit if noise.moved > 0 else max(self._limit, noise.shift + noise.reach(self._z, last, noise.prior_share))
        room = math.sqrt(noise.night * noise.prior_share * (slowest_dropped_variance(rounds) - slowest_dropped_variance(last)))
        return max(self._limit / 2, min(self._limit - room, final - _CLEAR * room))

    def _flipped(self, subject: _Subject) -> bool:
        """Whether the first round was out and a later one was not: chance, to be reckoned with in the others too."""
        base = subject.reference.centre + self._offset(subject, _PASS_PRIOR) + self._limit
        return subject.values[0] > base + EPSILON >= min(subject.values)

    def _least_rounds(self, subject: _Subject) -> int:
        """Rounds that must all be out: more where first rounds of the other cells were out and came back."""
        others = self._count - 1
        share = (self._flips - self._flipped(subject)) / others if others else 0.0
        if not share:
            return MIN_ROUNDS
        if share >= 1:
            return MAX_ROUNDS
        needed = math.ceil(math.log(_CHANCE_ROUNDS / self._count) / math.log(share))
        return min(MAX_ROUNDS, max(MIN_ROUNDS, needed))

    def _offset(self, subject: _Subject, sigma: float) -> float:
        theirs = subject.reference.passes
        return sigma * (expected_offset(subject.passes) - (expected_offset(theirs) if theirs else 0.0))

    def _noise(self, subject: _Subject) -> _Noise:
        reference = subject.reference
        sigma = median_without(self._sigmas, subject.pass_sigma)
        offset = self._offset(subject, sigma)
        # Within half the tolerance no noise makes a difference, and the whole suite will do.
        own = None if len(subject.values) == 1 and abs(subject.first - offset) <= self._limit / 2 else subject.first
        others = self._crowd.others(own) if self._crowd else None
        shift_variance = _SHIFT_PRIOR_SD**2
        if others is None:
            night, then = self._alone(reference)
            degrees = max(reference.degrees, 6.0) if reference.variance else 12.0
            if self._kind == HISTORY:
                shift_variance = 0.0  # the nights' common shifts were left in their scatter
        else:
            night, then, degrees = self._together(reference, others)
            shift_variance = others.variance / (_SPREAD_DEGREES * others.count)
        prior = self._redrawn_prior(night, sigma, subject.passes)
        square, freedom = _between_rounds(subject)
        squares = max(0.0, self._squares - square) * (reference.variance or 1.0) / night
        share = (squares + _REDRAWN_WEIGHT * prior) / (self._degrees - freedom + _REDRAWN_WEIGHT)
        share = min(max(share, _REDRAWN_RANGE[0]), _REDRAWN_RANGE[1])
        fixed = then * reference.centre_weight + reference.reading_variance + shift_variance
        shift = others.centre - offset if others else 0.0
        return _Noise(shift, fixed, night, share, prior, degrees, self._moved(shift, others), offset)

    def _redrawn_prior(self, night: float, sigma: float, passes: int) -> float:
        """Share of a night's variance that a new round draws again: its passes, and half of the run's bias.

        A shift that the whole suite has in common is part of that bias, though no part of the variance between its cells.
        """
        scatter = min(night, sigma * sigma * round_variance(passes))
        common = self._shifts.sd**2 if self._shifts and self._shifts.nights >= HISTORY_FROM else 0.0
        share = (scatter + _REDRAWN_BIAS * (night - scatter + common)) / night
        return min(max(share, _REDRAWN_RANGE[0]), _REDRAWN_RANGE[1])

    @staticmethod
    def _alone(reference: Reference) -> tuple[float, float]:
        night = reference.variance or NIGHT_PRIOR_VARIANCE
        return night, night

    def _together(self, reference: Reference, others: Bulk) -> tuple[float, float, float]:
        """Variance of tonight, variance of a night of the baseline, degrees of freedom."""
        freedom = _SPREAD_DEGREES * others.count
        if reference.variance is None or self._expected_spread is None:
            prior = (1 + reference.centre_weight) * _QUIET_NIGHT**2
            spread = (freedom * others.variance + _SPREAD_WEIGHT * prior) / (freedom + _SPREAD_WEIGHT)
            night = max(spread - reference.reading_variance, spread / 4) / (1 + reference.centre_weight)
            return night, night, freedom + _SPREAD_WEIGHT
        wider = max(1.0, others.variance / self._expected_spread / _NOISY_NIGHT)
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

    def _reason(self, outcome: str, change: float, limit: float, rounds: int, noise: _Noise, resolution: float) -> str:
        sees = f"sees >= {resolution:.1%}"
        if resolution > math.expm1(self._limit) + EPSILON:
            sees += ", coarser than the tolerance"
        measured = f"{_percent(change)} after {rounds} round{'s' * (rounds > 1)}"
        if outcome == "regressed" and noise.moved > 0:
            return f"{measured}: the platform moved, the other cells are {_percent(noise.shift)} together ({sees})"
        if outcome == "regressed":
            return f"{measured}, each beyond half the tolerance, limit {_percent(limit)} ({sees})"
        if outcome == "improved":
            stale = ": the published table looks stale" if self._kind == PUBLISHED else ": record it as the baseline"
            return f"{measured}, faster than chance explains{stale} ({sees})"
        if outcome == "remeasure":
            return f"{measured}, not clear of the limit {_percent(limit)}: to be measured again ({sees})"
        if outcome == "unstable":
            return f"{measured}, beyond the tolerance, but too noisy to tell from chance, limit {_percent(limit)} ({sees})"
        return f"{measured}, within the tolerance ({sees})"


def _between_rounds(subject: _Subject) -> tuple[float, float]:
    """Squares, in units of a night's variance, and degrees of freedom of the rounds that say what a new round draws anew.

    The first is left out, since it was chosen for being slow, and so is the slowest of the others, which may be an accident.
    """
    later = sorted(subject.values[1:])
    if len(later) < 3:
        return 0.0, 0.0
    kept = later[:-1]
    mean = sum(kept) / len(kept)
    part = _LOWER_VARIANCE[min(len(later), 6) - 3]
    return sum((value - mean) ** 2 for value in kept) / part / (subject.reference.variance or 1.0), len(kept) - 1.0


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, 709.0))


def _percent(logarithm: float) -> str:
    return f"{math.expm1(min(700.0, logarithm)):+.1%}"
