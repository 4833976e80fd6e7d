"""Hosts of every size and noise, simulated: how often the gate is wrong, and whether its resolution holds. Seeded."""

from __future__ import annotations

import math
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations, product, repeat
from statistics import NormalDist, median
from typing import TYPE_CHECKING

import numpy as np
from gate_noise import PASSES, Array

from pytest_ddperf.gate.noise import MAX_ROUNDS
from pytest_ddperf.gate.verdicts import Cell, Prepared, Verdict, judge_some, prepare
from pytest_ddperf.runner.judge import FELLOWS, find_fellows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_ddperf.gate.references import Run

RECORDED_ROUNDS = 3
"""Rounds of a recording (`--ddperf-update-baselines`)."""

BASELINES = {"table": 0, "1 run": 1, "2 runs": 2, "3 runs": 3, "8 nights": 8, "12 nights": 12}
FEW_NIGHTS = 8

VALUES: dict[str, tuple[object, ...]] = {
    "cells": (1, 2, 4, 9, 15, 40, 104),
    "passes": (0.015, 0.05, 0.1, 0.2, 0.3),
    "run": (0.01, 0.05, 0.07, 0.1),
    "redrawn": (0.5, 1.0, 0.0),
    "tolerance": (0.05, 0.1),
    "baseline": tuple(BASELINES),
}
COMBINATIONS = 60
"""Fewest combinations, besides the special ones."""

SEED = 2
"""The rule was set by looking at runs of seed 1."""

LASTING_FROM = 9
"""Cells from which a bias that no round redraws can be known; with fewer it is an assumption that there is none."""


@dataclass(frozen=True, slots=True)
class Combination:
    """A host, a suite and a baseline.

    Args:
        cells: number of cells.
        passes: standard deviation of a pass (logarithm).
        run: standard deviation of a cell's bias in a run.
        redrawn: share of the variance of that bias that every round redraws.
        tolerance: relative.
        baseline: a key of `BASELINES`.
        then: factor of both deviations while the baseline was measured.
        slower: factor of the time of every slower cell.
        slow: number of slower cells.
        clocks: how much slower the second clock speed is, drawn for each round of a cell.
        stall: how much slower one round of the suite is.
        student: whether passes follow Student's t with 3 degrees of freedom.
        correlation: of the biases of neighbouring cells.
        clock: how much slower all cells are for the whole run.
    """

    cells: int
    passes: float
    run: float
    redrawn: float
    tolerance: float
    baseline: str
    then: float = 1.0
    slower: float = 1.0
    slow: int = 0
    clocks: float = 0.0
    stall: float = 0.0
    student: bool = False
    correlation: float = 0.0
    clock: float = 0.0

    @property
    def bound(self) -> float:
        """Share of unchanged runs that may be red."""
        return 0.01 if BASELINES[self.baseline] >= FEW_NIGHTS else 0.02

    @property
    def is_assumed_away(self) -> bool:
        """Whether nothing in so small a suite could show its noise."""
        return self.redrawn == 0 and self.cells < LASTING_FROM

    def draw(self, random: np.random.Generator, rounds: int, scale: float = 1.0) -> Array:
        """One run: logarithms of cells x rounds x passes."""
        shape = (self.cells, rounds)
        lasting = self._biases(random, (self.cells, 1)) * math.sqrt(1 - self.redrawn)
        logs = self.run * scale * (lasting + self._biases(random, shape) * math.sqrt(self.redrawn))
        if self.clocks:
            logs = logs + math.log1p(self.clocks) * (random.random(shape) < 0.5)
        if self.student:
            noise = random.standard_t(3, (*shape, PASSES)) / math.sqrt(3)
        else:
            noise = random.standard_normal((*shape, PASSES))
        return np.asarray(logs[..., None] + self.passes * scale * noise)

    def _biases(self, random: np.random.Generator, shape: tuple[int, int]) -> Array:
        drawn = random.standard_normal(shape)
        for cell in range(1, self.cells if self.correlation else 0):
            drawn[cell] = self.correlation * drawn[cell - 1] + math.sqrt(1 - self.correlation**2) * drawn[cell]
        return drawn

    def draw_baselines(self, random: np.random.Generator) -> Sequence[float | list[Run]]:
        """For each cell a published mean, or its runs."""
        count = BASELINES[self.baseline]
        if not count:
            return np.exp(self.draw(random, 1, self.then)[:, 0]).mean(1).tolist()  # type: ignore[no-any-return]
        rounds = 1 if count >= FEW_NIGHTS else RECORDED_ROUNDS
        runs = [np.exp(self.draw(random, rounds, self.then)).reshape(self.cells, -1) for _ in range(count)]
        return [list(map(tuple, of_cell)) for of_cell in np.stack(runs, axis=1).tolist()]

    def draw_run(self, random: np.random.Generator, slower: dict[int, float]) -> list[list[list[float]]]:
        """For each cell its rounds, in milliseconds."""
        logs = self.draw(random, MAX_ROUNDS) + math.log1p(self.clock)
        if self.stall:
            logs[:, int(random.integers(3))] += math.log1p(self.stall)
        for cell, factor in slower.items():
            logs[cell] += math.log(factor)
        return np.exp(logs).tolist()  # type: ignore[no-any-return]


def measure(
    baselines: Sequence[float | list[Run]], rounds: Sequence[list[list[float]]], tolerance: float
) -> tuple[list[Verdict], list[int]]:
    """Judge a run: after its first round, then again with one round more for each cell that asks for it.

    Returns:
        The verdicts, and how many rounds of each cell were measured.
    """
    again = range(len(rounds))
    cells = [Cell(every[:1], baseline) for every, baseline in zip(rounds, baselines, strict=True)]
    prepared = list(map(prepare, cells))
    verdicts: dict[int, Verdict] = {}
    for count in range(2, MAX_ROUNDS + 2):
        judged = judge_some(tuple(prepared), [prepared[place] for place in again], tolerance)
        verdicts |= zip(again, judged, strict=True)
        again = [place for place in again if verdicts[place].outcome == "remeasure"]  # type: ignore[assignment]
        if not again:
            return [verdicts[place] for place in range(len(cells))], [len(one.values) for one in prepared]
        for place in again:
            prepared[place] = prepare(replace(cells[place], rounds=rounds[place][:count]))
    raise AssertionError("a cell asks for more than six rounds")


def measure_in_turn(
    baselines: Sequence[float | list[Run]], rounds: Sequence[list[list[float]]], tolerance: float
) -> tuple[list[Verdict], list[int]]:
    """The same, but each cell is judged as soon as it is measured, beside those that a run takes from a large suite."""
    suite: dict[str, Prepared] = {}
    verdicts: dict[int, Verdict] = {}
    again: Sequence[int] = range(len(rounds))
    for count in range(1, MAX_ROUNDS + 1):
        for place in again:
            name = str(place)
            suite[name] = prepare(Cell(rounds[place][:count], baselines[place]))
            fellows = find_fellows(suite, name)
            (verdicts[place],) = judge_some(fellows, [suite[name]], tolerance, len(suite) - len(fellows))
        again = [place for place in again if verdicts[place].outcome == "remeasure"]
    return [verdicts[place] for place in range(len(rounds))], [len(one.values) for one in suite.values()]


@dataclass(slots=True)
class Score:
    """Unchanged runs of one combination, and runs with one cell slower by its resolution.

    Args:
        runs: unchanged runs.
        red: red ones of them, and those that report a shift of the platform.
        shifted: runs that report a shift of the platform.
        tried: runs with one cell slower by the resolution.
        found: those in which it is red.
        resolutions: these resolutions.
        unlike: rows whose verdict contradicts the change and the limit shown beside it.
        passes: timed passes of all cells of the unchanged runs.
    """

    runs: int = 0
    red: int = 0
    shifted: int = 0
    tried: int = 0
    found: int = 0
    resolutions: list[float] = field(default_factory=list)
    unlike: int = 0
    passes: int = 0


def score(combination: Combination, runs: int, tries: int, seed: int = SEED) -> Score:
    """Simulate a combination."""
    random = np.random.default_rng([seed, *str(combination).encode()])
    total, tolerance = Score(), combination.tolerance
    judge = measure if combination.cells <= FELLOWS else measure_in_turn
    for number in range(runs):
        baselines = combination.draw_baselines(random)
        slow = random.choice(combination.cells, combination.slow, replace=False).tolist() if combination.slow else []
        slower = dict.fromkeys(slow, combination.slower)
        verdicts, rounds = judge(baselines, combination.draw_run(random, slower), tolerance)
        red = {index for index, verdict in enumerate(verdicts) if verdict.outcome == "regressed"} - slower.keys()
        shifted = any(verdict.platform_shifted for verdict in verdicts)
        total.runs += 1
        total.shifted += shifted
        if combination.clock:  # no false alarm, if it is reported as a shift
            red = {index for index in red if combination.cells > 1 and not verdicts[index].platform_shifted}
        total.red += bool(red or (shifted and not combination.clock))
        total.unlike += sum(contradicts(verdict, tolerance) for verdict in verdicts)
        total.passes += PASSES * sum(rounds)
        if number < tries and not slow and not combination.clock:
            cell = int(random.integers(combination.cells))
            resolution = verdicts[cell].resolution
            if resolution is None:  # nothing shows the noise yet, so none is stated
                continue
            again, _ = judge(baselines, combination.draw_run(random, {cell: 1 + resolution}), tolerance)
            total.tried += 1
            total.found += again[cell].outcome == "regressed"
            total.resolutions.append(resolution)
    return total


def contradicts(verdict: Verdict, tolerance: float) -> bool:
    """Whether a row shows a change that does not fit its verdict."""
    change = verdict.change or 0.0
    return (verdict.outcome == "ok" and change > tolerance + 1e-9) or (
        verdict.outcome == "regressed" and change <= max(tolerance, verdict.limit)
    )


def most_allowed(runs: int, bound: float) -> int:
    """Red runs within the one-sided 99.9 % binomial limit of a rate (normal approximation with continuity beyond 1)."""
    chance, count, share = 0.0, -1, (1 - bound) ** runs
    while chance + share < 0.999:
        chance, count = chance + share, count + 1
        share *= (runs - count) / (count + 1) * bound / (1 - bound)
    return count + 1


HOSTS = ((0.015, 0.01), (0.05, 0.05), (0.1, 0.07), (0.3, 0.1))
"""Deviations of a pass and of a run on hosts that docs/gate.md shows (docs/page_tables.py names them)."""

SIZES = (1, 4, 15, 104)


def grid() -> list[Combination]:
    """The combinations that docs/gate.md shows: one recorded run, half of the bias redrawn by each round."""
    return [Combination(cells, *noise, 0.5, 0.1, "1 run") for noise in HOSTS for cells in SIZES]


LARGE = 300
"""Cells of a suite that is too large for each cell to be judged beside all others."""


def large() -> dict[str, list[Combination]]:
    """The same hosts with a large suite, and some that behave unlike the noise model."""
    tried = (("table", HOSTS), ("1 run", HOSTS[:2]), ("8 nights", HOSTS[:1]))
    plain = [Combination(LARGE, *noise, 0.5, 0.05, baseline) for baseline, hosts in tried for noise in hosts]
    quiet = plain[0]
    return {
        "": plain,
        "one cell 40 % slower": [replace(one, slow=1, slower=1.4) for one in plain[:2]],
        "half of the cells 20 % slower": [replace(quiet, slow=LARGE // 2, slower=1.2)],
        "correlated neighbours": [replace(one, correlation=0.5) for one in plain[:2]],
    }


def cover(values: dict[str, tuple[object, ...]], begun: Sequence[Combination] = (), seed: int = 1) -> list[Combination]:
    """Add combinations to some, greedily, until they cover every pair of values."""
    random = np.random.default_rng(seed)
    names = list(values)
    missing = {
        frozenset(((one, first), (other, second)))
        for one, other in combinations(names, 2)
        for first, second in product(values[one], values[other])
    }
    chosen = {tuple(getattr(one, name) for name in names): None for one in begun}
    for row in chosen:
        missing -= _pairs(names, row)
    while missing or len(chosen) < COMBINATIONS:
        drawn = [tuple(options[random.integers(len(options))] for options in values.values()) for _ in range(60)]
        best = max(drawn, key=lambda row: len(_pairs(names, row) & missing))
        missing -= _pairs(names, best)
        chosen[best] = None
    return [Combination(*row) for row in chosen]


def _pairs(names: Sequence[str], row: Sequence[object]) -> set[frozenset[tuple[str, object]]]:
    return {frozenset(pair) for pair in combinations(zip(names, row, strict=True), 2)}


def specials() -> dict[str, list[Combination]]:
    """Hosts that behave unlike the noise model, by name."""
    few = Combination(9, 0.05, 0.05, 0.5, 0.1, "1 run")
    bases = [
        few,
        replace(few, cells=15, passes=0.1, run=0.07),
        replace(few, cells=4, baseline="3 runs"),
        replace(few, cells=40, tolerance=0.05, baseline="12 nights"),
        replace(few, cells=15, baseline="table"),
    ]
    return {
        "noisy recording, quiet night": [replace(one, passes=0.015, run=0.01, then=6.0) for one in bases],
        "quiet recording, noisy night": [replace(one, then=0.2) for one in bases],
        "one cell 40 % slower": [replace(one, slow=1, slower=1.4) for one in bases],
        "half of the cells 20 % slower": [replace(one, slow=one.cells // 2, slower=1.2) for one in bases],
        "two clock speeds": [replace(one, clocks=0.15) for one in bases],
        "one round stalls": [replace(one, stall=0.5) for one in bases],
        "Student's t": [replace(one, student=True) for one in bases],
        "another clock for the whole run": [
            replace(few, cells=cells, passes=0.015, run=0.01, clock=0.3) for cells in (2, 4, 9, 15, 40)
        ],
        "correlated neighbours": [replace(one, correlation=0.5) for one in bases],
    }


class Pool:
    """Sums over combinations with one bound, and what fails."""

    def __init__(self) -> None:
        self.totals: dict[float, Score] = defaultdict(Score)
        self.failures: list[str] = []

    def add(self, name: str, combination: Combination, one: Score) -> str:
        """Add a combination; returns what fails of it."""
        if combination.is_assumed_away:
            return "assumed away"
        total = self.totals[combination.bound]
        total.runs, total.red = total.runs + one.runs, total.red + one.red
        total.tried, total.found = total.tried + one.tried, total.found + one.found
        wrong = []
        if one.red > most_allowed(one.runs, combination.bound):
            wrong.append("false alarms")
        if one.unlike:
            wrong.append("figures unlike verdicts")
        if one.tried:
            chance = 3.1 * math.sqrt(0.21 / one.tried)
            share = one.found / one.tried
            if share < 0.7 - chance:
                wrong.append("resolution too fine")
            if combination.cells >= 15 and share > 0.9 + 3.1 * math.sqrt(0.09 / one.tried):
                wrong.append("resolution too coarse")
        self.failures += [f"{name}: {', '.join(wrong)}"] if wrong else []
        return "FAILS: " + ", ".join(wrong) if wrong else ""

    def lines(self) -> Iterator[str]:
        """The pooled rates."""
        found = sum(one.found for one in self.totals.values())
        tried = sum(one.tried for one in self.totals.values())
        for bound, one in sorted(self.totals.items()):
            reach = NormalDist().inv_cdf(0.999) * math.sqrt(bound * (1 - bound) / one.runs)
            verdict = "FAILS" if one.red / one.runs > bound + reach else ""
            yield f"all at {bound:.0%}: red {one.red / one.runs:.2%} of {one.runs} runs {verdict}"
        if tried:
            verdict = "" if 0.75 <= found / tried <= 0.9 else "FAILS"
            yield f"resolution holds in {found / tried:.1%} of {tried} runs {verdict}"
        yield f"{len(self.failures)} combinations fail"


def describe(one: Combination) -> str:
    """Describe a combination in words, the same for the CSV file and the page."""
    return (
        f"{one.cells} cells, pass {one.passes:.1%}, run {one.run:.0%}, redrawn {one.redrawn:.0%}, "
        f"tolerance {one.tolerance:.0%}, {one.baseline}"
    )


def table(
    runs: int, say: Callable[[str], None], groups: dict[str, list[Combination]] | None = None
) -> Iterator[tuple[str, Score]]:
    """Print false alarms and resolutions of all combinations, and yield them; beyond 15 cells a third of the runs."""
    total = Pool()
    groups = {"": cover(VALUES, grid()), **specials()} if groups is None else groups
    tries = max(1, runs * 3 // 10)
    members = [(name, one) for name, some in groups.items() for one in some]
    with ProcessPoolExecutor() as workers:
        scores = workers.map(
            score,
            [one for _, one in members],
            [runs if one.cells <= 15 else tries for _, one in members],
            repeat(tries),
        )
        for (name, one), result in zip(members, scores, strict=True):
            what = f"{describe(one)}{', ' * bool(name)}{name}"
            line = (
                f"{what:78}  red {result.red:3} of {result.runs:4}, shifted {result.shifted:3}, "
                f"passes {result.passes / result.runs / one.cells:4.1f}"
            )
            if result.tried:
                line += (
                    f", resolution {median(result.resolutions):6.1%} found {result.found / result.tried:5.1%} "
                    f"of {result.tried:3}"
                )
            say(f"{line}  {total.add(what, one, result)}".rstrip())
            yield what, result
    for line in total.lines():
        say(line)
