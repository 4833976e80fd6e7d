"""How often verdicts on pairs are wrong, simulated: the table `pairs` of gate_power.py.

A run is simulated as it is measured: all cells have their first round, then the undecided ones one more round each,
again and again. Every cell has noise of its own, by a factor. Passes that follow each other are correlated, and each
creation of a service has luck of its own.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_ddperf.gate.pairs import LOOKS, PAIRS_PER_ROUND, PairedRound, estimate_round, judge_pairs
from pytest_ddperf.measure.pairs import draw_orders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate_noise import Array

TOLERANCE = 0.05
ROUNDS = LOOKS[-1]
CELLS = {1: 0.4, 8: 0.2, 32: 0.06, 104: 0.02}
"""Numbers of cells, and their share of the runs: a large run takes longer."""


@dataclass(frozen=True, slots=True)
class PairedNoise:
    """Noise of two servers on one host, as standard deviations of logarithms and as probabilities.

    Args:
        sigma: of a pass.
        correlation: between passes that follow each other, on either server.
        luck: of each creation of a service.
        sigma_factor: by which the noise of a cell differs from `sigma`, at most.
        outliers: share of the passes that take 1.3 to 2 times as long.
    """

    sigma: float
    correlation: float = 0.5
    luck: float = 0.02
    sigma_factor: float = 1.4
    outliers: float = 0.02

    def log_ratios(self, cells: int, random: np.random.Generator) -> Array:
        """Log ratios of the pairs of one run: cells x rounds x pairs."""
        reach = math.log(self.sigma_factor)
        passes = random.standard_normal((cells, ROUNDS, 2 * PAIRS_PER_ROUND))
        fresh = math.sqrt(1 - self.correlation**2)
        for index in range(1, passes.shape[-1]):
            passes[..., index] = self.correlation * passes[..., index - 1] + fresh * passes[..., index]
        passes *= self.sigma * np.exp(random.uniform(-reach, reach, (cells, 1, 1)))
        passes += (random.random(passes.shape) < self.outliers) * np.log(random.uniform(1.3, 2, passes.shape))
        orders = [draw_orders(ROUNDS * PAIRS_PER_ROUND, str(random.integers(2**32))) for _ in range(cells)]
        signs = np.where(np.array(orders).reshape(cells, ROUNDS, PAIRS_PER_ROUND), 1.0, -1.0)
        lucks = self.luck * math.sqrt(2) * random.standard_normal((cells, ROUNDS, 1))
        return np.asarray(lucks + signs * (passes[..., 1::2] - passes[..., ::2]))


@dataclass(slots=True)
class PairedTally:
    """What came of many runs."""

    runs: int = 0
    red_runs: int = 0
    found: int = 0
    slower: int = 0
    pairs: Counter[bool] = field(default_factory=Counter)
    cells: Counter[bool] = field(default_factory=Counter)
    unstable: int = 0

    def add(self, outcomes: list[str], pairs: list[int], slow: set[int]) -> None:
        """Add a run.

        Args:
            outcomes: the verdict of each cell.
            pairs: the number of pairs of each cell.
            slow: which cells are slower.
        """
        red = {index for index, outcome in enumerate(outcomes) if outcome == "regressed"}
        self.runs += 1
        self.red_runs += bool(red - slow)
        self.found += len(red & slow)
        self.slower += len(slow)
        self.unstable += outcomes.count("unstable")
        for index, number in enumerate(pairs):
            self.pairs[index in slow] += number
            self.cells[index in slow] += 1

    def join(self, other: PairedTally) -> None:
        """Add the runs of another tally."""
        self.runs += other.runs
        self.red_runs += other.red_runs
        self.found += other.found
        self.slower += other.slower
        self.unstable += other.unstable
        self.pairs += other.pairs
        self.cells += other.cells

    def line(self) -> str:
        """Describe the tally in one line."""
        parts = [f"red {self.red_runs / self.runs:6.2%} of {self.runs:5} runs"]
        if self.slower:
            parts.append(f"found {self.found / self.slower:6.1%} of {self.slower:4}")
            parts.append(f"pairs {self.pairs[True] / self.cells[True]:4.1f}")
        if self.cells[False]:
            parts.append(f"unchanged {self.pairs[False] / self.cells[False]:4.1f}")
        parts.append(f"unstable {self.unstable / self.cells.total():6.2%}")
        return "  ".join(parts)


def one_run(ratios: Array, *, own_scatter: bool = True) -> tuple[list[str], list[int]]:
    """Measure and judge all cells of a run; return their verdicts and numbers of pairs.

    Args:
        ratios: log ratios: cells x rounds x pairs.
        own_scatter: whether the scatter of a cell's own pairs is the lower bound of its variance.
    """
    rounds: list[list[PairedRound]] = [[] for _ in ratios]
    outcomes, open_cells = ["remeasure"] * len(ratios), list(range(len(ratios)))
    while open_cells:
        for index in open_cells:
            one = estimate_round(ratios[index, len(rounds[index])].tolist())
            rounds[index].append(one if own_scatter else PairedRound(one.estimate, one.estimate, one.estimate))
            others = [*rounds[:index], *rounds[index + 1 :]]
            outcomes[index] = judge_pairs(rounds[index], others, TOLERANCE).outcome
        open_cells = [index for index in open_cells if outcomes[index] == "remeasure"]
    return outcomes, [PAIRS_PER_ROUND * len(cell) for cell in rounds]


def simulate_pairs(
    noise: PairedNoise, cells: int, runs: int, *, slower: float = 0.0, own_scatter: bool = True, seed: int = 1
) -> PairedTally:
    """Simulate runs in which no cell changed, or one is slower."""
    random = np.random.default_rng(seed)
    tally = PairedTally()
    for _ in range(max(1, runs)):
        ratios = noise.log_ratios(cells, random)
        slow = {int(random.integers(cells))} if slower else set()
        for index in slow:
            ratios[index] += math.log1p(slower)
        tally.add(*one_run(ratios, own_scatter=own_scatter), slow)
    return tally


def lines(runs: int) -> Iterator[str]:
    """Describe many simulated runs, line by line.

    Args:
        runs: number of runs of a row; a share of it for each noise, and for large numbers of cells.
    """
    by: dict[str, PairedTally] = {}
    grid = itertools.product(CELLS, (0.015, 0.05, 0.15, 0.3), (0.0, 0.4, 0.7), (0.0, 0.02, 0.05))
    for seed, (cells, sigma, correlation, luck) in enumerate(grid):
        noise = PairedNoise(sigma, correlation, luck)
        tally = simulate_pairs(noise, cells, round(runs * CELLS[cells]), seed=seed)
        names = (
            f"{cells} cells",
            f"pass noise {sigma:.1%}",
            f"autocorrelation {correlation}",
            f"start-up luck {luck:.0%}",
        )
        for name in ("all", *names):
            by.setdefault(name, PairedTally()).join(tally)
    for name, tally in by.items():
        yield f"no change  {name:20}  {tally.line()}"
    for sigma in (0.05, 0.1, 0.2):
        noise = PairedNoise(sigma, correlation=0.0, luck=0.0, sigma_factor=3.0)
        for own, name in ((True, "noise of cells differs"), (False, "  without own scatter")):
            tally = simulate_pairs(noise, 20, runs, own_scatter=own)
            yield f"no change  {name:22} {sigma:4.0%}  {tally.line()}"
    for cells, sigma, slower in itertools.product((1, 20), (0.015, 0.05, 0.15, 0.3), (0.05, 0.1, 0.2)):
        tally = simulate_pairs(PairedNoise(sigma), cells, runs // 4, slower=slower)
        yield f"{slower:4.0%} slower, {cells:2} cells, pass noise {sigma:5.1%}  {tally.line()}"
