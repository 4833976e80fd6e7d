"""The night of a simulated step, as the gate finds it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_ddperf.gate.steps import find_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.gate.verdicts import Verdict


def locate_step(values: Sequence[float], verdicts: Sequence[Verdict], tolerance: float) -> int | None:
    """How many nights after the true one the step of a cell is found; None if it is not red on the last night.

    Args:
        values: logarithm of each night, first the good ones, then the slow ones.
        verdicts: of the gate on each of the slow nights.
        tolerance: relative.
    """
    good, last = len(values) - len(verdicts), verdicts[-1]
    if last.outcome != "regressed" or last.change is None or last.resolution is None:
        return None
    red = [False] * good + [one.outcome == "regressed" for one in verdicts[:-1]]
    change, resolution = math.log1p(last.change), math.log1p(last.resolution)
    return find_step(values, change, resolution, math.log1p(tolerance), red) - good
