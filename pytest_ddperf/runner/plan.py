"""How one platform is measured and judged: the settings as the runner uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Clock, Conditions

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_ddperf.baselines.store import PlatformBaseline
    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.core.scenarios import Scenario
    from pytest_ddperf.history.nights import Nights
    from pytest_ddperf.measure.loop import Plan
    from pytest_ddperf.servers.services import OpenService


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """How one platform is measured and judged.

    Args:
        timer: the requested clock: auto, predict, head or client.
        tolerance: relative.
        baseline: the baseline with which its cells are compared.
        nights: its history; None for no history.
        least_rounds: minimum rounds per cell.
        recorded: if the run records accepted cells, the cells for which the file already has values; else None.
        tune: whether the board's clocks are set to their highest during the measurement.
        load_requests: requests per pass under load: of each client, or in total at a fixed rate; None for the defaults.
    """

    platform: Platform
    server: ServerOptions
    passes: Plan
    timer: str
    tolerance: float
    baseline: PlatformBaseline
    nights: Nights | None = None
    least_rounds: int = 1
    recorded: Collection[CellKey] | None = None
    tune: bool = False
    load_requests: int | None = None

    def conditions(self, service: OpenService, *, image_route: str, scenario: Scenario | None) -> Conditions:
        """Return the conditions of a service's cells; `measure_cell` replaces the clock by the gated one.

        Args:
            service: the measured service.
            image_route: how images get to the server.
            scenario: the scenario of a cell under load; None for plain latency.
        """
        parameters = self.server.of(service.model).parameters
        return Conditions(
            clock=Clock.PREDICT,
            backend=service.mllib or parameters.mllib,
            datatype=service.datatype,
            width=service.width,
            height=service.height,
            gpu=service.gpu,
            image_route=image_route,
            preparation=parameters.preparation(created=service.created),
            engine=service.engine,
            requests=None if scenario is None else scenario.requests(self.load_requests),
        )
