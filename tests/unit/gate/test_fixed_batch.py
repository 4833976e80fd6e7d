"""Which times show a network with a fixed batch, and which only look like it."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from bench_project import table

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.gate.fixed_batch import EqualTimes, find_equal_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZES = (1, 2, 4, 8, 16, 32)


def times(
    curve: Callable[[int], float], sizes: Sequence[int] = SIZES, *, scatter: float = 0.0, seed: int = 0
) -> dict[int, list[list[float]]]:
    """Five passes of each size; the scatter is relative."""
    rng = random.Random(seed)  # noqa: S311 - noise
    return {size: [[curve(size) * math.exp(rng.gauss(0, scatter)) for _ in range(5)]] for size in sizes}


def fixed(batch: int, ms: float = 20.0) -> Callable[[int], float]:
    return lambda size: ms * math.ceil(size / batch)


@pytest.mark.parametrize(
    ("batch", "sizes", "largest"),
    [
        *((batch, SIZES, min(largest, 32)) for batch, largest in ((2, 2), (3, 2), (4, 4), (8, 8), (32, 32), (64, 64))),
        (4, (1, 4, 6), 4),
        (8, (2, 4, 8, 12), 8),
        (8, (1, 8), 8),
    ],
)
def test_a_fixed_batch_is_found_with_the_largest_size_that_it_runs_as_one(
    batch: int, sizes: Sequence[int], largest: int
) -> None:
    assert find_equal_times(times(fixed(batch), sizes)) == EqualTimes(sizes[0], largest)
    assert find_equal_times(times(fixed(batch), sizes, scatter=0.005)) == EqualTimes(sizes[0], largest)


CURVES: dict[str, Callable[[int], float]] = {
    "images one at a time": lambda size: 20.0 * size,
    "a batch that is a little cheaper": lambda size: 20.0 * size**0.9,
    "a tiny network, mostly overhead": lambda size: 2.0 + 0.001 * size,
    "a small network": lambda size: 10.0 + 0.2 * size,
    "one image uses a fifth of the GPU": lambda size: 20.0 * (1 + (size / 5) ** 6) ** (1 / 6),
    "one image uses an eighth of the GPU": lambda size: 20.0 * (1 + (size / 8) ** 8) ** (1 / 8),
    "two images are as fast as one": lambda size: 20.0 * max(1.0, size / 2) ** 0.8,
}


@pytest.mark.parametrize("name", CURVES)
def test_other_networks_have_none(name: str) -> None:
    assert find_equal_times(times(CURVES[name])) is None
    assert not [seed for seed in range(50) if find_equal_times(times(CURVES[name], scatter=0.01, seed=seed))]


@pytest.mark.parametrize("platform", [one.id for one in load_catalog().platforms.values() if one.report])
def test_no_network_of_the_published_tables_has_one(platform: str) -> None:
    published = table(platform)
    for model in {model for model, _ in published}:
        sizes = {size: ms * size for (of, size), ms in published.items() if of == model}
        for count in range(2, len(sizes) + 1):  # as the cells are measured, smallest first
            measured = {size: [[sizes[size]] * 5] for size in sorted(sizes)[:count]}
            assert find_equal_times(measured) is None, (model, count)


def test_scattered_times_prove_nothing() -> None:
    assert not [seed for seed in range(50) if find_equal_times(times(fixed(8), scatter=0.3, seed=seed))]


def test_up_to_four_images_may_take_as_long_as_one_without_a_fixed_batch() -> None:
    assert find_equal_times(times(fixed(8), (1, 2, 4))) is None


def test_whole_milliseconds_are_too_coarse_for_short_requests() -> None:
    short, long = times(fixed(8, 12.0)), times(fixed(8, 120.0))
    assert find_equal_times(short, resolution_ms=1.0) is None
    assert find_equal_times(short) == find_equal_times(long, resolution_ms=1.0) == EqualTimes(1, 8)


@pytest.mark.parametrize("passes", [[], [20.0], [20.0, 20.0], [0.0] * 5, [-1.0, 20.0, 20.0]])
def test_a_size_without_usable_passes_is_ignored(passes: list[float]) -> None:
    measured = times(fixed(8), (1, 8))
    assert find_equal_times({**measured, 16: [passes]}) == EqualTimes(1, 8)
    assert find_equal_times({1: measured[1], 8: [passes]}) is None
    assert find_equal_times({}) is None
