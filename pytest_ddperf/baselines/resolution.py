"""The resolution of later runs against a recording, from the scatter of its own rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.gate.references import SUITE_FROM
from pytest_ddperf.gate.verdicts import Cell, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.records import Baseline, CellKey

_OTHER = Cell([[1.0]], 1.0)
"""A cell of another kind of baseline: it only counts as one more cell, of which none may be red by chance."""


def compute_resolutions(recorded: Mapping[CellKey, Baseline], tolerance: float) -> dict[CellKey, float]:
    """Compute the true slowdown at which a cell of a later run, made on a host as noisy, is red in 80 % of runs.

    The recording takes the place of the later run. Compared with itself it shows no spread between runs, so the cells
    are judged as those of small suites, for which the gate assumes that spread.

    Returns:
        The resolution of each cell that has a recorded round; relative, as the tolerance.
    """
    found: dict[CellKey, float] = {}
    for kind in sorted({key.scenario[:1] for key in recorded}):  # cells under load are judged apart
        keys = [key for key, one in recorded.items() if key.scenario[:1] == kind and one.runs]
        for first in range(0, len(keys), SUITE_FROM - 1):
            suite = keys[first : first + SUITE_FROM - 1]
            cells = [Cell(_rounds(recorded[key]), recorded[key].rounds) for key in suite]
            others = [_OTHER] * (len(keys) - len(suite))
            for key, verdict in zip(suite, judge([*cells, *others], tolerance), strict=False):
                if verdict.resolution is not None:
                    found[key] = verdict.resolution
    return found


def _rounds(baseline: Baseline) -> list[tuple[float, ...]]:
    """Return the rounds of the newest run of a baseline."""
    newest = baseline.rounds[-1]
    return [one for one in newest if isinstance(one, tuple)] or [baseline.runs[-1]]
