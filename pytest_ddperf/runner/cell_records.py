"""The records of a platform's cells: the verdict on a measurement, or why there is none, with notes."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Baseline, CellRecord
from pytest_ddperf.core.scenarios import describe_scenario
from pytest_ddperf.core.service_parameters import TORCH
from pytest_ddperf.models.folder import digests
from pytest_ddperf.runner.budgets import judge_budget
from pytest_ddperf.runner.fixed_batches import FixedBatches
from pytest_ddperf.runner.judge import Judge, classify_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.core.budgets import Budget
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import CellKey, Conditions, Measurement, ServerFacts
    from pytest_ddperf.core.scenarios import Scenario
    from pytest_ddperf.errors import DdperfError
    from pytest_ddperf.runner.plan import PlatformPlan
    from pytest_ddperf.servers.services import OpenService


class CellRecords:
    """The records of one platform's cells.

    Attributes:
        facts: facts of its server; None until it was opened.
        services: the service that was measured last, by network.
        fixed_batches: the networks that were exported with a fixed batch.
    """

    def __init__(self, plan: PlatformPlan, networks: Mapping[str, Network], say: Callable[[str], None]) -> None:
        self.facts: ServerFacts | None = None
        self.services: dict[str, OpenService] = {}
        self._conditions = functools.cache(plan.conditions)
        self._remarks = functools.cache(plan.remarks)
        self._plan = plan
        self._networks = networks
        self._say = say
        self._judge = Judge(plan, networks)
        self._digests = functools.cache(digests)
        self._new_version = ""
        self.fixed_batches = FixedBatches()

    def conditions(
        self, service: OpenService, image_route: str, scenario: Scenario | None, batch_size: int
    ) -> Conditions:
        """Return the conditions of a cell, which share one object for as many cells as possible.

        Args:
            service: its service.
            image_route: how images get to the server.
            scenario: its scenario under load; None for plain latency.
            batch_size: images per request.
        """
        is_one_batch = batch_size > 1 and service.mllib.lower() == TORCH
        return self._conditions(service, image_route, scenario, batch_size if is_one_batch else None)

    def update_facts(self, facts: ServerFacts) -> None:
        """Record what the server reports about itself; another version is noted in later records."""
        before, self.facts = self.facts, facts
        if before is not None and (before.version, before.commit) != (facts.version, facts.commit):
            self._new_version = (
                f"the server's version changed during the run, from {_version(before)} to {_version(facts)}"
            )
            self._say(f"ddperf: {self._plan.platform.id}: {self._new_version}; later cells are of the new version")

    def network_files(self, model: str) -> dict[str, str]:
        """Return the file digests of a user's own network, computed once; empty for other networks."""
        path = self._networks[model].path
        return {} if path is None else self._digests(Path(path))

    def judge(self, measurement: Measurement, nodeid: str, budget: Budget, figures: int) -> CellRecord:
        """Judge the measurement of a cell.

        Args:
            measurement: everything measured of it in this run.
            nodeid: node id of its test.
            budget: its absolute limits.
            figures: number of figures with a limit in the whole run.
        """
        model = measurement.key.model
        service = self.services.get(model)  # None for a measurement that was made elsewhere
        choice, about_service = ("", ()) if service is None else (service.choice, service.notes)
        record = self._judge.judge(measurement, nodeid, self.facts, choice)
        if not measurement.invalid:
            record = judge_budget(record, measurement, budget, figures, self._plan.max_pairs)
        notes = (
            *about_service,
            *self._remarks(model, measurement.conditions),
            self.fixed_batches.describe(measurement),
            self._new_version,
        )
        return replace(record, notes=(*record.notes, *filter(None, notes))) if any(notes) else record

    def record_failure(
        self, key: CellKey, nodeid: str, error: DdperfError, measured: Measurement | None = None
    ) -> CellRecord:
        """Return the record of a cell that could not be measured; its earlier measurement in this run is kept."""
        found = self._plan.baseline.get(key)
        # under a requested load, and where a reference server runs the same, a failure is a result without a baseline
        expected = bool(key.scenario) or isinstance(found, Baseline) or (self._plan.against is not None and not found)
        outcome, what = classify_failure(error, expected=expected)
        load = f" with {describe_scenario(key.scenario)}" if key.scenario else ""
        return CellRecord(
            key=key,
            nodeid=nodeid,
            outcome=outcome,
            reason=f"{key} {what}{load}: {error}",
            measurement=measured,
            server=self.facts,
            cause=error.cause,
            detail=str(error),
        )


def _version(facts: ServerFacts) -> str:
    return f"{facts.version} (commit {facts.commit[:8]})"
