"""The night on which a red cell became slower: the change point of its nightly values. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.gate.statistics import midmean

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLIP = 0.5
"""Maximum of what one night counts, in units of the step, so that one accident cannot decide."""

_DOUBT = 1.5
"""How far the sum must fall, in units of the step, for the nights to be good beyond doubt, if the step is as large as
the resolution. The resolution is that of six rounds, at least 1.8 standard deviations of a night with a single round; a
likelihood ratio of e ** 5 counts as certain: 5 / 1.8**2. For larger steps it is less, by the square of their size."""

_LEAST_DOUBT = 0.25  # the same for large steps: one night in the faster quarter of the step

_GOOD_NIGHTS = 8
"""Nights from which the level before the step is computed; a published table may be off it."""


def find_step(
    values: Sequence[float], change: float, resolution: float, tolerance: float, red: Sequence[bool] = ()
) -> int:
    """Find the first night of the slow period that the last night belongs to.

    A night supports the slow period as far as it is above the middle between the level before the step and the level
    after it, and speaks against it as far as it is below. Their sum is largest at the most likely change point (Page
    1954, from the last night backwards); it ends at nights that are good beyond doubt. If the night before the step is
    red, too, but less slow, the cell became slower in several steps, and the first of them is searched.

    Args:
        values: logarithm of each night, oldest first; the last one is slower. At least one.
        change: by how much the last night is slower than the baseline, a logarithm; positive.
        resolution: the smallest change that the gate can distinguish from noise, a logarithm.
        tolerance: the largest change that passes, a logarithm.
        red: whether the gate found the night regressed, for each of the nights before the last one.

    Returns:
        The index of the first slow night; 0 if no night is good.
    """
    base = values[-1] - change
    first = _first_slow(values, base, resolution)
    while first and any(red[first - 1 : first]) and values[first - 1] - base > tolerance:
        first = _first_slow(values[:first], base, resolution)
    return first


def _first_slow(values: Sequence[float], base: float, resolution: float) -> int:
    """Estimate both levels from the baseline and the last night, then also from the nights around the step."""
    before, after = base, values[-1]
    first = len(values) - 1
    for _ in range(2):
        step = after - before
        if step <= 0:
            break
        middle = before + step / 2
        first = _change_point(values, middle, step, max(_LEAST_DOUBT, _DOUBT * (resolution / step) ** 2))
        good = [value for value in values[:first] if value < middle][-_GOOD_NIGHTS:]
        before, after = midmean([base, *good]), midmean(values[first:])
    return first


def _change_point(values: Sequence[float], middle: float, step: float, doubt: float) -> int:
    found, total, largest = len(values) - 1, 0.0, 0.0
    for place in range(len(values) - 1, -1, -1):
        total += max(-_CLIP, min((values[place] - middle) / step, _CLIP))
        if total > largest:
            found, largest = place, total
        elif total < largest - doubt:
            break
    return found
