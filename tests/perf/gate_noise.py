"""Noise of real inference, simulated: what the passes of a suite take on hosts of several kinds. Seeded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pytest_ddperf.gate.noise import MAX_ROUNDS

CELLS = 104
PASSES = 5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
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
        return np.asarray(np.exp(logs) * self.truth[:, None, None])

    def _bursts(self, rounds: int) -> npt.NDArray[np.bool_]:
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
