"""The night on which a cell became slower; noise is drawn from seeds."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from gate_steps import locate_step

from pytest_ddperf.gate.noise import MAX_ROUNDS
from pytest_ddperf.gate.statistics import midmean, round_statistic
from pytest_ddperf.gate.steps import find_step
from pytest_ddperf.gate.verdicts import Cell, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 0.05
TRIALS = 50


def found(*levels: float, red: tuple[bool, ...] = (), change: float | None = None, resolution: float = 0.05) -> int:
    """The first slow night of a cell that took these multiples of its baseline."""
    values = [math.log(10 * level) for level in levels]
    change = math.log(levels[-1]) if change is None else change
    return find_step(values, change, math.log1p(resolution), math.log1p(TOLERANCE), red)


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the logarithm between nights, between rounds of a night, and of passes."""

    nights: float
    rounds: float
    passes: float

    def night(self, chance: random.Random, level: float, rounds: int) -> list[list[float]]:
        """Passes are slower by chance, never faster, as latency noise is one-sided."""
        night = chance.gauss(0, self.nights)
        biases = [night + chance.gauss(0, self.rounds) for _ in range(rounds)]
        return [[level * math.exp(bias + abs(chance.gauss(0, self.passes))) for _ in range(5)] for bias in biases]


QUIET, SHARED, JUMPY = Noise(0.013, 0.005, 0.01), Noise(0.04, 0.03, 0.05), Noise(0.01, 0.1, 0.1)


def judge_night(rounds: list[list[float]], history: Sequence[tuple[tuple[float, ...], ...]]) -> tuple[Verdict, float]:
    """The verdict on a night that is measured again until it is decided, and its logarithm."""
    for count in range(1, MAX_ROUNDS + 1):
        (verdict,) = judge([Cell(rounds[:count], [*history])], TOLERANCE)
        if verdict.outcome != "remeasure":
            return verdict, midmean(map(round_statistic, rounds[:count]))
    raise AssertionError("the cell asks for more than six rounds")


def locate(seed: int, noise: Noise, *, good: int, slow: int, times: float) -> int | None:
    """Return how many nights after the true one a step of so many resolutions is found; None if it is not red."""
    chance = random.Random(seed)  # noqa: S311 - noise, not secrets
    history = [tuple(map(tuple, noise.night(chance, 10.0, 1))) for _ in range(good)]
    resolution = judge_night(noise.night(chance, 10.0, MAX_ROUNDS), history)[0].resolution
    assert resolution is not None
    level = 10.0 * (1 + times * resolution)
    later = [judge_night(noise.night(chance, level, MAX_ROUNDS), history) for _ in range(slow)]
    values = [midmean(map(round_statistic, night)) for night in history] + [value for _, value in later]
    return locate_step(values, [verdict for verdict, _ in later], TOLERANCE)


@pytest.mark.parametrize("noise", [QUIET, SHARED, JUMPY], ids=["quiet", "shared", "jumpy"])
@pytest.mark.parametrize(("good", "slow"), [(8, 1), (20, 1), (20, 2), (20, 6), (60, 2)])
def test_a_step_of_twice_the_resolution_is_found_on_its_night_in_90_percent(noise: Noise, good: int, slow: int) -> None:
    places = [locate(seed, noise, good=good, slow=slow, times=2.0) for seed in range(TRIALS)]
    red = [place for place in places if place is not None]
    assert len(red) >= 0.9 * TRIALS
    assert red.count(0) >= 0.9 * len(red)


@pytest.mark.parametrize("noise", [QUIET, SHARED, JUMPY], ids=["quiet", "shared", "jumpy"])
def test_a_step_of_the_resolution_that_is_red_is_found_within_a_night_in_90_percent(noise: Noise) -> None:
    places = [locate(seed, noise, good=20, slow=5, times=1.0) for seed in range(TRIALS)]
    red = [place for place in places if place is not None]
    assert sum(abs(place) <= 1 for place in red) >= 0.9 * len(red) > 0


def test_a_step_of_tonight_is_found_tonight() -> None:
    assert found(1.0, 1.01, 0.99, 1.2) == 3


def test_a_step_some_nights_ago_is_found_there() -> None:
    assert found(1.0, 1.01, 0.99, 1.2, 1.19, 1.21, red=(False, False, False, True, True)) == 3


def test_a_cell_that_was_never_good_is_slow_from_the_first_night() -> None:
    assert found(1.2, 1.19, 1.21) == 0


def test_a_single_night_is_the_first_slow_one() -> None:
    assert found(1.2) == 0


def test_a_slow_night_that_was_repaired_is_another_step() -> None:
    assert found(1.0, 1.0, 1.2, 1.2, 1.2, 1.0, 1.2, red=(False, False, True, True, True, False)) == 6


def test_a_single_slow_night_long_ago_is_no_step() -> None:
    assert found(1.0, 1.3, 1.0, 1.0, 1.0, 1.2, 1.2, red=(False, True, False, False, False, True)) == 5


def test_a_night_that_is_far_too_slow_counts_no_more_than_another() -> None:
    assert found(1.0, 1.0, 9.0, 1.0, 1.2, 1.2, resolution=0.2) == 4


def test_a_single_good_night_ends_a_slow_period_if_the_step_is_far_beyond_the_resolution() -> None:
    assert found(1.0, 1.2, 1.2, 1.2, 1.0, 1.2, resolution=0.05) == 5


def test_a_single_good_night_may_be_chance_if_the_step_is_as_large_as_the_resolution() -> None:
    assert found(1.0, 1.0, 1.0, 1.2, 1.2, 1.2, 1.0, 1.2, resolution=0.2) == 3


def test_a_cell_that_became_slower_twice_is_slow_since_the_first_step() -> None:
    assert found(1.0, 1.0, 1.12, 1.12, 1.5, red=(False, False, True, True)) == 2


def test_a_step_that_is_the_baseline_since_is_no_step_of_tonight() -> None:
    recorded = (1.0, 1.0, 1.3, 1.3, 1.56)
    assert found(*recorded, red=(False, False, True, True), change=math.log(1.2)) == 4


def test_a_night_that_was_slower_within_the_tolerance_is_good() -> None:
    assert found(1.0, 1.0, 1.04, 1.04, 1.15) == 4


def test_a_cell_that_is_faster_than_ever_before_its_step_is_good_there() -> None:
    assert found(1.0, 1.0, 0.7, 1.2, 1.2) == 3


@pytest.mark.parametrize("nights", [1, 2, 10])
def test_a_board_that_is_always_slower_than_the_published_table_is_good_until_the_step(nights: int) -> None:
    good = [1.08, 1.10, 1.07, 1.09, 1.11] * 2
    levels = [*good[:nights], 1.21, 1.2, 1.22]
    assert found(*levels, red=(False,) * nights + (True, True), resolution=0.1) == nights
