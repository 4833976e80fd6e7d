"""One attempt at a cell: its first prediction, its round, its telemetry."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Against, Clock, ColdStart, Measurement, ModelStats
from pytest_ddperf.core.scenarios import Scenario
from pytest_ddperf.gate.pairs import PAIRS_PER_ROUND
from pytest_ddperf.measure.gc_pause import PausedCollection
from pytest_ddperf.measure.loop import measure_cell
from pytest_ddperf.measure.pairs import REFERENCE, UNDER_TEST, Side, draw_orders, failures_of, measure_paired_cell
from pytest_ddperf.servers.load_endpoint import LoadEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ddperf.core.records import CellKey, Conditions, Round
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.measure.loop import Endpoint, Progress
    from pytest_ddperf.runner.platform_run import PlatformRun
    from pytest_ddperf.servers.batches import Batch
    from pytest_ddperf.servers.services import OpenService

_OF_SERVICE = attrgetter("backend", "datatype", "width", "height", "gpu", "template")
"""The conditions that distinguish services of the same name."""


class CellAttempt:
    """One attempt at a cell, once its service is open; the `Observer` of its measurement.

    Attributes:
        show_progress: called before every prediction; None to show none.
        answered: whether the server has answered a prediction of this attempt.
    """

    def __init__(self, run: PlatformRun, key: CellKey, service: OpenService, batch: Batch) -> None:
        self._run = run
        self._key = key
        self._service = service
        self._batch = batch
        self.show_progress: Callable[[Progress], None] | None = None
        self.answered = False

    @property
    def created(self) -> bool:
        """Whether we created the service."""
        return self._service.created

    def predict(self) -> None:
        """Make one checked prediction.

        Raises:
            ServerError: the prediction failed, or the response does not match the request.
        """
        self._predict_first() if self._is_cold else self._batch.predict()

    def measure(
        self, show: Callable[[Progress], None] | None, earlier: Measurement | None, least_requests: int
    ) -> Measurement:
        """Measure one round.

        Args:
            show: called before every prediction; None for no progress.
            earlier: the cell's earlier measurement; the round is added to it if the service is still the same.
            least_requests: requests that a round under load makes at least.

        Raises:
            DdperfError: the round could not be measured.
        """
        self.show_progress = show
        run, key = self._run, self._key
        scenario = Scenario.parse(key.scenario)
        run.board.ready()
        cold_start = self._time_cold_start()
        conditions = self._conditions(scenario)
        if earlier is None or _OF_SERVICE(earlier.conditions) != _OF_SERVICE(conditions):
            earlier = None
            cell = Measurement(key, conditions, (), cold_start)
        else:
            cell = replace(earlier, conditions=replace(conditions, clock=earlier.conditions.clock))
        passes = run.plan.passes
        endpoint: contextlib.AbstractContextManager[Endpoint] = contextlib.nullcontext(self._batch)
        if scenario is not None:
            passes = replace(passes, timer=Clock.CLIENT)
            endpoint = contextlib.closing(
                LoadEndpoint(
                    self._batch,
                    scenario,
                    scenario.requests(run.plan.load_requests, least_requests, passes.npasses),
                    run.target.connection.add_client,
                    patience_s=run.plan.server.timeout_s,
                )
            )
        began_s = time.time()
        with endpoint as measured_endpoint, PausedCollection() if scenario is None else contextlib.nullcontext():
            measured = measure_cell(measured_endpoint, passes, cell, self)
        return self._with_facts(measured, began_s, earlier)

    def measure_against(
        self, other: CellAttempt, show: Callable[[Progress], None] | None, earlier: Measurement | None
    ) -> Measurement:
        """Measure one round of pairs; it is added to the earlier measurement if both services are still the same.

        `other` is the attempt at the cell on the reference server; `show` is called before every pair.

        Raises:
            SideFailedError: one of the servers failed.
            TimingError: no clock can be used on both sides.
        """
        self.show_progress = show
        run, key = self._run, self._key
        with failures_of(UNDER_TEST):
            run.board.ready()
            cold_start = self._time_cold_start()
        with failures_of(REFERENCE):
            other._time_cold_start()
        conditions, theirs = self._conditions(None), other._conditions(None)
        before = None if earlier is None else earlier.against
        if (
            earlier is None
            or before is None
            or _OF_SERVICE(earlier.conditions) != _OF_SERVICE(conditions)
            or _OF_SERVICE(before.conditions) != _OF_SERVICE(theirs)
        ):
            earlier, seed = None, run.plan.seed
            cell = Measurement(key, conditions, (), cold_start)
            before = Against(other._run.target.open(), other._service.name, theirs, seed=seed)
        else:
            cell = replace(earlier, conditions=replace(conditions, clock=earlier.conditions.clock))
        cell = replace(cell, against=before)
        orders = draw_orders(PAIRS_PER_ROUND, f"{before.seed} {key} {len(cell.rounds)}")
        sides = Side(self._batch, self), Side(other._batch, other)
        began_s = time.time()
        with PausedCollection():
            measured = measure_paired_cell(sides, run.plan.passes, cell, orders, one_server=run.plan.is_one_server)
        against = replace(measured.against or before, notes=tuple(self._compare_sides(other)))
        return replace(self._with_facts(measured, began_s, earlier), against=against)

    def _conditions(self, scenario: Scenario | None) -> Conditions:
        run = self._run
        route, batch_size = run.target.images.route, self._key.batch_size
        return run.records.conditions(self._service, route, scenario, batch_size)

    def _with_facts(self, measured: Measurement, began_s: float, earlier: Measurement | None) -> Measurement:
        """Return a measurement with the board's sensor values and what is known of the network."""
        run, described = self._run, self._run.target.describe_service()
        return replace(
            measured,
            telemetry=run.board.telemetry(began_s, time.time(), earlier),
            network_files=run.records.network_files(self._key.model),
            model_stats=ModelStats() if described is None else described.model_stats,
        )

    def _compare_sides(self, other: CellAttempt) -> Iterator[str]:
        """Yield what limits a comparison with the other server."""
        ours, theirs = self._service, other._service
        kept = [name for one, name in ((ours, "the server under test"), (theirs, "the reference")) if not one.created]
        if kept and self._run.plan.is_one_server and ours.name == theirs.name:
            yield f"the service {ours.name} already existed and is asked twice"
        elif kept:
            verb = "is" if len(kept) == 1 else "are"
            yield (
                f"the service of {' and that of '.join(kept)} already existed and {verb} not recreated between rounds: "
                "differences of start-up cannot be distinguished from a change"
            )
        difference = self._run.health.describe_difference(self._key, other._run.health)
        if difference:
            yield f"the predictions of the two servers differ, the reference's first: {difference}"

    def _time_cold_start(self) -> ColdStart:
        """Make the first prediction of a service, unless it has been made."""
        create_ms = self._service.create_ms
        return ColdStart(create_ms, self._predict_first()) if self._is_cold else ColdStart(create_ms)

    @property
    def _is_cold(self) -> bool:
        return self._service.is_cold and self._run.target.warm is not self._service

    def _predict_first(self) -> float:
        """Make the first prediction of the service, and return its time by the client's clock, milliseconds."""
        first = self._batch.predict(self._run.plan.server.cold_start_timeout_s)
        self.check(first.answer)
        self._run.target.warm = self._service
        return first.client_ms

    # called by the measuring loop

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def check(self, answer: Answer) -> None:
        """Compare an answer with the model's first answer."""
        self.answered = True
        creation = self._service if self._service.template else None
        self._run.health.compare(self._key, answer, creation, task=self._service.task)

    def reject(self, measured: Round) -> str:
        """Return why the board makes a round invalid, "" if it does not."""
        return self._run.board.rejection_reason(measured.started_s, time.time())

    def handle_restart(self) -> None:
        """Verify the restarted server's predictions."""
        self._run.health.suspect(self._key.platform, self._key.model)
        self._run.verify(self._key)
