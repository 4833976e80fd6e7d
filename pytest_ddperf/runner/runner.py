"""From a cell to its record: open the server, create the service, measure rounds, ask the gate. Without pytest."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pytest_ddperf.boards.board import Board, marker_path
from pytest_ddperf.core.records import Baseline, CellRecord, Clock, ColdStart, Conditions, Outcome, Unavailable
from pytest_ddperf.core.scenarios import Scenario, describe_scenario
from pytest_ddperf.deepdetect.url import format_display_url, identify_server
from pytest_ddperf.errors import (
    DdperfError,
    GatewayError,
    NoConnectionError,
    ServerGoneError,
    ServerOutOfMemoryError,
    ServerUnreachableError,
    ServiceGoneError,
    ServiceNotFoundError,
)
from pytest_ddperf.measure.gc_pause import PausedCollection
from pytest_ddperf.measure.loop import measure_cell
from pytest_ddperf.models.folder import digests
from pytest_ddperf.runner.judge import Judge, classify_failure, explain_gone_server
from pytest_ddperf.runner.outages import Outages, describe_gone_service
from pytest_ddperf.runner.unfinished_requests import UnfinishedRequests
from pytest_ddperf.servers.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import CellKey, Measurement, ServerFacts
    from pytest_ddperf.deepdetect.protocol import Answer, Info
    from pytest_ddperf.measure.loop import Endpoint, Progress
    from pytest_ddperf.runner.plan import PlatformPlan
    from pytest_ddperf.servers.services import Batch, OpenService


T = TypeVar("T")

_OF_SERVICE = attrgetter("backend", "datatype", "width", "height", "gpu")
"""The conditions that distinguish services of the same name."""

UNKNOWN_MS = 100.0
"""Assumed milliseconds per image of a cell without a baseline, for ordering servers by their duration."""


class Runner:
    """Measures and judges cells; opens each platform's server when it is first needed.

    Only one server is open at a time: it is closed before another platform is measured. So two runs that measure the
    same servers in opposite order cannot deadlock, and platforms that share a server take turns.

    Args:
        plans: the platforms, by id.
        networks: the networks, by id.
        say: prints a line for the user.
        run_id: an id shared by all processes of a run, "" for a single process.
        clock: a monotonic clock and a sleep function, both in seconds, for waiting for vanished servers.
    """

    def __init__(
        self,
        plans: Mapping[str, PlatformPlan],
        networks: Mapping[str, Network],
        say: Callable[[str], None],
        run_id: str = "",
        clock: tuple[Callable[[], float], Callable[[float], None]] = (time.monotonic, time.sleep),
    ) -> None:
        self._plans = plans
        self._say = say
        self._networks = networks
        self._boards = {
            name: Board(
                plan.platform,
                format_display_url(plan.server.url),
                say,
                gpuid=plan.server.parameters.gpuid,
                tune=plan.tune,
                marker=marker_path(run_id, name) if run_id else None,
            )
            for name, plan in plans.items()
        }
        servers = {name: identify_server(plan.server.url) for name, plan in plans.items()}
        self._recovery = Outages(servers, now=clock[0], sleep=clock[1])
        self._abandoned = UnfinishedRequests(servers, say, now=clock[0], sleep=clock[1])
        self._targets = {
            name: Target(plan.server, say, self._boards[name], self._abandoned.in_flight(name))
            for name, plan in plans.items()
        }
        self._facts: dict[str, ServerFacts] = {}
        self._open: str | None = None
        self._down: dict[str, DdperfError] = {}
        self._begun = self._answered = False
        self._changed: dict[str, str] = {}
        self._warm: dict[str, OpenService] = {}
        self._network_files: dict[str, dict[str, str]] = {}
        self._known_conditions: dict[tuple[str, str, str], tuple[OpenService, Conditions]] = {}
        self._judges = {
            name: Judge(
                plan.platform,
                plan.tolerance,
                plan.baseline,
                nights=plan.nights,
                least_rounds=plan.least_rounds,
                recorded=plan.recorded,
            )
            for name, plan in plans.items()
        }

    def open(self, platform: str) -> ServerFacts:
        """Return the facts of a platform's server, opening it if necessary. A server marked as down is not asked again.

        A server that was up and vanished is waited for once, for the time set in the options; after that, each further
        cell makes one quick request.

        Raises:
            ServerGoneError: the server was up and no longer responds.
            ServerError: nothing responds.
            HookError: a command that runs before the cells failed.
            ConfigurationError: the options do not fit the server.
        """
        if platform in self._down:
            raise self._down[platform].fresh()
        target, before = self._targets[platform], self._facts.get(platform)
        if self._recovery.is_gone(platform):
            self._recovery.come_back(platform, target)
        if self._open not in {None, platform}:
            self._targets[str(self._open)].finish()
        self._open = platform
        was_there = before is not None or self._recovery.shares_a_gone_server(platform)
        try:
            facts = target.open(self._plans[platform].server.recovery_timeout_s if was_there else 0.0)
        except DdperfError as error:
            if was_there:
                error = explain_gone_server(error, self._recovery.cause_of_outage(platform, error.cause))
            self._down[platform] = error.fresh()
            raise self._down[platform].fresh() from error
        if before is not None and (before.version, before.commit) != (facts.version, facts.commit):
            self._note_change(
                platform,
                f"the server's version changed in the middle of the run, from {before.version} to {facts.version}",
            )
        self._facts[platform] = facts
        return facts

    def _note_change(self, platform: str, change: str) -> None:
        self._changed[platform] = change
        self._say(f"ddperf: {platform}: {change}; the cells from here on are those of the new one")

    def mark_down(self, platform: str, error: DdperfError) -> None:
        """Record that a server cannot be measured, so that its cells are skipped."""
        self._down[platform] = error

    def _raise_gone(self, key: CellKey, error: ServerUnreachableError | GatewayError) -> NoReturn:
        """Raise the error for a request without a response; a server that still responds to others was only slow."""
        platform, target = key.platform, self._targets[key.platform]
        before = target.client.latest_info if target.is_open else None
        cut = isinstance(error, ServerGoneError)
        if not cut and target.is_up():
            raise error
        vanished = "The server vanished in the middle of the run:"
        cause = error.cause if cut else f"{vanished} {error.cause}"
        self._vanished(platform, before, key if self._begun else None, str(error), cause)
        if cut:
            raise error
        raise ServerGoneError(f"{vanished} {error}", cause=cause) from error

    def _vanished(
        self, platform: str, info: Info | None, key: CellKey | None = None, error: str = "", cause: str = ""
    ) -> None:
        self._recovery.vanished(platform, info, key, error, cause)
        self._abandoned.forget(platform)

    def marked_unavailable(self, key: CellKey) -> Unavailable | None:
        """Return the `x` entry of a cell in its baseline, None if there is none."""
        found = self._plans[key.platform].baseline.lookup(key)
        if isinstance(found, Unavailable):
            return found
        # a cell unavailable with one client is unavailable under load
        return self.marked_unavailable(replace(key, scenario="")) if key.scenario else None

    def predict_once(self, key: CellKey) -> None:
        """Make one checked prediction; nothing is recorded.

        Raises:
            ServerError: the prediction failed, or the response does not match the request.
        """

        def predict() -> None:
            batch = self._batch(key)[1]
            self._begun = True
            batch.predict()

        self._whole(key, predict)

    def measure(
        self, key: CellKey, progress: Callable[[Progress], None] | None, earlier: Measurement | None = None
    ) -> Measurement:
        """Measure one round of a cell.

        Args:
            key: the cell.
            progress: called before every prediction; None for no progress.
            earlier: the cell's earlier measurement in this run; the new round is added to it.

        Raises:
            ServerError: the server failed, or returned something else.
            ConfigurationError: there are too few images, or the server does not report the requested clock.
        """
        plan = self._plans[key.platform]
        measured = self._whole(key, lambda: self._measure(key, plan, progress, earlier))
        if self._targets[key.platform].was_replaced():
            self._say(f"ddperf: {key}: its service is another one of the same name now; it is measured as what it is")
            measured = self._whole(key, lambda: self._measure(key, plan, progress, earlier))
        self._recovery.measured(key.platform)
        if change := self._targets[key.platform].refresh_facts():
            self._facts[key.platform] = self._targets[key.platform].open()
            self._note_change(key.platform, change)
        return measured

    def _whole(self, key: CellKey, once: Callable[[], T]) -> T:
        """Run `once`; repeat it if its service was deleted, or if the connection failed before any response.

        It is repeated at most once.

        Raises:
            DdperfError: the error of `once`, after the server's state was recorded.
        """
        for again in (False, True):
            self._begun = self._answered = False
            try:
                return once()
            except ServiceNotFoundError as error:
                if again:
                    raise ServiceGoneError(describe_gone_service(error)) from error
                if not self._begun:
                    raise
                self._say(f"ddperf: {key}: its service vanished from the server in the middle; it is made anew")
                self._targets[key.platform].forget_service()
                self._recovery.suspect(key.platform, key.model)
            except ServerOutOfMemoryError as error:
                self._recovery.exhausted(key, error)
                self._targets[key.platform].release_service()
                raise
            except (ServerUnreachableError, GatewayError) as error:
                if key.platform in self._down or self._recovery.is_gone(key.platform):
                    raise
                if self._answered or again or not isinstance(error, NoConnectionError):
                    self._raise_gone(key, error)
                self._vanished(key.platform, None)  # lost between two cells: the repetition waits for it
        raise AssertionError

    def _measure(
        self,
        key: CellKey,
        plan: PlatformPlan,
        progress: Callable[[Progress], None] | None,
        earlier: Measurement | None,
    ) -> Measurement:
        board = self._boards[key.platform]
        service, batch = self._batch(key)
        scenario = Scenario.parse(key.scenario)
        board.ready()
        cold_start = None if service.create_ms is None else ColdStart(create_ms=service.create_ms)
        self._begun = True
        if service.created and self._warm.get(key.platform) is not service:
            first = batch.predict(plan.server.cold_start_timeout_s)
            self._answered = True
            self._recovery.compare(key, first.answer)
            cold_start = ColdStart(service.create_ms, first.client_ms)
            self._warm[key.platform] = service
        conditions = self._conditions(plan, service, key, scenario)
        if earlier is not None and _OF_SERVICE(earlier.conditions) != _OF_SERVICE(conditions):
            earlier = None  # rounds of a different service are not combined

        def check(answer: Answer) -> None:
            self._answered = True
            batch.check(answer)
            self._recovery.compare(key, answer)

        def restarted() -> None:
            self._recovery.suspect(key.platform, key.model)
            self._believe(key)

        endpoint: contextlib.AbstractContextManager[Endpoint] = contextlib.nullcontext(batch.endpoint)
        if scenario is not None and conditions.requests is not None:
            endpoint = self._targets[key.platform].under_load(batch, scenario, conditions.requests)
        began_s = time.time()
        with endpoint as measured_endpoint, PausedCollection() if scenario is None else contextlib.nullcontext():
            measured = measure_cell(
                measured_endpoint,
                plan.passes,
                key=key,
                conditions=conditions,
                preferred=plan.timer if scenario is None else Clock.CLIENT,
                earlier=earlier,
                cold_start=earlier.cold_start if earlier else cold_start,
                check=check,
                condemn=lambda round_: board.rejection_reason(round_.started_s, time.time()),
                restarted=restarted,
                now=time.time,
                progress=progress,
            )
        telemetry = board.telemetry(began_s, time.time(), earlier)
        if telemetry is not None:
            measured = replace(measured, telemetry=telemetry)
        files = self._files_of(key.model)
        return replace(measured, network_files=files) if files else measured

    def _files_of(self, model: str) -> dict[str, str]:
        """Return the file digests of a user's own network, computed once per run; empty for other networks."""
        path = self._networks[model].path
        if path is not None and model not in self._network_files:
            self._network_files[model] = digests(Path(path))
        return self._network_files.get(model, {})

    def _conditions(
        self, plan: PlatformPlan, service: OpenService, key: CellKey, scenario: Scenario | None
    ) -> Conditions:
        """Return a cell's conditions except the clock; all cells of a service share one object."""
        place = key.platform, key.model, key.scenario
        known = self._known_conditions.get(place)
        if known is None or known[0] is not service:
            route = self._targets[key.platform].images.route
            known = service, plan.conditions(service, image_route=route, scenario=scenario)
            self._known_conditions[place] = known
        return known[1]

    def _batch(self, key: CellKey) -> tuple[OpenService, Batch]:
        self.open(key.platform)
        self._recovery.check_size(key)
        self._abandoned.settle(key.platform, self._targets[key.platform])
        self._believe(key)
        target = self._targets[key.platform]
        service = target.service_for(self._networks[key.model], key.batch_size)
        return service, target.batch(service, key.batch_size)

    def _believe(self, key: CellKey) -> None:
        """If something happened to the server, check that it still predicts what it predicted at first."""
        target = self._targets[key.platform]

        def predict(model: str, batch_size: int) -> Answer:
            service = target.service_for(self._networks[model])
            answer = target.batch(service, batch_size).predict(target.options.cold_start_timeout_s).answer
            self._warm[key.platform] = service
            return answer

        def predict_again(model: str, batch_size: int) -> Answer:
            try:
                return predict(model, batch_size)
            except ServiceNotFoundError:  # a service that was deleted since is still recorded as open
                target.forget_service()
                answer = predict(model, batch_size)
                self._say(f"ddperf: {key}: the service of {model} had vanished from the server; it was made anew")
                return answer

        self._recovery.believe(key.platform, key.model, predict_again)

    def judge(self, measurement: Measurement, nodeid: str) -> CellRecord:
        """Judge the measurement of a cell."""
        platform = measurement.key.platform
        record = self._judges[platform].judge(measurement, nodeid, self._facts.get(platform))
        change = self._changed.get(platform)
        return record if change is None else replace(record, notes=(*record.notes, change))

    def failed(self, key: CellKey, nodeid: str, error: DdperfError, measured: Measurement | None = None) -> CellRecord:
        """Return the record of a cell that could not be measured.

        Args:
            key: the cell.
            nodeid: node id of its test.
            error: why it could not be measured.
            measured: what was measured of it earlier in this run; it is kept.
        """
        # failing under a requested load is a result even without a baseline
        expected = bool(key.scenario) or isinstance(self._plans[key.platform].baseline.lookup(key), Baseline)
        outcome, what = classify_failure(error, expected=expected)
        load = f" with {describe_scenario(key.scenario)}" if key.scenario else ""
        return CellRecord(
            key=key,
            nodeid=nodeid,
            outcome=outcome,
            reason=f"{key} {what}{load}: {error}",
            measurement=measured,
            server=self._facts.get(key.platform),
            cause=error.cause,
            detail=str(error),
        )

    def unavailable(self, key: CellKey, nodeid: str, reason: str) -> CellRecord:
        """Return the record of a cell that is deliberately not measured."""
        return CellRecord(key=key, nodeid=nodeid, outcome=Outcome.UNAVAILABLE, reason=reason)

    def expected(self, platform: str) -> set[CellKey]:
        """Return the cells for which a platform's baseline has a value."""
        baseline = self._plans[platform].baseline
        return {key for key in baseline.cells() if not isinstance(baseline.lookup(key), Unavailable)}

    def expected_ms(self, key: CellKey) -> float:
        """Return the expected duration of a prediction from the cell's baseline, milliseconds; a guess without one.

        A cell under load is assumed to take as long as the same cell without load.
        """
        found = self._plans[key.platform].baseline.lookup(replace(key, scenario=""))
        if isinstance(found, Unavailable):
            return 0.0
        return key.batch_size * (UNKNOWN_MS if found is None else found.value_ms)

    def close(self) -> None:
        """Close all servers. May be called twice."""
        with contextlib.ExitStack() as stack:  # a failure does not keep the other servers from being closed
            for target in self._targets.values():
                stack.callback(target.finish)
        self._open = None

    def make_up(self) -> None:
        """Restore the boards of processes that died before they could do so."""
        for board in self._boards.values():
            board.make_up()
