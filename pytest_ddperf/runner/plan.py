"""How one platform is measured and judged: the settings as the runner uses them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.core.records import Clock, Conditions, Unavailable
from pytest_ddperf.core.service_parameters import TENSORRT
from pytest_ddperf.gate.pairs import MAX_PAIRS
from pytest_ddperf.history.nights import Nights, read_nights
from pytest_ddperf.history.run_file import describe_night
from pytest_ddperf.measure.loop import Plan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import Baseline, CellKey, Night
    from pytest_ddperf.core.scenarios import Scenario
    from pytest_ddperf.servers.services import OpenService

UNKNOWN_MS = 100.0
"""Assumed milliseconds per image of a cell without a baseline, for ordering servers by their duration."""

RECORDED_ROUNDS = 3
"""Minimum rounds per cell with --ddperf-update-baselines; a single round does not show its own bias."""


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """How one platform is measured and judged.

    Args:
        tolerance: relative.
        baseline: the baselines with which its cells are compared; `Unavailable` for cells marked `x`.
        history: its whole history, which shows on which night a cell became slower; empty with a reference server.
        night: the run itself.
        nights: its history for each cell since it was recorded, to detect slow creep; None if no baseline is of it.
        least_rounds: minimum rounds per cell, whatever the gate decides: recording a baseline needs more of them.
        recorded: if the run records accepted cells, the cells for which the file already has values; else None. The
            first recording of a cell is never regressed or unstable, because a published table is of another board.
        tune: whether the board's clocks are set to their highest during the measurement.
        load_requests: requests per pass under load: of each client, or in total at a fixed rate; None for the defaults.
        against: the reference server, if its cells are measured in pairs; else None.
        is_self: whether the reference is a second service on the server under test.
        max_pairs: maximum number of pairs of a cell.
        seed: seed of the order within the pairs.
    """

    platform: Platform
    server: ServerOptions
    passes: Plan
    tolerance: float
    baseline: Mapping[CellKey, Baseline | Unavailable]
    history: Nights
    night: Night
    nights: Nights | None = None
    least_rounds: int = 1
    recorded: Collection[CellKey] | None = None
    tune: bool = False
    load_requests: int | None = None
    against: ServerOptions | None = None
    is_self: bool = False
    max_pairs: int = MAX_PAIRS
    seed: int = 0

    @property
    def is_one_server(self) -> bool:
        """Whether the reference is a service of the server under test; two embedded servers are two processes."""
        return self.is_self or (self.against is not None and self.against.is_same_server(self.server))

    @property
    def shares_memory(self) -> bool:
        """Whether the reference runs on the same host."""
        return self.against is None or self.server.is_same_host(self.against)

    @property
    def locks(self) -> list[str]:
        """The servers to lock, in an order that is the same in every run."""
        return sorted({one.identity for one in (self.server, self.against) if one is not None})

    def for_reference(self) -> PlatformPlan:
        """Return the plan of the reference, which has the commands and sensors of no board."""
        assert self.against is not None  # noqa: S101 - the caller's part
        platform = replace(self.platform, before=(), after=(), telemetry=None, cool_to_c=None)
        return replace(self, platform=platform, server=self.against, against=None, is_self=False, tune=False)

    def conditions(
        self, service: OpenService, image_route: str, scenario: Scenario | None, batch_size: int | None
    ) -> Conditions:
        """Return the conditions of a service's cells; `measure_cell` replaces the clock by the gated one.

        Args:
            service: the measured service.
            image_route: how images get to the server.
            scenario: the scenario of a cell under load; None for plain latency.
            batch_size: images per request, where the backend runs each request as one batch; else None.
        """
        parameters = self.server.of(service.model).parameters.restrict_to(service.mllib)
        return Conditions(
            clock=Clock.PREDICT,
            backend=service.mllib,
            datatype=service.datatype,
            width=service.width,
            height=service.height,
            gpu=service.gpu,
            image_route=image_route,
            preparation=parameters.preparation(created=service.created),
            engine=service.engine,
            requests=None if scenario is None else scenario.requests(self.load_requests),
            template=service.template,
            settings=parameters.settings(created=service.created, gpu=service.gpu, under_load=scenario is not None),
            run_as="" if batch_size is None else f"one batch of {batch_size}",
        )

    def remarks(self, model: str, conditions: Conditions) -> list[str]:
        """Return notes on the parameters of a network's service: those without effect, and what misleads."""
        parameters = self.server.of(model).parameters
        ignored = parameters.describe_ignored(conditions.backend)
        set_by_user = self.platform.overridden.union(self.platform.knobs.get(model, {}))
        # the package's `gpu` describes the board of the table; another device is a note of its own
        remarks = [note for name, note in ignored.items() if name != "gpu" or name in set_by_user]
        if parameters.gpuid and not conditions.gpu and "gpuid" not in ignored:
            remarks.append(f"gpuid = {parameters.gpuid} has no effect: the service runs on a CPU")
        if conditions.datatype == "int8" and conditions.backend.lower() == TENSORRT:
            remarks.append("int8 runs without calibration on servers from v0.28 on: do not trust its predictions")
        return remarks

    def marked_unavailable(self, key: CellKey) -> Unavailable | None:
        """Return the `x` entry of a cell in the baseline, None if there is none."""
        found = self.baseline.get(key)
        if isinstance(found, Unavailable):
            return found
        # a cell unavailable with one client is unavailable under load
        return self.marked_unavailable(replace(key, scenario="")) if key.scenario else None

    def expected(self) -> set[CellKey]:
        """Return the cells for which the baseline has a value."""
        return {key for key, entry in self.baseline.items() if not isinstance(entry, Unavailable)}

    def expected_ms(self, key: CellKey) -> float:
        """Return the expected duration of a prediction from the cell's baseline, milliseconds; a guess without one.

        A cell under load is assumed to take as long as the same cell without load.
        """
        found = self.baseline.get(replace(key, scenario=""))
        if isinstance(found, Unavailable):
            return 0.0
        return key.batch_size * (UNKNOWN_MS if found is None else found.value_ms)


def create_plans(settings: Settings, started: datetime, commit: object) -> tuple[dict[str, PlatformPlan], list[str]]:
    """Create the plan of each measured platform.

    Args:
        settings: the settings of the run.
        started: when the run started, UTC.
        commit: pytest-benchmark's facts of the tested commit.

    Returns:
        The plans by platform, and a warning for each file of the history that was skipped.

    Raises:
        ConfigurationError: a baseline cannot be read.
    """
    store = BaselineStore(settings.catalog, project_dir=settings.project_dir)
    kind, mode = settings.value("baseline"), settings.value("update-baselines")
    seed = settings.value("pair-seed")
    seed = secrets.randbelow(2**32) if seed is None else seed
    plans: dict[str, PlatformPlan] = {}
    problems: dict[str, None] = {}
    for platform in settings.platforms:
        reference = settings.reference(platform)
        history = read_nights(settings.storage_dir, platform) if reference is None else Nights(platform)
        nights = history if kind in ("auto", "history") else None
        problems |= dict.fromkeys(history.skipped)
        plans[platform] = PlatformPlan(
            platform=settings.catalog.platform(platform),
            server=settings.server_options(platform),
            passes=Plan(
                settings.value("warmup"),
                settings.value("npasses"),
                settings.value("max-passes"),
                settings.value("timer"),
            ),
            tolerance=settings.value("tolerance", platform),
            baseline=store.load(platform, kind, nights, settings.folder_of("baseline")),
            history=history,
            night=describe_night(started.isoformat(timespec="seconds"), commit),
            nights=None if nights is None else nights.after(store.recorded_since(platform)),
            tune=bool(settings.value("tune")),
            least_rounds=1 if mode is None else RECORDED_ROUNDS,
            recorded=store.recorded_cells(platform) if mode == "accepted" else None,
            load_requests=settings.value("load-requests", platform),
            against=None if reference is None else reference.server_options(platform),
            is_self=settings.is_own_reference(platform),
            max_pairs=settings.value("max-pairs"),
            seed=seed,
        )
    return plans, list(problems)
