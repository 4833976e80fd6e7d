"""How one platform is measured and judged: what the settings come to for the runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ddperf.baselines import PlatformBaseline
    from pytest_ddperf.catalog import Platform
    from pytest_ddperf.measure import Plan
    from pytest_ddperf.nights import Nights
    from pytest_ddperf.server_options import ServerOptions


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """How one platform is measured and judged.

    Args:
        timer: the clock asked for: auto, predict, head or client.
        tolerance: relative.
        baseline: what its cells are held against.
        nights: its history; None for none.
        least_rounds: rounds a cell at least.
        tune: whether the board's clocks are set to their highest meanwhile.
        load_requests: of a pass under load: of each client, or of all at a rate; None for the defaults.
    """

    platform: Platform
    server: ServerOptions
    passes: Plan
    timer: str
    tolerance: float
    baseline: PlatformBaseline
    nights: Nights | None = None
    least_rounds: int = 1
    tune: bool = False
    load_requests: int | None = None
