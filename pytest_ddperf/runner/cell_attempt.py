"""One attempt at a cell: its first prediction, its round, its telemetry."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Clock, ColdStart, Measurement
from pytest_ddperf.core.scenarios import Scenario
from pytest_ddperf.measure.gc_pause import PausedCollection
from pytest_ddperf.measure.loop import measure_cell
from pytest_ddperf.servers.load_endpoint import LoadEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.records import CellKey, Round
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.deepdetect.timed import Timed
    from pytest_ddperf.measure.loop import Endpoint, Progress
    from pytest_ddperf.runner.platform_run import PlatformRun
    from pytest_ddperf.servers.batches import Batch
    from pytest_ddperf.servers.services import OpenService

_OF_SERVICE = attrgetter("backend", "datatype", "width", "height", "gpu", "template")
"""The conditions that distinguish services of the same name."""


class CellAttempt:
    """One attempt at a cell, once its service is open; the `Observer` of its measurement.

    Args:
        run: the cell's platform.
        key: the cell.
        service: its service.
        batch: its batch.

    Attributes:
        answered: whether the server has answered a prediction of this attempt.
    """

    def __init__(self, run: PlatformRun, key: CellKey, service: OpenService, batch: Batch) -> None:
        self._run = run
        self._key = key
        self._service = service
        self._batch = batch
        self._creation = service if service.template else None
        self._show: Callable[[Progress], None] | None = None
        self.answered = False

    def predict(self) -> None:
        """Make one checked prediction.

        Raises:
            ServerError: the prediction failed, or the response does not match the request.
        """
        self._predict_first() if self._is_cold else self._batch.predict()

    def measure(self, show: Callable[[Progress], None] | None, earlier: Measurement | None) -> Measurement:
        """Measure one round.

        Args:
            show: called before every prediction; None for no progress.
            earlier: the cell's earlier measurement; the round is added to it if the service is still the same.

        Raises:
            DdperfError: the round could not be measured.
        """
        self._show = show
        run, key = self._run, self._key
        scenario = Scenario.parse(key.scenario)
        run.board.ready()
        cold_start = self._time_cold_start()
        conditions = run.records.conditions(self._service, run.target.images.route, scenario, key.batch_size)
        if earlier is None or _OF_SERVICE(earlier.conditions) != _OF_SERVICE(conditions):
            earlier = None
            cell = Measurement(key, conditions, (), cold_start)
        else:
            cell = replace(earlier, conditions=replace(conditions, clock=earlier.conditions.clock))
        passes = run.plan.passes
        endpoint: contextlib.AbstractContextManager[Endpoint] = contextlib.nullcontext(self._batch.endpoint)
        if scenario is not None and conditions.requests is not None:
            passes = replace(passes, timer=Clock.CLIENT)
            endpoint = contextlib.closing(
                LoadEndpoint(
                    self._batch,
                    scenario,
                    conditions.requests,
                    run.target.connection.add_client,
                    patience_s=run.plan.server.timeout_s,
                )
            )
        began_s = time.time()
        with endpoint as measured_endpoint, PausedCollection() if scenario is None else contextlib.nullcontext():
            measured = measure_cell(measured_endpoint, passes, cell, self)
        telemetry = run.board.telemetry(began_s, time.time(), earlier)
        return replace(
            measured,
            telemetry=telemetry,
            network_files=run.records.network_files(key.model),
            model_stats=run.target.model_stats(self._service),
        )

    def _time_cold_start(self) -> ColdStart:
        """Make the first prediction of a service, unless it has been made."""
        create_ms = self._service.create_ms
        return ColdStart(create_ms, self._predict_first().client_ms) if self._is_cold else ColdStart(create_ms)

    @property
    def _is_cold(self) -> bool:
        return self._service.is_cold and self._run.warm is not self._service

    def _predict_first(self) -> Timed:
        first = self._batch.predict(self._run.plan.server.cold_start_timeout_s)
        self.answered = True
        self._run.health.compare(self._key, first.answer, self._creation)
        self._run.warm = self._service
        return first

    # called by the measuring loop

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def check(self, answer: Answer) -> None:
        """Check an answer against the request and the model's first answer."""
        self.answered = True
        self._batch.check(answer)
        self._run.health.compare(self._key, answer, self._creation)

    def reject(self, measured: Round) -> str:
        """Return why the board makes a round invalid, "" if it does not."""
        return self._run.board.rejection_reason(measured.started_s, time.time())

    def handle_restart(self) -> None:
        """Verify the restarted server's predictions."""
        self._run.health.suspect(self._key.platform, self._key.model)
        self._run.verify(self._key)

    def show_progress(self, progress: Progress) -> None:
        """Pass the progress on."""
        if self._show is not None:
            self._show(progress)
