"""How often the gate is wrong, simulated: `python tests/perf/gate_power.py [--nights 1000]`.

Prints, for published baselines (A), one and three recorded runs (B) and 30 nights of history (C), how many nights without any
change are red and how many slower cells are found, beside other rules in use. Seeded: the same command prints the same table.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pytest_ddperf.gate import MAX_ROUNDS, Cell, Verdict, creep, judge

CELLS = 104
PASSES = 5
NIGHTS_OF_HISTORY = 30
Array = np.ndarray


@dataclass(frozen=True)
class Noise:
    """Noise of one host, as standard deviations of logarithms and as probabilities.

    Args:
        sigma: of a pass.
        sigma_factor: between cells, at most.
        outliers: share of the passes in a burst, which takes 1.3 to 2 times as long.
        slow_clock: probability that a round runs at a clock 12 % slower.
        drift: by how much a round's passes drift, at most.
        bias: of a run.
        common, night: shares of the bias's variance that stay for the whole night, for all cells and for one.
    """

    sigma: float = 0.015
    sigma_factor: float = 1.4
    outliers: float = 0.02
    slow_clock: float = 0.005
    drift: float = 0.01
    bias: float = 0.0107
    common: float = 0.0
    night: float = 0.5


class Host:
    """Draws what the passes of a suite take, round by round, in milliseconds per image."""

    def __init__(self, noise: Noise, seed: int, cells: int = CELLS) -> None:
        self.noise, self.cells = noise, cells
        self.random = np.random.default_rng(seed)
        reach = math.log(noise.sigma_factor)
        self.sigmas = noise.sigma * np.exp(self.random.uniform(-reach, reach, cells))
        self.truth = np.exp(self.random.uniform(math.log(2), math.log(300), cells))

    def night(self, rounds: int = MAX_ROUNDS) -> Array:
        """One night: cells x rounds x passes."""
        noise, random, cells = self.noise, self.random, self.cells
        bias = noise.bias * (
            math.sqrt(noise.common) * random.standard_normal()
            + math.sqrt(noise.night) * random.standard_normal((cells, 1))
            + math.sqrt(1 - noise.common - noise.night) * random.standard_normal((cells, rounds))
        )
        bias += math.log(1.12) * (random.random((cells, rounds)) < noise.slow_clock)
        slope = random.uniform(0, noise.drift, (cells, rounds, 1)) * random.choice([-1, 1], (cells, rounds, 1))
        logs = bias[..., None] + slope * np.linspace(0, 1, PASSES)
        logs += self.sigmas[:, None, None] * random.standard_normal((cells, rounds, PASSES))
        if noise.outliers:
            logs += np.log(random.uniform(1.3, 2, logs.shape)) * self._bursts(rounds)
        return np.exp(logs) * self.truth[:, None, None]

    def _bursts(self, rounds: int) -> Array:
        """Outliers follow one another: a burst goes on with probability one half."""
        share, draws = self.noise.outliers, self.random.random((self.cells, rounds, PASSES))
        inside = np.zeros((self.cells, rounds, PASSES), dtype=bool)
        inside[..., 0] = draws[..., 0] < share
        for index in range(1, PASSES):
            begins = share / (1 - share) / 2
            inside[..., index] = np.where(inside[..., index - 1], draws[..., index] < 0.5, draws[..., index] < begins)
        return inside


QUIET = Noise()
VIRTUAL = Noise(sigma=0.05, bias=0.07, common=0.25, night=0.25)
NONE = Noise(sigma=1e-4, sigma_factor=1.0, outliers=0.0, slow_clock=0.0, drift=0.0, bias=0.0)
SCENARIOS = {
    "all": QUIET,
    "all, shifts common": replace(QUIET, common=0.25, night=0.25),
    "passes alone": replace(NONE, sigma=0.015, sigma_factor=1.4),
    "outliers alone": replace(NONE, outliers=0.02),
    "slow clocks alone": replace(NONE, slow_clock=0.005),
    "drift alone": replace(NONE, drift=0.01),
    "run to run alone": replace(NONE, bias=0.0107),
    "run to run 2 %": replace(QUIET, bias=0.02),
    "run to run 3 %": replace(QUIET, bias=0.03),
    "unlocked clocks": replace(QUIET, slow_clock=0.3),
}


class Baselines:
    """Nights of one host, and what a suite is held against before each."""

    def __init__(self, kind: str, host: Host) -> None:
        self.kind, self.host = kind, host
        count = {"A": 1, "B": 1, "B3": 3, "C": NIGHTS_OF_HISTORY}[kind]
        self.nights = [host.night(1)[:, 0].tolist() for _ in range(count)]

    def cells(self) -> list[object]:
        if self.kind == "A":
            return [sum(passes) / len(passes) for passes in self.nights[0]]
        if self.kind == "B":
            return list(self.nights[0])
        return [list(runs) for runs in zip(*self.nights, strict=True)]

    def advance(self, rounds: Array | None) -> None:
        """The next night's baseline: the accepted night joins a history, anything else is recorded anew."""
        if self.kind == "C" and rounds is not None:
            self.nights = [*self.nights[1:], rounds[:, 0].tolist()]
        else:
            self.nights = [self.host.night(1)[:, 0].tolist() for _ in self.nights]


def one_night(baselines: list[object], rounds: list[list[list[float]]], tolerance: float) -> list[Verdict]:
    """A whole night: judged after the first round, then again with one round more for every cell that asks."""
    cells = [Cell(every[:1], baseline) for every, baseline in zip(rounds, baselines, strict=True)]  # type: ignore[arg-type]
    for _ in range(4 * MAX_ROUNDS):
        verdicts = judge(cells, tolerance)
        again = [index for index, verdict in enumerate(verdicts) if verdict.outcome == "remeasure"]
        if not again:
            return verdicts
        for index in again:
            cells[index] = Cell(rounds[index][: len(cells[index].rounds) + 1], cells[index].baseline)
    raise AssertionError("a cell asks for more than six rounds")


@dataclass
class Tally:
    """What came of many nights."""

    nights: int = 0
    red_nights: int = 0
    red_cells: int = 0
    slower: int = 0
    found: int = 0
    nights_found: int = 0
    passes_unchanged: float = 0.0
    unchanged: int = 0
    passes_slower: float = 0.0
    unstable: int = 0
    resolution: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)

    def add(self, verdicts: list[Verdict], slow: set[int]) -> None:
        self.nights += 1
        red = {index for index, verdict in enumerate(verdicts) if verdict.outcome == "regressed"}
        self.red_nights += bool(red - slow)
        self.red_cells += len(red - slow)
        self.slower += len(slow)
        self.found += len(red & slow)
        self.nights_found += bool(red & slow)
        for index, verdict in enumerate(verdicts):
            self.resolution += verdict.resolution or 0.0
            self.outcomes[verdict.outcome] = self.outcomes.get(verdict.outcome, 0) + 1
            if index in slow:
                self.passes_slower += PASSES * verdict.rounds_used
            else:
                self.passes_unchanged += PASSES * verdict.rounds_used
                self.unchanged += 1

    def line(self) -> str:
        parts = [f"red {self.red_nights / self.nights:7.2%} of {self.nights} nights ({self.red_cells} cells)"]
        if self.slower:
            parts.append(f"found {self.found / self.slower:6.1%} of {self.slower}, on {self.nights_found / self.nights:6.1%} of nights")
            parts.append(f"passes {self.passes_slower / self.slower:5.1f}")
        if self.unchanged:
            parts.append(f"unchanged {self.passes_unchanged / self.unchanged:5.2f}")
        cells = sum(self.outcomes.values())
        parts.append(f"sees {self.resolution / cells:5.1%}")
        parts.append(" ".join(f"{name} {count / cells:.2%}" for name, count in sorted(self.outcomes.items()) if name != "ok"))
        return "  ".join(parts)


def simulate(kind: str, noise: Noise, nights: int, *, tolerance: float = 0.05, slower: float = 0.0, slow_cells: int = 0,
             seed: int = 1) -> Tally:
    host = Host(noise, seed)
    baselines = Baselines(kind, host)
    tally = Tally()
    chooser = np.random.default_rng(seed + 1)
    for night in range(nights):
        rounds = host.night()
        slow = set(chooser.choice(host.cells, slow_cells, replace=False).tolist()) if slow_cells else set()
        changed = rounds.copy()
        changed[list(slow)] *= 1 + slower
        tally.add(one_night(baselines.cells(), changed.tolist(), tolerance), slow)
        baselines.advance(rounds if night % 100 else None)
    return tally


if __name__ == "__main__":
    pass
