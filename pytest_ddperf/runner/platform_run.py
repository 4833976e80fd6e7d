"""One platform during the run: its server, board and verdicts, and what to do when a cell cannot be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

from pytest_ddperf.errors import (
    BackendMissingError,
    DdperfError,
    GatewayError,
    ModelMissingError,
    NoConnectionError,
    RequestRefusedError,
    ServerFailedError,
    ServerGoneError,
    ServerOutOfMemoryError,
    ServerUnreachableError,
    ServiceNotFoundError,
)
from pytest_ddperf.runner.cell_attempt import CellAttempt
from pytest_ddperf.runner.cell_records import CellRecords
from pytest_ddperf.runner.pairs import measure_pairs
from pytest_ddperf.runner.server_health import CutPrediction, explain_missing_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.boards.board import Board
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import CellKey, Measurement, ServerFacts
    from pytest_ddperf.measure.loop import Progress
    from pytest_ddperf.runner.plan import PlatformPlan
    from pytest_ddperf.runner.server_health import ServerHealth
    from pytest_ddperf.servers.target import Target

T = TypeVar("T")


class PlatformRun:
    """One platform during the run.

    Args:
        reference: the server that it is compared with in pairs; None if there is none. The locks of both servers are
            held by this one, so it is opened first and closed last.

    Attributes:
        down: why none of its cells can be measured; None while they can.
    """

    def __init__(
        self,
        plan: PlatformPlan,
        networks: Mapping[str, Network],
        target: Target,
        *,
        health: ServerHealth,
        board: Board,
        say: Callable[[str], None],
        reference: PlatformRun | None = None,
    ) -> None:
        self.plan = plan
        self.target = target
        self.health = health
        self.board = board
        self.reference = reference
        self.records = CellRecords(plan, networks, say)
        self.down: DdperfError | None = None
        self._networks = networks
        self._say = say

    def finish(self) -> None:
        """Finish measuring both servers, see `Target.finish`."""
        try:
            if self.reference is not None:
                self.reference.target.finish()
        finally:
            self.target.finish()

    def open(self) -> ServerFacts:
        """Return the facts of the server, opening it if necessary. A server marked as down is not asked again.

        A server that was up and vanished is waited for once, for the time set in the options; after that, each further
        cell makes one quick request.

        Raises:
            ServerGoneError: the server was up and no longer responds.
            ServerError: nothing responds.
            HookError: a command that runs before the cells failed.
            ConfigurationError: the options do not fit the server.
        """
        if self.down is not None:
            raise self.down.fresh()
        if self.health.is_gone and self.target.is_open:
            self.health.await_return(self.target)
        was_up = self.records.facts is not None or self.health.is_gone
        try:
            facts = self.target.open(self.plan.server.recovery_timeout_s if was_up else 0.0)
        except DdperfError as error:
            self.down = error.fresh()
            if was_up:
                cause = self.health.share_cause(error.cause)
                self.down = ServerGoneError(f"The server stopped responding during the run: {error}", cause=cause)
            raise self.down.fresh() from error
        if self.health.is_gone:
            self.health.note_return(self.target.info)
        self.records.update_facts(facts)
        return facts

    def predict_once(self, key: CellKey) -> None:
        """Make one checked prediction; nothing is recorded.

        Raises:
            ServerError: the prediction failed, or the response does not match the request.
        """
        self.attempt(key, CellAttempt.predict)

    def measure(
        self,
        key: CellKey,
        show: Callable[[Progress], None] | None = None,
        earlier: Measurement | None = None,
        least_requests: int = 0,
    ) -> Measurement:
        """Measure one round of a cell.

        Args:
            key: the cell.
            show: called before every prediction; None for no progress.
            earlier: the cell's earlier measurement in this run; the new round is added to it.
            least_requests: requests that a round under load makes at least.

        Raises:
            ServerError: the server failed, or returned something else.
            ConfigurationError: there are too few images, or the server does not report the requested clock.
        """

        def measure_once() -> Measurement:
            if self.reference is None:
                return self.attempt(key, lambda attempt: attempt.measure(show, earlier, least_requests))
            return measure_pairs(self, self.reference, key, show, earlier)

        measured = measure_once()
        targets = [self.target] if self.reference is None else [self.target, self.reference.target]
        replaced = [one.was_replaced() for one in targets]  # each remembers what it sees
        if any(replaced):
            self._say(f"ddperf: {key}: its service was replaced by another one of the same name, which is measured now")
            measured = measure_once()
        described = self.target.describe_service()
        if described is not None:
            service = self.records.services[key.model]
            self.records.fixed_batches.read_description(key.model, service, described)
        self.health.note_measured()
        self.records.update_facts(self.target.refresh_facts())
        return measured

    def attempt(self, key: CellKey, use: Callable[[CellAttempt], T]) -> T:
        """Call `use` with an attempt; repeat it once if its service was deleted, or if the server had not answered yet.

        Raises:
            DdperfError: the error of `use`, after the server's state was recorded.
        """
        for is_last in (False, True):
            self.open()
            attempt: CellAttempt | None = None
            try:
                attempt = self._prepare(key)
                return self._use(attempt, key, use)
            except ServiceNotFoundError as error:
                if isinstance(error, (ModelMissingError, BackendMissingError)):
                    raise
                if is_last:
                    raise explain_missing_service(error) from error
                if attempt is None:
                    raise
                self._say(f"ddperf: {key}: its service was deleted from the server meanwhile; it is recreated")
                self.target.forget_service()
                self.health.suspect(key.platform, key.model)
            except ServerOutOfMemoryError as error:
                self.health.note_exhausted(key, str(error))
                self.target.release_service()
                raise
            except (ServerUnreachableError, GatewayError) as error:
                answered = attempt is not None and attempt.answered
                if answered or is_last or not isinstance(error, NoConnectionError):
                    self._raise_vanished(error, None if attempt is None else key)
                self.health.note_outage()  # between two cells: the repetition waits for the server
        raise AssertionError

    def _use(self, attempt: CellAttempt, key: CellKey, use: Callable[[CellAttempt], T]) -> T:
        """Call `use` with an attempt; repeat it if the network requires images of another, known size.

        Raises:
            ModelMissingError: the service has no network.
            DdperfError: the error of `use`.
        """
        try:
            return use(attempt)
        except (RequestRefusedError, ServerFailedError) as error:
            network = self._networks[key.model]
            side = self.target.use_other_size(network, error)
            self._say(
                f"ddperf: {key}: its service refuses images of {network.width}x{network.height}; {key.model} is "
                f"measured with {side}x{side}"
            )
        return use(self._prepare(key))

    def _prepare(self, key: CellKey) -> CellAttempt:
        """Check the open server and open the service of a cell."""
        self.health.check_size(key)
        self.health.wait_until_idle(self.target)
        self.verify(key)
        service = self.target.service_for(self._networks[key.model], key.batch_size)
        self.records.services[key.model] = service
        return CellAttempt(self, key, service, self.target.batch(service, key.batch_size))

    def verify(self, key: CellKey) -> None:
        """If something happened to the server, check that its predictions are those of the start of the run."""
        self.health.forget_random(key.platform, self.target.current_service)
        self.health.verify(
            key.platform, key.model, lambda model, size: self.target.predict(self._networks[model], size, key)
        )

    def _raise_vanished(self, error: ServerUnreachableError | GatewayError, key: CellKey | None) -> NoReturn:
        """Raise the error for a request without a response; a server that still responds to others was only slow.

        The cell is given if the request was one of its predictions.
        """
        before = self.target.info
        is_cut = isinstance(error, ServerGoneError)
        if not is_cut and self.target.is_up():
            raise error
        self.health.note_outage(None if key is None else CutPrediction(key, str(error), before))
        if is_cut:
            raise error
        vanished = "The server vanished during the run:"
        raise ServerGoneError(f"{vanished} {error}", cause=f"{vanished} {error.cause}") from error
