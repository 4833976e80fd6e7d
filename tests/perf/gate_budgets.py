"""Nights of cells below and beyond their budgets, simulated: how often the verdict `over_budget` is wrong. Seeded."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from gate_noise import PASSES

from pytest_ddperf.core.budgets import Standing
from pytest_ddperf.gate.budgets import estimate_mean
from pytest_ddperf.gate.noise import MAX_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS = 20
BUDGET_MS = 40.0


@dataclass(frozen=True, slots=True)
class Luck:
    """The noise of a host, as standard deviations of logarithms.

    Args:
        name: the name of the row.
        passes: of a pass.
        run: of what all rounds of a cell in a run share.
        rounds: of what the passes of a round share.
        student: whether passes follow Student's t with 3 degrees of freedom.
    """

    name: str
    passes: float
    run: float = 0.0
    rounds: float = 0.0
    student: bool = False


STATED = Luck("passes 5 %, runs 1 %", 0.05, run=0.01)

HOSTS = (
    STATED,
    replace(STATED, name="passes 5 %, rounds 1 %", run=0.0, rounds=0.01),
    replace(STATED, name="passes 5 %, runs 1 %, rounds 2 %", rounds=0.02),
    replace(STATED, name="passes 5 % (Student's t), runs 1 %", student=True),
    Luck("passes 1.5 %, runs 1 %", 0.015, run=0.01),
    Luck("passes 5 %, rounds 5 %", 0.05, rounds=0.05),
    Luck("passes 20 %, runs 1 %, rounds 5 %", 0.2, run=0.01, rounds=0.05),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Nights of one host.

    Args:
        nights: number of nights.
        cells: number of cells of all nights.
        red_nights: nights with a cell over its budget.
        found: cells over their budgets.
        within: cells certainly within their budgets.
        naive_nights: nights with a cell whose median of the first round is beyond its budget.
        naive_found: such cells.
        passes: timed passes of all cells.
    """

    nights: int
    cells: int
    red_nights: int
    found: int
    within: int
    naive_nights: int
    naive_found: int
    passes: int


def simulate(luck: Luck, factor: float, *, nights: int, seed: int = 1) -> Tally:
    """Simulate nights of cells that take so many times their budgets."""
    random = np.random.default_rng(seed)
    counts = np.zeros(6, dtype=int)
    for _ in range(nights):
        shape = (CELLS, MAX_ROUNDS, PASSES)
        noise = random.standard_t(3, shape) / np.sqrt(3) if luck.student else random.standard_normal(shape)
        shared = luck.run * random.standard_normal((CELLS, 1, 1)) + luck.rounds * random.standard_normal(
            (CELLS, MAX_ROUNDS, 1)
        )
        times_ms = BUDGET_MS * factor * np.exp(shared + luck.passes * noise)
        decided = [judge_cell(rounds_ms) for rounds_ms in times_ms.tolist()]
        naive = np.median(times_ms[:, 0], axis=1) > BUDGET_MS
        over = sum(standing is Standing.OVER for standing, _ in decided)
        within = sum(standing is Standing.WITHIN for standing, _ in decided)
        rounds = sum(count for _, count in decided)
        counts += (over > 0, over, within, naive.any(), naive.sum(), rounds * PASSES)
    red_nights, found, sure, naive_nights, naive_found, passes = counts.tolist()
    return Tally(nights, nights * CELLS, red_nights, found, sure, naive_nights, naive_found, passes)


def judge_cell(rounds_ms: list[list[float]]) -> tuple[Standing, int]:
    """Judge a cell after each round until it is decided; return what was decided, and the number of rounds."""
    for count in range(1, MAX_ROUNDS + 1):
        standing = estimate_mean(rounds_ms[:count], CELLS).judge(BUDGET_MS)
        if standing is not Standing.UNDECIDED:
            return standing, count
    return Standing.UNDECIDED, MAX_ROUNDS


FACTORS = (0.97, 1.0, 1.05, 1.1, 1.2)


def lines(nights: int) -> Iterator[str]:
    """Simulate all hosts, and yield a line for each."""
    chosen = [(luck, factor) for luck in HOSTS for factor in FACTORS]
    with ProcessPoolExecutor() as workers:
        tallies = workers.map(_simulate, *zip(*chosen, strict=True), repeat(nights))
        for (luck, factor), one in zip(chosen, tallies, strict=True):
            yield (
                f"{luck.name:34} {_describe(factor):10}  red {one.red_nights / nights:7.2%} of {nights} nights "
                f"(median of 5 passes {one.naive_nights / nights:7.2%})  over {one.found / one.cells:7.2%} of cells "
                f"(median {one.naive_found / one.cells:6.1%})  within {one.within / one.cells:6.1%}  "
                f"passes {one.passes / one.cells:4.1f}"
            )


def _simulate(luck: Luck, factor: float, nights: int) -> Tally:
    return simulate(luck, factor, nights=nights)


def _describe(factor: float) -> str:
    if factor == 1:
        return "at budget"
    return f"{abs(factor - 1):.0%} {'over' if factor > 1 else 'below'}"
