"""Detection of a network that was exported with a fixed batch, from its times at several batch sizes. Pure.

Such a network runs every request in pieces of its own batch, so requests of up to that many images take the same time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_ddperf.gate.statistics import pass_sigma, round_statistic, round_variance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EQUAL: Final = math.log(1.05)
"""Times that differ by 5 % at most are equal."""

_QUANTILE: Final = 2.92
"""Student's t for 95 %, one-sided, with two degrees of freedom: three of five passes count."""

_LEAST_RANGE: Final = 8
"""Least ratio of two batch sizes that take the same time, if no larger batch shows the step to two pieces.

In the report's tables a request of 4 images takes as long as one of 1 on some GPUs, one of 8 always longer.
"""

_LEAST_MS: Final = 5.0
"""Without that step, requests that take less are not considered: a tiny network's time is mostly launching kernels."""


class EqualTimes(NamedTuple):
    """Two batch sizes whose requests take the same time, because the network runs both as one batch.

    Args:
        smallest: the smallest measured batch size.
        largest: the largest one that takes the same time.
    """

    smallest: int
    largest: int


class _Time(NamedTuple):
    """Logarithm of the time of a request, its variance, and the possible error of the clock's resolution."""

    log: float
    variance: float
    rounding: float


def find_equal_times(
    requests_ms: Mapping[int, Sequence[Sequence[float]]], resolution_ms: float = 0.0
) -> EqualTimes | None:
    """Find the batch sizes that a network with a fixed batch runs as one.

    A fixed batch of F gives T * ceil(n / F) milliseconds for n images. All measured sizes must fit this, each within
    5 % with 95 % confidence (an equivalence test): times that are merely scattered prove nothing. Other networks do not
    fit. Where each image adds the same time, as on a CPU or for Torch's batches of one, 1 and 2 images differ. A GPU
    that is not fully used by one image has a curve that bends; it has neither the step at F + 1 nor eightfold equality.

    Args:
        requests_ms: times of whole requests without decoding and resizing, by batch size: passes of each round.
        resolution_ms: resolution of the clock.

    Returns:
        None if there is no such batch, or if it cannot be seen.
    """
    times = {size: time for size in sorted(requests_ms) if (time := _estimate(requests_ms[size], resolution_ms))}
    sizes = list(times)
    if len(sizes) < 2:
        return None
    smallest, largest = sizes[0], sizes[-1]
    for fixed in range(sizes[1], largest + 1):
        if not all(_is_multiple(times[smallest], times[size], math.ceil(size / fixed)) for size in sizes):
            continue
        if fixed < largest:
            return EqualTimes(smallest, max(size for size in sizes if size <= fixed))
        if largest >= _LEAST_RANGE * smallest and times[smallest].log >= math.log(_LEAST_MS):
            return EqualTimes(smallest, largest)
    return None


def _estimate(rounds: Sequence[Sequence[float]], resolution_ms: float) -> _Time | None:
    """Estimate the time of a request; None if its scatter cannot be estimated."""
    logs, variances = [], []
    for passes in rounds:
        if min(passes, default=0.0) <= 0 or (sigma := pass_sigma(passes)) is None:
            continue
        logs.append(round_statistic(passes))
        variances.append(sigma**2 * round_variance(len(passes)))
    if not logs:
        return None
    log = math.fsum(logs) / len(logs)
    return _Time(log, math.fsum(variances) / len(logs) ** 2, math.log1p(resolution_ms / math.exp(log)))


def _is_multiple(one: _Time, other: _Time, pieces: int) -> bool:
    """Whether a request takes `pieces` times as long as another one, with 95 % confidence."""
    uncertainty = _QUANTILE * math.sqrt(one.variance + other.variance) + max(one.rounding, other.rounding)
    return one is other or abs(other.log - one.log - math.log(pieces)) + uncertainty <= _EQUAL
