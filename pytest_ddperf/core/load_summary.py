"""What the requests of a cell under load add up to: throughput, percentiles, whether the server kept up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.percentiles import (  # read at run time, from the fields of LoadSummary
    Percentile,
    compute_percentiles,
)
from pytest_ddperf.core.scenarios import Scenario, format_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.records import CellKey, LoadPass, Measurement


KEPT_UP: Final = 0.9
"""Share of the rate asked for from which a server is said to have kept up: over so few requests a queue that is there
for a moment looks like one that grows."""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What the requests of a cell under load tell, all passes of all rounds together.

    Args:
        scenario: `c4`, `r20`.
        requests: how many there were.
        percentiles: of their latencies, milliseconds for a request; those that so many requests can tell.
        requests_per_second: answered.
        asked_per_second: that were to be sent; None where each client waits for its answer.
        outstanding: the most that were due and not answered at the same time.
    """

    scenario: str
    requests: int
    percentiles: tuple[Percentile, ...]
    requests_per_second: float
    asked_per_second: float | None = None
    outstanding: int = 0

    @property
    def kept_up(self) -> bool | None:
        """Whether the server answered as fast as it was asked; None where each client waits for its answer."""
        if self.asked_per_second is None:
            return None
        return self.requests_per_second >= KEPT_UP * self.asked_per_second

    @property
    def shortfall(self) -> str:
        """That the server did not keep up, in words; "" where it did."""
        if self.asked_per_second is None or self.kept_up:
            return ""
        return (
            f"the server did not keep up: of {format_rate(self.asked_per_second)} requests per second "
            f"{self.requests_per_second:.3g} were answered, and up to {self.outstanding} waited at once; for how long "
            "depends on how many a pass has"
        )


def summarise_load(measurement: Measurement | None) -> LoadSummary | None:
    """What a cell's requests tell; None for plain latency, for no known load, and where nothing was measured."""
    if measurement is None or not measurement.load:
        return None
    passes = measurement.load
    try:
        scenario = Scenario.parse(measurement.key.scenario)
    except ValueError:  # of a file that somebody else wrote
        return None
    if scenario is None:
        return None
    latencies_ms = [ms for one in passes for ms in one.latencies_ms]
    if scenario.rate is None:
        took_s = sum(one.took_s for one in passes)
        per_second = len(latencies_ms) / took_s if took_s > 0 else 0.0
    else:
        per_second = _answered_per_second(passes, scenario.rate)
    return LoadSummary(
        scenario=scenario.id,
        requests=len(latencies_ms),
        percentiles=compute_percentiles(latencies_ms),
        requests_per_second=per_second,
        asked_per_second=scenario.rate,
        outstanding=max(one.outstanding for one in passes),
    )


def _answered_per_second(passes: Sequence[LoadPass], rate: float) -> float:
    """The rate asked for, by how much longer the answers took than the requests, first to last.

    Between the first and the last of n requests lie as many gaps as between their answers: a server that keeps up needs
    the same time for both, however long each answer takes. One that answers them faster than they came had a slow
    first one; it was not asked for more than the rate.
    """
    asked_s = sum(one.due_s or 0.0 for one in passes)
    answered_s = sum(one.answered_s for one in passes)
    return rate if answered_s <= asked_s else rate * asked_s / answered_s


def compute_images_per_second(key: CellKey, now_ms: float | None, load: LoadSummary | None) -> float | None:
    """The throughput of a cell; None where it is not known: a latency at a given rate does not tell it.

    Args:
        key: the cell.
        now_ms: milliseconds per image, as gated.
        load: what its requests tell, where it is a cell under load.
    """
    if load is not None and load.asked_per_second is not None:
        return load.requests_per_second * key.batch_size
    if key.scenario.startswith("r"):
        return None
    return 1000 / now_ms if now_ms else None
