"""The gate: from samples and baselines to verdicts. Pure, on builtins, standard library only.

A suite of a hundred cells needs a rule that is wrong once in ten thousand cells. More passes in one run cannot achieve
this, because runs differ more than passes do; measuring again later can. All computations use logarithms, so that a
factor is a difference.

The statistic of a round (one warm-up, some timed passes) is the mean logarithm of its fastest 60 %, because latency
noise is one-sided. A cell that is clearly below its limit after the first round is green. Any other cell is measured
again at the end of its platform until its verdict is clear, six rounds at most. Its rounds are combined to their mean
without the slowest, with the others clipped at 2.5 standard deviations above their median.

A cell is red if all of these hold, where its change is what remains of it without the suite's common shift:

- its change exceeds the tolerance;
- its change exceeds z standard errors. z is the Sidak quantile for the number of cells (1967), widened to Student's t
  for the degrees of freedom of the variance, and larger before the last round, so that several looks have no higher
  chance of a false alarm than one (alpha spending);
- every round by itself is beyond half the tolerance, and before the last round beyond the whole tolerance;
- it has three rounds.

The suite's shift is the centre of its unregressed cells (`statistics.Crowd`), so that half the suite may be slower. A
first round in which the suite as a whole stalled is left out. If
the shift itself exceeds the tolerance, and is significant compared with the shifts of earlier nights (or with a stated
prior), the platform has shifted as a whole: then every cell beyond the tolerance is red. Below 8 cells there is no
shift; its prior variance is part of the standard error, and a red cell shows a shift of the platform if all other cells
are slower, too.

The variance of a single round's difference from the baseline, and the part of it that further rounds redraw, are learnt
(`noise.Suite`). The first comes from:

- published (a mean) and one recorded run: the spread of the suite tonight. The fastest passes are made comparable with
  a mean by their expected order statistics (Blom 1958). The reading error is added.
- several recorded runs: the pooled variance between the runs.
- history (8 nights or more, the last 30): each cell's own variance between nights without each night's common shift,
  shrunk to the pool by empirical Bayes. If the suite scatters significantly more tonight, all limits widen; if less,
  they narrow.
- none of these: the lasting part is assumed to be as large as the part of the bias that rounds redraw.

Multiplying all times of a cell by one factor above 1 changes no scatter that it is judged by, and never makes its
verdict greener. A cell that is beyond the tolerance after all rounds, but within what chance could explain, is
`unstable`.

`tests/perf/gate_power.py` prints how often these verdicts are wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from pytest_ddperf.gate.noise import MAX_ROUNDS, MIN_ROUNDS, Noise, Subject, Suite
from pytest_ddperf.gate.references import (
    HISTORY,
    HISTORY_FROM,
    PUBLISHED,
    RECORDED,
    build_references,
    published_reference,
)
from pytest_ddperf.gate.statistics import (
    EPSILON,
    FARTHEST,
    MOST_LOG,
    level,
    level_bias,
    level_variance,
    pass_sigma,
    round_statistic,
    sidak_z,
    to_relative,
)
from pytest_ddperf.text import format_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ddperf.gate.references import Run

FALSE_ALARM = {PUBLISHED: 0.02, RECORDED: 0.02, HISTORY: 0.0075}
"""Chance of a red cell in a run without change, for which the quantile is chosen in a suite of less than 8 cells: the
bounds that docs/gate.md states, and three quarters of the one for a history, where the simulation leaves no margin."""

SUITE_FALSE_ALARM = {PUBLISHED: 0.04, RECORDED: 0.06, HISTORY: 0.015}
"""The same for larger suites. The careful degrees of freedom of the suite's spread, and accidents in single rounds that
widen it, leave a quarter of that chance (`tests/perf/gate_power.py --tables hosts,kinds` prints the result)."""

_REDRAWN = 0.35
"""Share of the noise that each round redraws from which `SUITE_FALSE_ALARM` applies to recorded runs: that of a host
whose recording is as noisy as its runs, half of whose bias lasts. Where nothing is redrawn, as beside a noisy
recording, `FALSE_ALARM` applies, because each round repeats the accident of the first one. If the share is unknown
(`Noise.within` is 0), because neither tonight nor the recording has enough rounds, `SUITE_FALSE_ALARM` applies: no cell
is red before `MIN_ROUNDS` rounds, which show the share."""

_NORMAL = NormalDist()
_EARLY = 0.2  # share of that chance available to verdicts before the last round
_CLEAR = 0.95
"""Confidence that further rounds leave a cell within the tolerance, with which it is `ok` before the last round."""

_CLEAR_Z = _NORMAL.inv_cdf(_CLEAR)

_POWER = 0.8
"""Share of the runs in which a cell that is slower by its resolution is red."""

_POWER_Z = _NORMAL.inv_cdf(_POWER)

_FASTEST, _FASTEST_VARIANCE = 1.267, 0.416
"""How far the fastest of six standard normal draws is below their mean, and its variance (David and Nagaraja 2003)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell to judge.

    Args:
        rounds: milliseconds per image of the passes, a list for each round.
        baseline: a published mean, or the runs, oldest first, in milliseconds per image; None without one.
        reading_error_ms: largest reading error of a published mean.
    """

    rounds: Sequence[Sequence[float]]
    baseline: float | list[Run] | None = None
    reading_error_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a cell. Changes are relative, 0.1 for 10 % slower.

    Args:
        outcome: ok, regressed, improved, remeasure or unstable; new without a baseline.
        now_ms: milliseconds per image now, comparable with the baseline (`baseline_ms` times 1 + `change`).
        baseline_ms: milliseconds per image of the baseline, None without one.
        change: now / baseline - 1 without the shift removed, None without a baseline.
        limit: the change beyond which the cell is regressed, given its number of rounds.
        reason: the verdict in words.
        suite_shift: how much slower the other cells with the same kind of baseline are than their baselines; None if
            unknown.
        resolution: the smallest change that the gate can distinguish from noise after all rounds, at least the
            tolerance; None without a baseline.
        shift_removed: the suite's common shift that was taken out of `change`, relative; 0 if none was.
        platform_shifted: whether the suite as a whole is slower than chance explains, so that it is one cause for all
            cells.
    """

    outcome: str
    now_ms: float
    baseline_ms: float | None
    change: float | None
    limit: float
    reason: str
    suite_shift: float | None = None
    resolution: float | None = None
    shift_removed: float = 0.0
    platform_shifted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The figures of a cell that do not depend on other cells, computed once. Two of them are never equal.

    Args:
        passes: number of passes in the first round.
        values: `round_statistic` of each round.
        sigma: standard deviation of the passes of its rounds; None without a baseline, or if there are too few passes.
        held: the runs or the published mean of the baseline; None without a baseline.
        kind: published, recorded or history; "" without a baseline.
        subject: the cell as a suite needs it, for a published mean; None otherwise, because it then depends on the runs
            of the other cells.
    """

    passes: int
    values: list[float]
    sigma: float | None
    held: float | list[Run] | None
    kind: str
    subject: Subject | None = None


def prepare(cell: Cell) -> Prepared:
    """Compute the figures of a cell that do not depend on other cells.

    Raises:
        ValueError: as for `judge`.
    """
    values, passes, held = [round_statistic(one) for one in cell.rounds], len(cell.rounds[0]), cell.baseline
    if held is None or not (isinstance(held, float) or any(held)):
        return Prepared(passes, values, None, None, "")
    sigmas = [sigma for one in cell.rounds if (sigma := pass_sigma(one)) is not None]
    sigma = math.sqrt(sum(sigma * sigma for sigma in sigmas) / len(sigmas)) if sigmas else None
    if isinstance(held, float):
        subject = Subject(values, passes, sigma, published_reference(held, cell.reading_error_ms))
        return Prepared(passes, values, sigma, held, PUBLISHED, subject)
    kind = HISTORY if sum(1 for run in held if run) >= HISTORY_FROM else RECORDED
    return Prepared(passes, values, sigma, held, kind)


def judge(cells: Sequence[Cell], tolerance: float) -> list[Verdict]:
    """Judge a whole suite, in the order of the cells.

    Args:
        cells: the suite: every measured cell of one platform, including those that already have a verdict.
        tolerance: relative, 0.1 for 10 %.

    Raises:
        ValueError: a round has no pass, or a time is not finite and positive.
    """
    prepared = tuple(prepare(cell) for cell in cells)
    return judge_some(prepared, prepared, tolerance)


def judge_some(
    fellows: tuple[Prepared, ...], cells: Iterable[Prepared], tolerance: float, further: int = 0
) -> list[Verdict]:
    """Return the verdicts on some cells of a suite.

    Args:
        fellows: the cells of the suite from which its noise is learnt.
        cells: the cells to judge; a cell that is not among the fellows is compared with them all the same.
        tolerance: relative, 0.1 for 10 %.
        further: number of cells of the suite that are not among the fellows, each of which may be red by chance, too.

    Raises:
        ValueError: as for `judge`.
    """
    limit = math.log1p(tolerance)
    gate = _Gate(limit, further + len([one for one in fellows if one.held is not None]))
    verdicts = []
    for one in cells:
        if one.held is None:
            verdicts.append(_new(one, tolerance))
            continue
        # nothing of a published mean and a first round depends on the other cells
        apart = one.subject if len(one.values) == 1 and any(each.subject for each in fellows) else None
        group = fellows if apart is not None or one in fellows else (*fellows, one)
        suite = _build_suite(one.kind, group, limit)
        verdicts.append(gate.verdict(one.kind, suite, apart or suite.subjects[one]))
    return verdicts


def _new(prepared: Prepared, tolerance: float) -> Verdict:
    now_ms = _exp(level(prepared.values, math.inf))
    return Verdict("new", now_ms, None, None, tolerance, "nothing to compare with")


@lru_cache(maxsize=8)  # the fellows are the same for many cells of a large suite
def _build_suite(kind: str, fellows: tuple[Prepared, ...], limit: float) -> Suite:
    """Build the suite of the cells with one kind of baseline, without its first round if it stalled."""
    if kind == PUBLISHED:
        suite = Suite(kind, {one: one.subject for one in fellows if one.subject is not None}, None, limit)
    else:
        group = [one for one in fellows if one.kind == kind]
        passes = sorted(one.passes for one in group)[len(group) // 2]
        held, shifts = build_references([one.held for one in group if isinstance(one.held, list)], passes)
        subjects = {
            one: Subject(one.values, one.passes, one.sigma, reference)
            for one, reference in zip(group, held, strict=True)
        }
        suite = Suite(kind, subjects, shifts, limit)
    return suite.after_stall() if suite.has_stalled else suite


class _Gate:
    """The rules for a tolerance (as a logarithm) and a number of cells."""

    def __init__(self, limit: float, cells: int) -> None:
        self.limit = limit
        self._cells = cells

    def verdict(self, kind: str, suite: Suite, subject: Subject) -> Verdict:
        noise = suite.noise(subject)
        moved = suite.moved(subject, noise)
        centre, rounds = subject.reference.centre, len(subject.values)
        base = centre + noise.offset
        scatter = math.sqrt(noise.within)
        change = level(subject.values, scatter) - base
        if rounds >= MIN_ROUNDS:  # of two rounds one may be an accident, which their scatter would then include
            change += level_bias(rounds) * scatter
        removed = 0.0 if moved else _shared(change, noise.shift)
        change -= removed
        fastest = min(subject.values) - base - removed
        is_last = rounds + subject.stalled >= MAX_ROUNDS
        chance = FALSE_ALARM[kind] if suite.is_small else _suite_chance(kind, noise)
        reach = min(noise.reach(sidak_z(chance if is_last else _EARLY * chance, self._cells), rounds)[0], FARTHEST)
        limit = self.limit if moved > 0 else max(self.limit, reach)
        every_round = fastest > self.limit / 2 + EPSILON
        # Before the last round two accidents in three rounds could look like a change, so every round must be beyond
        # the tolerance.
        lasting = every_round if is_last else fastest > self.limit + EPSILON
        room = noise.room(_CLEAR_Z, rounds)
        if change > limit + EPSILON and lasting and rounds >= MIN_ROUNDS:
            outcome = "regressed"
        elif change < -self.limit - EPSILON and (moved < 0 or change < -reach - EPSILON):
            outcome = "improved"
        elif change <= self.limit + EPSILON and (is_last or not every_round or change + room <= self.limit + EPSILON):
            outcome = "ok"
        else:
            outcome = "unstable" if is_last else "remeasure"
        is_shifted = outcome == "regressed" and (moved > 0 or suite.are_all_slower(subject))
        resolution = None if noise.is_assumed else to_relative(self._resolution(noise, chance))
        shift = None if suite.is_small else to_relative(noise.shift)
        relative, beyond = to_relative(change), to_relative(limit)
        why = _in_words(
            outcome, kind, relative, beyond, subject=subject, is_shifted=is_shifted, tolerance=to_relative(self.limit)
        )
        return Verdict(
            outcome=outcome,
            now_ms=_exp(centre + change),
            baseline_ms=_exp(centre),
            change=relative,
            limit=beyond,
            reason=why + ("" if resolution is None else f" (resolution {resolution * 100:.1f} %)"),
            suite_shift=shift,
            resolution=resolution,
            shift_removed=to_relative(removed),
            platform_shifted=is_shifted,
        )

    def _resolution(self, noise: Noise, chance: float) -> float:
        """Return the true slowdown at which a cell is red in 80 % of runs, a logarithm.

        A slower cell is missed if its change is within the limit of its run, which is as uncertain as the variance that
        it is computed from, if its fastest round is within half the tolerance, or if it seems clear too early.
        """
        reach, error = noise.reach_later(sidak_z(chance, self._cells))
        sd = noise.sd(MAX_ROUNDS)
        limit = max(self.limit, reach)
        uncertain = math.hypot(sd, 0.0 if reach < self.limit else error)
        lasting = sd**2 - noise.within * level_variance(MAX_ROUNDS)
        scatter = math.sqrt(max(0.0, lasting) + noise.within * _FASTEST_VARIANCE)
        least = self.limit / 2 + _FASTEST * math.sqrt(noise.within)
        found = max(limit + _POWER_Z * uncertain, least + _POWER_Z * scatter)
        # one step of Newton's method, as a cell may be missed for each of these reasons
        first, second = (found - limit) / uncertain, (found - least) / scatter
        kept = _NORMAL.cdf(first) * _NORMAL.cdf(second)
        slope = _NORMAL.pdf(first) / uncertain + _NORMAL.pdf(second) / scatter
        return min(found + (_POWER / _CLEAR - kept) / slope, FARTHEST)


def _suite_chance(kind: str, noise: Noise) -> float:
    """Return the chance of a red cell in a suite of 8 cells or more, by how much of the noise each round redraws."""
    least, most = FALSE_ALARM[kind], SUITE_FALSE_ALARM[kind]
    if kind != RECORDED or not noise.within:
        return most
    return least + (most - least) * min(1.0, noise.within / noise.total / _REDRAWN)


def _shared(change: float, shift: float) -> float:
    """Return the part of a change that the suite shares: its shift, as far as the cell changed in that direction."""
    return max(0.0, min(shift, change)) if shift > 0 else min(0.0, max(shift, change))


def _in_words(
    outcome: str, kind: str, change: float, limit: float, *, subject: Subject, is_shifted: bool, tolerance: float
) -> str:
    """Describe a verdict in words.

    Args:
        outcome: its outcome.
        kind: published, recorded or history.
        change: relative change from the baseline.
        limit: relative change beyond which the cell is regressed.
        subject: the rounds that were judged.
        is_shifted: whether the platform shifted as a whole.
        tolerance: relative.
    """
    if outcome == "regressed" and is_shifted:
        why = ": the platform shifted as a whole"
    elif outcome == "regressed":
        why = f", beyond the limit of {format_change(limit, change)}, each round beyond half the tolerance"
    elif outcome == "improved" and kind == PUBLISHED:
        why = ", more than chance explains: the published table looks outdated"
    elif outcome == "improved":
        why = ", more than chance explains"
    elif outcome == "remeasure":
        why = f", undecided at a limit of {format_change(limit, change)}: to be measured again"
    elif outcome == "unstable":
        why = f", beyond the tolerance but too noisy to rule out chance, limit {format_change(limit, change)}"
    else:
        why = ", within the tolerance"
    rounds = len(subject.values)
    judged = f"after {rounds} round{'s' * (rounds > 1)}"
    if subject.stalled:
        judged += ", without the first one, in which the whole suite stalled"
    return f"{format_change(change, tolerance, -tolerance, limit)} {judged}{why}"


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, MOST_LOG))
