"""Hosts of every size and noise, simulated: how often the gate is wrong, and whether its resolution holds. Seeded."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import combinations, product
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from gate_noise import PASSES, Array

from pytest_ddperf.gate.verdicts import MAX_ROUNDS, Cell, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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

    def draw_baselines(self, random: np.random.Generator) -> list[float] | list[list[list[float]]]:
        """For each cell a published mean, or its runs."""
        count = BASELINES[self.baseline]
        if not count:
            return np.exp(self.draw(random, 1, self.then)[:, 0]).mean(1).tolist()  # type: ignore[no-any-return]
        rounds = 1 if count >= FEW_NIGHTS else RECORDED_ROUNDS
        runs = [np.exp(self.draw(random, rounds, self.then)).reshape(self.cells, -1) for _ in range(count)]
        return np.stack(runs, axis=1).tolist()  # type: ignore[no-any-return]

    def draw_run(self, random: np.random.Generator, slower: dict[int, float]) -> list[list[list[float]]]:
        """For each cell its rounds, in milliseconds."""
        logs = self.draw(random, MAX_ROUNDS)
        if self.stall:
            logs[:, int(random.integers(3))] += math.log1p(self.stall)
        for cell, factor in slower.items():
            logs[cell] += math.log(factor)
        return np.exp(logs).tolist()  # type: ignore[no-any-return]


def measure(baselines: Sequence[object], rounds: Sequence[list[list[float]]], tolerance: float) -> list[Verdict]:
    """Judge a run: every cell that asks for another round gets one, until none does."""
    used = [1] * len(rounds)
    while True:
        verdicts = judge(
            [
                Cell(every[:count], baseline)  # type: ignore[arg-type]
                for every, count, baseline in zip(rounds, used, baselines, strict=True)
            ],
            tolerance,
        )
        again = [index for index, verdict in enumerate(verdicts) if verdict.outcome == "remeasure"]
        if not again:
            return verdicts
        for index in again:
            used[index] += 1


@dataclass(slots=True)
class Score:
    """Unchanged runs of one combination, and runs with one cell slower by its resolution.

    Args:
        runs: unchanged runs, each the third of three against one baseline.
        red: red ones of them, and those that report a shift of the platform.
        lasting: runs that a rule "unstable in the third run in a row is red" would make red, too.
        shifted: runs that report a shift of the platform.
        tried: runs with one cell slower by the resolution.
        found: those in which it is red.
        resolution: sum of these resolutions.
        unlike: rows whose verdict contradicts the change and the limit shown beside it.
        passes: timed passes of all cells of the unchanged runs.
    """

    runs: int = 0
    red: int = 0
    lasting: int = 0
    shifted: int = 0
    tried: int = 0
    found: int = 0
    resolution: float = 0.0
    unlike: int = 0
    passes: int = 0


def score(combination: Combination, runs: int, tries: int, seed: int = 1) -> Score:
    """Simulate a combination."""
    random = np.random.default_rng([seed, *str(combination).encode()])
    total, tolerance = Score(), combination.tolerance
    for number in range(runs):
        baselines = combination.draw_baselines(random)
        slow = random.choice(combination.cells, combination.slow, replace=False).tolist() if combination.slow else []
        slower = dict.fromkeys(slow, combination.slower)
        verdicts = measure(baselines, combination.draw_run(random, slower), tolerance)
        red = {index for index, verdict in enumerate(verdicts) if verdict.outcome == "regressed"} - slower.keys()
        shifted = any("platform shifted" in verdict.reason for verdict in verdicts)
        unstable = {index for index, verdict in enumerate(verdicts) if verdict.outcome == "unstable"} - slower.keys()
        for _ in range(2 * bool(unstable and not red)):
            earlier = measure(baselines, combination.draw_run(random, slower), tolerance)
            unstable = {index for index in unstable if earlier[index].outcome == "unstable"}
        total.runs += 1
        total.shifted += shifted
        total.red += bool(red or shifted)
        total.lasting += bool(unstable and not red)
        total.unlike += sum(contradicts(verdict, tolerance) for verdict in verdicts)
        total.passes += PASSES * sum(verdict.rounds_used for verdict in verdicts)
        if number < tries and not slow:
            cell = int(random.integers(combination.cells))
            resolution = verdicts[cell].resolution or 0.0
            again = measure(baselines, combination.draw_run(random, {cell: 1 + resolution}), tolerance)
            total.tried += 1
            total.found += again[cell].outcome == "regressed"
            total.resolution += resolution
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


def cover(values: dict[str, tuple[object, ...]], least: int = 60, seed: int = 1) -> list[Combination]:
    """Choose combinations that cover every pair of values, greedily, and fill them up with draws."""
    random = np.random.default_rng(seed)
    names = list(values)
    missing = {
        frozenset(((one, first), (other, second)))
        for one, other in combinations(names, 2)
        for first, second in product(values[one], values[other])
    }
    chosen: dict[tuple[object, ...], None] = {}
    while missing or len(chosen) < least:
        drawn = [tuple(options[random.integers(len(options))] for options in values.values()) for _ in range(60)]
        best = max(drawn, key=lambda row: len(_pairs(names, row) & missing))
        missing -= _pairs(names, best)
        chosen[best] = None
    return [Combination(*row) for row in chosen]  # type: ignore[arg-type]


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


def table(runs: int, say: Callable[[str], None], chosen: Sequence[Combination] | None = None) -> Pool:
    """Print false alarms and resolutions of all combinations; beyond 15 cells a third of the runs."""
    pool = Pool()
    groups = {"": chosen if chosen is not None else cover(VALUES)} | ({} if chosen is not None else specials())
    for name, members in groups.items():
        for one in members:
            count = runs if one.cells <= 15 else max(1, runs * 3 // 10)
            result = score(one, count, max(1, runs * 3 // 10))
            line = (
                f"{one.cells:4} cells  pass {one.passes:5.1%}  run {one.run:4.0%}  redrawn {one.redrawn:4.0%}  "
                f"tolerance {one.tolerance:3.0%}  {one.baseline:9}  red {result.red:3} of {result.runs:4}  "
                f"shifted {result.shifted:3}  unstable thrice {result.lasting:3}  "
                f"passes {result.passes / result.runs / one.cells:4.1f}  "
            )
            if result.tried:
                line += (
                    f"resolution {result.resolution / result.tried:6.1%} found {result.found / result.tried:5.1%} "
                    f"of {result.tried:3}  "
                )
            say(f"{line}{name}  {pool.add(f'{one} {name}', one, result)}".rstrip())
    for line in pool.lines():
        say(line)
    return pool
