"""Summary of the requests of a cell under load: throughput, percentiles, whether the server kept up."""

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
"""Minimum share of the requested rate at which a server counts as having kept up. With so few requests a short-lived
queue looks like one that grows."""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Summary of the requests of a cell under load, over all passes of all rounds.

    Args:
        scenario: `c4`, `r20`.
        percentiles: percentiles of the latency in milliseconds per request, as far as the number of requests allows.
        requests_per_second: answered requests per second.
        asked_per_second: the requested rate; None in a closed loop.
        outstanding: maximum number of requests that were due and unanswered at the same time.
    """

    scenario: str
    requests: int
    percentiles: tuple[Percentile, ...]
    requests_per_second: float
    asked_per_second: float | None = None
    outstanding: int = 0

    @property
    def kept_up(self) -> bool | None:
        """Whether the server answered at the requested rate; None in a closed loop."""
        if self.asked_per_second is None:
            return None
        return self.requests_per_second >= KEPT_UP * self.asked_per_second

    @property
    def shortfall(self) -> str:
        """Statement that the server did not keep up; "" if it did."""
        if self.asked_per_second is None or self.kept_up:
            return ""
        return (
            f"the server did not keep up: it answered {self.requests_per_second:.3g} of "
            f"{format_rate(self.asked_per_second)} requests per second, and up to {self.outstanding} waited at once; "
            "the latency therefore depends on the number of requests in a pass"
        )


def summarise_load(measurement: Measurement | None) -> LoadSummary | None:
    """Summarise a cell's requests; None for plain latency, an unknown scenario, or if nothing was measured."""
    if measurement is None or not measurement.load:
        return None
    passes = measurement.load
    try:
        scenario = Scenario.parse(measurement.key.scenario)
    except ValueError:  # from a file not written by this plugin
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
    """The requested rate, scaled by (time from first to last request) / (time from first to last answer).

    There are as many gaps between n requests as between their answers, so a server that keeps up needs the same time
    for both, however long each answer takes. If the answers took less time than the requests, the first answer was
    slow; the rate is then the requested one.
    """
    asked_s = sum(one.due_s or 0.0 for one in passes)
    answered_s = sum(one.answered_s for one in passes)
    return rate if answered_s <= asked_s else rate * asked_s / answered_s


def compute_images_per_second(key: CellKey, now_ms: float | None, load: LoadSummary | None) -> float | None:
    """Throughput of a cell; None if unknown, as it cannot be derived from a latency at a given rate.

    Args:
        key: the cell.
        now_ms: milliseconds per image, as used by the gate.
        load: summary of its requests for a cell under load.
    """
    if load is not None and load.asked_per_second is not None:
        return load.requests_per_second * key.batch_size
    if key.scenario.startswith("r"):
        return None
    return 1000 / now_ms if now_ms else None
