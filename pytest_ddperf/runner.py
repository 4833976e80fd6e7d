"""From a cell to its record: server opened, service made, rounds measured, gate asked. Without pytest."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import platformdirs

from pytest_ddperf.boards import Board
from pytest_ddperf.errors import DdperfError, ServerGoneError, ServerUnreachableError
from pytest_ddperf.judging import Judge
from pytest_ddperf.measure import measure_cell
from pytest_ddperf.records import CellRecord, Clock, ColdStart, Conditions, Outcome, Unavailable
from pytest_ddperf.server_url import display_url, server_name
from pytest_ddperf.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_ddperf.baselines import PlatformBaseline
    from pytest_ddperf.catalog import Network, Platform
    from pytest_ddperf.measure import Plan, Progress
    from pytest_ddperf.nights import Nights
    from pytest_ddperf.records import CellKey, Measurement, ServerFacts
    from pytest_ddperf.targets import Batch, OpenService, ServerOptions


UNKNOWN_MS = 100.0
"""Milliseconds an image of a cell without a baseline, where servers are put into an order by how long they take."""


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


class Runner:
    """Measures and judges cells; opens each platform's server when it is first needed.

    One server at a time is open: it is given back when another platform's turn comes. So two runs that measure the same
    servers in opposite order never wait for each other, and platforms that share a server take turns.

    Args:
        plans: the platforms, by id.
        networks: by id.
        say: takes a line for a person who waits.
        run_id: the same in all processes of a run, "" where there is one only.
    """

    def __init__(
        self,
        plans: Mapping[str, PlatformPlan],
        networks: Mapping[str, Network],
        say: Callable[[str], None],
        run_id: str = "",
    ) -> None:
        self._plans = plans
        self._networks = networks
        self._boards = {
            name: Board(
                plan.platform,
                display_url(plan.server.url),
                say,
                gpuid=plan.server.gpuid,
                tune=plan.tune,
                marker=_marker(run_id, name) if run_id else None,
            )
            for name, plan in plans.items()
        }
        self._targets = {name: Target(plan.server, say, self._boards[name]) for name, plan in plans.items()}
        self._facts: dict[str, ServerFacts] = {}
        self._open: str | None = None
        self._down: dict[str, DdperfError] = {}
        self._gone: set[str] = set()
        self._warm: dict[str, OpenService] = {}
        self._judges = {
            name: Judge(
                plan.platform, plan.tolerance, plan.baseline, nights=plan.nights, least_rounds=plan.least_rounds
            )
            for name, plan in plans.items()
        }

    def open(self, platform: str) -> ServerFacts:
        """The facts of a platform's server, opened where it is not yet. A server that was down is not asked again.

        One that was there and vanished is asked once more by each further cell, quickly.

        Raises:
            ServerGoneError: it was there, and does not answer any more.
            ServerError: nothing answers.
            HookError: a command that is to run before its cells failed.
            ConfigurationError: the options do not fit the server.
        """
        if platform in self._down:
            raise self._down[platform]
        if platform in self._gone:
            self._come_back(platform)
        if self._open not in {None, platform}:
            self._targets[str(self._open)].close()
        self._open = platform
        try:
            facts = self._targets[platform].open()
        except DdperfError as error:
            self._down[platform] = self._of_a_gone_one(platform, error)
            raise self._down[platform] from error
        self._facts[platform] = facts
        return facts

    def _of_a_gone_one(self, platform: str, error: DdperfError) -> DdperfError:
        """A server that is down, unless it vanished while another platform that shares it was measured."""
        name = server_name(self._plans[platform].server.url)
        if not any(server_name(self._plans[other].server.url) == name for other in self._gone):
            return error
        return ServerGoneError(f"The server was there, and vanished in the middle of the run: {error}")

    def mark_down(self, platform: str, error: DdperfError) -> None:
        """Take note of a server that cannot be measured: its cells are not tried."""
        self._down[platform] = error

    def _come_back(self, platform: str) -> None:
        target = self._targets[platform]
        if not target.is_up():
            raise ServerGoneError(
                "The server was there at the start of the run, vanished in the middle, and still does not answer",
                url=self._facts[platform].url,
            )
        self._gone.discard(platform)
        target.close()  # its services may be gone: everything anew

    def _raise_gone(self, platform: str, error: ServerUnreachableError) -> NoReturn:
        """What became of a request without an answer: a server that still answers others was only slow."""
        cut = isinstance(error, ServerGoneError)
        if not cut and self._targets[platform].is_up():
            raise error
        self._gone.add(platform)
        if cut:
            raise error
        raise ServerGoneError(f"The server vanished in the middle of the run: {error}") from error

    def marked_unavailable(self, key: CellKey) -> Unavailable | None:
        """The `x` of a cell in its baseline."""
        found = self._plans[key.platform].baseline.lookup(key)
        return found if isinstance(found, Unavailable) else None

    def predict_once(self, key: CellKey) -> None:
        """One checked prediction; nothing is recorded.

        Raises:
            ServerError: it failed, or its answer is not the one to the request.
        """
        batch = self._batch(key)[1]
        try:
            batch.predict()
        except ServerUnreachableError as error:
            self._raise_gone(key.platform, error)

    def measure(
        self, key: CellKey, progress: Callable[[Progress], None] | None, earlier: Measurement | None = None
    ) -> Measurement:
        """Measure one round of a cell.

        Args:
            key: the cell.
            progress: told before every prediction; None where nobody looks.
            earlier: what was measured of it in this run; the new round is added.

        Raises:
            ServerError: the server failed, or answered something else.
            ConfigurationError: there are too few images, or the clock asked for is not told.
        """
        plan = self._plans[key.platform]
        try:
            return self._measure(key, plan, progress, earlier)
        except ServerUnreachableError as error:
            if key.platform in self._down or key.platform in self._gone:
                raise
            self._raise_gone(key.platform, error)

    def _measure(
        self,
        key: CellKey,
        plan: PlatformPlan,
        progress: Callable[[Progress], None] | None,
        earlier: Measurement | None,
    ) -> Measurement:
        board = self._boards[key.platform]
        service, batch = self._batch(key)
        board.ready()
        cold_start = None if service.create_ms is None else ColdStart(create_ms=service.create_ms)
        if service.created and self._warm.get(key.platform) is not service:
            first = batch.predict(plan.server.cold_start_timeout_s)
            cold_start = ColdStart(service.create_ms, first.client_ms)
            self._warm[key.platform] = service
        conditions = Conditions(
            clock=Clock.PREDICT,  # measure_cell puts the gated one here
            backend=service.mllib or plan.server.mllib,
            datatype=service.datatype,
            width=service.width,
            height=service.height,
            gpu=service.gpu,
            image_route=self._targets[key.platform].images.route,
        )
        began_s = time.time()
        measured = measure_cell(
            batch.endpoint,
            plan.passes,
            key=key,
            conditions=conditions,
            preferred=plan.timer,
            earlier=earlier,
            cold_start=earlier.cold_start if earlier else cold_start,
            check=batch.check,
            condemn=lambda round_: board.condemned(round_.started_s, time.time()),
            now=time.time,
            progress=progress,
        )
        telemetry = board.telemetry(began_s, time.time(), earlier)
        return measured if telemetry is None else replace(measured, telemetry=telemetry)

    def _batch(self, key: CellKey) -> tuple[OpenService, Batch]:
        self.open(key.platform)
        target = self._targets[key.platform]
        service = target.service_for(self._networks[key.model])
        return service, target.batch(service, key.batch_size)

    def judge(self, measurement: Measurement, nodeid: str) -> CellRecord:
        """The verdict on what was measured of a cell."""
        platform = measurement.key.platform
        return self._judges[platform].judge(measurement, nodeid, self._facts.get(platform))

    def failed(self, key: CellKey, nodeid: str, error: DdperfError) -> CellRecord:
        """The record of a cell that could not be measured."""
        crashed = isinstance(error, ServerGoneError)
        what = "crashed" if crashed else "could not be measured"
        return CellRecord(
            key=key,
            nodeid=nodeid,
            outcome=Outcome.CRASHED if crashed else Outcome.ERROR,
            reason=f"{key} {what}: {error}",
            server=self._facts.get(key.platform),
        )

    def unavailable(self, key: CellKey, nodeid: str, reason: str) -> CellRecord:
        """The record of a cell that is not measured on purpose."""
        return CellRecord(key=key, nodeid=nodeid, outcome=Outcome.UNAVAILABLE, reason=reason)

    def expected(self, platform: str) -> set[CellKey]:
        """The cells that a platform's baseline has a value for."""
        baseline = self._plans[platform].baseline
        return {key for key in baseline.cells() if not isinstance(baseline.lookup(key), Unavailable)}

    def expected_ms(self, key: CellKey) -> float:
        """How long a prediction of a cell may take, by its baseline: a guess where that has none."""
        found = self._plans[key.platform].baseline.lookup(key)
        if isinstance(found, Unavailable):
            return 0.0
        return key.batch_size * (UNKNOWN_MS if found is None else found.value_ms)

    def close(self) -> None:
        """Give every server back. May be called twice."""
        with contextlib.ExitStack() as stack:  # one that fails keeps no other from being given back
            for target in self._targets.values():
                stack.callback(target.close)
        self._open = None

    def make_up(self) -> None:
        """Put the boards back whose processes died before they could."""
        for board in self._boards.values():
            board.make_up()


def _marker(run_id: str, platform: str) -> Path:
    return platformdirs.user_cache_path("pytest-ddperf") / "begun" / f"{run_id}-{platform}"
